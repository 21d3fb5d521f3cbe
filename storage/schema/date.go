package schema

import (
	"fmt"
	"sort"
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
	// No zone is further than a day from UTC, and none changes its clock twice within six hours: so one offset, or one change, is
	// enough to explain each step. time.Time.ZoneBounds is not: it takes the turn of the year for a change, and ends the last day
	// of a leap year before it began.
	midnight := d.UTC()
	const step = 6 * time.Hour
	_, after := midnight.Add(-24 * time.Hour).In(zone).Zone()
	for t := midnight.Add(-24 * time.Hour); t.Before(midnight.Add(24 * time.Hour)); t = t.Add(step) {
		before := after
		_, after = t.Add(step).In(zone).Zone()
		change := t.Add(step) // the first instant of the offset after
		if before != after {
			n := sort.Search(int(step/time.Second), func(i int) bool {
				_, offset := t.Add(time.Duration(i) * time.Second).In(zone).Zone()
				return offset != before
			})
			change = t.Add(time.Duration(n) * time.Second)
		}
		if own := midnight.Add(-time.Duration(before) * time.Second); !own.Before(t) && own.Before(change) {
			return own.In(zone)
		}
		if before != after && DateOf(change.In(zone)) == d {
			return change.In(zone)
		}
		if own := midnight.Add(-time.Duration(after) * time.Second); !own.Before(change) && own.Before(t.Add(step)) {
			return own.In(zone)
		}
	}
	return (d + 1).Start(zone)
}

// String returns "2006-01-02".
func (d Date) String() string { return d.UTC().Format(time.DateOnly) }

// MarshalText writes "2006-01-02".
func (d Date) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (d *Date) UnmarshalText(text []byte) (err error) {
	*d, err = ParseDate(string(text))
	return err
}

// Monday returns the Monday of the day's week.
func (d Date) Monday() Date { return d - Date((int(d.UTC().Weekday())+6)%7) }

// FirstOfMonth returns the first day of the day's month.
func (d Date) FirstOfMonth() Date { return d - Date(d.UTC().Day()-1) }
