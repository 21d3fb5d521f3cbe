package seal_test

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

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

// TestOlderPassword checks a hash with other parameters, made by Python's argon2-cffi-compatible reference parameters.
func TestOlderPassword(t *testing.T) {
	old := "$argon2id$v=19$m=7168,t=5,p=1$c2FsdHNhbHRzYWx0c2FsdA$" // the hash follows in bad ones
	for _, bad := range []string{"", "hello", old, old + "!!", strings.Replace(old, "m=7168", "m=4294967295", 1) + "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		strings.Replace(old, "t=5", "t=4000000000", 1) + "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		strings.Replace(old, "argon2id", "argon2i", 1) + "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		strings.Replace(old, "p=1", "p=1,x", 1) + "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"} {
		if _, _, err := seal.VerifyPassword(bad, "x"); !errors.Is(err, seal.ErrBadHash) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if ok, rehash, err := seal.VerifyPassword(old+"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "x"); ok || rehash || err != nil {
		t.Errorf("another hash: %v %v %v", ok, rehash, err)
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
