// Package tracker_test drives the built script in a real browser and reads what arrives.
package tracker_test

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"footfall/assets"
	"footfall/assets/tracker"

	"github.com/chromedp/chromedp"
)

// The budgets of the design, in bytes, compressed as the server does. The script is loaded on every page of every site.
const (
	maxPageviews = 1000 // of script.js
	maxAll       = 2000 // of any script
)

func mustSet(t *testing.T) *tracker.Set {
	t.Helper()
	set, err := tracker.Load(assets.Dist)
	if err != nil || set == nil {
		t.Fatalf("run make assets: %v", err)
	}
	return set
}

func size(script []byte) int {
	var b bytes.Buffer
	z, _ := gzip.NewWriterLevel(&b, gzip.BestCompression)
	z.Write(script)
	z.Close()
	return b.Len()
}

// TestScripts looks at every script there is.
func TestScripts(t *testing.T) {
	set := mustSet(t)
	seen := map[string]int{}
	largest := 0
	for number := range 1024 {
		script, err := set.Shared(number, tracker.Endpoint)
		if err != nil {
			t.Fatal(err)
		}
		if other, ok := seen[string(script)]; ok {
			t.Errorf("scripts %d and %d are the same", number, other)
		}
		seen[string(script)] = number
		if n := bytes.Count(script, []byte(`"/api/event"`)); n != 1 {
			t.Errorf("script %d names its endpoint %d times", number, n)
		}
		if number == 0 && bytes.Contains(script, []byte("\n")) {
			t.Skip("built for development")
		}
		largest = max(largest, size(script))
	}
	small, _ := set.Shared(0, tracker.Endpoint)
	own := set.Own(tracker.Site{Domain: "example.org", Endpoint: tracker.Endpoint, Outbound: true, Downloads: true, Forms: true})
	if bytes.Contains(own, []byte("FOOTFALL_SITE")) {
		t.Error("a site's own script asks for its settings twice")
	}
	t.Logf("script.js %d bytes, a site's own script %d, the largest of all %d", size(small), size(own), largest)
	if n := size(small); n > maxPageviews {
		t.Errorf("script.js has %d bytes compressed, the budget is %d", n, maxPageviews)
	}
	if n := max(largest, size(own)); n > maxAll {
		t.Errorf("a script has %d bytes compressed, the budget is %d", n, maxAll)
	}
	elsewhere, err := set.Shared(0, "/assets/e")
	if err != nil || !bytes.Contains(elsewhere, []byte(`"/assets/e"`)) || bytes.Contains(elsewhere, []byte("/api/event")) {
		t.Errorf("a script that sends elsewhere does not: %v", err)
	}
}

func TestNames(t *testing.T) {
	set := mustSet(t)
	for end, want := range map[string]int{
		"js": 0, "hash.js": 1, "local.js": 2, "hash.local.js": 3, "local.hash.js": 3, "revenue.js": 0, "pageleave.hash.js.js": 1, "pageview-props.js": 512,
	} {
		if got, ok := set.Number(end); !ok || got != want {
			t.Errorf("%s: got %d, %v, want %d", end, got, ok, want)
		}
	}
	for _, end := range []string{"", "mjs", "hash", "hash.", ".js", "hash..js", "hash.hash.js", "Hash.js", "pa-1.js", "js.map"} {
		if got, ok := set.Number(end); ok {
			t.Errorf("%s: got %d, want none", end, got)
		}
	}
}

// event is what the script sends, with the keys of the wire format.
type event struct {
	Name        string         `json:"n"`
	URL         string         `json:"u"`
	Domain      *string        `json:"d"`
	Referrer    *string        `json:"r"`
	Props       map[string]any `json:"p"`
	Revenue     map[string]any `json:"$"`
	Interactive *bool          `json:"i"`
	Hash        int            `json:"h"`
	Version     int            `json:"v"`
	Depth       *int           `json:"sd"`
	Engaged     *int           `json:"e"`
}

