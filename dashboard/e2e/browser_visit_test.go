package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
)

const (
	ownerEmail    = "owner@site.example"
	ownerPassword = "correct horse battery"
)

// clockZone returns a time zone in which it is neither night nor late, from those a browser lists: no midnight comes
// during a test.
func clockZone(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"Europe/Berlin", "Asia/Tokyo", "America/Los_Angeles"} {
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		if h := time.Now().In(zone).Hour(); 3 <= h && h < 21 {
			return name
		}
	}
	t.Fatal("it is night everywhere")
	return ""
}

// testFirstRun is the way of a new operator: from the link on the terminal to the first number, and then another site.
func testFirstRun(t *testing.T, c *chromium) {
	s := start(t, "serve", t.TempDir())
	zone := clockZone(t)
	owner := c.person(t)

	setUp(owner, s)
	snippet := addFirstSite(owner, s, zone)
	firstVisit(owner, c.person(t), s, snippet)

	t.Run("single page", func(t *testing.T) { testSinglePage(t, owner.in(t), c.person(t), s, zone, snippet) })
	t.Run("login", func(t *testing.T) { testLogin(owner.in(t), s) })
	t.Run("own script", func(t *testing.T) { testOwnScript(t, owner.in(t), c.person(t), s) })
	owner.quiet(s.URL)
}

// in is the same tab in a subtest.
func (b *tab) in(t *testing.T) *tab { return &tab{t, b.ctx, b.witness} }

// setUp follows the link of the terminal and makes the first account.
func setUp(owner *tab, s *server) {
	link := s.SetupLink()
	if !strings.HasPrefix(link, s.URL+"/setup?token=") {
		owner.t.Fatalf("setup link %q", link)
	}
	owner.open(link)
	owner.until(`!!$("setup-form")`, true)
	owner.until(`document.activeElement.id`, "email")
	owner.look("setup")
	owner.fill("#email", ownerEmail)
	owner.fill("#password", "too short")
	owner.press("\r")
	owner.until(`document.querySelector("[role=alert]").innerText.includes("12 characters")`, true)
	owner.fill("#password", strings.Repeat("\b", len("too short"))+ownerPassword)
	owner.press("\r")
	owner.until(`!!$("add-site-form")`, true)
	owner.same(`[location.pathname, location.search, document.cookie]`, []string{"/", "", ""})
	if c := owner.cookies(s.URL); len(c) != 1 || !c[0].HTTPOnly || c[0].SameSite != network.CookieSameSiteLax {
		owner.t.Errorf("cookies after the setup: %+v", c)
	}
}

// addFirstSite names the site and returns the snippet that the page shows.
func addFirstSite(owner *tab, s *server, zone string) (snippet string) {
	owner.until(`document.activeElement.id`, "domain")
	owner.look("add-site")
	owner.fill("#domain", "https://www.site.example/")
	owner.same(fmt.Sprintf(`(document.querySelector("#timezone").value = %q)`, zone), zone)
	owner.click("[type=submit]")
	owner.until(`$("waiting").innerText.trim()`, "Waiting for the first visit…")
	owner.look("waiting")

	// A page whose snippet has a slip in it is counted nowhere; who waits for its visit is told.
	owner.until(`performance.getEntriesByType("resource").some(r => r.name.endsWith("/api/app/system"))`, true)
	send(s.URL, "siet.example", "/", firefox)
	owner.until(`$("astray")?.innerText.startsWith("Meanwhile an event came for a site that is not set up here.")`, true)
	owner.look("waiting-astray")

	snippet = eval[string](owner, `$("snippet").textContent`)
	if want := `<script defer data-domain="site.example" src="` + s.URL + `/js/script.js"></script>`; snippet != want {
		owner.t.Fatalf("the snippet is %s\nwant %s", snippet, want)
	}
	// A page may not read the clipboard without asking; what was copied is seen on its way there.
	owner.same(`(window.copied = null, document.addEventListener("copy", e => { window.copied = getSelection().toString() || document.activeElement.value }),
		navigator.clipboard && (navigator.clipboard.writeText = async text => { window.copied = text }), 0)`, 0)
	owner.click(id("snippet-copy"))
	owner.until(`[$("snippet-copy").innerText.trim(), copied]`, []string{"Copied", snippet})
	return snippet
}

