package account_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"footfall/storage/account"
	"footfall/storage/schema"
)

func mustRule(t *testing.T, s *shelf, site schema.Site, kind account.RuleKind, value string) account.Rule {
	t.Helper()
	r, err := s.book.AddRule(context.Background(), account.Rule{Site: site, Kind: kind, Value: value, Mode: account.ModeDrop, By: "user 1", Time: created})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRulesSurviveReopening(t *testing.T) {
	s, ctx := newShelf(t), context.Background()
	site, err := s.book.AddSite(ctx, "example.org", "Etc/UTC", created, nil)
	if err != nil {
		t.Fatal(err)
	}
	other, err := s.book.AddSite(ctx, "example.net", "Etc/UTC", created, nil)
	if err != nil {
		t.Fatal(err)
	}
	page := mustRule(t, s, site.ID, account.RulePage, "/admin/**")
	addr := mustRule(t, s, site.ID, account.RuleAddress, "::ffff:192.0.2.7")
	gone := mustRule(t, s, site.ID, account.RuleCountry, "nl")
	far := mustRule(t, s, other.ID, account.RuleAddress, "192.0.2.7")
	if addr.Value != "192.0.2.7" || gone.Value != "NL" {
		t.Errorf("values are not cleaned: %v, %v", addr, gone)
	}
	before := s.book.Rules(site.ID)
	later := created.Add(time.Hour)
	page, err = s.book.ChangeRule(ctx, site.ID, page.ID, func(r *account.Rule) {
		r.Mode, r.Note, r.By, r.Time, r.Kind = account.ModeWatch, " staff ", "token 2", later, account.RuleHost
	})
	if err != nil || page.Kind != account.RulePage || page.Note != "staff" || page.Mode != account.ModeWatch {
		t.Fatalf("changed rule: %+v, %v", page, err)
	}
	if before.All()[1].Mode != account.ModeDrop || s.book.Rules(site.ID) == before {
		t.Error("a change reached rules that were given out")
	}
	if _, err := s.book.RemoveRule(ctx, site.ID, gone.ID, "user 1", later); err != nil {
		t.Fatal(err)
	}
	want := []account.Rule{addr, page}
	for range 2 {
		if diff := cmp.Diff(want, s.book.Rules(site.ID).All()); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]account.Rule{far}, s.book.Rules(other.ID).All()); diff != "" {
			t.Error(diff)
		}
		s.reopen(t)
	}
	did := ""
	entries, err := s.book.Entries(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		did += fmt.Sprintln(e.By, e.Did, e.Domain, e.Rule)
	}
	if want := "user 1 add rule example.org 1\nuser 1 add rule example.org 2\nuser 1 add rule example.org 3\nuser 1 add rule example.net 4\n" +
		"token 2 change rule example.org 1\nuser 1 remove rule example.org 3\n"; did != want {
		t.Error(cmp.Diff(want, did))
	}
	if err := s.book.DeleteSite(ctx, site.ID); err != nil {
		t.Fatal(err)
	}
	s.reopen(t)
	if got := s.book.Rules(site.ID); got != nil {
		t.Errorf("rules outlived their site: %v", got.All())
	}
	if r := mustRule(t, s, other.ID, account.RuleCountry, "NL"); r.ID != 5 {
		t.Errorf("a number was given twice: %d", r.ID)
	}
}

func TestKindsOfWhichASiteHasOne(t *testing.T) {
	s, ctx := newShelf(t), context.Background()
	site, err := s.book.AddSite(ctx, "example.org", "Etc/UTC", created, nil)
	if err != nil {
		t.Fatal(err)
	}
	for kind, want := range map[account.RuleKind]account.RuleMode{
		account.RuleSpam: account.ModeDrop, account.RuleDataCentre: account.ModeOff, account.RuleSiteRate: account.ModeOff,
		account.RuleAddressRate: account.ModeDrop, account.RuleDevice: account.ModeDrop,
	} {
		if got := s.book.Rules(site.ID).One(kind); got.Mode != want || got.ID != 0 {
			t.Errorf("%s: got %+v", kind, got)
		}
		if info, _ := kind.Info(); info.Value == "" {
			t.Errorf("%s has no value where there is no rule", kind)
		}
	}
	first := mustRule(t, s, site.ID, account.RuleAddressRate, "600")
	second := mustRule(t, s, site.ID, account.RuleAddressRate, "60")
	if got := s.book.Rules(site.ID).One(account.RuleAddressRate); got != second || second.ID != first.ID || len(s.book.Rules(site.ID).All()) != 1 {
		t.Errorf("got %+v", got)
	}
}