// web is a website and the server that its script sends to.
type web struct {
	*httptest.Server
	site   tracker.Site  // of /js/pa-own.js
	header http.Header   // of the answer to an event
	hold   chan struct{} // events are answered once it is closed
	mu     sync.Mutex
	events []event
}

// storageSpy makes every write to the device visible, and what the script could mistake for its start.
const storageSpy = `window.writes = 0;
for (const name of ["setItem", "removeItem"]) {
	const real = Storage.prototype[name];
	Storage.prototype[name] = function (...a) { writes++; return real.apply(this, a) };
}`

func newWeb(t *testing.T) *web {
	w := &web{hold: make(chan struct{})}
	close(w.hold)
	set := mustSet(t)
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/event", func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Access-Control-Allow-Origin", "*")
		maps.Copy(rw.Header(), w.header)
		body, _ := io.ReadAll(r.Body)
		var e event
		if err := json.Unmarshal(body, &e); err != nil {
			t.Errorf("body %q: %v", body, err)
		}
		if ct := r.Header.Get("Content-Type"); !strings.HasPrefix(ct, "text/plain") {
			t.Errorf("content type %q", ct)
		}
		w.mu.Lock()
		w.events = append(w.events, e)
		w.mu.Unlock()
		<-w.hold
		rw.WriteHeader(http.StatusAccepted)
	})
	mux.HandleFunc("GET /js/{name}", func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Content-Type", "text/javascript")
		base, end, _ := strings.Cut(r.PathValue("name"), ".")
		if base == "pa-own" {
			rw.Write(set.Own(w.site))
			return
		}
		number, ok := set.Number(end)
		script, err := set.Shared(number, tracker.Endpoint)
		if !ok || err != nil {
			t.Errorf("script %s: %v", end, err)
		}
		rw.Write(script)
	})
	// Any other path is a page: the query says which script with which attributes, what runs before it, and what else is in the page.
	mux.HandleFunc("GET /", func(rw http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		rw.Header().Set("Content-Type", "text/html")
		if policy := q.Get("policy"); policy != "" {
			rw.Header().Set("Content-Security-Policy", policy)
		}
		fmt.Fprintf(rw, `<!doctype html><title>page</title><script>%s;%s</script>
<script %s src="/js/%s"></script>%s<p style="height:4000px">text</p>`, storageSpy, q.Get("before"), cmp.Or(q.Get("with"), "defer"), cmp.Or(q.Get("script"), "script.js"), q.Get("body"))
	})
	w.Server = httptest.NewServer(mux)
	t.Cleanup(w.Close)
	return w
}

// page returns the address of a page under a name that is not localhost. with are attributes of the script, before is
// what runs ahead of it.
func (w *web) page(path, with, before string) string {
	return w.pageOf(path, url.Values{"with": {"defer " + with}, "before": {before}})
}

// pageOf returns the address of a page that is made as the query says.
func (w *web) pageOf(path string, query url.Values) string {
	_, port, _ := strings.Cut(strings.TrimPrefix(w.URL, "http://"), ":")
	return "http://site.example:" + port + path + "?" + query.Encode()
}

// wait returns the events once there are n, sorted by name, for requests overtake each other. It fails if they do not come
// or more come with them.
func (w *web) wait(t *testing.T, n int) []event {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		w.mu.Lock()
		events := slices.Clone(w.events)
		w.mu.Unlock()
		if len(events) >= n || time.Now().After(deadline) {
			if len(events) != n {
				t.Fatalf("%d events, want %d: %v", len(events), n, names(events))
			}
			slices.SortStableFunc(events, func(a, b event) int { return strings.Compare(a.Name, b.Name) })
			return events
		}
	}
}

// forget starts a new count.
func (w *web) forget() {
	w.mu.Lock()
	w.events = nil
	w.mu.Unlock()
}

func names(events []event) []string {
	var list []string
	for _, e := range events {
		list = append(list, e.Name)
	}
	return list
}

