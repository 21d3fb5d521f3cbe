package naive

import (
	"time"

	"footfall/storage/schema"
)

// days finds the day of an instant by looking at the clock minute by minute, as schema.Calendar's text has it and in another way than
// its code. Clocks change at whole minutes.
type days struct {
	zone    *time.Location
	changes []schema.Change
	begun   map[schema.Date]int64 // what start has found
}

func newDays(c *schema.Calendar) *days {
	d := &days{begun: map[schema.Date]int64{}}
	d.zone, d.changes = c.Changes()
	return d
}

// before is the calendar as it was without its last change.
func (d *days) before() *days {
	return &days{d.zone, d.changes[:len(d.changes)-1], map[schema.Date]int64{}}
}

// in returns the zone in force on a date.
func (d *days) in(date schema.Date) *time.Location {
	zone := d.zone
	for _, c := range d.changes {
		if date >= c.First {
			zone = c.Zone
		}
	}
	return zone
}

// start returns the first instant of a date in Unix seconds.
func (d *days) start(date schema.Date) int64 {
	if at, ok := d.begun[date]; ok {
		return at
	}
	at := d.find(date)
	d.begun[date] = at
	return at
}

func (d *days) find(date schema.Date) int64 {
	n := len(d.changes)
	if n > 0 && date <= d.changes[n-1].First {
		return d.before().start(date) // the last change is of no matter yet
	}
	at := date.UTC().Unix() - 15*3600 // no clock shows the date so early
	for schema.DateOf(time.Unix(at, 0).In(d.in(date))) < date {
		at += 60
	}
	if n > 0 {
		at = max(at, d.start(d.changes[n-1].First))
	}
	return at
}

// date returns the last day that has begun at an instant.
func (d *days) date(at int64) schema.Date {
	date := schema.DateOf(time.Unix(at, 0).UTC()) + 2 // no clock is further ahead
	for d.start(date) > at {
		date--
	}
	return date
}

// hour returns what the hour hand shows at an instant of a day.
func (d *days) hour(date schema.Date, at int64) int {
	return time.Unix(at, 0).In(d.in(date)).Hour()
}
