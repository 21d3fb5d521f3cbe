package tracker_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"footfall/assets/tracker"

	"github.com/chromedp/chromedp"
)

// told writes an event as one line, as far as automatic events go: name, properties, revenue.
func (e event) told() string {
	line := e.Name
	for _, part := range []map[string]any{e.Props, e.Revenue} {
		if len(part) > 0 {
			b, _ := json.Marshal(part) // keys are sorted
			line += " " + string(b)
		}
	}
	return line
}

// want waits for these events and no others, engagement aside, in any order.
func (w *web) want(t *testing.T, want ...string) {
	t.Helper()
	slices.Sort(want)
	var got []string
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		got = nil
		w.mu.Lock()
		for _, e := range w.events {
			if e.Name != "engagement" {
				got = append(got, e.told())
			}
		}
		w.mu.Unlock()
		slices.Sort(got)
		if slices.Equal(got, want) {
			return
		}
	}
	t.Fatalf("got events\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
}

// stay keeps the browser on the page whatever is clicked, and hears of each error that nobody caught.
const stay = automated + `; window.errors = []; addEventListener("error", e => errors.push(e.message)); addEventListener("unhandledrejection", e => errors.push(String(e.reason)));
	const stop = e => { if (e.type == "submit" || e.target.closest("a")) e.preventDefault() };
	for (const type of ["click", "auxclick", "submit"]) addEventListener(type, stop, true)`

// things are links, tags and forms.
const things = `
<a id="away" href="https://away.example/page?x=1#part">away</a>
<a id="inside" href="/page"><b id="bold">inside</b></a>
<a id="file" href="/files/a.report.PDF?v=2">not a known type</a>
<a id="pdf" href="/files/report.pdf?v=2#page=3">file</a>
<a id="iso" href="/files/disk.iso">file of another type</a>
<a id="awayfile" href="https://away.example/report.pdf">file elsewhere</a>
<a id="mail" href="mailto:a@away.example">mail</a>
<svg id="svg" width="20" height="20"><a href="https://away.example/"><rect id="rect" width="20" height="20"/></a></svg>
<a id="taggedlink" class="plausible-event-name=Sign+up plausible-event-plan--pro" href="https://away.example/signup">tagged</a>
<div class="x footfall-event-name--Card footfall-event-kind=a+b plausible-revenue-amount=9.50 plausible-revenue-currency=EUR"><p><i><u><span id="deep">deep</span></u></i></p>
<a id="cardlink" href="https://away.example/card">link in a card</a></div>
<p id="slip" class="plausible-event-name plausible-event-plan=x">a slip</p>
<form id="form" action="/send"><input name="q" required value="v"><button id="button">send</button></form>
<form id="taggedform" class="plausible-event-name=Newsletter" action="/send"><button id="taggedbutton">send</button></form>
<form id="invalid" action="/send"><input name="q" required></form>
<form id="novalidate" novalidate action="/send"><input name="q" required></form>`

func click(t *testing.T, tab context.Context, ids ...string) {
	t.Helper()
	for _, id := range ids {
		do(t, tab, fmt.Sprintf(`document.getElementById(%q).dispatchEvent(new MouseEvent("click", { bubbles: true, cancelable: true }))`, id))
	}
}

// allThings clicks on all of them, and sends all forms.
func allThings(t *testing.T, tab context.Context) {
	t.Helper()
	click(t, tab, "away", "inside", "bold", "file", "pdf", "iso", "awayfile", "mail", "rect", "taggedlink", "deep", "cardlink", "slip", "button", "taggedbutton")
	do(t, tab, `for (const id of ["invalid", "novalidate"]) document.getElementById(id).dispatchEvent(new Event("submit", { bubbles: true, cancelable: true }));
		for (const button of [1, 2]) document.getElementById("away").dispatchEvent(new MouseEvent("auxclick", { bubbles: true, cancelable: true, button }))`)
}

