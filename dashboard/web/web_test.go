package web_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"footfall/dashboard/api"
	"footfall/dashboard/auth"
	"footfall/dashboard/metrics"
	"footfall/dashboard/web"
	"footfall/storage"
)

const password = "correct horse battery"

var built = fstest.MapFS{
	"app/index.html":      {Data: []byte("<!doctype html><title>Footfall</title>" + strings.Repeat(" ", 200))},
	"app/app.js":          {Data: []byte(strings.Repeat("let a=1;", 100))},
	"app/map-X3J5KQ2Z.js": {Data: []byte("let map=1;")},
	// Two extensions, and so four scripts.
	"tracker/extensions.txt": {Data: []byte("hash\nlocal\n")},
	"tracker/00.gz":          {Data: zipped(strings.Repeat("!function(){}();", 50) + "\x00hash(\"/api/event\")\x00local\x00hash,local")},
	"tracker/site.js":        {Data: []byte("site(FOOTFALL_SITE)")},
	"data/bots.txt":          {Data: []byte("not for browsers")},
}

func zipped(s string) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	io.WriteString(z, s)
	z.Close()
	return b.Bytes()
}

// server is a web.Server over a real store on a real listener; ingestion is a stand-in that this room does not know.
type server struct {
	*httptest.Server
	web           *web.Server
	log           *bytes.Buffer
	token, cookie string
}

func newServer(t *testing.T, change func(*web.Config)) *server {
	t.Helper()
	ctx := context.Background()
	s := &server{log: &bytes.Buffer{}}
	log := slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	store, err := storage.Open(ctx, storage.Config{Dir: t.TempDir(), Create: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	proxies := netip.MustParsePrefix("127.0.0.0/8").Contains
	a := auth.New(auth.Config{Book: store.Accounts(), Logger: log, Proxies: proxies})
	cfg := web.Config{
		Ingest: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusAccepted)
			io.WriteString(w, "ok")
		}),
		API:          api.New(api.Config{Store: store, Book: store.Accounts(), Auth: a, Logger: log}),
		Auth:         a,
		SiteByScript: store.Accounts().SiteByScript, Assets: built, Proxies: proxies, Metrics: metrics.New(), Logger: log,
	}
	if change != nil {
		change(&cfg)
	}
	if s.web, err = web.New(cfg); err != nil {
		t.Fatal(err)
	}
	if _, err := store.AddSite(ctx, "example.org", "Etc/UTC"); err != nil {
		t.Fatal(err)
	}
	if s.cookie, err = a.Setup(ctx, auth.Peer{}, a.SetupToken(), "ann@example.org", password); err != nil {
		t.Fatal(err)
	}
	if s.token, _, err = auth.NewToken(ctx, store.Accounts(), "test", auth.ScopeRead, time.Now()); err != nil {
		t.Fatal(err)
	}
	s.Server = httptest.NewServer(s.web)
	t.Cleanup(s.Close)
	return s
}

