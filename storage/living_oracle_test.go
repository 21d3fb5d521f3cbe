package storage_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"pgregory.net/rapid"

	"footfall/storage"
	"footfall/storage/day"
	"footfall/storage/query"
	"footfall/storage/query/naive"
	"footfall/storage/schema"
)

// delete draws a deletion and holds the store to the model: what a preview tells is what goes, and nothing else.
func (w *world) delete(t *rapid.T) {
	t.Helper()
	around := place{w.days, w.today() - schema.Date(even(t, 2, "days ago"))}
	d := storage.Deletion{Site: w.site, Range: drawRange(t, around), By: "test"}
	for range rapid.IntRange(0, 2).Draw(t, "filters") {
		d.Filters = append(d.Filters, drawFilter(t, 2))
	}
	remaining, model, err := naive.Derive(w.events, w.days).Delete(d.Range, d.Filters)
	if err != nil {
		t.Fatalf("model: %v", err)
	}
	want := storage.Deleted{Events: int64(model.Events), Engagement: int64(model.Engagement), Visits: int64(model.Visits), Visitors: int64(model.Visitors)}
	before, after := w.rowsByDay(w.rows), w.rowsByDay(rowsOf(remaining))
	for date, n := range before {
		if after[date] < n {
			want.Days++
		}
		if after[date] == 0 {
			want.Emptied++
		}
	}
	preview, err := w.store.PreviewDelete(context.Background(), d, nil)
	if want.Code = preview.Code; err != nil || preview != want {
		t.Fatalf("preview of %+v: %+v, %v, want %+v\nevents:\n%s", d, preview, err, want, w.list())
	}
	code := rapid.SampledFrom([]string{"", preview.Code, "0123456789abcdef"}).Draw(t, "code")
	got, err := w.store.Delete(context.Background(), d, code, nil)
	if code != "" && code != preview.Code {
		if !errors.Is(err, storage.ErrChanged) || got != preview {
			t.Fatalf("delete with a wrong code: %+v, %v", got, err)
		}
		return
	}
	if err != nil || got != preview {
		t.Fatalf("delete %+v: %+v, %v, want %+v", d, got, err, preview)
	}
	w.events, w.rows = remaining, rowsOf(remaining)
	w.reseat(t)
	if again, err := w.store.PreviewDelete(context.Background(), storage.Deletion{Site: w.site, Range: d.Range}, nil); err != nil || len(d.Filters) == 0 && again.Events+again.Engagement != 0 {
		t.Fatalf("after all of a range was deleted: %+v, %v", again, err)
	}
}

func rowsOf(events []naive.Event) (rows []day.Event) {
	for _, e := range events {
		rows = append(rows, e.Event)
	}
	return rows
}

func (w *world) rowsByDay(rows []day.Event) map[schema.Date]int {
	n := map[schema.Date]int{}
	for _, e := range rows {
		n[w.days.Date(e.Time)]++
	}
	return n
}

// reseat takes the visits of open days as the store has them, as ingestion does when a day was replaced.
func (w *world) reseat(t tester) {
	t.Helper()
	for date := range w.seats {
		o, err := w.store.OpenDay(w.site, date)
		if err != nil {
			t.Fatalf("open day %v: %v", date, err)
		}
		w.seats[date] = resumed(o)
	}
}

// retain draws how long data are kept.
func (w *world) retain(t *rapid.T) {
	t.Helper()
	days := rapid.SampledFrom([]int{0, 7, 10, 38}).Draw(t, "retention")
	before := w.store.Count(w.site)
	over, _, err := w.store.Overdue(w.site, days)
	if err != nil {
		t.Fatalf("overdue: %v", err)
	}
	went, err := w.store.SetRetention(context.Background(), w.site, days, "test")
	if err != nil || went != over || w.store.Count(w.site) != before-went.Events {
		t.Fatalf("set retention to %d days: went %+v, %v, want %+v; %d events of %d are left", days, went, err, over, w.store.Count(w.site), before)
	}
	w.retention = days
	w.ended()
	w.expire(w.tenant)
}

// ended forgets the seats of days that are over.
func (w *world) ended() {
	for _, one := range w.all {
		today := one.days.Date(w.now.Unix())
		maps.DeleteFunc(one.seats, func(d schema.Date, _ *seating) bool { return d < today })
	}
}

// expire drops what a tenant keeps no longer.
func (w *world) expire(one *tenant) {
	if one.retention == 0 {
		return
	}
	today := one.days.Date(w.now.Unix())
	if w.looked {
		today = min(today, w.trusted+1)
	}
	over := func(at int64) bool {
		return one.days.Date(at) < today-schema.Date(one.retention)
	}
	one.events = slices.DeleteFunc(one.events, func(e naive.Event) bool { return over(e.Time) })
	one.rows = slices.DeleteFunc(one.rows, func(e day.Event) bool { return over(e.Time) })
}

// look is the rule by which the store trusts its clock.
func (w *world) look() {
	today := schema.DateOf(w.now.UTC())
	stood := w.now.Sub(w.jumped)
	switch far := w.looked && (today > w.trusted+4 || today < w.trusted-4); {
	case !far:
		w.looked, w.trusted, w.jumped = true, today, time.Time{}
	case w.jumped.IsZero() || stood < 0 || stood > 72*time.Hour:
		w.jumped = w.now
	case stood >= 24*time.Hour:
		w.trusted, w.jumped = today, time.Time{}
	}
}

func (w *world) reset(t tester) {
	t.Helper()
	if err := w.store.ResetSite(context.Background(), w.site, "test"); err != nil {
		t.Fatalf("reset: %v", err)
	}
	w.events, w.rows = nil, nil
	for date := range w.seats {
		w.seats[date] = newSeating()
	}
}

// all answers that a site could give are none.
func (w *world) empty(t tester) {
	t.Helper()
	q := query.Query{Site: w.site, Calendar: w.days, Range: query.Days(w.today()-400, w.today()+400, w.days), Metrics: []query.Metric{query.Visitors, query.Events}}
	r, err := w.store.Query(context.Background(), q)
	if err != nil || r.Rows[0].Metrics[0].Number != 0 || r.Rows[0].Metrics[1].Number != 0 {
		t.Fatalf("a site that should be empty: %+v, %v", r, err)
	}
}
