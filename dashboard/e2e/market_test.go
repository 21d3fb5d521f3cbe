package e2e_test

import (
	"encoding/json"
	"strings"
	"testing"
)

// market is where ways of counting are tried: one server, and a site for each trial.
type market struct {
	c      *chromium
	s      *server
	zone   string
	bundle []byte // what /npm.js is on the sites
}

func newMarket(t *testing.T, c *chromium) *market {
	t.Helper()
	return &market{c: c, s: start(t, "serve", t.TempDir()), zone: clockZone(t)}
}

// stall is one site of the market with a visitor in front of it.
type stall struct {
	*website
	*tab
	s    *server
	site string
}

// stall opens a site. head goes into every page, filled in.
func (m *market) stall(t *testing.T, site, head string) *stall {
	t.Helper()
	mustFootfall(t, nil, "site", "add", site, "--timezone", m.zone, "--data", m.s.Dir)
	w := newWebsite(t)
	w.bundle = m.bundle
	s := &stall{w, m.c.person(t), m.s, site}
	w.head = s.fillIn(head)
	return s
}

// fillIn puts the site's domain for {site}, the server's address for {server}, and the name of the site's own script for {script}.
func (s *stall) fillIn(text string) string {
	s.t.Helper()
	if strings.Contains(text, "{script}") {
		text = strings.ReplaceAll(text, "{script}", s.script())
	}
	return strings.NewReplacer("{site}", s.site, "{server}", s.s.URL).Replace(text)
}

// script is the name of the site's own script, which is told to do no more than each does.
func (s *stall) script() string {
	s.t.Helper()
	var site struct{ Script struct{ ID string } }
	out := mustFootfall(s.t, nil, "site", "set", s.site, "--script", "none", "--json", "--data", s.s.Dir)
	if err := json.Unmarshal([]byte(out), &site); err != nil || site.Script.ID == "" {
		s.t.Fatalf("no script of %s: %v in %s", s.site, err, out)
	}
	return site.Script.ID
}

func (s *stall) visit(path string) { s.open(s.origin(s.site) + path) }

// run runs a program in the page.
func (s *stall) run(program string) {
	s.t.Helper()
	s.same(`(() => {`+program+`})()`, nil)
}

func (s *stall) untilStored(want ...string) []exported {
	s.t.Helper()
	return untilStored(s.t, s.s, s.site, want...)
}

// untilVisits waits for the metrics visits, pageviews and bounce_rate of the day.
func (s *stall) untilVisits(want string) {
	s.t.Helper()
	untilAnswer(s.t, s.s, s.site, `{"metrics": ["visits", "pageviews", "bounce_rate"], "date_range": "day"}`, "[[] ["+want+"]]")
}

// end holds that the pages complained of nothing, left nothing on the device, and asked the server only for what is allowed.
func (s *stall) end(allowed ...string) {
	s.t.Helper()
	s.leftNothing()
	s.quiet(s.origin("news.example"), s.origin(s.site), s.origin("elsewhere.example"), s.s.URL)
	s.askedOnly(s.s, append(allowed, "POST /api/event")...)
}
