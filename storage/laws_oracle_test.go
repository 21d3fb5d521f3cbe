package storage_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"footfall/storage/day"
	"footfall/storage/query"
	"footfall/storage/query/naive"
	"footfall/storage/schema"
)

// site answers queries about one site.
type site struct {
	place
	id     schema.Site
	answer func(query.Query) (query.Result, error)
}

func naiveSite(p place, events []naive.Event) site {
	return site{p, 0, naive.Derive(events, p.days).Answer}
}

func (s site) must(t *rapid.T, q query.Query) query.Result {
	t.Helper()
	result, err := s.answer(q)
	if err != nil {
		t.Fatalf("%+v: %v", q, err)
	}
	return result
}

// sum adds up the first metric over all rows of q.
func (s site) sum(t *rapid.T, q query.Query) float64 {
	t.Helper()
	var sum float64
	for _, row := range s.must(t, q).Rows {
		sum += row.Metrics[0].Number
	}
	return sum
}

// laws are what holds between answers, whoever gives them.
var laws = map[string]func(*rapid.T, site){
	"PartsMakeTheWhole": func(t *rapid.T, s site) {
		q := query.Query{Site: s.id, Calendar: s.days, Range: drawRange(t, s.place)}
		q.Metrics = []query.Metric{rapid.SampledFrom([]query.Metric{query.Pageviews, query.Events}).Draw(t, "metric")}
		f := drawFilter(t, 2)
		yes, no := q, q
		yes.Filters = []query.Filter{f}
		no.Filters = []query.Filter{{Op: query.Not, Args: []query.Filter{f}}}
		if whole, parts := s.sum(t, q), s.sum(t, yes)+s.sum(t, no); whole != parts {
			t.Fatalf("%v: %v of all, %v of those that satisfy %+v or not", q.Metrics, whole, parts, f)
		}
	},
	"DaysMakeTheRange": func(t *rapid.T, s site) {
		q := query.Query{Site: s.id, Calendar: s.days, Range: query.Days(s.day-1, s.day+4, s.days)}
		additive := []query.Metric{query.Pageviews, query.Events, query.Visitors, query.Visits}
		q.Metrics = []query.Metric{rapid.SampledFrom(additive).Draw(t, "metric")}
		for range rapid.IntRange(0, 2).Draw(t, "filters") {
			q.Filters = append(q.Filters, drawFilter(t, 2))
		}
		whole := s.sum(t, q)
		var days float64
		for d := s.day - 1; d <= s.day+4; d++ {
			one := q
			one.Range = query.Days(d, d, s.days)
			days += s.sum(t, one)
		}
		if whole != days {
			t.Fatalf("%v %+v: %v in all days, %v day by day", q.Metrics, q.Filters, whole, days)
		}
		q.Dimensions = []query.Dimension{query.TimeDay}
		if rows := s.sum(t, q); rows != whole {
			t.Fatalf("%v %+v: %v in all days, %v by time:day", q.Metrics, q.Filters, whole, rows)
		}
	},
	"FiltersNeverAdd": func(t *rapid.T, s site) {
		q := query.Query{Site: s.id, Calendar: s.days, Range: drawRange(t, s.place)}
		additive := []query.Metric{query.Visitors, query.Visits}
		q.Metrics = []query.Metric{rapid.SampledFrom(additive).Draw(t, "metric")}
		before := s.sum(t, q)
		for range 3 {
			q.Filters = append(q.Filters, drawFilter(t, 2))
			now := s.sum(t, q)
			if now > before {
				t.Fatalf("%v: the last filter of %+v turns %v into %v", q.Metrics, q.Filters, before, now)
			}
			before = now
		}
	},
	"GroupsOfVisitsAreDisjoint": func(t *rapid.T, s site) {
		q := query.Query{Site: s.id, Calendar: s.days, Range: drawRange(t, s.place), Metrics: []query.Metric{query.Visits}}
		whole := s.sum(t, q)
		q.Dimensions = rapid.SliceOfNDistinct(rapid.SampledFrom(dimensions), 1, 3, rapid.ID).Filter(func(ds []query.Dimension) bool {
			return !slices.Contains(ds, query.TimeHour) && !slices.ContainsFunc(ds, query.Dimension.IsEvent)
		}).Draw(t, "dimensions")
		if groups := s.sum(t, q); groups != whole {
			t.Fatalf("%v visits, %v by %v", whole, groups, q.Dimensions)
		}
	},
	"PagesMakeTheList": func(t *rapid.T, s site) {
		q := drawQuery(t, s.place, s.id)
		q.Limit, q.Offset = 0, 0
		whole := s.must(t, q)
		if whole.Total != len(whole.Rows) {
			t.Fatalf("%+v: %d rows, total %d", q, len(whole.Rows), whole.Total)
		}
		q.Limit = rapid.IntRange(1, 4).Draw(t, "page")
		var rows []query.Row
		for ; q.Offset < whole.Total+q.Limit; q.Offset += q.Limit {
			rows = append(rows, s.must(t, q).Rows...)
		}
		if diff := cmp.Diff(whole.Rows, rows, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("%+v: whole -, in pages +:\n%s", q, diff)
		}
	},
}

// TestLaws holds the model to them.
func TestLaws(t *testing.T) {
	for name, law := range laws {
		t.Run(name, func(t *testing.T) {
			check(t, 300, func(t *rapid.T) {
				p := drawPlace(t)
				law(t, naiveSite(p, drawEvents(t, p)))
			})
		})
	}
}

// TestShift moves a site's events and the question by the same time: the answer stays.
func TestShift(t *testing.T) {
	check(t, 300, func(t *rapid.T) {
		first, _ := schema.ParseDate("2026-02-28")
		p := place{schema.NewCalendar(time.UTC), first}
		events := drawEvents(t, p)
		q := drawQuery(t, p, 0)
		if slices.ContainsFunc(q.Dimensions, query.Dimension.IsTime) {
			t.Skip("labels move too")
		}
		days := rapid.Int64Range(-1000, 1000).Draw(t, "days")
		moved := slices.Clone(events)
		for i := range moved {
			moved[i].Time += days * 86400
		}
		then := q
		then.Range.First += days * 86400
		then.Range.Last += days * 86400
		want := naiveSite(p, events).must(t, q)
		if diff := cmp.Diff(want, naiveSite(p, moved).must(t, then)); diff != "" {
			t.Fatalf("%+v: before -, after %d days +:\n%s", q, days, diff)
		}
	})
}

// TestDrawnQueriesFindSomething keeps the other tests from comparing nothing with nothing.
func TestDrawnQueriesFindSomething(t *testing.T) {
	var queries, answered, filtered, engaged int
	check(t, 300, func(t *rapid.T) {
		p := drawPlace(t)
		events := drawEvents(t, p)
		q := drawQuery(t, p, 0)
		q.Limit, q.Offset = 0, 0
		queries++
		for _, row := range naiveSite(p, events).must(t, q).Rows {
			if slices.ContainsFunc(row.Metrics, func(v query.Value) bool { return v.Number > 0 }) {
				answered++
				if len(q.Filters) > 0 {
					filtered++
				}
				break
			}
		}
		if slices.ContainsFunc(events, func(e naive.Event) bool { return e.Name == day.Engagement }) {
			engaged++
		}
	})
	t.Logf("%d queries: %d found something, %d of them with filters; %d sites with engagement", queries, answered, filtered, engaged)
	if answered < queries/4 || filtered < queries/10 || engaged < queries/3 {
		t.Error("too few")
	}
}
