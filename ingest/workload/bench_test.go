package workload_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"footfall/ingest/workload"
	"footfall/storage"
	"footfall/storage/account"
	"footfall/storage/query"
	"footfall/storage/schema"
)

// dashboard is the ten queries that the page asks for.
func dashboard() []query.Query {
	q := func(metrics []query.Metric, limit int, dimensions ...query.Dimension) query.Query {
		return query.Query{Metrics: metrics, Dimensions: dimensions, Limit: limit}
	}
	visitors := []query.Metric{query.Visitors}
	return []query.Query{
		q([]query.Metric{query.Visitors, query.Visits, query.Pageviews, query.ViewsPerVisit, query.BounceRate, query.VisitDuration}, 0),
		q(visitors, 0, query.TimeDay),
		q(visitors, 9, "visit:channel"),
		q(visitors, 9, "visit:source"),
		q(visitors, 9, "event:page"),
		q(visitors, 9, "visit:entry_page"),
		q(visitors, 9, "visit:country"),
		q(visitors, 9, "visit:browser"),
		q(visitors, 9, "visit:os"),
		q(visitors, 9, "visit:device"),
	}
}

var spans = map[string]schema.Date{"30d": 30, "12mo": 365}

var filters = map[string][]query.Filter{
	"none":    nil,
	"country": {{Op: query.Is, Dimension: "visit:country", Clauses: []string{"DE"}}},
	"page":    {{Op: query.Contains, Dimension: "event:page", Clauses: []string{"docs"}}},
	"prop":    {{Op: query.Is, Dimension: "event:props:plan", Clauses: []string{"pro"}}},
}

// ask asks the ten queries as the page does: in one request.
func ask(b *testing.B, s *storage.Store, site account.Site, span, filter string) {
	days := schema.NewCalendar(time.UTC)
	r := query.Days(workload.Epoch+workload.Days-spans[span], workload.Epoch+workload.Days-1, days)
	queries := dashboard()
	for i := range queries {
		q := &queries[i]
		q.Site, q.Calendar, q.Range, q.Filters = site.ID, days, r, filters[filter]
		if slices.ContainsFunc(q.Filters, func(f query.Filter) bool { return f.Dimension.IsEvent() }) { // then they are not defined
			q.Metrics = slices.DeleteFunc(slices.Clone(q.Metrics), func(m query.Metric) bool { return m == query.ViewsPerVisit })
		}
	}
	if _, err := s.QueryAll(context.Background(), queries...); err != nil {
		b.Fatal(err)
	}
}

func BenchmarkDashboard(b *testing.B) {
	for _, set := range chosenSets() {
		s, site := openSet(b, set)
		for _, span := range []string{"30d", "12mo"} {
			for _, filter := range []string{"none", "country", "page", "prop"} {
				b.Run(fmt.Sprintf("events=%s/range=%s/filter=%s", set.name, span, filter), func(b *testing.B) {
					for b.Loop() {
						ask(b, s, site, span, filter)
					}
				})
			}
		}
		_ = s.Close()
	}
}
