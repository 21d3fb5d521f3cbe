package seal_test

import (
	"bytes"
	"errors"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"footfall/storage/schema"
	"footfall/storage/seal"
)

var (
	storeID = [16]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}
	rawKey  = bytes.Repeat([]byte{7}, 32)
	raw     = seal.KeySource{Raw: rawKey}
	born    = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	place   = seal.Place{Bucket: 4, Key: []byte("a key"), Type: 3, Version: 0x0102}
)

// mustCreate makes a vault with sites 1 and 2, and checks it when the test ends.
func mustCreate(t testing.TB, path string) (v *seal.Vault, recovery string) {
	t.Helper()
	v, err := seal.CreateVault(path, storeID, raw, born)
	if err != nil {
		t.Fatal(err)
	}
	recovery = seal.NewRecovery()
	if slot, err := v.SetRecovery(recovery, born); slot != 1 || err != nil {
		t.Fatalf("slot %d, %v", slot, err)
	}
	for site := schema.Site(1); site <= 2; site++ {
		if err := v.CreateSite(site); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		if err := v.Check(); err != nil && !errors.Is(err, seal.ErrClosed) {
			t.Error(err)
		}
		v.Close()
	})
	return v, recovery
}

func newVault(t testing.TB) (*seal.Vault, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "footfall.vault")
	v, _ := mustCreate(t, path)
	return v, path
}

func mustOpen(t testing.TB, path string, key seal.KeySource) *seal.Vault {
	t.Helper()
	v, err := seal.OpenVault(path, key)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { v.Close() })
	return v
}

func mustSite(t testing.TB, v *seal.Vault, site schema.Site) *seal.Sealer {
	t.Helper()
	s, err := v.Site(site)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func mustSalt(t testing.TB, v *seal.Vault, zone string, day schema.Date) [32]byte {
	t.Helper()
	s, err := v.Salt(zone, day)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSealOpen(t *testing.T) {
	v, _ := newVault(t)
	s := mustSite(t, v, 1)
	for _, n := range []int{0, 1, 100, 70_000} {
		plain := bytes.Repeat([]byte("x"), n)
		sealed := s.Seal([]byte("before"), plain, place)
		if len(sealed) != 6+n+seal.Overhead || !bytes.HasPrefix(sealed, []byte("before")) {
			t.Fatalf("%d bytes sealed into %d", n, len(sealed))
		}
		got, err := s.Open([]byte("start"), sealed[6:], place)
		if err != nil || string(got) != "start"+string(plain) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

func TestASealedValueOpensAtItsOwnPlaceOnly(t *testing.T) {
	v, _ := newVault(t)
	s := mustSite(t, v, 1)
	sealed := s.Seal(nil, []byte("value"), place)
	refuse := func(name string, with *seal.Sealer, b []byte, at seal.Place) {
		t.Helper()
		if got, err := with.Open(nil, b, at); !errors.Is(err, seal.ErrDamaged) || got != nil {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	for name, change := range map[string]func(*seal.Place){
		"bucket":       func(p *seal.Place) { p.Bucket++ },
		"key":          func(p *seal.Place) { p.Key = []byte("b key") },
		"shorter key":  func(p *seal.Place) { p.Key = []byte("a ke") },
		"key and type": func(p *seal.Place) { p.Key, p.Type = []byte("a key\x03"), 1 },
		"no key":       func(p *seal.Place) { p.Key = nil },
		"type":         func(p *seal.Place) { p.Type = 0 },
		"version":      func(p *seal.Place) { p.Version = 0x0201 },
	} {
		at := place
		change(&at)
		refuse(name, s, sealed, at)
	}
	refuse("another site's key", mustSite(t, v, 2), sealed, place)
	refuse("the rest's key", v.Rest(), sealed, place)
	for i := range sealed {
		for bit := range 8 {
			bad := slices.Clone(sealed)
			bad[i] ^= 1 << bit
			refuse("flip", s, bad, place)
		}
		refuse("cut", s, sealed[:i], place)
		refuse("cut at the start", s, sealed[i+1:], place)
	}
	refuse("extended", s, append(slices.Clone(sealed), 0), place)
	other := s.Seal(nil, []byte("VALUE"), place)
	refuse("tag of another value", s, append(slices.Clone(sealed[:30]), other[30:]...), place)
}

func TestNoncesAreUnique(t *testing.T) {
	v, _ := newVault(t)
	s := mustSite(t, v, 1)
	n := 1_000_000
	if testing.Short() {
		n = 50_000
	}
	seen := make(map[[24]byte]struct{}, n)
	var buf []byte
	for range n {
		buf = s.Seal(buf[:0], nil, place)
		seen[[24]byte(buf[1:25])] = struct{}{}
	}
	if len(seen) != n {
		t.Errorf("%d nonces for %d values", len(seen), n)
	}
}

func FuzzOpenSealed(f *testing.F) {
	v, _ := newVault(f)
	s, _ := v.Site(1)
	good := s.Seal(nil, []byte("value"), place)
	f.Add(good, []byte("a key"), byte(3))
	f.Add([]byte{}, []byte{}, byte(0))
	f.Add(bytes.Repeat([]byte{1}, 41), []byte("k"), byte(1))
	f.Fuzz(func(t *testing.T, b, key []byte, kind byte) {
		got, err := s.Open(nil, b, seal.Place{Bucket: 4, Key: key, Type: kind, Version: 0x0102})
		if err == nil && (string(got) != "value" || !bytes.Equal(b, good)) {
			t.Errorf("opened %q", got)
		}
		if err != nil && !errors.Is(err, seal.ErrDamaged) {
			t.Error(err)
		}
	})
}

func BenchmarkSeal(b *testing.B) {
	v, _ := newVault(b)
	s, _ := v.Site(1)
	for _, n := range []int{300, 65_000} {
		plain := make([]byte, n)
		sealed := s.Seal(nil, plain, place)
		buf := make([]byte, 0, n+seal.Overhead)
		b.Run("seal", func(b *testing.B) {
			b.SetBytes(int64(n))
			b.ReportAllocs()
			for b.Loop() {
				s.Seal(buf, plain, place)
			}
		})
		b.Run("open", func(b *testing.B) {
			b.SetBytes(int64(n))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Open(buf, sealed, place); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
