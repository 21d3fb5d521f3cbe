package e2e_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// testPackages has pages use the packages of npm that were written for Plausible, unchanged, with nothing set but where
// events go. What they do is judged by what the server has stored of it.
func testPackages(t *testing.T, c *chromium) {
	m := newMarket(t, c)
	m.bundle = bundlePackages(t)
	t.Run("tracker", m.testTracker)
	t.Run("tracker routes", m.testTrackerRoutes)
	t.Run("tracker options", m.testTrackerOptions)
	t.Run("tracker ignores", m.testTrackerIgnores)
	t.Run("plausible-tracker", m.testOlderTracker)
	t.Run("plausible-tracker routes", m.testOlderRoutes)
	t.Run("vue-plausible", m.testVue)
}

func bundlePackages(t *testing.T) []byte {
	t.Helper()
	return bundle(t, "packages.js", "--global-name=packages", "--alias:path=./pages/nothing.js")
}

// set is how pages use the bundle: a script that finds there site, the site's domain, and server.
func set(script string) string {
	return `<script src="/npm.js"></script><script>const site = "{site}", server = "{server}"; ` + script + `</script>`
}

// testTracker switches on all that @plausible-analytics/tracker notices by itself, for a visitor who came by a link.
func (m *market) testTracker(t *testing.T) {
	p := m.stall(t, "tracker.example", set(`packages.tracker.init({
		domain: site, endpoint: server + "/api/event", outboundLinks: true, fileDownloads: true, formSubmissions: true })`))
	p.link = p.origin(p.site) + "/"
	p.open(p.origin("news.example") + "/today")
	p.click("#story")
	p.untilStored("pageview /")
	p.click("#pricing")
	p.click("#paper")
	p.click("#cast") // no type of file that it takes for a download
	p.click("#tagged")
	p.click("#send") // an empty letter is not sent
	p.fill("#letter input", "hello\r")
	want := []string{"pageview /", "pageview /pricing",
		"File Download /pricing url=" + p.origin(p.site) + "/empty/paper.pdf",
		"Ask Price /pricing place=head",
		"Form: Submission /pricing path=/pricing"}
	for _, e := range p.untilStored(want...) {
		if e.Source != "news.example" || e.Referrer != "news.example" || e.Device != "Desktop" || e.Browser != "Chrome" || e.Visitor == "" {
			t.Errorf("stored: %#v", e)
		}
	}
	p.leftNothing()
	p.click("#elsewhere") // its request outlives the page
	p.untilStored(append(want, "Outbound Link: Click /pricing url="+p.origin("elsewhere.example")+"/else")...)
	attention(t, p.s, p.site, "/", func(depth int, _ int64) bool { return 0 < depth && depth < 100 })
	p.end()
}

func (m *market) testTrackerRoutes(t *testing.T) {
	p := m.stall(t, "routes.example", set(`packages.tracker.init({ domain: site, endpoint: server + "/api/event" })`))
	p.visit("/one?id=1")
	p.run(`history.pushState({}, "", "/two"); history.pushState({}, "", "/two"); history.pushState({}, "", "/two?page=2#far"); history.replaceState({}, "", "/three")`)
	p.run(`history.pushState({}, "", "/four%20and%20more/")`)
	p.untilStored("pageview /one", "pageview /two", "pageview /four and more/")
	p.end()

	p = m.stall(t, "hash.example", set(`packages.tracker.init({ domain: site, endpoint: server + "/api/event", hashBasedRouting: true })`))
	p.visit("/app/")
	p.same(`new Promise(done => { addEventListener("hashchange", () => done(0)); location.hash = "/inbox" })`, 0)
	p.run(`history.pushState({}, "", "/elsewhere")`)
	p.untilStored("pageview /app/", "pageview /app/#/inbox")
	p.end()

	p = m.stall(t, "manual.example", set(`packages.tracker.init({ domain: site, endpoint: server + "/api/event", autoCapturePageviews: false, bindToWindow: false })`))
	p.visit("/people/7281")
	p.same(`typeof window.plausible`, "undefined")
	p.run(`history.pushState({}, "", "/people/7282"); packages.tracker.track("pageview", { url: location.origin + "/people/_id_" })`)
	p.untilStored("pageview /people/_id_")
	p.end()
}

