package storage_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"
	"time"

	"footfall/storage"
	"footfall/storage/account"
	"footfall/storage/schema"
)

// saltZones have their midnights at different times, some far from UTC and one with a change of its clocks in the days below.
var saltZones = []string{"Etc/UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Kiritimati", "Pacific/Pago_Pago", "Australia/Lord_Howe"}

// Of the vault's table: the length of a page, and where in it the payload begins.
const (
	vaultPage = 4096
	pageStart = 8
)

// saltWatch knows every salt a store has given out, and what the vault's pages for salts have ever held.
type saltWatch struct {
	dir   string
	clock *clock
	given map[string]map[schema.Date][][32]byte // by zone; a day that came twice has two
	pages map[string]bool                       // sealed salts that were seen in the vault; false if they are over
}

func newSaltWatch(t *testing.T, now time.Time) (*saltWatch, *storage.Store) {
	t.Helper()
	w := &saltWatch{dir: filepath.Join(t.TempDir(), "data"), clock: &clock{now}, given: map[string]map[schema.Date][][32]byte{}, pages: map[string]bool{}}
	return w, mustOpen(t, w.dir, w.clock)
}

func (w *saltWatch) today(t *testing.T, zone string) schema.Date {
	t.Helper()
	loc, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	return schema.DateOf(w.clock.now.In(loc))
}

// use asks for today's salt of every zone, as an event does. A salt that is given twice must be of the same zone and day.
func (w *saltWatch) use(t *testing.T, s *storage.Store) {
	t.Helper()
	for _, zone := range saltZones {
		today := w.today(t, zone)
		salt, err := s.Salt(account.Site{Timezone: zone}, today)
		if err != nil {
			t.Fatal(err)
		}
		again, err := s.Salt(account.Site{Timezone: zone}, today)
		if err != nil || again != salt {
			t.Errorf("%s: the salt of %s is another when asked for again (%v)", zone, today, err)
		}
		if w.given[zone] == nil {
			w.given[zone] = map[schema.Date][][32]byte{}
		}
		for z, days := range w.given {
			for d, salts := range days {
				for i, old := range salts {
					if old == salt && (z != zone || d != today || i != len(salts)-1) {
						t.Errorf("%s: the salt of %s is that of %s in %s", zone, today, d, z)
					}
				}
			}
		}
		if salts := w.given[zone][today]; len(salts) == 0 || salts[len(salts)-1] != salt {
			w.given[zone][today] = append(salts, salt)
		}
	}
	w.look(t)
}

// saltPages returns the sealed salts in the vault: the payload of each page of type 1 (see seal's table of the file).
func saltPages(t *testing.T, dir string) map[string]bool {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "footfall.vault"))
	if err != nil {
		t.Fatal(err)
	}
	return saltPagesIn(b)
}

func saltPagesIn(vault []byte) map[string]bool {
	pages := map[string]bool{}
	for at := 2 * vaultPage; at+vaultPage <= len(vault); at += vaultPage {
		if vault[at+1] == 1 {
			length := int(vault[at+2])<<8 | int(vault[at+3])
			pages[string(vault[at+pageStart:at+pageStart+length])] = true
		}
	}
	return pages
}

// look notes the sealed salts that are in the vault now; those that were there before and are not are over.
func (w *saltWatch) look(t *testing.T) {
	t.Helper()
	now := saltPages(t, w.dir)
	if len(now) > len(saltZones) {
		t.Errorf("%d salts in the vault, of %d zones", len(now), len(saltZones))
	}
	for page := range w.pages {
		w.pages[page] = now[page]
	}
	for page := range now {
		w.pages[page] = true
	}
}