func TestRuleErrors(t *testing.T) {
	s, ctx := newShelf(t), context.Background()
	site, err := s.book.AddSite(ctx, "example.org", "Etc/UTC", created, nil)
	if err != nil {
		t.Fatal(err)
	}
	mustRule(t, s, site.ID, account.RulePage, "/a")
	b := mustRule(t, s, site.ID, account.RulePage, "/b")
	for i := range account.MaxHostRules {
		mustRule(t, s, site.ID, account.RuleHost, fmt.Sprintf("h%d.example.org", i))
	}
	for _, c := range []struct {
		rule account.Rule
		is   error
		text string
	}{
		{account.Rule{Kind: "colour", Value: "red"}, account.ErrInvalid, `"colour" is none; address, country`},
		{account.Rule{Kind: account.RuleAddress, Value: "192.0.2"}, account.ErrInvalid, "write it like 192.0.2.7"},
		{account.Rule{Kind: account.RuleAddress, Value: "fe80::1%eth0"}, account.ErrInvalid, "write it like"},
		{account.Rule{Kind: account.RuleAddress, Value: "192.0.2.7/24"}, account.ErrInvalid, "write 192.0.2.0/24 for all of it, or 192.0.2.7 for the one"},
		{account.Rule{Kind: account.RuleAddress, Value: "::/0"}, account.ErrInvalid, "every address"},
		{account.Rule{Kind: account.RuleAddress, Value: "::ffff:192.0.2.0/120"}, account.ErrInvalid, "network of IPv4"},
		{account.Rule{Kind: account.RuleCountry, Value: "Netherlands"}, account.ErrInvalid, "two letters"},
		{account.Rule{Kind: account.RuleCountry, Value: "uk"}, account.ErrInvalid, "United Kingdom is GB"},
		{account.Rule{Kind: account.RulePage, Value: "admin"}, account.ErrInvalid, "slash"},
		{account.Rule{Kind: account.RulePage, Value: "/a?b=c"}, account.ErrInvalid, "question mark"},
		{account.Rule{Kind: account.RulePage, Value: "/" + strings.Repeat("ä", account.MaxPattern)}, account.ErrInvalid, "250"},
		{account.Rule{Kind: account.RulePage, Value: "/a\x00"}, account.ErrInvalid, "character"},
		{account.Rule{Kind: account.RuleHost, Value: "https://www."}, account.ErrInvalid, "empty"},
		{account.Rule{Kind: account.RuleHost, Value: "example.org/x"}, account.ErrInvalid, "not '/'"},
		{account.Rule{Kind: account.RuleSiteRate, Value: "0"}, account.ErrInvalid, "events a minute"},
		{account.Rule{Kind: account.RuleDevice, Value: "01"}, account.ErrInvalid, "number of a link"},
		{account.Rule{Kind: account.RulePage, Value: "/c", Mode: "block"}, account.ErrInvalid, "drop, watch or off"},
		{account.Rule{Kind: account.RulePage, Value: "/c", Note: "two\nlines"}, account.ErrInvalid, "one line"},
		{account.Rule{Kind: account.RulePage, Value: "/a"}, account.ErrExists, "rule 1 is about page /a"},
		{account.Rule{Kind: account.RuleHost, Value: "more.example.org"}, account.ErrFull, "100 rules about host"},
		{account.Rule{Kind: account.RulePage, Value: "/c", Site: 9}, account.ErrNotFound, "site 9"},
	} {
		if c.rule.Site == 0 {
			c.rule.Site = site.ID
		}
		if c.rule.Mode == "" {
			c.rule.Mode = account.ModeDrop
		}
		if _, err := s.book.AddRule(ctx, c.rule); !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%+v: got %v, want %q", c.rule, err, c.text)
		}
	}
	if _, err := s.book.ChangeRule(ctx, site.ID, b.ID, func(r *account.Rule) { r.Value = "/a" }); !errors.Is(err, account.ErrExists) {
		t.Errorf("a rule became another: %v", err)
	}
	if _, err := s.book.ChangeRule(ctx, site.ID, b.ID, func(r *account.Rule) { r.Mode = "maybe" }); !errors.Is(err, account.ErrInvalid) {
		t.Errorf("mode: %v", err)
	}
	if _, err := s.book.RemoveRule(ctx, 7, b.ID, "user 1", created); !errors.Is(err, account.ErrNotFound) {
		t.Errorf("the rule of another site: %v", err)
	}
}

func TestCleanRule(t *testing.T) {
	for _, c := range []struct {
		kind        account.RuleKind
		value, want string
	}{
		{account.RuleAddress, " 192.0.2.0/24 ", "192.0.2.0/24"},
		{account.RuleAddress, "192.0.2.7/32", "192.0.2.7"},
		{account.RuleAddress, "2001:DB8:0::1", "2001:db8::1"},
		{account.RuleCountry, "zz", "ZZ"},
		{account.RulePage, "/ä/*#/route", "/ä/*#/route"},
		{account.RulePage, "/caf%c3%a9%20%2fx%20", "/café /x"},
		{account.RulePage, "/%2541%41%25C3%25A9%3f%2A%", "/%2541%41%25C3%25A9%3f%2A%"},
		{account.RulePage, "/%ff%0a%7f%+9%zz%e", "/\uFFFD%0a%7f%+9%zz%e"},
		{account.RuleHost, "https://WWW.Example.org/", "example.org"},
		{account.RuleHost, "*.example.org", "*.example.org"},
		{account.RuleHost, "(none)", "(none)"},
		{account.RuleAddressRate, " 0600 ", "600"},
		{account.RuleSpam, "", "on"},
	} {
		if got, err := account.CleanRule(c.kind, c.value); err != nil || got != c.want {
			t.Errorf("%s %q: got %q, %v, want %q", c.kind, c.value, got, err, c.want)
		}
		if again, err := account.CleanRule(c.kind, c.want); err != nil || again != c.want {
			t.Errorf("%s %q: cleaned again it is %q, %v", c.kind, c.want, again, err)
		}
	}
}

// FuzzCleanRule holds that what was cleaned once stays what it is: rules are cleaned again whenever something else of them changes.
func FuzzCleanRule(f *testing.F) {
	for _, s := range []string{"/a", "/caf%C3%A9%20", "/%%2541", "/%4%201", "www.www.a", "https://http://a/", "::ffff:1.2.3.4", "10.0.0.0/8", "nl", "+7"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, info := range account.RuleKinds {
			once, err := account.CleanRule(info.Kind, s)
			if err != nil {
				continue
			}
			if twice, err := account.CleanRule(info.Kind, once); err != nil || twice != once {
				t.Errorf("%s %q: %q, then %q, %v", info.Kind, s, once, twice, err)
			}
		}
	})
}
