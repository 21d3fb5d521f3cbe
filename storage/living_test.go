package storage_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"footfall/storage"
	"footfall/storage/account"
	"footfall/storage/day"
	"footfall/storage/file"
	"footfall/storage/query"
	"footfall/storage/query/naive"
	"footfall/storage/schema"
)

// ever is a range that leaves nothing out.
var ever = query.Range{First: 0, Last: math.MaxInt32}

// onPage is the filter for one page.
func onPage(path string) []query.Filter {
	return []query.Filter{{Op: query.Is, Dimension: "event:page", Clauses: []string{path}}}
}

// view is a pageview of the model.
func view(who, path string, at time.Time) naive.Event {
	return naive.Event{Visitor: who, Event: day.Event{Time: at.Unix(), Name: day.Pageview, Hostname: "example.com", Pathname: path, Interactive: true, ScrollDepth: day.NoScroll}}
}

// filled is a world with sealed days, one of them merged, and an open one; each has the pages /, /x and its own date.
func filled(t *testing.T) *world {
	t.Helper()
	date, _ := schema.ParseDate("2026-03-02")
	days := schema.NewCalendar(time.UTC)
	w := newWorld(t, filepath.Join(t.TempDir(), "data"), days.Start(date).Add(time.Hour), days)
	for n := range 5 {
		for i := range 8 {
			path := []string{"/", "/x", "/" + w.today().String()}[i%3]
			w.live(t, view(visitorNames[i%4], path, w.now.Add(time.Minute)))
		}
		if n < 4 {
			w.now = w.now.AddDate(0, 0, 1)
			w.maintain(t)
		}
	}
	w.load(t, []naive.Event{view("old", "/x", days.Start(date).Add(3*time.Hour)), view("old", "/", days.Start(date+4).Add(time.Minute))}, true)
	return w
}

// answers are what a site says to a few questions.
func answers(t *testing.T, w *world) string {
	t.Helper()
	var text string
	for _, d := range []query.Dimension{query.TimeDay, "event:page", "visit:entry_page", query.TimeHour} {
		q := query.Query{Site: w.site, Calendar: w.days, Range: query.Days(w.today()-30, w.today(), w.days),
			Metrics: []query.Metric{query.Visitors, query.Visits, query.BounceRate}, Dimensions: []query.Dimension{d}}
		r, err := w.store.Query(context.Background(), q)
		if err != nil {
			t.Fatal(err)
		}
		text += fmt.Sprintln(d, r.Rows)
	}
	if err := w.store.Check(context.Background(), nil); err != nil {
		t.Error(err)
	}
	return text
}

