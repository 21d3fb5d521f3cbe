package seal_test

import (
	"fmt"
	"os"
	"sync"
	"testing"

	"footfall/storage/schema"
	"footfall/storage/seal"
)

func TestSaltRotation(t *testing.T) {
	v, path := newVault(t)
	mustSalt(t, v, "Asia/Tokyo", 100)
	other := mustSalt(t, v, "Asia/Tokyo", 100)
	seen := map[[32]byte]bool{other: true}
	size := fileSize(t, path)
	for _, day := range []schema.Date{100, 101, 102, 101, 100, 99, -5} { // back, too: nothing comes again
		before, _ := os.ReadFile(path)
		first := mustSalt(t, v, "Europe/Berlin", day)
		if seen[first] {
			t.Fatalf("day %d got a salt that was used before", day)
		}
		seen[first] = true
		if mustSalt(t, v, "Europe/Berlin", day) != first {
			t.Errorf("day %d has two salts", day)
		}
		if day != 100 {
			after, _ := os.ReadFile(path)
			noneLeft(t, before, after)
		}
	}
	if mustSalt(t, v, "Asia/Tokyo", 100) != other {
		t.Error("the salt of another zone has changed")
	}
	if got := fileSize(t, path); got != size {
		t.Errorf("the vault grew from %d to %d", size, got)
	}
	for _, zone := range []string{"", string(make([]byte, 256))} {
		if _, err := v.Salt(zone, 1); err == nil {
			t.Errorf("a zone name of %d bytes", len(zone))
		}
	}
}

func TestSweepSalts(t *testing.T) {
	for _, reopen := range []bool{false, true} {
		t.Run(fmt.Sprintf("reopen=%v", reopen), func(t *testing.T) {
			v, path := newVault(t)
			kept := mustSalt(t, v, "Asia/Tokyo", 101)
			over := mustSalt(t, v, "Europe/Berlin", 100)
			future := mustSalt(t, v, "America/New_York", 103) // the clock was turned back
			if reopen {
				v.Close()
				v = mustOpen(t, path, raw)
			}
			before, _ := os.ReadFile(path)
			today := func(zone string) schema.Date { return 101 }
			if n, err := v.SweepSalts(today); n != 2 || err != nil {
				t.Fatalf("%d destroyed, %v", n, err)
			}
			if n, err := v.SweepSalts(today); n != 0 || err != nil {
				t.Errorf("then %d destroyed, %v", n, err)
			}
			after, _ := os.ReadFile(path)
			noneLeft(t, before, after)
			if err := v.Check(); err != nil {
				t.Error(err)
			}
			v.Close()
			v = mustOpen(t, path, raw)
			if len(v.Notes()) != 0 {
				t.Errorf("%q", v.Notes())
			}
			if mustSalt(t, v, "Asia/Tokyo", 101) != kept {
				t.Error("today's salt is gone")
			}
			if mustSalt(t, v, "Europe/Berlin", 100) == over || mustSalt(t, v, "America/New_York", 103) == future {
				t.Error("a destroyed salt is back")
			}
			if got := fileSize(t, path); got != seal.GrowPages*seal.PageSize {
				t.Errorf("the vault has %d bytes", got)
			}
		})
	}
}

func TestSaltIsOneForAll(t *testing.T) {
	v, _ := newVault(t)
	var mu sync.Mutex
	seen := map[[32]byte]bool{}
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			s, err := v.Salt("Europe/Berlin", 7)
			if err != nil {
				t.Error(err)
			}
			if err := v.CreateSite(schema.Site(100 + i)); err != nil {
				t.Error(err)
			}
			v.SweepSalts(func(string) schema.Date { return 7 })
			if i%5 == 0 {
				if err := v.Rotate("", born); err != nil {
					t.Error(err)
				}
			}
			v.Rest().Seal(nil, []byte("x"), place)
			v.Outline()
			mu.Lock()
			defer mu.Unlock()
			seen[s] = true
		})
	}
	wg.Wait()
	if len(seen) != 1 {
		t.Errorf("%d salts for one day", len(seen))
	}
}

func BenchmarkSalt(b *testing.B) {
	v, _ := newVault(b)
	b.Run("known", func(b *testing.B) {
		for b.Loop() {
			v.Salt("Europe/Berlin", 7)
		}
	})
	b.Run("new", func(b *testing.B) {
		for i := schema.Date(0); b.Loop(); i++ {
			v.Salt("Europe/Berlin", i)
		}
	})
}
