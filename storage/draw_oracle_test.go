package storage_test

import (
	"cmp"
	"flag"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"footfall/storage/day"
	"footfall/storage/query"
	"footfall/storage/query/naive"
	"footfall/storage/schema"
)

// check runs a property n times, unless -rapid.checks asks for another number.
func check(t *testing.T, n int, property func(*rapid.T)) {
	t.Helper()
	checks := flag.Lookup("rapid.checks")
	if checks.Value.String() == checks.DefValue {
		if err := checks.Value.Set(fmt.Sprint(n)); err != nil {
			t.Fatal(err)
		}
		defer checks.Value.Set(checks.DefValue)
	}
	rapid.Check(t, property)
}

// place is a calendar and a day worth looking at.
type place struct {
	days *schema.Calendar
	day  schema.Date
}

// places are days on which clocks change, months and years end, and plain ones.
var places = []string{
	"Etc/UTC 2026-02-28",
	"Europe/Berlin 2026-03-28",
	"Europe/Berlin 2026-10-24",
	"America/New_York 2026-03-07",
	"America/New_York 2026-10-31",
	"Asia/Kolkata 2026-12-30",
	"Pacific/Kiritimati 2026-03-01",
	"Australia/Lord_Howe 2026-04-04",
	"Australia/Lord_Howe 2026-10-03",
	"Africa/Cairo 2026-04-23",
	"America/Havana 2026-10-31",
	"America/Santiago 2026-04-04",
}

func drawPlace(t *rapid.T) place {
	var name, date string
	fmt.Sscan(rapid.SampledFrom(places).Draw(t, "place"), &name, &date)
	zone, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	d, err := schema.ParseDate(date)
	if err != nil {
		t.Fatal(err)
	}
	return place{schema.NewCalendar(zone, drawChanges(t, zone, d)...), d}
}

// moves are zones a site may move to: near and far, over the date line, with half and quarter hours.
var moves = []string{"Etc/UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Asia/Kathmandu", "Pacific/Kiritimati", "Pacific/Pago_Pago", "Etc/GMT+12", "Australia/Lord_Howe"}