// newBrowser starts one browser; each call of the function it returns is a new tab.
func newBrowser(t *testing.T) func(t *testing.T) context.Context {
	t.Helper()
	if testing.Short() {
		t.Skip("starts a browser")
	}
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			path = p
			break
		}
	}
	if path == "" {
		t.Fatal("no browser: install Chromium (make chromium)")
	}
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("host-resolver-rules", "MAP site.example 127.0.0.1"))
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(cancel)
	first, cancelFirst := chromedp.NewContext(ctx)
	t.Cleanup(cancelFirst)
	if _, err := chromedp.Run(first, chromedp.Navigate("about:blank")); err != nil {
		t.Fatalf("start the browser: %v", err)
	}
	return func(t *testing.T) context.Context {
		t.Helper()
		tab, cancelTab := chromedp.NewContext(first)
		t.Cleanup(cancelTab)
		if _, err := chromedp.Run(tab, chromedp.Navigate("about:blank")); err != nil {
			t.Fatalf("open a tab: %v", err)
		}
		limited, cancelLimit := context.WithTimeout(tab, 30*time.Second)
		t.Cleanup(cancelLimit)
		return limited
	}
}

func open(t *testing.T, tab context.Context, address string) {
	t.Helper()
	if _, err := chromedp.Run(tab, chromedp.Navigate(address)); err != nil {
		t.Fatalf("open %s: %v", address, err)
	}
}

