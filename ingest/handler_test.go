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
	"strings"
	"sync"
	"testing"
	"time"

	"footfall/ingest"
	"footfall/ingest/shield"
	"footfall/storage"
	"footfall/storage/account"
	"footfall/storage/day"
	"footfall/storage/schema"
)

// memory is a store that keeps its days in memory and checks the order of rows as the real one does. Set fail to make
// Append fail; close has storage replace a day.
type memory struct {
	mu      sync.Mutex
	sites   map[string]account.Site
	days    map[string]*day.Open
	rows    map[string][]day.Row
	opened  []string
	dropped map[string]int
	fail    error
	failing schema.Site // that fail is for; 0 is all
	waits   func() error
}

func newMemory(sites ...account.Site) *memory {
	m := &memory{sites: map[string]account.Site{}, days: map[string]*day.Open{}, rows: map[string][]day.Row{}, dropped: map[string]int{}}
	for i, s := range sites {
		s.ID = schema.Site(i + 1)
		m.sites[s.Domain] = s
	}
	return m
}

func dayName(site schema.Site, d schema.Date) string { return fmt.Sprintf("%d %s", site, d) }

func (m *memory) Site(domain string) (account.Site, bool) { s, ok := m.sites[domain]; return s, ok }

func (m *memory) Has(site schema.Site) bool {
	for _, s := range m.sites {
		if s.ID == site {
			return true
		}
	}
	return false
}

func (m *memory) Rules(schema.Site) *account.Rules { return nil }

func (m *memory) Ruled(site schema.Site, d schema.Date, reason string, _ uint64, _ bool) {
	m.Dropped(site, d, reason)
}

func (m *memory) IsIgnoreToken(schema.Site, string) bool { return false }

func (m *memory) Salt(site account.Site, d schema.Date) (salt [32]byte, err error) {
	copy(salt[:], site.Timezone+d.String())
	return salt, nil
}

func (m *memory) OpenDay(site schema.Site, d schema.Date) (*day.Open, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	name := dayName(site, d)
	m.opened = append(m.opened, name)
	if m.days[name] == nil {
		begin := d.Start(time.UTC)
		for _, s := range m.sites {
			if s.ID == site {
				calendar, _ := s.Calendar()
				begin = calendar.Start(d)
			}
		}
		m.days[name] = day.NewOpen(site, d, begin)
	}
	return m.days[name], nil
}

func (m *memory) Append(o *day.Open, row day.Row) (storage.Commit, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil && (m.failing == 0 || m.failing == o.Site) {
		return nil, m.fail
	}
	name := dayName(o.Site, o.Date)
	if m.days[name] != o {
		return nil, storage.ErrDayClosed
	}
	if err := o.Apply([]day.Row{row}); err != nil {
		return nil, err
	}
	m.rows[name] = append(m.rows[name], row)
	return m, nil
}

func (m *memory) Wait(context.Context) error {
	if m.waits != nil {
		return m.waits()
	}
	return nil
}

func (m *memory) Dropped(site schema.Site, d schema.Date, reason string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.dropped[dayName(site, d)+" "+reason]++
}

// close makes the day read-only, as sealing does; what comes later goes into a new one.
func (m *memory) close(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.days, name)
}

// world is a handler with a clock.
type world struct {
	t     *testing.T
	store *memory
	now   time.Time
	log   bytes.Buffer
	*ingest.Handler
}

const chrome = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36"

func newWorld(t *testing.T) *world {
	w := &world{t: t, now: time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)}
	w.store = newMemory(account.Site{Domain: "example.com", Timezone: "Etc/UTC"}, account.Site{Domain: "berlin.example", Timezone: "Europe/Berlin"})
	h, err := ingest.NewWith(ingest.Config{
		Trusted: netip.MustParsePrefix("127.0.0.0/8").Contains,
		Now:     func() time.Time { return w.now },
		Logger:  slog.New(slog.NewTextHandler(&w.log, nil)),
	}, w.store)
	if err != nil {
		t.Fatal(err)
	}
	w.Handler = h
	return w
}

func (w *world) do(r *http.Request) *http.Response {
	rec := httptest.NewRecorder()
	w.ServeHTTP(rec, r)
	return rec.Result()
}

func request(body string, header ...string) *http.Request {
	r := httptest.NewRequest("POST", "/api/event", strings.NewReader(body))
	r.RemoteAddr = "127.0.0.1:4711"
	r.Header.Set("Content-Type", "text/plain")
	r.Header.Set("User-Agent", chrome)
	r.Header.Set("X-Forwarded-For", "203.0.113.9")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return r
}

