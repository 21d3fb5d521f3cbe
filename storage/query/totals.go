package query

import (
	"slices"

	"footfall/storage/column"
	"footfall/storage/day"
)

// fromTotals answers the plan for a whole sealed day from its totals or stored sets, without a scan; done = false where they do
// not hold the answer.
func (p *plan) fromTotals(v *day.View, into groups) (done bool, err error) {
	if !p.whole(v) {
		return false, nil
	}
	if len(p.q.Filters) > 0 {
		return p.fromSets(v, into)
	}
	hours, other := p.hour >= 0, Dimension("")
	for _, d := range p.q.Dimensions {
		if !d.IsTime() {
			if other != "" {
				return false, nil
			}
			other = d
		}
	}
	if hours {
		if other != "" {
			return false, nil
		}
		return p.fromHours(v, into)
	}
	if other == "" {
		return p.fromSummary(v, into)
	}
	e, s, err := p.totalsOf(v, other)
	if err != nil || p.useE && e == nil || p.useS && s == nil {
		return false, err
	}
	labels := p.dayLabels(v)
	at := slices.Index(p.q.Dimensions, other)
	var key []byte
	if p.useE {
		for i, n := range e.Visits {
			if n > 0 {
				labels[at] = e.Words[i]
				into.at(labels, &key).add(&counts{fromE: true, eVisitors: uint64(e.Visitors[i]), eVisits: uint64(n),
					ePageviews: uint64(e.Pageviews[i]), eEvents: uint64(e.Events[i])})
			}
		}
	}
	if p.useS {
		for i, n := range s.Visits {
			if n > 0 {
				labels[at] = s.Words[i]
				into.at(labels, &key).add(visitCounts(uint64(s.Visitors[i]), uint64(n), uint64(s.Pageviews[i]), s.Durations[i], uint64(s.Bounces[i])))
			}
		}
	}
	return true, nil
}

// totalsOf returns the totals of a dimension as E and as S see it.
func (p *plan) totalsOf(v *day.View, d Dimension) (e, s *day.Totals, err error) {
	if key, ok := d.Prop(); ok {
		if !slices.Contains(v.Props, key) {
			return nil, nil, nil
		}
		e, err = v.PropTotals(key)
		return e, nil, err
	}
	if p.useE {
		if e, err = v.Totals(d.column()); err != nil {
			return nil, nil, err
		}
	}
	if entry, ok := entryOf[d]; ok {
		d = entry
	}
	if p.useS {
		s, err = v.Totals(d.column())
	}
	return e, s, err
}

func visitCounts(visitors, visits, pageviews, duration, bounces uint64) *counts {
	return &counts{fromS: true, sVisitors: visitors, sVisits: visits, sEnds: visits, sPageviews: pageviews, sDurations: duration, bounceVisits: visits, bounces: bounces}
}

// dayLabels returns the labels of the time dimensions; others are "".
func (p *plan) dayLabels(v *day.View) []string {
	labels := make([]string, len(p.q.Dimensions))
	for i, d := range p.q.Dimensions {
		if d.IsTime() && d != TimeHour {
			labels[i] = p.dayLabel(d, v.Date)
		}
	}
	return labels
}

func (p *plan) fromSummary(v *day.View, into groups) (bool, error) {
	sum, err := v.Summary()
	if err != nil {
		return false, err
	}
	var key []byte
	c := into.at(p.dayLabels(v), &key)
	if p.useE {
		c.add(&counts{fromE: true, eVisitors: sum.Visitors, eVisits: sum.Visits, ePageviews: sum.Pageviews, eEvents: sum.Events})
	}
	if p.useS {
		c.add(visitCounts(sum.Visitors, sum.Visits, sum.Pageviews, sum.Duration, sum.Bounces))
	}
	return true, nil
}

func (p *plan) fromHours(v *day.View, into groups) (bool, error) {
	h, err := v.Hours()
	if err != nil || h == nil {
		return false, err
	}
	labels := p.dayLabels(v)
	var key []byte
	for i := range 24 {
		labels[p.hour] = hourLabel(v.Date, i)
		if p.useE && h.Visits[i] > 0 {
			into.at(labels, &key).add(&counts{fromE: true, eVisitors: uint64(h.Visitors[i]), eVisits: uint64(h.Visits[i]), ePageviews: uint64(h.Pageviews[i]), eEvents: uint64(h.Events[i])})
		}
		if !p.useS {
			continue
		}
		// Visitors by end are not kept: by the hour visitors and visits are smeared.
		if h.EndVisits[i] > 0 && p.sessions {
			into.at(labels, &key).add(visitCounts(0, 0, uint64(h.EndPageviews[i]), h.EndDurations[i], uint64(h.EndBounces[i])).ends(uint64(h.EndVisits[i])))
		}
		if p.smear && h.PresentVisits[i] > 0 {
			into.at(labels, &key).add(&counts{fromS: true, sVisitors: uint64(h.PresentVisitors[i]), sVisits: uint64(h.PresentVisits[i])})
		}
	}
	return true, nil
}

func (c *counts) ends(visits uint64) *counts {
	c.sEnds, c.bounceVisits = visits, visits
	return c
}

// fromSets counts the visitors that had one of some events by the union of the stored sets.
func (p *plan) fromSets(v *day.View, into groups) (bool, error) {
	f := &p.q.Filters[0]
	if len(p.q.Filters) != 1 || f.Op != Is || f.FoldCase || f.Dimension != "event:name" ||
		!p.useE || p.useS || !slices.Equal(p.q.Metrics, []Metric{Visitors}) || p.hour >= 0 || !allTime(p.q.Dimensions) {
		return false, nil
	}
	all := column.NewRows()
	for _, name := range f.Clauses {
		if name == "(not set)" {
			return false, nil
		}
		rows, ok, err := v.VisitorsWith(name)
		if err != nil || !ok {
			return false, err
		}
		all = all.Or(rows)
	}
	if n := all.Len(); n > 0 {
		var key []byte
		into.at(p.dayLabels(v), &key).add(&counts{fromE: true, eVisitors: uint64(n)})
	}
	return true, nil
}

func allTime(dimensions []Dimension) bool {
	return !slices.ContainsFunc(dimensions, func(d Dimension) bool { return !d.IsTime() })
}
