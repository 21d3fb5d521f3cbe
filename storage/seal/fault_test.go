package seal_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"footfall/storage/schema"
	"footfall/storage/seal"
)

// sample is the image of a vault with sites 1 and 2 and two zones' salts, and what it must answer.
type sample struct {
	image     []byte
	one, rest []byte // sealed "one", "rest"
	two       []byte
	tokyo     [32]byte // day 100
	berlin    [32]byte // day 100
	recovery  string
	master    [32]byte
}

func newSample(t testing.TB) (s sample) {
	path := filepath.Join(t.TempDir(), "footfall.vault")
	v, recovery := mustCreate(t, path)
	s.recovery, s.master = recovery, seal.MasterKey(v)
	s.one = mustSite(t, v, 1).Seal(nil, []byte("one"), place)
	s.two = mustSite(t, v, 2).Seal(nil, []byte("two"), place)
	s.rest = v.Rest().Seal(nil, []byte("rest"), place)
	s.tokyo, s.berlin = mustSalt(t, v, "Asia/Tokyo", 100), mustSalt(t, v, "Europe/Berlin", 100)
	v.Close()
	s.image = mustReadFile(t, path)
	return s
}

// verify checks that what an operation has nothing to do with is as it was.
func (s *sample) verify(v *seal.Vault) error {
	if got, err := v.Rest().Open(nil, s.rest, place); string(got) != "rest" {
		return fmt.Errorf("rest: %w", err)
	}
	one, err := v.Site(1)
	if err != nil {
		return err
	}
	if got, err := one.Open(nil, s.one, place); string(got) != "one" {
		return fmt.Errorf("site 1: %w", err)
	}
	if got, err := v.Salt("Asia/Tokyo", 100); got != s.tokyo {
		return fmt.Errorf("salt: %w", err)
	}
	return nil
}