// do sends a request as anonymous, login, token, or foreign: the browser of someone logged in, on another site's behalf.
func (s *server) do(t *testing.T, who, method, path, body string, headers ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequest(method, s.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept-Encoding", "identity")
	switch who {
	case "token":
		r.Header.Set("Authorization", "Bearer "+s.token)
	case "foreign":
		r.Header.Set("Origin", "https://evil.example")
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		fallthrough
	case "login":
		r.AddCookie(&http.Cookie{Name: "footfall", Value: s.cookie})
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	got, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Body.Close()
	b, err := io.ReadAll(got.Body)
	if err != nil {
		t.Fatal(err)
	}
	return got, string(b)
}

// TestWhoMayDoWhat walks the table of routes: every route for everyone. A route that is not listed here fails.
func TestWhoMayDoWhat(t *testing.T) {
	const query = `{"site_id":"example.org","metrics":["visitors"],"date_range":"day"}`
	type row struct{ anonymous, login, token, foreign int }
	same := func(n int) row { return row{n, n, n, n} }
	table := map[string]struct {
		method, path, body string
		want               row
	}{
		" /api/event":                               {"POST", "/api/event", "{}", same(202)},
		" /api/error":                               {"GET", "/api/error", "", same(202)},
		" /api/send":                                {"POST", "/api/send", "{}", same(202)},
		" /pixel.gif":                               {"GET", "/pixel.gif", "", same(202)},
		"GET /js/{name}":                            {"GET", "/js/script.js", "", same(200)},
		" /js/":                                     {"GET", "/js/other.js", "", same(404)},
		"GET /app/{file...}":                        {"GET", "/app/app.js", "", same(200)},
		"GET /robots.txt":                           {"GET", "/robots.txt", "", same(200)},
		" /":                                        {"GET", "/example.org", "", same(200)},
		"GET /api/health":                           {"GET", "/api/health", "", same(200)},
		"GET /api/system/health/ready":              {"GET", "/api/system/health/ready", "", same(200)},
		"GET /api/system/health/live":               {"GET", "/api/system/health/live", "", same(200)},
		" /api/":                                    {"GET", "/api/other", "", same(404)},
		"POST /api/v2/query":                        {"POST", "/api/v2/query", query, row{401, 401, 200, 401}},
		"PUT /api/v1/sites/{site_id}":               {"PUT", "/api/v1/sites/example.org", "{}", row{401, 401, 401, 401}}, // TestAnswers in api has a token that may
		"DELETE /api/v1/sites/{site_id}":            {"DELETE", "/api/v1/sites/example.org", "", row{401, 401, 401, 401}},
		"POST /api/v1/sites/{site_id}/reset":        {"POST", "/api/v1/sites/example.org/reset", "", row{401, 401, 401, 401}},
		"POST /api/v1/sites/{site_id}/deletions":    {"POST", "/api/v1/sites/example.org/deletions", "{}", row{401, 401, 401, 401}},
		"PUT /api/app/sites/{domain}":               {"PUT", "/api/app/sites/example.org", "{}", row{401, 400, 401, 403}},
		"GET /api/app/state":                        {"GET", "/api/app/state", "", same(200)},
		"GET /api/app/system":                       {"GET", "/api/app/system", "", row{401, 200, 401, 200}},
		"GET /api/app/doctor":                       {"GET", "/api/app/doctor", "", row{401, 200, 401, 200}},
		"POST /api/app/setup":                       {"POST", "/api/app/setup", `{}`, row{409, 409, 409, 403}},
		"POST /api/app/login":                       {"POST", "/api/app/login", `{"email":1}`, row{400, 400, 400, 403}},
		"POST /api/app/logout":                      {"POST", "/api/app/logout", "", row{200, 0, 200, 403}},
		"POST /api/app/sites":                       {"POST", "/api/app/sites", `{"domain":""}`, row{401, 400, 401, 403}},
		"GET /api/app/sites/{domain}/status":        {"GET", "/api/app/sites/example.org/status", "", row{401, 200, 401, 200}},
		"GET /api/app/sites/{domain}/current":       {"GET", "/api/app/sites/example.org/current", "", row{401, 200, 401, 200}},
		"GET /api/app/sites/{domain}/filtered":      {"GET", "/api/app/sites/example.org/filtered?from=2026-01-01&to=2026-01-02", "", row{401, 200, 401, 200}},
		"GET /api/app/sites/{domain}/rules":         {"GET", "/api/app/sites/example.org/rules", "", row{401, 200, 401, 200}},
		"POST /api/app/sites/{domain}/rules":        {"POST", "/api/app/sites/example.org/rules", `{}`, row{401, 400, 401, 403}},
		"POST /api/app/sites/{domain}/rules/try":    {"POST", "/api/app/sites/example.org/rules/try", `{}`, row{401, 400, 401, 403}},
		"PUT /api/app/sites/{domain}/rules/{id}":    {"PUT", "/api/app/sites/example.org/rules/1", `{}`, row{401, 404, 401, 403}},
		"DELETE /api/app/sites/{domain}/rules/{id}": {"DELETE", "/api/app/sites/example.org/rules/1", "", row{401, 404, 401, 403}},
		"GET /api/app/sites/{domain}/ignore-link":   {"GET", "/api/app/sites/example.org/ignore-link", "", row{401, 200, 401, 200}},
		"POST /api/app/sites/{domain}/ignore-link":  {"POST", "/api/app/sites/example.org/ignore-link", "", row{401, 200, 401, 403}},
		"POST /api/app/sites/{domain}/query":        {"POST", "/api/app/sites/example.org/query", `{"queries":[]}`, row{401, 200, 401, 403}},
	}
	s := newServer(t, nil)
	seen := map[string]bool{}
	for _, r := range s.web.Routes() {
		name := r.Method + " " + r.Path
		seen[name] = true
		c, ok := table[name]
		if !ok {
			t.Errorf("route %q (%s) is not listed: say who may use it", name, r.Access)
			continue
		}
		for who, want := range map[string]int{"anonymous": c.want.anonymous, "login": c.want.login, "token": c.want.token, "foreign": c.want.foreign} {
			if want == 0 {
				continue // logging out would end the test's login; TestLogout does it
			}
			if got, body := s.do(t, who, c.method, c.path, c.body); got.StatusCode != want {
				t.Errorf("%s as %s: got %d %s, want %d", name, who, got.StatusCode, body, want)
			}
		}
	}
	for name := range table {
		if !seen[name] {
			t.Errorf("route %q is listed and does not exist", name)
		}
	}
}

func TestLogout(t *testing.T) {
	s := newServer(t, nil)
	got, _ := s.do(t, "login", "POST", "/api/app/logout", "{}", "Sec-Fetch-Site", "same-origin")
	if got.StatusCode != 200 || len(got.Cookies()) != 1 || got.Cookies()[0].MaxAge >= 0 {
		t.Errorf("got %d, cookies %v", got.StatusCode, got.Cookies())
	}
	if got, _ := s.do(t, "login", "GET", "/api/app/sites/example.org/status", ""); got.StatusCode != 401 {
		t.Errorf("after logout: got %d", got.StatusCode)
	}
}

func TestAForeignRequestIsKnownByItsOrigin(t *testing.T) {
	base, err := url.Parse("https://stats.example.org")
	if err != nil {
		t.Fatal(err)
	}
	s := newServer(t, func(c *web.Config) { c.BaseURL = base })
	for _, c := range []struct {
		headers []string
		want    int
	}{
		{nil, 200}, // no browser
		{[]string{"Sec-Fetch-Site", "same-origin"}, 200},
		{[]string{"Sec-Fetch-Site", "same-site"}, 403},
		{[]string{"Origin", "https://evil.example"}, 403},
		{[]string{"Origin", "null"}, 403},
		{[]string{"Origin", s.URL}, 200},
		{[]string{"Origin", "https://stats.example.org"}, 200}, // through a proxy that changes Host
	} {
		got, body := s.do(t, "login", "POST", "/api/app/sites/example.org/query", `{"queries":[]}`, c.headers...)
		if got.StatusCode != c.want {
			t.Errorf("%v: got %d %s, want %d", c.headers, got.StatusCode, body, c.want)
		}
	}
}

func TestMethods(t *testing.T) {
	s := newServer(t, nil)
	for _, c := range []struct {
		method, path string
		want         int
	}{
		{"TRACE", "/", 405}, {"TRACE", "/api/event", 405}, {"POST", "/", 405}, {"DELETE", "/example.org", 405},
		{"HEAD", "/", 200}, {"GET", "/api/v2/query", 404}, {"PUT", "/api/app/state", 404}, {"GET", "/favicon.ico", 404},
		{"OPTIONS", "/api/event", 202}, {"GET", "/login", 200}, {"GET", "/setup?token=x", 200}, {"GET", "/app/", 404},
		{"GET", "/app/../data/bots.txt", 307}, {"GET", "/app/%2e%2e/data/bots.txt", 404}, {"GET", "/app/data/bots.txt", 404},
	} {
		if got, _ := s.do(t, "anonymous", c.method, c.path, ""); got.StatusCode != c.want {
			t.Errorf("%s %s: got %d, want %d", c.method, c.path, got.StatusCode, c.want)
		}
	}
}

func TestHeaders(t *testing.T) {
	s := newServer(t, nil)
	const csp = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
	for _, path := range []string{"/", "/app/app.js", "/api/app/state", "/api/v2/query", "/nothing"} {
		got, _ := s.do(t, "anonymous", "GET", path, "")
		for name, want := range map[string]string{
			"Content-Security-Policy": csp, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin", "X-Frame-Options": "DENY",
			"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin", "X-Robots-Tag": "noindex, nofollow",
			"Strict-Transport-Security": "",
		} {
			if got.Header.Get(name) != want {
				t.Errorf("%s: %s is %q, want %q", path, name, got.Header.Get(name), want)
			}
		}
	}
	// httptest's peer is the loopback, a trusted proxy.
	if got, _ := s.do(t, "anonymous", "GET", "/", "", "X-Forwarded-Proto", "https"); got.Header.Get("Strict-Transport-Security") == "" {
		t.Error("over https the browser is not told to stay there")
	}
}

func TestScript(t *testing.T) {
	s := newServer(t, nil)
	got, body := s.do(t, "anonymous", "GET", "/js/script.js", "")
	for name, want := range map[string]string{
		"Content-Type": "application/javascript", "X-Content-Type-Options": "nosniff", "Cross-Origin-Resource-Policy": "cross-origin",
		"Access-Control-Allow-Origin": "*", "Cache-Control": "public, max-age=86400, must-revalidate", "Set-Cookie": "", "Vary": "Accept-Encoding",
	} {
		if got.Header.Get(name) != want {
			t.Errorf("%s is %q, want %q", name, got.Header.Get(name), want)
		}
	}
	if body != strings.Repeat("!function(){}();", 50) {
		t.Error("the script is not the one that was built")
	}
	again, _ := s.do(t, "login", "GET", "/js/script.js", "", "User-Agent", "another")
	if again.Header.Get("ETag") != got.Header.Get("ETag") {
		t.Error("the tag differs between visitors")
	}
}

func TestFiles(t *testing.T) {
	s := newServer(t, nil)
	for path, cache := range map[string]string{
		"/app/app.js": "no-cache", "/app/map-X3J5KQ2Z.js": "public, max-age=31536000, immutable", "/": "no-cache", "/example.org": "no-cache",
	} {
		got, _ := s.do(t, "anonymous", "GET", path, "")
		if got.Header.Get("Cache-Control") != cache || got.Header.Get("Content-Encoding") != "" {
			t.Errorf("%s: Cache-Control %q, want %q", path, got.Header.Get("Cache-Control"), cache)
		}
		same, body := s.do(t, "anonymous", "GET", path, "", "If-None-Match", `"x", `+got.Header.Get("ETag"))
		if same.StatusCode != 304 || body != "" {
			t.Errorf("%s, known already: got %d with %d bytes", path, same.StatusCode, len(body))
		}
	}
	for accept, zipped := range map[string]bool{"gzip": true, "br, gzip;q=0.5": true, "gzip;q=0": false, "br": false, "x-gzip": false} {
		got, body := s.do(t, "anonymous", "GET", "/app/app.js", "", "Accept-Encoding", accept)
		if (got.Header.Get("Content-Encoding") == "gzip") != zipped {
			t.Errorf("Accept-Encoding %q: got %q", accept, got.Header.Get("Content-Encoding"))
		}
		if zipped {
			z, err := gzip.NewReader(strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			plain, err := io.ReadAll(z)
			if err != nil || string(plain) != string(built["app/app.js"].Data) {
				t.Errorf("unzipped it is another file: %v", err)
			}
		}
	}
}

func TestWithoutAssets(t *testing.T) {
	s := newServer(t, func(c *web.Config) { c.Assets = fstest.MapFS{} })
	for _, path := range []string{"/", "/login", "/js/script.js"} {
		if got, body := s.do(t, "anonymous", "GET", path, ""); got.StatusCode != 503 || !strings.Contains(body, "make build") {
			t.Errorf("%s: got %d %s", path, got.StatusCode, body)
		}
	}
	if got, _ := s.do(t, "anonymous", "POST", "/api/event", "{}"); got.StatusCode != 202 {
		t.Errorf("events are not counted: got %d", got.StatusCode)
	}
}

type brokenFS struct{ fs.FS }

func (brokenFS) Open(string) (fs.File, error) { return nil, errors.New("disk on fire") }

func TestBrokenAssetsAreAnError(t *testing.T) {
	a := auth.New(auth.Config{})
	_, err := web.New(web.Config{API: api.New(api.Config{Auth: a}), Auth: a, Assets: brokenFS{}, Ingest: http.NotFoundHandler()})
	if err == nil || !strings.Contains(err.Error(), "disk on fire") {
		t.Errorf("got %v", err)
	}
}

// health is what a monitor reads, one made for Plausible too.
func health(word string) string {
	return strings.ReplaceAll(`{"storage":"ok","postgres":"ok","clickhouse":"ok","sites_cache":"ok","sessions":"ok"}`, "ok", word)
}

func TestHealth(t *testing.T) {
	var broken error
	s := newServer(t, func(c *web.Config) { c.Ready = func() error { return broken } })
	check := web.Healthcheck{Listen: strings.TrimPrefix(s.URL, "http://")}
	if got, body := s.do(t, "anonymous", "GET", "/api/health", ""); got.StatusCode != 200 || body != health("ok") || check.Ask() != nil {
		t.Errorf("got %d %s, %v", got.StatusCode, body, check.Ask())
	}
	broken = errors.New("secret path of the data file")
	if got, body := s.do(t, "anonymous", "GET", "/api/system/health/ready", ""); got.StatusCode != 500 || body != health("error") {
		t.Errorf("got %d %s", got.StatusCode, body)
	}
	if err := check.Ask(); err == nil || !strings.Contains(err.Error(), "not ready") {
		t.Errorf("got %v", err)
	}
	broken = fmt.Errorf("write: %w", storage.ErrFull)
	if got, body := s.do(t, "anonymous", "GET", "/api/health", ""); got.StatusCode != 500 || body != health("full") {
		t.Errorf("got %d %s", got.StatusCode, body)
	}
	if err := check.Ask(); err == nil || !strings.Contains(err.Error(), "disk is full") {
		t.Errorf("got %v", err)
	}
	if got, body := s.do(t, "anonymous", "GET", "/api/system/health/live", ""); got.StatusCode != 200 || body != `{"ok":true}` {
		t.Errorf("got %d %s", got.StatusCode, body)
	}
	s.Close()
	if err := check.Ask(); err == nil || !strings.Contains(err.Error(), "is it running there?") {
		t.Errorf("got %v", err)
	}
}

func TestAPanicTellsNothing(t *testing.T) {
	set := metrics.New()
	for _, c := range []struct {
		name  string
		value any
	}{{"text", "canary-visitor"}, {"error", errors.New("canary-visitor")}, {"runtime", nil}} {
		t.Run(c.name, func(t *testing.T) {
			s := newServer(t, func(cfg *web.Config) {
				cfg.Metrics = set
				cfg.Ingest = http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
					if c.value != nil {
						panic(c.value)
					}
					none := strings.Fields("")
					_ = none[len(c.name)]
				})
			})
			got, body := s.do(t, "anonymous", "POST", "/api/event", "canary-body", "User-Agent", "canary-agent", "X-Forwarded-For", "203.0.113.77")
			if got.StatusCode != 500 || body != `{"error":"internal server error"}` {
				t.Errorf("got %d %s", got.StatusCode, body)
			}
			log := s.log.String()
			if !strings.Contains(log, "this is a bug") || !strings.Contains(log, "TestAPanicTellsNothing") {
				t.Errorf("the log does not say where: %s", log)
			}
			for _, mark := range []string{"canary", "203.0.113.77"} {
				if strings.Contains(log, mark) {
					t.Errorf("the log holds %s: %s", mark, log)
				}
			}
		})
	}
	answer := httptest.NewRecorder()
	set.Handler().ServeHTTP(answer, httptest.NewRequest("GET", "/metrics", nil))
	if !strings.Contains(answer.Body.String(), "footfall_http_panics_total 3") {
		t.Error("the panics are not counted")
	}
}

func TestMetricsKnowRoutesOnly(t *testing.T) {
	set := metrics.New()
	s := newServer(t, func(c *web.Config) { c.Metrics = set })
	set.Counters("dropped_events_total", "Events not counted.", "reason", func() map[string]float64 { return map[string]float64{"bot": 3} })
	set.Gauge("open_days", "Days in memory.", func() float64 { return 2 })
	s.do(t, "login", "GET", "/api/app/sites/example.org/status?canary-query", "")
	s.do(t, "anonymous", "GET", "/canary-path", "")
	if got, _ := s.do(t, "login", "GET", "/metrics", ""); got.Header.Get("Content-Type") != "text/html; charset=utf-8" {
		t.Error("metrics are public")
	}
	answer := httptest.NewRecorder()
	set.Handler().ServeHTTP(answer, httptest.NewRequest("GET", "/metrics", nil))
	text := answer.Body.String()
	for _, want := range []string{
		`footfall_http_request_seconds_count{route="GET /api/app/sites/{domain}/status",status="2xx"} 1`,
		`footfall_dropped_events_total{reason="bot"} 3`, `footfall_open_days 2`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is missing", want)
		}
	}
	if strings.Contains(text, "canary") || strings.Contains(text, "example.org") {
		t.Error("the metrics hold what was asked for")
	}
}

