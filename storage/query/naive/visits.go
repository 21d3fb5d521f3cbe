package naive

import (
	"cmp"
	"slices"

	"footfall/storage/day"
	"footfall/storage/schema"
)

// gap is the longest silence within a visit, in seconds.
const gap = 30 * 60

// Event is one event as it came in, before anything is known about its visit.
type Event struct {
	Visitor    string            // opaque; the same text on two local days is two visitors
	Attributes schema.Attributes // the visit's, if this event begins one
	Visit      int               // not 0: it belongs to the visit of this number, whatever its time; see Delete
	day.Event
}

// Visits are all visits of a site.
type Visits struct {
	days *days
	all  []*visit
}

// person is a visitor: nobody is the same person on two days.
type person struct {
	day  schema.Date
	name string
}

type visit struct {
	visitor    person
	attributes schema.Attributes
	events     []day.Event // those that count, at least one, in time order
	alive      int64       // time of the last row, engagement included
	rows       []Event     // all, engagement included
}

// Derive sorts a site's events into visits. Events of the same second keep the order they are given in.
func Derive(events []Event, c *schema.Calendar) Visits {
	sorted := slices.Clone(events)
	slices.SortStableFunc(sorted, func(a, b Event) int { return cmp.Compare(a.Time, b.Time) })

	out := Visits{days: newDays(c)}
	current, numbered := map[person]*visit{}, map[int]*visit{}
	for _, e := range sorted {
		who := person{out.days.date(e.Time), e.Visitor}
		v := current[who]
		if e.Visit != 0 {
			v = numbered[e.Visit]
		} else if v != nil && e.Time-v.alive > gap {
			v = nil
		}
		counts := e.Name != day.Engagement
		if v == nil {
			if !counts {
				continue // engagement continues visits, it begins none
			}
			v = &visit{visitor: who, attributes: e.Attributes}
			out.all = append(out.all, v)
			if e.Visit != 0 {
				numbered[e.Visit] = v
			}
		}
		current[who] = v
		v.alive = e.Time
		v.rows = append(v.rows, e)
		if counts {
			v.events = append(v.events, e.Event)
		}
	}
	return out
}

func (v *visit) start() int64    { return v.events[0].Time }
func (v *visit) end() int64      { return v.events[len(v.events)-1].Time }
func (v *visit) duration() int64 { return v.end() - v.start() }

func (v *visit) views() []day.Event {
	var views []day.Event
	for _, e := range v.events {
		if e.Name == day.Pageview {
			views = append(views, e)
		}
	}
	return views
}

// entry returns the first pageview, or an event without page and host if there is none.
func (v *visit) entry() day.Event {
	if views := v.views(); len(views) > 0 {
		return views[0]
	}
	return day.Event{}
}

// exit returns the last pageview, or an event without page and host if there is none.
func (v *visit) exit() day.Event {
	if views := v.views(); len(views) > 0 {
		return views[len(views)-1]
	}
	return day.Event{}
}

func (v *visit) bounces() bool {
	for _, e := range v.events {
		if e.Interactive && e.Name != day.Pageview {
			return false
		}
	}
	return len(v.views()) < 2
}
