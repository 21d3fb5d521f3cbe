package storage_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"footfall/storage"
	"footfall/storage/account"
	"footfall/storage/day"
	"footfall/storage/schema"
)

func mustDate(t testing.TB, text string) schema.Date {
	t.Helper()
	d, err := schema.ParseDate(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func mustSetTimezone(t testing.TB, s *storage.Store, site account.Site, zone string) account.Site {
	t.Helper()
	site, err := s.SetTimezone(t.Context(), site.ID, zone)
	if err != nil {
		t.Fatal(err)
	}
	return site
}

// TestSetTimezone asks for changes, and takes them back, on days with and without data, and looks at what the site has become.
func TestSetTimezone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	c := &clock{time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)}
	s := mustOpen(t, dir, c)
	site := mustSite(t, s)
	today := mustDate(t, "2026-07-01")
	set := func(zone string, want ...account.ZoneChange) {
		t.Helper()
		site = mustSetTimezone(t, s, site, zone)
		stored, _ := s.Accounts().Site(site.ID)
		for _, got := range []account.Site{site, stored} {
			if len(got.Changes) != len(want) {
				t.Fatalf("set %s: got %v, want %v", zone, got.Changes, want)
			}
			for i := range want {
				if got.Changes[i] != want[i] {
					t.Fatalf("set %s: got %v, want %v", zone, got.Changes, want)
				}
			}
		}
		// What is written down is what is in memory.
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = mustOpen(t, dir, c)
		again, _ := s.Accounts().Site(site.ID)
		before, err1 := site.Calendar()
		after, err2 := again.Calendar()
		if err := errors.Join(err1, err2); err != nil || !after.Equal(before) {
			t.Fatalf("set %s: after a restart: %+v, %v, want %+v", zone, again, err, site)
		}
	}
	const berlin, york, tokyo, kathmandu = "Europe/Berlin", "America/New_York", "Asia/Tokyo", "Asia/Kathmandu"
	set(berlin)
	set(york, account.ZoneChange{First: today + 1, Timezone: york})
	set(york, account.ZoneChange{First: today + 1, Timezone: york})
	set(tokyo, account.ZoneChange{First: today + 1, Timezone: tokyo}) // in its place
	set(berlin)                                                       // never mind
	set(tokyo, account.ZoneChange{First: today + 1, Timezone: tokyo})

	c.now = time.Date(2026, 7, 1, 22, 0, 0, 0, time.UTC) // midnight of Berlin
	set(berlin, account.ZoneChange{First: today + 1, Timezone: tokyo}, account.ZoneChange{First: today + 2, Timezone: berlin})
	set(tokyo, account.ZoneChange{First: today + 1, Timezone: tokyo})

	c.now = time.Date(2026, 7, 2, 15, 0, 0, 0, time.UTC) // midnight of Tokyo: the day after
	set(york, account.ZoneChange{First: today + 1, Timezone: tokyo}, account.ZoneChange{First: today + 3, Timezone: york})

	// An import ahead of the clock: its days stay as they are, and so does the calendar that has placed them.
	calendar, err := site.Calendar()
	if err != nil {
		t.Fatal(err)
	}
	ahead := calendar.Start(today + 4)
	im, err := s.Import(site.ID)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.SetTimezone(t.Context(), site.ID, kathmandu); !errors.Is(err, storage.ErrSiteBusy) {
		t.Errorf("during an import: %v", err)
	}
	o := day.NewOpen(site.ID, today+4, ahead)
	if err := o.Apply([]day.Row{pageview(ahead.Add(time.Hour), 0, 1, true, "/")}); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(im.Add(t.Context(), o.View()), im.Commit(t.Context())); err != nil {
		t.Fatal(err)
	}
	set(kathmandu, account.ZoneChange{First: today + 1, Timezone: tokyo}, account.ZoneChange{First: today + 3, Timezone: york}, account.ZoneChange{First: today + 5, Timezone: kathmandu})
	set(york, account.ZoneChange{First: today + 1, Timezone: tokyo}, account.ZoneChange{First: today + 3, Timezone: york})

	// A clock that was ahead, and has counted, does the same.
	c.now = calendar.Start(today + 7).Add(time.Hour)
	mustAppend(t, s, mustOpenDay(t, s, site, today+7), pageview(c.now, 0, 1, true, "/"))
	c.now = c.now.AddDate(0, 0, -5)
	set(tokyo, account.ZoneChange{First: today + 1, Timezone: tokyo}, account.ZoneChange{First: today + 3, Timezone: york}, account.ZoneChange{First: today + 8, Timezone: tokyo})

	for _, c := range []struct {
		site schema.Site
		zone string
		want error
	}{{site.ID, "Mars/Base", account.ErrInvalid}, {site.ID, "", account.ErrInvalid}, {99, tokyo, storage.ErrNoSite}} {
		if _, err := s.SetTimezone(t.Context(), c.site, c.zone); !errors.Is(err, c.want) {
			t.Errorf("site %d to %q: got %v, want %v", c.site, c.zone, err, c.want)
		}
	}
}

