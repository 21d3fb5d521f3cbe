package schema

import (
	"fmt"
	"time"
)

// Date is a calendar day without a time zone: days since 1970-01-01. A site's day is the local calendar day of its zone.
type Date int32

// DateOf returns the calendar day of t in its own location; call t.In(zone) first.
func DateOf(t time.Time) Date {
	y, m, d := t.Date()
	return Date(time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix() / 86400)
}

// ParseDate reads "2006-01-02".
func ParseDate(s string) (Date, error) {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return 0, fmt.Errorf("date %q: want YYYY-MM-DD", s)
	}
	return DateOf(t), nil
}

// UTC returns midnight UTC of the day, for calendar arithmetic.
func (d Date) UTC() time.Time { return time.Unix(int64(d)*86400, 0).UTC() }

// Start returns the first instant at which a clock in zone shows the day. A clock change may skip midnight or let it come twice; a
// day that a zone left out altogether starts with the next one.
func (d Date) Start(zone *time.Location) time.Time {
	midnight := d.UTC()
	// No zone is further than a day from UTC, so the day begins within a day of UTC's. Each stretch of one offset in that
	// span either contains a midnight of the day or may begin within it.
	for t := midnight.Add(-24 * time.Hour).In(zone); t.Before(midnight.Add(24 * time.Hour)); {
		begin, end := t.ZoneBounds() // zero where the stretch has no such end
		_, offset := t.Zone()
		own := midnight.Add(-time.Duration(offset) * time.Second).In(zone)
		if own.Before(begin) && DateOf(begin.In(zone)) == d {
			return begin.In(zone)
		}
		if !own.Before(begin) && (end.IsZero() || own.Before(end)) {
			return own
		}
		if end.IsZero() {
			break
		}
		t = end.In(zone)
	}
	return (d + 1).Start(zone)
}

// String returns "2006-01-02".
func (d Date) String() string { return d.UTC().Format(time.DateOnly) }

// Monday returns the Monday of the day's week.
func (d Date) Monday() Date { return d - Date((int(d.UTC().Weekday())+6)%7) }

// FirstOfMonth returns the first day of the day's month.
func (d Date) FirstOfMonth() Date { return d - Date(d.UTC().Day()-1) }
