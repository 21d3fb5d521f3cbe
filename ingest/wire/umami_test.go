package wire_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"footfall/ingest/wire"
	"footfall/storage/day"
)

const uuid = `"website":"50429a93-8479-4073-be80-D5D29C09C2EC"`

func TestDecodeUmami(t *testing.T) {
	event := func(name, hostname, pathname string) day.Event {
		return day.Event{Name: name, Hostname: hostname, Pathname: pathname, Interactive: true, ScrollDepth: day.NoScroll}
	}
	with := func(e day.Event, more ...string) day.Event {
		e.Props = props(more...)
		return e
	}
	sale := with(event("sale", "x.org", "/"), "currency", "EUR", "item", "tea", "revenue", "12.50")
	sale.Revenue = day.Revenue{Amount: "12.50", Currency: "EUR"}
	site := []string{"x.org"}
	for payload, want := range map[string]wire.Hit{
		// As the script sends it, the older with a path and the newer with all of the address.
		uuid + `,"hostname":"www.x.org","screen":"1920x1080","language":"de-DE","title":"secret","url":"/a%20b?utm_source=ads","referrer":"https://y.org/z"`: {
			Domains: site, Event: event("pageview", "x.org", "/a b"), Query: "utm_source=ads", Referrer: "https://y.org/z", Language: "de-DE"},
		uuid + `,"hostname":"x.org","url":"https://x.org/a#b","referrer":"","id":"ann@x.org"`: {Domains: site, Event: event("pageview", "x.org", "/a")},
		// As @umami/node sends it.
		`"website":"x.org","url":"/home"`:                                                          {Domains: site, Event: event("pageview", "x.org", "/home")},
		`"website":"x.org","name":"signup","data":{"plan":"pro"}`:                                  {Domains: site, Event: with(event("signup", "x.org", "/"), "plan", "pro")},
		`"website":"x.org","hostname":"blog.x.org","url":"post"`:                                   {Domains: site, Event: event("pageview", "blog.x.org", "/post")},
		uuid + `,"hostname":"x.org","url":"https://y.org/a"`:                                       {Domains: site, Event: event("pageview", "y.org", "/a")},
		uuid + `,"url":"https://www.x.org/a"`:                                                      {Domains: site, Event: event("pageview", "x.org", "/a")},
		`"website":"x.org","name":"","url":null,"tag":"blue"`:                                      {Domains: site, Event: with(event("pageview", "x.org", "/"), "tag", "blue")},
		`"website":"x.org","data":{"tag":"red","a":"1"},"tag":"blue"`:                              {Domains: site, Event: with(event("pageview", "x.org", "/"), "a", "1", "tag", "red")},
		`"website":"x.org","data":{"a":{"b":1},"c":[1]},"tag":12`:                                  {Domains: site, Event: event("pageview", "x.org", "/")},
		`"website":"x.org","name":"sale","data":{"revenue":"12.50","currency":"EUR","item":"tea"}`: {Domains: site, Event: sale},
	} {
		got, err := wire.DecodeUmami("application/json", []byte(`{"type":"event","payload":{`+payload+`}}`))
		if err != nil {
			t.Errorf("%s: %v", payload, err)
			continue
		}
		if d := cmp.Diff(got, want); d != "" {
			t.Errorf("%s: %s", payload, d)
		}
	}
	if _, err := wire.DecodeUmami("", []byte("\uFEFF"+payload(`"website":"x.org"`))); err != nil {
		t.Errorf("with a byte order mark: %v", err)
	}
	for _, kind := range []string{"identify", "performance"} {
		got, err := wire.DecodeUmami("", []byte(`{"type":"`+kind+`","payload":{"website":"x.org","data":{"email":"ann@x.org"}}}`))
		if err != nil || !cmp.Equal(got, wire.Hit{}) {
			t.Errorf("%s: got %+v, %v, want nothing to count", kind, got, err)
		}
	}
	for body, want := range map[string]string{
		``:                                  `{"request":["Unable to parse request body as json"]}`,
		`[]`:                                `{"request":["Unable to parse request body as json"]}`,
		`{}`:                                `{"payload":["is required"],"type":["is invalid"]}`,
		`{"type":"event","payload":"x"}`:    `{"payload":["is required"]}`,
		`{"type":"other","payload":{}}`:     `{"type":["is invalid"]}`,
		`{"type":"event","payload":{}}`:     `{"domain":["can't be blank"]}`,
		payload(uuid + `,"url":"/a"`):       `{"domain":["can't be blank"]}`,
		payload(`"website":"x","url":1`):    `{"url":["must be a valid url"]}`,
		payload(`"website":"x","name":1.5`): `{"event_name":["is invalid"]}`,
		payload(`"website":"x","url":"/` + strings.Repeat("a", 2000) + `"`): `{"url":["must be a valid url"]}`,
	} {
		_, err := wire.DecodeUmami("", []byte(body))
		var fields wire.FieldErrors
		if !errors.As(err, &fields) || err.Error() != "invalid event "+want {
			t.Errorf("%s: got %v, want %s", body, err, want)
		}
	}
}

func payload(members string) string { return `{"type":"event","payload":{` + members + `}}` }

func FuzzDecodeUmami(f *testing.F) {
	f.Add(payload(uuid + `,"hostname":"x.org","url":"/a?b#c","data":{"revenue":1,"currency":"EUR"},"tag":"x","language":"de"`))
	f.Add(payload(`"website":"x.org,y.org","url":"//a@b:1\u0000","name":404`))
	f.Add(`{"type":"identify","payload":{}}`)
	f.Fuzz(func(t *testing.T, body string) {
		if h, err := wire.DecodeUmami("", []byte(body)); err == nil && len(h.Domains) > 0 {
			mustTravel(t, h)
		}
	})
}