// operations that change a vault. after checks a vault opened later: done tells that the operation had returned without an error.
var operations = map[string]struct {
	do    func(*seal.Vault) error
	after func(s *sample, v *seal.Vault, image []byte, done bool) error
}{
	"create site": {
		func(v *seal.Vault) error { return v.CreateSite(3) },
		func(s *sample, v *seal.Vault, _ []byte, done bool) error {
			_, err := v.Site(3)
			if err == nil || !done && errors.Is(err, seal.ErrNoKey) {
				return nil
			}
			return err
		},
	},
	"create many sites": {
		func(v *seal.Vault) error {
			for i := schema.Site(3); i < 20; i++ {
				if err := v.CreateSite(i); err != nil {
					return err
				}
			}
			return nil
		},
		func(s *sample, v *seal.Vault, _ []byte, done bool) error {
			for i := schema.Site(3); i < 20; i++ {
				if _, err := v.Site(i); err != nil && (done || !errors.Is(err, seal.ErrNoKey)) {
					return err
				}
			}
			return nil
		},
	},
	"destroy site": {
		func(v *seal.Vault) error { return v.DestroySite(2) },
		func(s *sample, v *seal.Vault, image []byte, done bool) error {
			two, err := v.Site(2)
			if err == nil {
				if done {
					return errors.New("site 2 is still there")
				}
				_, err = two.Open(nil, s.two, place)
				return err
			}
			if page := s.image[4*seal.PageSize+8:]; bytes.Contains(image, page[25:41]) || bytes.Contains(image, page[60:76]) {
				return errors.New("the key of site 2 is still in the file")
			}
			if !errors.Is(err, seal.ErrNoKey) {
				return err
			}
			return nil
		},
	},
	"replace the key of a site": {
		func(v *seal.Vault) error { return v.ReplaceSite(2) },
		func(s *sample, v *seal.Vault, image []byte, done bool) error {
			two, err := v.Site(2)
			if err != nil {
				return err
			}
			if _, err := two.Open(nil, s.two, place); err == nil && !done {
				return nil
			}
			if page := s.image[4*seal.PageSize+8:]; bytes.Contains(image, page[25:41]) || bytes.Contains(image, page[60:76]) {
				return errors.New("the old key of site 2 is still in the file")
			}
			if _, err := two.Open(nil, s.two, place); !errors.Is(err, seal.ErrDamaged) {
				return fmt.Errorf("what the old key sealed: %w", err)
			}
			again := two.Seal(nil, []byte("again"), place)
			if got, err := two.Open(nil, again, place); err != nil || string(got) != "again" {
				return fmt.Errorf("the new key: %w", err)
			}
			return nil
		},
	},
	"next salt": {
		func(v *seal.Vault) error { _, err := v.Salt("Europe/Berlin", 101); return err },
		func(s *sample, v *seal.Vault, _ []byte, done bool) error {
			got, err := v.Salt("Europe/Berlin", 101)
			if got == s.berlin {
				return errors.New("two days have one salt")
			}
			return err
		},
	},
	"sweep": {
		func(v *seal.Vault) error {
			_, err := v.SweepSalts(func(zone string) schema.Date { return map[string]schema.Date{"Asia/Tokyo": 100}[zone] })
			return err
		},
		func(s *sample, v *seal.Vault, _ []byte, done bool) error {
			if got, err := v.Salt("Europe/Berlin", 100); err != nil || done && got == s.berlin {
				return fmt.Errorf("a swept salt: %w", err)
			}
			return nil
		},
	},
	"new zone": {
		func(v *seal.Vault) error { _, err := v.Salt("Africa/Cairo", 101); return err },
		func(s *sample, v *seal.Vault, _ []byte, done bool) error {
			_, err := v.Salt("Africa/Cairo", 101)
			return err
		},
	},
	"add and remove a key": {
		func(v *seal.Vault) error {
			slot, err := v.AddKey(seal.KeySource{Raw: bytes.Repeat([]byte{9}, 32)}, born)
			if err != nil {
				return err
			}
			return v.RemoveKey(slot)
		},
		func(s *sample, v *seal.Vault, _ []byte, done bool) error {
			if slots := v.Outline().Slots(); done && len(slots) != 2 {
				return fmt.Errorf("slots %v", slots)
			}
			return nil
		},
	},
	"new recovery key": {
		func(v *seal.Vault) error { _, err := v.SetRecovery(nextRecovery, born); return err },
		func(s *sample, v *seal.Vault, image []byte, done bool) error { return s.oneRecovery(image, done) },
	},
	"rotate": {
		func(v *seal.Vault) error { return v.Rotate(nextRecovery, born) },
		func(s *sample, v *seal.Vault, image []byte, done bool) error {
			return errors.Join(s.oneRecovery(image, done), s.oneMaster(v, image))
		},
	},
	"rotate and go on": {
		func(v *seal.Vault) error {
			if err := v.Rotate(nextRecovery, born); err != nil {
				return err
			}
			if _, err := v.Salt("Europe/Berlin", 101); err != nil {
				return err
			}
			return errors.Join(v.CreateSite(3), v.DestroySite(2))
		},
		func(s *sample, v *seal.Vault, image []byte, done bool) error {
			if _, err := v.Site(3); done && err != nil {
				return err
			}
			if _, err := v.Site(2); done && !errors.Is(err, seal.ErrNoKey) {
				return fmt.Errorf("site 2: %v", err)
			}
			return errors.Join(s.oneRecovery(image, done), s.oneMaster(v, image))
		},
	},
}

// nextRecovery is the recovery key after the one of the sample.
var nextRecovery = seal.NewRecovery()

// oneRecovery holds that either the old or the new recovery key opens a vault, and that it is the new one when that was done.
func (s *sample) oneRecovery(image []byte, done bool) error {
	_, before := seal.OpenDevice(newDevice(image), seal.KeySource{Recovery: s.recovery})
	_, after := seal.OpenDevice(newDevice(image), seal.KeySource{Recovery: nextRecovery})
	switch {
	case before == nil && after == nil:
		return errors.New("the old and the new recovery key open the vault")
	case before != nil && after != nil:
		return fmt.Errorf("neither recovery key opens the vault: %w, %w", before, after)
	case done && after != nil:
		return errors.New("the old recovery key opens the vault still")
	case !errors.Is(errors.Join(before, after), seal.ErrWrongKey):
		return errors.Join(before, after)
	}
	return nil
}

