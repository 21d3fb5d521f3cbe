package query

import (
	"slices"

	"footfall/storage/column"
	"footfall/storage/day"
)

// fromTotals answers the plan for a whole sealed day from its totals or stored sets, without a scan; done = false where they do
// not hold the answer.
func (w *worker) fromTotals(p *plan, v *day.View, into *groups) (done bool, err error) {
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
	e, s, err := w.listsOf(p, v, other)
	if err != nil || p.useE && e == nil || p.useS && s == nil {
		return false, err
	}
	labels := p.dayLabels(v)
	at := slices.Index(p.q.Dimensions, other)
	if p.useE {
		if err := w.addEvents(p, e, labels, at, into); err != nil {
			return false, err
		}
	}
	if p.useS {
		if err := w.addVisits(p, s, labels, at, into); err != nil {
			return false, err
		}
	}
	return true, nil
}

// asks reports whether the plan has one of the metrics.
func (p *plan) asks(metrics ...Metric) bool {
	return slices.ContainsFunc(p.q.Metrics, func(m Metric) bool { return slices.Contains(metrics, m) })
}

// lists decodes those lists of totals that are wanted.
func (w *worker) lists(t *day.Lists, wanted map[day.TotalList]bool) (out [5][]uint32, err error) {
	for list, want := range wanted {
		if want && err == nil {
			out[list], err = t.List(list, &w.memory)
		}
	}
	return out, err
}

func at(list []uint32, i int) uint64 {
	if list == nil {
		return 0
	}
	return uint64(list[i])
}

func (w *worker) addEvents(p *plan, t *day.Lists, labels []uint32, place int, into *groups) error {
	n, err := w.lists(t, map[day.TotalList]bool{
		day.TotalVisitors: true, day.TotalVisits: p.asks(Visits), day.TotalPageviews: p.asks(Pageviews), day.TotalEvents: p.asks(Events),
	})
	if err != nil {
		return err
	}
	for i, visitors := range n[day.TotalVisitors] {
		if visitors > 0 {
			labels[place] = t.Numbers[i]
			c := into.at(labels)
			c.fromE = true
			c.eVisitors += uint64(visitors)
			c.eVisits += at(n[day.TotalVisits], i)
			c.ePageviews += at(n[day.TotalPageviews], i)
			c.eEvents += at(n[day.TotalEvents], i)
		}
	}
	return nil
}

func (w *worker) addVisits(p *plan, t *day.Lists, labels []uint32, place int, into *groups) error {
	n, err := w.lists(t, map[day.TotalList]bool{
		day.TotalVisitors: true, day.TotalVisits: p.sessions || p.asks(Visits), day.TotalPageviews: p.asks(ViewsPerVisit), day.TotalBounces: p.asks(BounceRate),
	})
	if err != nil {
		return err
	}
	var durations []uint64
	if p.asks(VisitDuration) {
		if durations, err = t.Durations(&w.memory); err != nil {
			return err
		}
	}
	for i, visitors := range n[day.TotalVisitors] {
		if visitors > 0 {
			labels[place] = t.Numbers[i]
			duration := uint64(0)
			if durations != nil {
				duration = durations[i]
			}
			v := visitCounts(uint64(visitors), at(n[day.TotalVisits], i), at(n[day.TotalPageviews], i), duration, at(n[day.TotalBounces], i))
			into.at(labels).add(&v)
		}
	}
	return nil
}

// listsOf returns the totals of a dimension as E and as S see it.
func (w *worker) listsOf(p *plan, v *day.View, d Dimension) (e, s *day.Lists, err error) {
	if key, ok := d.Prop(); ok {
		if !slices.Contains(v.Props, key) {
			return nil, nil, nil
		}
		e, err = v.PropLists(key, w.lexicon)
		return e, nil, err
	}
	if p.useE {
		if e, err = v.Lists(d.column(), w.lexicon); err != nil {
			return nil, nil, err
		}
	}
	if entry, ok := entryOf[d]; ok {
		d = entry
	}
	if p.useS {
		s, err = v.Lists(d.column(), w.lexicon)
	}
	return e, s, err
}

func visitCounts(visitors, visits, pageviews, duration, bounces uint64) counts {
	return counts{fromS: true, sVisitors: visitors, sVisits: visits, sEnds: visits, sPageviews: pageviews, sDurations: duration, bounceVisits: visits, bounces: bounces}
}

// dayLabels returns the labels of the time dimensions; others are 0.
func (p *plan) dayLabels(v *day.View) []uint32 {
	labels := make([]uint32, len(p.q.Dimensions))
	for i, d := range p.q.Dimensions {
		if d.IsTime() && d != TimeHour {
			labels[i] = p.dayLabel(d, v.Date)
		}
	}
	return labels
}

func (p *plan) fromSummary(v *day.View, into *groups) (bool, error) {
	sum, err := v.Summary()
	if err != nil {
		return false, err
	}
	c := into.at(p.dayLabels(v))
	if p.useE {
		c.add(&counts{fromE: true, eVisitors: sum.Visitors, eVisits: sum.Visits, ePageviews: sum.Pageviews, eEvents: sum.Events})
	}
	if p.useS {
		visits := visitCounts(sum.Visitors, sum.Visits, sum.Pageviews, sum.Duration, sum.Bounces)
		c.add(&visits)
	}
	return true, nil
}

func (p *plan) fromHours(v *day.View, into *groups) (bool, error) {
	h, err := v.Hours()
	if err != nil || h == nil {
		return false, err
	}
	labels := p.dayLabels(v)
	for i := range 24 {
		labels[p.hour] = p.hourLabel(v.Date, i)
		if p.useE && h.Visits[i] > 0 {
			into.at(labels).add(&counts{fromE: true, eVisitors: uint64(h.Visitors[i]), eVisits: uint64(h.Visits[i]), ePageviews: uint64(h.Pageviews[i]), eEvents: uint64(h.Events[i])})
		}
		if !p.useS {
			continue
		}
		// Visitors by end are not kept: by the hour visitors and visits are smeared.
		if h.EndVisits[i] > 0 && p.sessions {
			c := visitCounts(0, 0, uint64(h.EndPageviews[i]), h.EndDurations[i], uint64(h.EndBounces[i]))
			c.sEnds, c.bounceVisits = uint64(h.EndVisits[i]), uint64(h.EndVisits[i])
			into.at(labels).add(&c)
		}
		if p.smear && h.PresentVisits[i] > 0 {
			into.at(labels).add(&counts{fromS: true, sVisitors: uint64(h.PresentVisitors[i]), sVisits: uint64(h.PresentVisits[i])})
		}
	}
	return true, nil
}

// fromSets counts the visitors that had one of some events by the union of the stored sets.
func (p *plan) fromSets(v *day.View, into *groups) (bool, error) {
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
		into.at(p.dayLabels(v)).add(&counts{fromE: true, eVisitors: uint64(n)})
	}
	return true, nil
}

func allTime(dimensions []Dimension) bool {
	return !slices.ContainsFunc(dimensions, func(d Dimension) bool { return !d.IsTime() })
}
