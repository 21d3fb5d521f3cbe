package storage_test

import (
	"context"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"footfall/storage"
	"footfall/storage/day"
	"footfall/storage/memory"
	"footfall/storage/query"
	"footfall/storage/query/naive"
	"footfall/storage/schema"
)

// seat is where a visitor's next event goes if it comes soon enough.
type seat struct {
	visit uint32
	last  int64
}

// seating places the events of one day into visits, as ingestion does.
type seating struct {
	seats map[uint64]seat
	next  uint32
}

func newSeating() *seating { return &seating{seats: map[uint64]seat{}} }

// resumed continues after a restart.
func resumed(o *day.Open) *seating {
	s := newSeating()
	for _, p := range o.Resume() {
		if old, ok := s.seats[p.Visitor]; !ok || p.Visit > old.visit {
			s.seats[p.Visitor] = seat{p.Visit, p.Last}
		}
		s.next = max(s.next, p.Visit+1)
	}
	return s
}

// row places an event; ok is false for engagement without a visit.
func (s *seating) row(e naive.Event) (row day.Row, ok bool) {
	who := hash(e.Visitor)
	at, known := s.seats[who]
	if !known || e.Time-at.last > 1800 {
		if e.Name == day.Engagement {
			return row, false
		}
		at = seat{visit: s.next}
		row.New = &day.NewVisit{Visitor: who, Attributes: e.Attributes}
		s.next++
	}
	s.seats[who] = seat{at.visit, e.Time}
	row.Visit, row.Event = at.visit, e.Event
	return row, true
}

func hash(visitor string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(visitor))
	return h.Sum64()
}

// tester is what a *testing.T and a *rapid.T have in common.
type tester interface {
	Helper()
	Fatalf(format string, args ...any)
}

// tenant is one site of a store under test, and what was put into it.
type tenant struct {
	site    schema.Site
	days    *schema.Calendar
	seats   map[schema.Date]*seating // of open days
	events  []naive.Event            // all that the site was given
	rows    []day.Event              // those that found a place, engagement included
	imports int

	retention int
}

// world is a store under test. The embedded tenant is the one that is acted on.
type world struct {
	dir    string
	now    time.Time
	clock  atomic.Pointer[time.Time] // now, for the store, which may be at work beside the test
	store  *storage.Store
	opened int // times
	all    []*tenant
	*tenant

	// How far the clock is trusted; see look.
	looked  bool
	trusted schema.Date
	jumped  time.Time
}

// newWorld makes a store with a site for each calendar and chooses the first.
func newWorld(t tester, dir string, now time.Time, calendars ...*schema.Calendar) *world {
	t.Helper()
	w := &world{dir: dir, now: now}
	w.open(t, true)
	for i, days := range calendars {
		zone, _ := days.Changes()
		s, err := w.store.AddSite(context.Background(), fmt.Sprintf("site%d.example.com", i), zone.String())
		if err != nil {
			t.Fatalf("add site: %v", err)
		}
		w.all = append(w.all, &tenant{site: s.ID, days: schema.NewCalendar(zone), seats: map[schema.Date]*seating{}})
		_, changes := days.Changes()
		for _, change := range changes {
			w.tenant = w.all[i]
			w.set(days.Start(change.First).Add(-time.Second))
			w.move(t, change.Zone)
		}
		if !w.all[i].days.Equal(days) {
			t.Fatalf("a site that was to have %v has %v", changes, w.all[i].days)
		}
	}
	w.tenant = w.all[0]
	w.set(now)
	return w
}

// move changes the time zone of the site. Days that have begun, or hold anything, keep theirs.
func (w *world) move(t tester, to *time.Location) {
	t.Helper()
	last := w.today()
	for _, e := range w.rows {
		last = max(last, w.days.Date(e.Time))
	}
	zone, changes := w.days.Changes()
	changes = slices.DeleteFunc(changes, func(c schema.Change) bool { return c.First > last })
	inForce := zone
	for _, c := range changes {
		inForce = c.Zone
	}
	if to.String() != inForce.String() {
		changes = append(changes, schema.Change{First: last + 1, Zone: to})
	}
	w.days = schema.NewCalendar(zone, changes...)
	site, err := w.store.SetTimezone(context.Background(), w.site, to.String())
	if err != nil {
		t.Fatalf("move to %v: %v", to, err)
	}
	if days, err := site.Calendar(); err != nil || !days.Equal(w.days) {
		t.Fatalf("moved to %v at %v: got %+v, %v, want %v", to, w.now, site, err, changes)
	}
}

// choose draws the site to act on.
func (w *world) choose(t *rapid.T) { w.tenant = rapid.SampledFrom(w.all).Draw(t, "tenant") }

