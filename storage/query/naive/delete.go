package naive

import (
	"footfall/storage/day"
	"footfall/storage/query"
)

// Deleted says what a deletion took away.
type Deleted struct {
	Events     int // that count
	Engagement int
	Visits     int // of which nothing is left
	Visitors   int
}

// Delete returns the events that remain when those are deleted that lie in the range and satisfy the filters. They are a site on
// which the deleted ones never happened, but for one thing: what remains stays in the visits it was in, however long the gaps in them
// are now. A visit that has lost its last event that counts is gone, and so is engagement that comes before the first one left.
func (v Visits) Delete(r query.Range, filters []query.Filter) (remaining []Event, d Deleted, err error) {
	p := patterns{}
	for _, f := range filters {
		if err := p.collect(f); err != nil {
			return nil, d, err
		}
	}
	before, after := map[person]bool{}, map[person]bool{}
	for i, v := range v.all {
		var kept []Event
		for _, e := range v.rows {
			hit := r.First <= e.Time && e.Time <= r.Last && p.all(filters, v, &e.Event)
			orphan := len(kept) == 0 && e.Name == day.Engagement
			if hit || orphan {
				d.count(e)
				continue
			}
			e.Attributes, e.Visit = v.attributes, i+1
			kept = append(kept, e)
		}
		before[v.visitor] = true
		if len(kept) == 0 {
			d.Visits++
		} else {
			after[v.visitor] = true
		}
		remaining = append(remaining, kept...)
	}
	d.Visitors = len(before) - len(after)
	return remaining, d, nil
}

func (d *Deleted) count(e Event) {
	if e.Name == day.Engagement {
		d.Engagement++
	} else {
		d.Events++
	}
}
