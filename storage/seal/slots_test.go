package seal_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"footfall/storage/schema"
	"footfall/storage/seal"
)

// house is a vault that three keys open.
type house struct {
	path     string
	keys     map[string]seal.KeySource
	rest     []byte // sealed "rest"
	seven    []byte // sealed "seven"
	salt     [32]byte
	recovery string
}

const phrase = "correct horse battery staple"

func newHouse(t testing.TB) *house {
	t.Helper()
	dir := t.TempDir()
	h := &house{path: filepath.Join(dir, "footfall.vault"), recovery: seal.NewRecovery()}
	keyPath := filepath.Join(dir, "footfall.key")
	h.keys = map[string]seal.KeySource{
		"key file": {File: keyPath}, "recovery key": {Recovery: h.recovery}, "passphrase": {Passphrase: []byte(phrase)},
	}
	if err := seal.NewKeyFile(keyPath); err != nil {
		t.Fatal(err)
	}
	v, err := seal.CreateVault(h.path, storeID, h.keys["key file"], born)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	_, err1 := v.SetRecovery(h.recovery, born)
	_, err2 := seal.AddWeakPassphrase(v, phrase, born)
	if err := errors.Join(err1, err2, v.CreateSite(7)); err != nil {
		t.Fatal(err)
	}
	h.rest = v.Rest().Seal(nil, []byte("rest"), place)
	h.seven = mustSite(t, v, 7).Seal(nil, []byte("seven"), place)
	h.salt = mustSalt(t, v, "Europe/Berlin", 100)
	return h
}

// opens holds that exactly these keys open the vault, and that each finds everything in it.
func (h *house) opens(t *testing.T, want ...string) {
	t.Helper()
	for name, key := range h.keys {
		v, err := seal.OpenVault(h.path, key)
		if strings.Contains(strings.Join(want, ", ")+",", name+",") {
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			h.whole(t, v)
			v.Close()
		} else if !errors.Is(err, seal.ErrWrongKey) {
			t.Errorf("%s: got %v, want a wrong key", name, err)
		}
	}
}

func (h *house) whole(t *testing.T, v *seal.Vault) {
	t.Helper()
	if got, err := v.Rest().Open(nil, h.rest, place); string(got) != "rest" {
		t.Errorf("rest: %v", err)
	}
	if got, err := mustSite(t, v, 7).Open(nil, h.seven, place); string(got) != "seven" {
		t.Errorf("site 7: %v", err)
	}
	if mustSalt(t, v, "Europe/Berlin", 100) != h.salt {
		t.Error("the salt is another")
	}
	if len(v.Notes()) != 0 {
		t.Errorf("notes %q", v.Notes())
	}
	if err := v.Check(); err != nil {
		t.Error(err)
	}
}