func (w *world) open(t tester, create bool) {
	t.Helper()
	w.opened++
	w.set(w.now)
	store, err := storage.Open(context.Background(), storage.Config{
		Dir: w.dir, Create: create, Now: func() time.Time { return *w.clock.Load() },
		Memory:    shares(w.opened),
		PartRows:  5 * (w.opened % 3), // days in one part, or in many
		LayerRows: 2 * (w.opened % 4), // open days in memory, or in layers of a few rows
	})
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	w.store = store
}

func (w *world) set(now time.Time) {
	w.now = now
	w.clock.Store(&now)
}

// shares are those of a small machine; every other time the cache holds nothing.
func shares(opened int) memory.Shares {
	s := memory.Divide(0)
	s.Queries = 1 << 30 // any query that is drawn is to be answered
	if opened%2 == 1 {
		s.Cache, s.Work = 1, 0
	}
	return s
}

func (w *world) close(t tester) {
	t.Helper()
	if err := w.store.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
}

func (w *world) today() schema.Date { return w.days.Date(w.now.Unix()) }

// live sends an event at its time, which becomes now.
func (w *world) live(t tester, e naive.Event) {
	t.Helper()
	w.set(time.Unix(e.Time, 0))
	o, err := w.store.OpenDay(w.site, w.today())
	if err != nil {
		t.Fatalf("open day %v: %v", w.today(), err)
	}
	if w.seats[w.today()] == nil {
		w.seats[w.today()] = newSeating()
	}
	row, ok := w.seats[w.today()].row(e)
	w.events = append(w.events, e)
	if !ok {
		return
	}
	pending, err := w.store.Append(o, row)
	if err == nil {
		err = pending.Wait(context.Background())
	}
	if err != nil {
		t.Fatalf("append to %v: %v", w.today(), err)
	}
	w.rows = append(w.rows, e.Event)
}

// load imports events, whose visitors are nobody who is there already.
func (w *world) load(t tester, events []naive.Event, commit bool) {
	t.Helper()
	sorted := slices.Clone(events)
	slices.SortStableFunc(sorted, func(a, b naive.Event) int { return int(a.Time - b.Time) })
	w.imports++
	seats, rows := map[schema.Date]*seating{}, map[schema.Date][]day.Row{}
	for i := range sorted {
		sorted[i].Visitor = fmt.Sprintf("%s of import %d", sorted[i].Visitor, w.imports)
		d := w.days.Date(sorted[i].Time)
		if seats[d] == nil {
			seats[d] = newSeating()
		}
		if row, ok := seats[d].row(sorted[i]); ok {
			rows[d] = append(rows[d], row)
		}
	}
	in, err := w.store.Import(w.site)
	if err != nil {
		t.Fatalf("import: %v", err)
	}
	for _, d := range slices.Sorted(maps.Keys(rows)) {
		o := day.NewOpen(w.site, d, w.days.Start(d))
		if err := o.Apply(rows[d]); err != nil {
			t.Fatalf("apply rows of %v: %v", d, err)
		}
		if err := in.Add(context.Background(), o.View()); err != nil {
			t.Fatalf("add %v: %v", d, err)
		}
	}
	if !commit {
		if err := in.Abort(); err != nil {
			t.Fatalf("abort import: %v", err)
		}
		return
	}
	if err := in.Commit(context.Background()); err != nil {
		t.Fatalf("commit import: %v", err)
	}
	w.events = append(w.events, sorted...)
	for _, day := range rows {
		for _, row := range day {
			w.rows = append(w.rows, row.Event)
		}
	}
}

func (w *world) maintain(t tester) {
	t.Helper()
	next, err := w.store.Maintain(context.Background(), w.now)
	if err != nil {
		t.Fatalf("maintain: %v", err)
	}
	midnight := w.now.AddDate(1, 0, 0)
	for _, one := range w.all {
		today := one.days.Date(w.now.Unix())
		if at := one.days.Start(today + 1); at.Before(midnight) {
			midnight = at
		}
	}
	w.ended()
	w.look()
	for _, one := range w.all {
		w.expire(one)
	}
	if !next.After(w.now) || next.After(midnight) {
		t.Fatalf("at %v Maintain wants to be called at %v, the next midnight is %v", w.now, next, midnight)
	}
}

// reopen closes and opens the store. The open days remember who sits where.
func (w *world) reopen(t tester) {
	t.Helper()
	w.close(t)
	w.open(t, false)
	for _, one := range w.all {
		for d, before := range one.seats {
			if before.next == 0 {
				continue // nothing was ever stored
			}
			o, err := w.store.OpenDay(one.site, d)
			if err != nil {
				t.Fatalf("open day %v again: %v", d, err)
			}
			after := resumed(o)
			if after.next != before.next || !maps.Equal(after.seats, before.seats) {
				t.Fatalf("%v after a restart: %+v, want %+v", d, after, before)
			}
			one.seats[d] = after
		}
	}
}

