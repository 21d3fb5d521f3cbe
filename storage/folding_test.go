package storage_test

import (
	"context"
	"fmt"
	"maps"
	"testing"
	"time"

	"footfall/storage"
	"footfall/storage/day"
	"footfall/storage/query"
	"footfall/storage/schema"
)

// TestMadeUpValuesAreBounded has one visitor make up more pages, properties and tags than a day keeps. All events count; what is beyond
// counts as one value, and the store says how much that is, also when the day is sealed and after a restart.
func TestMadeUpValuesAreBounded(t *testing.T) {
	const beyond = 10
	dir := t.TempDir()
	c := &clock{time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)}
	s := mustOpen(t, dir, c)
	site := mustSite(t, s)
	o := mustOpenDay(t, s, site, schema.DateOf(c.now))
	var rows []day.Row
	flush := func() {
		mustAppend(t, s, o, rows...)
		rows = rows[:0]
	}
	for i := range uint32(day.MaxWords + beyond) {
		r := pageview(c.now, i, uint64(i), true, fmt.Sprintf("/%d", i))
		r.New.Attributes[schema.UTMTerm] = fmt.Sprintf("%06d", i)
		r.Event.Props = []day.Prop{{Key: "few", Value: "x"}}
		if i < 20 {
			r.Event.Revenue = day.Revenue{Amount: fmt.Sprintf("%d", i), Currency: "EUR"}
		}
		if rows = append(rows, r); len(rows) == 10_000 {
			flush()
		}
	}
	flush()
	// "/0" to "/99999" are as many as there may be; of the tags, the empty word is not used.
	want := map[string]int64{"event:page": beyond, "visit:utm_term": beyond}
	count := func(by query.Dimension) float64 {
		t.Helper()
		r, err := s.Query(context.Background(), query.Query{Site: site.ID, Range: query.Days(o.Date, o.Date, berlin(t)), Metrics: []query.Metric{query.Events},
			Filters: []query.Filter{{Op: query.Is, Dimension: by, Clauses: []string{day.Other}}}})
		if err != nil {
			t.Fatal(err)
		}
		return r.Rows[0].Metrics[0].Number
	}
	check := func(when string) {
		t.Helper()
		if got := s.Folded(site.ID, o.Date, o.Date); !maps.Equal(got, want) {
			t.Errorf("%s: folded %v, want %v", when, got, want)
		}
		if got := s.Folded(site.ID, o.Date+1, o.Date+9); len(got) != 0 {
			t.Errorf("%s: folded %v on other days", when, got)
		}
		if got := count("event:page"); got != beyond {
			t.Errorf("%s: %v other pages, want %d", when, got, beyond)
		}
		if got := s.Count(site.ID); got != day.MaxWords+beyond {
			t.Errorf("%s: %d events", when, got)
		}
		if len(s.DropCounts(site.ID, o.Date, o.Date)) != 0 {
			t.Errorf("%s: events that count are among those that do not", when)
		}
	}
	check("open")
	if got := s.FoldedSince()["event:page"]; got != beyond {
		t.Errorf("%d pages folded since the start, want %d", got, beyond)
	}
	c.now = c.now.Add(24 * time.Hour)
	if _, err := s.Maintain(context.Background(), c.now); err != nil {
		t.Fatal(err)
	}
	check("sealed")
	in, err := s.Inspect(context.Background(), storage.Selection{}, nil)
	if err != nil || in.Sites[0].Folded != 2*beyond {
		t.Errorf("inspect: %+v, %v", in, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = mustOpen(t, dir, c)
	check("reopened")
}

// TestTightMemoryFoldsValues leaves open days without memory: a day keeps few values then, but those of a small site.
func TestTightMemoryFoldsValues(t *testing.T) {
	c := &clock{time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)}
	little := shares(0)
	little.OpenDays = 1
	s, err := storage.Open(t.Context(), storage.Config{Dir: t.TempDir(), Create: true, Now: c.Now, Memory: little})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	site := mustSite(t, s)
	o := mustOpenDay(t, s, site, schema.DateOf(c.now))
	for i := range uint32(50) {
		var rows []day.Row
		for j := range uint32(100) {
			rows = append(rows, pageview(c.now, 100*i+j, uint64(i), true, fmt.Sprintf("/a/rather/long/path/%d", 100*i+j)))
		}
		mustAppend(t, s, o, rows...)
	}
	if folded := s.Folded(site.ID, o.Date, o.Date)["event:page"]; folded < 3000 || folded > 4500 {
		t.Errorf("of 5000 pages %d are folded", folded)
	}
}

func berlin(t *testing.T) *schema.Calendar {
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	return schema.NewCalendar(zone)
}
