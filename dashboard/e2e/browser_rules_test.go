package e2e_test

import (
	"strings"
	"testing"
)

// filtered reads in the panel what a rule has done today, and comes back.
func filtered(b *tab, s *server) {
	b.t.Helper()
	b.open(s.URL + "/rules.example?period=day")
	b.until(`settled() && $("filtered-sum").innerText`, "25% of 4 events were not counted.")
	b.same(`$$("reason").map(r => [r.dataset.name, r.dataset.value])`, [][]string{{"site_page_blocklist", "1"}})
	b.same(`$("watched").innerText.replaceAll(/\s+/g, " ")`, "Counted, but rules that only watch would have dropped: 1 Blocked pages")
	b.look("filtered-rules")
	b.click(id("rules-link"))
	b.until(`$("rules").ariaBusy`, "false")
}

// uncounted follows the link not to be counted, and is not counted on a later page.
func uncounted(visitor *tab, s *server, link string) {
	visitor.t.Helper()
	w := newWebsite(visitor.t)
	w.head = `<script defer data-domain="rules.example" src="` + s.URL + `/js/script.js"></script>`
	_, query, _ := strings.Cut(link, "?")
	visitor.open(w.origin("rules.example") + "/?" + query)
	visitor.until(`localStorage.plausible_ignore`, "true")
	visitor.click("#pricing")
	visitor.until(`[location.pathname, document.readyState, typeof plausible]`, []string{"/pricing", "complete", "function"})
	if asked := visitor.visited(); visitor.counted("pageview") != 0 || strings.Count(strings.Join(asked, "\n"), "/api/event") != 1 {
		visitor.t.Errorf("after the link %d pageviews were counted; the browser asked for %q", visitor.counted("pageview"), asked)
	}
	visitor.quiet(w.origin("rules.example"), s.URL)
}

