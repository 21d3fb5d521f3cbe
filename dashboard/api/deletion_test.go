package api_test

import (
	"context"
	"strings"
	"testing"

	"footfall/dashboard/api"
	"footfall/storage/account"
	"footfall/storage/day"
	"footfall/storage/schema"
	"footfall/storage/verb"
)

func TestDeleteVerb(t *testing.T) {
	s := newServer(t, false)
	s.fill(t)
	const site, pricing = "example.org", `["is","event:page",["/pricing"]]`
	for _, c := range []struct {
		name string
		verb runner
		json bool
		out  string
		code int
		err  string
	}{
		{"nothing said", &api.Delete{Site: site}, false, "", verb.ExitUsage, "site reset"},
		{"no site", &api.Delete{Site: "b.org", From: "2026-05-19"}, false, "", verb.ExitMissing, "site b.org is not set up here"},
		{"no JSON", &api.Delete{Site: site, Filter: []string{"/pricing"}}, false, "", verb.ExitUsage, `write it as JSON, such as '["is"`},
		{"no filter", &api.Delete{Site: site, Filter: []string{`["is"]`}}, false, "", verb.ExitUsage, `#/filters/0: Invalid filter ["is"]`},
		{"no day", &api.Delete{Site: site, From: "yesterday"}, false, "", verb.ExitUsage, "--from yesterday: write a day"},
		{"no moment", &api.Delete{Site: site, To: "2026-05-19T10:00:00"}, false, "", verb.ExitUsage, "a moment with its offset"},
		{"backwards", &api.Delete{Site: site, From: "2026-05-20", To: "2026-05-19"}, false, "", verb.ExitUsage, "no time between"},
		{"dry run", &api.Delete{Site: site, Filter: []string{pricing}, DryRun: true}, false,
			"would delete 2 events and 0 reports of engagement of 1 day, from 2026-05-19T00:00:00+02:00 to 2026-05-20T12:30:15+02:00\nleft without any: 0 visits, 0 visitors, 0 days\n", 0, ""},
		{"dry run with yes", &api.Delete{Site: site, Filter: []string{pricing}, DryRun: true, Yes: true}, true, "{\n  \"site_id\": \"example.org\",\n" +
			"  \"date_range\": [\n    \"2026-05-19T00:00:00+02:00\",\n    \"2026-05-20T12:30:15+02:00\"\n  ],\n  \"filters\": [\n    [\n      \"is\",\n      \"event:page\",\n      [\n        \"/pricing\"\n      ]\n    ]\n  ],\n" +
			"  \"deleted\": false,\n  \"events\": 2,\n  \"engagement\": 0,\n  \"visits\": 0,\n  \"visitors\": 0,\n  \"days\": 1,\n  \"emptied_days\": 0,\n  \"confirm\": \"845fcc866bf40659\"\n}\n", 0, ""},
		{"asks back", &api.Delete{Site: site, Filter: []string{pricing}}, false,
			"would delete 2 events and 0 reports of engagement of 1 day, from 2026-05-19T00:00:00+02:00 to 2026-05-20T12:30:15+02:00\nleft without any: 0 visits, 0 visitors, 0 days\n",
			verb.ExitUsage, "--to 2026-05-20T12:30:15+02:00 --confirm 845fcc866bf40659"},
		{"nothing to ask about", &api.Delete{Site: site, Filter: []string{`["is","event:page",["/none"]]`}}, false,
			"example.org has no such events from 2026-05-19T00:00:00+02:00 to 2026-05-20T12:30:15+02:00\n", 0, ""},
		{"two filters", &api.Delete{Site: site, Filter: []string{pricing, `["is","event:name",["Signup"]]`}, From: "2026-05-19", To: "2026-05-19", Yes: true}, false,
			"deleted 1 event and 0 reports of engagement of 1 day, from 2026-05-19T00:00:00+02:00 to 2026-05-19T23:59:59+02:00\nleft without any: 0 visits, 0 visitors, 0 days\n", 0, ""},
		{"confirmed too late", &api.Delete{Site: site, Filter: []string{pricing}, To: "2026-05-20T12:30:15+02:00", Confirm: "845fcc866bf40659"}, false, "", verb.ExitFailed, "is not what was previewed"},
		{"confirmed without an end", &api.Delete{Site: site, Filter: []string{pricing}, Confirm: "845fcc866bf40659"}, false, "", verb.ExitUsage, "needs the --to"},
		{"a burst", &api.Delete{Site: site, From: "2026-05-19T23:00:00+02:00", To: "2026-05-19T23:59:00+02:00", Yes: true}, false,
			"deleted 1 event and 0 reports of engagement of 1 day, from 2026-05-19T23:00:00+02:00 to 2026-05-19T23:59:00+02:00\nleft without any: 1 visit, 1 visitor, 0 days\n", 0, ""},
		{"reset asks back", &api.SiteReset{Domain: site}, false, "", verb.ExitUsage, "destroys its 5 events for ever"},
		{"reset", &api.SiteReset{Domain: site, Yes: true}, false, "destroyed the data of example.org and their key; the site stays\n", 0, ""},
		{"reset no site", &api.SiteReset{Domain: "b.org", Yes: true}, false, "", verb.ExitMissing, "site b.org is not set up here"},
	} {
		out, err := s.run(c.verb, c.json, "")
		if out != c.out || verb.Code(err) != c.code || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: got %q, %v (exit %d), want %q, exit %d with %q", c.name, out, err, verb.Code(err), c.out, c.code, c.err)
		}
	}
	out, err := s.run(&verb.Audit{}, false, "")
	if want := "when                 by            did            site         days  events\n" +
		"2026-05-20 10:30:15  command line  delete events  example.org     1       1\n" +
		"2026-05-20 10:30:15  command line  delete events  example.org     1       1\n" +
		"2026-05-20 10:30:15  command line  reset site     example.org     2       5\n"; err != nil || out != want {
		t.Errorf("audit: got\n%s, %v, want\n%s", out, err, want)
	}
}

