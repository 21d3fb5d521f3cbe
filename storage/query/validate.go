package query

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"footfall/storage/schema"
)

// ErrInvalid is what every error of Validate is, by errors.Is. Its text is for the person who wrote the query.
var ErrInvalid = errors.New("invalid query")

type invalidError string

func (e invalidError) Error() string   { return string(e) }
func (e invalidError) Is(t error) bool { return t == ErrInvalid }

func invalid(format string, args ...any) error { return invalidError(fmt.Sprintf(format, args...)) }

func (m Metric) isEvent() bool { return m == Pageviews || m == Events }
func (m Metric) isSession() bool {
	return m == BounceRate || m == VisitDuration || m == ViewsPerVisit
}

// Known reports whether m is a metric of this version.
func (m Metric) Known() bool {
	return m.isEvent() || m.isSession() || m == Visitors || m == Visits || m == Percentage
}

// Known reports whether d is a dimension of this version.
func (d Dimension) Known() bool {
	if d.IsTime() {
		return true
	}
	if _, ok := d.Prop(); ok {
		return true
	}
	_, ok := schema.ByAPI(string(d))
	return ok
}

// Validate says what is wrong with q in words for the person who wrote it, or nil if the engine will answer it.
func (q *Query) Validate() error {
	if q.Calendar == nil {
		return invalid("The query has no calendar.")
	}
	if q.Range.First > q.Range.Last+1 {
		return invalid("The date range ends before it begins.")
	}
	if len(q.Metrics) == 0 {
		return invalid("The query has no metrics.")
	}
	if q.Limit < 0 || q.Offset < 0 {
		return invalid("Limit and offset cannot be negative.")
	}
	if len(q.Dimensions) > MaxDimensions {
		return invalid("The query has %d dimensions; at most %d are possible.", len(q.Dimensions), MaxDimensions)
	}
	for i, m := range q.Metrics {
		if !m.Known() {
			return invalid("Unknown metric %q.", string(m))
		}
		if slices.Contains(q.Metrics[:i], m) {
			return invalid("Metrics cannot be queried multiple times.")
		}
	}
	for i, d := range q.Dimensions {
		if !d.Known() {
			return invalid("Unknown dimension %q.", string(d))
		}
		if slices.Contains(q.Dimensions[:i], d) {
			return invalid("Dimensions cannot be queried multiple times.")
		}
	}
	for _, o := range q.Order {
		if !slices.Contains(q.Metrics, Metric(o.By)) && !slices.Contains(q.Dimensions, Dimension(o.By)) {
			return invalid("Invalid order_by entry %q. Entry is not a queried metric or dimension.", o.By)
		}
	}
	if err := ValidateFilters(q.Filters); err != nil {
		return err
	}
	return q.validateMetrics()
}

// filterCounts adds up over all filters of a query.
type filterCounts struct{ clauses, patterns int }

func (f *Filter) validate(depth int, seen *filterCounts) error {
	if depth > MaxDepth {
		return invalid("Invalid filters. They are nested more than %d deep.", MaxDepth)
	}
	switch f.Op {
	case And, Or, Not:
		if len(f.Args) == 0 || f.Op == Not && len(f.Args) != 1 {
			return invalid("Invalid filter '%s': wrong number of arguments.", f.Op)
		}
		for i := range f.Args {
			if err := f.Args[i].validate(depth+1, seen); err != nil {
				return err
			}
		}
		return nil
	case Is, IsNot, Contains, ContainsNot, Matches, MatchesNot:
	default:
		return invalid("Unknown filter operator %q.", string(f.Op))
	}
	if !f.Dimension.Known() || f.Dimension.IsTime() {
		return invalid("Invalid filter dimension %q.", string(f.Dimension))
	}
	if len(f.Clauses) == 0 {
		return invalid("Invalid filter on %s: it has no values.", f.Dimension)
	}
	if seen.clauses += len(f.Clauses); seen.clauses > MaxClauses {
		return invalid("Invalid filters. They have more than %d values.", MaxClauses)
	}
	if f.Op == Matches || f.Op == MatchesNot {
		if seen.patterns += len(f.Clauses); seen.patterns > MaxPatterns {
			return invalid("Invalid filters. They have more than %d regular expressions.", MaxPatterns)
		}
		for _, c := range f.Clauses {
			if _, err := regexp.Compile(c); err != nil {
				return invalid("Invalid filter on %s: %q is not a regular expression: %v", f.Dimension, c, err)
			}
		}
	}
	return nil
}

// validateMetrics refuses the combinations that have no meaning.
func (q *Query) validateMetrics() error {
	var events, sessions, eventDims, sessionDims []string
	for _, m := range q.Metrics {
		if m.isEvent() {
			events = append(events, "`"+string(m)+"`")
		}
		if m.isSession() {
			sessions = append(sessions, "`"+string(m)+"`")
		}
	}
	onlyPages := true
	for _, d := range q.Dimensions {
		if d.IsEvent() {
			eventDims = append(eventDims, "`"+string(d)+"`")
			onlyPages = onlyPages && (d == "event:page" || d == "event:hostname" && slices.Contains(q.Dimensions, "event:page"))
		}
		if d.IsSession() {
			sessionDims = append(sessionDims, "`"+string(d)+"`")
		}
	}
	if slices.Contains(q.Metrics, ViewsPerVisit) {
		if q.filtersOn("event:page") {
			return invalid("Metric `views_per_visit` cannot be queried with a filter on `event:page`.")
		}
		if slices.ContainsFunc(q.Dimensions, func(d Dimension) bool { return !d.IsTime() }) {
			return invalid("Metric `views_per_visit` cannot be queried with non-time dimensions.")
		}
	}
	if len(sessions) > 0 && len(eventDims) > 0 && !onlyPages {
		return invalid("Session metric(s) %s cannot be queried along with event dimension(s) %s", strings.Join(sessions, ", "), strings.Join(eventDims, ", "))
	}
	if len(events) > 0 && len(sessionDims) > 0 {
		return invalid("Event metric(s) %s cannot be queried along with session dimension(s) %s", strings.Join(events, ", "), strings.Join(sessionDims, ", "))
	}
	return nil
}

func (q *Query) filtersOn(d Dimension) bool {
	return slices.ContainsFunc(q.Filters, func(f Filter) bool { return f.any(func(x Dimension) bool { return x == d }) })
}

// any reports whether some leaf's dimension satisfies is.
func (f *Filter) any(is func(Dimension) bool) bool {
	if len(f.Args) == 0 {
		return is(f.Dimension)
	}
	return slices.ContainsFunc(f.Args, func(a Filter) bool { return a.any(is) })
}