// firstVisit has a visitor come by a newsletter and read three pages, while the operator waits.
func firstVisit(owner, visitor *tab, s *server, snippet string) {
	w := newWebsite(owner.t)
	w.head = snippet
	w.link = w.origin("site.example") + "/?utm_source=newsletter&utm_medium=email&utm_campaign=spring"
	owner.same(`(window.neverLeft = true)`, true)

	visitor.open(w.origin("news.example") + "/today")
	visitor.click("#story")
	visitor.untilCounted("pageview", 1)
	owner.until(`[!!$("dashboard"), !!$("waiting"), window.neverLeft, location.pathname + location.search]`, []any{true, false, true, "/site.example"})
	owner.until(`cards("visitors", "visits")`, []string{"1", "1"})

	visitor.click("#pricing")
	visitor.untilCounted("pageview", 2)
	visitor.click("#start")
	visitor.untilCounted("pageview", 3)
	owner.same(`dispatchEvent(new Event("focus"))`, true) // the operator comes back to the window
	owner.until(`[settled() && cards("pageviews")[0], window.neverLeft]`, []any{"3", true})
	owner.reload()
	owner.until(`settled() && cards("visitors", "visits", "pageviews", "views_per_visit", "bounce_rate")`, []string{"1", "1", "3", "3", "0"})
	owner.until(`$("current-visitors").dataset.value`, "1")
	owner.until(`rows("sources")`, [][]string{{"newsletter", "1"}})
	owner.until(`rows("pages")`, [][]string{{"/", "1"}, {"/docs/start", "1"}, {"/pricing", "1"}})
	owner.until(`rows("devices")`, [][]string{{"Chrome", "1"}})
	owner.panel("channels", "sources", [][]string{{"Email", "1"}})
	owner.panel("utm_campaign", "sources", [][]string{{"spring", "1"}})
	owner.panel("entry_pages", "pages", [][]string{{"/", "1"}})
	owner.panel("exit_pages", "pages", [][]string{{"/docs/start", "1"}})
	owner.panel("systems", "devices", [][]string{{"Windows", "1"}})
	owner.panel("sizes", "devices", [][]string{{"Desktop", "1"}})
	owner.look("first-visit")

	visitor.leftNothing()
	visitor.quiet(w.origin("news.example"), w.origin("site.example"), s.URL)
	visitor.askedOnly(s, "GET /js/script.js", "POST /api/event")
}

// untilCounted waits until the server has taken so many events of a name. More are an error.
func (b *tab) untilCounted(event string, want int) {
	b.t.Helper()
	for deadline := time.Now().Add(changeTime); b.counted(event) != want; time.Sleep(lookEvery) {
		if got := b.counted(event); got > want || time.Now().After(deadline) {
			b.t.Fatalf("%d events %q were counted, want %d\n%s", got, event, want, b)
		}
	}
}

// panel opens a tab of a panel and waits for its rows.
func (b *tab) panel(report, panel string, want [][]string) {
	b.t.Helper()
	b.click(id("tab-" + report))
	b.until(`rows("`+panel+`")`, want)
}

// askedOnly fails if the tab asked anything else of the server.
func (b *tab) askedOnly(s *server, allowed ...string) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range b.requests {
		if path, ok := strings.CutPrefix(r.url, s.URL); ok && !slices.Contains(allowed, r.method+" "+path) {
			b.t.Errorf("the visitor's browser asked %s %s", r.method, path)
		}
	}
}

// untilAnswer waits for footfall query to give these dimensions and metrics, row by row.
func untilAnswer(t *testing.T, s *server, site, query, want string) {
	t.Helper()
	for deadline := time.Now().Add(changeTime); ; time.Sleep(lookEvery) {
		var result struct {
			Results []struct{ Dimensions, Metrics json.RawMessage }
		}
		out := mustFootfall(t, strings.NewReader(query), "query", "--site", site, "-", "--data", s.Dir)
		if err := json.Unmarshal([]byte(out), &result); err != nil {
			t.Fatalf("%v in %s", err, out)
		}
		rows := []string{}
		for _, r := range result.Results {
			rows = append(rows, string(r.Dimensions), string(r.Metrics))
		}
		got := fmt.Sprint(rows)
		if got == want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("query %s\n got %s\nwant %s", query, got, want)
		}
	}
}