// gone holds that in no file there is a salt, however written, nor any piece of a sealed salt that is over. want is how many may be left
// in the vault.
func (w *saltWatch) gone(t *testing.T, when string, want int) {
	t.Helper()
	w.look(t)
	left := 0
	var pieces [][]byte
	for page, there := range w.pages {
		if there {
			left++
			continue
		}
		const size = 16
		for at := 0; at+size <= len(page); at += size {
			if piece := []byte(page[at : at+size]); !bytes.Equal(piece, make([]byte, size)) {
				pieces = append(pieces, piece)
			}
		}
	}
	if left != want {
		t.Errorf("%s: %d salts are left in the vault, want %d", when, left, want)
	}
	for _, days := range w.given {
		for _, salts := range days {
			for _, salt := range salts {
				text := hex.EncodeToString(salt[:])
				pieces = append(pieces, salt[:16], salt[16:], []byte(text[:32]), bytes.ToUpper([]byte(text[:32])), []byte(base64.RawStdEncoding.EncodeToString(salt[:])[:32]))
			}
		}
	}
	err := filepath.WalkDir(w.dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		for _, piece := range pieces {
			if at := bytes.Index(content, piece); at >= 0 {
				t.Errorf("%s: %s holds a piece of a salt at %d", when, e.Name(), at)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (w *saltWatch) maintain(t *testing.T, s *storage.Store) {
	t.Helper()
	next, err := s.Maintain(context.Background(), w.clock.now)
	if err != nil {
		t.Fatal(err)
	}
	if next.Before(w.clock.now) || next.After(w.clock.now.Add(time.Minute)) {
		t.Errorf("at %s Maintain wants to be called next at %s", w.clock.now, next)
	}
}

// current counts the zones whose newest salt is of today.
func (w *saltWatch) current(t *testing.T, of map[string]schema.Date) (n int) {
	t.Helper()
	for zone, d := range of {
		if d == w.today(t, zone) {
			n++
		}
	}
	return n
}

// days returns today's date in every zone.
func (w *saltWatch) days(t *testing.T) map[string]schema.Date {
	t.Helper()
	dates := map[string]schema.Date{}
	for _, zone := range saltZones {
		dates[zone] = w.today(t, zone)
	}
	return dates
}

// TestSaltsDieAtMidnight goes through two days hour by hour. After each local midnight that zone's salt, and what held it, is in no
// file; the salts of zones whose day goes on stay.
func TestSaltsDieAtMidnight(t *testing.T) {
	w, s := newSaltWatch(t, time.Date(2026, 3, 28, 6, 30, 0, 0, time.UTC)) // Berlin changes its clocks on the 29th
	w.use(t, s)
	held := w.days(t)
	deaths := 0
	for range 48 {
		w.clock.now = w.clock.now.Add(time.Hour)
		w.maintain(t, s)
		alive := w.current(t, held)
		deaths += len(held) - alive
		w.gone(t, w.clock.now.String(), alive)
		w.use(t, s)
		held = w.days(t)
		w.gone(t, w.clock.now.String()+", in use", len(saltZones))
	}
	if deaths != 2*len(saltZones) {
		t.Errorf("%d salts died in two days, want %d", deaths, 2*len(saltZones))
	}
}

// TestSaltsDieThoughNobodyCalls holds that the first event after midnight destroys the old salt even if Maintain was never called.
func TestSaltsDieThoughNobodyCalls(t *testing.T) {
	w, s := newSaltWatch(t, time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC))
	for range 5 {
		w.use(t, s)
		w.gone(t, w.clock.now.String(), len(saltZones))
		w.clock.now = w.clock.now.AddDate(0, 0, 1)
	}
}

// TestSaltsDieOverARestart stops the store before midnight and starts it after, in good order and as by a power cut.
func TestSaltsDieOverARestart(t *testing.T) {
	for name, crash := range map[string]bool{"stopped": false, "crashed": true} {
		t.Run(name, func(t *testing.T) {
			w, s := newSaltWatch(t, time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC))
			w.use(t, s)
			for range 3 {
				if crash { // what a power cut leaves: the files as they are
					image := filepath.Join(t.TempDir(), "data")
					if err := os.CopyFS(image, os.DirFS(w.dir)); err != nil {
						t.Fatal(err)
					}
					w.dir = image
				} else if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				// The same day: visitors go on being the same.
				s = mustOpen(t, w.dir, w.clock)
				w.maintain(t, s)
				w.use(t, s)
				for zone, days := range w.given {
					for d, salts := range days {
						if len(salts) != 1 {
							t.Errorf("%s: %s has %d salts after a restart", zone, d, len(salts))
						}
					}
				}
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				w.clock.now = w.clock.now.AddDate(0, 0, 1)
				s = mustOpen(t, w.dir, w.clock)
				w.maintain(t, s)
				w.gone(t, "started a day later", 0)
				w.use(t, s)
				w.gone(t, "in use a day later", len(saltZones))
			}
		})
	}
}

// TestSaltsDoNotComeBack turns the clock: to a day, a year and an hour ago, and forth again. No salt of another day survives it, and a
// day that comes a second time has another salt.
func TestSaltsDoNotComeBack(t *testing.T) {
	noonOf := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	w, s := newSaltWatch(t, noonOf)
	w.use(t, s)
	for _, at := range []time.Time{
		noonOf.AddDate(0, 0, -1), noonOf, noonOf.AddDate(-1, 0, 0), noonOf, noonOf.AddDate(0, 0, 1), noonOf, time.Unix(0, 0).UTC(), noonOf, noonOf.AddDate(50, 0, 0), noonOf,
	} {
		w.clock.now = at
		w.maintain(t, s)
		w.gone(t, "the clock says "+at.String(), 0)
		w.use(t, s)
		w.gone(t, "in use at "+at.String(), len(saltZones))
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = mustOpen(t, w.dir, w.clock)
	}
	for _, zone := range saltZones {
		loc, err := time.LoadLocation(zone)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(w.given[zone][schema.DateOf(noonOf.In(loc))]); n != 6 { // use fails where two are the same
			t.Errorf("%s: a day that came six times had %d salts", zone, n)
		}
	}
	w.clock.now = noonOf.Add(-3 * time.Hour) // within a day of most zones: they keep theirs
	held := map[string]schema.Date{}
	for _, zone := range saltZones {
		loc, _ := time.LoadLocation(zone)
		held[zone] = schema.DateOf(noonOf.In(loc))
	}
	w.maintain(t, s)
	w.gone(t, "three hours back", w.current(t, held))
}

// TestOldSaltsAreReallySought holds that the tests above would see an old salt: in a copy of the old vault they find it.
func TestOldSaltsAreReallySought(t *testing.T) {
	w, s := newSaltWatch(t, time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC))
	w.use(t, s)
	old, err := os.ReadFile(filepath.Join(w.dir, "footfall.vault"))
	if err != nil {
		t.Fatal(err)
	}
	w.clock.now = w.clock.now.AddDate(0, 0, 1)
	w.maintain(t, s)
	w.look(t)
	n := 0
	for page, there := range w.pages {
		if !there && bytes.Contains(old, []byte(page)) {
			n++
		}
	}
	if n != len(saltZones) {
		t.Errorf("of %d old salts %d are known by their sealed pages", len(saltZones), n)
	}
}