// TestKeyMatrix does each operation in a vault that was opened with each kind of key.
func TestKeyMatrix(t *testing.T) {
	day := born.AddDate(0, 0, 1)
	next := seal.NewRecovery()
	key := [32]byte{1, 2, 3}
	other := seal.KeySource{Raw: key[:]}
	for opener, index := range map[string]int{"key file": 0, "recovery key": 1, "passphrase": 2} {
		for name, op := range map[string]struct {
			do   func(v *seal.Vault) error
			want func() []string
		}{
			"add": {
				func(v *seal.Vault) error {
					if slot, err := v.AddKey(other, day); slot != 3 || err != nil {
						return fmt.Errorf("slot %d, %w", slot, err)
					}
					return nil
				},
				func() []string { return []string{"key file", "recovery key", "passphrase", "other"} },
			},
			"remove the key file": {
				func(v *seal.Vault) error { return v.RemoveKey(0) },
				func() []string { return []string{"recovery key", "passphrase"} },
			},
			"remove the recovery key": {
				func(v *seal.Vault) error { return v.RemoveKey(1) },
				func() []string { return []string{"key file", "passphrase"} },
			},
			"new recovery key": {
				func(v *seal.Vault) error { _, err := v.SetRecovery(next, day); return err },
				func() []string { return []string{"key file", "passphrase", "next"} },
			},
			"rotate": {
				func(v *seal.Vault) error { return v.Rotate("", day) },
				func() []string { return []string{opener} },
			},
			"rotate twice": {
				func(v *seal.Vault) error { return errors.Join(v.Rotate("", day), v.Rotate("", day)) },
				func() []string { return []string{opener} },
			},
			"rotate with a new recovery key": {
				func(v *seal.Vault) error { return v.Rotate(next, day) },
				func() []string {
					if opener == "recovery key" {
						return []string{"next"}
					}
					return []string{opener, "next"}
				},
			},
			"everything": {
				func(v *seal.Vault) error {
					_, err1 := v.SetRecovery(next, day)
					err2 := v.Rotate("", day)
					_, err3 := v.AddKey(other, day)
					return errors.Join(err1, err2, err3, v.CreateSite(8), v.Rotate(next, day), v.DestroySite(8))
				},
				func() []string {
					if opener == "recovery key" {
						return []string{"next"}
					}
					return []string{opener, "next"}
				},
			},
		} {
			t.Run(opener+"/"+name, func(t *testing.T) {
				h := newHouse(t)
				h.keys["other"], h.keys["next"] = other, seal.KeySource{Recovery: next}
				v := mustOpen(t, h.path, h.keys[opener])
				if v.Opener() != index {
					t.Errorf("opened with slot %d, want %d", v.Opener(), index)
				}
				if err := op.do(v); err != nil {
					t.Fatal(err)
				}
				h.whole(t, v)
				v.Close()
				h.opens(t, op.want()...)
			})
		}
	}
}

func TestKeySources(t *testing.T) {
	h := newHouse(t)
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for name, c := range map[string]struct {
		key  seal.KeySource
		want error
	}{
		"passphrase file":           {seal.KeySource{PassphraseFile: file("p1", phrase+"\n")}, nil},
		"of Windows":                {seal.KeySource{PassphraseFile: file("p2", phrase+"\r\n")}, nil},
		"without an end":            {seal.KeySource{PassphraseFile: file("p3", phrase)}, nil},
		"with spaces":               {seal.KeySource{PassphraseFile: file("p4", " "+phrase)}, seal.ErrWrongKey},
		"of two lines":              {seal.KeySource{PassphraseFile: file("p5", phrase+"\n"+phrase)}, seal.ErrNotPassphrase},
		"empty":                     {seal.KeySource{PassphraseFile: file("p6", "\n")}, seal.ErrNotPassphrase},
		"too long":                  {seal.KeySource{PassphraseFile: file("p7", strings.Repeat("x", 1025))}, seal.ErrNotPassphrase},
		"endless":                   {seal.KeySource{PassphraseFile: "/dev/zero"}, seal.ErrNotPassphrase},
		"missing":                   {seal.KeySource{PassphraseFile: filepath.Join(dir, "none")}, seal.ErrNoKeyFile},
		"recovery key in a file":    {seal.KeySource{File: file("r1", h.recovery+"\n")}, nil},
		"mistyped there":            {seal.KeySource{File: file("r2", h.recovery[:len(h.recovery)-1]+"?")}, seal.ErrKeyTypo},
		"a passphrase as key file":  {seal.KeySource{File: file("p8", "hello")}, seal.ErrNotKey},
		"typed passphrase":          {seal.KeySource{Typed: []byte(phrase)}, nil},
		"typed recovery key":        {seal.KeySource{Typed: []byte(" " + strings.ToLower(strings.ReplaceAll(h.recovery, "-", "  ")))}, nil},
		"recovery key with a slip":  {seal.KeySource{Typed: []byte(h.recovery[:len(h.recovery)-1] + "?")}, seal.ErrWrongKey},
		"nothing typed":             {seal.KeySource{Typed: []byte{}}, seal.ErrNotPassphrase},
		"a wrong passphrase":        {seal.KeySource{Passphrase: []byte("Correct horse battery staple")}, seal.ErrWrongKey},
		"another recovery key":      {seal.KeySource{Recovery: seal.NewRecovery()}, seal.ErrWrongKey},
		"a wrong key":               {raw, seal.ErrWrongKey},
		"recovery key with a slip2": {seal.KeySource{Recovery: "0" + h.recovery[:len(h.recovery)-1]}, seal.ErrKeyTypo},
	} {
		v, err := seal.OpenVault(h.path, c.key)
		if !errors.Is(err, c.want) || err != nil && errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
		if err == nil {
			h.whole(t, v)
			v.Close()
		}
	}
	for _, none := range []seal.KeySource{{}, {File: "a", Recovery: "b"}} {
		if _, err := seal.OpenVault(h.path, none); err == nil {
			t.Errorf("opened with %v", none)
		}
	}
}