// TestCheckKnowsTheCalendar finds a day that was counted by another clock than its site's.
func TestCheckKnowsTheCalendar(t *testing.T) {
	c := &clock{time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)}
	s := mustOpen(t, filepath.Join(t.TempDir(), "data"), c)
	site := mustSite(t, s)
	today := mustDate(t, "2026-07-01")
	mustAppend(t, s, mustOpenDay(t, s, site, today), pageview(c.now, 0, 1, true, "/"))
	c.now = c.now.AddDate(0, 0, 1)
	if _, err := s.Maintain(t.Context(), c.now); err != nil {
		t.Fatal(err)
	}
	if err := s.Check(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Accounts().SetTimezone(t.Context(), site.ID, today, "Asia/Tokyo"); err != nil { // which Store.SetTimezone never does
		t.Fatal(err)
	}
	if err := s.Check(t.Context(), nil); !errors.Is(err, storage.ErrDamaged) || !strings.Contains(err.Error(), "clock of Europe/Berlin") {
		t.Errorf("got %v", err)
	}
}

// TestLongDayIsSealedWhenItEnds looks at the first day after a move to the west: it takes events for 30 hours.
func TestLongDayIsSealedWhenItEnds(t *testing.T) {
	c := &clock{time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)}
	s := mustOpen(t, filepath.Join(t.TempDir(), "data"), c)
	site := mustSetTimezone(t, s, mustSite(t, s), "America/New_York")
	begin := time.Date(2026, 7, 1, 22, 0, 0, 0, time.UTC)
	o := mustOpenDay(t, s, site, mustDate(t, "2026-07-02"))
	for i, hour := range []int{0, 23, 25, 29} {
		c.now = begin.Add(time.Duration(hour) * time.Hour)
		if next, err := s.Maintain(t.Context(), c.now); err != nil || next.After(begin.Add(30*time.Hour)) {
			t.Fatalf("%v, %v", next, err)
		}
		mustAppend(t, s, o, pageview(c.now, uint32(i), 1, true, "/"))
	}
	c.now = begin.Add(30*time.Hour - 30*time.Second)
	if next, err := s.Maintain(t.Context(), c.now); err != nil || !next.Equal(begin.Add(30*time.Hour)) {
		t.Errorf("before the end Maintain wants to be called at %v, %v", next, err)
	}
	c.now = begin.Add(30 * time.Hour)
	if _, err := s.Maintain(t.Context(), c.now); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Append(o, pageview(c.now, 4, 1, true, "/")); !errors.Is(err, storage.ErrDayClosed) {
		t.Errorf("after the end: %v", err)
	}
	if err := s.Check(t.Context(), nil); err != nil {
		t.Error(err)
	}
}

// TestImportAcrossAChange builds days by a calendar that is changed before they are added.
func TestImportAcrossAChange(t *testing.T) {
	c := &clock{time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)}
	s := mustOpen(t, filepath.Join(t.TempDir(), "data"), c)
	site := mustSite(t, s)
	old, err := site.Calendar()
	if err != nil {
		t.Fatal(err)
	}
	mustSetTimezone(t, s, site, "America/New_York")
	im, err := s.Import(site.ID)
	if err != nil {
		t.Fatal(err)
	}
	today := mustDate(t, "2026-07-01")
	for i, want := range []error{nil, storage.ErrMoved, storage.ErrMoved} {
		d := today + schema.Date(i)
		o := day.NewOpen(site.ID, d, old.Start(d))
		if err := o.Apply([]day.Row{pageview(old.Start(d).Add(time.Hour), 0, 1, true, "/")}); err != nil {
			t.Fatal(err)
		}
		if err := im.Add(t.Context(), o.View()); !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", d, err, want)
		}
	}
	if err := im.Abort(); err != nil {
		t.Fatal(err)
	}
}