// send posts an event and wants it answered with 202 and so many dropped.
func (w *world) send(dropped string, body string, header ...string) {
	w.t.Helper()
	res := w.do(request(body, header...))
	text, _ := io.ReadAll(res.Body)
	if res.StatusCode != 202 || string(text) != "ok" || res.Header.Get("X-Plausible-Dropped") != dropped {
		w.t.Fatalf("%s: got %d %q dropped %q, want 202 ok dropped %q", body, res.StatusCode, text, res.Header.Get("X-Plausible-Dropped"), dropped)
	}
}

const pageview = `{"n":"pageview","u":"https://www.example.com/a?utm_source=letter","d":"example.com","r":"https://news.ycombinator.com/item?id=secret"}`

func TestAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		r      *http.Request
		status int
		body   string
		header map[string]string
	}{
		"accepted": {request(pageview), 202, "ok", map[string]string{"Content-Type": "text/plain; charset=utf-8", "Access-Control-Allow-Origin": "*",
			"Access-Control-Allow-Credentials": "true", "X-Plausible-Dropped": ""}},
		"www. in front of the site":  {request(`{"n":"pageview","u":"https://example.com","d":"www.example.com"}`), 202, "ok", map[string]string{"X-Plausible-Dropped": ""}},
		"unknown site":               {request(`{"n":"pageview","u":"https://example.com","d":"other.com"}`), 202, "ok", map[string]string{"X-Plausible-Dropped": "1"}},
		"upper case is another site": {request(`{"n":"pageview","u":"https://example.com","d":"Example.com"}`), 202, "ok", map[string]string{"X-Plausible-Dropped": "1"}},
		"one of three":               {request(`{"n":"pageview","u":"https://example.com","d":"example.com,a.com,b.com"}`), 202, "ok", map[string]string{"X-Plausible-Dropped": "2"}},
		"bot":                        {request(pageview, "User-Agent", "Googlebot/2.1 (+http://www.google.com/bot.html)"), 202, "ok", map[string]string{"X-Plausible-Dropped": "1"}},
		"no User-Agent":              {request(pageview, "User-Agent", ""), 202, "ok", map[string]string{"X-Plausible-Dropped": ""}},
		"engagement without visit":   {request(`{"n":"engagement","u":"https://example.com","d":"example.com","e":5}`), 202, "ok", map[string]string{"X-Plausible-Dropped": "1"}},
		"invalid": {request(`{"n":"","u":"https://example.com","d":"example.com"}`), 400, `{"errors":{"event_name":["can't be blank"]}}`,
			map[string]string{"Content-Type": "application/json; charset=utf-8", "Access-Control-Allow-Origin": "*"}},
		"not JSON":  {request(`hello`), 400, `{"errors":{"request":["Unable to parse request body as json"]}}`, nil},
		"too large": {request(strings.Repeat(" ", 1_000_001)), 413, `{"errors":{"request":["should be at most 1000000 byte(s)"]}}`, nil},
		"large":     {request(strings.Repeat(" ", 1_000_000-len(pageview)) + pageview), 202, "ok", nil},
		"debug":     {request(pageview, "X-Debug-Request", "true"), 200, "203.0.113.9", nil},
		"OPTIONS": {httptest.NewRequest("OPTIONS", "/api/event", nil), 204, "", map[string]string{"Access-Control-Allow-Origin": "*", "Access-Control-Max-Age": "1728000",
			"Access-Control-Allow-Methods": "GET,POST,PUT,PATCH,DELETE,OPTIONS", "Access-Control-Allow-Headers": "Authorization,Content-Type,Accept,Origin,User-Agent,DNT,Cache-Control,X-Mx-ReqToken,Keep-Alive,X-Requested-With,If-Modified-Since,X-CSRF-Token"}},
		"GET event": {httptest.NewRequest("GET", "/api/event", nil), 405, "method not allowed\n", map[string]string{"Allow": "POST, OPTIONS"}},
		"GET error": {httptest.NewRequest("GET", "/api/error", nil), 200, "", map[string]string{"Access-Control-Allow-Origin": "*"}},
		"elsewhere": {httptest.NewRequest("GET", "/api/other", nil), 404, "404 page not found\n", nil},
	} {
		t.Run(name, func(t *testing.T) {
			res := newWorld(t).do(c.r)
			body, _ := io.ReadAll(res.Body)
			if res.StatusCode != c.status || string(body) != c.body {
				t.Errorf("got %d %q, want %d %q", res.StatusCode, body, c.status, c.body)
			}
			for key, want := range c.header {
				if got := res.Header.Get(key); got != want {
					t.Errorf("%s: got %q, want %q", key, got, want)
				}
			}
		})
	}
}