func TestAutomaticEvents(t *testing.T) {
	newTab := newBrowser(t)
	const (
		outbound  = `Outbound Link: Click {"url":"https://away.example/page?x=1#part"}`
		pdf       = `{"url":"SITE/files/report.pdf"}`
		elsewhere = `Outbound Link: Click {"url":"https://away.example/report.pdf"}`
		signup    = `Sign up {"plan":"pro","url":"https://away.example/signup"}`
		card      = `Card {"kind":"a b"} {"amount":"9.50","currency":"EUR"}`
		cardlink  = `Card {"kind":"a b","url":"https://away.example/card"} {"amount":"9.50","currency":"EUR"}`
	)
	links := []string{outbound, outbound, elsewhere}
	form := []string{"Form: Submission", "Form: Submission"}
	tags := []string{signup, card, cardlink, "Newsletter"}
	untagged := []string{`Outbound Link: Click {"url":"https://away.example/signup"}`, `Outbound Link: Click {"url":"https://away.example/card"}`}
	for _, c := range []struct {
		script, with string
		site         tracker.Site
		before       string
		want         []string
	}{
		{script: "script.js", want: nil},
		{script: "script.outbound-links.js", want: slices.Concat(links, untagged)},
		{script: "script.file-downloads.js", want: []string{"File Download " + pdf, `File Download {"url":"https://away.example/report.pdf"}`}},
		{script: "script.file-downloads.js", with: `file-types="iso, img"`, want: []string{`File Download {"url":"SITE/files/disk.iso"}`}},
		{script: "script.file-downloads.js", with: `add-file-types="iso"`, want: []string{`File Download {"url":"SITE/files/disk.iso"}`, "File Download " + pdf, `File Download {"url":"https://away.example/report.pdf"}`}},
		{script: "script.file-downloads.outbound-links.js", want: slices.Concat(links, untagged, []string{"File Download " + pdf})},
		{script: "script.form-submissions.js", want: append([]string{"Form: Submission"}, form...)},
		{script: "script.tagged-events.js", want: tags},
		{script: "script.tagged-events.outbound-links.file-downloads.form-submissions.js", want: slices.Concat(links, tags, form, []string{"File Download " + pdf})},
		{script: "script.tagged-events.outbound-links.compat.js", want: slices.Concat(links, tags)},
		{script: "pa-own.js", want: tags},
		{script: "pa-own.js", site: tracker.Site{Outbound: true, Downloads: true, Forms: true}, want: slices.Concat(links, tags, form, []string{"File Download " + pdf})},
		{script: "pa-own.js", site: tracker.Site{Outbound: true, Downloads: true, Forms: true}, before: `footfall = { o: { outboundLinks: false, fileDownloads: { fileExtensions: ["iso"] }, formSubmissions: false } }`,
			want: append([]string{`File Download {"url":"SITE/files/disk.iso"}`}, tags...)},
	} {
		t.Run(c.script+" "+c.with, func(t *testing.T) {
			w, tab := newWeb(t), newTab(t)
			w.site = c.site
			w.site.Domain, w.site.Endpoint = "site.example", tracker.Endpoint
			address := w.pageOf("/things", url.Values{"script": {c.script}, "with": {"defer id=plausible " + c.with}, "before": {stay + ";" + c.before}, "body": {things}})
			open(t, tab, address)
			allThings(t, tab)
			want := []string{"pageview"}
			for _, line := range c.want {
				want = append(want, strings.ReplaceAll(line, "SITE", strings.TrimSuffix(address[:strings.Index(address, "/things")], "/")))
			}
			w.want(t, want...)
			if got := do(t, tab, `return [errors, writes, document.cookie]`); got != `[[],0,""]` {
				t.Errorf("errors, writes, cookies: %s", got)
			}
		})
	}
}

