package ingest_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"footfall/ingest"
	"footfall/storage"
	"footfall/storage/query"
	"footfall/storage/schema"
)

// berlinMidnight ends 2026-07-01 in Berlin.
var berlinMidnight = time.Date(2026, 7, 1, 22, 0, 0, 0, time.UTC)

func mustHandler(t *testing.T, s *storage.Store, now func() time.Time) http.Handler {
	t.Helper()
	h, err := ingest.New(ingest.Config{Store: s, Trusted: netip.MustParsePrefix("0.0.0.0/0").Contains, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// post sends a pageview of a person to a site and returns the status.
func post(h http.Handler, domain, person string) int {
	r := httptest.NewRequest("POST", "/api/event", strings.NewReader(fmt.Sprintf(`{"n":"pageview","u":"https://%s/","d":%[1]q}`, domain)))
	r.RemoteAddr = "192.0.2.1:1"
	r.Header.Set("User-Agent", chrome)
	r.Header.Set("X-Forwarded-For", person)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Header().Get("X-Plausible-Dropped") != "" {
		return 0
	}
	return w.Code
}

func row(day string, numbers ...float64) query.Row {
	r := query.Row{Dimensions: []string{day}}
	for _, n := range numbers {
		r.Metrics = append(r.Metrics, query.Value{Number: n})
	}
	return r
}

// TestEventsAcrossAChange follows one person through a move from Berlin to New York. Visits end, and the person becomes another, where the
// days of the site's calendar end: at midnight of Berlin for the last time, and then at that of New York.
func TestEventsAcrossAChange(t *testing.T) {
	now := berlinMidnight.Add(-10 * time.Hour)
	clock := func() time.Time { return now }
	dir := t.TempDir()
	s := mustOpen(t, dir, clock)
	defer func() { mustClose(t, s) }()
	site := mustSite(t, s, "example.com", "Europe/Berlin")
	h := mustHandler(t, s, clock)
	send := func(at time.Time) {
		t.Helper()
		now = at
		if _, err := s.Maintain(t.Context(), now); err != nil {
			t.Fatal(err)
		}
		if status := post(h, "example.com", "203.0.113.9"); status != 202 {
			t.Fatalf("at %s: status %d", at, status)
		}
	}
	yorkMidnight := time.Date(2026, 7, 3, 4, 0, 0, 0, time.UTC)
	send(berlinMidnight.Add(-20 * time.Minute))
	if _, err := s.SetTimezone(t.Context(), site, "America/New_York"); err != nil {
		t.Fatal(err)
	}
	send(berlinMidnight.Add(-time.Second)) // the change is known, and this day does not mind: the visit goes on
	send(berlinMidnight)
	send(berlinMidnight.Add(6*time.Hour - 10*time.Minute))  // before and
	send(berlinMidnight.Add(6*time.Hour + 10*time.Minute))  // after a midnight of New York that ends no day
	send(berlinMidnight.Add(24*time.Hour - 10*time.Minute)) // and the same in Berlin
	mustClose(t, s)
	s = mustOpen(t, dir, clock)
	h = mustHandler(t, s, clock)
	send(berlinMidnight.Add(24*time.Hour + 10*time.Minute))
	send(yorkMidnight.Add(-time.Second))
	send(yorkMidnight)
	want := []query.Row{
		row("2026-07-01", 1, 1, 2, 2, 0, 1199, 2),
		row("2026-07-02", 1, 4, 6, 6, 50, 600, 1.5),
		row("2026-07-03", 1, 1, 1, 1, 100, 0, 1),
	}
	if diff := cmp.Diff(want, totals(t, s, site).Rows); diff != "" {
		t.Errorf("want -, got +:\n%s", diff)
	}
}

// TestChangeAtMidnight changes the zone just when the day ends and events arrive. Whichever comes first, everybody is one visitor of the
// new day.
func TestChangeAtMidnight(t *testing.T) {
	var passed atomic.Bool // midnight, for the one who counts; who changes the zone has a clock that is late
	s := mustOpen(t, t.TempDir(), func() time.Time { return berlinMidnight.Add(-time.Second) })
	defer mustClose(t, s)
	h := mustHandler(t, s, func() time.Time {
		if passed.Load() {
			return berlinMidnight
		}
		return berlinMidnight.Add(-time.Second)
	})
	const sites, people, events = 24, 4, 6
	var moved, late int
	for i := range sites {
		domain := fmt.Sprintf("site%d.example", i)
		site := mustSite(t, s, domain, "Europe/Berlin")
		passed.Store(false)
		var all sync.WaitGroup
		for person := range people {
			all.Go(func() {
				for n := range events {
					if n == 1 {
						passed.Store(true)
					}
					if status := post(h, domain, fmt.Sprintf("203.0.113.%d", person)); status != 202 {
						t.Errorf("status %d", status)
					}
				}
			})
		}
		all.Go(func() {
			changed, err := s.SetTimezone(t.Context(), site, "America/New_York")
			if err != nil {
				t.Errorf("change: %v", err)
			} else if changed.Changes[0].First.String() == "2026-07-02" {
				moved++
			} else {
				late++
			}
		})
		all.Wait()
		first, last, _ := s.Span(site)
		for d := first; d <= last; d++ {
			q := query.Query{Site: site, Metrics: []query.Metric{query.Visitors, query.Visits}}
			now, _ := s.Accounts().Site(site)
			days, err := now.Calendar()
			if err != nil {
				t.Fatal(err)
			}
			q.Range = query.Days(d, d, days)
			r, err := s.Query(t.Context(), q)
			if err != nil || r.Rows[0].Metrics[0].Number > people || r.Rows[0].Metrics[0] != r.Rows[0].Metrics[1] {
				t.Errorf("%s: %v visitors and visits, %v, want at most %d of each", d, r.Rows, err, people)
			}
			o, err := s.OpenDay(site, d)
			if err != nil || !o.Begins(days.Start(d)) {
				t.Errorf("%s is open from %v, %v, the calendar says %v", d, o.Begin, err, days.Start(d))
			}
		}
	}
	t.Logf("%d sites changed before their midnight, %d after it", moved, late)
}

// TestImportFollowsTheCalendar brings a file into the days around a move, and what is exported into a site with the same history.
func TestImportFollowsTheCalendar(t *testing.T) {
	now := berlinMidnight.Add(-10 * time.Hour)
	s := mustOpen(t, t.TempDir(), func() time.Time { return now })
	defer mustClose(t, s)
	var sites []schema.Site
	for _, domain := range []string{"example.com", "again.example"} {
		sites = append(sites, mustSite(t, s, domain, "Europe/Berlin"))
		if _, err := s.SetTimezone(t.Context(), sites[len(sites)-1], "America/New_York"); err != nil {
			t.Fatal(err)
		}
	}
	var in strings.Builder
	for _, at := range []time.Duration{-20 * time.Minute, -time.Second, 0, 5 * time.Minute, 12 * time.Hour} {
		fmt.Fprintf(&in, `{"time":%q,"visitor":"ann","name":"pageview"}`+"\n", berlinMidnight.Add(at).Format(time.RFC3339))
	}
	var r, out run
	if err := r.do(s, strings.NewReader(in.String()), &ingest.Import{Site: "example.com", Format: "ndjson"}); err != nil {
		t.Fatal(err)
	}
	want := []query.Row{row("2026-07-01", 1, 1, 2, 2, 0, 1199, 2), row("2026-07-02", 1, 2, 3, 3, 50, 150, 1.5)}
	if diff := cmp.Diff(want, totals(t, s, sites[0]).Rows); diff != "" {
		t.Errorf("want -, got +:\n%s", diff)
	}
	if err := out.do(s, nil, &ingest.Export{Site: "example.com", Format: "ndjson"}); err != nil {
		t.Fatal(err)
	}
	if err := r.do(s, &out.out, &ingest.Import{Site: "again.example", Format: "ndjson"}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, totals(t, s, sites[1]).Rows); diff != "" {
		t.Errorf("imported again: want -, got +:\n%s", diff)
	}
}
