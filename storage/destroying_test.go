package storage_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"footfall/storage"
	"footfall/storage/account"
	"footfall/storage/day"
	"footfall/storage/query"
	"footfall/storage/schema"
	"footfall/storage/seal"
)

// TestResetCutOff leaves a reset half done in each way that a crash can, and starts.
func TestResetCutOff(t *testing.T) {
	ctx := context.Background()
	w := filled(t)
	err := w.store.Accounts().ChangeSite(ctx, w.site, nil, func(s *account.Site) { s.Resetting, s.Retention = true, 90 })
	if err != nil {
		t.Fatal(err)
	}
	w.close(t)
	root := t.TempDir()
	marked := copyStore(t, w.dir, filepath.Join(root, "marked")) // the key is the old one
	rekeyed := copyStore(t, w.dir, filepath.Join(root, "rekeyed"))
	w.open(t, false) // finishes it
	w.close(t)
	vault, err := os.ReadFile(filepath.Join(w.dir, "footfall.vault"))
	if err == nil {
		err = os.WriteFile(filepath.Join(rekeyed, "footfall.vault"), vault, 0o600) // the key is a new one, the bytes are there
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{marked, rekeyed, w.dir} {
		one := &world{dir: dir, now: w.now, tenant: &tenant{site: w.site, days: w.days, seats: map[schema.Date]*seating{}}}
		one.all = []*tenant{one.tenant}
		one.open(t, false)
		one.empty(t)
		if site, ok := one.store.Accounts().Site(w.site); !ok || site.Resetting || site.Retention != 90 {
			t.Errorf("%s: the site is %+v", dir, site)
		}
		one.live(t, view("ann", "/", w.now.Add(time.Minute)))
		one.maintain(t)
		one.reopen(t)
		one.books(t)
		one.close(t)
	}
}

// TestFaultsOfDestructionAreMended: what a fault leaves of a removal or a reset is finished by Maintain, and events come in again.
func TestFaultsOfDestructionAreMended(t *testing.T) {
	ctx := context.Background()
	w := filled(t)
	other, err := w.store.AddSite(ctx, "other.example", "Etc/UTC")
	if err != nil {
		t.Fatal(err)
	}
	err1 := w.store.Accounts().ChangeSite(ctx, w.site, nil, func(s *account.Site) { s.Resetting = true })
	err2 := w.store.Accounts().ChangeSite(ctx, other.ID, nil, func(s *account.Site) { s.Removing = true })
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	w.maintain(t)
	w.events, w.rows, w.seats = nil, nil, map[schema.Date]*seating{}
	w.empty(t)
	w.live(t, view("ann", "/", w.now.Add(time.Minute)))
	w.books(t)
	if _, ok := w.store.Accounts().Site(other.ID); ok {
		t.Error("the site that was being removed is there")
	}
	w.close(t)
}

// TestOldCopiesTellNothing puts data files of before a reset and a removal beside the vault of after. What was destroyed stays destroyed.
func TestOldCopiesTellNothing(t *testing.T) {
	for name, destroy := range map[string]func(*storage.Store, schema.Site) error{
		"reset":  func(s *storage.Store, id schema.Site) error { return s.ResetSite(context.Background(), id, "test") },
		"remove": func(s *storage.Store, id schema.Site) error { return s.RemoveSite(context.Background(), id, "test") },
	} {
		t.Run(name, func(t *testing.T) {
			w := filled(t)
			w.close(t)
			old, err1 := os.ReadFile(filepath.Join(w.dir, "footfall.db"))
			before, err2 := os.ReadFile(filepath.Join(w.dir, "footfall.vault"))
			w.open(t, false)
			err3 := destroy(w.store, w.site)
			w.close(t)
			after, err4 := os.ReadFile(filepath.Join(w.dir, "footfall.vault"))
			if err := errors.Join(err1, err2, err3, err4); err != nil {
				t.Fatal(err)
			}
			wiped := 0
			for i := 0; i+4096 <= len(before); i += 4096 {
				page := before[i : i+4096]
				if i < 8192 || bytes.Equal(page, after[i:i+4096]) {
					continue
				}
				wiped++
				if bytes.Contains(after, page[8+25:8+25+36]) {
					t.Errorf("what page %d of the vault held is still there", i/4096)
				}
			}
			if wiped == 0 {
				t.Error("no page of the vault has changed")
			}
			if err := os.WriteFile(filepath.Join(w.dir, "footfall.db"), old, 0o600); err != nil {
				t.Fatal(err)
			}
			s, err := storage.Open(context.Background(), storage.Config{Dir: w.dir})
			if name == "remove" {
				if !errors.Is(err, storage.ErrVaultDamaged) {
					t.Errorf("the old file beside the new vault: %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			days, err := s.Days(w.site, -100_000, 100_000)
			if err != nil || len(days) < 5 {
				t.Fatalf("%d days, %v", len(days), err)
			}
			for _, d := range days { // sealed ones, an open one
				if _, _, err := d.Views(); !errors.Is(err, storage.ErrDamaged) && !errors.Is(err, seal.ErrDamaged) {
					t.Errorf("%s with the new vault: %v", d.Date, err)
				}
			}
		})
	}
}

// TestResetUnderTraffic resets a site while events and queries come in: events are refused or stored under the new key.
func TestResetUnderTraffic(t *testing.T) {
	ctx := context.Background()
	c := &clock{time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)}
	dir := t.TempDir()
	s, err := storage.Open(ctx, storage.Config{Dir: dir, Create: true, Now: c.Now, Memory: shares(1)}) // nothing is cached
	if err != nil {
		t.Fatal(err)
	}
	site := mustSite(t, s)
	calendar, err := site.Calendar()
	if err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	var writers sync.WaitGroup
	for n := range 3 {
		writers.Go(func() {
			for d := schema.Date(n); ; d += 3 {
				select {
				case <-stop:
					return
				default:
				}
				o, err := s.OpenDay(site.ID, 20000+d%50)
				if err == nil {
					zone, _ := time.LoadLocation("Europe/Berlin")
					if p, err := s.Append(o, pageview(o.Date.Start(zone), uint32(o.Rows()), uint64(d)+1, true, "/")); err == nil {
						_ = p.Wait(ctx)
					}
				} else if !errors.Is(err, storage.ErrBusy) {
					t.Errorf("open day: %v", err)
				}
				if _, err := s.Query(ctx, query.Query{Site: site.ID, Range: ever, Metrics: []query.Metric{query.Events}}); err != nil {
					t.Errorf("query: %v", err)
				}
			}
		})
	}
	for range 10 {
		im, err := s.Import(site.ID)
		for d := schema.Date(21000); err == nil && d < 21010; d++ {
			o := day.NewOpen(site.ID, d, calendar.Start(d))
			err = errors.Join(o.Apply([]day.Row{pageview(calendar.Start(d), 0, 1, true, "/")}), im.Add(ctx, o.View()))
		}
		if err == nil {
			err = im.Commit(ctx)
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := s.ResetSite(ctx, site.ID, "test"); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	writers.Wait()
	want := s.Count(site.ID)
	_ = s.Close()
	s = mustOpen(t, dir, c)
	if got := s.Count(site.ID); got != want {
		t.Errorf("%d events after a restart, %d before", got, want)
	}
	if err := s.Check(ctx, nil); err != nil {
		t.Error(err)
	}
}

// TestRetention drops whole days and their counts, and nothing of other sites.
func TestRetention(t *testing.T) {
	ctx := context.Background()
	w := filled(t) // from 2026-03-02 to 2026-03-06
	other, err := w.store.AddSite(ctx, "other.example", "Etc/UTC")
	if err != nil {
		t.Fatal(err)
	}
	first, last, _ := w.store.Span(w.site)
	for d := first - 1; d <= last; d++ {
		w.store.Dropped(w.site, d, "bot", 1)
		w.store.Dropped(other.ID, d, "bot", 1)
	}
	for _, days := range []int{-1, 1, 6, 36_526} {
		if _, err := w.store.SetRetention(ctx, w.site, days, "test"); !errors.Is(err, account.ErrInvalid) {
			t.Errorf("%d days: %v", days, err)
		}
	}
	if _, err := w.store.SetRetention(ctx, 99, 7, "test"); !errors.Is(err, storage.ErrNoSite) {
		t.Errorf("no site: %v", err)
	}
	w.set(w.now.AddDate(0, 0, 4)) // 2026-03-10
	w.maintain(t)
	over, held, err := w.store.Overdue(w.site, 7)
	if want := (storage.Holdings{Days: 1, Events: 9}); err != nil || held || over != want {
		t.Fatalf("overdue: %+v, %v, %v, want %+v", over, held, err, want)
	}
	if went, err := w.store.SetRetention(ctx, w.site, 7, "test"); err != nil || went != over {
		t.Fatalf("set: %+v, %v", went, err)
	}
	check := func(when string, kept ...string) {
		t.Helper()
		days, err := w.store.Days(w.site, 0, 1<<30)
		var got []string
		for _, d := range days {
			got = append(got, d.Date.String())
		}
		if err != nil || !slices.Equal(got, kept) {
			t.Errorf("%s: days %v, want %v (%v)", when, got, kept, err)
		}
		var counted []string
		for d := range w.store.DropCounts(w.site, 0, 1<<30)["bot"] {
			counted = append(counted, d.String())
		}
		if slices.Sort(counted); !slices.Equal(counted, kept) {
			t.Errorf("%s: dropped events of %v, want %v", when, counted, kept)
		}
		if n := len(w.store.DropCounts(other.ID, 0, 1<<30)["bot"]); n != 6 {
			t.Errorf("%s: another site has counts of %d days, want 6", when, n)
		}
	}
	check("set", "2026-03-03", "2026-03-04", "2026-03-05", "2026-03-06")
	w.set(w.now.AddDate(0, 0, 2))
	w.maintain(t)
	check("two days later", "2026-03-05", "2026-03-06")
	w.close(t)
	w.open(t, false)
	check("after a restart", "2026-03-05", "2026-03-06")
	if site, _ := w.store.Accounts().Site(w.site); site.Retention != 7 {
		t.Errorf("the site is %+v", site)
	}
	w.close(t)
}

// TestRetentionDistrustsClock: a clock that jumps far ahead costs nothing unless it stays there; one that really moved on, in the end, does.
func TestRetentionDistrustsClock(t *testing.T) {
	ctx := context.Background()
	w := filled(t)
	if _, err := w.store.SetRetention(ctx, w.site, 7, "test"); err != nil {
		t.Fatal(err)
	}
	all := w.store.Count(w.site)
	at := func(now time.Time, left int64, why string) {
		t.Helper()
		w.set(now)
		if _, err := w.store.Maintain(ctx, now); err != nil {
			t.Fatal(err)
		}
		if got := w.store.Count(w.site); got != left {
			t.Errorf("%s: %d events are left, want %d", why, got, left)
		}
	}
	today := w.now
	at(today.AddDate(10, 0, 0), all, "ten years ahead")
	at(today.AddDate(10, 0, 0).Add(23*time.Hour), all, "still there, for less than a day")
	w.close(t)
	w.open(t, false)
	at(today.Add(time.Hour), all, "put right")
	at(today.AddDate(10, 0, 0), all, "ahead again")
	at(today.AddDate(20, 0, 0), all, "and further: that is another jump")
	at(today.AddDate(20, 0, 0).Add(100*time.Hour), all, "seen again only much later: it may have jumped back and forth")
	if _, held, err := w.store.Overdue(w.site, 7); err != nil || !held {
		t.Errorf("overdue: held %v, %v", held, err)
	}
	if went, err := w.store.SetRetention(ctx, w.site, 8, "test"); err != nil || went.Events != 0 {
		t.Errorf("set while the clock is not trusted: %+v, %v", went, err)
	}
	at(time.Unix(0, 0), all, "a clock that has forgotten the time")
	at(today, all, "put right")
	at(today.AddDate(0, 3, 0), all, "three months later, the server was off")
	w.close(t)
	w.open(t, false)
	at(today.AddDate(0, 3, 1), 0, "and a day later")
	w.close(t)
}

// TestAuditLog tells who destroyed what, and nothing of what it was.
func TestAuditLog(t *testing.T) {
	ctx := context.Background()
	w := filled(t)
	d := storage.Deletion{Site: w.site, Range: ever, Filters: onPage("/x"), By: "token 3"}
	sum, err1 := w.store.Delete(ctx, d, "", nil)
	_, err2 := w.store.Delete(ctx, d, "", nil) // nothing is left: no entry
	_, err3 := w.store.SetRetention(ctx, w.site, 30, "user 1")
	left := w.store.Count(w.site)
	err4 := w.store.ResetSite(ctx, w.site, "command line")
	err5 := w.store.RemoveSite(ctx, w.site, "command line")
	if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
		t.Fatal(err)
	}
	w.close(t)
	w.open(t, false)
	got, err := w.store.Accounts().Entries(ctx)
	if err != nil {
		t.Fatal(err)
	}
	month := 30
	want := []account.Entry{
		{By: "token 3", Did: account.DidDelete, Days: sum.Days, Events: sum.Events},
		{By: "user 1", Did: account.DidRetention, Retention: &month},
		{By: "command line", Did: account.DidReset, Days: 5, Events: left},
		{By: "command line", Did: account.DidRemove},
	}
	for i := range want {
		want[i].Number, want[i].Time, want[i].Site, want[i].Domain = uint64(i+1), w.now.UTC(), w.site, "site0.example.com"
	}
	if fmt.Sprintf("%+v", unpointed(got)) != fmt.Sprintf("%+v", unpointed(want)) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	w.close(t)
}

// unpointed takes out the pointers, which print as addresses.
func unpointed(entries []account.Entry) []account.Entry {
	out := slices.Clone(entries)
	for i := range out {
		if out[i].Retention != nil {
			out[i].By += fmt.Sprint(" keeps ", *out[i].Retention)
			out[i].Retention = nil
		}
	}
	return out
}
