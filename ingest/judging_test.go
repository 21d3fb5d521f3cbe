package ingest_test

import (
	"context"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"footfall/assets"
	"footfall/ingest"
	"footfall/ingest/shield"
	"footfall/storage"
	"footfall/storage/account"
	"footfall/storage/schema"
)

// shielded is a server with a site, and what its rules have done.
type shielded struct {
	t     *testing.T
	store *storage.Store
	h     *ingest.Handler
	site  schema.Site
}

func newShielded(t *testing.T, files shield.Files) *shielded {
	t.Helper()
	s := &shielded{t: t, store: mustOpen(t, t.TempDir(), func() time.Time { return noon })}
	t.Cleanup(func() { mustClose(t, s.store) })
	s.site = mustSite(t, s.store, "example.com", "Etc/UTC")
	places, err := ingest.BuiltPlaces()
	if err != nil {
		t.Fatal(err)
	}
	lists, err := ingest.BuiltLists(places)
	if err != nil {
		t.Fatal(err)
	}
	if err := lists.Read(files); err != nil {
		t.Fatal(err)
	}
	if s.h, err = ingest.New(ingest.Config{Store: s.store, Places: places, Lists: lists, Trusted: netip.Addr.IsLoopback, Now: func() time.Time { return noon }}); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *shielded) add(kind account.RuleKind, value string, mode account.RuleMode) account.Rule {
	s.t.Helper()
	r, err := s.store.Accounts().AddRule(context.Background(), account.Rule{Site: s.site, Kind: kind, Value: value, Mode: mode, By: "user 1", Time: noon})
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

// send posts a pageview and returns the answer's headers.
func (s *shielded) send(url, referrer string, header ...string) http.Header {
	s.t.Helper()
	rec := httptest.NewRecorder()
	s.h.ServeHTTP(rec, request(fmt.Sprintf(`{"n":"pageview","u":%q,"d":"example.com","r":%q}`, url, referrer), header...))
	if rec.Code != http.StatusAccepted || rec.Body.String() != "ok" {
		s.t.Fatal(rec.Code, rec.Body)
	}
	return rec.Header()
}

// did returns what was dropped, and what was not but would have been, by reason, and what each rule was about.
func (s *shielded) did() (dropped, watched map[string]int64, rules map[uint64]int64) {
	date := schema.DateOf(noon)
	day := func(counts map[string]map[schema.Date]int64) map[string]int64 {
		out := map[string]int64{}
		for reason, days := range counts {
			out[reason] = days[date]
		}
		return out
	}
	rules = map[uint64]int64{}
	for rule, days := range s.store.RuleCounts(s.site, date, date) {
		rules[rule] = days[date]
	}
	return day(s.store.DropCounts(s.site, date, date)), day(s.store.WatchCounts(s.site, date, date)), rules
}

func (s *shielded) want(dropped, watched map[string]int64, rules map[uint64]int64) {
	s.t.Helper()
	d, w, r := s.did()
	if diff := cmp.Diff([]any{dropped, watched, rules}, []any{d, w, r}); diff != "" {
		s.t.Error(diff)
	}
}

func TestRulesOfASite(t *testing.T) {
	s := newShielded(t, shield.Files{})
	const page = "https://example.com/admin/x"
	s.send(page, "")
	s.want(map[string]int64{}, map[string]int64{}, map[uint64]int64{})

	rule := s.add(account.RulePage, "/admin/**", account.ModeWatch)
	if got := s.send(page, "").Get("X-Plausible-Dropped"); got != "" {
		t.Errorf("a rule that watches has dropped %s", got)
	}
	s.want(map[string]int64{}, map[string]int64{"site_page_blocklist": 1}, map[uint64]int64{rule.ID: 1})

	if _, err := s.store.Accounts().ChangeRule(context.Background(), s.site, rule.ID, func(r *account.Rule) { r.Mode = account.ModeDrop }); err != nil {
		t.Fatal(err)
	}
	if got := s.send(page, "").Get("X-Plausible-Dropped"); got != "1" {
		t.Errorf("dropped %q", got)
	}
	s.send("https://example.com/", "")
	s.send("https://example.com/", "", "User-Agent", "Googlebot/2.1")
	s.send(page, "", "User-Agent", "Googlebot/2.1") // the page comes before the robot
	s.want(map[string]int64{"site_page_blocklist": 2, "bot": 1}, map[string]int64{"site_page_blocklist": 1}, map[uint64]int64{rule.ID: 3})
	if n := s.store.Count(s.site); n != 3 {
		t.Errorf("%d events are counted, want 3", n)
	}
	if got := s.h.Snapshot().Dropped; got[shield.BlockedPage] != 2 || got[shield.Bot] != 1 {
		t.Errorf("metrics: %v", got)
	}
}

// TestIgnoredDevice follows the link: the browser is told, and nobody else learns why an event does not count.
func TestIgnoredDevice(t *testing.T) {
	s := newShielded(t, shield.Files{})
	token, err := s.store.IgnoreToken(s.site)
	if err != nil {
		t.Fatal(err)
	}
	link := "https://example.com/?" + storage.IgnoreParam + "=" + token
	header := s.send(link, "")
	if header.Get("X-Footfall-Ignore") != "1" || header.Get("Access-Control-Expose-Headers") != "x-footfall-ignore" || header.Get("X-Plausible-Dropped") != "1" {
		t.Errorf("got %v", header)
	}
	for _, other := range []string{link + "x", "https://example.com/?" + storage.IgnoreParam + "=", "https://example.com/"} {
		if header := s.send(other, ""); header.Get("X-Footfall-Ignore") != "" || header.Get("Access-Control-Expose-Headers") != "" || header.Get("X-Plausible-Dropped") != "" {
			t.Errorf("%s: got %v", other, header)
		}
	}
	s.want(map[string]int64{"ignored_device": 1}, map[string]int64{}, map[uint64]int64{})
	if _, err := s.store.NewIgnoreLink(context.Background(), account.Rule{Site: s.site, By: "user 1", Time: noon}); err != nil {
		t.Fatal(err)
	}
	if header := s.send(link, ""); header.Get("X-Footfall-Ignore") != "" {
		t.Error("a link that was replaced works")
	}
	var out run
	if err := out.do(s.store, nil, &ingest.Export{Site: "example.com"}); err != nil || strings.Contains(out.out.String(), token) {
		t.Errorf("the token is stored: %v", err)
	}
}

// TestProgramsAreNoVisitors holds that a program with a token is judged by its visitors' addresses, and by its own not at all.
func TestProgramsAreNoVisitors(t *testing.T) {
	list := filepath.Join(t.TempDir(), "datacentres.txt")
	writeFile(t, list, "192.0.2.0/24\n")
	s := newShielded(t, shield.Files{DataCentres: list})
	s.add(account.RuleDataCentre, "on", account.ModeDrop)
	s.add(account.RuleAddressRate, "2", account.ModeDrop)
	token, _ := mustToken(t, s.store, "send", account.ScopeSend)
	send := func(peer, forwarded, authorization string) string {
		t.Helper()
		r := request(pageview, "User-Agent", "Go-http-client/1.1")
		r.RemoteAddr = peer + ":4711"
		r.Header.Del("X-Forwarded-For")
		if forwarded != "" {
			r.Header.Set("X-Forwarded-For", forwarded)
		}
		if authorization != "" {
			r.Header.Set("Authorization", "Bearer "+authorization)
		}
		rec := httptest.NewRecorder()
		s.h.ServeHTTP(rec, r)
		if rec.Code != http.StatusAccepted {
			t.Fatal(rec.Code, rec.Body)
		}
		return rec.Header().Get("X-Plausible-Dropped")
	}
	for range 5 {
		if got := send("192.0.2.5", "", token); got != "" {
			t.Fatal("a program that speaks for itself is judged as a visitor")
		}
	}
	if got := send("192.0.2.5", "", ""); got != "1" {
		t.Error("one without a token is not")
	}
	if got := send("198.51.100.1", "192.0.2.6", token); got != "1" {
		t.Error("a visitor in a data centre is counted, since a program tells of it")
	}
	s.want(map[string]int64{"dc_ip": 2}, map[string]int64{}, map[uint64]int64{1: 2})
}

// TestRulesOfLogs holds that lines of logs are judged by the same rules, but for the pace of what is over.
func TestRulesOfLogs(t *testing.T) {
	s := newShielded(t, shield.Files{})
	page, addr := s.add(account.RulePage, "/admin/**", account.ModeDrop), s.add(account.RuleAddress, "203.0.113.8", account.ModeWatch)
	s.add(account.RuleAddressRate, "1", account.ModeDrop)
	at := noon.AddDate(0, 0, -3)
	log := ""
	for i, line := range [][2]string{{"203.0.113.9", "/"}, {"203.0.113.9", "/a"}, {"203.0.113.9", "/admin/a"}, {"203.0.113.8", "/"}, {"203.0.113.8", "/admin/"}} {
		log += combined(at.Add(time.Duration(i)*time.Second), line[0], "GET "+line[1]+" HTTP/2.0", 200, "-", logFirefox)
	}
	out, _, err := importLogs(t, s.store, noon, &ingest.Import{Files: []string{"-"}}, strings.NewReader(log))
	if err != nil || !strings.Contains(out, "events    3\n") || !strings.Contains(out, "dropped   2: a rule of the site blocks the page\n") {
		t.Errorf("%v:\n%s", err, out)
	}
	date := schema.DateOf(at)
	if got := s.store.WatchCounts(s.site, date, date)["site_ip_blocklist"][date]; got != 1 {
		t.Errorf("%d would have been dropped, want 1", got)
	}
	counts := s.store.RuleCounts(s.site, date, date)
	if counts[page.ID][date] != 2 || counts[addr.ID][date] != 1 {
		t.Errorf("got %v", counts)
	}
}

// TestRulesThatDoNothing holds that the doctor tells of rules about data centres where none is known.
func TestRulesThatDoNothing(t *testing.T) {
	rules := func(s *shielded) (said string) {
		for _, f := range s.h.Examine(nil) {
			if f.About == "rules" {
				said += f.Text
			}
		}
		return said
	}
	s := newShielded(t, shield.Files{})
	if said := rules(s); said != "" {
		t.Errorf("without a rule it says %q", said)
	}
	s.add(account.RuleDataCentre, "on", account.ModeWatch)
	if said := rules(s); said != "the rule about data centres does nothing (sites: 1): no network of one is known here" {
		t.Errorf("it says %q", said)
	}
	list := filepath.Join(t.TempDir(), "datacentres.txt")
	writeFile(t, list, "192.0.2.0/24\n")
	s = newShielded(t, shield.Files{DataCentres: list})
	s.add(account.RuleDataCentre, "on", account.ModeWatch)
	if said := rules(s); said != "" {
		t.Errorf("with a list it says %q", said)
	}
}

// asked counts what a hit makes storage look up.
type asked struct {
	*memory
	rules, salts int
}

func (a *asked) Rules(schema.Site) *account.Rules { a.rules++; return nil }

func (a *asked) Salt(site account.Site, d schema.Date) ([32]byte, error) {
	a.salts++
	return a.memory.Salt(site, d)
}

// TestUnknownSitesCostNothing holds that nothing is looked up for a site that is not set up here, and no salt is for what is dropped.
func TestUnknownSitesCostNothing(t *testing.T) {
	a := &asked{memory: newMemory(account.Site{Domain: "example.com", Timezone: "Etc/UTC"})}
	h, err := ingest.NewWith(ingest.Config{Now: func() time.Time { return noon }}, a)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		domain, agent string
		rules, salts  int
	}{{"other.com", chrome, 0, 0}, {"example.com", "Googlebot/2.1", 1, 0}, {"example.com", chrome, 2, 1}} {
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, request(fmt.Sprintf(`{"n":"pageview","u":"https://example.com/","d":%q}`, c.domain), "User-Agent", c.agent))
		if rec.Code != http.StatusAccepted || a.rules != c.rules || a.salts != c.salts {
			t.Errorf("%+v: status %d, %d looks at rules, %d salts", c, rec.Code, a.rules, a.salts)
		}
	}
}

