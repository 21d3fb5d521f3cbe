package api_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"footfall/dashboard/api"
	"footfall/storage/account"
	"footfall/storage/schema"
	"footfall/storage/verb"
)

func TestShieldVerbs(t *testing.T) {
	s := newServer(t, false)
	s.fill(t)
	const site = "example.org"
	date, _ := schema.ParseDate("2026-05-20")
	site1, _ := s.store.Accounts().SiteByDomain(site)
	page := func(p ...string) api.RuleAbout { return api.RuleAbout{BlockPage: p} }
	for _, c := range []struct {
		name string
		verb runner
		out  string
		code int
		err  string
	}{
		{"add nothing", &api.ShieldAdd{Site: site}, "", verb.ExitUsage, "--block-page"},
		{"add to no site", &api.ShieldAdd{Site: "b.org", RuleAbout: page("/")}, "", verb.ExitMissing, "not set up"},
		{"add what is wrong", &api.ShieldAdd{Site: site, RuleAbout: api.RuleAbout{BlockPage: []string{"/a"}, BlockAddress: []string{"192.0.2"}}}, "", verb.ExitUsage, "write it like 192.0.2.7"},
		{"add", &api.ShieldAdd{Site: site, RuleAbout: api.RuleAbout{BlockAddress: []string{"192.0.2.7"}, BlockPage: []string{"/pricing"}}, Note: "staff"}, "rule 1: address 192.0.2.7: not counted\nrule 2: page /pricing: not counted\n", 0, ""},
		{"add again", &api.ShieldAdd{Site: site, RuleAbout: page("/pricing")}, "", verb.ExitFailed, "rule 2 is about page /pricing: it exists already"},
		{"watch", &api.ShieldAdd{Site: site, RuleAbout: api.RuleAbout{OnlyHost: []string{"example.org"}}, Watch: true}, "rule 3: only host example.org: counted, and so is how many would be dropped\n", 0, ""},
		{"set nothing", &api.ShieldSet{Site: site, Rule: 1}, "", verb.ExitUsage, "--mode"},
		{"set no rule", &api.ShieldSet{Site: site, Rule: 9, Mode: "off"}, "", verb.ExitMissing, "shield list"},
		{"set a wrong mode", &api.ShieldSet{Site: site, Rule: 1, Mode: "block"}, "", verb.ExitUsage, "drop, watch or off"},
		{"set a wrong rate", &api.ShieldSet{Site: site, AddressRate: "many"}, "", verb.ExitUsage, "events a minute"},
		{"set", &api.ShieldSet{Site: site, Rule: 2, Mode: "off"}, "rule 2: page /pricing: off\n", 0, ""},
		{"switches", &api.ShieldSet{Site: site, Datacentres: "watch", SiteRate: "600", AddressRate: "off"},
			"rule 4: addresses of data centres: counted, and so is how many would be dropped\nrule 5: more than 600 events a minute: not counted\nrule 6: more than 6000 events a minute of one address: off\n", 0, ""},
		{"again", &api.ShieldSet{Site: site, AddressRate: "60", Mode: "watch"}, "rule 6: more than 60 events a minute of one address: counted, and so is how many would be dropped\n", 0, ""},
		{"try a page", &api.ShieldTry{Site: site, RuleAbout: page("/pri*"), Hours: 72}, "page /pri*: would have dropped 2 of 7 events since 2026-05-17T10:30:15Z\n  2  /pricing\n", 0, ""},
		{"try an address", &api.ShieldTry{Site: site, RuleAbout: api.RuleAbout{BlockAddress: []string{"192.0.2.7", "192.0.2.8"}}, Hours: 72},
			"address 192.0.2.7: rule 1 has dropped 3 events since 2026-05-17\naddress 192.0.2.8: What this rule looks at is not stored, so it cannot be tried on what is over. Add it in watch mode: it drops nothing then, and counts what it would have dropped.\n", 0, ""},
		{"try a rate", &api.ShieldTry{Site: site, AddressRate: "60", SiteRate: "7", Hours: 72}, "more than 7 events a minute: rule 5 has dropped 0 events since 2026-05-17\n" +
			"more than 60 events a minute of one address: rule 6 would have dropped 0 events since 2026-05-17\n", 0, ""},
		{"try nothing", &api.ShieldTry{Site: site, Hours: 72}, "", verb.ExitUsage, "--block-page"},
		{"try too much", &api.ShieldTry{Site: site, RuleAbout: page("/"), Hours: 9000}, "", verb.ExitUsage, "--hours 9000: from 1 to 8784"},
		{"list", &api.ShieldList{Site: site}, `rule  mode   about                                              30 days  note
1     drop   address 192.0.2.7                                  3        staff
2     off    page /pricing                                      0        staff
3     watch  only host example.org                              5        
4     watch  addresses of data centres                          0        
-     drop   referrers known for fake visits                    4        
5     drop   more than 600 events a minute                      0        
6     watch  more than 60 events a minute of one address        0        
-     drop   browsers that followed the link not to be counted  0        
`, 0, ""},
		{"dropped", &api.ShieldDropped{Site: site, Days: 2}, `date        reason                   dropped  watched  what it is
2026-05-20  bot                      7        0        the User-Agent is that of a robot
2026-05-20  site_ip_blocklist        3        0        a rule of the site blocks the address
2026-05-20  blocked                  1        0        
2026-05-20  site_hostname_allowlist  0        5        the page is on a host that the site's rules do not list
2026-05-19  bot                      2        0        the User-Agent is that of a robot
`, 0, ""},
		{"remove", &api.ShieldRemove{Site: site, Rule: 1}, "removed rule 1: address 192.0.2.7\n", 0, ""},
		{"remove again", &api.ShieldRemove{Site: site, Rule: 1}, "", verb.ExitMissing, "rule 1"},
	} {
		if c.name == "try an address" {
			s.store.Ruled(site1.ID, date, "site_ip_blocklist", 1, false, 3)
			s.store.Ruled(site1.ID, date, "site_hostname_allowlist", 3, true, 5)
		}
		out, err := s.run(c.verb, false, "")
		if out != c.out || verb.Code(err) != c.code || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: got %q, %v (exit %d), want %q, exit %d with %q", c.name, out, err, verb.Code(err), c.out, c.code, c.err)
		}
	}
	for _, v := range []runner{&api.ShieldAdd{Site: site, RuleAbout: page("/x")}, &api.ShieldSet{Site: site, Spam: "off"}, &api.ShieldList{Site: site}, &api.ShieldTry{Site: site, RuleAbout: page("/x"), Hours: 1},
		&api.ShieldDropped{Site: site, Days: 7}, &api.ShieldLink{Site: site}, &api.ShieldRemove{Site: site, Rule: 2}} {
		out, err := s.run(v, true, "")
		if err != nil || !json.Valid([]byte(out)) {
			t.Errorf("%T: %v, %s", v, err, out)
		}
	}
}