// A body whose length is not announced is cut off all the same.
func TestTooLargeChunked(t *testing.T) {
	r := request("")
	r.Body, r.ContentLength = io.NopCloser(io.MultiReader(strings.NewReader(strings.Repeat(" ", 1_000_001)), neverEnds{})), -1
	if res := newWorld(t).do(r); res.StatusCode != 413 {
		t.Errorf("got %d, want 413", res.StatusCode)
	}
}

type neverEnds struct{}

func (neverEnds) Read(p []byte) (int, error) { return len(p), nil }

func TestStoredRows(t *testing.T) {
	w := newWorld(t)
	w.send("", pageview, "Accept-Language", "de-DE,de;q=0.9")
	w.now = w.now.Add(10 * time.Second)
	w.send("", `{"n":"buy","u":"https://example.com/b","d":"example.com","r":"https://google.com/","p":{"plan":"big"},"$":{"amount":9.90,"currency":"EUR"}}`)
	w.now = w.now.Add(20 * time.Second)
	w.send("", `{"n":"engagement","u":"https://example.com/b","d":"example.com","sd":40,"e":3000}`)
	w.send("", pageview, "X-Forwarded-For", "203.0.113.10")
	w.send("", pageview, "X-Forwarded-For", "203.0.113.9, 10.0.0.1") // no proxy of ours
	rows := w.store.rows["1 2026-07-01"]
	if len(rows) != 5 {
		t.Fatalf("got %d rows, want 5", len(rows))
	}
	for i, want := range []uint32{0, 0, 0, 1, 2} {
		if rows[i].Visit != want || (rows[i].New != nil) != (i == 0 || i > 2) {
			t.Errorf("row %d: got visit %d new %v, want visit %d", i, rows[i].Visit, rows[i].New != nil, want)
		}
	}
	first := rows[0].New
	for id, want := range map[schema.ID]string{
		schema.Source: "letter", schema.UTMSource: "letter", schema.Referrer: "news.ycombinator.com/item", schema.Browser: "Chrome", schema.BrowserVersion: "138.0",
		schema.OS: "Windows", schema.Device: "Desktop", schema.Language: "de-DE",
	} {
		if got := first.Attributes[id]; got != want {
			t.Errorf("%s: got %q, want %q", schema.Columns[id].Name, got, want)
		}
	}
	if first.Attributes[schema.Channel] == "" {
		t.Error("no channel")
	}
	if e := rows[1].Event; e.Time != w.now.Unix()-20 || e.Name != "buy" || e.Hostname != "example.com" || e.Pathname != "/b" || !e.Interactive ||
		e.ScrollDepth != day.NoScroll || e.Revenue != (day.Revenue{Amount: "9.90", Currency: "EUR"}) || len(e.Props) != 1 {
		t.Errorf("got %+v", e)
	}
	if e := rows[2].Event; e.ScrollDepth != 40 || e.EngagementMS != 3000 {
		t.Errorf("got %+v", e)
	}
	if got := fmt.Sprintf("%+v", rows); strings.Contains(got, "secret") || strings.Contains(got, "203.0.113") || strings.Contains(got, "AppleWebKit") {
		t.Errorf("rows hold what is personal: %s", got)
	}
}

func TestCounts(t *testing.T) {
	w := newWorld(t)
	w.send("", pageview)
	w.send("1", pageview, "User-Agent", "curl-crawler-bot/1.0")
	w.send("1", `{"n":"engagement","u":"https://example.com","d":"example.com","e":5}`, "X-Forwarded-For", "203.0.113.10")
	w.send("2", `{"n":"pageview","u":"https://example.com","d":"x.com,y.com"}`)
	w.do(request(`{}`))
	w.store.fail = storage.ErrBusy
	w.do(request(pageview))
	c := w.Snapshot()
	if c.Accepted != 1 || c.Refused != 1 || c.Dropped[shield.Bot] != 1 || c.Dropped[shield.NoVisit] != 1 || c.Dropped[shield.NotFound] != 2 || c.Dropped[shield.Invalid] != 1 {
		t.Errorf("got %+v", c)
	}
	if w.store.dropped["1 2026-07-01 bot"] != 1 || w.store.dropped["1 2026-07-01 no_session_for_engagement"] != 1 || len(w.store.dropped) != 2 {
		t.Errorf("got %v", w.store.dropped)
	}
}

func TestRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		fail   error
		waits  error
		retry  string
		logged bool
	}{
		"busy":                 {fmt.Errorf("x: %w", storage.ErrBusy), nil, "1", false},
		"full":                 {fmt.Errorf("x: %w", storage.ErrFull), nil, "5", false},
		"the disk gets full":   {nil, storage.ErrFull, "5", false},
		"poisoned":             {storage.ErrPoisoned, nil, "30", false},
		"the commit fails":     {nil, storage.ErrPoisoned, "30", false},
		"the day stays closed": {storage.ErrDayClosed, nil, "1", false},
		"anything else":        {errors.New("disk on fire"), nil, "30", true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.store.fail = c.fail
			if c.waits != nil {
				w.store.waits = func() error { return c.waits }
			}
			res := w.do(request(pageview))
			var body struct{ Errors map[string][]string }
			if err := json.NewDecoder(res.Body).Decode(&body); err != nil || len(body.Errors["request"]) != 1 {
				t.Errorf("got body %v, %v", body, err)
			}
			if res.StatusCode != 503 || res.Header.Get("Retry-After") != c.retry {
				t.Errorf("got %d, retry after %q, want 503 and %q", res.StatusCode, res.Header.Get("Retry-After"), c.retry)
			}
			if got := w.log.String(); (got != "") != c.logged || strings.Contains(got, "203.0.113") || strings.Contains(got, "AppleWebKit") || strings.Contains(got, "example.com/a") {
				t.Errorf("got log %q", got)
			}
			// The visit that could not be stored was not counted: the next one is the first.
			w.store.fail, w.store.waits = nil, nil
			if c.waits == nil {
				w.send("", pageview)
				if rows := w.store.rows["1 2026-07-01"]; len(rows) != 1 || rows[0].Visit != 0 || rows[0].New == nil {
					t.Errorf("got rows %+v", rows)
				}
			}
		})
	}
}

func TestNoSiteIsADrop(t *testing.T) {
	w := newWorld(t)
	w.store.fail = storage.ErrNoSite
	w.send("1", pageview)
}

func TestClosedDayIsReplaced(t *testing.T) {
	w := newWorld(t)
	w.send("", pageview)
	w.store.close("1 2026-07-01")
	w.send("", pageview)
	if rows := w.store.rows["1 2026-07-01"]; len(rows) != 2 || rows[1].New == nil || rows[1].Visit != 0 {
		t.Errorf("got rows %+v, want the second to begin a visit of the new day", rows)
	}
}

func TestMidnightEndsVisits(t *testing.T) {
	w := newWorld(t)
	body := strings.ReplaceAll(pageview, `"d":"example.com"`, `"d":"berlin.example"`)
	w.now = time.Date(2026, 7, 1, 21, 59, 59, 0, time.UTC)
	w.send("", body)
	w.now = w.now.Add(time.Second)
	w.send("", body)
	before, after := w.store.rows["2 2026-07-01"], w.store.rows["2 2026-07-02"]
	if len(before) != 1 || len(after) != 1 {
		t.Fatalf("got %d and %d rows, want one on each side of local midnight", len(before), len(after))
	}
	if before[0].New.Visitor == after[0].New.Visitor {
		t.Error("a visitor is the same on two days")
	}
	w.now = w.now.Add(-10 * time.Minute) // back before midnight: time stands still
	w.send("", body)
	if got := len(w.store.opened); got != 2 {
		t.Errorf("days were opened %d times, want 2: %v", got, w.store.opened)
	}
	if rows := w.store.rows["2 2026-07-02"]; len(rows) != 2 || rows[1].Event.Time != rows[0].Event.Time || rows[1].New != nil {
		t.Errorf("got rows %+v", rows)
	}
	w.Sweep()
	w.send("", body)
	w.now = w.now.Add(24 * time.Hour)
	w.Sweep()
	w.now = w.now.Add(-24 * time.Hour)
	w.send("", body) // a long way back is a correction
	if !strings.Contains(w.log.String(), "the clock was set back") {
		t.Errorf("got log %q, want a warning", w.log.String())
	}
	if rows := w.store.rows["2 2026-07-01"]; len(rows) != 2 {
		t.Errorf("got %d rows before midnight, want 2", len(rows))
	}
}

func TestSweepForgetsRemovedSites(t *testing.T) {
	w := newWorld(t)
	w.send("", `{"n":"pageview","u":"https://example.com","d":"example.com,berlin.example"}`)
	delete(w.store.sites, "berlin.example")
	w.Sweep()
	if n := w.Lanes(); n != 1 {
		t.Errorf("got %d lanes, want 1", n)
	}
	w.send("", pageview)
	if rows := w.store.rows["1 2026-07-01"]; len(rows) != 2 || rows[1].New != nil {
		t.Errorf("got rows %+v, want the visit of the other site to go on", rows)
	}
}

