package account_test

import (
	"crypto/sha256"
	"sync"
	"testing"
	"time"

	"footfall/storage/account"
)

// A token is found by its text alone, and its use is written down once an hour, however many use it at once.
func TestUseToken(t *testing.T) {
	s := newShelf(t)
	const text = "a secret of many characters"
	if _, err := s.book.AddToken(t.Context(), account.Token{Name: "shop", Scope: account.ScopeSend, Hash: sha256.Sum256([]byte(text)), Created: created}); err != nil {
		t.Fatal(err)
	}
	for _, wrong := range []string{"", text + " ", text[1:], "shop"} {
		if _, ok, err := s.book.UseToken(t.Context(), wrong, created); ok || err != nil {
			t.Errorf("%q opens: %v", wrong, err)
		}
	}
	for i, now := range []time.Time{created.Add(time.Minute), created.Add(2 * time.Hour)} {
		before := s.db.Stats().Commits
		var users sync.WaitGroup
		for range 8 {
			users.Go(func() {
				if token, ok, err := s.book.UseToken(t.Context(), text, now); !ok || err != nil || token.Name != "shop" {
					t.Errorf("got %v, %v, %v", token, ok, err)
				}
			})
		}
		users.Wait()
		token := s.book.Tokens()[0]
		if want := now.Truncate(time.Hour); !token.LastUsed.Equal(want) {
			t.Errorf("%d: last used %v, want %v", i, token.LastUsed, want)
		}
		if n := s.db.Stats().Commits - before; n != 1 {
			t.Errorf("%d: %d commits, want 1", i, n)
		}
	}
	if err := s.book.DeleteToken(t.Context(), s.book.Tokens()[0].ID); err != nil {
		t.Fatal(err)
	}
	if _, ok, _ := s.book.UseToken(t.Context(), text, created); ok {
		t.Error("a removed token opens")
	}
}
