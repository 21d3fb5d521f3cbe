package auth_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"strings"
	"testing"

	"footfall/dashboard/auth"
	"footfall/storage/verb"
)

// run runs a verb on the world's store and returns what it printed.
func (w *world) run(v interface{ Run(*verb.Context) error }, asJSON bool, in string) (string, error) {
	var out bytes.Buffer
	err := v.Run(&verb.Context{Context: context.Background(), Store: w.store, Now: w.clock.now, In: strings.NewReader(in), Out: &out, JSON: asJSON})
	return out.String(), err
}

func TestUserVerbs(t *testing.T) {
	w, ctx := newWorld(t, nil), context.Background()
	if out, err := w.run(&auth.UserAdd{Email: "Ann@example.org"}, false, password+"\n"); err != nil || out != "added ann@example.org\n" {
		t.Fatalf("got %q, %v", out, err)
	}
	cookie, err := w.Login(ctx, stranger, "ann@example.org", password, "")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		email, in string
		code      int
	}{
		"twice":         {"ann@example.org", password, verb.ExitFailed},
		"no address":    {"ann", password, verb.ExitUsage},
		"no password":   {"bob@example.org", "", verb.ExitUsage},
		"short one":     {"bob@example.org", "short\n", verb.ExitFailed},
		"a long stream": {"bob@example.org", strings.Repeat("a", 1<<20), verb.ExitFailed},
	} {
		if out, err := w.run(&auth.UserAdd{Email: c.email}, false, c.in); out != "" || verb.Code(err) != c.code {
			t.Errorf("%s: got %q, %v (exit %d)", name, out, err, verb.Code(err))
		}
	}
	if out, err := w.run(&auth.UserPasswd{Email: "ann@example.org"}, false, "another good password\r\n"); err != nil || !strings.Contains(out, "ended every login") {
		t.Errorf("got %q, %v", out, err)
	}
	if w.knows(cookie) {
		t.Error("a login outlives the password it was made with")
	}
	if _, err := w.Login(ctx, stranger, "ann@example.org", "another good password", ""); err != nil {
		t.Errorf("the new password: %v", err)
	}
	if _, err := w.run(&auth.UserPasswd{Email: "bob@example.org"}, false, password); verb.Code(err) != verb.ExitMissing {
		t.Errorf("nobody's password: %v", err)
	}
	if out, err := w.run(&auth.UserList{}, false, ""); err != nil || out != "ann@example.org  2026-05-20\n" {
		t.Errorf("got %q, %v", out, err)
	}
}

func TestTokenVerbs(t *testing.T) {
	w := newWorld(t, nil)
	out, err := w.run(&auth.TokenAdd{Name: "report", Scope: auth.ScopeRead}, false, "")
	text := strings.TrimSuffix(out, "\n")
	if err != nil || len(text) != 64 || strings.ContainsAny(text, " \n") {
		t.Fatalf("got %q, %v", out, err)
	}
	if got, ok := w.store.Accounts().TokenByHash(sha256.Sum256([]byte(text))); !ok || got.Name != "report" {
		t.Error("the printed token is not the stored one")
	}
	if _, err := w.run(&auth.TokenAdd{Name: "report", Scope: auth.ScopeRead}, false, ""); err == nil || !strings.Contains(err.Error(), "token remove") {
		t.Errorf("a name twice: %v", err)
	}
	if out, err := w.run(&auth.TokenList{}, false, ""); err != nil || out != "1  report  stats:read  "+text[:6]+"…  2026-05-20  never used\n" {
		t.Errorf("got %q, %v", out, err)
	}
	if out, err := w.run(&auth.TokenList{}, true, ""); err != nil || strings.Contains(out, text) || !strings.Contains(out, `"last_used": null`) {
		t.Errorf("got %q, %v", out, err)
	}
	// A token may be named like another's number: the name wins.
	if _, err := w.run(&auth.TokenAdd{Name: "1", Scope: auth.ScopeRead}, false, ""); err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"removed token 1\n", "removed token report\n"} {
		if out, err := w.run(&auth.TokenRemove{Name: "1"}, false, ""); err != nil || out != want {
			t.Errorf("removal %d: got %q, %v, want %q", i, out, err, want)
		}
	}
	if _, err := w.run(&auth.TokenRemove{Name: "1"}, false, ""); verb.Code(err) != verb.ExitMissing {
		t.Errorf("a token that is gone: %v", err)
	}
}