// TestFlavours are the extensions that change what is counted, and how.
func TestFlavours(t *testing.T) {
	newTab := newBrowser(t)
	start := func(t *testing.T, path, script, with, before string) (*web, context.Context, string) {
		t.Helper()
		w, tab := newWeb(t), newTab(t)
		address := w.pageOf(path, url.Values{"script": {script}, "with": {"defer id=plausible " + with}, "before": {stay + ";" + before}})
		open(t, tab, address)
		return w, tab, address
	}

	t.Run("hash", func(t *testing.T) {
		w, tab, address := start(t, "/", "plausible.hash.js", "", "")
		do(t, tab, `history.pushState({}, "", "/other"); const done = new Promise(done => addEventListener("hashchange", done)); location.hash = "/two"; await done`)
		events := w.wait(t, 3)
		if e := events[1]; e.URL != address || e.Hash != 1 {
			t.Errorf("first %+v", e)
		}
		if e := events[2]; !strings.HasSuffix(e.URL, "/other#/two") || e.Hash != 1 {
			t.Errorf("second %+v", e)
		}
	})
	t.Run("local", func(t *testing.T) {
		w, tab := newWeb(t), newTab(t)
		open(t, tab, w.URL+"/?"+url.Values{"script": {"script.local.js"}}.Encode()) // on 127.0.0.1, and driven by a program
		w.want(t, "pageview")
	})
	t.Run("manual", func(t *testing.T) {
		w, tab, _ := start(t, "/", "analytics.manual.js", "", "")
		do(t, tab, `history.pushState({}, "", "/two"); plausible("pageview", { u: "https://site.example/a" }); plausible("pageview", { url: "https://site.example/b", props: { x: 1 } })`)
		w.want(t, "pageview", `pageview {"x":1}`)
		for _, e := range w.wait(t, 3) {
			if e.Name == "engagement" && e.URL != "https://site.example/a" || e.Name == "pageview" && e.Props != nil && e.URL != "https://site.example/b" {
				t.Errorf("got %+v", e)
			}
		}
	})
	t.Run("pageview-props", func(t *testing.T) {
		w, tab, _ := start(t, "/", "script.pageview-props.js", `event-author="Ana" event-kind="news" data-event-x="no"`, "")
		do(t, tab, `plausible("Signup", { props: { kind: "own", plan: 1 } })`)
		w.want(t, `pageview {"author":"Ana","kind":"news"}`, `Signup {"author":"Ana","kind":"own","plan":1}`)
	})
	t.Run("exclusions", func(t *testing.T) {
		for _, c := range []struct {
			path, with string
			counted    bool
		}{
			{"/blog/one", `data-exclude="/blog/*"`, false},
			{"/blog/one/", `data-exclude="/blog/*"`, false},
			{"/blog/one/two", `data-exclude="/blog/*"`, true},
			{"/blog/one/two", `data-exclude="/admin, /blog/**"`, false},
			{"/blog", `data-exclude="/admin, /blog/**,"`, true},
			{"/", `data-exclude="/admin, /blog/**,"`, true},
			{"/a+b.c", `data-exclude="/a+b.c"`, false},
			{"/aab.c", `data-exclude="/a+b.c"`, true},
			{"/aXc", `data-exclude="/a.c"`, true},
			{"/shop", `data-include="/blog**,/docs"`, false},
			{"/docs/", `data-include="/blog**,/docs"`, true},
			{"/blog/x", `data-include="/blog**" data-exclude="**/x"`, false},
		} {
			w, tab, _ := start(t, c.path, "script.exclusions.js", c.with, "")
			do(t, tab, `plausible("always")`)
			if c.counted {
				w.want(t, "always", "pageview")
			} else {
				w.want(t, "always")
				do(t, tab, `dispatchEvent(new Event("blur"))`) // no engagement with a page that is not counted
				w.wait(t, 1)
			}
		}
	})
	t.Run("compat", func(t *testing.T) {
		w, tab, _ := start(t, "/", "script.compat.js", "", "window.fetch = undefined")
		if got := do(t, tab, `return new Promise(done => plausible("x", { callback: answer => done(answer.status) }))`); got != "202" {
			t.Errorf("callback got %s", got)
		}
		w.want(t, "pageview", "x")
	})
	t.Run("old calls", func(t *testing.T) {
		w, tab, _ := start(t, "/", "script.revenue.js", "", "")
		do(t, tab, `plausible("404", { props: { path: location.pathname } }); plausible("Cloaked Link: Click", { props: { url: "https://away.example/go" } }); plausible("Paid", { revenue: { amount: 5, currency: "USD" } })`)
		w.want(t, "pageview", `404 {"path":"/"}`, `Cloaked Link: Click {"url":"https://away.example/go"}`, `Paid {"amount":5,"currency":"USD"}`)
	})
}

