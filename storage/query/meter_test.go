package query_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"footfall/storage/day"
	"footfall/storage/query"
	"footfall/storage/schema"
)

const date schema.Date = 20500

// source is one day, and what happens when it is read.
type source struct {
	view *day.View
	read func()
}

func (source) Lexicon(schema.Site) *day.Lexicon { return day.NewLexicon() }

func (s source) Days(schema.Site, schema.Date, schema.Date) ([]query.Day, error) {
	return []query.Day{{Date: date, Views: func() ([]*day.View, func(), error) {
		s.read()
		return []*day.View{s.view}, func() {}, nil
	}}}, nil
}

// dayOf returns a day of n visits, each with a page of its own.
func dayOf(t *testing.T, n int) *day.View {
	t.Helper()
	o := day.NewOpen(1, date, date.Start(time.UTC))
	rows := make([]day.Row, n)
	for i := range rows {
		rows[i] = day.Row{Visit: uint32(i), New: &day.NewVisit{Visitor: uint64(i)}, Event: day.Event{
			Time: date.Start(time.UTC).Unix(), Name: day.Pageview, Pathname: fmt.Sprint("/", i), ScrollDepth: day.NoScroll}}
	}
	if err := o.Apply(rows); err != nil {
		t.Fatal(err)
	}
	return o.View()
}

func by(dimensions ...query.Dimension) query.Query {
	days := schema.NewCalendar(time.UTC)
	return query.Query{Site: 1, Calendar: days, Range: query.Days(date, date, days),
		Metrics: []query.Metric{query.Pageviews}, Dimensions: dimensions}
}

// TestCancelWithinADay cancels a query once its only day is being read.
func TestCancelWithinADay(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	e := query.NewEngine(source{dayOf(t, 20_000), cancel}, 1<<30)
	if _, err := e.Query(ctx, by("event:page")); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want that it was canceled", err)
	}
}

// TestQueriesThatFitAlone asks what needs more memory together than there is.
func TestQueriesThatFitAlone(t *testing.T) {
	view := dayOf(t, 100_000)
	e := query.NewEngine(source{view, func() {}}, 80<<20)
	ask := make([]query.Query, 10)
	for i := range ask {
		ask[i] = by("event:page")
	}
	one, err := e.QueryAll(t.Context(), ask[0])
	if err != nil {
		t.Fatal(err)
	}
	all, err := e.QueryAll(t.Context(), ask...)
	if err != nil || len(all) != 10 || len(all[9].Rows) != len(one[0].Rows) {
		t.Errorf("%d results: %v", len(all), err)
	}
	if _, err := query.NewEngine(source{view, func() {}}, 8<<20).QueryAll(t.Context(), ask...); !errors.Is(err, query.ErrInvalid) {
		t.Errorf("one that does not fit alone: %v", err)
	}
}

// TestMemoryOfAQuery asks for more groups than fit, and then for what fits.
func TestMemoryOfAQuery(t *testing.T) {
	view := dayOf(t, 100_000)
	for name, c := range map[string]struct {
		memory int64
		ask    query.Query
		fits   bool
	}{
		"groups that do not fit":  {16 << 20, by("event:page"), false},
		"columns that do not fit": {1 << 18, by("visit:country"), false},
		"what fits":               {16 << 20, by("visit:country"), true},
		"groups that fit":         {256 << 20, by("event:page"), true},
	} {
		e := query.NewEngine(source{view, func() {}}, c.memory)
		for range 2 { // what the first one held is free for the second
			_, err := e.Query(t.Context(), c.ask)
			if c.fits && err != nil || !c.fits && !errors.Is(err, query.ErrInvalid) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// TestLargeQueriesTakeTurns runs more large queries at once than memory has room for.
func TestLargeQueriesTakeTurns(t *testing.T) {
	e := query.NewEngine(source{dayOf(t, 50_000), func() {}}, 64<<20)
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			if r, err := e.Query(t.Context(), by("event:page")); err != nil || r.Total != 50_000 {
				t.Errorf("%d rows, %v", r.Total, err)
			}
		})
	}
	wait.Wait()
}