// TestSaltsLiveAsLongAsTheirDays lets a site move from Berlin to New York, while another stays in Berlin and a third was always in New
// York. Whoever is asked, a salt is one during a day and dies with it: at its end, or should nobody call Maintain, with the next event.
func TestSaltsLiveAsLongAsTheirDays(t *testing.T) {
	for name, maintained := range map[string]bool{"maintained": true, "not maintained": false} {
		t.Run(name, func(t *testing.T) { saltsOfAMove(t, maintained) })
	}
}

// named is a salt as the test knows it: by zone or domain, and day.
type named struct {
	name string
	date schema.Date
}

func saltsOfAMove(t *testing.T, maintained bool) {
	w, s := newSaltWatch(t, time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC))
	var sites []account.Site
	for _, one := range [][2]string{{"moves.example", "Europe/Berlin"}, {"stays.example", "Europe/Berlin"}, {"york.example", "America/New_York"}, {"alone.example", "Asia/Tokyo"}} {
		site, err := s.AddSite(t.Context(), one[0], one[1])
		if err != nil {
			t.Fatal(err)
		}
		if one[0] == "moves.example" || one[0] == "alone.example" {
			site = mustSetTimezone(t, s, site, "America/New_York")
		}
		sites = append(sites, site)
	}
	first := map[string]schema.Date{"moves.example": mustDate(t, "2026-07-02"), "alone.example": mustDate(t, "2026-07-02")} // days that have no zone's midnights
	today := func(site account.Site) named {
		calendar, err := site.Calendar()
		if err != nil {
			t.Fatal(err)
		}
		d := calendar.Date(w.clock.now.Unix())
		if first[site.Domain] == d {
			return named{site.Domain, d}
		}
		return named{calendar.Zone(d).String(), d}
	}
	salts, lived := map[named][32]byte{}, map[named]time.Duration{}
	for range 72 {
		w.clock.now = w.clock.now.Add(time.Hour)
		if maintained {
			w.maintain(t, s)
			alive := map[named]bool{}
			for _, site := range sites {
				if n := today(site); salts[n] != [32]byte{} {
					alive[n] = true
				}
			}
			w.gone(t, w.clock.now.String(), len(alive))
		}
		used := map[named]bool{}
		for _, site := range sites {
			n := today(site)
			salt, err := s.Salt(site, n.date)
			if err != nil {
				t.Fatal(err)
			}
			mustOpenDay(t, s, site, n.date)
			if before, known := salts[n]; known && before != salt {
				t.Errorf("%s: %v has another salt than an hour ago", w.clock.now, n)
			}
			for other, old := range salts {
				if old == salt && other != n {
					t.Errorf("%s: %v has the salt of %v", w.clock.now, n, other)
				}
			}
			salts[n], used[n] = salt, true
			if w.given[n.name] == nil {
				w.given[n.name] = map[schema.Date][][32]byte{}
			}
			w.given[n.name][n.date] = [][32]byte{salt}
			w.look(t)
		}
		w.gone(t, w.clock.now.String()+", in use", len(used))
		for n := range used {
			lived[n] += time.Hour
		}
	}
	for domain, want := range map[string]time.Duration{"moves.example": 30 * time.Hour, "alone.example": 37 * time.Hour} {
		if got := lived[named{domain, first[domain]}]; got != want {
			t.Errorf("%s: the salt of the first day lived %v, want %v", domain, got, want)
		}
	}
	w.clock.now = time.Date(2026, 7, 10, 12, 0, 0, 0, time.UTC)
	removed := mustSetTimezone(t, s, sites[1], "Asia/Tokyo")
	w.clock.now = w.clock.now.Add(12 * time.Hour)
	salt, err := s.Salt(removed, mustDate(t, "2026-07-11"))
	if err != nil {
		t.Fatal(err)
	}
	w.given["removed"] = map[schema.Date][][32]byte{0: {salt}}
	w.look(t)
	if err := s.RemoveSite(t.Context(), removed.ID, "test"); err != nil {
		t.Fatal(err)
	}
	w.maintain(t, s)
	w.gone(t, "after the removal of a site on its first day", 0)
}