// TestWaiting follows links in the flavour whose requests may not outlive the page: the browser leaves once the server has answered.
func TestWaiting(t *testing.T) {
	w, tab := newWeb(t), newBrowser(t)(t)
	w.hold = make(chan struct{})
	release := sync.OnceFunc(func() { close(w.hold) })
	t.Cleanup(release)
	open(t, tab, w.pageOf("/from", url.Values{"script": {"script.compat.outbound-links.tagged-events.js"}, "with": {"defer id=plausible"}, "before": {automated},
		"body": {`<a id="tag" class="plausible-event-name=Go" href="/to">go</a><form id="form" class="plausible-event-name=Sent" action="/sent"><button id="send">send</button></form>`}}))
	w.want(t, "pageview")
	click(t, tab, "tag")
	// The address of the link is a property, and so is that of a link to the same site.
	gone := `Go {"url":"` + strings.TrimSuffix(w.pageOf("/to", nil), "?") + `"}`
	w.want(t, "pageview", gone)
	if got := do(t, tab, `return location.pathname`); got != `"/from"` {
		t.Errorf("the page was left before the answer: %s", got)
	}
	release()
	untilPath(t, tab, "/to")
	// What the page's own code stops stays stopped.
	open(t, tab, w.pageOf("/again", url.Values{"script": {"script.compat.tagged-events.js"}, "with": {"defer"}, "before": {stay}, "body": {things}}))
	click(t, tab, "taggedlink", "taggedbutton")
	w.want(t, "pageview", gone, "pageview", `Sign up {"plan":"pro","url":"https://away.example/signup"}`, "Newsletter")
	if got := do(t, tab, `return location.pathname`); got != `"/again"` {
		t.Errorf("a click that the page stopped led to %s", got)
	}
	open(t, tab, w.pageOf("/form", url.Values{"script": {"script.compat.tagged-events.js"}, "with": {"defer"}, "before": {automated}, "body": {`<form class="plausible-event-name=Sent" action="/sent"><button id="send">send</button></form>`}}))
	do(t, tab, `document.getElementById("send").click()`)
	untilPath(t, tab, "/sent")
}

func untilPath(t *testing.T, tab context.Context, path string) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		got, err := chromedp.Run(tab, chromedp.Evaluate[string]("location.pathname"))
		if err == nil && got == path {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the browser is at %s, want %s: %v", got, path, err)
		}
	}
}