// old adds an event of a day to a site.
func (s *server) old(t *testing.T, site account.Site, date string) {
	t.Helper()
	d, err := schema.ParseDate(date)
	if err != nil {
		t.Fatal(err)
	}
	calendar, err := site.Calendar()
	if err != nil {
		t.Fatal(err)
	}
	o := day.NewOpen(site.ID, d, calendar.Start(d))
	e := day.Event{Time: calendar.Start(d).Unix(), Name: day.Pageview, Hostname: "example.org", Pathname: "/old", ScrollDepth: day.NoScroll}
	if err := o.Apply([]day.Row{{New: &day.NewVisit{Visitor: 1}, Event: e}}); err != nil {
		t.Fatal(err)
	}
	im, err := s.store.Import(site.ID)
	if err == nil {
		err = im.Add(context.Background(), o.View())
	}
	if err == nil {
		err = im.Commit(context.Background())
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestRetentionAsksBack: what a shorter retention drops at once is told first, at the command line and to programs.
func TestRetentionAsksBack(t *testing.T) {
	s := newServer(t, false)
	s.fill(t)
	site, _ := s.store.Accounts().SiteByDomain("example.org")
	for _, date := range []string{"2026-01-01", "2026-04-01", "2026-05-01", "2026-05-12"} {
		s.old(t, site, date)
	}
	for _, c := range []struct {
		name string
		verb runner
		json bool
		out  string
		code int
		err  string
	}{
		{"no number", &api.SiteSet{Domain: "example.org", Retention: "long"}, false, "", verb.ExitUsage, "--retention long: write a number of days, or forever"},
		{"none", &api.SiteSet{Domain: "example.org", Retention: "0"}, false, "", verb.ExitUsage, "forever"},
		{"too few", &api.SiteSet{Domain: "example.org", Retention: "6"}, false, "", verb.ExitUsage, "at least 7 days"},
		{"asks back", &api.SiteSet{Domain: "example.org", Retention: "100"}, false, "", verb.ExitUsage, "to keep 100 days of example.org drops 1 day with 1 event for ever: say --yes"},
		{"does nothing by halves", &api.SiteSet{Domain: "example.org", Retention: "100", Timezone: "Asia/Tokyo"}, false, "", verb.ExitUsage, "--yes"},
		{"drops nothing", &api.SiteSet{Domain: "example.org", Retention: "400"}, false, "example.org: 400 days before today are kept\n", 0, ""},
		{"drops", &api.SiteSet{Domain: "example.org", Retention: "100", Yes: true}, false, "example.org: 100 days before today are kept\n", 0, ""},
		{"list", &api.SiteList{}, false, "example.org       Europe/Berlin  2026-05-20  keeps 100 days\nexample.org/blog  Etc/UTC        2026-05-20\n", 0, ""},
		{"for ever", &api.SiteSet{Domain: "example.org", Retention: "forever"}, true, "{\n  \"domain\": \"example.org\",\n  \"timezone\": \"Europe/Berlin\",\n  \"created\": \"2026-05-20T10:30:15Z\"\n}\n", 0, ""},
	} {
		out, err := s.run(c.verb, c.json, "")
		if out != c.out || verb.Code(err) != c.code || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: got %q, %v (exit %d), want %q, exit %d with %q", c.name, out, err, verb.Code(err), c.out, c.code, c.err)
		}
	}
	if changed, _ := s.store.Accounts().Site(site.ID); len(changed.Changes) != 0 || s.store.Count(site.ID) != 10 {
		t.Errorf("the site is %+v with %d events", changed, s.store.Count(site.ID))
	}
	for _, c := range []struct {
		body   string
		status int
		answer string
	}{
		{`{"retention_days":30}`, 409, `{"error":"To keep 30 days drops 1 day with 1 event for ever. To do that, ask again with \"confirm\": \"keep 30 drop 1 1\"."}`},
		{`{"retention_days":7,"confirm":"keep 30 drop 1 1"}`, 409, `{"error":"To keep 7 days drops 3 days with 3 events for ever. To do that, ask again with \"confirm\": \"keep 7 drop 3 3\"."}`},
		{`{"retention_days":7,"confirm":"keep 7 drop 3 3"}`, 200, `{"domain":"example.org","timezone":"Europe/Berlin","created":"2026-05-20T10:30:15Z","retention_days":7}`},
	} {
		status, answer, _ := s.do(t, "provision", "PUT", "/api/v1/sites/example.org", "application/json", c.body)
		if status != c.status || answer != c.answer {
			t.Errorf("%s: got %d %s, want %d %s", c.body, status, answer, c.status, c.answer)
		}
	}
	if got := s.store.Count(site.ID); got != 7 {
		t.Errorf("%d events are left, want 7", got)
	}
}
