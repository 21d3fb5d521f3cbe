package schema

import (
	"slices"
	"sync/atomic"
	"time"
)

// Calendar says which instants make up each of a site's days. Days lie end to end: every instant belongs to exactly one, the last that
// has begun. A day begins when a clock in the zone in force first shows its date; where clocks leave a date out, it has no instant
// and begins with the next day.
//
// A zone comes into force with the first of its days, and that day begins when it would have begun without the change: at the midnight of
// the zone before. So all earlier days keep their bounds, the day before it is like every other, and the first day takes up the
// difference: it lasts longer where the new midnight comes later, and is shorter, or has no instant, where it comes sooner.
//
// A Calendar never changes. It is safe for concurrent use.
type Calendar struct {
	eras []era
	memo atomic.Pointer[span] // the day asked for last: events come in order
}

// era is a run of days with one zone.
type era struct {
	first Date
	begin int64 // Unix seconds of the first day
	zone  *time.Location
}

// span is a day with its bounds.
type span struct {
	date       Date
	begin, end int64
	zoned      bool
}

// Change puts a zone in force from the day First on.
type Change struct {
	First Date
	Zone  *time.Location
}

// NewCalendar returns the calendar of a site that began in zone, with later changes ascending by their first day.
func NewCalendar(zone *time.Location, changes ...Change) *Calendar {
	c := &Calendar{eras: []era{{firstDate, firstInstant, zone}}}
	for _, change := range changes {
		begin := c.Start(change.First).Unix()
		c.eras = append(c.eras, era{change.First, begin, change.Zone})
	}
	return c
}

// Before all days and instants anyone asks about, and still far from overflow.
const (
	firstDate    = -1 << 30
	firstInstant = -1 << 60
)

// Changes returns the zone the site began in, and what changed since.
func (c *Calendar) Changes() (zone *time.Location, changes []Change) {
	for _, e := range c.eras[1:] {
		changes = append(changes, Change{e.first, e.zone})
	}
	return c.eras[0].zone, changes
}

func (c *Calendar) era(d Date) *era {
	i := len(c.eras) - 1
	for i > 0 && d < c.eras[i].first {
		i--
	}
	return &c.eras[i]
}

// Zone returns the zone in force on a day.
func (c *Calendar) Zone(d Date) *time.Location { return c.era(d).zone }

// Start returns the first instant of a day, in its zone. The day ends where the next one starts.
func (c *Calendar) Start(d Date) time.Time {
	e := c.era(d)
	begin := time.Unix(e.begin, 0).In(e.zone)
	if d == e.first {
		return begin
	}
	if own := d.Start(e.zone); own.After(begin) {
		return own
	}
	return begin // the zone's clocks were past this day when it came into force
}

// Date returns the day that an instant, in Unix seconds, belongs to.
func (c *Calendar) Date(unix int64) Date {
	if s := c.memo.Load(); s != nil && s.begin <= unix && unix < s.end {
		return s.date
	}
	i := len(c.eras) - 1
	for i > 0 && unix < c.eras[i].begin {
		i--
	}
	// The clock's date, but for clocks that go back over a midnight, or did when the zone came into force.
	d := max(c.eras[i].first, DateOf(time.Unix(unix, 0).In(c.eras[i].zone)))
	s := &span{date: d, begin: c.Start(d).Unix(), end: c.Start(d + 1).Unix()}
	for unix >= s.end {
		s.date++
		s.begin, s.end = s.end, c.Start(s.date+1).Unix()
	}
	for unix < s.begin {
		s.date--
		s.begin, s.end = c.Start(s.date).Unix(), s.begin
	}
	s.zoned = s.date.Start(c.Zone(s.date)).Unix() == s.begin
	c.memo.Store(s)
	return s.date
}

// Zoned reports whether a day begins at the midnight of its zone, and so is one day with those of all sites there. Only the first after a
// change of zone may not.
func (c *Calendar) Zoned(d Date) bool {
	if s := c.memo.Load(); s != nil && s.date == d {
		return s.zoned
	}
	return c.Start(d).Equal(d.Start(c.Zone(d)))
}

// Equal reports whether both have the same zones, by name, on the same days.
func (c *Calendar) Equal(o *Calendar) bool {
	if c == nil || o == nil {
		return c == o
	}
	return slices.EqualFunc(c.eras, o.eras, func(a, b era) bool { return a.first == b.first && a.zone.String() == b.zone.String() })
}