func TestKeySlots(t *testing.T) {
	h := newHouse(t)
	v := mustOpen(t, h.path, h.keys["key file"])
	if info, err := os.Stat(h.keys["key file"].File); err != nil || info.Mode().Perm() != 0o400 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if err := seal.NewKeyFile(h.keys["key file"].File); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a key file over another: %v", err)
	}
	later := born.Add(time.Hour)
	strong, err := v.AddKey(seal.KeySource{Passphrase: []byte("another long passphrase")}, later)
	if err != nil {
		t.Fatal(err)
	}
	want := []seal.Slot{
		{Index: 0, Kind: seal.KeyFile, Made: born},
		{Index: 1, Kind: seal.Recovery, Made: born},
		{Index: 2, Kind: seal.Passphrase, Made: born, Passes: 1, Memory: 7 << 10, Lanes: 1, Weak: true},
		{Index: 3, Kind: seal.Passphrase, Made: later, Passes: 3, Memory: 64 << 10, Lanes: 1},
	}
	if got := v.Outline().Slots(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
	for name, key := range map[string]seal.KeySource{"key file": h.keys["key file"], "passphrase": h.keys["passphrase"]} {
		if _, err := v.AddKey(key, later); !errors.Is(err, seal.ErrKeyTwice) {
			t.Errorf("%s twice: %v", name, err)
		}
	}
	for name, key := range map[string]seal.KeySource{
		"recovery key": {Recovery: seal.NewRecovery()}, "short passphrase": {Passphrase: []byte("hello world")}, "nothing": {}, "no file": {File: h.path + "none"},
	} {
		if _, err := v.AddKey(key, later); err == nil {
			t.Errorf("%s was added", name)
		}
	}
	before := mustReadFile(t, h.path)
	for _, i := range []int{1, 2, strong} {
		if err := v.RemoveKey(i); err != nil {
			t.Fatal(err)
		}
	}
	after := mustReadFile(t, h.path)
	for _, i := range []int{1, 2, strong} { // the wrapped master keys of the removed slots
		if wrapped := before[64+i*128+56:][:48]; bytes.Contains(after, wrapped[:16]) || bytes.Contains(after, wrapped[32:]) {
			t.Errorf("slot %d is still in the file", i)
		}
	}
	for slot, want := range map[int]error{0: seal.ErrLastKey, 1: seal.ErrNoSlot, -1: seal.ErrNoSlot, 8: seal.ErrNoSlot} {
		if err := v.RemoveKey(slot); !errors.Is(err, want) {
			t.Errorf("remove slot %d: got %v, want %v", slot, err, want)
		}
	}
	h.opens(t, "key file")
	for i := range byte(7) {
		if _, err := v.AddKey(seal.KeySource{Raw: bytes.Repeat([]byte{100 + i}, 32)}, later); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := v.AddKey(raw, later); err == nil {
		t.Error("a ninth slot")
	}
	if _, err := v.SetRecovery(seal.NewRecovery(), later); err == nil {
		t.Error("a recovery key in a ninth slot")
	}
	if err := v.Rotate(seal.NewRecovery(), later); err != nil { // it makes room itself
		t.Error(err)
	}
}

// TestOutline reads what a vault shows without a key.
func TestOutline(t *testing.T) {
	h := newHouse(t)
	image := mustReadFile(t, h.path)
	o, err := seal.ReadOutline(h.path)
	if err != nil {
		t.Fatal(err)
	}
	if slots := o.Slots(); len(slots) != 3 || slots[2].Kind != seal.Passphrase || !o.Made().Equal(born) {
		t.Errorf("slots %v, made %v", slots, o.Made())
	}
	for name, want := range map[string]int{"key file": 0, "recovery key": 1, "passphrase": 2} {
		if slot, err := o.Try(h.keys[name]); slot != want || err != nil {
			t.Errorf("%s opens slot %d, %v", name, slot, err)
		}
	}
	if slot, err := o.Try(raw); slot != -1 || !errors.Is(err, seal.ErrWrongKey) {
		t.Errorf("a wrong key: slot %d, %v", slot, err)
	}
	if !bytes.Equal(mustReadFile(t, h.path), image) {
		t.Error("reading the outline has changed the vault")
	}
	for i := range 2 { // somebody who has no key has added one of their own
		image[i*seal.PageSize+64+3*128] = byte(seal.KeyFile)
		image[i*seal.PageSize+64+3*128+1] = 1
		seal.FixSum(image[i*seal.PageSize:][:seal.PageSize])
	}
	if err := os.WriteFile(h.path, image, 0o600); err != nil {
		t.Fatal(err)
	}
	if o, err = seal.ReadOutline(h.path); err != nil || len(o.Slots()) != 4 {
		t.Fatal(err)
	}
	if _, err := o.Try(h.keys["key file"]); !errors.Is(err, seal.ErrVaultDamaged) {
		t.Errorf("a forged outline: %v", err)
	}
	if _, err := seal.ReadOutline(h.path + "none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no vault: %v", err)
	}
	if err := os.WriteFile(h.path, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := seal.ReadOutline(h.path); !errors.Is(err, seal.ErrVaultDamaged) {
		t.Errorf("no vault: %v", err)
	}
}

// TestRotate holds that a rotation leaves nothing that the old master key opens, with hundreds of pages and over and over.
func TestRotate(t *testing.T) {
	v, path := newVault(t)
	const sites = 60
	sealed := map[schema.Site][]byte{}
	for i := schema.Site(3); i <= sites; i++ {
		if err := v.CreateSite(i); err != nil {
			t.Fatal(err)
		}
	}
	for i := schema.Site(1); i <= sites; i++ {
		sealed[i] = mustSite(t, v, i).Seal(nil, []byte(fmt.Sprint(i)), place)
	}
	salts := map[string][32]byte{}
	for i := range 20 {
		zone := fmt.Sprintf("Zone/%d", i)
		salts[zone] = mustSalt(t, v, zone, 5)
	}
	if n, err := v.SweepSalts(func(zone string) schema.Date {
		return map[string]schema.Date{"Zone/3": 6}[zone] + 5*min(1, schema.Date(len(zone)-6))
	}); n == 0 || err != nil {
		t.Fatalf("%d salts swept, %v", n, err)
	}
	for zone := range salts {
		salts[zone] = mustSalt(t, v, zone, 5) // some are new, in the pages that became free
	}
	var size int64
	for round := range 4 {
		master, before := seal.MasterKey(v), mustReadFile(t, path)
		if len(seal.OpenedBy(master, before)) < sites+20+2 {
			t.Fatal("the old master key is not seen to open the old vault")
		}
		if err := v.Rotate(seal.NewRecovery(), born.AddDate(0, 0, round)); err != nil {
			t.Fatal(err)
		}
		after := mustReadFile(t, path)
		if opened := seal.OpenedBy(master, after); len(opened) > 0 {
			t.Errorf("the old master key still opens %q", opened)
		}
		noneLeft(t, before, after)
		if round == 0 {
			size = fileSize(t, path)
		} else if got := fileSize(t, path); got != size {
			t.Errorf("rotation %d made the vault %d bytes long, it was %d", round, got, size)
		}
		if round%2 == 1 {
			v.Close()
			v = mustOpen(t, path, raw)
			if len(v.Notes()) != 0 {
				t.Errorf("%q", v.Notes())
			}
		}
		for i := schema.Site(1); i <= sites; i++ {
			if got, err := mustSite(t, v, i).Open(nil, sealed[i], place); string(got) != fmt.Sprint(i) {
				t.Errorf("site %d: %q, %v", i, got, err)
			}
		}
		for zone, salt := range salts {
			if mustSalt(t, v, zone, 5) != salt {
				t.Errorf("%s has another salt", zone)
			}
		}
		if err := v.Check(); err != nil {
			t.Error(err)
		}
		if made := v.Outline().Made(); !made.Equal(born.AddDate(0, 0, round)) {
			t.Errorf("the master key was made at %v", made)
		}
	}
}

func TestRotateRefusals(t *testing.T) {
	h := newHouse(t)
	v := mustOpen(t, h.path, h.keys["key file"])
	if err := v.RemoveKey(0); err != nil {
		t.Fatal(err)
	}
	image := mustReadFile(t, h.path)
	if err := v.Rotate("", born); !errors.Is(err, seal.ErrOpenerRemoved) {
		t.Errorf("with a removed key: %v", err)
	}
	if err := v.Rotate("hello", born); err == nil {
		t.Error("rotated with something that is no recovery key")
	}
	v.Close()
	if err := v.Rotate("", born); !errors.Is(err, seal.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
	if !bytes.Equal(mustReadFile(t, h.path), image) {
		t.Error("a refused rotation has changed the vault")
	}
	image[3*seal.PageSize+100] ^= 1 // the data key of site 7
	if err := os.WriteFile(h.path, image, 0o600); err != nil {
		t.Fatal(err)
	}
	v = mustOpen(t, h.path, h.keys["passphrase"])
	if err := v.Rotate("", born); !errors.Is(err, seal.ErrVaultDamaged) {
		t.Errorf("with a damaged page: %v", err)
	}
	if !bytes.Equal(mustReadFile(t, h.path), image) {
		t.Error("a refused rotation has changed the vault")
	}
}

// TestRotateNeedsRoom holds that a vault with too many sites for a second copy is refused before anything is written.
func TestRotateNeedsRoom(t *testing.T) {
	if testing.Short() {
		t.Skip("makes thousands of keys")
	}
	path := filepath.Join(t.TempDir(), "footfall.vault")
	mustCreate(t, path)
	dev := newDevice(mustReadFile(t, path))
	v, err := seal.OpenDevice(dev, raw)
	if err != nil {
		t.Fatal(err)
	}
	for site := schema.Site(3); site < seal.MaxPages/2; site++ {
		if err := v.CreateSite(site); err != nil {
			t.Fatal(err)
		}
		dev.log = dev.log[:0]
		if site == seal.MaxPages/2-60 {
			if err := v.Rotate("", born); err != nil {
				t.Fatalf("with %d sites: %v", site, err)
			}
		}
	}
	dev.log = nil
	if err := v.Rotate("", born); err == nil || !strings.Contains(err.Error(), "room") || len(dev.log) > 0 {
		t.Errorf("got %v after %d writes", err, len(dev.log))
	}
	if err := v.Check(); err != nil {
		t.Error(err)
	}
}
