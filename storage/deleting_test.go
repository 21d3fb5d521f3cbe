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
			w.set(w.now.AddDate(0, 0, 1))
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
	w.set(w.now.AddDate(0, 0, 4))
	w.maintain(t)
	w.set(w.now.AddDate(0, 0, 4))
	w.maintain(t)
	if _, err := w.store.SetRetention(ctx, w.site, 7, "test"); err != nil {
		t.Errorf("retention of a damaged day: %v", err)
	}
	if err := w.store.Check(ctx, nil); err != nil {
		t.Errorf("the damaged day is still there: %v", err)
	}
	w.close(t)
}

// TestDeleteFromLayers deletes from an open day that lies in the file for the most part, while a reader has it in hand. What the reader finds
// at the places of the old layers afterwards is not for it, and no damage either.
func TestDeleteFromLayers(t *testing.T) {
	ctx := context.Background()
	c := &clock{time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)}
	s, err := storage.Open(ctx, storage.Config{Dir: t.TempDir(), Create: true, Now: c.Now, LayerRows: 20})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	site := mustSite(t, s)
	date := schema.DateOf(c.now)
	o := mustOpenDay(t, s, site, date)
	fill := func(from, to uint32) {
		t.Helper()
		for v := from; v < to; v++ {
			mustAppend(t, s, o, pageview(c.now, v, uint64(v)+1, true, []string{"/", "/x"}[v%2]))
		}
		for deadline := time.Now().Add(time.Minute); o.Layers() == 0; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("no layer is put down")
			}
		}
	}
	fill(0, 60)
	days, err := s.Days(site.ID, date, date)
	if err != nil {
		t.Fatal(err)
	}
	views, release, err := days[0].Views()
	if err != nil {
		t.Fatal(err)
	}
	mustAppend(t, s, o, pageview(c.now, 60, 61, true, "/")) // from here on others have an arrangement of their own, and its chunks
	sum, err := s.Delete(ctx, storage.Deletion{Site: site.ID, Range: ever, Filters: onPage("/x"), By: "test"}, "", nil)
	if err != nil || sum.Events != 30 {
		t.Fatalf("%+v, %v", sum, err)
	}
	o = mustOpenDay(t, s, site, date)
	if n := o.TailRows(); n >= 20 {
		t.Errorf("%d rows are in memory", n)
	}
	fill(31, 90)
	if _, err := views[0].Text(schema.EventPage); !errors.Is(err, storage.ErrStale) {
		t.Errorf("the reader goes on: %v", err)
	}
	release()
	if got := total(t, s, site.ID, query.Pageviews, date, date); got != 90 {
		t.Errorf("%v pageviews, want 90", got)
	}
	if err := s.Check(ctx, nil); err != nil {
		t.Error(err)
	}
}
