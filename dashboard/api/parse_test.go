package api_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"footfall/dashboard/api"
	"footfall/storage/account"
	"footfall/storage/query"
	"footfall/storage/schema"
)

// noon is a Wednesday in Berlin, two hours before UTC.
var noon = time.Date(2026, 5, 20, 10, 30, 15, 0, time.UTC)

func berlin() account.Site {
	return account.Site{ID: 1, Domain: "example.org", Timezone: "Europe/Berlin"}
}

func options(strict bool) api.Options {
	return api.Options{Site: berlin(), Now: noon, Strict: strict, Start: func() (schema.Date, bool) {
		d, err := schema.ParseDate("2026-02-03")
		return d, err == nil
	}}
}

func mustParse(t *testing.T, body string, o api.Options) *api.Asked {
	t.Helper()
	a, err := api.Parse([]byte(body), o)
	if err != nil {
		t.Fatalf("parse %s: %v", body, err)
	}
	return a
}

func TestDateRanges(t *testing.T) {
	for _, c := range []struct{ in, first, last string }{
		{`"day"`, "2026-05-20T00:00:00+02:00", "2026-05-20T12:30:15+02:00"},
		{`"24h"`, "2026-05-19T12:30:15+02:00", "2026-05-20T12:30:15+02:00"},
		{`"7d"`, "2026-05-13T00:00:00+02:00", "2026-05-19T23:59:59+02:00"},
		{`"1d"`, "2026-05-19T00:00:00+02:00", "2026-05-19T23:59:59+02:00"},
		{`"5000d"`, "2012-09-10T00:00:00+02:00", "2026-05-19T23:59:59+02:00"},
		{`"1mo"`, "2026-04-01T00:00:00+02:00", "2026-04-30T23:59:59+02:00"},
		{`"6mo"`, "2025-11-01T00:00:00+01:00", "2026-04-30T23:59:59+02:00"},
		{`"month"`, "2026-05-01T00:00:00+02:00", "2026-05-31T23:59:59+02:00"},
		{`"year"`, "2026-01-01T00:00:00+01:00", "2026-12-31T23:59:59+01:00"},
		{`"all"`, "2026-02-03T00:00:00+01:00", "2026-05-20T23:59:59+02:00"},
		{`["2026-03-28","2026-03-29"]`, "2026-03-28T00:00:00+01:00", "2026-03-29T23:59:59+02:00"},
		{`["2026-03-29","2026-03-28"]`, "2026-03-28T00:00:00+01:00", "2026-03-29T23:59:59+02:00"},
		{`["2026-03-28T10:00:00Z","2026-03-28T11:30:00+01:00"]`, "2026-03-28T11:00:00+01:00", "2026-03-28T11:30:00+01:00"},
		{`["2026-03-28T13:00:00+01:00","2026-03-28T11:30:00+01:00"]`, "2026-03-28T11:30:00+01:00", "2026-03-28T13:00:00+01:00"},
	} {
		a := mustParse(t, `{"site_id":"example.org","metrics":["visitors"],"date_range":`+c.in+`}`, options(true))
		if want := [2]string{c.first, c.last}; a.Echo.DateRange != want {
			t.Errorf("%s: got %v, want %v", c.in, a.Echo.DateRange, want)
		}
	}
}

func TestTrimmedRanges(t *testing.T) {
	for in, want := range map[string]string{
		"day": "2026-05-20T12:59:59+02:00", "month": "2026-05-20T23:59:59+02:00", "year": "2026-05-20T23:59:59+02:00",
		"7d": "2026-05-19T23:59:59+02:00",
	} {
		a := mustParse(t, `{"site_id":"example.org","metrics":["visitors"],"date_range":"`+in+`","include":{"trim_relative_date_range":true}}`, options(true))
		if a.Echo.DateRange[1] != want {
			t.Errorf("%s: got %s, want %s", in, a.Echo.DateRange[1], want)
		}
	}
}

func TestUTCIsWrittenZ(t *testing.T) {
	for zone, want := range map[string]string{"Etc/UTC": "2026-05-20T00:00:00Z", "Europe/London": "2026-05-20T00:00:00+01:00", "Africa/Abidjan": "2026-05-20T00:00:00+00:00"} {
		o := options(true)
		o.Site.Timezone = zone
		a := mustParse(t, `{"site_id":"example.org","metrics":["visitors"],"date_range":"day"}`, o)
		if a.Echo.DateRange[0] != want {
			t.Errorf("%s: got %s, want %s", zone, a.Echo.DateRange[0], want)
		}
	}
}

