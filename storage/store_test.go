package storage_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
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

// clock is a clock that tests set.
type clock struct{ now time.Time }

func (c *clock) Now() time.Time { return c.now }

func mustOpen(t testing.TB, dir string, c *clock) *storage.Store {
	t.Helper()
	s, err := storage.Open(context.Background(), storage.Config{Dir: dir, Create: true, Now: c.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func mustSite(t testing.TB, s *storage.Store) account.Site {
	t.Helper()
	site, err := s.AddSite(context.Background(), "example.com", "Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	return site
}

func pageview(at time.Time, visit uint32, visitor uint64, fresh bool, path string) day.Row {
	r := day.Row{Visit: visit, Event: day.Event{Time: at.Unix(), Name: day.Pageview, Hostname: "example.com", Pathname: path, Interactive: true, ScrollDepth: day.NoScroll}}
	if fresh {
		r.New = &day.NewVisit{Visitor: visitor}
		r.New.Attributes[schema.Country] = "DE"
	}
	return r
}

func mustOpenDay(t testing.TB, s *storage.Store, site account.Site, date schema.Date) *day.Open {
	t.Helper()
	o, err := s.OpenDay(site.ID, date)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func mustAppend(t testing.TB, s *storage.Store, o *day.Open, rows ...day.Row) {
	t.Helper()
	c, err := s.Append(o, rows...)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Wait(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func total(t testing.TB, s *storage.Store, site schema.Site, metric query.Metric, first, last schema.Date) float64 {
	t.Helper()
	zone, _ := time.LoadLocation("Europe/Berlin")
	r, err := s.Query(context.Background(), query.Query{Site: site, Range: query.Days(first, last, schema.NewCalendar(zone)), Metrics: []query.Metric{metric}})
	if err != nil {
		t.Fatal(err)
	}
	return r.Rows[0].Metrics[0].Number
}

func TestEventsSurviveReopenAndSealing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	c := &clock{time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)}
	s := mustOpen(t, dir, c)
	if s.RecoveryKey() == "" {
		t.Error("a new store gives no recovery key")
	}
	site := mustSite(t, s)
	date := schema.DateOf(c.now)
	o := mustOpenDay(t, s, site, date)
	mustAppend(t, s, o, pageview(c.now, 0, 1, true, "/"), pageview(c.now.Add(time.Minute), 0, 1, false, "/a"))
	mustAppend(t, s, o, pageview(c.now.Add(time.Minute), 1, 2, true, "/"))
	check := func(when string) {
		t.Helper()
		for m, want := range map[query.Metric]float64{query.Visitors: 2, query.Visits: 2, query.Pageviews: 3, query.BounceRate: 50, query.VisitDuration: 30} {
			if got := total(t, s, site.ID, m, date, date); got != want {
				t.Errorf("%s: %s: got %v, want %v", when, m, got, want)
			}
		}
		if got := s.Count(site.ID); got != 3 {
			t.Errorf("%s: got %d events, want 3", when, got)
		}
		if err := s.Check(context.Background(), nil); err != nil {
			t.Errorf("%s: %v", when, err)
		}
	}
	reopen := func() {
		t.Helper()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = mustOpen(t, dir, c)
		if s.RecoveryKey() != "" {
			t.Error("an old store gives a recovery key")
		}
	}
	check("open")
	reopen()
	check("reopened")
	c.now = c.now.Add(24 * time.Hour)
	if _, err := s.Maintain(context.Background(), c.now); err != nil {
		t.Fatal(err)
	}
	check("sealed")
	if _, err := s.Append(o, pageview(c.now, 2, 3, true, "/")); !errors.Is(err, storage.ErrDayClosed) {
		t.Errorf("append to a sealed day: got %v, want ErrDayClosed", err)
	}
	reopen()
	check("sealed and reopened")
	if first, last, ok := s.Span(site.ID); !ok || first != date || last != date {
		t.Errorf("span: got %v to %v, %v", first, last, ok)
	}
}

func TestRefusals(t *testing.T) {
	dir := t.TempDir()
	ctx := context.Background()
	if _, err := storage.Open(ctx, storage.Config{Dir: filepath.Join(dir, "none")}); !errors.Is(err, storage.ErrMissing) {
		t.Errorf("no directory: got %v, want ErrMissing", err)
	}
	c := &clock{time.Now()}
	s := mustOpen(t, filepath.Join(dir, "a"), c)
	if _, err := storage.Open(ctx, storage.Config{Dir: filepath.Join(dir, "a")}); !errors.Is(err, storage.ErrRunning) {
		t.Errorf("already open: got %v, want ErrRunning", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	other := mustOpen(t, filepath.Join(dir, "b"), c)
	_ = other.Close()
	_, err := storage.Open(ctx, storage.Config{Dir: filepath.Join(dir, "a"), Key: storage.Key{File: filepath.Join(dir, "b", "footfall.key")}})
	if !errors.Is(err, storage.ErrWrongKey) {
		t.Errorf("another key: got %v, want ErrWrongKey", err)
	}
}

func TestRecoveryKeyOpensTheStore(t *testing.T) {
	dir := t.TempDir()
	c := &clock{time.Now()}
	data, recovery := filepath.Join(dir, "data"), filepath.Join(dir, "recovery")
	s := mustOpen(t, data, c)
	text := s.RecoveryKey()
	_ = s.Close()
	if err := os.Remove(filepath.Join(data, "footfall.key")); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		text string
		want error
	}{"right": {text + "\n", nil}, "mistyped": {text[:len(text)-1] + "?", seal.ErrKeyTypo}, "none": {"hello", seal.ErrNotKey}} {
		if err := os.WriteFile(recovery, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := storage.Open(context.Background(), storage.Config{Dir: data, Key: storage.Key{File: recovery}})
		if !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
		if err == nil {
			_ = s.Close()
		}
	}
}

func TestImportIsAllOrNothing(t *testing.T) {
	dir := t.TempDir()
	ctx := context.Background()
	c := &clock{time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)}
	s := mustOpen(t, dir, c)
	site := mustSite(t, s)
	zone, _ := time.LoadLocation("Europe/Berlin")
	date := schema.DateOf(c.now)
	imported := func() *day.Open {
		o := day.NewOpen(site.ID, date, date.Start(zone))
		if err := o.Apply([]day.Row{pageview(c.now, 0, 1, true, "/"), pageview(c.now, 1, 2, true, "/b")}); err != nil {
			t.Fatal(err)
		}
		return o
	}
	add := func() *storage.Import {
		im, err := s.Import(site.ID)
		if err != nil {
			t.Fatal(err)
		}
		if err := im.Add(ctx, imported().View()); err != nil {
			t.Fatal(err)
		}
		return im
	}
	im := add()
	if _, err := s.Import(site.ID); !errors.Is(err, storage.ErrSiteBusy) {
		t.Errorf("second import: got %v, want ErrSiteBusy", err)
	}
	if err := im.Abort(); err != nil || s.Count(site.ID) != 0 {
		t.Fatalf("after abort: %v, %d events", err, s.Count(site.ID))
	}
	add() // and the process dies
	_ = s.Close()
	s = mustOpen(t, dir, c)
	if n := s.Count(site.ID); n != 0 {
		t.Fatalf("after a crash: got %d events, want 0", n)
	}
	for round := 1; round <= 2; round++ {
		if err := add().Commit(ctx); err != nil {
			t.Fatal(err)
		}
		if got, want := total(t, s, site.ID, query.Visitors, date, date), float64(2*round); got != want {
			t.Errorf("import %d: got %v visitors, want %v", round, got, want)
		}
	}
	o := mustOpenDay(t, s, site, date)
	mustAppend(t, s, o, pageview(c.now, 0, 1, true, "/"))
	if got := total(t, s, site.ID, query.Visitors, date, date); got != 5 {
		t.Errorf("sealed and open part: got %v visitors, want 5", got)
	}
	c.now = c.now.Add(24 * time.Hour)
	if _, err := s.Maintain(ctx, c.now); err != nil {
		t.Fatal(err)
	}
	if got := total(t, s, site.ID, query.Visitors, date, date); got != 5 {
		t.Errorf("merged: got %v visitors, want 5", got)
	}
	if err := s.Check(ctx, nil); err != nil {
		t.Error(err)
	}
}

func TestImportEndsWithAFailedAdd(t *testing.T) {
	c := &clock{time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)}
	s := mustOpen(t, t.TempDir(), c)
	site := mustSite(t, s)
	zone, _ := time.LoadLocation("Europe/Berlin")
	im, err := s.Import(site.ID)
	if err != nil {
		t.Fatal(err)
	}
	gone, cancel := context.WithCancel(context.Background())
	cancel() // of the first day nobody can say whether it is in the file
	for i, ctx := range []context.Context{gone, context.Background()} {
		at := c.now.AddDate(0, 0, -i)
		o := day.NewOpen(site.ID, schema.DateOf(at), schema.DateOf(at).Start(zone))
		if err := o.Apply([]day.Row{pageview(at, 0, 1, true, "/")}); err != nil {
			t.Fatal(err)
		}
		if err := im.Add(ctx, o.View()); !errors.Is(err, context.Canceled) {
			t.Errorf("day %d: got %v, want context.Canceled", i, err)
		}
	}
	if err := im.Commit(context.Background()); !errors.Is(err, context.Canceled) {
		t.Errorf("commit: got %v, want the reason why a day could not be added", err)
	}
	if err := im.Abort(); err != nil || s.Count(site.ID) != 0 {
		t.Errorf("abort: %v, %d events", err, s.Count(site.ID))
	}
	if err := s.Check(context.Background(), nil); err != nil {
		t.Error(err)
	}
}

// Days may be added by several goroutines at once; all of them are there after the commit, and none after a death before it.
func TestImportFromSeveralGoroutines(t *testing.T) {
	dir, ctx := t.TempDir(), context.Background()
	c := &clock{time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)}
	zone, _ := time.LoadLocation("Europe/Berlin")
	s := mustOpen(t, dir, c)
	site := mustSite(t, s)
	const days = 40
	for round := range 2 {
		im, err := s.Import(site.ID)
		if err != nil {
			t.Fatal(err)
		}
		var group sync.WaitGroup
		for worker := range 4 {
			group.Go(func() {
				for i := worker; i < days; i += 4 {
					at := c.now.AddDate(0, 0, -i)
					o := day.NewOpen(site.ID, schema.DateOf(at), schema.DateOf(at).Start(zone))
					if err := errors.Join(o.Apply([]day.Row{pageview(at, 0, 1, true, "/")}), im.Add(ctx, o.View())); err != nil {
						t.Error(err)
					}
				}
			})
		}
		group.Wait()
		if round == 0 { // the process dies
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if s = mustOpen(t, dir, c); s.Count(site.ID) != 0 {
				t.Fatalf("after a crash: %d events", s.Count(site.ID))
			}
			if err := s.Check(ctx, nil); err != nil {
				t.Error(err)
			}
			continue
		}
		if err := im.Commit(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if n := s.Count(site.ID); n != days {
		t.Errorf("%d events, want %d", n, days)
	}
	if err := s.Check(ctx, nil); err != nil {
		t.Error(err)
	}
}

func TestRemovedSiteIsGone(t *testing.T) {
	dir := t.TempDir()
	ctx := context.Background()
	c := &clock{time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)}
	s := mustOpen(t, dir, c)
	site := mustSite(t, s)
	o := mustOpenDay(t, s, site, schema.DateOf(c.now))
	mustAppend(t, s, o, pageview(c.now, 0, 1, true, "/"))
	s.Dropped(site.ID, o.Date, "bot", 3)
	if err := s.RemoveSite(ctx, site.ID, "test"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Append(o, pageview(c.now, 0, 1, false, "/")); !errors.Is(err, storage.ErrDayClosed) {
		t.Errorf("append: got %v, want ErrDayClosed", err)
	}
	if _, err := s.Query(ctx, query.Query{Site: site.ID}); !errors.Is(err, storage.ErrNoSite) {
		t.Errorf("query: got %v, want ErrNoSite", err)
	}
	_ = s.Close()
	s = mustOpen(t, dir, c)
	again := mustSite(t, s)
	if again.ID == site.ID || s.Count(again.ID) != 0 || len(s.DropCounts(again.ID, 0, 1<<30)) != 0 {
		t.Errorf("a new site of that name has number %d and %d events", again.ID, s.Count(again.ID))
	}
}

// A reader that had a day of the site in hand when the site went must not put it into the cache for ever.
func TestRemovedSiteLeavesTheCache(t *testing.T) {
	ctx := context.Background()
	c := &clock{time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)}
	s := mustOpen(t, t.TempDir(), c)
	site := mustSite(t, s)
	o := mustOpenDay(t, s, site, schema.DateOf(c.now))
	mustAppend(t, s, o, pageview(c.now, 0, 1, true, "/"))
	c.now = c.now.Add(24 * time.Hour)
	if _, err := s.Maintain(ctx, c.now); err != nil {
		t.Fatal(err)
	}
	days, err := s.Days(site.ID, o.Date, o.Date)
	if err != nil || len(days) != 1 {
		t.Fatalf("%d days, %v", len(days), err)
	}
	views, release, err := days[0].Views()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.RemoveSite(ctx, site.ID, "test"); err != nil {
		t.Fatal(err)
	}
	if _, err := views[0].Text(schema.EventPage); err == nil {
		t.Error("a column of a removed site could be decoded")
	}
	release()
	if n := s.CachedDays(); n != 0 {
		t.Errorf("the cache holds %d days", n)
	}
}

func TestDropCountsSurviveReopen(t *testing.T) {
	dir := t.TempDir()
	c := &clock{time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)}
	s := mustOpen(t, dir, c)
	site := mustSite(t, s)
	date := schema.DateOf(c.now)
	s.Dropped(site.ID, date, "bot", 2)
	_ = s.Close()
	s = mustOpen(t, dir, c)
	s.Dropped(site.ID, date, "bot", 1)
	if got := s.DropCounts(site.ID, date, date)["bot"][date]; got != 3 {
		t.Errorf("got %d, want 3", got)
	}
}

func TestFullFileRefusesEventsAndAnswers(t *testing.T) {
	c := &clock{time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)}
	ctx := context.Background()
	dir := t.TempDir()
	s, err := storage.Open(ctx, storage.Config{Dir: dir, Create: true, Now: c.Now, MaxSize: 3 << 20})
	if err != nil {
		t.Fatal(err)
	}
	site := mustSite(t, s)
	date := schema.DateOf(c.now)
	acknowledged := uint32(0)
	for {
		o := mustOpenDay(t, s, site, date)
		commit, err := s.Append(o, pageview(c.now, acknowledged, uint64(acknowledged)+1, true, fmt.Sprintf("/%01500d", acknowledged)))
		if err == nil {
			err = commit.Wait(ctx)
		}
		if err != nil {
			if !errors.Is(err, storage.ErrFull) || !errors.Is(s.Healthy(), storage.ErrFull) {
				t.Fatalf("full: got %v, want ErrFull; healthy: %v", err, s.Healthy())
			}
			break
		}
		if acknowledged++; acknowledged > 5000 {
			t.Fatal("the file never gets full")
		}
	}
	if got := total(t, s, site.ID, query.Visitors, date, date); got != float64(acknowledged) {
		t.Errorf("full: got %v visitors, want %d", got, acknowledged)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	s = mustOpen(t, dir, c)
	if got := total(t, s, site.ID, query.Visitors, date, date); got != float64(acknowledged) {
		t.Errorf("reopened: got %v visitors, want %d", got, acknowledged)
	}
}

func TestDurationsBeyond32Bits(t *testing.T) {
	c := &clock{time.Date(2026, 3, 11, 12, 0, 0, 0, time.UTC)}
	s := mustOpen(t, t.TempDir(), c)
	site := mustSite(t, s)
	zone, _ := time.LoadLocation("Europe/Berlin")
	date := schema.DateOf(c.now) - 1
	o := day.NewOpen(site.ID, date, date.Start(zone))
	const visits, long = 60_000, 80_000
	var rows []day.Row
	for i := range uint32(visits) {
		rows = append(rows, pageview(date.Start(zone), i, uint64(i), true, "/"))
	}
	for i := range uint32(visits) {
		rows = append(rows, pageview(date.Start(zone).Add(long*time.Second), i, 0, false, "/"))
	}
	if err := o.Apply(rows); err != nil {
		t.Fatal(err)
	}
	im, err := s.Import(site.ID)
	if err == nil {
		err = im.Add(context.Background(), o.View())
	}
	if err == nil {
		err = im.Commit(context.Background())
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, by := range []query.Dimension{"visit:country", "visit:entry_page", "visit:city", query.TimeHour} {
		r, err := s.Query(context.Background(), query.Query{Site: site.ID, Range: query.Days(date, date, schema.NewCalendar(zone)), Metrics: []query.Metric{query.VisitDuration}, Dimensions: []query.Dimension{by}})
		if err != nil || len(r.Rows) != 1 || r.Rows[0].Metrics[0].Number != long {
			t.Errorf("by %s: got %v, %v, want %d", by, r, err, long)
		}
	}
	if err := s.Check(context.Background(), nil); err != nil {
		t.Error(err)
	}
}

// A row that cannot replay would bring every later start down: it is refused, and what comes after it is not lost.
func TestRowThatDoesNotFitIsRefused(t *testing.T) {
	dir := t.TempDir()
	c := &clock{time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)}
	s := mustOpen(t, dir, c)
	site := mustSite(t, s)
	o := mustOpenDay(t, s, site, schema.DateOf(c.now))
	mustAppend(t, s, o, pageview(c.now, 0, 1, true, "/"))
	for name, row := range map[string]day.Row{
		"a day early":   pageview(c.now.Add(-24*time.Hour), 1, 2, true, "/"),
		"visit skipped": pageview(c.now, 7, 2, true, "/"),
		"back in time":  pageview(c.now.Add(-time.Second), 0, 1, false, "/"),
	} {
		commit, err := s.Append(o, row)
		if err == nil {
			err = commit.Wait(context.Background())
		}
		if err == nil {
			t.Errorf("%s: got no error", name)
		}
		if _, err := s.Append(o, pageview(c.now, 8, 2, true, "/")); !errors.Is(err, storage.ErrDayClosed) {
			t.Errorf("%s: a row numbered behind it: %v", name, err)
		}
		o = mustOpenDay(t, s, site, o.Date)
	}
	mustAppend(t, s, o, pageview(c.now, 1, 2, true, "/"))
	_ = s.Close()
	s = mustOpen(t, dir, c)
	if got := total(t, s, site.ID, query.Visitors, o.Date, o.Date); got != 2 {
		t.Errorf("got %v visitors, want 2", got)
	}
}

// Names that a stranger makes up cost a day a bounded number of columns, and the day can be sealed.
func TestMadeUpNamesAreBounded(t *testing.T) {
	c := &clock{time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)}
	s := mustOpen(t, t.TempDir(), c)
	site := mustSite(t, s)
	o := mustOpenDay(t, s, site, schema.DateOf(c.now))
	var rows []day.Row
	for i := range uint32(day.MaxNames + 50) {
		r := pageview(c.now, i, uint64(i), true, "/")
		r.Event.Name = fmt.Sprintf("name %d", i)
		r.Event.Props = []day.Prop{{Key: fmt.Sprintf("key %d", i), Value: "x"}}
		rows = append(rows, r)
	}
	mustAppend(t, s, o, rows...)
	if v := o.View(); len(v.Props) != day.MaxPropKeys {
		t.Errorf("got %d property keys, want %d", len(v.Props), day.MaxPropKeys)
	}
	c.now = c.now.Add(24 * time.Hour)
	if _, err := s.Maintain(context.Background(), c.now); err != nil {
		t.Fatal(err)
	}
	zone, _ := time.LoadLocation("Europe/Berlin")
	r, err := s.Query(context.Background(), query.Query{Site: site.ID, Range: query.Days(o.Date, o.Date, schema.NewCalendar(zone)), Metrics: []query.Metric{query.Visitors},
		Filters: []query.Filter{{Op: query.Is, Dimension: "event:name", Clauses: []string{day.Other}}}})
	if err != nil || r.Rows[0].Metrics[0].Number != 50 {
		t.Errorf("other names: got %v, %v, want 50 visitors", r, err)
	}
	if err := s.Check(context.Background(), nil); err != nil {
		t.Error(err)
	}
}

func TestOlderVaultIsRefused(t *testing.T) {
	dir := t.TempDir()
	c := &clock{time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)}
	s := mustOpen(t, dir, c)
	_ = s.Close()
	vault := filepath.Join(dir, "footfall.vault")
	old, err := os.ReadFile(vault)
	if err != nil {
		t.Fatal(err)
	}
	s = mustOpen(t, dir, c)
	mustSite(t, s)
	_ = s.Close()
	newer, err := os.ReadFile(vault)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		vault []byte
		want  error
	}{{old, storage.ErrVaultDamaged}, {newer, nil}} {
		if err := os.WriteFile(vault, step.vault, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := storage.Open(context.Background(), storage.Config{Dir: dir, Now: c.Now})
		if !errors.Is(err, step.want) {
			t.Errorf("got %v, want %v", err, step.want)
		}
		if err == nil {
			if len(s.Accounts().Sites()) != 1 {
				t.Error("the site is gone")
			}
			_ = s.Close()
		}
	}
}

// A day opened while its site goes must not leave rows behind that nobody can read.
func TestRemovalWhileDaysOpen(t *testing.T) {
	ctx := context.Background()
	for round := range 15 {
		dir := t.TempDir()
		c := &clock{time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)}
		s := mustOpen(t, dir, c)
		site := mustSite(t, s)
		stop := make(chan struct{})
		var writers sync.WaitGroup
		for w := range 4 {
			writers.Go(func() {
				for d := schema.Date(w); ; d += 4 {
					select {
					case <-stop:
						return
					default:
					}
					if o, err := s.OpenDay(site.ID, 20000+d); err == nil {
						zone, _ := time.LoadLocation("Europe/Berlin")
						_, _ = s.Append(o, pageview(o.Date.Start(zone), 0, 1, true, "/"))
					}
				}
			})
		}
		time.Sleep(time.Duration(round) * time.Millisecond / 4)
		if err := s.RemoveSite(ctx, site.ID, "test"); err != nil {
			t.Fatal(err)
		}
		close(stop)
		writers.Wait()
		_ = s.Close()
		s, err := storage.Open(ctx, storage.Config{Dir: dir, Now: c.Now})
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		_ = s.Close()
	}
}
