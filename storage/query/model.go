// Package query turns a Query into a Result. One model serves the Stats API, the dashboard, CSV and the command
// line; the same Query gives the same Result however the days are stored. Package naive answers every Query by plain
// loops, and the engine must equal it.
//
// # Words
//
// A day's events belong to visits, visits to visitors, and no visit or visitor outlives its local day. An event
// counts if its name is not "engagement". A visit's end is the time of its last counting event, its duration end − start,
// its entry and exit page those of its first and last pageview ("" if it has none). A visit bounces if it has
// fewer than two pageviews and no interactive counting event other than pageviews.
//
// # Which rows
//
// A Query looks at two row sets. E holds the events that count, lie in the range, and satisfy the filters (visit dimensions
// are those of the event's visit). S holds the visits that overlap the range (start ≤ Last and end ≥ First) and satisfy the
// filters; if a filter names an event dimension, some event of the visit that counts and lies in the range must satisfy
// all filters.
//
// Pageviews and events are event metrics; bounce_rate, visit_duration and views_per_visit are session metrics;
// visitors, visits and percentage are either. event:* dimensions are event dimensions; the four entry and exit dimensions
// are session dimensions. An "and", "or" or "not" names what its parts name. The first line that holds decides:
//
//  1. no event metric, no event dimension, no event filter     → everything from S
//  2. no session metric, no session dimension, no session filter → everything from E
//  3. no event metric, no event dimension                      → everything from S
//  4. no session metric, no session dimension                  → everything from E
//  5. otherwise session metrics come from S, which is looked at only if one is asked, the others from E, joined on the
//     dimensions: a row exists for each group of E, and with time:hour also for each group of S. In S a dimension event:page reads as
//     visit:entry_page and event:hostname as visit:entry_page_hostname, and then filters on it do too (a filter on
//     event:page without that dimension stays an event filter).
//
// A dimension whose value is empty groups under "". event:props:x of an event without x is "".
//
// # Time
//
// Days are those of the site's calendar; schema.Calendar says where they begin. Labels: day "2006-01-02", week its Monday, but the
// range's first day where the Monday is earlier, month its first day; hour "2006-01-02 15:00:00" is the day and the hour that a clock in
// the day's zone shows. An hour that comes twice in a day is one label: in autumn, and on a day that a change of zone
// lengthens. E buckets by the event's time; S by min(end, Last). Visitors, visits and percentage from S by time:hour count in
// every hour label from max(start, First) to min(end, Last), and only they make rows there; session metrics stay in the hour of min(end, Last).
//
// # Metrics
//
// Visitors of a group are distinct per day and add up over days. visits is the number of distinct visits. bounce_rate is
// round(100·Σbounces/Σvisits), visit_duration round(Σduration/Σvisits), views_per_visit Σpageviews/Σvisits to two
// decimals, all 0 without visits. If a top-level filter is itself a condition on event:page, bounce_rate counts only the visits whose
// entry page satisfies the first such filter. percentage is 100·visitors/total to two decimals, null if total is 0, where
// total is the visitors of the same query without dimensions, from E. Rounding is of the exact quotient, half to even.
//
// Without dimensions there is exactly one row. Rows are sorted by Order, then by the dimensions ascending, byte by byte.
// Order left empty is: the first time dimension ascending if there is one, then the first metric descending. Null sorts as less than any number.
package query

import "footfall/storage/schema"

// Metric is the API name of a metric.
type Metric string

// The metrics.
const (
	Visitors      Metric = "visitors"
	Visits        Metric = "visits"
	Pageviews     Metric = "pageviews"
	ViewsPerVisit Metric = "views_per_visit"
	BounceRate    Metric = "bounce_rate"
	VisitDuration Metric = "visit_duration"
	Events        Metric = "events"
	Percentage    Metric = "percentage"
)

// Dimension is the API name of a dimension: a schema column ("visit:source"), a custom property ("event:props:plan") or a
// time bucket.
type Dimension string

// The time dimensions.
const (
	TimeHour  Dimension = "time:hour"
	TimeDay   Dimension = "time:day"
	TimeWeek  Dimension = "time:week"
	TimeMonth Dimension = "time:month"
)