// do runs a program in the page, which may return a promise, and returns its value as JSON.
func do(t *testing.T, tab context.Context, program string) string {
	t.Helper()
	wrapped := "(async () => JSON.stringify((await (async () => {" + program + "})()) ?? null))()"
	out, err := chromedp.Run(tab, chromedp.Evaluate[string](wrapped, chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatalf("run %s: %v", program, err)
	}
	return out
}

// automated tells the script that this browser is to be counted although a program drives it.
const automated = "window.__plausible = true"

func TestScript(t *testing.T) {
	newTab := newBrowser(t)

	t.Run("pageviews", func(t *testing.T) {
		w, tab := newWeb(t), newTab(t)
		address := w.page("/one", `data-domain="site.example"`, automated)
		open(t, tab, address)
		first := w.wait(t, 1)[0]
		if first.Name != "pageview" || first.URL != address || *first.Domain != "site.example" || *first.Referrer != "" || first.Version != 1 {
			t.Errorf("got %+v", first)
		}
		do(t, tab, `history.pushState({}, "", "/two")`)
		events := w.wait(t, 3)
		if got := names(events); !slices.Equal(got, []string{"engagement", "pageview", "pageview"}) {
			t.Fatalf("got %v", got)
		}
		if e := events[0]; e.URL != address || e.Depth == nil || *e.Depth <= 0 || *e.Depth >= 100 || e.Engaged == nil {
			t.Errorf("engagement %+v", e)
		}
		do(t, tab, `history.pushState({}, "", "/two?query"); history.replaceState({}, "", "/three"); history.replaceState({}, "", "/two")`)
		do(t, tab, `const back = new Promise(done => addEventListener("popstate", done)); history.go(-2); await back`)
		events = w.wait(t, 5)
		if got := names(events); !slices.Equal(got, []string{"engagement", "engagement", "pageview", "pageview", "pageview"}) {
			t.Fatalf("after going back: %v", got)
		}
		if e := events[4]; e.URL != address {
			t.Errorf("after going back: %+v", e)
		}
		w.forget()
		do(t, tab, `dispatchEvent(new PageTransitionEvent("pageshow", { persisted: true }))`)
		if got := names(w.wait(t, 2)); !slices.Equal(got, []string{"engagement", "pageview"}) {
			t.Errorf("from the back-forward cache: %v", got)
		}
		if got := do(t, tab, `return [writes, localStorage.length, sessionStorage.length, document.cookie]`); got != `[0,0,0,""]` {
			t.Errorf("left on the device: %s", got)
		}
	})

	t.Run("engagement", func(t *testing.T) {
		w, tab := newWeb(t), newTab(t)
		// A clock and an attention that the test moves.
		open(t, tab, w.page("/", "", automated+`; let now = 1000, hidden = false; Date.now = () => now;
			Object.defineProperty(document, "hidden", { get: () => hidden }); document.hasFocus = () => !hidden;
			window.pass = ms => { now += ms }; window.look = seen => { hidden = !seen; dispatchEvent(new Event(seen ? "focus" : "blur")) }`))
		w.wait(t, 1)
		w.forget()
		do(t, tab, `pass(1500); look(false)`)
		if e := w.wait(t, 1)[0]; e.Name != "engagement" || *e.Engaged != 1500 || e.Domain != nil {
			t.Errorf("first: %+v", e)
		}
		// Neither long nor deeper: nothing to tell. Time out of sight does not count.
		do(t, tab, `pass(9000); look(true); pass(2000); look(false); pass(9000); look(true); pass(1000); look(false)`)
		if e := w.wait(t, 2)[1]; *e.Engaged != 3000 {
			t.Errorf("after two short looks: %d ms", *e.Engaged)
		}
		do(t, tab, `look(true); const done = new Promise(done => addEventListener("scroll", () => done())); scrollTo(0, document.documentElement.scrollHeight); await done; pass(10); look(false)`)
		if e := w.wait(t, 3)[2]; *e.Depth != 100 || *e.Engaged != 10 {
			t.Errorf("at the end of the page: %d%%, %d ms", *e.Depth, *e.Engaged)
		}
	})

	t.Run("hidden start", func(t *testing.T) {
		w, tab := newWeb(t), newTab(t)
		open(t, tab, w.page("/", "", automated+`; window.away = true; Object.defineProperty(document, "hidden", { get: () => away })`))
		do(t, tab, `footfall("ready")`)
		if e := w.wait(t, 1)[0]; e.Name != "ready" {
			t.Fatalf("before anybody looks: %+v", e)
		}
		w.forget()
		do(t, tab, `away = false; document.dispatchEvent(new Event("visibilitychange", { bubbles: true }))
			document.dispatchEvent(new Event("visibilitychange", { bubbles: true }))`)
		if got := names(w.wait(t, 1)); got[0] != "pageview" {
			t.Errorf("got %v", got)
		}
	})

	t.Run("custom events", func(t *testing.T) {
		w, tab := newWeb(t), newTab(t)
		open(t, tab, w.page("/", "", automated+`; for (const name of ["plausible", "footfall"])
			window[name] = function () { (window[name].q = window[name].q || []).push(arguments) };
			plausible("early", { props: { n: 1 } }); footfall("early too")`))
		got := names(w.wait(t, 3))
		if !slices.Equal(got, []string{"early", "early too", "pageview"}) {
			t.Fatalf("got %v", got)
		}
		w.forget()
		answer := do(t, tab, `return new Promise(done => plausible("Signup", { props: { plan: "pro", seats: 3 },
			revenue: { amount: "12.50", currency: "EUR" }, interactive: false, u: "https://site.example/virtual",
			callback: result => done([result.status, footfall === plausible, plausible.l]) }))`)
		if answer != "[202,true,true]" {
			t.Errorf("callback got %s", answer)
		}
		e := w.wait(t, 1)[0]
		if e.Name != "Signup" || e.URL != "https://site.example/virtual" || e.Props["plan"] != "pro" || e.Props["seats"] != 3.0 ||
			e.Revenue["amount"] != "12.50" || e.Interactive == nil || *e.Interactive {
			t.Errorf("got %+v", e)
		}
	})

	t.Run("opt-out", func(t *testing.T) {
		w, tab := newWeb(t), newTab(t)
		open(t, tab, w.page("/", "", automated))
		w.wait(t, 1)
		if got := do(t, tab, `const stored = footfall.optOut(); return [!!stored, localStorage.plausible_ignore, localStorage.length]`); got != `[true,"true",1]` {
			t.Errorf("opting out: %s", got)
		}
		do(t, tab, `history.pushState({}, "", "/elsewhere")`)
		if got := do(t, tab, `return new Promise(done => footfall("x", { callback: (...a) => done(a.length) }))`); got != "0" {
			t.Errorf("callback of an event not sent got %s arguments", got)
		}
		open(t, tab, w.page("/again", "", automated))
		do(t, tab, `footfall.optIn(); footfall("back")`)
		if got := names(w.wait(t, 2)); !slices.Equal(got, []string{"back", "pageview"}) {
			t.Errorf("after opting in again: %v", got)
		}
		if got := do(t, tab, `return localStorage.length`); got != "0" {
			t.Errorf("%s entries left", got)
		}
	})

	t.Run("no storage", func(t *testing.T) {
		w, tab := newWeb(t), newTab(t)
		open(t, tab, w.page("/", "", automated+`; Object.defineProperty(window, "localStorage", { get() { throw new Error("off") } })`))
		w.wait(t, 1)
		if got := do(t, tab, `return footfall.optOut()`); got != "null" {
			t.Errorf("opting out where nothing can be stored: %s", got)
		}
	})

	t.Run("not counted", func(t *testing.T) {
		w, tab := newWeb(t), newTab(t)
		open(t, tab, w.page("/driven", "", "")) // a browser driven by a program
		open(t, tab, w.URL+"/local?"+url.Values{"before": {automated}}.Encode())
		do(t, tab, `footfall("x")`)
		open(t, tab, w.URL+"/asked?"+url.Values{"with": {"defer data-local"}}.Encode())
		if e := w.wait(t, 1)[0]; !strings.Contains(e.URL, "/asked") {
			t.Errorf("got %+v", e)
		}
	})

	t.Run("hash", func(t *testing.T) {
		w, tab := newWeb(t), newTab(t)
		address := w.page("/", "data-hash", automated)
		open(t, tab, address)
		do(t, tab, `const done = new Promise(done => addEventListener("hashchange", done)); location.hash = "/two"; await done`)
		events := w.wait(t, 3)
		if e := events[2]; e.Name != "pageview" || e.URL != address+"#/two" || e.Hash != 1 {
			t.Errorf("got %+v", e)
		}
	})

	t.Run("manual, twice, elsewhere", func(t *testing.T) {
		w, other, tab := newWeb(t), newWeb(t), newTab(t)
		open(t, tab, w.page("/", `data-manual data-api="`+other.URL+`/api/event"`, automated))
		do(t, tab, `const again = document.createElement("script"); again.src = "/js/script.js";
			await new Promise(done => { again.onload = done; document.head.append(again) })
			history.pushState({}, "", "/two"); plausible("pageview", { u: "https://site.example/named" })`)
		if e := other.wait(t, 1)[0]; e.Name != "pageview" || e.URL != "https://site.example/named" {
			t.Errorf("got %+v", e)
		}
		w.wait(t, 0)
	})
}

// FuzzNumber holds that any name is read without harm, and that the order of extensions does not matter.
func FuzzNumber(f *testing.F) {
	set, err := tracker.Load(assets.Dist)
	if err != nil || set == nil {
		f.Fatalf("run make assets: %v", err)
	}
	for _, end := range []string{"js", "hash.local.js", "pageleave.revenue.tagged-events.js", "..js", "hash.hash.js", ""} {
		f.Add(end)
	}
	f.Fuzz(func(t *testing.T, end string) {
		number, ok := set.Number(end)
		if number < 0 || number >= 1024 || !ok && number != 0 {
			t.Fatalf("%q: got %d, %v", end, number, ok)
		}
		if name, isScript := strings.CutSuffix(end, ".js"); isScript {
			parts := strings.Split(name, ".")
			slices.Reverse(parts)
			if back, okBack := set.Number(strings.Join(parts, ".") + ".js"); back != number || okBack != ok {
				t.Errorf("%q: %d, %v, and backwards %d, %v", end, number, ok, back, okBack)
			}
		}
	})
}
