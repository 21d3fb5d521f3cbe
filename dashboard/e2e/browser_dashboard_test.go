package e2e_test

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// testDemoDashboard uses the dashboard of the demo, which has a year of traffic, as a person does.
func testDemoDashboard(t *testing.T, c *chromium, s *server) {
	b := c.person(t)
	b.open(s.URL)
	b.until(`settled() && !!$("demo-banner") && rows("pages").length > 5`, true)
	b.same(`[location.pathname.length > 1, location.search]`, []any{true, ""})
	b.look("dashboard")

	t.Run("filter", func(t *testing.T) { testFilter(b.in(t)) })
	t.Run("period", func(t *testing.T) { testPeriod(b.in(t)) })
	t.Run("chart", func(t *testing.T) { testChart(b.in(t)) })
	t.Run("details", func(t *testing.T) { testDetails(b.in(t)) })
	t.Run("filtered", func(t *testing.T) { testFiltered(b.in(t)) })
	t.Run("menus", func(t *testing.T) { testMenus(b.in(t)) })
	t.Run("colours", func(t *testing.T) { testColours(b.in(t)) })
	b.quiet(s.URL)
	t.Run("witness", func(t *testing.T) { testWitness(b.in(t)) })
}

// numbers are all that must be the same again.
const numbers = `settled() && [location.search, cards("visitors", "visits", "pageviews"), rows("sources"), rows("pages")]`

// fresh opens the demo's dashboard without filters, in its normal period, whose days are over: no live visit changes it.
func fresh(b *tab) {
	b.t.Helper()
	b.open(eval[string](b, `location.origin + location.pathname`))
	b.until(`settled() && location.search === "" && rows("pages").length > 5`, true)
}

func testFilter(b *tab) {
	fresh(b)
	before := eval[any](b, numbers)
	page := eval[[]string](b, `rows("pages")[1]`)
	clickText(b, id("panel-pages")+" a.clip", page[0])
	b.until(`settled() && [$$("filter-chip").length, query().get("f"), cards("visitors")[0]]`, []any{1, "is,page," + page[0], page[1]})
	b.same(`$("filter-chip").innerText.split("\n").map(w => w.trim()).join(" ")`, "Page is "+page[0])
	filtered := eval[any](b, numbers)

	source := eval[[]string](b, `rows("sources")[1]`)
	clickText(b, id("panel-sources")+" a.clip", source[0])
	b.until(`settled() && [$$("filter-chip").length, query().getAll("f").length, cards("visitors")[0]]`, []any{2, 2, source[1]})
	b.look("dashboard-filtered")

	b.do("go back", chromedp.NavigateBack())
	b.until(numbers, filtered)
	b.reload()
	b.until(numbers, filtered)
	b.do("go back", chromedp.NavigateBack())
	b.until(numbers, before)
	b.do("go forward", chromedp.NavigateForward())
	b.until(numbers, filtered)
	b.click(id("filter-chip") + " .chip-x")
	b.until(numbers, before)

	form := func() {
		b.press("/")
		b.until(`[document.activeElement.getAttribute("aria-label"), document.querySelectorAll(".suggestions button").length > 5]`, []any{"Value", true})
	}
	b.lookOver("filter-form", form, func() { b.shut("form.filter-form") })
	form()
	b.press(page[0] + "\r")
	b.until(numbers, filtered)
	b.press(kb.Escape)
	b.until(numbers, before)
}

func testPeriod(b *tab) {
	fresh(b)
	normal := eval[string](b, `cards("visitors")[0]`)
	pick := func() {
		b.click(id("period-picker"))
		b.until(`document.activeElement.innerText.startsWith("Last 28 days")`, true)
	}
	b.lookOver("period-picker", pick, func() { b.shut("[role=menu]") })
	pick()
	clickText(b, "[role=menuitemradio]", "Last 7 days")
	b.until(`settled() && [location.search, $("period-picker").innerText.includes("Last 7 days"), !!document.querySelector("[role=menu]")]`, []any{"?period=7d", true, false})
	b.until(`cards("visitors")[0] !== "`+normal+`"`, true)
	week := eval[any](b, numbers)
	b.reload()
	b.until(numbers, week)

	b.press("t")
	b.until(`settled() && location.search`, "?period=30d")
	b.press(kb.ArrowLeft)
	b.until(`settled() && [query().get("period"), /^\d{4}-\d\d-\d\d$/.test(query().get("date"))]`, []any{"30d", true})
	b.press(kb.ArrowRight)
	b.until(`settled() && location.search`, "?period=30d")
	b.press("d")
	b.until(`settled() && [location.search, $("chart-table").querySelectorAll("tbody tr").length > 0]`, []any{"?period=day", true})
	b.look("dashboard-today")
	b.lookOver("custom-period", func() {
		b.press("c")
		b.until(`document.activeElement.type`, "date")
	}, func() { b.shut("form.custom") })
	b.press("f")
	b.until(`settled() && cards("visitors")[0]`, normal)
}

