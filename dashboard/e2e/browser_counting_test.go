package e2e_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
)

// ownScript is our script as the dashboard shows it, and a call that may come before it.
const ownScript = `<script defer data-domain="{site}" src="{server}/js/script.js"></script>
<script>window.footfall = window.footfall || function () { (footfall.q = footfall.q || []).push(arguments) }</script>`

// testCounting asks what operators ask of a number that looks wrong: what became of a page that was reloaded, came back, was never
// looked at, or was left at once.
func testCounting(t *testing.T, c *chromium) {
	m := newMarket(t, c)
	t.Run("reload", m.testReload)
	t.Run("routes", m.testRoutes)
	t.Run("back", m.testBack)
	t.Run("background", m.testBackground)
	t.Run("inserted", m.testInserted)
	t.Run("beside", m.testBeside)
	t.Run("bounce", m.testBounce)
	t.Run("attention", m.testAttention)
	t.Run("leaving", m.testLeaving)
	t.Run("pixel", m.testPixel)
}

const scriptRequest = "GET /js/script.js"

func (m *market) testReload(t *testing.T) {
	p := m.stall(t, "reload.example", ownScript)
	p.visit("/")
	p.untilVisits("1,1,100")
	p.reload()
	p.untilVisits("1,2,0")
	p.untilStored("pageview /", "pageview /")
	p.end(scriptRequest)
}

// testRoutes moves as routers do: to the same page twice, to another query, by a redirect that replaces, and back.
func (m *market) testRoutes(t *testing.T) {
	p := m.stall(t, "router.example", ownScript)
	p.visit("/app")
	p.untilStored("pageview /app")
	p.run(`history.replaceState({}, "", "/app?tab=1"); history.pushState({}, "", "/app/mail"); history.pushState({}, "", "/app/mail"); history.pushState({}, "", "/app/mail?sort=date#top")`)
	p.untilStored("pageview /app", "pageview /app/mail")
	p.same(`new Promise(done => { addEventListener("popstate", () => done(location.pathname)); history.go(-3) })`, "/app")
	p.untilStored("pageview /app", "pageview /app/mail", "pageview /app")
	p.run(`footfall("404")`)
	for _, e := range p.untilStored("pageview /app", "pageview /app/mail", "pageview /app", "404 /app path=/app") {
		if e.Hostname != p.site {
			t.Errorf("stored: %#v", e)
		}
	}
	p.untilVisits("1,3,0")
	p.end(scriptRequest)
}

// testBack comes back to a page that the browser has kept as it was: its script does not start again.
func (m *market) testBack(t *testing.T) {
	p := m.stall(t, "back.example", ownScript)
	p.visit("/first")
	p.run(`window.kept = true`)
	p.click("#pricing")
	p.untilStored("pageview /first", "pageview /pricing")
	p.run(`history.back()`)
	p.until(`[location.pathname, window.kept]`, []any{"/first", true})
	p.untilStored("pageview /first", "pageview /pricing", "pageview /first")
	p.untilVisits("1,3,0")
}

// testBackground opens a link in a tab behind, and looks at it later.
func (m *market) testBackground(t *testing.T) {
	p := m.stall(t, "behind.example", ownScript+`<script>footfall("Ready")</script>`)
	p.visit("/")
	p.untilStored("pageview /", "Ready /")
	p.middleClick("#pricing")
	p.untilStored("pageview /", "Ready /", "Ready /pricing")
	behind := p.target(p.origin(p.site) + "/pricing")
	if _, err := chromedp.Call(p.ctx, target.ActivateTarget, target.ActivateTargetParams{TargetID: behind}); err != nil {
		t.Fatalf("look at the tab behind: %v", err)
	}
	p.untilStored("pageview /", "Ready /", "Ready /pricing", "pageview /pricing")
	p.untilVisits("1,2,0")
}

func (b *tab) middleClick(css string) {
	b.t.Helper()
	at := eval[[]float64](b, `(box => [box.x + box.width / 2, box.y + box.height / 2])(document.querySelector("`+css+`").getBoundingClientRect())`)
	b.do("click "+css+" with the middle button", chromedp.MouseClickXY(at[0], at[1], chromedp.ButtonMiddle))
}

