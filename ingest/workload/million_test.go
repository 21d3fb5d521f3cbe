package workload_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"footfall/ingest"
	"footfall/ingest/source"
	"footfall/ingest/wire"
	"footfall/ingest/workload"
	"footfall/storage"
	"footfall/storage/query"
	"footfall/storage/query/naive"
	"footfall/storage/schema"
	"footfall/storage/verb"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

const (
	million        = 1_000_000
	millionQueries = 200
)

// A year of the reference traffic goes in as NDJSON, 200 drawn queries are answered as the model answers them, and so they are after
// an export and an import into a new directory.
func TestMillionEventsAgreeWithTheModel(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute")
	}
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	names, days := builtTable(t), schema.NewCalendar(zone)
	lines := filepath.Join(dir, "events.ndjson")
	model := naive.Derive(writeMillion(t, lines, names), days)

	queries := drawQueries(days)
	want := make([]query.Result, len(queries))
	var next, group = make(chan int), sync.WaitGroup{}
	for range 2 {
		group.Go(func() {
			for i := range next {
				r, err := model.Answer(queries[i])
				if err != nil {
					t.Errorf("model, query %d: %v", i, err)
				}
				want[i] = r
			}
		})
	}
	for i := range queries {
		next <- i
	}
	close(next)
	group.Wait()

	first := importMillion(t, filepath.Join(dir, "first"), lines)
	compareAll(t, "imported", first, queries, want)
	copied := filepath.Join(dir, "copy.ndjson")
	out, err := os.Create(copied)
	if err != nil {
		t.Fatal(err)
	}
	buffered := bufio.NewWriter(out)
	c := runContext(first)
	c.Out = buffered
	if err := (&ingest.Export{Site: "example.com", Format: "ndjson"}).Run(c); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(buffered.Flush(), out.Close()); err != nil {
		t.Fatal(err)
	}
	second := importMillion(t, filepath.Join(dir, "second"), copied)
	compareAll(t, "exported and imported", second, queries, want)
	if err := second.Check(context.Background(), nil); err != nil {
		t.Error(err)
	}
}

// writeMillion writes the traffic and returns it as the model sees it.
func writeMillion(t *testing.T, path string, names *source.Table) []naive.Event {
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	g := workload.New(million, 3)
	events := make([]naive.Event, 0, million)
	var (
		b []byte
		l wire.Line
	)
	for d := range schema.Date(workload.Days) {
		b = g.AppendLines(b[:0], workload.Epoch+d, names)
		if _, err := f.Write(b); err != nil {
			t.Fatal(err)
		}
		for rest := b; len(rest) > 0; {
			line, after, _ := cutLine(rest)
			rest = after
			if err := l.Decode(line); err != nil {
				t.Fatal(err)
			}
			r := l.Record()
			a := &r.Attributes
			a[schema.Channel] = names.Channel(a[schema.Source], a[schema.UTMMedium], a[schema.UTMCampaign], a[schema.UTMSource], a[schema.ClickID])
			events = append(events, naive.Event{Visitor: r.Visitor, Attributes: *a, Event: r.Event})
		}
	}
	return events
}

func cutLine(b []byte) (line, rest []byte, ok bool) {
	for i, c := range b {
		if c == '\n' {
			return b[:i], b[i+1:], true
		}
	}
	return b, nil, false
}

func runContext(s *storage.Store) *verb.Context {
	return &verb.Context{Context: context.Background(), Store: s, Now: time.Now, Out: io.Discard, Err: io.Discard, Log: slog.New(slog.DiscardHandler),
		Progress: noProgress}
}

