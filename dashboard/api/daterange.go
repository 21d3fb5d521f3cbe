package api

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"footfall/storage/query"
	"footfall/storage/schema"
)

// clock is the time of a request, seen from a site.
type clock struct {
	now      time.Time // in today's zone
	calendar *schema.Calendar
	today    schema.Date
	// start returns the first day that has data.
	start func() (schema.Date, bool)
}

func newClock(now time.Time, calendar *schema.Calendar, start func() (schema.Date, bool)) clock {
	today := calendar.Date(now.Unix())
	return clock{now.In(calendar.Zone(today)), calendar, today, start}
}

func (c *clock) days(first, last schema.Date) query.Range {
	return query.Days(first, last, c.calendar)
}

// local returns an instant as the clocks of its day's zone show it.
func (c *clock) local(unix int64) time.Time {
	return time.Unix(unix, 0).In(c.calendar.Zone(c.calendar.Date(unix)))
}

// span resolves the named forms of date_range. known is false for a name of another form; a known name may still have a number
// that is not possible, which is the error.
func (c *clock) span(name string) (r query.Range, known bool, err error) {
	begin := c.days(c.today, c.today).First
	switch name {
	case "day":
		return query.Range{First: begin, Last: c.now.Unix()}, true, nil
	case "24h":
		return query.Range{First: c.now.Unix() - 24*3600, Last: c.now.Unix()}, true, nil
	case "month":
		first := c.today.FirstOfMonth()
		return c.days(first, addMonths(first, 1)-1), true, nil
	case "year":
		first := firstOfYear(c.today)
		return c.days(first, addMonths(first, 12)-1), true, nil
	case "all":
		first := c.today
		if d, ok := c.start(); ok && d < first {
			first = d
		}
		return c.days(first, c.today), true, nil
	}
	if digits, ok := strings.CutSuffix(name, "mo"); ok && isDigits(digits) {
		n, err := amount(name, digits, maxMonths)
		first := c.today.FirstOfMonth()
		return c.days(addMonths(first, -n), first-1), true, err
	}
	if digits, ok := strings.CutSuffix(name, "d"); ok && isDigits(digits) {
		n, err := amount(name, digits, maxDays)
		return c.days(c.today-schema.Date(n), c.today-1), true, err
	}
	return query.Range{}, false, nil
}

func isDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

func amount(name, digits string, most int) (int, error) {
	n, err := strconv.Atoi(digits)
	if err != nil || n < 1 || n > most {
		return 1, refuse("Invalid date_range %s", inspect(name))
	}
	return n, nil
}

// between resolves a pair of dates or of date-times. Reversed ends are swapped.
func (c *clock) between(a, b string) (query.Range, bool) {
	if first, err := schema.ParseDate(a); err == nil {
		last, err := schema.ParseDate(b)
		if err != nil {
			return query.Range{}, false
		}
		return c.days(min(first, last), max(first, last)), true
	}
	first, ok1 := parseInstant(a)
	last, ok2 := parseInstant(b)
	if !ok1 || !ok2 {
		return query.Range{}, false
	}
	return query.Range{First: min(first, last), Last: max(first, last)}, true
}

// parseInstant reads an ISO 8601 date-time with offset, to the second.
func parseInstant(s string) (unix int64, ok bool) {
	for _, layout := range []string{time.RFC3339, "2006-01-02 15:04:05Z07:00", "2006-01-02T15:04:05Z0700"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.Unix(), true
		}
	}
	return 0, false
}

// trim shortens a range that is named after the present and reaches into the future, or ends at this very second.
func (c *clock) trim(name string, r query.Range) query.Range {
	switch name {
	case "month", "year":
		r.Last = c.days(c.today, c.today).Last
	case "day":
		t := c.now
		r.Last = time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), 59, 59, 0, t.Location()).Unix()
	}
	return r
}

// instant writes a bound of a range as the answer shows it.
func (c *clock) instant(unix int64) string {
	t := c.local(unix)
	if name := t.Location().String(); name == "UTC" || name == "Etc/UTC" {
		return t.Format("2006-01-02T15:04:05Z")
	}
	if _, offset := t.Zone(); offset%60 != 0 {
		return t.UTC().Format("2006-01-02T15:04:05Z") // before zones had whole minutes
	}
	return t.Format("2006-01-02T15:04:05-07:00")
}

