package e2e_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"
)

// logIn opens the dashboard of a server that has the owner's account.
func (b *tab) logIn(s *server) {
	b.t.Helper()
	b.open(s.URL)
	b.until(`!!document.querySelector("#email")`, true)
	b.fill("#email", ownerEmail)
	b.fill("#password", ownerPassword)
	b.press("\r")
}

// ownerStore makes a data directory with the owner's account, one site where it is noon, and events of the day before.
func ownerStore(t *testing.T, domain string, events ...string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	mustFootfall(t, strings.NewReader(ownerPassword+"\n"), "user", "add", ownerEmail, "--data", dir)
	zone, _ := noon()
	mustFootfall(t, nil, "site", "add", domain, "--timezone", zone, "--data", dir)
	if len(events) > 0 {
		lines := strings.ReplaceAll(strings.Join(events, "\n"), "TIME", time.Now().UTC().AddDate(0, 0, -1).Format(time.RFC3339))
		mustFootfall(t, strings.NewReader(lines), "import", "--format", "ndjson", "--site", domain, "-", "--data", dir)
	}
	return dir
}

// testPlaces reads regions and cities by their names, of a site that had a database of cities.
func testPlaces(t *testing.T, c *chromium) {
	var events []string
	for _, p := range []struct {
		n                     int
		country, region, city string
	}{
		{5, "DE", "DE-BY", "München"}, {3, "GB", "GB-ENG", "London"}, {2, "CA", "CA-ON", "London"}, {1, "BR", "Bahia", "2625"}, {7, "FR", "", ""}, {1, "", "", ""},
	} {
		for range p.n {
			events = append(events, fmt.Sprintf(`{"time":"TIME","name":"pageview","pathname":"/","country":%q,"region":%q,"city":%q}`, p.country, p.region, p.city))
		}
	}
	s := start(t, "serve", ownerStore(t, "places.example", events...))
	b := c.person(t)
	b.logIn(s)
	b.until(`settled() && rows("locations").map(r => r[0])`, []string{"FR", "DE", "GB", "CA", "", "BR"})
	b.same(`performance.getEntriesByType("resource").filter(r => r.name.includes("regions")).length`, 0) // names are fetched where they are shown

	// What a row reads is its flag and its name.
	const shown = `[...$("panel-locations").querySelectorAll(".row")].map(r => [r.querySelector(".clip").lastChild.data, r.dataset.value])`
	b.click(id("tab-regions"))
	b.until(shown, [][]string{{"Bavaria", "5"}, {"England", "3"}, {"Ontario", "2"}, {"Bahia", "1"}})
	b.look("regions")
	b.click(id("tab-cities"))
	b.until(shown, [][]string{{"München", "5"}, {"London", "3"}, {"London", "2"}, {"2625", "1"}})

	b.click(id("tab-regions"))
	b.until(`query().get("locations")`, "regions")
	b.click(id("details-locations"))
	b.until(`$$("details-row").length`, 4)
	b.same(`[$("details").querySelector("h2").innerText, $$("details-row")[0].querySelectorAll("td")[1].innerText]`, []string{"Regions", "26%"}) // of all nineteen
	b.press("avari")
	b.until(`$$("details-row").map(r => r.querySelector("th").innerText.includes("Bavaria"))`, []bool{true})
	b.press(kb.Escape) // empties the field
	b.until(`$("details-search").value`, "")
	b.shut("dialog")
	b.click(id("panel-locations") + " [data-name=DE-BY] a.clip")
	b.until(`settled() && [$("filter-chip").innerText.split("\n").map(w => w.trim()).join(" "), query().get("f"), cards("visitors")[0]]`, []string{"Region is Bavaria", "is,region,DE-BY", "5"})
	b.click(id("filter-chip") + " .chip-x")

	b.press("/")
	b.until(`document.activeElement.getAttribute("aria-label")`, "Value")
	b.same(`(s => { s.value = "region"; s.dispatchEvent(new Event("change", { bubbles: true })) })(document.querySelector("form.filter-form select"))`, nil)
	b.until(`document.querySelectorAll(".suggestions button").length`, 4)
	b.press("ngla")
	b.until(`[...document.querySelectorAll(".suggestions button")].map(e => e.innerText)`, []string{"England"})
	b.press("\r")
	b.until(`settled() && [query().get("f"), cards("visitors")[0]]`, []string{"is,region,GB-ENG", "3"})
	b.click(id("filter-chip") + " .chip-x")

	clickText(b, id("panel-locations")+" [role=tab]", "Countries")
	b.click(id("panel-locations") + " [data-name=FR] a.clip")
	b.until(`settled() && cards("visitors")[0]`, "7")
	clickText(b, id("panel-locations")+" [role=tab]", "Cities")
	b.until(`$("panel-locations").innerText.includes("Cities are not known here")`, true)
	b.look("no-cities")
	b.quiet(s.URL)
}