// TestRangesAcrossAChange asks on a site that moves from Berlin to New York: its 20th of May begins at midnight of Berlin and lasts for 30
// hours. The 22nd is the last day there, the 23rd is left out by a move to the other side of the date line.
func TestRangesAcrossAChange(t *testing.T) {
	site := berlin()
	day := func(text string) schema.Date {
		d, err := schema.ParseDate(text)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	site.Changes = []account.ZoneChange{{First: day("2026-05-20"), Timezone: "America/New_York"}, {First: day("2026-05-22"), Timezone: "Pacific/Pago_Pago"}, {First: day("2026-05-23"), Timezone: "Pacific/Kiritimati"}}
	for _, c := range []struct{ now, in, first, last, before string }{
		{"2026-05-19T21:59:59Z", `"day"`, "2026-05-19T00:00:00+02:00", "2026-05-19T23:59:59+02:00", "2026-05-18T23:59:59+02:00"},
		{"2026-05-19T22:00:01Z", `"day"`, "2026-05-19T18:00:00-04:00", "2026-05-19T18:00:01-04:00", "2026-05-19T18:00:01+02:00"},
		{"2026-05-21T03:59:59Z", `"day"`, "2026-05-19T18:00:00-04:00", "2026-05-20T23:59:59-04:00", "2026-05-19T23:59:59+02:00"},
		{"2026-05-21T04:00:00Z", `"1d"`, "2026-05-19T18:00:00-04:00", "2026-05-20T23:59:59-04:00", "2026-05-19T23:59:59+02:00"},
		{"2026-05-21T16:00:00Z", `"7d"`, "2026-05-14T00:00:00+02:00", "2026-05-20T23:59:59-04:00", "2026-05-13T23:59:59+02:00"},
		{"2026-05-21T16:00:00Z", `["2026-05-19","2026-05-20"]`, "2026-05-19T00:00:00+02:00", "2026-05-20T23:59:59-04:00", "2026-05-18T23:59:59+02:00"},
		{"2026-05-21T16:00:00Z", `["2026-05-19T23:00:00+02:00","2026-05-20T01:00:00+02:00"]`, "2026-05-19T23:00:00+02:00", "2026-05-19T19:00:00-04:00", "2026-05-18T23:59:59+02:00"},
		{"2026-06-01T16:00:00Z", `["2026-05-23","2026-05-23"]`, "2026-05-24T01:00:00+14:00", "2026-05-22T23:59:59-11:00", "2026-05-22T23:59:59-11:00"},
		{"2026-06-01T16:00:00Z", `"month"`, "2026-06-01T00:00:00+14:00", "2026-06-30T23:59:59+14:00", "2026-05-31T06:00:00+14:00"},
	} {
		o := options(false)
		o.Site = site
		var err error
		if o.Now, err = time.Parse(time.RFC3339, c.now); err != nil {
			t.Fatal(err)
		}
		a := mustParse(t, `{"metrics":["visitors"],"date_range":`+c.in+`,"compare":true}`, o)
		if want := [2]string{c.first, c.last}; a.Echo.DateRange != want || a.BeforeEcho.DateRange[1] != c.before {
			t.Errorf("%s at %s: got %v, before until %s, want %v, until %s", c.in, c.now, a.Echo.DateRange, a.BeforeEcho.DateRange[1], want, c.before)
		}
		if err := a.Before.Validate(); err != nil {
			t.Errorf("%s at %s: before: %v", c.in, c.now, err)
		}
	}
	for _, c := range []struct {
		now, in string
		labels  int
		first   string
		present int
	}{
		{"2026-05-21T16:00:00Z", `["2026-05-19","2026-05-21"]`, 72, "2026-05-19 00:00:00", 60},
		{"2026-05-20T16:00:00Z", `["2026-05-20","2026-05-20"]`, 24, "2026-05-20 00:00:00", -1}, // 18:00 to 24:00 came already, and comes again
		{"2026-05-21T16:00:00Z", `["2026-05-23","2026-05-23"]`, 0, "", -1},
	} {
		o := options(false)
		o.Site = site
		o.Now, _ = time.Parse(time.RFC3339, c.now)
		a := mustParse(t, `{"metrics":["visitors"],"date_range":`+c.in+`,"dimensions":["time:hour"],"include":{"time_labels":true}}`, o)
		if len(a.Labels) != c.labels || c.labels > 0 && a.Labels[0] != c.first || a.Present != c.present {
			t.Errorf("%s at %s: got %d labels from %v, present %d, want %+v", c.in, c.now, len(a.Labels), a.Labels[:min(1, len(a.Labels))], a.Present, c)
		}
	}
}

func TestTimeBuckets(t *testing.T) {
	for _, c := range []struct {
		first, last string
		want        query.Dimension
	}{
		{"2026-01-01", "2026-01-01", query.TimeHour},
		{"2026-01-01", "2026-01-02", query.TimeHour},
		{"2026-01-01", "2026-01-03", query.TimeDay},
		{"2026-01-01", "2026-02-10", query.TimeDay},
		{"2026-01-01", "2026-02-11", query.TimeWeek},
		{"2025-01-01", "2025-12-31", query.TimeWeek},
		{"2024-01-01", "2025-12-31", query.TimeMonth},
	} {
		a := mustParse(t, `{"site_id":"example.org","metrics":["visitors"],"date_range":["`+c.first+`","`+c.last+`"],"dimensions":["time"],"order_by":[["time","desc"]]}`, options(true))
		if got := a.Query.Dimensions[0]; got != c.want || a.Echo.Dimensions[0] != string(c.want) || a.Echo.OrderBy[0] != [2]string{string(c.want), "desc"} {
			t.Errorf("%s to %s: got %s, echo %v %v, want %s", c.first, c.last, got, a.Echo.Dimensions, a.Echo.OrderBy, c.want)
		}
	}
}

func TestTimeLabels(t *testing.T) {
	hours := func(day string, n int) (list []string) {
		for h := range n {
			list = append(list, day+time.Date(0, 1, 1, h, 0, 0, 0, time.UTC).Format(" 15:00:00"))
		}
		return list
	}
	for _, c := range []struct {
		name, dimension, dates string
		want                   []string
		present                int
	}{
		{"days", "time:day", `["2026-05-19","2026-05-21"]`, []string{"2026-05-19", "2026-05-20", "2026-05-21"}, 1},
		{"weeks begin with the range", "time:week", `["2020-12-20","2021-01-07"]`, []string{"2020-12-20", "2020-12-21", "2020-12-28", "2021-01-04"}, -1},
		{"the first week is the present", "time:week", `["2026-05-19","2026-05-26"]`, []string{"2026-05-19", "2026-05-25"}, 0},
		{"months are named by their first day", "time:month", `["2026-03-31","2026-05-20"]`, []string{"2026-03-01", "2026-04-01", "2026-05-01"}, 2},
		{"a short day has 24 hours on the wall", "time:hour", `["2026-03-29","2026-03-29"]`, hours("2026-03-29", 24), -1},
		{"a long day too", "time:hour", `["2026-10-25","2026-10-25"]`, hours("2026-10-25", 24), -1},
		{"today has all its hours", "time:hour", `["2026-05-20","2026-05-20"]`, hours("2026-05-20", 24), 12},
		{"day ends now", "time:hour", `"day"`, hours("2026-05-20", 13), 12},
		{"hours of a part", "time:hour", `["2026-05-20T01:30:00+02:00","2026-05-20T02:00:00+02:00"]`, []string{"2026-05-20 01:00:00", "2026-05-20 02:00:00"}, -1},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := mustParse(t, `{"metrics":["visitors"],"date_range":`+c.dates+`,"dimensions":["`+c.dimension+`"],"include":{"time_labels":true}}`, options(false))
			if diff := cmp.Diff(c.want, a.Labels); diff != "" || a.Present != c.present {
				t.Errorf("present %d, want %d; labels want -, got +:\n%s", a.Present, c.present, diff)
			}
		})
	}
}

