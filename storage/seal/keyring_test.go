package seal_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"footfall/storage/schema"
	"footfall/storage/seal"
)

// bucket is what of a vault leaves the machine.
type bucket struct {
	keyring []byte
	sites   []seal.SiteKey
}

func export(t testing.TB, v *seal.Vault) (b bucket) {
	t.Helper()
	var err1, err2 error
	b.keyring, err1 = v.Keyring()
	b.sites, err2 = v.SiteKeys()
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b bucket) equal(other bucket) bool {
	return bytes.Equal(b.keyring, other.keyring) && fmt.Sprint(b.sites) == fmt.Sprint(other.sites)
}

// open opens a bucket with all its site keys.
func (b bucket) open(t testing.TB, key seal.KeySource) *seal.Keyring {
	t.Helper()
	k, err := seal.OpenKeyring(b.keyring, key)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	for _, s := range b.sites {
		if site, err := k.OpenSite(s.Name, s.Object); site != s.Site || err != nil {
			t.Fatalf("site %d, want %d: %v", site, s.Site, err)
		}
	}
	return k
}

// restore makes a vault from nothing but a bucket and a key.
func (b bucket) restore(t testing.TB, key seal.KeySource) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "restored.vault")
	if err := b.open(t, key).CreateVault(path); err != nil {
		t.Fatal(err)
	}
	return path
}

// newBucket returns that of a vault which raw opens.
func newBucket(t testing.TB) bucket {
	t.Helper()
	v, _ := newVault(t)
	return export(t, v)
}

func TestKeyring(t *testing.T) {
	h := newHouse(t)
	v := mustOpen(t, h.path, h.keys["passphrase"])
	b, pack := export(t, v), v.Snapshots().Seal(nil, []byte("pack"), place)
	if !b.equal(export(t, v)) {
		t.Error("two exports of one vault differ")
	}
	for name, key := range h.keys {
		k := b.open(t, key)
		if k.StoreID() != storeID {
			t.Errorf("%s: store %x", name, k.StoreID())
		}
		if got, err := k.Rest().Open(nil, h.rest, place); string(got) != "rest" {
			t.Errorf("%s: rest: %v", name, err)
		}
		if got, err := k.Snapshots().Open(nil, pack, place); string(got) != "pack" {
			t.Errorf("%s: pack: %v", name, err)
		}
		seven, err := k.Site(7)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := seven.Open(nil, h.seven, place); string(got) != "seven" {
			t.Errorf("%s: site 7: %v", name, err)
		}
		if _, err := k.Site(8); !errors.Is(err, seal.ErrNoKey) {
			t.Errorf("%s: a site that is none: %v", name, err)
		}

		r := &house{path: filepath.Join(t.TempDir(), "restored.vault"), keys: h.keys, rest: h.rest, seven: h.seven}
		if err := k.CreateVault(r.path); err != nil {
			t.Fatal(err)
		}
		if err := k.CreateVault(r.path); !errors.Is(err, fs.ErrExist) {
			t.Errorf("%s: over a vault: %v", name, err)
		}
		if info, err := os.Stat(r.path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v, %v", name, info.Mode(), err)
		}
		restored := mustOpen(t, r.path, key)
		if r.salt = mustSalt(t, restored, "Europe/Berlin", 100); r.salt == h.salt {
			t.Errorf("%s: the salt left its vault", name)
		}
		if got, want := restored.Outline().Slots(), v.Outline().Slots(); fmt.Sprint(got) != fmt.Sprint(want) || restored.StoreID() != storeID ||
			!restored.Outline().Made().Equal(born) {
			t.Errorf("%s: slots %v, want %v", name, got, want)
		}
		if !b.equal(export(t, restored)) {
			t.Errorf("%s: the restored vault exports something else", name)
		}
		restored.Close()
		r.opens(t, "key file", "recovery key", "passphrase")
		k.Close()
		_, err1 := k.Site(7)
		_, err2 := k.OpenSite(b.sites[0].Name, b.sites[0].Object)
		for _, err := range []error{err1, err2, k.CreateVault(r.path + "2")} {
			if !errors.Is(err, seal.ErrClosed) {
				t.Errorf("%s: closed: %v", name, err)
			}
		}
	}
	if _, err := seal.OpenKeyring(b.keyring, raw); !errors.Is(err, seal.ErrWrongKey) {
		t.Errorf("a wrong key: %v", err)
	}
	if _, err := seal.OpenKeyring(b.keyring, seal.KeySource{File: h.path + "none"}); !errors.Is(err, seal.ErrNoKeyFile) {
		t.Errorf("no key file: %v", err)
	}
	v.Close()
	_, err1 := v.Keyring()
	_, err2 := v.SiteKeys()
	if !errors.Is(err1, seal.ErrClosed) || !errors.Is(err2, seal.ErrClosed) {
		t.Errorf("closed: %v, %v", err1, err2)
	}
}

