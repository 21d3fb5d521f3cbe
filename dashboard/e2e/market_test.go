package e2e_test

import (
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

// stall opens a site. In head, which goes into every page, {site} stands for its domain and {server} for the server's address.
func (m *market) stall(t *testing.T, site, head string) *stall {
	t.Helper()
	mustFootfall(t, nil, "site", "add", site, "--timezone", m.zone, "--data", m.s.Dir)
	w := newWebsite(t, "package.html")
	w.bundle = m.bundle
	w.head = strings.NewReplacer("{site}", site, "{server}", m.s.URL).Replace(head)
	return &stall{w, m.c.person(t), m.s, site}
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
	s.quiet(s.origin(s.site), s.origin("elsewhere.example"), s.s.URL)
	s.askedOnly(s.s, append(allowed, "POST /api/event")...)
}
