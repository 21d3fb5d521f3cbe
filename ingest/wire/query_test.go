package wire_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"footfall/ingest/wire"
	"footfall/storage/day"
)

func TestDecodeQuery(t *testing.T) {
	event := func(name, hostname, pathname string, more ...string) day.Event {
		return day.Event{Name: name, Hostname: hostname, Pathname: pathname, Interactive: true, ScrollDepth: day.NoScroll, Props: props(more...)}
	}
	const page = "https://www.x.org/from?utm_source=ads"
	for query, want := range map[string]wire.Hit{
		"":        {Domains: []string{"x.org"}, Event: event("pageview", "x.org", "/from"), Query: "utm_source=ads"},
		"d=y.org": {Domains: []string{"y.org"}, Event: event("pageview", "x.org", "/from"), Query: "utm_source=ads"},
		"url=https://y.org/a%20b%3Fq=1&r=https%3A%2F%2Fz.org%2F": {Domains: []string{"y.org"}, Event: event("pageview", "y.org", "/a b"), Query: "q=1", Referrer: "https://z.org/"},
		"name=Seen&props[plan]=pro":                              {Domains: []string{"x.org"}, Event: event("Seen", "x.org", "/from", "plan", "pro"), Query: "utm_source=ads"},
		`n=404&p={"a":"b"}&zz=%zz`:                               {Domains: []string{"x.org"}, Event: event("404", "x.org", "/from", "a", "b", "path", "/from"), Query: "utm_source=ads"},
		"u=/only&d=x.org":                                        {Domains: []string{"x.org"}, Event: event("pageview", wire.NoHost, "/only")},
	} {
		got, err := wire.DecodeQuery(query, page)
		if err != nil {
			t.Errorf("%s: %v", query, err)
			continue
		}
		if d := cmp.Diff(got, want); d != "" {
			t.Errorf("%s: %s", query, d)
		}
	}
	for query, want := range map[string]string{
		"":             `{"domain":["can't be blank"],"url":["is required"]}`,
		"d=x.org":      `{"url":["is required"]}`,
		"u=data:,&d=x": `{"url":["scheme is not allowed"]}`,
		"n=&u=/&d=x":   `{"event_name":["can't be blank"]}`,
	} {
		if _, err := wire.DecodeQuery(query, ""); err == nil || err.Error() != "invalid event "+want {
			t.Errorf("%s: got %v, want %s", query, err, want)
		}
	}
}

func FuzzDecodeQuery(f *testing.F) {
	f.Add("d=x.org&p[a]=1&%zz", "https://x.org/a?b#c")
	f.Add("n=engagement&sd=1&u=//\xf0@[::1]:1/%ff#%&h=1", "")
	f.Fuzz(func(t *testing.T, query, page string) {
		if h, err := wire.DecodeQuery(query, page); err == nil {
			mustTravel(t, h)
		}
	})
}