// oneMaster holds that an image is all of the old master key, or that it has nothing left that the old one opens, and no piece of
// what was sealed with it.
func (s *sample) oneMaster(v *seal.Vault, image []byte) error {
	if seal.MasterKey(v) == s.master {
		return nil
	}
	if opened := seal.OpenedBy(s.master, image); len(opened) > 0 {
		return fmt.Errorf("the old master key opens %q", opened)
	}
	for page := 2; page < len(s.image)/seal.PageSize; page++ {
		old := s.image[page*seal.PageSize:][:seal.PageSize]
		n := int(old[2])<<8 | int(old[3])
		if old[1] == 0 { // it was free
			continue
		}
		if bytes.Contains(image, old[25:41]) || bytes.Contains(image, old[8+n-16:8+n]) {
			return fmt.Errorf("what page %d held is still in the file", page)
		}
	}
	for slot := range 2 {
		if old := s.image[64+slot*128:][:128]; bytes.Contains(image, old[32:48]) || bytes.Contains(image, old[56:72]) || bytes.Contains(image, old[88:104]) {
			return fmt.Errorf("what key slot %d held is still in the file", slot)
		}
	}
	return nil
}

// TestCrash stops each operation at every moment and opens what is then on the disk.
func TestCrash(t *testing.T) {
	s := newSample(t)
	s.crash(t)
}

func (s *sample) crash(t *testing.T) {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, 2))
	states := 0
	for name, op := range operations {
		dev := newDevice(s.image)
		v, err := seal.OpenDevice(dev, raw)
		if err != nil {
			t.Fatal(err)
		}
		if err := op.do(v); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		all := dev.crashes(s.image, rng)
		for i, state := range append(all, dev.data) {
			states++
			if err := s.reopen(state, i == len(all), op.after); err != nil {
				t.Errorf("%s, state %d of %d: %v", name, i, len(all), err)
			}
		}
	}
	t.Logf("%d states", states)
}

// reopen opens an image twice: what the first open mends the second finds whole.
func (s *sample) reopen(image []byte, done bool, after func(*sample, *seal.Vault, []byte, bool) error) error {
	dev := newDevice(image)
	v, err := seal.OpenDevice(dev, raw)
	if err != nil {
		return err
	}
	if err := v.Check(); err != nil {
		return err
	}
	again, err := seal.OpenDevice(newDevice(dev.data), raw)
	if err != nil {
		return err
	}
	if len(again.Notes()) != 0 {
		return fmt.Errorf("not mended: %q", again.Notes())
	}
	if err := s.verify(v); err != nil {
		return err
	}
	if err := after(s, v, dev.data, done); err != nil {
		return err
	}
	return v.Check()
}

// TestFailingDisk fails each write and sync of each operation once: the operation returns the error, nothing more is
// written, what was there goes on working, and a later open finds everything in order.
func TestFailingDisk(t *testing.T) {
	s := newSample(t)
	for name, op := range operations {
		for _, applied := range []bool{false, true} {
			for at := 0; ; at++ {
				dev := newDevice(s.image)
				v, err := seal.OpenDevice(dev, raw)
				if err != nil {
					t.Fatal(err)
				}
				dev.failAt, dev.applied = len(dev.log)+at, applied
				err = op.do(v)
				if err == nil {
					break
				}
				if !errors.Is(err, errDisk) {
					t.Errorf("%s, call %d: %v", name, at, err)
				}
				calls := len(dev.log)
				if err := v.CreateSite(99); err == nil {
					t.Errorf("%s, call %d: a later write was accepted", name, at)
				}
				if len(dev.log) != calls {
					t.Errorf("%s, call %d: written after a failed write", name, at)
				}
				if err := s.verify(v); err != nil {
					t.Errorf("%s, call %d: %v", name, at, err)
				}
				if err := s.reopen(dev.data, false, op.after); err != nil {
					t.Errorf("%s, call %d, after reopen: %v", name, at, err)
				}
			}
		}
	}
}