// Query is a question about one site.
type Query struct {
	Site       schema.Site
	Calendar   *schema.Calendar // the site's; where a Store answers, nil stands for it
	Range      Range
	Metrics    []Metric    // at least one, each once
	Dimensions []Dimension // each once
	Filters    []Filter    // all must hold
	Order      []Order
	Limit      int // rows at most; 0 is no limit
	Offset     int
}

// Range is a span of time, both ends included, in Unix seconds. One that ends a second before it begins holds nothing: a day that the
// calendar left out.
type Range struct{ First, Last int64 }

// Dates returns the first and last day the range touches; the last is before the first where it touches none.
func (r Range) Dates(c *schema.Calendar) (first, last schema.Date) {
	return c.Date(r.First), c.Date(r.Last)
}

// Days returns the range of whole days from first to last.
func Days(first, last schema.Date, c *schema.Calendar) Range {
	return Range{c.Start(first).Unix(), c.Start(last+1).Unix() - 1}
}

// Op is a filter's operator.
type Op string

// The operators. A leaf holds Dimension and Clauses, a branch holds Args.
const (
	Is          Op = "is"           // equals one of the clauses
	IsNot       Op = "is_not"       // equals none
	Contains    Op = "contains"     // has one of the clauses in it
	ContainsNot Op = "contains_not" // has none
	Matches     Op = "matches"      // matches one of the clauses, RE2, not anchored
	MatchesNot  Op = "matches_not"  // matches none
	And         Op = "and"
	Or          Op = "or"
	Not         Op = "not" // one argument
)

// Filter is a condition on an event and its visit.
//
// Clauses may name the empty value by the word the API shows for it: schema.Column.Empty of the dimension, and
// "(not set)" for every dimension but properties; for source, referrer and utm_* "Direct / None" too. Is and IsNot compare with it;
// Contains and ContainsNot on those seven dimensions treat the empty value as the text "Direct / None". For a property, Is with
// "(none)" accepts events without it and IsNot rejects them; Contains, ContainsNot, Matches and MatchesNot
// are false without it. The clause "" is the empty value as well. FoldCase compares Is, IsNot, Contains and ContainsNot in lower case (strings.ToLower of both).
type Filter struct {
	Op        Op
	Dimension Dimension
	Clauses   []string
	FoldCase  bool
	Args      []Filter
}

// Order sorts by a metric of the query or a dimension of the query.
type Order struct {
	By   string
	Desc bool
}

// Value is a metric's value in one row.
type Value struct {
	Number float64
	Null   bool
}

// Row is one group: a value for each dimension and each metric, in the order of the query.
type Row struct {
	Dimensions []string
	Metrics    []Value
}

// Result answers a Query.
type Result struct {
	Rows  []Row
	Total int // rows before limit and offset
}

// Limits of a query.
const (
	MaxDimensions = 8       // a report of more columns than this is a raw export
	MaxClauses    = 10000   // clauses of all filters together: more is a pasted file, and costs that much memory
	MaxDepth      = 16      // nesting of and, or, not
	MaxPatterns   = 100     // clauses of matches and matches_not together: each is tried on every word of every day
	MaxGroups     = 500_000 // rows before limit, where memory does not set a lower limit: they are all there at once

	groupBytes = 512  // about what a group takes, from the scan to the result: its labels, its counts, its row
	pauseRows  = 8192 // rows between two pauses: some tens of microseconds
)

// IsTime reports whether d is a time bucket.
func (d Dimension) IsTime() bool {
	return d == TimeHour || d == TimeDay || d == TimeWeek || d == TimeMonth
}

// Prop returns the key of a custom-property dimension.
func (d Dimension) Prop() (key string, ok bool) {
	if len(d) > len(schema.PropPrefix) && d[:len(schema.PropPrefix)] == schema.PropPrefix {
		return string(d[len(schema.PropPrefix):]), true
	}
	return "", false
}

// IsEvent reports whether d differs between the events of a visit.
func (d Dimension) IsEvent() bool { return len(d) > 6 && d[:6] == "event:" }

// IsSession reports whether d is one of the entry and exit dimensions.
func (d Dimension) IsSession() bool {
	switch id, ok := schema.ByAPI(string(d)); {
	case !ok:
		return false
	default:
		return id == schema.EntryPage || id == schema.ExitPage || id == schema.EntryHostname || id == schema.ExitHostname
	}
}