// TestBuiltLists holds that the product's own lists are in it, and that nobody whom people come from is on them.
func TestBuiltLists(t *testing.T) {
	if _, err := fs.Stat(assets.Dist, "data/spam.txt"); err != nil {
		t.Skip("built without assets, or with old ones: ", err)
	}
	lists, err := ingest.BuiltLists(nil)
	if err != nil {
		t.Fatal(err)
	}
	for referrer, want := range map[string]bool{
		"https://semalt.com/project": true, "http://forum.topic123.darodar.com/": true, "https://www.google.com/": false, "https://news.ycombinator.com/item": false,
		"https://t.co/x": false, "android-app://com.slack/": false,
	} {
		if got := lists.Spam.Has(referrer, "example.com"); got != want {
			t.Errorf("%s: got %v", referrer, got)
		}
	}
}

// TestRatesWhenTheClockIsSetBack sends events while the time of events stands still, since the clock was set back by half an hour. Their pace is told by how much time passes.
func TestRatesWhenTheClockIsSetBack(t *testing.T) {
	now := noon.Add(-time.Hour)
	store := mustOpen(t, t.TempDir(), func() time.Time { return now })
	defer mustClose(t, store)
	h, err := ingest.New(ingest.Config{Store: store, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	s := &shielded{t: t, store: store, h: h, site: mustSite(t, store, "example.com", "Etc/UTC")}
	s.add(account.RuleSiteRate, "2", account.ModeDrop)
	counted := func() (n int) {
		for range 4 {
			if s.send("https://example.com/", "").Get("X-Plausible-Dropped") == "" {
				n++
			}
		}
		return n
	}
	if n := counted(); n != 2 {
		t.Errorf("%d events counted of a rate of 2", n)
	}
	now = noon
	if n := counted(); n != 2 {
		t.Errorf("%d events counted an hour later", n)
	}
	for now = noon.Add(-30 * time.Minute); now.Before(noon); now = now.Add(10 * time.Minute) {
		if n := counted(); n != 2 {
			t.Errorf("%d events counted at %s", n, now.Format(time.TimeOnly))
		}
	}
}