// bucket chooses what `time` means for a range, so that a chart has a readable number of points.
func bucket(r query.Range) query.Dimension {
	const hour, day, week = 3600, 24 * 3600, 7 * 24 * 3600
	switch length := r.Last - r.First; {
	case length/hour <= 48:
		return query.TimeHour
	case length/day <= 40:
		return query.TimeDay
	case length/week <= 52:
		return query.TimeWeek
	}
	return query.TimeMonth
}

// label returns the label of the bucket that holds instant t of range r.
func (c *clock) label(d query.Dimension, r query.Range, t int64) string {
	date := c.calendar.Date(t)
	switch d {
	case query.TimeHour:
		return hourLabel(date, c.local(t).Hour())
	case query.TimeWeek:
		first, _ := r.Dates(c.calendar)
		date = max(first, date.Monday())
	case query.TimeMonth:
		date = date.FirstOfMonth()
	}
	return date.String()
}

// labels lists the labels of every bucket r touches, in order, with data or without. A whole day always has the 24 hours of a clock.
// ok is false if there are more than MaxTimeLabels.
func (c *clock) labels(d query.Dimension, r query.Range) (list []string, ok bool) {
	first, last := r.Dates(c.calendar)
	if d == query.TimeHour {
		if (last-first)*24 >= MaxTimeLabels {
			return nil, false
		}
		for x := first; x <= last; x++ {
			from, to := c.hours(x, r)
			for h := from; h <= to; h++ {
				list = append(list, hourLabel(x, h))
			}
		}
		return list, true
	}
	next := map[query.Dimension]func(schema.Date) schema.Date{
		query.TimeDay:   func(x schema.Date) schema.Date { return x + 1 },
		query.TimeWeek:  func(x schema.Date) schema.Date { return x.Monday() + 7 },
		query.TimeMonth: func(x schema.Date) schema.Date { return addMonths(x.FirstOfMonth(), 1) },
	}[d]
	for x := first; x <= last; x = next(x) {
		if len(list) == MaxTimeLabels {
			return nil, false
		}
		shown := x
		if d == query.TimeMonth {
			shown = x.FirstOfMonth()
		}
		list = append(list, shown.String())
	}
	return list, true
}

// hours returns the first and the last hour of a day that r touches. A day that does not begin at midnight may come to any hour twice.
func (c *clock) hours(d schema.Date, r query.Range) (from, to int) {
	from, to = 0, 23
	if !c.calendar.Zoned(d) {
		return from, to
	}
	if r.First > c.calendar.Start(d).Unix() {
		from = c.local(r.First).Hour()
	}
	if r.Last < c.calendar.Start(d+1).Unix()-1 {
		to = c.local(r.Last).Hour()
	}
	if from > to { // clocks went back over midnight
		return 0, 23
	}
	return from, to
}

func hourLabel(d schema.Date, hour int) string { return fmt.Sprintf("%s %02d:00:00", d, hour) }

// before returns the period a range is compared with: as many days just before it. Days of the range that are still to come do not
// count. If same, a period that is still running is compared with the same part of the one before, up to this time of day.
func (c *clock) before(r query.Range, same bool) query.Range {
	first, last := r.Dates(c.calendar)
	if last < first { // the days between were left out
		first, last = last+1, first-1
	}
	running := first <= c.today && c.today <= last
	if running {
		last = c.today
	}
	p := c.days(first-(last-first)-1, first-1)
	if running && same {
		y, m, d := (first - 1).UTC().Date()
		t := c.now
		p.Last = max(p.First, min(p.Last, time.Date(y, m, d, t.Hour(), t.Minute(), t.Second(), 0, c.calendar.Zone(first-1)).Unix()))
	}
	return p
}

func addMonths(d schema.Date, n int) schema.Date { return schema.DateOf(d.UTC().AddDate(0, n, 0)) }

func firstOfYear(d schema.Date) schema.Date { return d - schema.Date(d.UTC().YearDay()-1) }