// testRules tries, adds, watches and removes rules of a site on their page, and sees what they do to events that come.
func testRules(t *testing.T, c *chromium) {
	event := func(path, country string) string {
		return `{"time":"TIME","name":"pageview","hostname":"rules.example","pathname":"` + path + `","country":"` + country + `"}`
	}
	s := start(t, "serve", ownerStore(t, "rules.example", event("/", "DE"), event("/", "NL"), event("/", "NL"), event("/admin/a", "DE"), event("/admin/b", "DE"), event("/blog", "")))
	b := c.person(t)
	b.logIn(s)
	b.until(`settled() && $("filtered-sum").innerText`, "All 6 events that came were counted.")
	b.click(id("site-switcher"))
	clickText(b, "[role=menuitem]", "What is counted")
	b.until(`[query().get("view"), $("rules").ariaBusy, $$("rule").map(r => r.dataset.kind + " " + r.dataset.mode)]`,
		[]any{"rules", "false", []string{"datacentre off", "spam drop", "site_rate off", "address_rate drop"}})
	b.same(`$$("rule").slice(0, 2).map(r => r.innerText.split("\n")[0])`, []string{"Data centres", "Spam referrers"})
	b.look("rules-none")
	clickText(b, id("rule")+"[data-kind=site_rate] .segments button", "Drop") // without a number there is nothing to drop by
	b.until(`[$("said").innerText.slice(0, 11), $$("rule").filter(r => r.dataset.kind == "site_rate")[0].dataset.mode]`, []string{"Write first", "off"})

	const told = `$("rule-told").innerText.trim()`
	choose := func(kind, value string) {
		b.same(`(s => { s.value = "`+kind+`"; s.dispatchEvent(new Event("change", { bubbles: true })) })($("rule-kind"))`, nil)
		b.until(`document.querySelector("#rule-value").value`, "")
		b.fill("#rule-value", value)
	}
	choose("page", "/admin/*")
	b.until(told, "Would have dropped 2 of the 6 events of the last 7 days.\n\n/admin/a 1 · /admin/b 1")
	b.look("rules-tried")
	choose("country", "netherlands")
	b.until(told, "Would have dropped 2 of the 6 events of the last 7 days.\n\nNetherlands 2")
	choose("host", "shop.example")
	b.until(told, "Would have dropped 6 of the 6 events of the last 7 days.\n\nrules.example 6")
	choose("address", "192.0.2.7/24")
	b.until(`[`+told+`, $("rule-form").querySelector("[type=submit]").disabled]`,
		[]any{"Address: 192.0.2.7/24 lies inside a network; write 192.0.2.0/24 for all of it, or 192.0.2.7 for the one address", true})
	b.forgive(t, "400")
	choose("address", "192.0.2.0/24")
	b.until(told+`.startsWith("What this rule looks at is not stored")`, true)

	// A rule that watches, then drops what comes, is gone, and comes back.
	rules := `$$("rule").filter(r => ["page", "address"].includes(r.dataset.kind)).map(r => [r.dataset.value, r.dataset.mode, r.dataset.count])`
	choose("page", "/admin/*")
	clickText(b, id("rule-form")+" .segments button", "Watch")
	b.press("\t")
	b.click(id("rule-form") + " [type=submit]")
	b.until(rules, [][]string{{"/admin/*", "watch", "0"}})
	b.until(`[$("said").innerText, document.activeElement.id]`, []string{"Added: page /admin/*.", "rule-value"})
	if !send(s.URL, "rules.example", "/admin/watched", firefox) {
		t.Error("an event that a rule watches was dropped")
	}
	choose("page", "/admin/*")
	b.until(told+`.includes("Would have dropped 3 of the 7")`, true)
	b.press("\r")
	b.until(told, "Rule 1 is about page /admin/*: it exists already")
	b.forgive(t, "409")
	clickText(b, id("rule")+" .segments button", "Drop")
	b.until(rules, [][]string{{"/admin/*", "drop", "1"}})
	if send(s.URL, "rules.example", "/admin/dropped", firefox) {
		t.Error("an event that a rule drops was counted")
	}
	send(s.URL, "rules.example", "/", firefox)
	clickText(b, id("rule")+" .segments button", "Off")
	b.until(rules, [][]string{{"/admin/*", "off", "2"}})
	if !send(s.URL, "rules.example", "/admin/off", firefox) {
		t.Error("an event that a rule speaks of that is off was dropped")
	}
	clickText(b, id("rule")+" .segments button", "Drop")
	b.until(rules, [][]string{{"/admin/*", "drop", "2"}})
	b.same(`$("rule").innerText.includes("Met 2 events in 30 days")`, true)
	b.look("rules")
	filtered(b, s)
	clickText(b, id("rule")+" button.ghost", "Remove")
	b.until(rules, [][]string{})
	clickText(b, id("said")+" button", "Undo")
	b.until(rules, [][]string{{"/admin/*", "drop", "0"}})

	// A row of Details leads here, with a rule about it in the form.
	b.open(s.URL + "/rules.example?locations=countries&details=locations")
	b.until(`$$("details-row").length`, 3)
	b.look("details-rules")
	b.click(id("rule-out") + "[aria-label='Do not count Netherlands']")
	b.until(`[query().get("view"), document.querySelector("#rule-value").value, `+told+`]`, []string{"rules", "Netherlands", "Would have dropped 2 of the 9 events of the last 7 days.\n\nNetherlands 2"})

	// Limits of rates, and the link.
	b.fill(id("rule")+"[data-kind=address_rate] input", strings.Repeat("\b", 4)+"90")
	b.press("\r")
	b.until(`$("said").innerText`, "More than 90 events a minute of one address: not counted.")
	link := eval[string](b, `$("ignore-link").innerText`)
	if !strings.HasPrefix(link, "https://rules.example/?footfall_ignore=") {
		t.Errorf("the link is %q", link)
	}
	uncounted(c.person(t), s, link)
	b.reload()
	b.until(`$("said") && document.querySelector("#ignore-link").closest("section").innerText.includes("Dropped 1 event in 30 days")`, true)
	clickText(b, ".rule-part > .clear", "Make a new link")
	b.until(`$("ignore-link").innerText !== "`+link+`" && $("said").innerText.startsWith("There is a new link")`, true)
	b.quiet(s.URL)
}
