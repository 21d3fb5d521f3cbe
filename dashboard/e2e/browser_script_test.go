package e2e_test

import (
	"encoding/json"
	"strings"
	"testing"
)

// testOwnScript switches from the line that says all to the site's own script, which is told here what to do, and sees it do that.
func testOwnScript(t *testing.T, owner, visitor *tab, s *server) {
	owner.open(s.URL + "/site.example?view=install")
	owner.until(`!!$("script-settings")`, true)
	tick := func(n string) { owner.click(id("script-settings") + " label:nth-of-type(" + n + ") input") }
	tick("1")
	tick("4")
	owner.until(`$("snippet").textContent`, `<script defer data-domain="site.example" src="`+s.URL+`/js/script.outbound-links.hash.js"></script>`)
	owner.look("script-ticked")
	owner.click(id("own-script"))
	own := `[...document.querySelectorAll("[data-testid=script-settings] input")].map(i => i.checked)`
	owner.until(own, []bool{false, false, false, false})
	tick("1")
	tick("3")
	owner.until(own, []bool{true, false, true, false})
	snippet := eval[string](owner, `$("snippet").textContent`)
	if !strings.HasPrefix(snippet, `<script defer src="`+s.URL+`/js/pa-`) {
		t.Fatalf("the line is %s", snippet)
	}
	owner.until(`fetch("/api/app/state").then(answer => answer.json()).then(state => state.sites.find(s => s.domain == "site.example").script)
		.then(s => [s.outbound_links, s.file_downloads, s.form_submissions, s.hash])`, []bool{true, false, true, false})
	owner.look("script-own")
	owner.reload()
	owner.until(`!!$("script-settings")`, true)
	owner.click(id("own-script"))
	owner.until(own, []bool{true, false, true, false})

	w := newWebsite(t)
	w.head = snippet + `<script>addEventListener("click", e => e.preventDefault())</script>`
	visitor.open(w.origin("site.example") + "/own")
	visitor.until(`!!window.footfall?.l`, true)
	visitor.same(`(document.body.insertAdjacentHTML("beforeend", '<a id="away" href="https://elsewhere.example/x">away</a>'), document.querySelector("#away").click(), 0)`, 0)
	visitor.untilCounted("pageview", 1)
	visitor.untilCounted("Outbound Link: Click", 1)
	visitor.leftNothing()
}

// testPaths serves the scripts and takes events where no list of ad-blockers looks for them.
func testPaths(t *testing.T, c *chromium) {
	s := start(t, "serve", t.TempDir(), "--script-path", "/assets/app.js", "--event-path", "/assets/e")
	var site struct{ Script struct{ ID string } }
	if err := json.Unmarshal([]byte(mustFootfall(t, nil, "site", "add", "paths.example", "--data", s.Dir, "--json")), &site); err != nil {
		t.Fatal(err)
	}
	own := "/assets/app" + strings.TrimPrefix(site.Script.ID, "pa") + ".js"
	for _, script := range []string{"/assets/app.js", "/assets/app.hash.js", own} {
		visitor, w := c.person(t), newWebsite(t)
		w.head = `<script defer src="` + s.URL + script + `"></script>`
		visitor.open(w.origin("paths.example") + script)
		visitor.until(`performance.getEntriesByType("resource").some(r => r.name.endsWith("/assets/e") && r.responseEnd > 0)`, true)
		visitor.askedOnly(s, "GET "+script, "POST /assets/e")
		visitor.leftNothing()
	}
	untilStored(t, s, "paths.example", "pageview /assets/app.js", "pageview /assets/app.hash.js", "pageview "+own)
}