// compare puts q to the engine and to the model.
func (w *world) compare(t tester, q query.Query) {
	t.Helper()
	q.Site = w.site
	want, err := naive.Answer(w.events, q)
	if err != nil {
		t.Fatalf("model: %+v: %v", q, err)
	}
	got, err := w.store.Query(context.Background(), q)
	if err != nil {
		t.Fatalf("engine: %+v: %v", q, err)
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("%s\nevents:\n%s\nmodel -, engine +:\n%s", describe(q), w.list(), diff)
	}
}

func describe(q query.Query) string {
	zone, format := q.Calendar.Zone(q.Calendar.Date(q.Range.First)), "2006-01-02 15:04:05 -07:00"
	return fmt.Sprintf("%v by %v from %s to %s\nwhere %+v\norder %+v limit %d offset %d", q.Metrics, q.Dimensions,
		time.Unix(q.Range.First, 0).In(zone).Format(format), time.Unix(q.Range.Last, 0).In(zone).Format(format),
		q.Filters, q.Order, q.Limit, q.Offset)
}

// list prints the events in order of time, in the language of query/testdata.
func (w *world) list() (text string) {
	for _, e := range inOrder(w.events) {
		text += fmt.Sprintf("  %s  %q  %s  %q", time.Unix(e.Time, 0).In(w.days.Zone(w.days.Date(e.Time))).Format("2006-01-02 15:04:05-07:00"), e.Visitor,
			e.Name, e.Hostname+e.Pathname)
		if !e.Interactive {
			text += "  noninteractive"
		}
		for _, p := range e.Props {
			text += fmt.Sprintf("  %q", "props."+p.Key+"="+p.Value)
		}
		for id, value := range e.Attributes {
			if value != "" {
				text += fmt.Sprintf("  %q", schema.Columns[id].Name+"="+value)
			}
		}
		text += "\n"
	}
	return text
}

// books compares what the store says about itself.
func (w *world) books(t tester) {
	t.Helper()
	var counting int64
	var first, last schema.Date
	for _, e := range inOrder(w.events) {
		if e.Name == day.Engagement {
			continue
		}
		last = w.days.Date(e.Time)
		if counting == 0 {
			first = last
		}
		counting++
	}
	if got := w.store.Count(w.site); got != counting {
		t.Fatalf("Count is %d, want %d", got, counting)
	}
	gotFirst, gotLast, ok := w.store.Span(w.site)
	if ok != (counting > 0) || ok && (gotFirst != first || gotLast != last) {
		t.Fatalf("Span is %v to %v, %v, want %v to %v, %v", gotFirst, gotLast, ok, first, last, counting > 0)
	}
	if since := w.now.Unix() - 300; w.days.Date(since) == w.today() {
		recent := map[string]bool{}
		for _, e := range w.events {
			imported := strings.Contains(e.Visitor, "import") // and so nobody who is there now
			if !imported && e.Name != day.Engagement && since <= e.Time && e.Time <= w.now.Unix() {
				recent[e.Visitor] = true
			}
		}
		if got := w.store.Current(w.site, w.now); got != len(recent) {
			t.Fatalf("Current is %d, want %d; events:\n%s", got, len(recent), w.list())
		}
	}
	if err := w.store.Check(context.Background(), nil); err != nil {
		t.Fatalf("check: %v", err)
	}
}

// export holds an export to the model: its events give the answers of the events that came in.
func (w *world) export(t *rapid.T) {
	t.Helper()
	first, last, ok := w.store.Span(w.site)
	if !ok {
		return
	}
	var out []naive.Event
	var previous int64
	err := w.store.Export(context.Background(), w.site, first, last, func(visitor uint32, a *schema.Attributes, e *day.Event) error {
		if e.Time < previous {
			return fmt.Errorf("an event at %d comes after one at %d", e.Time, previous)
		}
		previous = e.Time
		event := *e
		event.Props = slices.Clone(e.Props)
		out = append(out, naive.Event{Visitor: fmt.Sprint(visitor), Attributes: *a, Event: event})
		return nil
	})
	if err != nil {
		t.Fatalf("export: %v\nevents:\n%s", err, w.list())
	}
	whole := place{w.days, first}
	came := slices.Clone(w.events)
	for i := range came {
		came[i].Visit = 0 // an export does not tell which visits were longer before something was deleted
	}
	for range 5 {
		q := drawQuery(t, whole, w.site)
		q.Range = query.Days(first, last, w.days)
		want, _ := naive.Answer(came, q)
		got, _ := naive.Answer(out, q)
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("%s\nevents:\n%s\nas they came -, as they are exported +:\n%s", describe(q), w.list(), diff)
		}
	}
	// What no query shows must survive too.
	var want, got []string
	for _, e := range w.rows {
		want = append(want, fmt.Sprintf("%+v", e))
	}
	for _, e := range out {
		got = append(got, fmt.Sprintf("%+v", e.Event))
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("events as they came -, as they are exported +:\n%s", diff)
	}
}