// copyStore copies a data directory file by file, as it is at this moment.
func copyStore(t *testing.T, from, to string) string {
	t.Helper()
	if err := os.MkdirAll(to, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"footfall.db", "footfall.vault", "footfall.key"} {
		b, err := os.ReadFile(filepath.Join(from, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(to, name), b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return to
}

// TestDeleteCutOff copies the files after each day of a deletion, as a crash would leave them. Each copy opens, some days are as before and
// the others as after, and the same deletion again makes it what it would have been.
func TestDeleteCutOff(t *testing.T) {
	w := filled(t)
	before, ctx := answers(t, w), context.Background()
	d := storage.Deletion{Site: w.site, Range: ever, Filters: onPage("/x"), By: "test"}
	var copies []string
	sum, err := w.store.Delete(ctx, d, "", func(int64, int64) {
		copies = append(copies, copyStore(t, w.dir, filepath.Join(t.TempDir(), fmt.Sprint(len(copies)))))
	})
	if err != nil || sum.Days != 5 {
		t.Fatalf("%+v, %v", sum, err)
	}
	after := answers(t, w)
	seen := map[string]bool{}
	for i, dir := range copies {
		half := &world{dir: dir, now: w.now, tenant: w.tenant}
		half.open(t, false)
		state := answers(t, half)
		seen[state] = true
		if i == 0 && state != before || i == len(copies)-1 && state != after {
			t.Errorf("copy %d: got\n%s", i, state)
		}
		rest, err := half.store.Delete(ctx, d, "", nil)
		if err != nil || answers(t, half) != after {
			t.Errorf("copy %d: after the rest was deleted (%+v, %v):\n%s, want\n%s", i, rest, err, answers(t, half), after)
		}
		half.close(t)
	}
	if len(seen) != 6 {
		t.Errorf("%d different states in %d copies, want one before, one after, and one a day in between", len(seen), len(copies))
	}
	w.close(t)
}

// TestDeleteStops ends a deletion by its context: the days done stay done.
func TestDeleteStops(t *testing.T) {
	w := filled(t)
	ctx, cancel := context.WithCancel(context.Background())
	d := storage.Deletion{Site: w.site, Range: ever, Filters: onPage("/x"), By: "test"}
	all, err := w.store.PreviewDelete(ctx, d, nil)
	if err != nil {
		t.Fatal(err)
	}
	some, err := w.store.Delete(ctx, d, "", func(done, _ int64) {
		if done == 2 {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) || some.Days != 2 {
		t.Errorf("stopped: %+v, %v", some, err)
	}
	rest, err := w.store.Delete(context.Background(), d, "", nil)
	if err != nil || rest.Events+some.Events != all.Events || rest.Days != 3 {
		t.Errorf("the rest: %+v, %v, of %+v", rest, err, all)
	}
	w.close(t)
}

// TestDeleteFromOpenDay: a visitor whose visit loses events goes on with it, one whose visit is gone begins another, and the process may
// start anew in between.
func TestDeleteFromOpenDay(t *testing.T) {
	days := schema.NewCalendar(time.UTC)
	w := newWorld(t, filepath.Join(t.TempDir(), "data"), time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC), days)
	for _, e := range []naive.Event{view("ann", "/", w.now), view("ann", "/x", w.now), view("bob", "/x", w.now), view("cat", "/y", w.now)} {
		w.live(t, e)
	}
	o, err := w.store.OpenDay(w.site, w.today())
	if err != nil {
		t.Fatal(err)
	}
	sum, err := w.store.Delete(context.Background(), storage.Deletion{Site: w.site, Range: ever, Filters: onPage("/x"), By: "test"}, "", nil)
	if want := (storage.Deleted{Events: 2, Visits: 1, Visitors: 1, Days: 1, Code: sum.Code}); err != nil || sum != want {
		t.Fatalf("%+v, %v, want %+v", sum, err, want)
	}
	if _, err := w.store.Append(o, pageview(w.now, 3, 9, true, "/")); !errors.Is(err, storage.ErrDayClosed) {
		t.Errorf("append to the day that was replaced: %v", err)
	}
	w.reseat(t)
	w.reopen(t)
	for _, who := range []string{"ann", "bob", "cat"} {
		w.live(t, view(who, "/z", w.now.Add(time.Minute)))
	}
	for metric, want := range map[query.Metric]float64{query.Visitors: 3, query.Visits: 3, query.Pageviews: 5, query.BounceRate: 33, query.VisitDuration: 80} {
		r, err := w.store.Query(context.Background(), query.Query{Site: w.site, Range: query.Days(w.today(), w.today(), w.days), Metrics: []query.Metric{metric}})
		if err != nil || r.Rows[0].Metrics[0].Number != want {
			t.Errorf("%s: got %v, %v, want %v", metric, r.Rows, err, want)
		}
	}
	w.close(t)
}

// TestDeleteUnderTraffic deletes again and again while events come in. Nothing acknowledged is lost but what was deleted.
func TestDeleteUnderTraffic(t *testing.T) {
	days := schema.NewCalendar(time.UTC)
	noon := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	w := newWorld(t, filepath.Join(t.TempDir(), "data"), noon, days)
	date, ctx := w.today(), context.Background()
	var lane sync.Mutex // as ingestion: visits are numbered and queued in one step
	var o *day.Open
	var seats *seating
	send := func(e naive.Event) error {
		for {
			lane.Lock()
			if o == nil {
				var err error
				if o, err = w.store.OpenDay(w.site, date); err != nil {
					lane.Unlock()
					return err
				}
				seats = resumed(o)
			}
			row, _ := seats.row(e)
			p, err := w.store.Append(o, row)
			if err != nil {
				o = nil
			}
			lane.Unlock()
			if errors.Is(err, storage.ErrDayClosed) {
				continue
			} else if err != nil {
				return err
			}
			return p.Wait(ctx)
		}
	}
	const senders, each = 4, 150
	var wait sync.WaitGroup
	for s := range senders {
		wait.Go(func() {
			for n := range each {
				if err := send(view(fmt.Sprint("visitor ", s), []string{"/keep", "/x"}[n%2], noon.Add(time.Duration(n)*time.Second))); err != nil {
					t.Errorf("send: %v", err)
				}
			}
		})
	}
	sent := make(chan struct{})
	go func() { wait.Wait(); close(sent) }()
	deleted := int64(0)
	remove := func() {
		sum, err := w.store.Delete(ctx, storage.Deletion{Site: w.site, Range: ever, Filters: onPage("/x"), By: "test"}, "", nil)
		if err != nil {
			t.Errorf("delete: %v", err)
		}
		deleted += sum.Events
	}
	for done := false; !done; {
		select {
		case <-sent:
			done = true
		default:
		}
		remove()
	}
	if got := w.store.Count(w.site); got != senders*each/2 || deleted != senders*each/2 {
		t.Errorf("%d events are left and %d were deleted, want %d each", got, deleted, senders*each/2)
	}
	q := query.Query{Site: w.site, Calendar: days, Range: query.Days(date, date, days), Metrics: []query.Metric{query.Visitors, query.Visits}}
	if r, err := w.store.Query(ctx, q); err != nil || r.Rows[0].Metrics[0].Number != senders {
		t.Errorf("visitors and visits: %v, %v", r.Rows, err)
	}
	if err := w.store.Check(ctx, nil); err != nil {
		t.Error(err)
	}
	w.close(t)
}

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
			if !errors.Is(err, storage.ErrVaultDamaged) && !errors.Is(err, storage.ErrDamaged) {
				t.Errorf("the old file beside the new vault: %v", err)
			}
			if err == nil {
				_ = s.Close()
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
	w.now = w.now.AddDate(0, 0, 4) // 2026-03-10
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
	w.now = w.now.AddDate(0, 0, 2)
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
		w.now = now
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
	if fmt.Sprintf("%+v", clear30(got)) != fmt.Sprintf("%+v", clear30(want)) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	w.close(t)
}

// clear30 takes out the pointers, which print as addresses.
func clear30(entries []account.Entry) []account.Entry {
	out := slices.Clone(entries)
	for i := range out {
		if out[i].Retention != nil {
			out[i].By += fmt.Sprint(" keeps ", *out[i].Retention)
			out[i].Retention = nil
		}
	}
	return out
}

// TestDeleteRefuses what has no meaning, and what was not previewed.
func TestDeleteRefuses(t *testing.T) {
	ctx := context.Background()
	w := filled(t)
	d := storage.Deletion{Site: w.site, Range: ever, Filters: onPage("/x"), By: "test"}
	preview, err := w.store.PreviewDelete(ctx, d, nil)
	if err != nil {
		t.Fatal(err)
	}
	w.live(t, view("ann", "/x", w.now.Add(time.Second)))
	now, err := w.store.Delete(ctx, d, preview.Code, nil)
	if !errors.Is(err, storage.ErrChanged) || now.Events != preview.Events+1 {
		t.Errorf("another event came: %+v, %v", now, err)
	}
	d.Site = 99
	if _, err := w.store.Delete(ctx, d, "", nil); !errors.Is(err, storage.ErrNoSite) {
		t.Errorf("no site: %v", err)
	}
	d.Site, d.Filters = w.site, []query.Filter{{Op: query.Is, Dimension: "time:day", Clauses: []string{"x"}}}
	if _, err := w.store.Delete(ctx, d, "", nil); !errors.Is(err, query.ErrInvalid) {
		t.Errorf("a filter without meaning: %v", err)
	}
	im, err := w.store.Import(w.site)
	if err != nil {
		t.Fatal(err)
	}
	d.Filters = nil
	_, err1 := w.store.Delete(ctx, d, "", nil)
	_, err2 := w.store.SetRetention(ctx, w.site, 7, "test")
	err3 := w.store.ResetSite(ctx, w.site, "test")
	for i, err := range []error{err1, err2, err3} {
		if !errors.Is(err, storage.ErrSiteBusy) {
			t.Errorf("%d, during an import: %v", i, err)
		}
	}
	if err := im.Abort(); err != nil {
		t.Fatal(err)
	}
	w.close(t)
}

// TestEmptiedDayComesAgain: a day of which nothing was left takes an import, and no reader takes the old day for the new one.
func TestEmptiedDayComesAgain(t *testing.T) {
	ctx := context.Background()
	w := filled(t)
	w.reopen(t) // with a cache that holds something
	first, _, _ := w.store.Span(w.site)
	first++ // a day of the first generation
	days, err := w.store.Days(w.site, first, first)
	if err != nil {
		t.Fatal(err)
	}
	_, release, err := days[0].Views() // a reader that takes its time
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.store.Delete(ctx, storage.Deletion{Site: w.site, Range: query.Days(first, first, w.days), By: "test"}, "", nil); err != nil {
		t.Fatal(err)
	}
	w.events = slices.DeleteFunc(w.events, func(e naive.Event) bool { return w.days.Date(e.Time) == first })
	var again []naive.Event // as many, so that nothing but the generation tells them from the old ones
	for range 8 {
		again = append(again, view("new", "/new", w.days.Start(first)))
	}
	w.load(t, again, true)
	release()
	w.compare(t, query.Query{Calendar: w.days, Range: query.Days(first, first, w.days), Metrics: []query.Metric{query.Visitors}, Dimensions: []query.Dimension{"event:page"}})
	w.close(t)
}

// TestDeleteGoesAroundDamage: a day that cannot be read is told and keeps no other from losing what is to go.
func TestDeleteGoesAroundDamage(t *testing.T) {
	ctx := context.Background()
	w := filled(t)
	err := w.store.Tamper(ctx, func(tx *file.Tx) error {
		key := dayKeyOf(t, w.site, "2026-03-04")
		value := bytes.Clone(tx.Get(file.Catalog, key))
		value[len(value)-1] ^= 1
		return tx.Put(file.Catalog, key, value)
	})
	if err != nil {
		t.Fatal(err)
	}
	w.reopen(t)
	d := storage.Deletion{Site: w.site, Range: ever, Filters: onPage("/x"), By: "test"}
	sum, err := w.store.Delete(ctx, d, "", nil)
	if !errors.Is(err, storage.ErrDamaged) || sum.Days != 4 || !strings.Contains(err.Error(), "2026-03-04") {
		t.Errorf("%+v, %v", sum, err)
	}
	if again, err := w.store.PreviewDelete(ctx, d, nil); !errors.Is(err, storage.ErrDamaged) || again.Events != 0 {
		t.Errorf("after that: %+v, %v", again, err)
	}
	w.now = w.now.AddDate(0, 0, 4)
	w.maintain(t)
	w.now = w.now.AddDate(0, 0, 4)
	w.maintain(t)
	if _, err := w.store.SetRetention(ctx, w.site, 7, "test"); err != nil {
		t.Errorf("retention of a damaged day: %v", err)
	}
	if err := w.store.Check(ctx, nil); err != nil {
		t.Errorf("the damaged day is still there: %v", err)
	}
	w.close(t)
}