// TestIgnoreLink holds that a link is good for its site alone, and until there is a new one.
func TestIgnoreLink(t *testing.T) {
	s := newServer(t, false)
	s.fill(t)
	ctx, book := context.Background(), s.store.Accounts()
	site, _ := book.SiteByDomain("example.org")
	blog, _ := book.SiteByDomain("example.org/blog")
	link := func(v *api.ShieldLink) string {
		t.Helper()
		out, err := s.run(v, false, "")
		if err != nil {
			t.Fatal(err)
		}
		token, ok := strings.CutPrefix(strings.TrimSpace(out), "https://"+v.Site+"/?footfall_ignore=")
		if !ok {
			t.Fatalf("got %q", out)
		}
		return token
	}
	first, other := link(&api.ShieldLink{Site: site.Domain}), link(&api.ShieldLink{Site: blog.Domain})
	_, body, _ := s.do(t, "login", "GET", "/api/app/sites/example.org/ignore-link", "", "")
	if want := `{"url":"https://example.org/?footfall_ignore=` + first + `","works":true,"number":"0"}`; body != want {
		t.Errorf("got %s, want %s", body, want)
	}
	works := func(token string, want bool) {
		t.Helper()
		if got := s.store.IsIgnoreToken(site.ID, token); got != want {
			t.Errorf("%q: got %v, want %v", token, got, want)
		}
	}
	works(first, true)
	works(other, false)
	works("", false)
	works(first+"A", false)
	second := link(&api.ShieldLink{Site: site.Domain, New: true})
	works(first, false)
	works(second, true)
	_, body, _ = s.do(t, "login", "POST", "/api/app/sites/example.org/ignore-link", "", "")
	works(second, false)
	if !strings.Contains(body, `"number":"2"`) {
		t.Errorf("got %s", body)
	}
	if _, err := book.AddRule(ctx, account.Rule{Site: site.ID, Kind: account.RuleDevice, Value: "2", Mode: account.ModeOff, Time: time.Now()}); err != nil {
		t.Fatal(err)
	}
	if _, body, _ = s.do(t, "login", "GET", "/api/app/sites/example.org/ignore-link", "", ""); !strings.Contains(body, `"works":false`) {
		t.Errorf("got %s", body)
	}
}
