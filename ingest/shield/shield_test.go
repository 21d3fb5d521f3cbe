package shield_test

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"footfall/ingest/geo"
	"footfall/ingest/shield"
	"footfall/storage/account"
	"footfall/storage/file"
	"footfall/storage/schema"
	"footfall/storage/seal"
)

var noon = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)

type failer interface {
	Helper()
	Fatal(...any)
}

// mustBook returns a book with a site.
func mustBook(t testing.TB) (*account.Book, schema.Site) {
	t.Helper()
	dir := t.TempDir()
	db, err := file.Create(file.Config{Path: filepath.Join(dir, "data")})
	if err != nil {
		t.Fatal(err)
	}
	vault, err := seal.CreateVault(filepath.Join(dir, "vault"), db.ID(), seal.KeySource{Raw: bytes.Repeat([]byte{7}, 32)}, noon)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close(); vault.Close() })
	book, err := account.Open(db, vault.Rest())
	if err != nil {
		t.Fatal(err)
	}
	site, err := book.AddSite(context.Background(), "example.org", "Etc/UTC", noon, nil)
	if err != nil {
		t.Fatal(err)
	}
	return book, site.ID
}

func mustAdd(t failer, book *account.Book, site schema.Site, kind account.RuleKind, value string, mode account.RuleMode) account.Rule {
	t.Helper()
	r, err := book.AddRule(context.Background(), account.Rule{Site: site, Kind: kind, Value: value, Mode: mode, By: "user 1", Time: noon})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func mustLists(t testing.TB) *shield.Lists {
	t.Helper()
	places, err := geo.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	spam, err := shield.NewSpam([]byte("footfall-spam 1\nspam.example\nworse.spam.test\n"))
	if err != nil {
		t.Fatal(err)
	}
	centres, err := shield.NewDataCentres(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &shield.Lists{Spam: spam, DataCentres: centres, Places: places}
}

func hit(addr, host, page, referrer string) *shield.Hit {
	return &shield.Hit{Addr: netip.MustParseAddr(addr), Host: host, Page: page, Referrer: referrer}
}

// told is a verdict as tests compare it.
func told(v shield.Verdict) string {
	out := fmt.Sprint(v.Reason, " ", v.Rule)
	for _, w := range v.Watched() {
		out += fmt.Sprint(" watched ", w.Reason, " ", w.Rule)
	}
	return out
}

func TestRules(t *testing.T) {
	for _, c := range []struct {
		name  string
		rules string // kind value mode, separated by ;
		hit   *shield.Hit
		want  string
	}{
		{"none", "", hit("192.0.2.7", "example.org", "/", ""), " 0"},
		{"spam without a rule", "", hit("192.0.2.7", "example.org", "/", "https://www.Spam.example/x"), "spam_referrer 0"},
		{"spam below", "", hit("192.0.2.7", "example.org", "/", "http://a.b.spam.example:80"), "spam_referrer 0"},
		{"no spam above", "", hit("192.0.2.7", "example.org", "/", "https://spam.test/"), " 0"},
		{"no spam beside", "", hit("192.0.2.7", "example.org", "/", "https://nospam.example/"), " 0"},
		{"spam off", "spam on off", hit("192.0.2.7", "example.org", "/", "https://spam.example/"), " 0"},
		{"spam watched", "spam on watch", hit("192.0.2.7", "example.org", "/", "https://spam.example/"), " 0 watched spam_referrer 1"},
		{"own pages are no spam", "", hit("192.0.2.7", "spam.example", "/", "https://www.spam.example/"), " 0"},
		{"address", "address 192.0.2.7 drop", hit("192.0.2.7", "example.org", "/", ""), "site_ip_blocklist 1"},
		{"address in IPv6", "address 192.0.2.7 drop", hit("::ffff:192.0.2.7", "example.org", "/", ""), "site_ip_blocklist 1"},
		{"other address", "address 192.0.2.7 drop", hit("192.0.2.8", "example.org", "/", ""), " 0"},
		{"network", "address 192.0.2.0/24 drop", hit("192.0.2.8", "example.org", "/", ""), "site_ip_blocklist 1"},
		{"network of IPv6", "address 2001:db8::/32 drop", hit("2001:db8:1::5", "example.org", "/", ""), "site_ip_blocklist 1"},
		{"network off", "address 192.0.2.0/24 off", hit("192.0.2.8", "example.org", "/", ""), " 0"},
		{"drop beats watch", "address 192.0.2.0/24 drop;address 192.0.2.8 watch", hit("192.0.2.8", "example.org", "/", ""), "site_ip_blocklist 1"},
		{"watch", "address 192.0.2.0/24 off;address 192.0.2.8 watch", hit("192.0.2.8", "example.org", "/", ""), " 0 watched site_ip_blocklist 2"},
		{"country unknown", "country ZZ drop", hit("192.0.2.8", "example.org", "/", ""), "site_country_blocklist 1"},
		{"other country", "country NL drop", hit("192.0.2.8", "example.org", "/", ""), " 0"},
		{"page", "page /admin drop", hit("192.0.2.8", "example.org", "/admin", ""), "site_page_blocklist 1"},
		{"page below", "page /admin drop", hit("192.0.2.8", "example.org", "/admin/", ""), " 0"},
		{"pages", "page /admin/** drop", hit("192.0.2.8", "example.org", "/admin/a/b", ""), "site_page_blocklist 1"},
		{"host", "host example.org drop", hit("192.0.2.8", "Example.ORG", "/", ""), " 0"},
		{"other host", "host example.org drop", hit("192.0.2.8", "example.net", "/", ""), "site_hostname_allowlist 1"},
		{"several hosts", "host example.org drop;host *.example.net drop", hit("192.0.2.8", "a.example.net", "/", ""), " 0"},
		{"host in watch mode", "host example.org watch", hit("192.0.2.8", "example.net", "/", ""), " 0 watched site_hostname_allowlist 1"},
		{"a watched host counts", "host example.org drop;host example.net watch", hit("192.0.2.8", "example.net", "/", ""), " 0"},
		{"hosts off", "host example.org off", hit("192.0.2.8", "example.net", "/", ""), " 0"},
		{"watched by two", "page /a watch;address 192.0.2.8 watch", hit("192.0.2.8", "example.net", "/a", ""), " 0 watched site_page_blocklist 1 watched site_ip_blocklist 2"},
		{"watched and dropped", "page /a watch;address 192.0.2.8 drop", hit("192.0.2.8", "example.net", "/a", ""), "site_ip_blocklist 2"},
		{"no data centre is known", "datacentre on drop", hit("192.0.2.8", "example.net", "/a", ""), " 0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var list []account.Rule
			for rule := range strings.SplitSeq(c.rules, ";") {
				if kind, rest, ok := strings.Cut(rule, " "); ok {
					value, mode, _ := strings.Cut(rest, " ")
					list = append(list, account.Rule{ID: uint64(len(list) + 1), Kind: account.RuleKind(kind), Value: value, Mode: account.RuleMode(mode)})
				}
			}
			s := shield.New(shield.Config{Lists: mustLists(t)})
			if got := told(s.Check(1, account.NewRules(list...), c.hit, noon.Unix())); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// TestOrderOfReasons takes away, one after another, the reason that was told, and finds the next one in the order in which schema lists them.
func TestOrderOfReasons(t *testing.T) {
	book, site := mustBook(t)
	lists := mustLists(t)
	if err := lists.Read(shield.Files{DataCentres: mustFile(t, "192.0.2.0/24\n")}); err != nil {
		t.Fatal(err)
	}
	rules := []account.Rule{
		{}, // spam has none
		mustAdd(t, book, site, account.RuleAddressRate, "1", account.ModeDrop),
		mustAdd(t, book, site, account.RuleSiteRate, "1", account.ModeDrop),
		mustAdd(t, book, site, account.RuleDevice, "0", account.ModeDrop),
		mustAdd(t, book, site, account.RuleDataCentre, "on", account.ModeDrop),
		mustAdd(t, book, site, account.RuleHost, "example.org", account.ModeDrop),
		mustAdd(t, book, site, account.RulePage, "/a", account.ModeDrop),
		mustAdd(t, book, site, account.RuleAddress, "192.0.2.7", account.ModeDrop),
		mustAdd(t, book, site, account.RuleCountry, "ZZ", account.ModeDrop),
	}
	s := shield.New(shield.Config{Lists: lists, Ignores: func(schema.Site, string) bool { return true }})
	s.Check(site, book.Rules(site), hit("192.0.2.7", "example.org", "/", ""), noon.Unix()) // which takes all that the rates let through
	h := hit("192.0.2.7", "example.net", "/a", "https://spam.example/")
	h.Ignore = "token"
	var got []shield.Reason
	for _, r := range rules {
		v := s.Check(site, book.Rules(site), h, noon.Unix())
		v.Robot()
		if v.Rule != r.ID {
			t.Errorf("%s: rule %d, want %d", v.Reason, v.Rule, r.ID)
		}
		if len(got) == 0 || got[len(got)-1] != v.Reason {
			got = append(got, v.Reason)
		}
		if r.ID == 0 {
			h.Referrer = ""
		} else if _, err := book.ChangeRule(context.Background(), site, r.ID, func(r *account.Rule) { r.Mode = account.ModeOff }); err != nil {
			t.Fatal(err)
		}
	}
	v := s.Check(site, book.Rules(site), h, noon.Unix())
	v.Robot()
	got = append(got, v.Reason)
	var want []shield.Reason
	for _, r := range schema.Reasons {
		if slices.Contains(got, r.Reason) {
			want = append(want, r.Reason)
		}
	}
	if !slices.Equal(got, want) || len(got) != 9 {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestRulesAgainstPlainLoops draws rules and hits, and compares with loops that a person can follow.
func TestRulesAgainstPlainLoops(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var list []account.Rule
		values := map[account.RuleKind][]string{
			account.RuleAddress: {"10.0.0.0/8", "10.1.0.0/16", "10.1.1.1", "10.1.1.0/30", "2001:db8::/32", "2001:db8::1"},
			account.RulePage:    {"/", "/a", "/a*", "/*b", "/a*b*c", "/**", "/*/*"},
			account.RuleHost:    {"a.test", "*.test", "b.*", "*", "c.a.test"},
			account.RuleCountry: {"ZZ", "NL"},
		}
		for _, kind := range []account.RuleKind{account.RuleAddress, account.RulePage, account.RuleHost, account.RuleCountry} {
			for _, value := range rapid.SliceOfDistinct(rapid.SampledFrom(values[kind]), rapid.ID[string]).Draw(t, string(kind)) {
				mode := rapid.SampledFrom([]account.RuleMode{account.ModeDrop, account.ModeWatch, account.ModeOff}).Draw(t, "mode")
				list = append(list, account.Rule{ID: uint64(len(list) + 1), Kind: kind, Value: value, Mode: mode})
			}
		}
		rules, lists := account.NewRules(list...), shield.Lists{}
		lists.Places, _ = geo.New(nil)
		lists.Spam, _ = shield.NewSpam(nil)
		lists.DataCentres, _ = shield.NewDataCentres(nil)
		s := shield.New(shield.Config{Lists: &lists})
		for range 8 {
			h := hit(rapid.SampledFrom([]string{"10.0.0.1", "10.1.0.1", "10.1.1.1", "10.1.1.2", "11.0.0.1", "2001:db8::1", "2001:db8::2", "2001:db9::"}).Draw(t, "addr"),
				rapid.SampledFrom([]string{"a.test", "c.a.test", "b.example", "d"}).Draw(t, "host"), rapid.SampledFrom([]string{"/", "/a", "/b", "/ab", "/axbxc", "/x/y"}).Draw(t, "page"), "")
			got := s.Check(1, rules, h, noon.Unix())
			modes := plainly(list, h)
			dropped := false
			var reasons []string
			for _, reason := range []shield.Reason{shield.UnknownHostname, shield.BlockedPage, shield.BlockedAddress, shield.BlockedCountry} {
				switch mode := modes[reason]; {
				case dropped:
				case mode == account.ModeDrop:
					dropped, reasons = true, []string{string(reason)}
				case mode == account.ModeWatch:
					reasons = append(reasons, "watched "+string(reason))
				}
			}
			var have []string
			if got.Reason != "" {
				have = []string{string(got.Reason)}
			}
			for _, w := range got.Watched() {
				have = append(have, "watched "+string(w.Reason))
			}
			if !slices.Equal(have, reasons) {
				t.Fatalf("%+v: got %v, want %v", *h, have, reasons)
			}
		}
	})
}

// plainly returns, by reason, what the rules would do to a hit.
func plainly(rules []account.Rule, h *shield.Hit) map[shield.Reason]account.RuleMode {
	out := map[shield.Reason]account.RuleMode{}
	do := func(reason shield.Reason, mode account.RuleMode) {
		if out[reason] != account.ModeDrop {
			out[reason] = mode
		}
	}
	listed, enforced, watched := false, false, false
	for _, r := range rules {
		if r.Mode == account.ModeOff {
			continue
		}
		switch r.Kind {
		case account.RuleAddress:
			p, err := netip.ParsePrefix(r.Value)
			if err == nil && p.Contains(h.Addr) || r.Value == h.Addr.String() {
				do(shield.BlockedAddress, r.Mode)
			}
		case account.RulePage:
			if naive(r.Value, h.Page) {
				do(shield.BlockedPage, r.Mode)
			}
		case account.RuleCountry:
			if r.Value == "ZZ" {
				do(shield.BlockedCountry, r.Mode)
			}
		case account.RuleHost:
			listed = listed || naive(r.Value, h.Host)
			enforced, watched = enforced || r.Mode == account.ModeDrop, watched || r.Mode == account.ModeWatch
		}
	}
	switch {
	case listed:
	case enforced:
		do(shield.UnknownHostname, account.ModeDrop)
	case watched:
		do(shield.UnknownHostname, account.ModeWatch)
	}
	return out
}

// TestAChangeIsInForceAtOnce changes rules while others are judged by them: no hit after a change is judged by what was before.
func TestAChangeIsInForceAtOnce(t *testing.T) {
	book, site := mustBook(t)
	s := shield.New(shield.Config{Lists: mustLists(t)})
	stop := make(chan struct{})
	var others sync.WaitGroup
	for range 2 {
		others.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					s.Check(site, book.Rules(site), hit("10.0.0.1", "example.org", "/a", ""), noon.Unix())
				}
			}
		})
	}
	for i := range 50 {
		r := mustAdd(t, book, site, account.RulePage, "/a", account.ModeDrop)
		if v := s.Check(site, book.Rules(site), hit("10.0.0.1", "example.org", "/a", ""), noon.Unix()); v.Rule != r.ID {
			t.Fatalf("%d: got %q", i, told(v))
		}
		if _, err := book.RemoveRule(context.Background(), site, r.ID, "user 1", noon); err != nil {
			t.Fatal(err)
		}
		if v := s.Check(site, book.Rules(site), hit("10.0.0.1", "example.org", "/a", ""), noon.Unix()); v.Reason != "" {
			t.Fatalf("%d: got %q", i, told(v))
		}
	}
	close(stop)
	others.Wait()
	s.Keep(func(schema.Site) bool { return false })
}

// TestNoAllocations holds that a hit for a site without rules, and of one with rules that are not about it, costs no memory.
func TestNoAllocations(t *testing.T) {
	book, site := mustBook(t)
	s := shield.New(shield.Config{Lists: mustLists(t)})
	h := hit("84.1.2.3", "example.org", "/a", "https://news.example.com/x")
	free := func(what string) {
		t.Helper()
		if n := testing.AllocsPerRun(100, func() { s.Check(site, book.Rules(site), h, noon.Unix()) }); n != 0 {
			t.Errorf("%s: %v allocations", what, n)
		}
	}
	free("no rules")
	mustAdd(t, book, site, account.RulePage, "/admin/**", account.ModeDrop)
	mustAdd(t, book, site, account.RuleAddress, "192.0.2.0/24", account.ModeWatch)
	mustAdd(t, book, site, account.RuleHost, "*.org", account.ModeDrop)
	mustAdd(t, book, site, account.RuleCountry, "NL", account.ModeDrop)
	mustAdd(t, book, site, account.RuleSiteRate, "100000", account.ModeDrop)
	free("rules")
}

// TestNamesOfHosts lists a host, and asks for it as programs may write it: browsers write it in one way alone.
func TestNamesOfHosts(t *testing.T) {
	book, site := mustBook(t)
	mustAdd(t, book, site, account.RuleHost, "www.Example.org", account.ModeDrop)
	s := shield.New(shield.Config{Lists: mustLists(t)})
	for host, counts := range map[string]bool{"example.org": true, "EXAMPLE.org": true, "WWW.example.org": true, "example.org.": true, "example.net": false, "(none)": false, "x.example.org": false} {
		if v := s.Check(site, book.Rules(site), hit("192.0.2.7", host, "/", ""), noon.Unix()); (v.Reason == "") != counts {
			t.Errorf("%s: %+v", host, v)
		}
	}
}

func BenchmarkCheck(b *testing.B) {
	book, site := mustBook(b)
	s := shield.New(shield.Config{Lists: mustLists(b)})
	h := hit("84.1.2.3", "example.org", "/blog/2026/a-post", "https://news.example.com/x")
	run := func(name string) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				s.Check(site, book.Rules(site), h, noon.Unix()+int64(i>>6))
			}
		})
	}
	run("rules=0")
	for i := range 20 {
		mustAdd(b, book, site, account.RuleAddress, fmt.Sprintf("192.0.2.%d", i), account.ModeDrop)
		mustAdd(b, book, site, account.RulePage, fmt.Sprintf("/admin-%d/**", i), account.ModeDrop)
	}
	mustAdd(b, book, site, account.RuleAddress, "198.51.100.0/24", account.ModeDrop)
	mustAdd(b, book, site, account.RuleHost, "*.org", account.ModeDrop)
	run("rules=42")
	for i := 20; i < 100; i++ {
		mustAdd(b, book, site, account.RulePage, fmt.Sprintf("/admin-%d/**", i), account.ModeDrop)
	}
	run("pages=100")
}
