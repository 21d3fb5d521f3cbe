package api_test

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"footfall/dashboard/api"
	"footfall/storage/verb"
)

type runner interface{ Run(*verb.Context) error }

// run runs a verb on the server's store and returns what it printed.
func (s *server) run(v runner, asJSON bool, in string) (string, error) {
	var out bytes.Buffer
	err := v.Run(&verb.Context{Context: context.Background(), Store: s.store, Now: func() time.Time { return noon }, In: strings.NewReader(in), Out: &out, Err: io.Discard, JSON: asJSON,
		Progress: func(string, int64) verb.Bar { return noBar{} }})
	return untold.ReplaceAllString(out.String(), ""), err
}

type noBar struct{}

func (noBar) Set(int64) {}
func (noBar) Close()    {}

func TestSiteVerbs(t *testing.T) {
	s := newServer(t, false)
	for _, c := range []struct {
		name string
		verb runner
		json bool
		out  string
		code int
		err  string
	}{
		{"add", &api.SiteAdd{Domain: "https://www.example.org", Timezone: "Europe/Berlin"}, false, "added example.org, whose day ends at midnight of Europe/Berlin\n", 0, ""},
		{"add twice", &api.SiteAdd{Domain: "example.org", Timezone: "Etc/UTC"}, false, "", verb.ExitFailed, "exists already"},
		{"wrong zone", &api.SiteAdd{Domain: "b.org", Timezone: "Berlin"}, false, "", verb.ExitUsage, `"Berlin" is not known`},
		{"wrong domain", &api.SiteAdd{Domain: "b org", Timezone: "Etc/UTC"}, false, "", verb.ExitUsage, "domain"},
		{"add for programs", &api.SiteAdd{Domain: "a.org", Timezone: "Etc/UTC"}, true, "{\n  \"domain\": \"a.org\",\n  \"timezone\": \"Etc/UTC\",\n  \"created\": \"2026-05-20T10:30:15Z\"\n}\n", 0, ""},
		{"list", &api.SiteList{}, false, "a.org        Etc/UTC        2026-05-20\nexample.org  Europe/Berlin  2026-05-20\n", 0, ""},
		{"set nothing", &api.SiteSet{Domain: "example.org"}, false, "", verb.ExitUsage, "--timezone"},
		{"set a wrong zone", &api.SiteSet{Domain: "example.org", Timezone: "Berlin"}, false, "", verb.ExitUsage, `"Berlin" is not known`},
		{"set an unknown site", &api.SiteSet{Domain: "b.org", Timezone: "Etc/UTC"}, false, "", verb.ExitMissing, "site b.org is not set up here"},
		{"set", &api.SiteSet{Domain: "example.org", Timezone: "America/New_York"}, false,
			"from 2026-05-21 on the day ends at midnight of America/New_York; 2026-05-21 begins at midnight of Europe/Berlin (2026-05-20T22:00:00Z) and has 30 hours\n", 0, ""},
		{"list a change", &api.SiteList{}, false, "a.org        Etc/UTC        2026-05-20\nexample.org  Europe/Berlin  2026-05-20  America/New_York from 2026-05-21\n", 0, ""},
		{"set another for programs", &api.SiteSet{Domain: "example.org", Timezone: "Asia/Tokyo"}, true, "{\n  \"domain\": \"example.org\",\n  \"timezone\": \"Europe/Berlin\",\n  \"created\": \"2026-05-20T10:30:15Z\",\n" +
			"  \"timezone_changes\": [\n    {\n      \"timezone\": \"Asia/Tokyo\",\n      \"first_day\": \"2026-05-21\",\n      \"begins\": \"2026-05-20T22:00:00Z\",\n      \"hours\": 17\n    }\n  ]\n}\n", 0, ""},
		{"set it back", &api.SiteSet{Domain: "example.org", Timezone: "Europe/Berlin"}, false, "example.org: the day ends at midnight of Europe/Berlin, as before\n", 0, ""},
		{"remove asks back", &api.SiteRemove{Domain: "a.org"}, false, "", verb.ExitUsage, "--yes"},
		{"remove", &api.SiteRemove{Domain: "a.org", Yes: true}, false, "removed a.org and destroyed the key of its data\n", 0, ""},
		{"remove twice", &api.SiteRemove{Domain: "a.org", Yes: true}, false, "", verb.ExitMissing, "site a.org is not set up here"},
		{"list for programs", &api.SiteList{}, true, "[\n  {\n    \"domain\": \"example.org\",\n    \"timezone\": \"Europe/Berlin\",\n    \"created\": \"2026-05-20T10:30:15Z\"\n  }\n]\n", 0, ""},
	} {
		out, err := s.run(c.verb, c.json, "")
		if out != c.out || verb.Code(err) != c.code || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: got %q, %v (exit %d), want %q, exit %d with %q", c.name, out, err, verb.Code(err), c.out, c.code, c.err)
		}
	}
}

func TestQueryVerbAnswersAsTheAPI(t *testing.T) {
	s := newServer(t, false)
	s.fill(t)
	const body = `{"site_id":"example.org","metrics":["visitors","percentage"],"date_range":"all","dimensions":["visit:source"]}`
	_, want, _ := s.do(t, "token", "POST", "/api/v2/query", "application/json", body)
	for _, in := range []string{body, strings.Replace(body, `"site_id":"example.org",`, "", 1)} {
		got, err := s.run(&api.Query{Site: "Example.org", File: "-"}, false, in)
		if err != nil || strings.TrimSpace(got) != want {
			t.Errorf("%s: got %s, %v, want %s", in, got, err, want)
		}
	}
	for in, code := range map[string]int{
		"{": verb.ExitUsage, `{"metrics":["x"]}`: verb.ExitUsage, strings.Replace(body, "example.org", "other.org", 1): verb.ExitUsage,
		strings.Repeat(" ", api.MaxBody) + "{}": verb.ExitUsage,
	} {
		if out, err := s.run(&api.Query{Site: "example.org"}, false, in); verb.Code(err) != code || out != "" {
			t.Errorf("got %q, %v", out, err)
		}
	}
	if _, err := s.run(&api.Query{Site: "other.org"}, false, body); verb.Code(err) != verb.ExitMissing {
		t.Errorf("unknown site: %v", err)
	}
}
