// Package naive answers queries by plain loops over all events of a site. It is the second opinion that the engine
// is tested against: written from the definition in package query alone, meant to be read and not to be fast.
package naive

import (
	"fmt"
	"slices"

	"footfall/storage/day"
	"footfall/storage/query"
)

// Answer answers q over the events of the site, in any order. Its errors wrap query.ErrInvalid.
func Answer(events []Event, q query.Query) (query.Result, error) {
	return Derive(events, q.Calendar).Answer(q)
}

// Answer answers q, whose calendar must be the one the visits were derived in. Its errors wrap query.ErrInvalid.
func (v Visits) Answer(q query.Query) (query.Result, error) {
	p := patterns{}
	for _, f := range q.Filters {
		if err := p.collect(f); err != nil {
			return query.Result{}, err
		}
	}
	if err := check(q); err != nil {
		return query.Result{}, err
	}
	t := &table{visits: v, patterns: p, q: q, groups: map[string]*group{}}
	if len(q.Dimensions) == 0 {
		t.group(nil, 0, nil, nil) // the one row, also without data
	}

	var (
		eventMetric   = slices.ContainsFunc(q.Metrics, isEventMetric)
		sessionMetric = slices.ContainsFunc(q.Metrics, isSessionMetric)
		eventDim      = slices.ContainsFunc(q.Dimensions, query.Dimension.IsEvent)
		sessionDim    = slices.ContainsFunc(q.Dimensions, query.Dimension.IsSession)
		eventFilter   = names(q.Filters, query.Dimension.IsEvent)
		sessionFilter = names(q.Filters, query.Dimension.IsSession)
		hours         = slices.Contains(q.Dimensions, query.TimeHour)
	)
	switch {
	case !eventMetric && !eventDim && !eventFilter: // 1
		t.visitsOfS(q)
		t.metricsOfS(q)
	case !sessionMetric && !sessionDim && !sessionFilter: // 2
		t.eventsOfE(q)
	case !eventMetric && !eventDim: // 3
		t.visitsOfS(q)
		t.metricsOfS(q)
	case !sessionMetric && !sessionDim: // 4
		t.eventsOfE(q)
	default: // 5
		t.eventsOfE(q)
		if sessionMetric {
			half, err := sessionHalf(q)
			if err != nil {
				return query.Result{}, err
			}
			t.onlyExisting = !hours
			t.metricsOfS(half)
		}
	}
	return t.result(), nil
}

func isEventMetric(m query.Metric) bool { return m == query.Pageviews || m == query.Events }

func isSessionMetric(m query.Metric) bool {
	return m == query.BounceRate || m == query.VisitDuration || m == query.ViewsPerVisit
}

// names reports whether a leaf anywhere in the filters names a dimension of the kind.
func names(filters []query.Filter, kind func(query.Dimension) bool) bool {
	for _, f := range filters {
		if kind(f.Dimension) || names(f.Args, kind) {
			return true
		}
	}
	return false
}

// check refuses what has no meaning.
func check(q query.Query) error {
	for _, m := range q.Metrics {
		switch m {
		case query.Visitors, query.Visits, query.Pageviews, query.ViewsPerVisit, query.BounceRate, query.VisitDuration,
			query.Events, query.Percentage:
		default:
			return fmt.Errorf("%w: metric %q", query.ErrInvalid, m)
		}
	}
	for _, d := range q.Dimensions {
		if !known(d) {
			return fmt.Errorf("%w: dimension %q", query.ErrInvalid, d)
		}
	}
	for _, o := range q.Order {
		if !slices.Contains(q.Metrics, query.Metric(o.By)) && !slices.Contains(q.Dimensions, query.Dimension(o.By)) {
			return fmt.Errorf("%w: order by %q", query.ErrInvalid, o.By)
		}
	}
	return nil
}

// sessionHalf returns the question of rule 5 as it is put to S.
func sessionHalf(q query.Query) (query.Query, error) {
	rename := map[query.Dimension]query.Dimension{}
	half := q
	half.Dimensions = slices.Clone(q.Dimensions)
	for i, d := range q.Dimensions {
		switch {
		case d == "event:page":
			rename[d] = "visit:entry_page"
		case d == "event:hostname":
			rename[d] = "visit:entry_page_hostname"
		case d.IsEvent():
			return query.Query{}, fmt.Errorf("%w: session metrics by %q", query.ErrInvalid, d)
		default:
			continue
		}
		half.Dimensions[i] = rename[d]
	}
	half.Filters = renamed(q.Filters, rename)
	return half, nil
}

