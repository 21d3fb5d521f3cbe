package seal_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"footfall/storage/seal"
)

func TestSiteKeyObjects(t *testing.T) {
	v, path := newVault(t)
	sealed := mustSite(t, v, 2).Seal(nil, []byte("two"), place)
	old := export(t, v)
	if err := v.ReplaceSite(2); err != nil {
		t.Fatal(err)
	}
	now := export(t, v)
	one, two, next := old.sites[0], old.sites[1], now.sites[1]
	k := bucket{now.keyring, nil}.open(t, raw)
	for range 2 {
		if site, err := k.OpenSite(two.Name, two.Object); site != 2 || err != nil {
			t.Errorf("site %d, %v", site, err)
		}
	}
	if _, err := k.OpenSite(next.Name, next.Object); !errors.Is(err, seal.ErrHasKey) {
		t.Errorf("two keys for a site: %v", err)
	}
	if s, err := k.Site(2); err != nil {
		t.Error(err)
	} else if got, err := s.Open(nil, sealed, place); string(got) != "two" {
		t.Errorf("the key that was added first: %v", err)
	}
	other, err := seal.CreateVault(path+"2", [16]byte{9}, raw, born)
	if err == nil {
		err = other.CreateSite(1)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	foreign := export(t, other).sites[0]
	newer := bytes.Clone(one.Object)
	newer[0] = 2
	type pair struct {
		name   [16]byte
		object []byte
	}
	wrong := map[string]pair{
		"another's name": {two.Name, one.Object}, "of another store": {foreign.Name, foreign.Object},
		"empty": {one.Name, nil}, "longer": {one.Name, append(bytes.Clone(one.Object), 0)},
	}
	for i := range one.Object {
		wrong[fmt.Sprintf("cut to %d", i)] = pair{one.Name, one.Object[:i]}
		bad := bytes.Clone(one.Object)
		if bad[i] ^= 0x80; i > 0 {
			wrong[fmt.Sprintf("byte %d", i)] = pair{one.Name, bad}
		}
	}
	for name, c := range wrong {
		if site, err := k.OpenSite(c.name, c.object); site != 0 || !errors.Is(err, seal.ErrDamaged) {
			t.Errorf("%s: site %d, %v", name, site, err)
		}
	}
	var e seal.ErrNewer
	if _, err := k.OpenSite(one.Name, newer); !errors.As(err, &e) || e.What != "site key" || !strings.Contains(err.Error(), "the site key has format 2") {
		t.Errorf("a newer one: %v", err)
	}
	if _, err := k.Site(1); !errors.Is(err, seal.ErrNoKey) {
		t.Errorf("site 1 came from nowhere: %v", err)
	}
}

func FuzzSiteKey(f *testing.F) {
	b := newBucket(f)
	k, err := seal.OpenKeyring(b.keyring, raw)
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range b.sites {
		f.Add(s.Name[:], s.Object)
	}
	f.Add([]byte{1}, []byte{2})
	f.Fuzz(func(t *testing.T, name, object []byte) {
		var n [16]byte
		copy(n[:], name)
		site, err := k.OpenSite(n, object)
		var newer seal.ErrNewer
		if err == nil {
			if i := slices.IndexFunc(b.sites, func(s seal.SiteKey) bool { return s.Site == site && s.Name == n }); i < 0 || !bytes.Equal(object, b.sites[i].Object) {
				t.Errorf("site %d opened from what nobody exported", site)
			}
		} else if !errors.Is(err, seal.ErrDamaged) && !errors.As(err, &newer) {
			t.Errorf("not a typed error: %v", err)
		}
	})
}