// target is the tab of the browser that shows an address.
func (b *tab) target(address string) target.ID {
	b.t.Helper()
	all, err := chromedp.Call(b.ctx, target.GetTargets, target.GetTargetsParams{})
	if err != nil {
		b.t.Fatalf("list the tabs: %v", err)
	}
	for _, info := range all.TargetInfos {
		if strings.HasPrefix(info.URL, address) {
			return info.TargetID
		}
	}
	b.t.Fatalf("no tab shows %s", address)
	return ""
}

// testInserted puts the script into the page when that is long there, as managers of tags do.
func (m *market) testInserted(t *testing.T) {
	p := m.stall(t, "inserted.example", `<script>addEventListener("load", () => {
		const element = document.createElement("script");
		element.dataset.domain = "{site}";
		element.src = "{server}/js/script.js";
		document.body.append(element);
	})</script>`)
	p.visit("/")
	p.until(`!!(window.footfall && footfall.l)`, true)
	p.run(`history.pushState({}, "", "/second"); footfall("Seen")`)
	p.untilStored("pageview /", "pageview /second", "Seen /second")
	p.end(scriptRequest)
}

// testBeside counts a page with two scripts at once, as people do before they trust the new one: each counts for its own site and once.
func (m *market) testBeside(t *testing.T) {
	other := m.stall(t, "other.example", "")
	m.bundle = bundlePackages(t)
	p := m.stall(t, "beside.example", set(`packages.tracker.init({ domain: "other.example", endpoint: server + "/api/event" })`)+ownScript)
	p.visit("/")
	p.until(`plausible.s + " " + footfall.l`, "npm true")
	p.run(`history.pushState({}, "", "/second"); footfall("Ours"); plausible("Theirs")`)
	p.untilStored("pageview /", "pageview /second", "Ours /second")
	other.untilStored("pageview /", "pageview /second", "Theirs /second")
	p.end(scriptRequest)
}

// testBounce: what a page reports by itself does not make a visit of it, what the visitor did does.
func (m *market) testBounce(t *testing.T) {
	p := m.stall(t, "bounce.example", ownScript)
	p.visit("/")
	p.run(`footfall("Slide shown", { interactive: false })`)
	p.untilStored("pageview /", "Slide shown / (not interactive)")
	p.untilVisits("1,1,100")
	p.run(`footfall("Played")`)
	p.untilStored("pageview /", "Slide shown / (not interactive)", "Played /")
	p.untilVisits("1,1,0")
	p.end(scriptRequest)
}

// testAttention reads one page to its end for some minutes by the page's clock: the visit is one page, but not no time.
func (m *market) testAttention(t *testing.T) {
	p := m.stall(t, "reader.example", `<script>let passed = 0; const clock = Date.now.bind(Date); Date.now = () => clock() + passed</script>`+ownScript)
	p.visit("/article")
	p.untilStored("pageview /article")
	p.same(`new Promise(done => { addEventListener("scroll", () => done(0)); scrollTo(0, document.documentElement.scrollHeight) })`, 0)
	p.run(`passed += 360_000`)
	p.click("#elsewhere")
	depth, engaged := attention(t, p.s, p.site, "/article", func(_ int, engaged int64) bool { return engaged >= 360_000 })
	if depth != 100 || engaged > 2*360_000 {
		t.Errorf("seen %d %%, for %d ms", depth, engaged)
	}
	p.untilVisits("1,1,100")
}

// testLeaving closes a page whose connections are all taken, so that what it sends then waits in the browser until the page is
// gone. Only what is sent to outlive its page arrives.
func (m *market) testLeaving(t *testing.T) {
	p := m.stall(t, "leaving.example", `<script>addEventListener("pagehide", () => footfall("Left"))</script>`+
		strings.Replace(ownScript, "src=", `data-api="/api/event" src=`, 1))
	p.rewrites = map[string]string{"/api/event": p.s.URL + "/api/event"}
	p.visit("/")
	p.untilStored("pageview /")
	p.run(fmt.Sprintf(`for (let i = 0; i < %d; i++) fetch("/hang?" + i)`, connections))
	for range connections {
		<-p.hanging
	}
	if _, err := chromedp.Call(p.ctx, page.Close, struct{}{}); err != nil {
		t.Fatalf("close the tab: %v", err)
	}
	p.untilStored("pageview /", "Left /")
	attention(t, p.s, p.site, "/", func(depth int, _ int64) bool { return depth > 0 })
}