// testSinglePage counts a site that is one document and changes its address by script.
func testSinglePage(t *testing.T, owner, visitor *tab, s *server, zone, snippet string) {
	mustFootfall(t, nil, "site", "add", "single.example", "--timezone", zone, "--data", s.Dir)
	w := newWebsite(t)
	w.head = strings.ReplaceAll(snippet, "site.example", "single.example")
	w.link = w.origin("single.example") + "/welcome"

	visitor.open(w.origin("news.example") + "/today")
	visitor.click("#story")
	visitor.untilCounted("pageview", 1)
	visitor.same(`history.pushState({}, "", "/team")`, nil)
	visitor.untilCounted("pageview", 2)
	visitor.same(`history.pushState({}, "", "/jobs")`, nil)
	visitor.untilCounted("pageview", 3)

	owner.open(s.URL + "/single.example")
	owner.until(`settled() && cards("visitors", "visits", "pageviews", "bounce_rate")`, []string{"1", "1", "3", "0"})
	owner.until(`rows("sources")`, [][]string{{"news.example", "1"}})
	owner.until(`rows("pages")`, [][]string{{"/jobs", "1"}, {"/team", "1"}, {"/welcome", "1"}})
	owner.panel("entry_pages", "pages", [][]string{{"/welcome", "1"}})
	owner.panel("exit_pages", "pages", [][]string{{"/jobs", "1"}})
	visitor.leftNothing()
	visitor.quiet(w.origin("news.example"), w.origin("single.example"), s.URL)
}

// testLogin leaves, is refused, and comes back to where the operator wanted to go.
func testLogin(owner *tab, s *server) {
	owner.open(s.URL + "/")
	owner.until(`$$("site").length`, 2)
	owner.look("sites")
	owner.click(id("menu"))
	owner.same(`document.querySelector("[role=menu]").innerText.includes("`+ownerEmail+`")`, true)
	clickText(owner, "[role=menuitem]", "Log out")
	owner.until(`[!!$("login-form"), location.pathname]`, []any{true, "/login"})
	owner.same(`fetch("/api/app/state").then(r => r.json()).then(s => [s.user, s.sites?.length ?? 0])`, []any{nil, 0})
	if c := owner.cookies(s.URL); len(c) > 0 {
		owner.t.Errorf("%d cookies after the logout", len(c))
	}
	owner.look("login")

	owner.open(s.URL + "/site.example")
	owner.until(`document.activeElement.id`, "email")
	owner.fill("#email", ownerEmail)
	owner.fill("#password", "wrong horse battery")
	owner.press("\r")
	owner.until(`!!document.querySelector("[role=alert]").innerText && !document.querySelector("[type=submit]").disabled`, true)
	owner.look("login-refused")
	owner.forgive(owner.t, "/api/app/login") // the browser says that it was refused
	owner.fill("#password", strings.Repeat("\b", len("wrong horse battery"))+ownerPassword)
	owner.press("\r")
	owner.until(`cards("visitors", "pageviews")`, []string{"1", "3"})
	owner.same(`location.pathname`, "/site.example")

	res, err := http.Get(s.URL + "/api/app/sites/site.example/current")
	if err != nil {
		owner.t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusUnauthorized {
		owner.t.Errorf("without a cookie: status %d", res.StatusCode)
	}
}

// clickText clicks the first of several elements that begins with a text.
func clickText(b *tab, css, text string) {
	b.t.Helper()
	b.until(fmt.Sprintf(`(([...document.querySelectorAll(%q)].find(e => e.innerText.trim().startsWith(%q)) ?? null).dataset.chosen = "1")`, css, text), "1")
	b.click("[data-chosen]")
	b.same(`document.querySelectorAll("[data-chosen]").forEach(e => delete e.dataset.chosen)`, nil)
}
