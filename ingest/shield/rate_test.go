package shield_test

import (
	"fmt"
	"net/netip"
	"testing"

	"footfall/ingest/shield"
	"footfall/storage/account"
)

// passes returns how many of n hits are counted.
func passes(s *shield.Shield, rules *account.Rules, addr string, n int, at int64) (ok int) {
	for range n {
		if v := s.Check(1, rules, hit(addr, "example.org", "/", ""), at); v.Reason == "" {
			ok++
		} else if v.Reason != shield.Throttle {
			return -1
		}
	}
	return ok
}

func TestRateOfAnAddress(t *testing.T) {
	book, site := mustBook(t)
	s := shield.New(shield.Config{Lists: mustLists(t)})
	now := noon.Unix()
	try := func(what, addr string, n, want int) {
		t.Helper()
		if got := passes(s, book.Rules(site), addr, n, now); got != want {
			t.Errorf("%s: %d of %d pass, want %d", what, got, n, want)
		}
	}
	try("a school in one second", "84.1.2.3", account.DefaultAddressRate, account.DefaultAddressRate)
	try("one more", "84.1.2.3", 1, 0)
	try("another address", "84.1.2.4", 1, 1)
	now += 3
	try("three seconds later", "84.1.2.3", 1000, 300)
	now -= 3600
	try("the clock was set back", "84.1.2.3", 1000, 1000)
	try("a proxy that is not trusted", "10.0.0.1", 10_000, 10_000)
	try("this machine", "127.0.0.1", 10_000, 10_000)

	mustAdd(t, book, site, account.RuleAddressRate, "60", account.ModeDrop)
	now = noon.Unix() + 7200
	try("the site's own rate", "84.1.2.3", 100, 60)
	try("which holds for all addresses", "10.0.0.1", 100, 60)
	try("IPv6", "2001:db8:1:1::1", 50, 50)
	try("the same /64", "2001:db8:1:1:ffff::9", 50, 10)
	try("another /64", "2001:db8:1:2::1", 50, 50)
	now++
	try("one a second", "84.1.2.3", 5, 1)
	mustAdd(t, book, site, account.RuleAddressRate, "60", account.ModeWatch)
	if v := s.Check(site, book.Rules(site), hit("84.1.2.3", "example.org", "/", ""), now); v.Reason != "" || len(v.Watched()) != 1 {
		t.Errorf("got %q", told(v))
	}
	mustAdd(t, book, site, account.RuleSiteRate, "1", account.ModeWatch)
	s.Check(1, book.Rules(site), hit("84.9.9.9", "example.org", "/", ""), now)
	if v := s.Check(1, book.Rules(site), hit("84.1.2.3", "example.org", "/", ""), now); told(v) != " 0 watched throttle 1" {
		t.Errorf("both rates: got %q", told(v))
	}
	mustAdd(t, book, site, account.RuleSiteRate, "1", account.ModeOff)
	mustAdd(t, book, site, account.RuleAddressRate, "60", account.ModeOff)
	try("off", "84.1.2.3", 10_000, 10_000)
}

func TestRateOfASite(t *testing.T) {
	book, site := mustBook(t)
	s := shield.New(shield.Config{Lists: mustLists(t)})
	now := noon.Unix()
	mustAdd(t, book, site, account.RuleSiteRate, "120", account.ModeDrop)
	total := 0
	for i := range 50 {
		total += passes(s, book.Rules(site), fmt.Sprintf("84.1.2.%d", i), 10, now)
	}
	if total != 120 {
		t.Errorf("%d pass, want 120", total)
	}
	mustAdd(t, book, site, account.RulePage, "/x", account.ModeDrop) // another rule gives nobody more
	if got := passes(s, book.Rules(site), "84.1.3.1", 10, now+1); got != 2 {
		t.Errorf("%d pass after a second, want 2", got)
	}
	h := hit("84.1.3.1", "example.org", "/", "")
	for _, change := range []func(){func() { h.Program = true }, func() { h.Program, h.Past = false, true }} {
		change()
		for range 500 {
			if v := s.Check(site, book.Rules(site), h, now); v.Reason != "" {
				t.Fatalf("%+v: got %q", *h, told(v))
			}
		}
	}
}

// TestMemoryOfRatesIsBounded sends from more addresses than there is room for: nobody is refused who did not send much, and whoever floods is
// still held back while few others come.
func TestMemoryOfRatesIsBounded(t *testing.T) {
	s := shield.New(shield.Config{Lists: mustLists(t)})
	now := noon.Unix()
	for i := range 300_000 {
		addr := netip.AddrFrom4([4]byte{84, byte(i >> 16), byte(i >> 8), byte(i)})
		if v := s.Check(1, nil, &shield.Hit{Addr: addr, Host: "example.org", Page: "/"}, now); v.Reason != "" {
			t.Fatalf("address %d: %s", i, v.Reason)
		}
	}
	if got := passes(s, nil, "85.1.2.3", 20_000, now); got < account.DefaultAddressRate || got > account.DefaultAddressRate+10 {
		t.Errorf("%d pass", got)
	}
}