func importMillion(t *testing.T, dir, lines string) *storage.Store {
	t.Helper()
	s, err := storage.Open(context.Background(), storage.Config{Dir: dir, Create: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	if _, err := s.AddSite(context.Background(), "example.com", "Europe/Berlin"); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(lines)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	c := runContext(s)
	c.In = f
	if err := (&ingest.Import{Site: "example.com", Format: "ndjson", Files: []string{"-"}}).Run(c); err != nil {
		t.Fatal(err)
	}
	return s
}

func compareAll(t *testing.T, state string, s *storage.Store, queries []query.Query, want []query.Result) {
	t.Helper()
	site := s.Accounts().Sites()[0].ID
	found := 0
	for i, q := range queries {
		q.Site = site
		got, err := s.Query(context.Background(), q)
		if err != nil {
			t.Fatalf("%s: query %d: %v", state, i, err)
		}
		found += bitOf(len(got.Rows) > 1 || len(got.Rows) == 1 && got.Rows[0].Metrics[0].Number > 0)
		if diff := cmp.Diff(want[i], got, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("%s: query %d %+v: (-model +engine)\n%s", state, i, q, diff)
		}
	}
	if found < len(queries)/2 {
		t.Errorf("%s: only %d of %d queries find something", state, found, len(queries))
	}
}

func bitOf(b bool) int {
	if b {
		return 1
	}
	return 0
}

// drawQueries draws lawful queries about values that the traffic has.
func drawQueries(days *schema.Calendar) []query.Query {
	r := rand.New(rand.NewPCG(11, 13))
	pick := func(from []string) string { return from[r.IntN(len(from))] }
	values := map[string][]string{
		"visit:country": {"DE", "US", "LU", "XX"}, "visit:region": {"DE-R01", "US-R00"}, "visit:source": {"Google", "Direct / None", "newsletter"}, "visit:channel": {"Direct", "Organic Search", "Email"},
		"visit:browser": {"Chrome", "Safari"}, "visit:os": {"Windows", "iOS"}, "visit:device": {"Mobile"}, "visit:utm_campaign": {"(not set)", "c1-2-summer"},
		"visit:entry_page": {"/", "/pricing"}, "visit:exit_page": {"/docs"}, "event:page": {"/", "/blog", "/pricing"}, "event:hostname": {"docs.example.com"}, "event:name": {"pageview", "signup", "download"},
	}
	dimensions := make([]string, 0, len(values))
	for id := range schema.Columns {
		if api := schema.Columns[id].API; len(values[api]) > 0 {
			dimensions = append(dimensions, api)
		}
	}
	metrics := []query.Metric{query.Visitors, query.Visits, query.Pageviews, query.ViewsPerVisit, query.BounceRate, query.VisitDuration, query.Events, query.Percentage}
	buckets := []query.Dimension{query.TimeHour, query.TimeDay, query.TimeWeek, query.TimeMonth}
	leaf := func() query.Filter {
		d := pick(dimensions)
		op := []query.Op{query.Is, query.Is, query.IsNot, query.Contains, query.ContainsNot, query.Matches}[r.IntN(6)]
		return query.Filter{Op: op, Dimension: query.Dimension(d), Clauses: []string{pick(values[d])}, FoldCase: op != query.Matches && r.IntN(4) == 0}
	}
	var out []query.Query
	for len(out) < millionQueries {
		first := workload.Epoch + schema.Date(r.IntN(workload.Days))
		q := query.Query{Calendar: days, Range: query.Days(first, first+schema.Date(r.IntN(20)), days)}
		switch r.IntN(10) {
		case 0:
			q.Range = query.Days(workload.Epoch-1, workload.Epoch+workload.Days, days)
		case 1, 2:
			q.Range.First += int64(r.IntN(86400))
			q.Range.Last = q.Range.First + int64(r.IntN(5*86400))
		}
		for _, m := range r.Perm(len(metrics))[:1+r.IntN(4)] {
			q.Metrics = append(q.Metrics, metrics[m])
		}
		for range r.IntN(3) {
			if r.IntN(3) == 0 {
				q.Dimensions = append(q.Dimensions, buckets[r.IntN(len(buckets))])
			} else {
				q.Dimensions = append(q.Dimensions, query.Dimension(pick(dimensions)))
			}
		}
		for range r.IntN(3) {
			f := leaf()
			switch r.IntN(6) {
			case 0:
				f = query.Filter{Op: query.Or, Args: []query.Filter{f, leaf()}}
			case 1:
				f = query.Filter{Op: query.Not, Args: []query.Filter{f}}
			}
			q.Filters = append(q.Filters, f)
		}
		if r.IntN(3) == 0 {
			q.Order = []query.Order{{By: string(q.Metrics[0]), Desc: r.IntN(2) == 0}}
			q.Limit, q.Offset = r.IntN(50), r.IntN(5)
		}
		if q.Validate() == nil {
			out = append(out, q)
		}
	}
	return out
}