func TestComparison(t *testing.T) {
	for _, c := range []struct{ name, in, first, last string }{
		{"a past period has as many days before it", `"date_range":["2026-05-01","2026-05-07"]`, "2026-04-24T00:00:00+02:00", "2026-04-30T23:59:59+02:00"},
		{"today is compared with yesterday until now", `"date_range":["2026-05-20","2026-05-20"]`, "2026-05-19T00:00:00+02:00", "2026-05-19T12:30:15+02:00"},
		{"a chart shows yesterday whole", `"date_range":["2026-05-20","2026-05-20"],"dimensions":["time:hour"]`, "2026-05-19T00:00:00+02:00", "2026-05-19T23:59:59+02:00"},
		{"the rest of the month does not count", `"date_range":["2026-05-01","2026-05-31"]`, "2026-04-11T00:00:00+02:00", "2026-04-30T12:30:15+02:00"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := mustParse(t, `{"metrics":["visitors"],"compare":true,`+c.in+`}`, options(false))
			if a.Before == nil {
				t.Fatal("no comparison")
			}
			if got, want := a.BeforeEcho.DateRange, [2]string{c.first, c.last}; got != want {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
	if a := mustParse(t, `{"metrics":["visitors"],"compare":true,"date_range":"all"}`, options(false)); a.Before != nil {
		t.Error("all time has a period before it")
	}
	if _, err := api.Parse([]byte(`{"site_id":"example.org","metrics":["visitors"],"date_range":"day","compare":true}`), options(true)); err == nil {
		t.Error("the public form takes compare")
	}
}

func TestFilters(t *testing.T) {
	a := mustParse(t, `{"site_id":"example.org","metrics":["visitors"],"date_range":"7d","filters":[
		["is","visit:country",["DE","AT"]],
		["contains","event:page",["/Blog"],{"case_sensitive":false}],
		["or",[["matches_not","event:props:plan",["^a"]],["not",["is_not","visit:city",[2950159]]]]]]}`, options(true))
	want := []query.Filter{
		{Op: query.Is, Dimension: "visit:country", Clauses: []string{"DE", "AT"}},
		{Op: query.Contains, Dimension: "event:page", Clauses: []string{"/Blog"}, FoldCase: true},
		{Op: query.Or, Args: []query.Filter{
			{Op: query.MatchesNot, Dimension: "event:props:plan", Clauses: []string{"^a"}},
			{Op: query.Not, Args: []query.Filter{{Op: query.IsNot, Dimension: "visit:city", Clauses: []string{"2950159"}}}},
		}},
	}
	if diff := cmp.Diff(want, a.Query.Filters); diff != "" {
		t.Errorf("want -, got +:\n%s", diff)
	}
}

func TestRefusals(t *testing.T) {
	base := map[string]string{"site_id": `"example.org"`, "metrics": `["visitors"]`, "date_range": `"7d"`}
	for _, c := range []struct{ key, value, want string }{
		{"metrics", `["visitors","x"]`, `#/metrics/1: Invalid metric "x"`},
		{"metrics", `[7]`, `#/metrics/0: Invalid metric 7`},
		{"metrics", `[]`, `#/metrics: Expected a minimum of 1 items but got 0.`},
		{"metrics", `["visits","visits"]`, `#/metrics: Expected items to be unique but they were not.`},
		{"metrics", `"visits"`, `#/metrics: Type mismatch. Expected Array but got String.`},
		{"metrics", `["scroll_depth"]`, "Metric `scroll_depth` is not available on this server yet."},
		{"metrics", `["time_on_page"]`, "Metric `time_on_page` is not available on this server yet."},
		{"metrics", `["total_revenue"]`, "Metric `total_revenue` is not available on this server yet."},
		{"metrics", `["conversion_rate"]`, "Metric `conversion_rate` can only be queried with event:goal filters or dimensions."},
		{"dimensions", `["x"]`, `#/dimensions/0: Invalid dimension "x"`},
		{"dimensions", `["event:props:"]`, `#/dimensions/0: Invalid dimension "event:props:"`},
		{"dimensions", `["visit:country_name"]`, "Dimension `visit:country_name` is not available on this server yet. Use `visit:country`."},
		{"dimensions", `["event:goal"]`, "This server has no goals yet: `event:goal` is not available."},
		{"date_range", `"x"`, `#/date_range: Invalid date range "x"`},
		{"date_range", `"0d"`, `Invalid date_range "0d"`},
		{"date_range", `"5001d"`, `Invalid date_range "5001d"`},
		{"date_range", `"101mo"`, `Invalid date_range "101mo"`},
		{"date_range", `["2026-01-01"]`, `#/date_range: Invalid date range ["2026-01-01"]`},
		{"date_range", `["2026-01-01","2026-13-01"]`, `#/date_range: Invalid date range ["2026-01-01", "2026-13-01"]`},
		{"date_range", `["2026-01-01","2026-01-02T00:00:00Z"]`, `#/date_range: Invalid date range ["2026-01-01", "2026-01-02T00:00:00Z"]`},
		{"filters", `"x"`, `#/filters: Type mismatch. Expected Array but got String.`},
		{"filters", `[["is","visit:country",["DE"],{"case":true}]]`, `#/filters/0: Invalid filter ["is", "visit:country", ["DE"], %{"case" => true}]`},
		{"filters", `[["is","visit:source",["a",1]]]`, `Invalid filter '["is", "visit:source", ["a", 1]]'.`},
		{"filters", `[["is","visit:source",[]]]`, `#/filters/0: Invalid filter ["is", "visit:source", []]`},
		{"filters", `[["is","time:day",["a"]]]`, `#/filters/0: Invalid filter ["is", "time:day", ["a"]]`},
		{"filters", `[["matches","event:page",["a"],{}]]`, `#/filters/0: Invalid filter ["matches", "event:page", ["a"], %{}]`},
		{"filters", `[["is_not","event:goal",["a"]]]`, `#/filters/0: Invalid filter ["is_not", "event:goal", ["a"]]`},
		{"filters", `[["is","event:goal",["Buy"]]]`, "Invalid filters. The goal `Buy` is not configured for this site."},
		{"filters", `[["is","segment",[1]]]`, `Invalid filters. Some segments don't exist or aren't accessible.`},
		{"filters", `[["has_done",["is","event:page",["/"]]]]`, `Behavioral filters (has_done, has_not_done) are not available on this server yet.`},
		{"filters", `[["is","visit:country",["Germany"]]]`, `Invalid visit:country filter, visit:country needs to be a valid 2-letter country code.`},
		{"filters", `[["and",[]]]`, `#/filters/0: Invalid filter ["and", []]`},
		{"order_by", `[["x","asc"]]`, `#/order_by/0/0: Invalid value in order_by "x"`},
		{"order_by", `[["events","desc"]]`, `Invalid order_by entry '{:events, :desc}'. Entry is not a queried metric or dimension.`},
		{"order_by", `[["visit:source","desc"]]`, `Invalid order_by entry '{"visit:source", :desc}'. Entry is not a queried metric or dimension.`},
		{"include", `"x"`, `#/include: Type mismatch. Expected Object but got String.`},
		{"include", `{"comparisons":true}`, `#/include/comparisons: Schema does not allow additional properties.`},
		{"include", `{"time_labels":true}`, `Invalid include.time_labels: requires a time dimension.`},
		{"include", `{"imports":1}`, `#/include/imports: Type mismatch. Expected Boolean but got Integer.`},
		{"pagination", `{"limit":10001}`, `#/pagination/limit: Expected the value to be <= 10000`},
		{"pagination", `{"limit":0}`, `#/pagination/limit: Expected the value to be >= 1`},
		{"pagination", `{"offset":-1}`, `#/pagination/offset: Expected the value to be >= 0`},
		{"pagination", `{"limit":1.5}`, `#/pagination/limit: Type mismatch. Expected Integer but got Number.`},
		{"comparisons", `{}`, `#/comparisons: Schema does not allow additional properties.`},
		{"metrics", ``, `#: Required property metrics was not present.`},
	} {
		var fields []string
		for k, v := range base {
			if k != c.key {
				fields = append(fields, `"`+k+`":`+v)
			}
		}
		if c.value != "" {
			fields = append(fields, `"`+c.key+`":`+c.value)
		}
		body := "{" + strings.Join(fields, ",") + "}"
		_, err := api.Parse([]byte(body), options(true))
		if err == nil || err.Error() != c.want || !errors.Is(err, query.ErrInvalid) {
			t.Errorf("%s: %s\n got %v\nwant %s", c.key, c.value, err, c.want)
		}
	}
}

func TestRefusalsAreJoined(t *testing.T) {
	_, err := api.Parse([]byte(`{"site_id":"example.org","metrics":["a"],"date_range":"b","dimensions":["c"]}`), options(true))
	want := "#/metrics/0: Invalid metric \"a\"\n#/date_range: Invalid date range \"b\"\n#/dimensions/0: Invalid dimension \"c\""
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestManyTimeLabels(t *testing.T) {
	_, err := api.Parse([]byte(`{"metrics":["visitors"],"date_range":["0001-01-01","9999-12-31"],"dimensions":["time:hour"],"include":{"time_labels":true}}`), options(false))
	if err == nil || !strings.Contains(err.Error(), "more than 50000 labels") {
		t.Errorf("got %v", err)
	}
}

func FuzzQueryParse(f *testing.F) {
	for _, seed := range []string{
		`{"site_id":"example.org","metrics":["visitors"],"date_range":"7d"}`,
		`{"metrics":["visitors","bounce_rate"],"date_range":["2026-01-01","2026-01-31"],"dimensions":["time","visit:source"],"filters":[["is","visit:country",["DE"]],["not",["contains","event:props:x",["a"],{"case_sensitive":false}]]],"order_by":[["time","asc"]],"include":{"time_labels":true,"total_rows":true},"pagination":{"limit":3,"offset":1},"compare":true}`,
		`{"metrics":["events"],"date_range":["2026-01-01T00:00:00Z","2026-01-02T00:00:00+01:00"],"filters":[["or",[["matches","event:page",["a+"]]]]]}`,
		`{"metrics":[{}],"date_range":"0mo","filters":[[[]]],"include":{"x":null}}`,
	} {
		f.Add([]byte(seed), true)
		f.Add([]byte(seed), false)
	}
	f.Fuzz(func(t *testing.T, body []byte, strict bool) {
		a, err := api.Parse(body, options(strict))
		if err != nil {
			if !errors.Is(err, query.ErrInvalid) {
				t.Fatalf("not a refusal: %v", err)
			}
			if len(err.Error()) > 100*len(body)+1000 {
				t.Fatalf("an error of %d bytes for a body of %d", len(err.Error()), len(body))
			}
			return
		}
		if err := a.Query.Validate(); err != nil {
			t.Fatalf("accepted and not valid: %v", err)
		}
		if a.Before != nil {
			if err := a.Before.Validate(); err != nil {
				t.Fatalf("the period before is not valid: %v", err)
			}
		}
		if a.Query.Limit < 1 || a.Query.Limit > api.MaxRows || len(a.Labels) > api.MaxTimeLabels {
			t.Fatalf("limit %d, %d labels", a.Query.Limit, len(a.Labels))
		}
		// What is echoed means the same when it is asked again.
		echo, err := json.Marshal(a.Echo)
		if err != nil {
			t.Fatal(err)
		}
		again, err := api.Parse(echo, options(true))
		if err != nil {
			if strict {
				t.Fatalf("echo %s is refused: %v", echo, err)
			}
			return
		}
		if strict && !cmp.Equal(a.Query, again.Query, cmp.Comparer(func(x, y *time.Location) bool { return x.String() == y.String() })) {
			t.Fatalf("echo %s means another query", echo)
		}
	})
}

// FuzzDeletion holds that a deletion names its range, which has a begin and an end, whatever it is asked for.
func FuzzDeletion(f *testing.F) {
	for _, seed := range []string{
		`{"filters":[["is","event:page",["/a"]]]}`, `{"date_range":["2026-02-03","2026-02-04"],"confirm":"x"}`, `{"date_range":"all"}`,
		`{"filters":[["is","event:page",["/a"]]],"date_range":["2026-02-03T10:00:00Z","2026-02-03T11:00:00Z"]}`, `{"filters":[],"date_range":null}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		d, err := api.ParseDeletion(body, options(true))
		if err != nil {
			if !errors.Is(err, query.ErrInvalid) {
				t.Fatalf("not a refusal: %v", err)
			}
			return
		}
		if d.Site != berlin().ID || d.Range.First > d.Range.Last || d.Range.Last > noon.Unix() {
			t.Fatalf("%s deletes %+v", body, d)
		}
	})
}