func (m *market) testTrackerOptions(t *testing.T) {
	p := m.stall(t, "options.example", set(`packages.tracker.init({ domain: site, endpoint: server + "/api/event", fileDownloads: { fileExtensions: ["ogg"] },
		customProperties: name => ({ theme: "dark", about: name }),
		transformRequest: event => { event.u = event.u.replace(/\/users\/\d+/, "/users/_"); return event.n === "Secret" ? null : event } })`))
	p.visit("/users/42?token=x")
	p.click("#paper")
	p.click("#cast")
	p.same(`new Promise(done => packages.tracker.track("Order", { props: { theme: "light", items: 3, gift: false }, revenue: { amount: 12.5, currency: "EUR" }, callback: done }))`,
		map[string]int{"status": http.StatusAccepted})
	p.run(`plausible("Autoplay", { interactive: false })`)
	p.untilStored("pageview /users/_ about=pageview theme=dark",
		"File Download /users/_ about=File Download theme=dark url="+p.origin(p.site)+"/empty/talk.ogg",
		"Order /users/_ about=Order gift=false items=3 theme=light 12.5 EUR",
		"Autoplay /users/_ about=Autoplay theme=dark (not interactive)")

	// What it does not send, or cannot, it tells whoever asked.
	p.same(`new Promise(done => packages.tracker.track("Secret", { callback: (...told) => done(told.length) }))`, 0)
	p.forgive(t, "Ignoring Event: transformRequest")
	p.end()
}

// testTrackerIgnores holds that what its options leave out stays out, and what they let in comes in.
func (m *market) testTrackerIgnores(t *testing.T) {
	p := m.stall(t, "ignores.example", set(`packages.tracker.init({ domain: site, endpoint: server + "/api/event", captureOnLocalhost: location.search === "?count", logging: location.search !== "?silent" })`))
	local := "http://127.0.0.1:" + p.port
	p.open(local + "/first")
	p.forgive(t, "Ignoring Event: localhost")
	p.open(local + "/second?silent")
	p.open(local + "/third?count")
	p.same(`packages.tracker.track("Here")`, nil)
	events := p.untilStored("pageview /third", "Here /third")
	if host := events[0].Hostname; host != "127.0.0.1" {
		t.Errorf("the host is %q", host)
	}
	p.run(`localStorage.plausible_ignore = "true"`)
	p.same(`new Promise(done => plausible("Not me", { callback: (...told) => done(told.length) }))`, 0)
	p.forgive(t, "Ignoring Event: localStorage flag")
	p.quiet(local, p.s.URL)

	// A server that is not there costs the page nothing.
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	p = m.stall(t, "gone.example", set(`packages.tracker.init({ domain: site, endpoint: "`+gone.URL+`/api/event" })`))
	p.visit("/")
	p.same(`new Promise(done => plausible("Lost", { callback: told => done(told.error instanceof TypeError) }))`, true)
	p.forgive(t, "ERR_CONNECTION_REFUSED")
	p.untilStored()
	p.quiet(p.origin(p.site), gone.URL)
}