func testChart(b *tab) {
	fresh(b)
	// The table says in words what the canvas shows: 28 days, and their sum is the card's number. The canvas is drawn by
	// a script that is loaded only when there is a chart: a moment later.
	b.until(`[getComputedStyle($("chart-table")).display, $("chart-table").querySelectorAll("tbody tr").length, !!$("chart").querySelector("canvas")]`, []any{"block", 28, true})
	b.click(id("card-pageviews") + " .card-pick")
	b.until(`settled() && [$("chart").dataset.metric, query().get("metric"), $("card-pageviews").querySelector("[aria-pressed]").ariaPressed]`, []any{"pageviews", "pageviews", "true"})
	b.until(`[...$("chart-table").querySelectorAll("tbody tr td:nth-of-type(1)")].map(c => Number(c.innerText.replaceAll(/\D/g, ""))).reduce((a, b) => a + b) === Number(cards("pageviews")[0])`, true)
	b.press("i")
	b.until(`settled() && [query().get("interval"), $("chart-table").querySelectorAll("tbody tr").length < 7]`, []any{"week", true})
	b.press("x")
	b.until(`settled() && query().get("compare")`, "off")
}

func testDetails(b *tab) {
	fresh(b)
	before := eval[any](b, numbers)
	open := func() {
		b.click(id("details-pages"))
		b.until(`[query().get("details"), $("details").open, $("details").contains(document.activeElement), $$("details-row").length > 9]`, []any{"pages", true, true, true})
	}
	b.lookOver("details", open, func() { b.shut("dialog") })
	open()
	b.until(`document.activeElement.dataset.testid`, "details-search")
	b.press("docs") // "d" is no shortcut here
	b.until(`[$("details-search").value, $$("details-row").length > 0, $$("details-row").map(r => r.querySelector("th").innerText).filter(p => !p.includes("docs"))]`, []any{"docs", true, []string{}})
	b.same(`query().get("period")`, nil)
	b.reload()
	b.until(`$("details").open && $$("details-row").length > 9`, true)
	b.press(kb.Escape)
	b.until(`!!$("details")`, false)
	b.until(numbers, before)

	b.click(id("details-sources"))
	b.until(`$$("details-row").length > 1`, true)
	b.press(kb.Escape)
	b.until(`[!!$("details"), document.activeElement.dataset.testid]`, []any{false, "details-sources"})
	b.until(numbers, before)
}

func testMenus(b *tab) {
	fresh(b)
	b.lookOver("shortcuts", func() {
		b.press("?")
		b.until(`document.querySelector("dialog[open]").contains(document.activeElement)`, true)
	}, func() { b.shut("dialog") })
	switcher := func() {
		b.click(id("site-switcher"))
		b.until(`document.activeElement.role`, "menuitemradio")
	}
	b.lookOver("site-switcher", switcher, func() { b.shut("[role=menu]") })
	switcher()
	clickText(b, "[role=menuitem]", "Tracking snippet")
	b.until(`$("snippet").innerText.includes(location.origin + "/js/script.js")`, true)
	b.look("snippet")
	b.do("go back", chromedp.NavigateBack())
	b.until(`settled()`, true)
	b.lookOver("menu", func() {
		b.click(id("menu"))
		b.until(`document.activeElement.role`, "menuitemradio")
	}, func() {
		b.shut("[role=menu]")
		b.until(`document.activeElement.dataset.testid`, "menu")
	})
}

// shut closes what lies over the page with Escape.
func (b *tab) shut(css string) {
	b.t.Helper()
	b.press(kb.Escape)
	b.until("!!document.querySelector("+strconv.Quote(css)+")", false)
}

func testColours(b *tab) {
	fresh(b)
	const background = `getComputedStyle(document.body).backgroundColor`
	light := eval[string](b, background)
	b.click(id("theme-toggle"))
	b.until(`document.documentElement.dataset.theme`, "dark")
	dark := eval[string](b, background)
	if dark == light {
		b.t.Errorf("the background is %s in the dark too", dark)
	}
	b.reload()
	b.until(background, dark)
	b.click(id("theme-toggle"))
	b.until(background, light)
	b.colours("dark") // a choice made by hand outdoes the system's
	b.same(background, light)
	b.click(id("menu"))
	clickText(b, "[role=menuitemradio]", "Like the system")
	b.until(background, dark)
	b.colours("light")
	b.until(background, light)
}

// testWitness holds that what the other tests rely on works: the policy forbids what is foreign, and that is seen.
func testWitness(b *tab) {
	b.same(`new Promise(done => { const i = new Image(); i.onerror = () => done("refused"); i.onload = () => done("loaded"); i.src = "http://elsewhere.example/x.png" })`, "refused")
	b.forgive(b.t, "policy violation")
	b.same(`fetch("http://elsewhere.example/").then(() => "answered", () => "refused")`, "refused")
	b.same(`document.body.appendChild(Object.assign(document.createElement("script"), { textContent: "window.inline = true" })) && window.inline`, nil)
	b.forgive(b.t, "policy violation")
	b.same(`(e => { e.className = "stray"; Object.assign(e.style, { position: "fixed", left: "-9px", top: 0, width: "50px", height: "9px" }); document.body.append(e) })(document.createElement("i"))`, nil)
	b.same(cutOff, []string{"I.stray"})
	b.same(`void localStorage.setItem("canary", "1")`, nil)
	for deadline := time.Now().Add(changeTime); !slices.Contains(b.writes(), "canary"); time.Sleep(lookEvery) {
		if time.Now().After(deadline) {
			b.t.Fatalf("writes that were seen: %q", b.writes())
		}
	}
}