// TestOwn is a site's own script: its settings, init, and the stub that a page may have before it.
func TestOwn(t *testing.T) {
	newTab := newBrowser(t)
	const stub = `; window.plausible = window.plausible || function () { (plausible.q = plausible.q || []).push(arguments) };
		plausible.init = plausible.init || function (o) { plausible.o = o || {} };`
	begin := func(t *testing.T, site tracker.Site, query url.Values) (*web, context.Context) {
		t.Helper()
		w, tab := newWeb(t), newTab(t)
		site.Domain, site.Endpoint = "own.example", tracker.Endpoint
		w.site = site
		query.Set("script", "pa-own.js")
		query.Set("before", stay+`; window.warned = []; console.warn = text => warned.push(text)`+query.Get("before"))
		open(t, tab, w.pageOf("/own", query))
		return w, tab
	}

	t.Run("alone", func(t *testing.T) {
		w, tab := begin(t, tracker.Site{}, url.Values{})
		w.want(t, "pageview")
		if e := w.wait(t, 1)[0]; *e.Domain != "own.example" || e.Version != 1 || e.Hash != 0 {
			t.Errorf("got %+v", e)
		}
		if got := do(t, tab, `footfall.init({ domain: "evil.example" }); return [plausible.l, plausible.s, footfall === plausible, warned.length, writes]`); got != `[true,"web",true,1,0]` {
			t.Errorf("got %s", got)
		}
		w.wait(t, 1)
	})
	t.Run("stub", func(t *testing.T) {
		w, tab := begin(t, tracker.Site{}, url.Values{"with": {"async"}, "before": {stub + `plausible.init({ domain: "evil.example", hashBasedRouting: true, lib: "wordpress",
			customProperties: { author: "Ana", kind: "a" } }); plausible("early", { props: { kind: "b" } })`}})
		w.want(t, `pageview {"author":"Ana","kind":"a"}`, `early {"author":"Ana","kind":"b"}`)
		for _, e := range w.wait(t, 2) {
			if *e.Domain != "own.example" || e.Hash != 1 {
				t.Errorf("got %+v", e)
			}
		}
		if got := do(t, tab, `return plausible.s`); got != `"wordpress"` {
			t.Errorf("got %s", got)
		}
	})
	t.Run("later", func(t *testing.T) { // a page that waits, for consent say
		w, tab := begin(t, tracker.Site{}, url.Values{"before": {stub}})
		do(t, tab, `plausible("early")`)
		w.wait(t, 0)
		do(t, tab, `plausible.init({ customProperties: name => ({ name }) })`)
		w.want(t, `pageview {"name":"pageview"}`, `early {"name":"early"}`)
	})
	t.Run("right after", func(t *testing.T) { // a script that stops the page, and init behind it
		w, _ := begin(t, tracker.Site{Hash: true}, url.Values{"with": {" "}, "body": {`<script>plausible("early"); plausible.init({ hashBasedRouting: false, autoCapturePageviews: false })</script>`}})
		w.want(t, "early")
		if e := w.wait(t, 1)[0]; e.Hash != 0 {
			t.Errorf("got %+v", e)
		}
	})
	t.Run("endpoint", func(t *testing.T) {
		other := newWeb(t)
		w, _ := begin(t, tracker.Site{}, url.Values{"before": {stub + `plausible.init({ endpoint: "` + other.URL + `/api/event" })`}})
		other.want(t, "pageview")
		w.wait(t, 0)
	})
	t.Run("transformRequest", func(t *testing.T) {
		w, tab := begin(t, tracker.Site{}, url.Values{"before": {stub + `plausible.init({ transformRequest: p => p.n == "secret" ? null : { ...p, u: "https://own.example/all", p: { x: 1 } } })`}})
		do(t, tab, `plausible("secret"); plausible("open"); history.pushState({}, "", "/next")`)
		w.want(t, `pageview {"x":1}`, `pageview {"x":1}`, `open {"x":1}`)
		for _, e := range w.wait(t, 4) {
			if e.URL != "https://own.example/all" || e.Props["x"] != 1.0 {
				t.Errorf("got %+v", e)
			}
		}
		if got := do(t, tab, `return warned`); got != `["Ignoring Event: transformRequest"]` {
			t.Errorf("warned %s", got)
		}
	})
	t.Run("logging", func(t *testing.T) {
		for options, want := range map[string]string{`{}`: `["Ignoring Event: localhost"]`, `{ logging: false }`: `[]`} {
			w, tab := newWeb(t), newTab(t)
			w.site = tracker.Site{Domain: "own.example", Endpoint: tracker.Endpoint}
			open(t, tab, w.URL+"/?"+url.Values{"script": {"pa-own.js"}, "before": {stay + `; window.warned = []; console.warn = text => warned.push(text)` + stub + `plausible.init(` + options + `)`}}.Encode())
			if got := do(t, tab, `return warned`); got != want {
				t.Errorf("%s: warned %s, want %s", options, got, want)
			}
		}
		w, tab := newWeb(t), newTab(t)
		w.site = tracker.Site{Domain: "own.example", Endpoint: tracker.Endpoint}
		open(t, tab, w.URL+"/?"+url.Values{"script": {"pa-own.js"}, "before": {stub + `plausible.init({ captureOnLocalhost: true })`}}.Encode())
		w.want(t, "pageview")
	})
	t.Run("twice", func(t *testing.T) {
		w, tab := begin(t, tracker.Site{}, url.Values{"body": {`<script async src="/js/pa-own.js"></script><script defer src="/js/script.js"></script>`}})
		do(t, tab, `plausible("x")`)
		w.want(t, "pageview", "x")
	})
}