// TestKeyringFollows changes a vault between two exports. Each time: what a bucket must hold changes if it has to, and Generation tells; the
// keyring is open to exactly the keys that open the vault; the one before it stays open to those of its time, with all that came later.
func TestKeyringFollows(t *testing.T) {
	next := seal.NewRecovery()
	other := seal.KeySource{Raw: bytes.Repeat([]byte{3}, 32)}
	for name, c := range map[string]struct {
		do       func(v *seal.Vault) error
		opens    []string
		same     bool // the keyring
		sites    []schema.Site
		newSeven bool
	}{
		"nothing": {do: func(v *seal.Vault) error { return nil }, opens: []string{"key file", "recovery key", "passphrase"}, same: true, sites: []schema.Site{7}},
		"salts": {
			do:    func(v *seal.Vault) error { _, err := v.Salt("Asia/Tokyo", 100); return err },
			opens: []string{"key file", "recovery key", "passphrase"}, same: true, sites: []schema.Site{7},
		},
		"add": {
			do:    func(v *seal.Vault) error { _, err := v.AddKey(other, born); return err },
			opens: []string{"key file", "recovery key", "passphrase", "other"}, sites: []schema.Site{7},
		},
		"remove": {do: func(v *seal.Vault) error { return v.RemoveKey(2) }, opens: []string{"key file", "recovery key"}, sites: []schema.Site{7}},
		"new recovery key": {
			do:    func(v *seal.Vault) error { _, err := v.SetRecovery(next, born); return err },
			opens: []string{"key file", "passphrase", "next"}, sites: []schema.Site{7},
		},
		"rotate": {do: func(v *seal.Vault) error { return v.Rotate("", born) }, opens: []string{"key file"}, sites: []schema.Site{7}},
		"rotate with everything": {
			do: func(v *seal.Vault) error {
				err1 := errors.Join(v.CreateSite(8), v.Rotate("", born), v.CreateSite(9), v.Rotate(next, born), v.DestroySite(8))
				_, err2 := v.AddKey(other, born)
				return errors.Join(err1, err2)
			},
			opens: []string{"key file", "next", "other"}, sites: []schema.Site{7, 9},
		},
		"create site": {
			do:    func(v *seal.Vault) error { return v.CreateSite(3) },
			opens: []string{"key file", "recovery key", "passphrase"}, same: true, sites: []schema.Site{3, 7},
		},
		"destroy site": {do: func(v *seal.Vault) error { return v.DestroySite(7) }, opens: []string{"key file", "recovery key", "passphrase"}, same: true},
		"replace site": {
			do:    func(v *seal.Vault) error { return v.ReplaceSite(7) },
			opens: []string{"key file", "recovery key", "passphrase"}, same: true, sites: []schema.Site{7}, newSeven: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			v := mustOpen(t, h.path, h.keys["key file"])
			pack := v.Snapshots().Seal(nil, []byte("pack"), place)
			before, generation := export(t, v), v.Generation()
			if err := c.do(v); err != nil {
				t.Fatal(err)
			}
			after := export(t, v)
			if same := before.equal(after); !same && v.Generation() == generation {
				t.Error("the export is another and the generation is not")
			}
			if bytes.Equal(before.keyring, after.keyring) != c.same {
				t.Errorf("the keyring is the same: %v", !c.same)
			}
			var sites []schema.Site
			for _, s := range after.sites {
				sites = append(sites, s.Site)
				if s.Site == 7 && (s.Name != before.sites[0].Name) != c.newSeven {
					t.Errorf("site 7 was %x and is %x", before.sites[0].Name, s.Name)
				}
			}
			if !slices.Equal(sites, c.sites) {
				t.Errorf("sites %v, want %v", sites, c.sites)
			}
			h.keys["other"], h.keys["next"] = other, seal.KeySource{Recovery: next}
			for name, key := range h.keys {
				path := filepath.Join(t.TempDir(), "restored.vault")
				k, err := seal.OpenKeyring(after.keyring, key)
				if !slices.Contains(c.opens, name) {
					if !errors.Is(err, seal.ErrWrongKey) {
						t.Errorf("%s: got %v, want a wrong key", name, err)
					}
				} else if err != nil {
					t.Errorf("%s: %v", name, err)
				} else if got, err := k.Snapshots().Open(nil, pack, place); string(got) != "pack" {
					t.Errorf("%s: %v", name, err)
				} else if err := after.open(t, key).CreateVault(path); err != nil {
					t.Error(err)
				} else if !export(t, mustOpen(t, path, key)).equal(after) {
					t.Errorf("%s: the restored vault exports something else", name)
				}
				if name == "other" || name == "next" {
					continue
				}
				// An old keyring with an old key opens what the bucket holds today: docs/keys.md says so.
				if got := export(t, mustOpen(t, bucket{before.keyring, after.sites}.restore(t, key), key)); fmt.Sprint(got.sites) != fmt.Sprint(after.sites) {
					t.Errorf("%s, with the old keyring: sites %v", name, got.sites)
				}
			}
		})
	}
}

