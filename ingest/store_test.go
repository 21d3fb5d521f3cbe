package ingest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"footfall/ingest"
	"footfall/ingest/wire"
	"footfall/storage"
	"footfall/storage/day"
	"footfall/storage/query"
	"footfall/storage/schema"
	"footfall/storage/verb"
)

var noon = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)

type rapidOrTest interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
}

func mustOpen(t rapidOrTest, dir string, now func() time.Time) *storage.Store {
	t.Helper()
	s, err := storage.Open(context.Background(), storage.Config{Dir: dir, Create: true, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func mustSite(t rapidOrTest, s *storage.Store, domain, zone string) schema.Site {
	t.Helper()
	site, err := s.AddSite(context.Background(), domain, zone)
	if err != nil {
		t.Fatal(err)
	}
	return site.ID
}

func mustClose(t rapidOrTest, s *storage.Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

type noBar struct{}

func (noBar) Set(int64) {}
func (noBar) Close()    {}

// run is one run of a verb.
type run struct {
	out, err bytes.Buffer
	json     bool
	ctx      context.Context
	told     func([]byte) // may be nil; is given what err is
}

func (r *run) do(s *storage.Store, in io.Reader, v interface{ Run(*verb.Context) error }) error {
	if r.ctx == nil {
		r.ctx = context.Background()
	}
	notes := io.Writer(&r.err)
	if r.told != nil {
		notes = io.MultiWriter(&r.err, telling(r.told))
	}
	return v.Run(&verb.Context{
		Context: r.ctx, Store: s, Now: func() time.Time { return noon }, In: in, Out: &r.out, Err: notes, JSON: r.json,
		Log: slog.New(slog.DiscardHandler), Progress: func(string, int64) verb.Bar { return noBar{} },
	})
}

type telling func([]byte)

func (f telling) Write(b []byte) (int, error) {
	f(b)
	return len(b), nil
}

// totals are all numbers that hang on how events are grouped, by day.
func totals(t rapidOrTest, s *storage.Store, site schema.Site) query.Result {
	t.Helper()
	result, err := s.Query(context.Background(), query.Query{
		Site: site, Range: query.Range{First: 0, Last: 4e9}, Dimensions: []query.Dimension{query.TimeDay},
		Metrics: []query.Metric{query.Visitors, query.Visits, query.Pageviews, query.Events, query.BounceRate, query.VisitDuration, query.ViewsPerVisit},
	})
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func TestAcknowledgedIsStored(t *testing.T) {
	dir, now := t.TempDir(), noon
	clock := func() time.Time { return now }
	var site schema.Site
	for start := range 3 { // a visit goes on after a restart
		s := mustOpen(t, dir, clock)
		if start == 0 {
			site = mustSite(t, s, "example.com", "Europe/Berlin")
		}
		h, err := ingest.New(ingest.Config{Store: s, Trusted: netip.MustParsePrefix("127.0.0.0/8").Contains, Now: clock})
		if err != nil {
			t.Fatal(err)
		}
		server := httptest.NewServer(h)
		for range 2 {
			now = now.Add(10 * time.Second)
			req, _ := http.NewRequest("POST", server.URL+"/api/event", strings.NewReader(pageview))
			req.Header.Set("User-Agent", chrome)
			req.Header.Set("X-Forwarded-For", "203.0.113.9")
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if res.StatusCode != 202 || res.Header.Get("X-Plausible-Dropped") != "" {
				t.Fatalf("got %d, dropped %q", res.StatusCode, res.Header.Get("X-Plausible-Dropped"))
			}
		}
		server.Close()
		mustClose(t, s)
	}
	s := mustOpen(t, dir, clock)
	defer mustClose(t, s)
	got := totals(t, s, site).Rows
	want := []query.Row{{Dimensions: []string{"2026-07-01"}, Metrics: []query.Value{{Number: 1}, {Number: 1}, {Number: 6}, {Number: 6}, {Number: 0}, {Number: 50}, {Number: 6}}}}
	if d := cmp.Diff(got, want); d != "" {
		t.Error(d)
	}
}

func TestImport(t *testing.T) {
	s := mustOpen(t, t.TempDir(), func() time.Time { return noon })
	defer mustClose(t, s)
	site := mustSite(t, s, "example.com", "Europe/Berlin")
	var in strings.Builder
	in.WriteString(`{"time":"2026-06-30T21:59:00Z","visitor":"a","name":"pageview","pathname":"/late","source":"Google","utm_medium":"cpc"}` + "\r\n\n")
	in.WriteString(`{"time":"2026-06-30T22:01:00Z","visitor":"a","name":"pageview","pathname":"/next day"}` + "\n")
	in.WriteString(`{"time":"2019-01-01T10:40:01Z","visitor":"a","name":"engagement","engagement_ms":5}` + "\n") // line 4: half an hour and a second later
	in.WriteString(`{"time":"2019-01-01T10:10:00Z","visitor":"a","name":"buy"}` + "\n")
	in.WriteString(`{"time":"2019-01-01T10:00:00Z","visitor":"a","name":"pageview"}` + "\n") // lines may come in any order
	in.WriteString(`{"time":"2019-01-01T10:01:00Z","name":"pageview"}` + "\n" + `{"time":"2019-01-01T10:01:01Z","name":"pageview"}` + "\n")
	in.WriteString("oops\n")                                                                                    // line 9
	in.WriteString(`{"time":"2026-07-02T12:00:01Z","name":"pageview"}` + "\n")                                  // line 10
	in.WriteString(`{"time":"2026-07-01T12:00:01Z","name":"` + strings.Repeat("x", wire.MaxLine) + `"}` + "\n") // line 11
	for range 30 {
		in.WriteString(`{"name":"pageview"}` + "\n")
	}
	in.WriteString(`{"time":"2026-07-01T12:00:01Z","name":"last, without a line end"}`)

	r := run{json: true}
	err := r.do(s, strings.NewReader(in.String()), &ingest.Import{Site: "www.Example.com", Format: "ndjson", Files: []string{"-"}})
	if verb.Code(err) != verb.ExitPartial || err.Error() != "import: 34 of 41 lines were left out, the rest is stored" {
		t.Errorf("got %v, exit %d", err, verb.Code(err))
	}
	var sum ingest.Summary
	if err := json.Unmarshal(r.out.Bytes(), &sum); err != nil {
		t.Fatal(err)
	}
	if want := (ingest.Summary{Lines: 41, Events: 7, Visits: 6, Visitors: 6, Days: 3, Rejected: 34}); sum != want {
		t.Errorf("got %+v, want %+v", sum, want)
	}
	lines := strings.Split(strings.TrimSpace(r.err.String()), "\n")
	if len(lines) != 22 || lines[0] != "line 9: not a JSON object, see byte 1" || lines[1] != "line 10: time: more than a day in the future" ||
		lines[2] != "line 11: longer than 1048576 bytes" || lines[3] != "line 12: time: missing" ||
		lines[20] != "13 more lines: time: missing" || lines[21] != "1 more lines: engagement without a visit it could belong to" {
		t.Errorf("got %q", lines)
	}
	result, err := s.Query(context.Background(), query.Query{Site: site, Range: query.Range{First: 0, Last: 4e9},
		Metrics: []query.Metric{query.Events}, Dimensions: []query.Dimension{"visit:channel"}})
	if err != nil || len(result.Rows) != 2 || result.Rows[0].Dimensions[0] != "Direct" || result.Rows[1].Dimensions[0] != "Paid Search" {
		t.Errorf("got channels %v, %v", result.Rows, err)
	}
}

func TestImportRefusals(t *testing.T) {
	s := mustOpen(t, t.TempDir(), func() time.Time { return noon })
	defer mustClose(t, s)
	site := mustSite(t, s, "example.com", "Europe/Berlin")
	good := `{"time":"2026-06-30T21:59:00Z","name":"pageview"}` + "\n"
	var r run
	if err := r.do(s, strings.NewReader(good), &ingest.Import{Site: "other.com"}); verb.Code(err) != verb.ExitMissing {
		t.Errorf("other site: got %v", err)
	}
	if err := r.do(s, strings.NewReader(good), &ingest.Import{Site: "b@d"}); verb.Code(err) != verb.ExitUsage {
		t.Errorf("bad site: got %v", err)
	}
	broken := io.MultiReader(strings.NewReader(good), failing{})
	if err := r.do(s, broken, &ingest.Import{Site: "example.com"}); err == nil || !strings.Contains(err.Error(), "read line 2: cable pulled") {
		t.Errorf("broken input: got %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	r.ctx = ctx
	if err := r.do(s, strings.NewReader(good), &ingest.Import{Site: "example.com"}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: got %v", err)
	}
	if n := s.Count(site); n != 0 {
		t.Errorf("got %d events, want none", n)
	}
	r = run{}
	if err := r.do(s, strings.NewReader(""), &ingest.Import{Site: "example.com"}); err != nil {
		t.Errorf("empty input: %v", err)
	}
	if err := r.do(s, strings.NewReader(good), &ingest.Import{Site: "example.com"}); err != nil || s.Count(site) != 1 {
		t.Errorf("after all: got %v, %d events", err, s.Count(site))
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("cable pulled") }

func TestExportRange(t *testing.T) {
	s := mustOpen(t, t.TempDir(), func() time.Time { return noon })
	defer mustClose(t, s)
	mustSite(t, s, "example.com", "Europe/Berlin")
	var in string
	for d := 1; d <= 5; d++ {
		in += fmt.Sprintf(`{"time":"2026-06-0%dT22:30:00Z","visitor":"0","name":"day %d"}`+"\n", d, d+1)
	}
	var r run
	if err := r.do(s, strings.NewReader(in), &ingest.Import{Site: "example.com"}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		from, to string
		want     string
	}{
		{"", "", "23456"}, {"2026-06-03", "", "3456"}, {"", "2026-06-03", "23"}, {"2026-06-04", "2026-06-04", "4"},
		{"0001-01-01", "9999-12-31", "23456"}, {"2026-06-05", "2026-06-03", ""}, {"2027-01-01", "", ""}, {"", "1999-01-01", ""},
	} {
		var r run
		if err := r.do(s, nil, &ingest.Export{Site: "example.com", From: c.from, To: c.to}); err != nil {
			t.Fatal(err)
		}
		got := ""
		for line := range strings.Lines(r.out.String()) {
			var l wire.Line
			if err := l.Decode([]byte(line)); err != nil {
				t.Fatal(err)
			}
			got += string(l.Name)[len("day "):]
		}
		if got != c.want {
			t.Errorf("%s to %s: got days %s, want %s", c.from, c.to, got, c.want)
		}
	}
	if err := r.do(s, nil, &ingest.Export{Site: "example.com", From: "june"}); verb.Code(err) != verb.ExitUsage {
		t.Errorf("got %v", err)
	}
}

// groups puts the lines of an export together by day and visitor, without the visitors' numbers, which are free.
func groups(t rapidOrTest, export string, zone *time.Location) []string {
	t.Helper()
	by := map[string][]string{}
	for line := range strings.Lines(export) {
		var l wire.Line
		if err := l.Decode([]byte(line)); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		r := l.Record()
		key := schema.DateOf(time.Unix(r.Event.Time, 0).In(zone)).String() + " " + r.Visitor
		r.Visitor = ""
		by[key] = append(by[key], string(wire.AppendLine(nil, &r)))
	}
	var out []string
	for key, lines := range by {
		out = append(out, key[:10]+"\n"+strings.Join(lines, ""))
	}
	slices.Sort(out)
	return out
}

func drawLine(t *rapid.T) wire.Record {
	r := wire.Record{
		Visitor: rapid.SampledFrom([]string{"", "a", "b", "c"}).Draw(t, "visitor"),
		Event: day.Event{
			Time: noon.Unix() - rapid.Int64Range(0, 4*86400/60).Draw(t, "minutes")*60, Name: rapid.SampledFrom([]string{"pageview", "pageview", "engagement", "buy"}).Draw(t, "name"),
			Pathname: rapid.SampledFrom([]string{"/", "/a", "/b"}).Draw(t, "path"), Interactive: rapid.Bool().Draw(t, "interactive"), ScrollDepth: day.NoScroll,
		},
	}
	r.Attributes[schema.Country] = rapid.SampledFrom([]string{"", "DE", "FR"}).Draw(t, "country")
	r.Attributes[schema.Source] = rapid.SampledFrom([]string{"", "Google", "x.org"}).Draw(t, "source")
	if rapid.Bool().Draw(t, "more") {
		r.Event.Props = []day.Prop{{Key: "k", Value: rapid.SampledFrom([]string{"1", "2"}).Draw(t, "prop")}}
		r.Event.Revenue = day.Revenue{Amount: "1.50", Currency: "EUR"}
		r.Event.ScrollDepth, r.Event.EngagementMS = 10, 20
	}
	return r
}

// What is exported and imported again is the same: the same lines belong together and the same numbers come out.
func TestExportImportIsLossless(t *testing.T) {
	s := mustOpen(t, t.TempDir(), func() time.Time { return noon })
	defer mustClose(t, s)
	zone, _ := time.LoadLocation("America/New_York")
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		var in []byte
		for _, r := range rapid.SliceOfN(rapid.Custom(drawLine), 1, 40).Draw(t, "lines") {
			in = wire.AppendLine(in, &r)
		}
		var exports [2]string
		var results [2]query.Result
		for i := range exports {
			domain := fmt.Sprintf("site%d-%d.example", n, i)
			site := mustSite(t, s, domain, zone.String())
			var r run
			err := r.do(s, bytes.NewReader(in), &ingest.Import{Site: domain})
			if code := verb.Code(err); code != 0 && (i > 0 || code != verb.ExitPartial) { // engagement without a visit
				t.Fatal(err)
			}
			r = run{}
			if err := r.do(s, nil, &ingest.Export{Site: domain}); err != nil {
				t.Fatal(err)
			}
			exports[i], results[i] = r.out.String(), totals(t, s, site)
			in = r.out.Bytes()
		}
		if d := cmp.Diff(groups(t, exports[0], zone), groups(t, exports[1], zone)); d != "" {
			t.Fatal(d)
		}
		if d := cmp.Diff(results[0], results[1]); d != "" {
			t.Fatal(d)
		}
	})
}

// Live traffic, exported and imported, gives the same numbers as where it was counted.
func TestLiveAndImportAgree(t *testing.T) {
	s := mustOpen(t, t.TempDir(), func() time.Time { return noon })
	defer mustClose(t, s)
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		now := noon.Add(-5 * 24 * time.Hour)
		h, err := ingest.New(ingest.Config{Store: s, Trusted: netip.MustParsePrefix("127.0.0.0/8").Contains, Now: func() time.Time { return now }})
		if err != nil {
			t.Fatal(err)
		}
		live, copied := fmt.Sprintf("live%d.example", n), fmt.Sprintf("copy%d.example", n)
		liveSite, copySite := mustSite(t, s, live, "Europe/Berlin"), mustSite(t, s, copied, "Europe/Berlin")
		for range rapid.IntRange(1, 30).Draw(t, "hits") {
			now = now.Add(time.Duration(rapid.IntRange(0, 3000).Draw(t, "wait")) * time.Second)
			name := rapid.SampledFrom([]string{"pageview", "engagement", "buy"}).Draw(t, "name")
			body := fmt.Sprintf(`{"n":%q,"u":"https://x.org/%d?utm_source=ads","d":%q,"e":5,"i":false}`, name, rapid.IntRange(0, 2).Draw(t, "page"), live)
			rec := httptest.NewRecorder()
			h.ServeHTTP(rec, request(body, "X-Forwarded-For", fmt.Sprintf("203.0.113.%d", rapid.IntRange(0, 2).Draw(t, "visitor"))))
			if rec.Code != 202 {
				t.Fatalf("got %d", rec.Code)
			}
		}
		var out, in run
		if err := out.do(s, nil, &ingest.Export{Site: live}); err != nil {
			t.Fatal(err)
		}
		if err := in.do(s, &out.out, &ingest.Import{Site: copied}); err != nil {
			t.Fatal(err, in.err.String())
		}
		if d := cmp.Diff(totals(t, s, liveSite), totals(t, s, copySite)); d != "" {
			t.Fatal(d)
		}
	})
}

// flood sends pageviews of a site until n are accepted or the disk is full, and returns how many were acknowledged.
func flood(t *testing.T, h http.Handler, domain string, n int64) int64 {
	var senders sync.WaitGroup
	var sent, accepted atomic.Int64
	for range 8 {
		senders.Go(func() {
			for accepted.Load() < n {
				i := sent.Add(1)
				body := fmt.Sprintf(`{"n":"pageview","d":%q,"u":"https://%s/%d/%01500d"}`, domain, domain, n, i)
				r := httptest.NewRequest("POST", "/api/event", strings.NewReader(body))
				r.RemoteAddr = fmt.Sprintf("203.0.113.%d:1", i%50)
				r.Header.Set("User-Agent", chrome)
				w := httptest.NewRecorder()
				h.ServeHTTP(w, r)
				switch {
				case w.Code == http.StatusAccepted:
					accepted.Add(1)
				case w.Code == http.StatusServiceUnavailable && w.Header().Get("Retry-After") == "5":
					return
				default:
					t.Errorf("answered %d %s", w.Code, w.Body)
					return
				}
			}
		})
	}
	senders.Wait()
	return accepted.Load()
}

// roomAgain is a log in which the file says that there is room again.
type roomAgain chan struct{}

func (c roomAgain) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte("room on the disk again")) {
		c <- struct{}{}
	}
	return len(p), nil
}

// TestFullDisk fills the file with events, makes room by removing another site, and goes on: what was acknowledged is counted once,
// also after a restart, and nothing else is.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	clock := func() time.Time { return noon }
	again := make(roomAgain, 10)
	s, err := storage.Open(t.Context(), storage.Config{
		Dir: dir, Create: true, Now: clock, MaxSize: 14 << 20, Logger: slog.New(slog.NewTextHandler(again, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	first, second := mustSite(t, s, "first.example", "UTC"), mustSite(t, s, "second.example", "UTC")
	h, err := ingest.New(ingest.Config{Store: s, Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	flood(t, h, "second.example", 4000)
	acked := flood(t, h, "first.example", 8000)
	if !errors.Is(s.Healthy(), storage.ErrFull) {
		t.Fatalf("after %d events the disk is not full: %v", acked, s.Healthy())
	}
	count := func() {
		t.Helper()
		if got := s.Count(first); got != acked {
			t.Errorf("%d events, %d were acknowledged", got, acked)
		}
		if err := s.Check(t.Context(), nil); err != nil {
			t.Error(err)
		}
	}
	count()
	if err := s.RemoveSite(t.Context(), second, "test"); err != nil {
		t.Fatal(err)
	}
	<-again
	more := flood(t, h, "first.example", 300)
	if acked += more; more < 300 {
		t.Errorf("%d events found room", more)
	}
	count()
	mustClose(t, s)
	s = mustOpen(t, dir, clock)
	defer s.Close()
	count()
}