// TestPages are what a page or a visitor may do to the script.
func TestPages(t *testing.T) {
	newTab := newBrowser(t)

	t.Run("policy that forbids the request", func(t *testing.T) {
		for _, script := range []string{"script.outbound-links.js", "script.compat.js", "pa-own.js"} {
			w, tab := newWeb(t), newTab(t)
			w.site = tracker.Site{Domain: "site.example", Endpoint: tracker.Endpoint}
			open(t, tab, w.pageOf("/", url.Values{"script": {script}, "with": {"defer id=plausible"}, "before": {stay}, "policy": {"connect-src 'none'"}}))
			got := do(t, tab, `const answer = await new Promise(done => plausible("x", { callback: done })); await new Promise(done => setTimeout(done));
				return [!!answer.error, errors, typeof plausible.optOut]`)
			if got != `[true,[],"function"]` {
				t.Errorf("%s: got %s", script, got)
			}
			w.wait(t, 0)
		}
	})
	t.Run("told not to count", func(t *testing.T) {
		for _, script := range []string{"script.js", "script.compat.js", "pa-own.js"} {
			w, tab := newWeb(t), newTab(t)
			w.site = tracker.Site{Domain: "site.example", Endpoint: tracker.Endpoint}
			w.header = http.Header{"X-Footfall-Ignore": {"1"}, "Access-Control-Expose-Headers": {"x-footfall-ignore"}}
			open(t, tab, w.pageOf("/", url.Values{"footfall_ignore": {"token"}, "script": {script}, "with": {"defer id=plausible"}, "before": {stay}}))
			w.want(t, "pageview")
			if got := do(t, tab, `while (!localStorage.plausible_ignore) await new Promise(done => setTimeout(done, 5));
				plausible("x"); return localStorage.plausible_ignore`); got != `"true"` {
				t.Errorf("%s: got %s", script, got)
			}
			w.wait(t, 1)
			do(t, tab, `footfall.optIn()`)
		}
	})
	t.Run("leaving", func(t *testing.T) {
		for _, script := range []string{"script.js", "pa-own.js"} {
			w, tab := newWeb(t), newTab(t)
			w.site = tracker.Site{Domain: "site.example", Endpoint: tracker.Endpoint}
			open(t, tab, w.pageOf("/first", url.Values{"script": {script}, "with": {"defer"}, "before": {automated + `; addEventListener("pagehide", () => footfall("Left"))`}}))
			w.want(t, "pageview")
			open(t, tab, "about:blank")
			w.want(t, "pageview", "Left")
			for deadline := time.Now().Add(10 * time.Second); len(engagements(w)) == 0; time.Sleep(10 * time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatalf("%s: no engagement came from a page that was left", script)
				}
			}
		}
	})
	t.Run("back-forward cache", func(t *testing.T) {
		w, tab := newWeb(t), newTab(t)
		open(t, tab, w.pageOf("/first", url.Values{"before": {automated + "; window.kept = 1"}}))
		w.want(t, "pageview")
		do(t, tab, `window.kept = 2; setTimeout(() => { location.href = "/second?`+url.Values{"before": {automated}}.Encode()+`" })`)
		w.want(t, "pageview", "pageview")
		untilPath(t, tab, "/second")
		do(t, tab, `setTimeout(() => history.back())`)
		untilPath(t, tab, "/first")
		w.want(t, "pageview", "pageview", "pageview")
		if got := do(t, tab, `return [kept, writes, document.cookie]`); got != `[2,0,""]` {
			t.Errorf("the page was not kept, or something was: %s", got)
		}
	})
}

func engagements(w *web) (list []event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.events {
		if e.Name == "engagement" {
			list = append(list, e)
		}
	}
	return list
}
