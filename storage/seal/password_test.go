package seal_test

import (
	"encoding/base64"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/crypto/argon2"

	"footfall/storage/seal"
)

func TestPassword(t *testing.T) {
	hash, err := seal.HashPassword("correct horse")
	if err != nil {
		t.Fatal(err)
	}
	again, _ := seal.HashPassword("correct horse")
	if hash == again || !strings.HasPrefix(hash, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("%s, %s", hash, again)
	}
	for password, want := range map[string]bool{"correct horse": true, "Correct horse": false, "": false, strings.Repeat("x", 5000): false} {
		if ok, rehash, err := seal.VerifyPassword(hash, password); ok != want || rehash || err != nil {
			t.Errorf("%.20q: %v %v %v", password, ok, rehash, err)
		}
	}
	if _, err := seal.HashPassword(strings.Repeat("x", 5000)); !errors.Is(err, seal.ErrPasswordLength) {
		t.Error(err)
	}
}

// TestOlderPassword: a hash with yesterday's parameters is good, and to be made anew.
func TestOlderPassword(t *testing.T) {
	salt := []byte("saltsaltsaltsalt")
	hash := argon2.IDKey([]byte("correct horse"), salt, 5, 7168, 1, 32)
	text := func(head string) string {
		enc := base64.RawStdEncoding
		return head + "$" + enc.EncodeToString(salt) + "$" + enc.EncodeToString(hash)
	}
	const head = "$argon2id$v=19$m=7168,t=5,p=1"
	if ok, rehash, err := seal.VerifyPassword(text(head), "correct horse"); !ok || !rehash || err != nil {
		t.Errorf("%v %v %v", ok, rehash, err)
	}
	if ok, rehash, err := seal.VerifyPassword(text(head), "wrong"); ok || rehash || err != nil {
		t.Errorf("wrong password: %v %v %v", ok, rehash, err)
	}
	for _, bad := range []string{
		"", "hello", head, text(head) + "!", text(head) + "$", text("$argon2i$v=19$m=7168,t=5,p=1"), text("$argon2id$v=16$m=7168,t=5,p=1"),
		text("$argon2id$v=19$m=4294967295,t=5,p=1"), text("$argon2id$v=19$m=7168,t=4000000000,p=1"), text("$argon2id$v=19$m=7168,t=0,p=1"),
		text("$argon2id$v=19$m=7168,t=5,p=1,x"), text("$argon2id$v=19$m=7168,t=5,p=0"), text("$argon2id$v=19$m=07168,t=5,p=1"),
	} {
		if _, _, err := seal.VerifyPassword(bad, "x"); !errors.Is(err, seal.ErrBadHash) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestPasswordsAreBounded(t *testing.T) {
	var busy, fine atomic.Int64
	var wg sync.WaitGroup
	start := make(chan struct{})
	for range 3 * seal.PasswordsInside {
		wg.Go(func() {
			<-start
			if _, err := seal.HashPassword("correct horse"); errors.Is(err, seal.ErrBusy) {
				busy.Add(1)
			} else if err == nil {
				fine.Add(1)
			}
		})
	}
	close(start)
	wg.Wait()
	if busy.Load() == 0 || fine.Load() < seal.PasswordsInside || busy.Load()+fine.Load() != 3*seal.PasswordsInside {
		t.Errorf("%d hashed, %d turned away", fine.Load(), busy.Load())
	}
	if _, err := seal.HashPassword("and now?"); err != nil {
		t.Error(err)
	}
}

func BenchmarkHashPassword(b *testing.B) {
	for b.Loop() {
		seal.HashPassword("correct horse")
	}
}

// FuzzHash reads what may stand in the place of a password's stored form: whatever it says, trying a password may not take much.
func FuzzHash(f *testing.F) {
	f.Add("$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$c2FsdHNhbHRzYWx0c2FsdHNhbHRzYWx0c2FsdHNhbHQ")
	f.Add("$argon2id$v=19$m=4294967295,t=1,p=1$AA$")
	f.Add("$2a$10$")
	f.Fuzz(func(t *testing.T, text string) {
		passes, memory, err := seal.ReadHash(text)
		if err == nil && (passes < 1 || passes > 16 || memory > 1<<20) || err != nil && !errors.Is(err, seal.ErrBadHash) {
			t.Fatalf("%d passes over %d KiB, %v", passes, memory, err)
		}
	})
}

// FuzzRecovery reads what a person may type for a recovery key.
func FuzzRecovery(f *testing.F) {
	f.Add("ABCD-EFGH-JKMN-PQRS-TVWX-YZ01-2345-6789")
	f.Add("o0 iI lL\n\u00e9")
	f.Fuzz(func(t *testing.T, text string) {
		secret, err := seal.ParseRecovery(text)
		if err == nil && len(secret) != 16 || err != nil && !errors.Is(err, seal.ErrNotKey) && !errors.Is(err, seal.ErrKeyTypo) {
			t.Fatalf("%d bytes, %v", len(secret), err)
		}
	})
}
