//go:build unix

package file_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"footfall/storage/file"
)

// TestDamage flips bits, cuts and overwrites pieces of a small file. Each time: the file is refused with a typed
// error, or every key is there and every value that still has its right checksum is the right one (checksums stand
// for the seals, which this package does not know). The work is done in a child: bbolt must not take the process with
// it, and nothing may hang.
func TestDamage(t *testing.T) {
	rounds := 2000
	if testing.Short() {
		rounds = 300
	}
	if s := os.Getenv("FILE_TEST_DAMAGE_ROUNDS"); s != "" {
		rounds, _ = strconv.Atoi(s)
	}
	if os.Getenv("FILE_TEST_DAMAGE") == "" {
		child(t, "TestDamage", "FILE_TEST_DAMAGE=1", "FILE_TEST_DAMAGE_ROUNDS="+strconv.Itoa(rounds))
		return
	}
	dir := t.TempDir()
	whole, want := damageSample(t, filepath.Join(dir, "whole.db"))
	seed := uint64(time.Now().UnixNano())
	rng := rand.New(rand.NewPCG(seed, 0))
	refused, path := 0, filepath.Join(dir, "footfall.db")
	for i := range rounds {
		bad := append([]byte(nil), whole...)
		what := spoil(rng, &bad)
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		fmt.Printf("seed %d round %d: %s\n", seed, i, what) // the last line tells what killed the process
		stop := time.AfterFunc(20*time.Second, func() { panic("hang: " + what) })
		if err := tryDamaged(path, want); errors.Is(err, file.ErrDamaged) {
			refused++
		} else if err != nil {
			t.Errorf("seed %d round %d, %s: %v", seed, i, what, err)
		}
		stop.Stop()
	}
	fmt.Printf("%d of %d refused\n", refused, rounds)
}

// damageSample makes a file with branches, leaves, long values, inline buckets and free pages, and returns its used part.
func damageSample(t *testing.T, path string) (content []byte, want map[string]string) {
	db := mustCreate(t, file.Config{Path: path})
	want = map[string]string{}
	for i := range uint64(40) {
		mustCommit(t, db, func(tx *file.Tx) error {
			for j := range uint64(10) {
				v := make([]byte, 10+i)
				for k := range v {
					v[k] = byte(i + j)
				}
				sum := sha256.Sum256(v)
				v = append(sum[:], v...)
				key := append(number(i), byte(j))
				want["2"+string(key)] = string(v)
				if err := tx.Put(file.Journal, key, v); err != nil {
					return err
				}
			}
			if i%10 == 0 {
				v := make([]byte, 9000)
				sum := sha256.Sum256(v)
				v = append(sum[:], v...)
				want["4"+string(number(i))] = string(v)
				return tx.Put(file.Days, number(i), v)
			}
			return nil
		})
	}
	mustCommit(t, db, func(tx *file.Tx) error {
		for j := range 10 {
			delete(want, "2"+string(append(number(3), byte(j))))
		}
		return tx.DeletePrefix(file.Journal, number(3))
	})
	db.Close()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content[:file.UsedBytes(t, path)], want
}

func spoil(rng *rand.Rand, b *[]byte) string {
	n := len(*b)
	switch k := rng.IntN(20); {
	case k < 8: // any bit
		at, bit := rng.IntN(n), rng.IntN(8)
		(*b)[at] ^= 1 << bit
		return fmt.Sprintf("bit %d of byte %d", bit, at)
	case k < 16: // a bit of a page header or of its first elements
		at, bit := rng.IntN(n/4096)*4096+rng.IntN(96), rng.IntN(8)
		(*b)[at] ^= 1 << bit
		return fmt.Sprintf("bit %d of byte %d (page %d, offset %d)", bit, at, at/4096, at%4096)
	case k < 17:
		size := rng.IntN(n)
		*b = (*b)[:size]
		return fmt.Sprintf("cut to %d", size)
	case k < 18: // a page that was not written
		at := rng.IntN(n/4096) * 4096
		clear((*b)[at : at+4096])
		return fmt.Sprintf("page %d zeroed", at/4096)
	case k < 19: // a page written to the wrong place
		from, to := rng.IntN(n/4096), rng.IntN(n/4096)
		copy((*b)[to*4096:(to+1)*4096], (*b)[from*4096:])
		return fmt.Sprintf("page %d over page %d", from, to)
	default:
		at := rng.IntN(n - 8)
		for i := range 8 {
			(*b)[at+i] = byte(rng.Uint32())
		}
		return fmt.Sprintf("8 random bytes at %d", at)
	}
}

// tryDamaged returns nil where every answer was right, ErrDamaged where damage was seen, and any other error otherwise.
func tryDamaged(path string, want map[string]string) error {
	db, err := file.Open(file.Config{Path: path})
	if err != nil {
		return err
	}
	defer db.Close()
	found := 0
	for _, b := range []file.Bucket{file.Journal, file.Days} {
		err := db.Scan(context.Background(), b, nil, func(k, v []byte) error {
			right, ok := want[strconv.Itoa(int(b))+string(k)]
			if !ok {
				return fmt.Errorf("a key that was never written: %x", k)
			}
			found++
			if sum := sha256.Sum256(v[min(32, len(v)):]); len(v) < 32 || [32]byte(v) != sum {
				return nil // the seal would tell
			}
			if string(v) != right {
				return fmt.Errorf("key %x has a wrong value", k)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	if found != len(want) {
		return fmt.Errorf("%d of %d keys", found, len(want))
	}
	if err := db.Check(context.Background(), nil); err != nil {
		return err
	}
	if err := db.Commit(context.Background(), put(file.Audit, "k", "v")); err != nil {
		return err
	}
	return db.Close()
}

// FuzzOpen gives Open files of any content.
func FuzzOpen(f *testing.F) {
	f.Add([]byte("hello"))
	f.Add(make([]byte, 5*4096))
	path := filepath.Join(f.TempDir(), "seed.db")
	if db, err := file.Create(file.Config{Path: path}); err == nil {
		db.Commit(context.Background(), put(file.Days, "k", "v"))
		db.Close()
		if b, err := os.ReadFile(path); err == nil {
			f.Add(b[:min(len(b), 10*4096)])
		}
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		path := filepath.Join(t.TempDir(), "footfall.db")
		os.WriteFile(path, content, 0o600)
		db, err := file.Open(file.Config{Path: path})
		if err != nil {
			if newer := (file.ErrNewer{}); !errors.Is(err, file.ErrDamaged) && !errors.As(err, &newer) {
				t.Errorf("not a typed error: %v", err)
			}
			return
		}
		defer db.Close()
		for b := file.Meta; b <= file.Audit; b++ {
			if err := db.Scan(context.Background(), b, nil, func(_, _ []byte) error { return nil }); err != nil {
				t.Error(err)
			}
		}
	})
}
