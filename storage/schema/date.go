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

// Start returns the first instant of the day in zone. Where midnight is skipped by a clock change, that is the
// first instant after the gap.
func (d Date) Start(zone *time.Location) time.Time {
	y, m, day := d.UTC().Date()
	t := time.Date(y, m, day, 0, 0, 0, 0, zone)
	if t.Day() == day {
		return t
	}
	// Midnight does not exist: time.Date gave an instant before the gap. The day starts at the transition.
	_, end := t.ZoneBounds()
	return end.In(zone)
}

// String returns "2006-01-02".
func (d Date) String() string { return d.UTC().Format(time.DateOnly) }

// Monday returns the Monday of the day's week.
func (d Date) Monday() Date { return d - Date((int(d.UTC().Weekday())+6)%7) }

// FirstOfMonth returns the first day of the day's month.
func (d Date) FirstOfMonth() Date { return d - Date(d.UTC().Day()-1) }
