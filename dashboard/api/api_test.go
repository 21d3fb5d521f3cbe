package api_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"footfall/dashboard/api"
	"footfall/dashboard/auth"
	"footfall/storage"
	"footfall/storage/account"
	"footfall/storage/day"
	"footfall/storage/schema"
	"footfall/storage/verb"
)

var update = flag.Bool("update", false, "write the answers of this run into testdata/http")

const password = "correct horse battery"

// server is an API over a real store, on a real listener.
type server struct {
	*httptest.Server
	store  *storage.Store
	auth   *auth.Auth
	token  string // a bearer token that reads
	setter string // one that changes sites too
	cookie string // a login cookie
}

func newServer(t *testing.T, demo bool) *server {
	t.Helper()
	ctx, now, log := context.Background(), func() time.Time { return noon }, slog.New(slog.DiscardHandler)
	store, err := storage.Open(ctx, storage.Config{Dir: t.TempDir(), Create: true, Now: now, Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	s := &server{store: store}
	s.auth = auth.New(auth.Config{Book: store.Accounts(), Now: now, Logger: log, Demo: demo})
	siteless := func() map[string]int64 { return map[string]int64{"invalid": 2, "not_found": 312, "bot": 0} }
	a := api.New(api.Config{Store: store, Book: store.Accounts(), Auth: s.auth, Version: "test", Siteless: siteless, Now: now, Logger: log,
		Doctor: func(context.Context) []verb.Finding {
			return []verb.Finding{{Level: verb.Fine, About: "disk", Text: "1 GiB free"}}
		},
		Watched: []verb.Examiner{verb.ExamineFunc(func(*verb.Context) []verb.Finding {
			return []verb.Finding{{Level: verb.Problem, About: "addresses", Text: "all come from one place", Mend: "--trusted-proxy private"}}
		})}})
	mux := http.NewServeMux()
	for _, r := range a.Routes() {
		mux.HandleFunc(r.Method+" "+r.Path, r.Handler)
	}
	s.Server = httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

// fill adds two sites, an account, a token and two days of visits.
func (s *server) fill(t *testing.T) {
	t.Helper()
	ctx := context.Background()
	site, err := s.store.AddSite(ctx, "example.org", "Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	if _, err = s.store.AddSite(ctx, "example.org/blog", "Etc/UTC"); err != nil {
		t.Fatal(err)
	}
	if s.token, _, err = auth.NewToken(ctx, s.store.Accounts(), "test", auth.ScopeRead, noon); err != nil {
		t.Fatal(err)
	}
	if s.setter, _, err = auth.NewToken(ctx, s.store.Accounts(), "setter", auth.ScopeProvision, noon); err != nil {
		t.Fatal(err)
	}
	if !s.auth.Demo() {
		if s.cookie, err = s.auth.Setup(ctx, auth.Peer{}, s.auth.SetupToken(), "ann@example.org", password); err != nil {
			t.Fatal(err)
		}
	}
	german := schema.Attributes{schema.Source: "Google", schema.Channel: "Organic Search", schema.Country: "DE", schema.Browser: "Firefox"}
	french := schema.Attributes{schema.Channel: "Direct", schema.Country: "FR", schema.Browser: "Safari"}
	unknown := schema.Attributes{schema.Source: "Google", schema.Channel: "Organic Search"}
	plan := []day.Prop{{Key: "plan", Value: "pro"}}
	s.visits(t, site.ID, "2026-05-19",
		visit{1, german, []hit{{"10:00:00", day.Pageview, "/", nil}, {"10:01:00", day.Pageview, "/pricing", nil}, {"10:02:00", "Signup", "/pricing", plan}}},
		visit{2, french, []hit{{"23:30:00", day.Pageview, "/", nil}}})
	s.visits(t, site.ID, "2026-05-20",
		visit{3, german, []hit{{"09:15:00", day.Pageview, "/blog", nil}, {"09:16:30", day.Pageview, "/a<b>&\"c\"", nil}}},
		visit{4, unknown, []hit{{"12:28:00", day.Pageview, "/", nil}}})
	date, _ := schema.ParseDate("2026-05-20")
	s.store.Dropped(site.ID, date, "bot", 7)
	s.store.Dropped(site.ID, date-1, "bot", 2)
	s.store.Dropped(site.ID, date, "blocked", 1)
	s.store.Dropped(site.ID, date-5, "spam_referrer", 4)
	s.store.Ruled(site.ID, date-5, "site_page_blocklist", 7, true, 3)
}

type visit struct {
	visitor    uint64
	attributes schema.Attributes
	hits       []hit
}

type hit struct {
	at, name, path string
	props          []day.Prop
}

func (s *server) visits(t *testing.T, site schema.Site, date string, visits ...visit) {
	t.Helper()
	d, err := schema.ParseDate(date)
	if err != nil {
		t.Fatal(err)
	}
	open, err := s.store.OpenDay(site, d)
	if err != nil {
		t.Fatal(err)
	}
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	var rows []day.Row
	for i, v := range visits {
		for j, h := range v.hits {
			at, err := time.ParseInLocation(time.DateTime, date+" "+h.at, zone)
			if err != nil {
				t.Fatal(err)
			}
			row := day.Row{Visit: uint32(i), Event: day.Event{Time: at.Unix(), Name: h.name, Hostname: "example.org", Pathname: h.path,
				Interactive: true, ScrollDepth: day.NoScroll, Props: h.props}}
			if j == 0 {
				row.New = &day.NewVisit{Visitor: v.visitor, Attributes: v.attributes}
			}
			rows = append(rows, row)
		}
	}
	commit, err := s.store.Append(open, rows...)
	if err != nil {
		t.Fatal(err)
	}
	if err := commit.Wait(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// do sends one request. who is "token", "provision", "login" or nobody.
func (s *server) do(t *testing.T, who, method, path, kind, body string) (status int, answer string, header http.Header) {
	t.Helper()
	r, err := http.NewRequest(method, s.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", kind)
	switch who {
	case "token":
		r.Header.Set("Authorization", "Bearer "+s.token)
	case "provision":
		r.Header.Set("Authorization", "Bearer "+s.setter)
	case "login":
		r.AddCookie(&http.Cookie{Name: "footfall", Value: s.cookie})
	}
	got, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Body.Close()
	b, err := io.ReadAll(got.Body)
	if err != nil {
		t.Fatal(err)
	}
	return got.StatusCode, untold.ReplaceAllString(string(b), ""), got.Header
}

// untold is what is said of the script of a site that nobody has changed. Its name is random, so that do and run leave it out.
var untold = regexp.MustCompile(`,\s*"script":\s*\{\s*"id":\s*"pa-[A-Z2-7]{16}"(,\s*"(outbound_links|file_downloads|form_submissions|hash)":\s*false){4}\s*\}`)

// TestSiteScript changes what a site's own script does, as the dashboard and as a person at the command line.
func TestSiteScript(t *testing.T) {
	s := newServer(t, false)
	s.fill(t)
	site, _ := s.store.Accounts().SiteByDomain("example.org")
	check := func(what string, want account.Script) {
		t.Helper()
		want.ID = site.Script.ID
		if got, _ := s.store.Accounts().Site(site.ID); got.Script != want {
			t.Errorf("after %s: got %+v, want %+v", what, got.Script, want)
		}
	}
	for _, c := range []struct {
		body   string
		status int
		want   account.Script
	}{
		{`{"script":{"outbound_links":true,"hash":true}}`, 200, account.Script{OutboundLinks: true, Hash: true}},
		{`{"script":{"file_downloads":true,"form_submissions":true,"hash":false}}`, 200, account.Script{OutboundLinks: true, FileDownloads: true, FormSubmissions: true}},
		{`{"script":{}}`, 200, account.Script{OutboundLinks: true, FileDownloads: true, FormSubmissions: true}},
		{`{"script":{"id":"pa-mine"}}`, 400, account.Script{OutboundLinks: true, FileDownloads: true, FormSubmissions: true}},
		{`{"script":"hash"}`, 400, account.Script{OutboundLinks: true, FileDownloads: true, FormSubmissions: true}},
	} {
		status, answer, _ := s.do(t, "provision", "PUT", "/api/v1/sites/example.org", "application/json", c.body)
		if status != c.status || status == 200 && !strings.Contains(answer, `"script":{"id":"`+site.Script.ID+`","outbound_links":true`) {
			t.Errorf("%s: got %d %s", c.body, status, answer)
		}
		check(c.body, c.want)
	}
	name := "example.org: /js/" + site.Script.ID + ".js counts "
	for _, c := range []struct {
		words []string
		want  account.Script
		out   string
		code  int
	}{
		{[]string{"hash", "file-downloads"}, account.Script{FileDownloads: true, Hash: true}, name + "file-downloads, hash\n", 0},
		{[]string{"none"}, account.Script{}, name + "pageviews and what the page calls\n", 0},
		{[]string{"hash", "none"}, account.Script{}, "", verb.ExitUsage},
		{[]string{"cookies"}, account.Script{}, "", verb.ExitUsage},
	} {
		out, err := s.run(&api.SiteSet{Domain: "example.org", Script: c.words}, false, "")
		if out != c.out || verb.Code(err) != c.code {
			t.Errorf("--script %v: got %q, %v", c.words, out, err)
		}
		check(fmt.Sprint(c.words), c.want)
	}
}

// TestAnswers sends the requests of testdata/http in turn and compares status and body byte by byte. A file is a list of
//
//	> login POST /api/app/sites      who, method and path
//	{"domain": ...}                  the body, until
//	< 200                            the status
//	{"domain": ...}                  the answer
func TestAnswers(t *testing.T) {
	files, err := filepath.Glob("testdata/http/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no files", err)
	}
	for _, name := range files {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txt"), func(t *testing.T) {
			s := newServer(t, strings.Contains(name, "demo"))
			s.fill(t)
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			var fresh bytes.Buffer
			comment, rest, _ := strings.Cut(string(text), "\n> ")
			fresh.WriteString(comment)
			for exchange := range strings.SplitSeq(rest, "\n> ") {
				request, want, _ := strings.Cut(exchange, "\n< ")
				line, body, _ := strings.Cut(request, "\n")
				words := strings.Fields(line)
				if len(words) != 3 {
					t.Fatalf("no request: %q", line)
				}
				status, answer, _ := s.do(t, words[0], words[1], words[2], "application/json", body)
				got := fmt.Sprintf("%d\n%s", status, answer)
				if strings.TrimSpace(want) != got && !*update {
					t.Errorf("%s\n got %s\nwant %s", request, got, want)
				}
				fresh.WriteString("\n> " + strings.TrimSpace(request) + "\n< " + got + "\n")
			}
			if *update {
				if os.Getenv("CI") == "true" {
					t.Fatal("-update is for people, not for CI")
				}
				if err := os.WriteFile(name, fresh.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func TestQueryChecksInOrder(t *testing.T) {
	s := newServer(t, false)
	s.fill(t)
	const path = "/api/v2/query"
	good := `{"site_id":"example.org","metrics":["visitors"],"date_range":"7d"}`
	for _, c := range []struct {
		name, who, kind, body string
		status                int
		text                  string
	}{
		{"no key comes before all", "", "application/json", "{", 401, "Missing API key. Please use a valid Footfall API key as a Bearer Token."},
		{"a cookie is no key", "login", "application/json", good, 401, "Missing API key. Please use a valid Footfall API key as a Bearer Token."},
		{"no site", "token", "application/json", `{}`, 400, "Missing site ID. Please provide the required site_id parameter with your request."},
		{"another type is not read", "token", "text/plain", good, 400, "Missing site ID. Please provide the required site_id parameter with your request."},
		{"unknown site comes before the schema", "token", "application/json", `{"site_id":"other.org"}`, 401,
			"Invalid API key or site ID. Please make sure you're using a valid API key with access to the site you've requested."},
		{"not JSON", "token", "application/json", `{`, 400, "The request body is not valid JSON."},
		{"two values", "token", "application/json", good + good, 400, "The request body holds more than one JSON value."},
		{"schema", "token", "application/json", `{"site_id":"example.org"}`, 400, "#: Required properties metrics, date_range were not present."},
		{"long", "token", "application/json", `{"site_id":"` + strings.Repeat("a", api.MaxBody) + `"}`, 413, "The request body is too long."},
	} {
		status, answer, header := s.do(t, c.who, "POST", path, c.kind, c.body)
		if want := `{"error":"` + c.text + `"}`; status != c.status || answer != want {
			t.Errorf("%s: got %d %s, want %d %s", c.name, status, answer, c.status, want)
		}
		if header.Get("Content-Type") != "application/json; charset=utf-8" || header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: headers %v", c.name, header)
		}
	}
	s.token = "x"
	if status, _, _ := s.do(t, "token", "POST", path, "application/json", good); status != 401 {
		t.Errorf("unknown key: got %d", status)
	}
	var err error
	if s.token, _, err = auth.NewToken(context.Background(), s.store.Accounts(), "other", auth.ScopeProvision, noon); err != nil {
		t.Fatal(err)
	}
	if status, _, _ := s.do(t, "token", "POST", path, "application/json", good); status != 200 {
		t.Errorf("a key of another scope, which includes reading: got %d", status)
	}
}

// TestOtherValuesAreNoted has more event names than a day keeps.
func TestOtherValuesAreNoted(t *testing.T) {
	s := newServer(t, false)
	s.fill(t)
	site, _ := s.store.Accounts().SiteByDomain("example.org")
	var hits []hit
	for i := range day.MaxNames {
		hits = append(hits, hit{"08:00:00", fmt.Sprint("name ", i), "/", nil})
	}
	s.visits(t, site.ID, "2026-05-18", visit{9, schema.Attributes{}, hits}, visit{10, schema.Attributes{}, []hit{{"09:00:00", "one more", "/", nil}}})
	ask := func(dimension string) string {
		_, answer, _ := s.do(t, "token", "POST", "/api/v2/query", "application/json",
			`{"site_id":"example.org","metrics":["events"],"date_range":["2026-05-18","2026-05-18"],"dimensions":["`+dimension+`"],"filters":[["is","event:page",["/"]]],"pagination":{"limit":1}}`)
		_, meta, _ := strings.Cut(answer, `"meta":`)
		meta, _, _ = strings.Cut(meta, `,"query"`)
		return meta
	}
	if got := ask("event:name"); got != `{"other_values":{"event:name":1}}` {
		t.Errorf("by name: %s", got)
	}
	if got := ask("event:page"); got != `{}` {
		t.Errorf("by page: %s", got)
	}
	if _, got, _ := s.do(t, "login", "GET", "/api/app/sites/example.org/filtered?from=2026-05-18&to=2026-05-18", "", ""); got != `{"counted":10001,"reasons":[],"watched":[],"other":[{"dimension":"event:name","count":1}]}` {
		t.Errorf("got %s", got)
	}
}

func TestLoginIsThrottled(t *testing.T) {
	s := newServer(t, false)
	s.fill(t)
	for range 5 {
		if status, answer, _ := s.do(t, "", "POST", "/api/app/login", "application/json", `{"email":"ann@example.org","password":"wrong"}`); status != 401 || answer != `{"error":"E-mail or password is wrong."}` {
			t.Fatalf("got %d %s", status, answer)
		}
	}
	status, answer, header := s.do(t, "", "POST", "/api/app/login", "application/json", `{"email":"ann@example.org","password":"`+password+`"}`)
	if status != 429 || header.Get("Retry-After") != "1" || !strings.Contains(answer, "Too many attempts") {
		t.Errorf("got %d %s, Retry-After %q", status, answer, header.Get("Retry-After"))
	}
}

func TestFirstStart(t *testing.T) {
	s := newServer(t, false)
	state := func(want string) {
		t.Helper()
		if _, got, _ := s.do(t, "login", "GET", "/api/app/state", "", ""); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	state(`{"version":"test","demo":false,"setup":true,"add":false,"user":null,"sites":[]}`)
	status, answer, header := s.do(t, "", "POST", "/api/app/setup", "application/json",
		`{"token":"`+s.auth.SetupToken()+`","email":"ann@example.org","password":"`+password+`"}`)
	if status != 200 || answer != `{"version":"test","demo":false,"setup":false,"add":true,"user":{"email":"ann@example.org"},"sites":[]}` {
		t.Fatalf("got %d %s", status, answer)
	}
	cookies := (&http.Response{Header: header}).Cookies()
	if len(cookies) != 1 || cookies[0].Name != "footfall" || !cookies[0].HttpOnly {
		t.Fatalf("cookies %v", cookies)
	}
	s.cookie = cookies[0].Value
	if status, answer, _ := s.do(t, "login", "POST", "/api/app/sites", "application/json", `{"domain":"https://www.Example.org/","timezone":"Europe/Berlin"}`); status != 201 || answer != `{"domain":"example.org","timezone":"Europe/Berlin","created":"2026-05-20T10:30:15Z"}` {
		t.Errorf("got %d %s", status, answer)
	}
	state(`{"version":"test","demo":false,"setup":false,"add":true,"user":{"email":"ann@example.org"},"sites":[{"domain":"example.org","timezone":"Europe/Berlin","created":"2026-05-20T10:30:15Z"}]}`)
	if status, answer, _ := s.do(t, "login", "GET", "/api/app/sites/example.org/status", "", ""); status != 200 || answer != `{"events":0,"first":null,"last":null,"now":"2026-05-20T10:30:15Z","today":"2026-05-20","timezone":"Europe/Berlin"}` {
		t.Errorf("got %d %s", status, answer)
	}
	if status, _, _ := s.do(t, "login", "POST", "/api/app/logout", "application/json", "{}"); status != 200 {
		t.Errorf("logout: got %d", status)
	}
	state(`{"version":"test","demo":false,"setup":false,"add":false,"user":null,"sites":[]}`)
}