// TestOpenWritesAgain: what a failed fsync may have left in the operating system's cache alone is on the disk after the next open, the header
// first, copy by copy.
func TestOpenWritesAgain(t *testing.T) {
	s := newSample(t)
	dev := newDevice(s.image)
	v, err := seal.OpenDevice(dev, raw)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	if len(v.Notes()) != 0 || !bytes.Equal(dev.data, s.image) {
		t.Errorf("a whole vault was changed: %q", v.Notes())
	}
	var got []string
	for _, e := range dev.log {
		if e.sync {
			got = append(got, "sync")
		} else {
			got = append(got, fmt.Sprint(e.off/seal.PageSize))
		}
	}
	want := []string{"0", "sync", "1", "sync"}
	for page := 2; page < seal.GrowPages; page++ {
		if page > 4 { // the keys of the rest and of two sites
			want = append(want, fmt.Sprint(page))
		}
	}
	if want = append(want, "sync"); !slices.Equal(got, want) {
		t.Errorf("written: %q, want %q", got, want)
	}
}

// TestFullDisk fills the disk of a vault: what needs more room is refused, all else goes on, and what was refused works when there
// is room again.
func TestFullDisk(t *testing.T) {
	s := newSample(t)
	dev := newDevice(s.image)
	v, err := seal.OpenDevice(dev, raw)
	if err != nil {
		t.Fatal(err)
	}
	dev.room = len(s.image) + 3*seal.PageSize
	site := schema.Site(3)
	for ; err == nil; site++ {
		err = v.CreateSite(site)
	}
	if !errors.Is(err, syscall.ENOSPC) || site < 10 {
		t.Fatalf("site %d: %v", site, err)
	}
	for gone := schema.Site(3); gone < 8; gone++ { // room for some pages of a rotation, not for all
		if err := v.DestroySite(gone); err != nil {
			t.Fatal(err)
		}
	}
	if err := v.Rotate(nextRecovery, born); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("rotate: %v", err)
	}
	if err := errors.Join(s.verify(v), v.Check()); err != nil {
		t.Error(err)
	}
	if _, err := v.Salt("Europe/Berlin", 101); err != nil {
		t.Errorf("a salt on a full disk: %v", err)
	}
	if err := s.reopen(dev.data, false, func(s *sample, v *seal.Vault, image []byte, done bool) error {
		return errors.Join(s.oneRecovery(image, done), s.oneMaster(v, image))
	}); err != nil {
		t.Error(err)
	}
	dev.room = 0
	if err := errors.Join(v.CreateSite(site), v.Rotate(nextRecovery, born), v.CreateSite(site+1), s.verify(v), v.Check()); err != nil {
		t.Error(err)
	}
}

// TestDamage changes each byte of a vault in turn. Each time: a typed error, or the right answers.
func TestDamage(t *testing.T) {
	s := newSample(t)
	step := 1
	if testing.Short() {
		step = 37
	}
	outcomes := map[string]int{}
	for at := 0; at < len(s.image); at += step {
		if at > 8*seal.PageSize {
			at += 61 // pages that are free all look alike
		}
		if at >= len(s.image) {
			break
		}
		bad := slices.Clone(s.image)
		bad[at] ^= 1 << (at % 8)
		outcomes[s.judge(t, fmt.Sprintf("byte %d", at), bad)]++
	}
	for size := 0; size < len(s.image); size += 509 * step {
		outcomes[s.judge(t, fmt.Sprintf("cut to %d", size), s.image[:size])]++
	}
	pages := len(s.image) / seal.PageSize
	for i := range pages {
		for j := range pages {
			bad := slices.Clone(s.image)
			copy(bad[i*seal.PageSize:(i+1)*seal.PageSize], s.image[j*seal.PageSize:])
			outcomes[s.judge(t, fmt.Sprintf("page %d over page %d", j, i), bad)]++
		}
	}
	if outcomes["damaged"] == 0 || outcomes["right"] == 0 {
		t.Error(outcomes)
	}
	t.Log(outcomes)
}