func drawZone(t *rapid.T) *time.Location {
	zone, err := time.LoadLocation(rapid.SampledFrom(moves).Draw(t, "move to"))
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

// drawChanges draws changes of zone in the three days that have events.
func drawChanges(t *rapid.T, zone *time.Location, d schema.Date) (changes []schema.Change) {
	for range rapid.SampledFrom([]int{0, 0, 1, 2}).Draw(t, "changes") {
		next := schema.Change{First: d, Zone: drawZone(t)}
		before := schema.NewCalendar(zone, changes...)
		// Somebody has to ask for it on the day before.
		if before.Zone(d).String() != next.Zone.String() && before.Start(d-1).Before(before.Start(d)) {
			changes = append(changes, next)
		}
		d++
	}
	return changes
}

// Few values, so that events have them in common. The odd ones are words with a meaning in filters, words that differ in case
// only, and letters of several bytes, two of which change their length in lower case.
var (
	visitorNames = []string{"ann", "bob", "cat", "dan"}
	eventNames   = []string{day.Pageview, day.Pageview, day.Pageview, day.Engagement, "Signup", "signup", "Größe"}
	hostnames    = []string{"example.com", "example.com", "shop.example.com", ""}
	pathnames    = []string{"/", "/a", "/A", "/a/b", "/straße", "/İK", ""}
	propKeys     = []string{"plan", "größe", "a:b"}
	propValues   = []string{"pro", "Pro", "(none)", "(not set)", "ÄÖ"}
	attributes   = []string{"", "Google", "google", "Direct / None", "(not set)", "Österreich", "DE"}
	durations    = []int64{0, 1, 59, 600, 1799, 1800, 1801, 3600}
)

// drawEvent draws an event without time and visitor.
func drawEvent(t *rapid.T) naive.Event {
	e := naive.Event{Event: day.Event{
		Name:        rapid.SampledFrom(eventNames).Draw(t, "name"),
		Hostname:    rapid.SampledFrom(hostnames).Draw(t, "hostname"),
		Pathname:    rapid.SampledFrom(pathnames).Draw(t, "pathname"),
		Interactive: rapid.IntRange(0, 3).Draw(t, "interactive") > 0,
		ScrollDepth: rapid.SampledFrom([]uint8{day.NoScroll, 0, 40, 100}).Draw(t, "scroll"),
	}}
	if rapid.Bool().Draw(t, "rich") {
		e.EngagementMS = rapid.SampledFrom([]uint32{0, 1, 65536, 1 << 31}).Draw(t, "engagement")
		for _, key := range propKeys {
			if value := rapid.SampledFrom(append([]string{""}, propValues...)).Draw(t, key); value != "" {
				e.Props = append(e.Props, day.Prop{Key: key, Value: value})
			}
		}
		slices.SortFunc(e.Props, func(a, b day.Prop) int { return cmp.Compare(a.Key, b.Key) })
		if rapid.IntRange(0, 3).Draw(t, "paid") == 0 {
			e.Revenue = day.Revenue{Amount: "9.90", Currency: rapid.SampledFrom([]string{"EUR", "USD"}).Draw(t, "currency")}
		}
	}
	return e
}

func drawAttributes(t *rapid.T) (a schema.Attributes) {
	if rapid.Bool().Draw(t, "bare") {
		return a
	}
	for id := range a {
		a[id] = rapid.SampledFrom(attributes).Draw(t, schema.Columns[id].Name)
	}
	return a
}

// drawInstant draws an instant of one of three days from first on, most often one where something changes.
func drawInstant(t *rapid.T, p place) int64 {
	start := p.days.Start(p.day + schema.Date(rapid.IntRange(0, 2).Draw(t, "day"))).Unix()
	hour := rapid.SampledFrom([]int64{0, 1, 2, 3, 10, 22, 23, 26, 48}).Draw(t, "hour")
	second := rapid.OneOf(rapid.SampledFrom([]int64{0, 1, 1799, 1800, 3599}), rapid.Int64Range(0, 3599)).Draw(t, "second")
	return start + hour*3600 + second
}

// even draws a number of so many bits, each as likely as the other. rapid by itself loves small ones.
func even(t *rapid.T, bits int, label string) (n int) {
	for i := range bits {
		if rapid.Bool().Draw(t, label) {
			n |= 1 << i
		}
	}
	return n
}

// drawEvents draws the events of a few visitors: runs of events with gaps short and long.
func drawEvents(t *rapid.T, p place) []naive.Event {
	run := rapid.Custom(func(t *rapid.T) []naive.Event {
		who := visitorNames[even(t, 2, "visitor")]
		at := drawInstant(t, p)
		attributes := drawAttributes(t)
		events := rapid.SliceOfN(rapid.Custom(drawEvent), 1, 5).Draw(t, "run")
		for i := range events {
			events[i].Visitor, events[i].Time, events[i].Attributes = who, at, attributes
			at += rapid.SampledFrom(durations).Draw(t, "gap")
		}
		return events
	})
	return slices.Concat(rapid.SliceOfN(run, 1, 24).Draw(t, "runs")...)
}

var (
	metrics = []query.Metric{query.Visitors, query.Visits, query.Pageviews, query.ViewsPerVisit, query.BounceRate,
		query.VisitDuration, query.Events, query.Percentage}
	dimensions = append([]query.Dimension{query.TimeHour, query.TimeDay, query.TimeWeek, query.TimeMonth}, filterable...)
	filterable = []query.Dimension{"event:page", "event:hostname", "event:name", "event:props:plan", "event:props:größe",
		"event:props:none", "visit:entry_page", "visit:exit_page", "visit:entry_page_hostname", "visit:exit_page_hostname",
		"visit:source", "visit:referrer", "visit:channel", "visit:utm_medium", "visit:utm_campaign", "visit:country",
		"visit:city", "visit:device", "visit:screen", "visit:browser_version", "visit:os", "visit:language"}
	words = slices.Concat(eventNames, hostnames, pathnames, propValues, attributes, []string{"", "a", "Direct", "none", "STRASSE",
		"/i̇k", "not set", "Direct"})
	expressions = []string{"", "^$", "^/", "a$", "(?i)google", "[A-Z]", "ß", "none|not", "^(Signup|pageview)$"}
)

// drawFilter draws a filter tree of at most the given depth.
func drawFilter(t *rapid.T, depth int) query.Filter {
	ops := []query.Op{query.Is, query.Is, query.IsNot, query.Contains, query.ContainsNot, query.Matches, query.MatchesNot}
	if depth > 0 {
		ops = append(ops, query.And, query.Or, query.Not)
	}
	f := query.Filter{Op: rapid.SampledFrom(ops).Draw(t, "op")}
	switch f.Op {
	case query.And, query.Or:
		for range rapid.IntRange(1, 3).Draw(t, "args") {
			f.Args = append(f.Args, drawFilter(t, depth-1))
		}
		return f
	case query.Not:
		f.Args = []query.Filter{drawFilter(t, depth-1)}
		return f
	}
	f.Dimension = rapid.SampledFrom(filterable).Draw(t, "filter on")
	likely := likelyWords(f.Dimension)
	if f.Op == query.Matches || f.Op == query.MatchesNot {
		likely = expressions
	} else {
		f.FoldCase = rapid.Bool().Draw(t, "fold")
	}
	f.Clauses = rapid.SliceOfN(rapid.SampledFrom(likely), 1, 3).Draw(t, "clauses")
	return f
}

// likelyWords returns clauses that may well match a value of d, and all others.
func likelyWords(d query.Dimension) []string {
	var likely []string
	switch d {
	case "event:name":
		likely = eventNames
	case "event:page", "visit:entry_page", "visit:exit_page":
		likely = pathnames
	case "event:hostname", "visit:entry_page_hostname", "visit:exit_page_hostname":
		likely = hostnames
	case "event:props:plan", "event:props:größe":
		likely = propValues
	default:
		likely = attributes
	}
	return slices.Concat(likely, likely, likely, words)
}

// drawRange draws whole days or any two instants around the three days that have events.
func drawRange(t *rapid.T, p place) query.Range {
	if rapid.Bool().Draw(t, "whole days") {
		first := p.day - 1 + schema.Date(even(t, 2, "first"))
		return query.Days(first, first+schema.Date(even(t, 2, "more")), p.days)
	}
	a, b := drawInstant(t, p), drawInstant(t, p)
	return query.Range{First: min(a, b), Last: max(a, b)}
}

// drawQuery draws a query that Validate accepts.
func drawQuery(t *rapid.T, p place, site schema.Site) query.Query {
	q := query.Query{Site: site, Calendar: p.days, Range: drawRange(t, p)}
	q.Metrics = rapid.SliceOfNDistinct(rapid.SampledFrom(metrics), 1, len(metrics), rapid.ID).Draw(t, "metrics")
	q.Dimensions = rapid.SliceOfNDistinct(rapid.SampledFrom(dimensions), 0, 3, rapid.ID).Draw(t, "dimensions")
	for range rapid.IntRange(0, 2).Draw(t, "filters") {
		q.Filters = append(q.Filters, drawFilter(t, 2))
	}
	drawOrder(t, &q)
	q.Limit = rapid.SampledFrom([]int{0, 0, 0, 1, 2, 5}).Draw(t, "limit")
	q.Offset = rapid.SampledFrom([]int{0, 0, 0, 1, 4}).Draw(t, "offset")
	return repaired(t, q)
}

func drawOrder(t *rapid.T, q *query.Query) {
	var columns []string
	for _, m := range q.Metrics {
		columns = append(columns, string(m))
	}
	for _, d := range q.Dimensions {
		columns = append(columns, string(d))
	}
	for _, by := range rapid.SliceOfNDistinct(rapid.SampledFrom(columns), 0, min(2, len(columns)), rapid.ID).Draw(t, "order") {
		q.Order = append(q.Order, query.Order{By: by, Desc: rapid.Bool().Draw(t, "desc")})
	}
}

// repaired leaves out what does not go together: first either kind of metrics, then dimensions, then filters.
func repaired(t *rapid.T, q query.Query) query.Query {
	if q.Validate() == nil {
		return q
	}
	without := func(drop ...query.Metric) query.Query {
		less := q
		less.Metrics = slices.DeleteFunc(slices.Clone(q.Metrics), func(m query.Metric) bool { return slices.Contains(drop, m) })
		if len(less.Metrics) == 0 {
			less.Metrics = []query.Metric{query.Visitors}
		}
		less.Order = slices.DeleteFunc(slices.Clone(q.Order), func(o query.Order) bool {
			return !slices.Contains(less.Metrics, query.Metric(o.By)) && !slices.Contains(q.Dimensions, query.Dimension(o.By))
		})
		return less
	}
	event := []query.Metric{query.Pageviews, query.Events}
	session := []query.Metric{query.BounceRate, query.VisitDuration, query.ViewsPerVisit}
	if rapid.Bool().Draw(t, "keep session metrics") {
		event, session = session, event
	}
	for _, drop := range [][]query.Metric{{query.ViewsPerVisit}, session, event, slices.Concat(event, session)} {
		if less := without(drop...); less.Validate() == nil {
			return less
		}
	}
	q = without(slices.Concat(event, session)...)
	q.Dimensions, q.Order = nil, nil
	if q.Validate() != nil {
		q.Filters = nil
	}
	if err := q.Validate(); err != nil {
		t.Fatalf("a query that should be plain: %+v: %v", q, err)
	}
	return q
}
