package e2e_test

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// nextPage is what pages/next.js renders: a part of a page, and what the site's own server passes on.
type nextPage struct {
	HTML     string
	Rewrites []struct{ Source, Destination string }
}

// renderNext has next-plausible render its component for pages that are counted by the server at an address.
func renderNext(t *testing.T, server string) map[string]nextPage {
	t.Helper()
	program := filepath.Join(t.TempDir(), "next.cjs")
	if err := os.WriteFile(program, bundle(t, "next.js", "--platform=node", "--alias:next/script=./pages/next-script.js"), 0o644); err != nil {
		t.Fatal(err)
	}
	node := exec.CommandContext(t.Context(), "node", program, server)
	node.Env, node.Stderr = append(os.Environ(), "NODE_ENV=production"), os.Stderr
	out, err := node.Output()
	if err != nil {
		t.Fatalf("run next.js: %v", err)
	}
	var pages map[string]nextPage
	if err := json.Unmarshal(out, &pages); err != nil {
		t.Fatalf("next.js: %v in %s", err, out)
	}
	return pages
}

var scriptSource = regexp.MustCompile(`src="([^"]+)"`)

// nextEvents is what is stored of the same walk on each page: a click on a file, on a tagged button, a step to another route, a change of
// the hash, a call of plausible(), and a link to elsewhere. {here} and {there} are the origins of the site and of the other one.
var nextEvents = map[string][]string{
	"3 plain":              {"pageview /pricing", "pageview /secret", "Signup /secret plan=pro"},
	"3 self-hosted":        {"pageview /pricing", "pageview /secret", "Signup /secret plan=pro"},
	"3 hash":               {"pageview /pricing", "pageview /secret#/deep", "Signup /secret#/deep plan=pro"},
	"3 manual":             {"Signup /secret plan=pro"},
	"3 proxy":              {"pageview /pricing", "pageview /secret", "Signup /secret plan=pro", "Outbound Link: Click /secret url={there}/else"},
	"3 proxy, other names": {"pageview /pricing", "pageview /secret", "Signup /secret plan=pro"},
	"3 options": {"pageview /pricing theme=dark", "File Download /pricing theme=dark url={here}/empty/paper.pdf", "Ask Price /pricing place=head theme=dark",
		"Signup /secret plan=pro theme=dark", "Outbound Link: Click /secret theme=dark url={there}/else"},

	"4 plain":              {"pageview /pricing", "Ask Price /pricing place=head", "pageview /secret", "Signup /secret plan=pro"},
	"4 hash":               {"pageview /pricing", "Ask Price /pricing place=head", "pageview /secret#/deep", "Signup /secret#/deep plan=pro"},
	"4 manual":             {"Ask Price /pricing place=head", "Signup /secret plan=pro"},
	"4 proxy, other names": {"pageview /pricing", "Ask Price /pricing place=head", "pageview /secret", "Signup /secret plan=pro"},
	"4 options": {"pageview /pricing about=pageview theme=dark", "File Download /pricing about=File Download theme=dark url={here}/empty/talk.ogg",
		"Ask Price /pricing about=Ask Price place=head theme=dark", "pageview /secret about=pageview theme=dark", "Signup /secret about=Signup plan=pro theme=dark"},
	"4 proxy": {"pageview /pricing about=pageview theme=dark", "File Download /pricing about=File Download theme=dark url={here}/empty/talk.ogg",
		"Ask Price /pricing about=Ask Price place=head theme=dark", "pageview /secret about=pageview theme=dark", "Signup /secret about=Signup plan=pro theme=dark"},
}

// testNext counts sites that use next-plausible, in its third form, which names flavours of the script, and its fourth, which
// loads the script of the site; each straight from Footfall and through the rewrites it gives the site's own server.
func testNext(t *testing.T, c *chromium) {
	m := newMarket(t, c)
	pages := renderNext(t, m.s.URL)
	t.Run("addresses", func(t *testing.T) { m.testNextAddresses(t, pages) })
	for i, name := range slices.Sorted(maps.Keys(pages)) {
		t.Run(name, func(t *testing.T) { m.testNextPage(t, fmt.Sprintf("next%d.example", i), pages[name], nextEvents[name]) })
	}
}

func (m *market) testNextPage(t *testing.T, site string, page nextPage, want []string) {
	p := m.stall(t, site, page.HTML)
	p.rewrites = map[string]string{}
	for _, r := range page.Rewrites {
		p.rewrites[r.Source] = p.fillIn(r.Destination)
	}
	origins := strings.NewReplacer("{here}", p.origin(site), "{there}", p.origin("elsewhere.example"))
	var wanted []string
	for _, event := range want {
		wanted = append(wanted, origins.Replace(event))
	}
	p.visit("/pricing?x=1")
	p.until(`!!(window.plausible && plausible.l)`, true)
	p.click("#paper")
	p.click("#cast")
	p.click("#tagged")
	p.run(`history.pushState({}, "", "/secret")`)
	p.same(`new Promise(done => { addEventListener("hashchange", () => done(0)); location.hash = "#/deep" })`, 0)
	p.same(`new Promise(done => plausible("Signup", { props: { plan: "pro" }, callback: answer => done(answer.status) }))`, http.StatusAccepted)
	p.click("#elsewhere")
	p.untilStored(wanted...)
	if len(p.rewrites) > 0 { // then nothing but the page's own server is asked
		p.quiet(p.origin(site), p.origin("elsewhere.example"))
	}
}

// testNextAddresses holds that each script next-plausible may name, and that its rewrites may, is served.
func (m *market) testNextAddresses(t *testing.T, pages map[string]nextPage) {
	p := m.stall(t, "addresses.example", "")
	addresses := map[string]bool{}
	for _, page := range pages {
		for _, found := range scriptSource.FindAllStringSubmatch(page.HTML, -1) {
			addresses[p.fillIn(found[1])] = true
		}
		for _, r := range page.Rewrites {
			addresses[p.fillIn(r.Destination)] = true
		}
	}
	seen := 0
	for address := range addresses {
		if !strings.HasPrefix(address, m.s.URL+"/js/") {
			continue
		}
		res, err := http.Get(address)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if kind := res.Header.Get("Content-Type"); res.StatusCode != http.StatusOK || !strings.Contains(kind, "javascript") || len(body) < 500 {
			t.Errorf("%s: status %d, %s, %d bytes", address, res.StatusCode, kind, len(body))
		}
		seen++
	}
	if seen < 512 { // every set of nine words
		t.Errorf("%d addresses of scripts", seen)
	}
}