func (s *sample) judge(t *testing.T, what string, image []byte) string {
	v, err := seal.OpenDevice(newDevice(image), raw)
	if errors.Is(err, seal.ErrVaultDamaged) {
		return "damaged"
	}
	if err != nil {
		t.Errorf("%s: %v", what, err)
		return "error"
	}
	if got, err := v.Rest().Open(nil, s.rest, place); string(got) != "rest" {
		t.Errorf("%s: rest: %v", what, err)
	}
	result := "right"
	for site, sealed := range map[schema.Site][]byte{1: s.one, 2: s.two} {
		if with, err := v.Site(site); errors.Is(err, seal.ErrVaultDamaged) && strings.Contains(err.Error(), "slot") && v.Check() != nil {
			result = "damaged"
		} else if err != nil {
			t.Errorf("%s: site %d: %v", what, site, err)
		} else if got, err := with.Open(nil, sealed, place); err != nil {
			t.Errorf("%s: site %d: %q, %v", what, site, got, err)
		}
	}
	for zone, want := range map[string][32]byte{"Asia/Tokyo": s.tokyo, "Europe/Berlin": s.berlin} {
		got, err := v.Salt(zone, 100)
		if err != nil {
			t.Errorf("%s: %s: %v", what, zone, err)
		}
		if got != want {
			if len(v.Notes()) == 0 {
				t.Errorf("%s: %s has another salt, and nothing is said", what, zone)
			}
			if result == "right" {
				result = "salt lost"
			}
		}
	}
	return result
}

func TestNewerVault(t *testing.T) {
	s := newSample(t)
	for i := range 2 {
		page := s.image[i*seal.PageSize:][:seal.PageSize]
		page[9] = 7
		seal.FixSum(page)
	}
	_, err := seal.OpenDevice(newDevice(s.image), raw)
	var newer seal.ErrNewer
	if !errors.As(err, &newer) || newer != (seal.ErrNewer{Have: 7, Knows: 2}) {
		t.Errorf("got %v", err)
	}
}

// TestForgedHeader: a header whose checksum was made right is still refused, by its MAC.
func TestForgedHeader(t *testing.T) {
	s := newSample(t)
	for at := 10; at < 4064; at++ {
		bad := slices.Clone(s.image)
		for i := range 2 {
			page := bad[i*seal.PageSize:][:seal.PageSize]
			page[at] ^= 0x10
			seal.FixSum(page)
		}
		_, err := seal.OpenDevice(newDevice(bad), raw)
		if !errors.Is(err, seal.ErrVaultDamaged) && !errors.Is(err, seal.ErrWrongKey) {
			t.Fatalf("byte %d: %v", at, err)
		}
	}
}

func FuzzVault(f *testing.F) {
	s := newSample(f)
	f.Add(s.image[:3*seal.PageSize], false)
	f.Add(s.image, true)
	f.Add([]byte("hello"), false)
	f.Fuzz(func(t *testing.T, image []byte, fix bool) {
		if fix {
			for i := 0; i+seal.PageSize <= len(image); i += seal.PageSize {
				seal.FixSum(image[i : i+seal.PageSize])
			}
		}
		dev := newDevice(image)
		v, err := seal.OpenDevice(dev, raw)
		var newer seal.ErrNewer
		switch {
		case err == nil:
			v.Check()
			v.Site(1)
			if v.Rotate("", born) != nil {
				return
			}
			again, err := seal.OpenDevice(newDevice(dev.data), raw)
			if err != nil {
				t.Fatalf("after a rotation: %v", err)
			}
			if err := again.Check(); err != nil || len(again.Notes()) > 0 {
				t.Errorf("after a rotation: %v, %q", err, again.Notes())
			}
		case !errors.Is(err, seal.ErrVaultDamaged) && !errors.Is(err, seal.ErrWrongKey) && !errors.As(err, &newer):
			t.Errorf("not a typed error: %v", err)
		}
	})
}