// TestKeyringWhileKeysChange exports as a streamer does, beside everything that changes keys. A keyring and site keys of different moments fit each
// other, and who exports again when the generation has changed ends with what the vault holds.
func TestKeyringWhileKeysChange(t *testing.T) {
	v, _ := newVault(t)
	done := make(chan error, 1)
	go func() {
		for site := schema.Site(3); site < 20; site++ {
			if err := errors.Join(v.CreateSite(site), v.Rotate(seal.NewRecovery(), born), v.ReplaceSite(1), v.DestroySite(site-1)); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	var have bucket
	for changing, generation := true, uint64(0); changing || generation != v.Generation(); {
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			changing = false
		default:
		}
		if now := v.Generation(); now != generation {
			generation = now
			have = export(t, v)
			have.open(t, raw)
		}
	}
	if !have.equal(export(t, v)) {
		t.Error("the last export is not what the vault holds")
	}
}

// TestKeyringOfDamagedVault: a key that cannot be read is not exported as one that is gone.
func TestKeyringOfDamagedVault(t *testing.T) {
	s := newSample(t)
	whole := func(image []byte) ([]byte, []seal.SiteKey, error) {
		v, err := seal.OpenDevice(newDevice(image), raw)
		if err != nil {
			t.Fatal(err)
		}
		keyring, err := v.Keyring()
		if err != nil {
			t.Error(err)
		}
		sites, err := v.SiteKeys()
		return keyring, sites, err
	}
	want, sites, err := whole(s.image)
	if len(sites) != 2 || err != nil {
		t.Fatal(err)
	}
	s.image[4*seal.PageSize+100] ^= 1
	got, sites, err := whole(s.image)
	if !errors.Is(err, seal.ErrVaultDamaged) || sites != nil {
		t.Errorf("sites %v, %v", sites, err)
	}
	if !bytes.Equal(got, want) {
		t.Error("the keyring of a vault with a damaged site is another")
	}
}

// TestKeyringDamage: whatever is done to a keyring, it opens with a typed error, or not at all.
func TestKeyringDamage(t *testing.T) {
	good, other := newBucket(t).keyring, newBucket(t).keyring
	refuse := func(what string, image []byte, want ...error) {
		t.Helper()
		_, err := seal.OpenKeyring(image, raw)
		if !slices.ContainsFunc(want, func(w error) bool { return errors.Is(err, w) }) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for at := range good {
		refuse(fmt.Sprintf("cut to %d", at), good[:at], seal.ErrKeyringDamaged)
		bad := bytes.Clone(good)
		bad[at] ^= 0x10
		refuse(fmt.Sprintf("byte %d", at), bad, seal.ErrKeyringDamaged)
		if seal.FixKeyring(bad); at != 8 && at != 9 && at < len(good)-32 { // somebody means it
			refuse(fmt.Sprintf("forged byte %d", at), bad, seal.ErrKeyringDamaged, seal.ErrWrongKey)
		}
		if bad = bytes.Clone(good[:at]); at > 42 {
			seal.FixKeyring(bad)
			refuse(fmt.Sprintf("forged end %d", at), bad, seal.ErrKeyringDamaged)
		}
	}
	refuse("longer", append(bytes.Clone(good), 0), seal.ErrKeyringDamaged)
	refuse("another file", bytes.Repeat([]byte("hello"), 300), seal.ErrKeyringDamaged)
	for _, part := range [][2]int{{10, 26}, {26, 34}, {64, 192}, {192, 320}, {64, 1088}, {1088, 1161}, {1161, 1193}, {64, 1161}, {1088, 1193}} {
		bad := bytes.Clone(good)
		if copy(bad[part[0]:], other[part[0]:part[1]]); bytes.Equal(bad, good) {
			continue // both were made in one second, for one store
		}
		seal.FixKeyring(bad)
		refuse(fmt.Sprintf("bytes %d to %d of another", part[0], part[1]), bad, seal.ErrKeyringDamaged, seal.ErrWrongKey)
	}
	binary.BigEndian.PutUint16(good[8:], 2)
	for _, image := range [][]byte{good, append(bytes.Clone(good), make([]byte, 99)...)} {
		seal.FixKeyring(image)
		var newer seal.ErrNewer
		if _, err := seal.OpenKeyring(image, raw); !errors.As(err, &newer) || newer != (seal.ErrNewer{What: "keyring", Have: 2, Knows: 1}) {
			t.Errorf("a newer keyring: %v", err)
		}
	}
}

// TestKeyringHidesKeys looks for everything a vault keeps secret in what leaves the machine.
func TestKeyringHidesKeys(t *testing.T) {
	h := newHouse(t)
	v := mustOpen(t, h.path, h.keys["key file"])
	master, secret := seal.MasterKey(v), seal.DataKeys(v)
	key, err := seal.ReadKey(bytes.NewReader(mustReadFile(t, h.keys["key file"].File)))
	if err != nil || len(secret) != 2 {
		t.Fatal(err)
	}
	recovery, err := seal.ParseRecovery(h.recovery)
	if err != nil {
		t.Fatal(err)
	}
	secret = append(secret, master[:], h.salt[:], key[:], recovery, []byte(phrase), []byte("Europe/Berlin"), []byte(h.recovery))
	b := export(t, v)
	objects := [][]byte{b.keyring}
	for _, s := range b.sites {
		objects = append(objects, s.Object, s.Name[:])
	}
	for i, what := range secret {
		for at := 0; at+8 <= len(what); at += 8 {
			piece := what[at : at+8]
			for _, o := range objects {
				if bytes.Contains(o, piece) || bytes.Contains(bytes.ToLower(o), []byte(hex.EncodeToString(piece))) {
					t.Errorf("secret %d, byte %d, is readable", i, at)
				}
				for shift := range 3 { // base64 of the middle of something begins at one of three places
					if bytes.Contains(o, []byte(base64.StdEncoding.EncodeToString(piece[shift:])[:8])) {
						t.Errorf("secret %d, byte %d, is readable in base64", i, at)
					}
				}
			}
		}
	}
}

// TestRestoredVaultCrashes does to a vault that was made from a bucket what TestCrash does to others.
func TestRestoredVaultCrashes(t *testing.T) {
	s := newSample(t)
	path := filepath.Join(t.TempDir(), "footfall.vault")
	if err := os.WriteFile(path, s.image, 0o600); err != nil {
		t.Fatal(err)
	}
	path = export(t, mustOpen(t, path, raw)).restore(t, raw)
	v := mustOpen(t, path, raw)
	s.tokyo, s.berlin = mustSalt(t, v, "Asia/Tokyo", 100), mustSalt(t, v, "Europe/Berlin", 100)
	v.Close()
	s.image = mustReadFile(t, path)
	s.crash(t)
}

// TestRestoredVaultGrows makes a vault with more keys than a new one has pages for, around the place where it gets longer.
func TestRestoredVaultGrows(t *testing.T) {
	v, path := newVault(t)
	for site := schema.Site(3); site <= 2*seal.GrowPages; site++ {
		if err := v.CreateSite(site); err != nil {
			t.Fatal(err)
		}
		if site%seal.GrowPages > 2 && site%seal.GrowPages < seal.GrowPages-4 {
			continue
		}
		b := export(t, v)
		restored := mustOpen(t, b.restore(t, raw), raw)
		if err := restored.Check(); err != nil || len(restored.Notes()) > 0 || !export(t, restored).equal(b) {
			t.Errorf("%d sites: %v, %q", site, err, restored.Notes())
		}
		if err := restored.CreateSite(1000); err != nil {
			t.Errorf("%d sites: %v", site, err)
		}
	}
	if fileSize(t, path) < 3*seal.GrowPages*seal.PageSize {
		t.Error("the vault never grew")
	}
}

func FuzzKeyring(f *testing.F) {
	b := newBucket(f)
	f.Add(b.keyring, true)
	f.Add(b.keyring[:100], false)
	f.Add([]byte("FFKEYRNG"), true)
	f.Fuzz(func(t *testing.T, image []byte, fix bool) {
		image = bytes.Clone(image)
		if fix {
			seal.FixKeyring(image)
		}
		k, err := seal.OpenKeyring(image, raw)
		var newer seal.ErrNewer
		switch {
		case err == nil:
			path := filepath.Join(t.TempDir(), "footfall.vault")
			if err := k.CreateVault(path); err != nil {
				t.Fatal(err)
			}
			if got := export(t, mustOpen(t, path, raw)); !bytes.Equal(got.keyring, image) {
				t.Error("a keyring opened that no vault exports")
			}
		case !errors.Is(err, seal.ErrKeyringDamaged) && !errors.Is(err, seal.ErrWrongKey) && !errors.As(err, &newer):
			t.Errorf("not a typed error: %v", err)
		}
	})
}