func TestServeDrains(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	s := newServer(t, func(c *web.Config) {
		c.Ingest = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			close(entered)
			<-leave
			io.WriteString(w, "ok")
		})
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.web.Serve(ctx, listener) }()
	answered := make(chan string, 1)
	go func() {
		got, err := http.Post("http://"+listener.Addr().String()+"/api/event", "text/plain", strings.NewReader("{}"))
		if err != nil {
			answered <- err.Error()
			return
		}
		defer got.Body.Close()
		b, _ := io.ReadAll(got.Body)
		answered <- string(b)
	}()
	<-entered
	cancel()
	select {
	case err := <-served:
		t.Fatalf("the server stopped with a request under way: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	close(leave)
	if got := <-answered; got != "ok" {
		t.Errorf("the request under way got %q", got)
	}
	if err := <-served; err != nil {
		t.Errorf("got %v", err)
	}
}

func TestServeSaysWhyItCannot(t *testing.T) {
	s := newServer(t, nil)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener.Close()
	if err := s.web.Serve(context.Background(), listener); err == nil {
		t.Error("no error")
	}
}

// memory is a listener whose connections come from wherever the test says.
type memory struct {
	conns chan net.Conn
	once  sync.Once
}

type from struct {
	net.Conn
	addr net.Addr
}

func (f from) RemoteAddr() net.Addr { return f.addr }

func (m *memory) Accept() (net.Conn, error) {
	c, ok := <-m.conns
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}
func (m *memory) Close() error   { m.once.Do(func() { close(m.conns) }); return nil }
func (m *memory) Addr() net.Addr { return &net.TCPAddr{} }

func TestOneAddressCannotTakeAllConnections(t *testing.T) {
	m := &memory{conns: make(chan net.Conn)}
	limited := web.NewLimited(m, netip.MustParsePrefix("10.0.0.0/8").Contains)
	accepted := make(chan net.Conn)
	go func() {
		defer close(accepted)
		for {
			c, err := limited.Accept()
			if err != nil {
				return
			}
			accepted <- c
		}
	}()
	dial := func(addr string) {
		m.conns <- from{new(closed), net.TCPAddrFromAddrPort(netip.MustParseAddrPort(addr))}
	}
	var last net.Conn
	for i := range web.MaxConnsAddress {
		dial(fmt.Sprintf("[2001:db8::%x]:1", i+1))
		last = <-accepted
	}
	dial("[2001:db8::ffff]:1") // one too many of this /64
	dial("[2001:db8:0:1::1]:1")
	if c := <-accepted; c.RemoteAddr().String() != "[2001:db8:0:1::1]:1" {
		t.Errorf("accepted %v", c.RemoteAddr())
	}
	last.Close()
	last.Close() // twice is once
	dial("[2001:db8::ffff]:2")
	if c := <-accepted; c.RemoteAddr().String() != "[2001:db8::ffff]:2" {
		t.Errorf("accepted %v", c.RemoteAddr())
	}
	for i := range web.MaxConnsAddress + 1 { // proxies bring everyone
		dial(fmt.Sprintf("10.0.0.1:%d", i+1))
		<-accepted
	}
	limited.Close()
	if _, open := <-accepted; open {
		t.Error("accepted a connection after the end")
	}
}

// closed is a connection that can only be closed.
type closed struct{ net.Conn }

func (*closed) Close() error { return nil }