func renamed(filters []query.Filter, rename map[query.Dimension]query.Dimension) []query.Filter {
	var out []query.Filter
	for _, f := range filters {
		if other, ok := rename[f.Dimension]; ok {
			f.Dimension = other
		}
		f.Args = renamed(f.Args, rename)
		out = append(out, f)
	}
	return out
}

// group is what is known of one row.
type group struct {
	dimensions []string
	visitors   map[person]bool
	visits     map[*visit]bool
	pageviews  int64
	events     int64
	sessions   []*visit // the visits that session metrics are made of
}

// table gathers the groups of one answer.
type table struct {
	visits       Visits
	patterns     patterns
	q            query.Query // as it was asked
	groups       map[string]*group
	onlyExisting bool // a group that is not there yet is of no interest
}

// group returns the group of an event of a visit at a time, or nil.
func (t *table) group(dimensions []query.Dimension, at int64, v *visit, e *day.Event) *group {
	values := make([]string, len(dimensions))
	for i, d := range dimensions {
		if d.IsTime() {
			values[i] = t.label(d, at)
		} else {
			values[i] = value(d, v, e)
		}
	}
	key := fmt.Sprintf("%q", values)
	if t.groups[key] == nil && !t.onlyExisting {
		t.groups[key] = &group{dimensions: values, visitors: map[person]bool{}, visits: map[*visit]bool{}}
	}
	return t.groups[key]
}

// label returns the time bucket of an instant.
func (t *table) label(d query.Dimension, at int64) string {
	date := t.visits.days.date(at)
	switch d {
	case query.TimeHour:
		return fmt.Sprintf("%s %02d:00:00", date, t.visits.days.hour(date, at))
	case query.TimeWeek:
		return max(date.Monday(), t.visits.days.date(t.q.Range.First)).String()
	case query.TimeMonth:
		return date.FirstOfMonth().String()
	default:
		return date.String()
	}
}

// e calls do for every event of E.
func (t *table) e(filters []query.Filter, do func(*visit, *day.Event)) {
	for _, v := range t.visits.all {
		for i := range v.events {
			e := &v.events[i]
			if t.inRange(e.Time) && t.patterns.all(filters, v, e) {
				do(v, e)
			}
		}
	}
}

// s calls do for every visit of S.
func (t *table) s(filters []query.Filter, do func(*visit)) {
	byEvent := names(filters, query.Dimension.IsEvent)
	for _, v := range t.visits.all {
		if v.start() > t.q.Range.Last || v.end() < t.q.Range.First {
			continue
		}
		var ok bool
		if byEvent {
			for i := range v.events {
				e := &v.events[i]
				ok = ok || t.inRange(e.Time) && t.patterns.all(filters, v, e)
			}
		} else {
			ok = t.patterns.all(filters, v, nil)
		}
		if ok {
			do(v)
		}
	}
}

func (t *table) inRange(at int64) bool { return t.q.Range.First <= at && at <= t.q.Range.Last }

// eventsOfE takes everything but session metrics from E.
func (t *table) eventsOfE(q query.Query) {
	t.e(q.Filters, func(v *visit, e *day.Event) {
		g := t.group(q.Dimensions, e.Time, v, e)
		g.visitors[v.visitor] = true
		g.visits[v] = true
		g.events++
		if e.Name == day.Pageview {
			g.pageviews++
		}
	})
}

// visitsOfS takes visitors and visits from S.
func (t *table) visitsOfS(q query.Query) {
	asked := func(m query.Metric) bool { return !isSessionMetric(m) }
	if !slices.ContainsFunc(q.Metrics, asked) {
		return // a visit is in every hour it touches for these metrics only, so it makes no rows for others
	}
	t.s(q.Filters, func(v *visit) {
		end := min(v.end(), t.q.Range.Last)
		times := []int64{end}
		if slices.Contains(q.Dimensions, query.TimeHour) {
			// No hour label is shorter than half an hour, so steps of a minute miss none.
			for at := max(v.start(), t.q.Range.First); at < end; at += 60 {
				times = append(times, at)
			}
		}
		for _, at := range times {
			g := t.group(q.Dimensions, at, v, nil)
			g.visitors[v.visitor] = true
			g.visits[v] = true
		}
	})
}

// metricsOfS takes session metrics from S.
func (t *table) metricsOfS(q query.Query) {
	if !slices.ContainsFunc(q.Metrics, isSessionMetric) {
		return
	}
	t.s(q.Filters, func(v *visit) {
		if g := t.group(q.Dimensions, min(v.end(), t.q.Range.Last), v, nil); g != nil {
			g.sessions = append(g.sessions, v)
		}
	})
}
