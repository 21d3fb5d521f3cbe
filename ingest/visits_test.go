package ingest_test

import (
	"fmt"
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"footfall/ingest"
	"footfall/storage/query"
)

// step is one event of a visitor, some seconds after the one before.
type step struct {
	wait int
	body string
}

func viewOf(wait int, path string) step {
	return step{wait, fmt.Sprintf(`{"n":"pageview","u":"https://x.org%s","d":"%%s"}`, path)}
}

func eventOf(wait int, name, more string) step {
	return step{wait, fmt.Sprintf(`{"n":%q,"u":"https://x.org/e","d":"%%s"%s}`, name, more)}
}

// What a visit is, as clients of the Events API know it: when it goes on, whether it is a bounce, how long it was, where it began and ended.
func TestWhatAVisitIs(t *testing.T) {
	now := noon.Add(-6 * time.Hour)
	clock := func() time.Time { return now }
	s := mustOpen(t, t.TempDir(), clock)
	defer mustClose(t, s)
	h, err := ingest.New(ingest.Config{Store: s, Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	const passive = `,"i":false`
	n := 0
	for name, c := range map[string]struct {
		steps []step
		want  string // visits, pageviews, events, bounce rate, average duration, entry page -> exit page of the first visit
	}{
		"one page":                            {[]step{viewOf(0, "/a")}, "1 1 1 100 0 /a -> /a"},
		"two pages":                           {[]step{viewOf(0, "/a"), viewOf(10, "/b")}, "1 2 2 0 10 /a -> /b"},
		"the same page twice":                 {[]step{viewOf(0, "/a"), viewOf(10, "/a")}, "1 2 2 0 10 /a -> /a"},
		"an event beside":                     {[]step{viewOf(0, "/a"), eventOf(10, "buy", "")}, "1 1 2 0 10 /a -> /a"},
		"a passive event beside":              {[]step{viewOf(0, "/a"), eventOf(10, "seen", passive)}, "1 1 2 100 10 /a -> /a"},
		"a pageview is never passive":         {[]step{viewOf(0, "/a"), {10, `{"n":"pageview","u":"https://x.org/b","d":"%s","i":false}`}}, "1 2 2 0 10 /a -> /b"},
		"a download is never passive":         {[]step{viewOf(0, "/a"), eventOf(10, "File Download", passive)}, "1 1 2 0 10 /a -> /a"},
		"attention changes nothing":           {[]step{viewOf(0, "/a"), eventOf(10, "engagement", `,"e":9000`)}, "1 1 1 100 0 /a -> /a"},
		"attention keeps a visit alive":       {[]step{viewOf(0, "/a"), eventOf(1700, "engagement", `,"e":9000`), viewOf(1700, "/b")}, "1 2 2 0 3400 /a -> /b"},
		"only an event":                       {[]step{eventOf(0, "buy", "")}, "1 0 1 0 0 "},
		"only a passive event":                {[]step{eventOf(0, "seen", passive)}, "1 0 1 100 0 "},
		"an event, then a page":               {[]step{eventOf(0, "seen", passive), viewOf(5, "/a"), eventOf(5, "seen", passive)}, "1 1 3 100 10 /a -> /a"},
		"half an hour of silence":             {[]step{viewOf(0, "/a"), viewOf(1800, "/b")}, "1 2 2 0 1800 /a -> /b"},
		"a second more":                       {[]step{viewOf(0, "/a"), viewOf(1801, "/b")}, "2 2 2 100 0 /a -> /a"},
		"attention begins no visit":           {[]step{eventOf(0, "engagement", `,"sd":5`), viewOf(5, "/a")}, "1 1 1 100 0 /a -> /a"},
		"attention after the visit is no one": {[]step{viewOf(0, "/a"), eventOf(1801, "engagement", `,"sd":5`)}, "1 1 1 100 0 /a -> /a"},
	} {
		n++
		domain := fmt.Sprintf("site%d.example", n)
		site := mustSite(t, s, domain, "Etc/UTC")
		for _, step := range c.steps {
			now = now.Add(time.Duration(step.wait) * time.Second)
			rec := httptest.NewRecorder()
			h.ServeHTTP(rec, request(strings.ReplaceAll(step.body, "%s", domain)))
			if rec.Code != 202 {
				body, _ := io.ReadAll(rec.Body)
				t.Fatalf("%s: got %d %s", name, rec.Code, body)
			}
		}
		ask := func(dimensions []query.Dimension, metrics ...query.Metric) query.Result {
			result, err := s.Query(t.Context(), query.Query{Site: site, Range: query.Range{First: 0, Last: 4e9}, Dimensions: dimensions, Metrics: metrics})
			if err != nil {
				t.Fatal(err)
			}
			return result
		}
		got := ""
		for _, m := range ask(nil, query.Visits, query.Pageviews, query.Events, query.BounceRate, query.VisitDuration).Rows[0].Metrics {
			got += fmt.Sprint(m.Number, " ")
		}
		for _, row := range ask([]query.Dimension{"visit:entry_page", "visit:exit_page"}, query.Visits).Rows[:1] {
			if row.Dimensions[0]+row.Dimensions[1] != "" {
				got += row.Dimensions[0] + " -> " + row.Dimensions[1]
			}
		}
		if got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}