func TestOneVisitorTwoSites(t *testing.T) {
	w := newWorld(t)
	w.send("", `{"n":"pageview","u":"https://example.com","d":"example.com,berlin.example"}`)
	a, b := w.store.rows["1 2026-07-01"], w.store.rows["2 2026-07-01"]
	if len(a) != 1 || len(b) != 1 || a[0].New.Visitor == b[0].New.Visitor {
		t.Errorf("got %+v and %+v, want two visitors", a, b)
	}
}

func TestForgedAddressIsIgnored(t *testing.T) {
	w := newWorld(t)
	for _, xff := range []string{"203.0.113.9", "198.51.100.7, 203.0.113.9", "garbage, 203.0.113.9"} {
		w.send("", pageview, "X-Forwarded-For", xff)
	}
	r := request(pageview)
	r.RemoteAddr = "198.51.100.1:1" // not a proxy of ours
	w.do(r)
	r = request(pageview, "X-Forwarded-For", "198.51.100.99", "CF-Connecting-IP", "1.1.1.1", "X-Real-IP", "1.1.1.1", "Forwarded", "for=1.1.1.1")
	r.RemoteAddr = "198.51.100.1:2"
	w.do(r)
	if rows := w.store.rows["1 2026-07-01"]; len(rows) != 5 || rows[2].Visit != 0 || rows[3].Visit != 1 || rows[4].Visit != 1 {
		t.Errorf("got %+v, want two visits", rows)
	}
}

// Many at once: every row is in its place, and every acknowledged event is there.
func TestConcurrent(t *testing.T) {
	w := newWorld(t)
	w.now = time.Date(2026, 7, 1, 23, 59, 58, 0, time.UTC)
	var clock sync.Mutex
	var ticks int
	h, err := ingest.NewWith(ingest.Config{Trusted: netip.MustParsePrefix("127.0.0.0/8").Contains, Now: func() time.Time {
		clock.Lock()
		defer clock.Unlock()
		ticks++
		return w.now.Add(time.Duration(ticks) * 10 * time.Millisecond) // passes midnight
	}}, w.store)
	if err != nil {
		t.Fatal(err)
	}
	const workers, each = 16, 50
	var wg sync.WaitGroup
	for i := range workers {
		wg.Go(func() {
			for range each {
				rec := httptest.NewRecorder()
				h.ServeHTTP(rec, request(pageview, "X-Forwarded-For", fmt.Sprintf("203.0.113.%d", i)))
				if rec.Code != 202 {
					t.Errorf("got %d", rec.Code)
				}
			}
		})
	}
	wg.Wait()
	total := 0
	for _, rows := range w.store.rows {
		total += len(rows)
	}
	if total != workers*each || h.Snapshot().Accepted != workers*each {
		t.Errorf("got %d rows, %d accepted, want %d", total, h.Snapshot().Accepted, workers*each)
	}
	if len(w.store.rows) != 2 {
		t.Errorf("got %d days, want the clock to pass midnight", len(w.store.rows))
	}
}

func BenchmarkHandler(b *testing.B) {
	w := newMemory(account.Site{Domain: "example.com", Timezone: "Etc/UTC"})
	h, err := ingest.NewWith(ingest.Config{Trusted: netip.MustParsePrefix("127.0.0.0/8").Contains}, discard{w})
	if err != nil {
		b.Fatal(err)
	}
	body := []byte(pageview)
	r := request("")
	rec := &recorder{header: http.Header{}}
	var senders [1 << 14][]string // more than one: nobody may send so fast alone
	for i := range senders {
		senders[i] = []string{fmt.Sprintf("203.0.%d.%d", i>>8, i&255)}
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		r.Header["X-Forwarded-For"] = senders[i%len(senders)]
		r.Body = io.NopCloser(bytes.NewReader(body))
		r.ContentLength = int64(len(body))
		h.ServeHTTP(rec, r)
		if rec.status != 202 {
			b.Fatal(rec.status)
		}
	}
}

// discard stores nothing, to measure the way there.
type discard struct{ *memory }

func (d discard) Append(*day.Open, day.Row) (storage.Commit, error) { return d, nil }

func (d discard) Wait(context.Context) error { return nil }

type recorder struct {
	header http.Header
	status int
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) Write(p []byte) (int, error) { return len(p), nil }
func (r *recorder) WriteHeader(status int)      { r.status = status }