// testOlderTracker uses plausible-tracker, which sends properties as text, the width of the window, and "h": 0.
func (m *market) testOlderTracker(t *testing.T) {
	p := m.stall(t, "older.example", set(`window.older = packages.Plausible({ apiHost: server }); older.enableAutoPageviews(); older.enableAutoOutboundTracking()`))
	p.link = p.origin(p.site) + "/?utm_source=letter"
	p.open(p.origin("news.example") + "/today") // the domain is not set: it is the page's host
	p.click("#story")
	p.untilStored("pageview /")
	p.same(`new Promise(done => older.trackEvent("Signup", { props: { plan: "pro", seats: 3 }, callback: (...told) => done(told.length) }))`, 0)
	p.same(`older.trackEvent("Bought", {}, { url: location.origin + "/shop?x=1", referrer: "https://www.google.com/search?q=x" })`, nil)
	want := []string{"pageview /", "Signup / plan=pro seats=3", "Bought /shop"}
	for _, e := range p.untilStored(want...) {
		if e.Source != "letter" || e.Referrer != "news.example" || e.Device != "Desktop" || e.Browser != "Chrome" || e.Visitor == "" {
			t.Errorf("stored: %#v", e)
		}
	}
	p.leftNothing()
	p.click("#elsewhere") // it goes there itself, 150 ms later
	p.untilStored(append(want, "Outbound Link: Click / url="+p.origin("elsewhere.example")+"/else")...)
	p.until(`location.host`, strings.TrimPrefix(p.origin("elsewhere.example"), "http://"))
	p.quiet(p.origin("news.example"), p.origin(p.site), p.origin("elsewhere.example"), p.s.URL)
	p.askedOnly(p.s, "POST /api/event")
}

// testOlderRoutes: that package sends a pageview for every pushState, to the same page too, and the server takes it at its word.
func (m *market) testOlderRoutes(t *testing.T) {
	p := m.stall(t, "steps.example", set(`packages.Plausible({ domain: site, apiHost: server }).enableAutoPageviews()`))
	p.visit("/one")
	p.run(`history.pushState({}, "", "/two"); history.pushState({}, "", "/two?page=2"); history.replaceState({}, "", "/three")`)
	p.untilStored("pageview /one", "pageview /two", "pageview /two")
	p.end()

	p = m.stall(t, "anchors.example", set(`packages.Plausible({ domain: site, apiHost: server, hashMode: true }).enableAutoPageviews()`))
	p.visit("/app#/inbox")
	p.untilStored("pageview /app#/inbox")
	p.run(`location.hash = "/sent"`) // which is a change of the hash and of the history: it sends two
	p.untilStored("pageview /app#/inbox", "pageview /app#/sent", "pageview /app#/sent")
	p.end()

	p = m.stall(t, "desk.example", set(`packages.Plausible({ domain: site, apiHost: server, trackLocalhost: location.search === "?count" }).enableAutoPageviews()`))
	p.open("http://127.0.0.1:" + p.port + "/first")
	p.forgive(t, "running locally")
	p.open("http://127.0.0.1:" + p.port + "/second?count")
	p.untilStored("pageview /second")
}

// testVue uses vue-plausible as its text says, with the Vue it was written for.
func (m *market) testVue(t *testing.T) {
	p := m.stall(t, "vue.example", set(`addEventListener("DOMContentLoaded", () => {
		const { Vue, VuePlausible } = packages;
		Vue.use(VuePlausible, { domain: site, apiHost: server, enableAutoPageviews: true, enableAutoOutboundTracking: true });
		new Vue({ render(h) { return h("button", { attrs: { id: "own" }, on: { click: () => this.$plausible.trackEvent("Pressed", { props: { by: "Vue" } }) } }, "Press") } }).$mount("#app");
	})`))
	p.visit("/")
	p.click("#own")
	p.run(`history.pushState({}, "", "/second")`)
	p.untilStored("pageview /", "Pressed / by=Vue", "pageview /second")
	p.click("#elsewhere")
	events := p.untilStored("pageview /", "Pressed / by=Vue", "pageview /second", "Outbound Link: Click /second url="+p.origin("elsewhere.example")+"/else")
	if slices.ContainsFunc(events, func(e exported) bool { return e.Visitor != events[0].Visitor }) {
		t.Errorf("not one visitor: %v", events)
	}
	p.quiet(p.origin(p.site), p.origin("elsewhere.example"), p.s.URL)
}
