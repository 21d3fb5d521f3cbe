package workload_test

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"footfall/assets"
	"footfall/ingest/source"
	"footfall/ingest/workload"
	"footfall/storage"
	"footfall/storage/account"
	"footfall/storage/day"
	"footfall/storage/query"
	"footfall/storage/schema"
)

// sizes are the data sets `make bench` looks at. BENCH_EVENTS=1M keeps to the small one.
var sizes = []struct {
	name   string
	events int
}{{"1M", 1_000_000}, {"10M", 10_000_000}}

// dataset opens the store with the reference traffic of a year, made at its first use and kept in .bench.
func dataset(b *testing.B, name string, events int) (*storage.Store, account.Site) {
	b.Helper()
	dir := filepath.Join("..", "..", ".bench", name)
	ctx := context.Background()
	if _, err := os.Stat(filepath.Join(dir, "done")); err != nil {
		if err := os.RemoveAll(dir); err != nil {
			b.Fatal(err)
		}
		fill(b, dir, events)
		if err := os.WriteFile(filepath.Join(dir, "done"), nil, 0o600); err != nil {
			b.Fatal(err)
		}
	}
	s, err := storage.Open(ctx, storage.Config{Dir: dir})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	return s, s.Accounts().Sites()[0]
}

// builtTable is the table of sources that the product ships.
func builtTable(t testing.TB) *source.Table {
	t.Helper()
	data, err := fs.ReadFile(assets.Dist, "data/sources.tsv")
	if err != nil {
		t.Fatalf("%v: run make assets", err)
	}
	names, err := source.New(data)
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func fill(b *testing.B, dir string, events int) {
	ctx := context.Background()
	names := builtTable(b)
	s, err := storage.Open(ctx, storage.Config{Dir: dir, Create: true})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	site, err := s.AddSite(ctx, "example.com", "UTC")
	if err != nil {
		b.Fatal(err)
	}
	im, err := s.Import(site.ID)
	if err != nil {
		b.Fatal(err)
	}
	g := workload.New(events, 1)
	for d := schema.Date(0); d < workload.Days; d++ {
		o := day.NewOpen(site.ID, workload.Epoch+d, (workload.Epoch + d).Start(time.UTC))
		if err := o.Apply(g.Rows(workload.Epoch+d, names)); err != nil {
			b.Fatal(err)
		}
		if err := im.Add(ctx, o.View()); err != nil {
			b.Fatal(err)
		}
	}
	if err := im.Commit(ctx); err != nil {
		b.Fatal(err)
	}
}

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

func wanted(size string) bool {
	only := os.Getenv("BENCH_EVENTS")
	return only == "" || only == size
}

var spans = map[string]schema.Date{"30d": 30, "12mo": 365}

var filters = map[string][]query.Filter{
	"none":    nil,
	"country": {{Op: query.Is, Dimension: "visit:country", Clauses: []string{"DE"}}},
}

// ask asks the ten queries as the page does: in one request.
func ask(b *testing.B, s *storage.Store, site account.Site, span, filter string) {
	days := schema.NewCalendar(time.UTC)
	r := query.Days(workload.Epoch+workload.Days-spans[span], workload.Epoch+workload.Days-1, days)
	queries := dashboard()
	for i := range queries {
		q := &queries[i]
		q.Site, q.Calendar, q.Range, q.Filters = site.ID, days, r, filters[filter]
	}
	if _, err := s.QueryAll(context.Background(), queries...); err != nil {
		b.Fatal(err)
	}
}

func BenchmarkDashboard(b *testing.B) {
	for _, size := range sizes {
		if !wanted(size.name) {
			continue
		}
		s, site := dataset(b, size.name, size.events)
		for _, span := range []string{"30d", "12mo"} {
			for _, filter := range []string{"none", "country"} {
				b.Run(fmt.Sprintf("events=%s/range=%s/filter=%s", size.name, span, filter), func(b *testing.B) {
					for b.Loop() {
						ask(b, s, site, span, filter)
					}
				})
			}
		}
		_ = s.Close()
	}
}
