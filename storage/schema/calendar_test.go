package schema_test

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"footfall/storage/schema"
)

func date(t interface{ Fatal(...any) }, text string) schema.Date {
	d, err := schema.ParseDate(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// site is a clock on a wall that is set to another zone at some midnights.
type site struct {
	zone    *time.Location
	changes []schema.Change // still to come
	today   schema.Date
}

// look reads the clock at an instant, which must not be before the last one.
func (s *site) look(at time.Time) schema.Date {
	s.today = max(s.today, schema.DateOf(at.In(s.zone)))
	for len(s.changes) > 0 && s.today >= s.changes[0].First {
		first := s.changes[0].First
		s.zone, s.changes = s.changes[0].Zone, s.changes[1:]
		s.today = max(first, schema.DateOf(at.In(s.zone)))
	}
	return s.today
}

var (
	calendarZones = []string{
		"Etc/UTC", "Europe/Berlin", "America/New_York", "America/St_Johns", "America/Havana", "America/Santiago", "Africa/Cairo", "Asia/Kolkata",
		"Asia/Kathmandu", "Australia/Eucla", "Australia/Lord_Howe", "Pacific/Chatham", "Pacific/Kiritimati", "Pacific/Apia", "Pacific/Pago_Pago", "Etc/GMT+12",
		"Antarctica/Troll",
	}
	calendarDates = []string{"2011-12-28", "2010-11-04", "2026-03-05", "2026-03-26", "2026-04-02", "2026-04-21", "2026-09-24", "2026-10-01", "2026-10-22", "2026-10-29", "2025-12-29", "2028-02-27"}
)

// TestCalendarIsWhatAClockShows goes through half a month minute by minute, with up to four changes of zone in it.
func TestCalendarIsWhatAClockShows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func() *time.Location {
			z, err := time.LoadLocation(rapid.SampledFrom(calendarZones).Draw(t, "zone"))
			if err != nil {
				t.Fatal(err)
			}
			return z
		}
		first := date(t, rapid.SampledFrom(calendarDates).Draw(t, "from"))
		began, changes, next := draw(), []schema.Change(nil), first
		for range rapid.IntRange(0, 4).Draw(t, "changes") {
			next += schema.Date(rapid.IntRange(1, 3).Draw(t, "days later"))
			changes = append(changes, schema.Change{First: next, Zone: draw()})
		}
		calendar := schema.NewCalendar(began, changes...)
		clock := site{began, changes, first - 4}
		last := clock.look((first - 3).UTC())
		for minute := range 17 * 24 * 60 {
			at := (first - 3).UTC().Add(time.Duration(minute) * time.Minute)
			today := clock.look(at)
			if got := calendar.Date(at.Unix()); got != today {
				t.Fatalf("%s: is of %s, the clock shows %s", at, got, today)
			}
			for d := last + 1; d <= today; d++ {
				if got := calendar.Start(d); !got.Equal(at) || got.Location() != calendar.Zone(d) {
					t.Fatalf("%s begins at %s, the clock first shows it at %s", d, got, at)
				}
			}
			if today > last && calendar.Zoned(today) != at.Equal(today.Start(calendar.Zone(today))) {
				t.Fatalf("%s: Zoned is %v", today, calendar.Zoned(today))
			}
			last = today
		}
	})
}

func TestCalendarChanges(t *testing.T) {
	type day struct {
		date, begin string
		hours       float64
		zoned       bool
	}
	for _, c := range []struct {
		from, to string
		days     []day // the change is from the second on
	}{
		{"Europe/Berlin", "America/New_York", []day{ // westward: the first day takes up six hours
			{"2026-07-01", "2026-07-01T00:00:00+02:00", 24, true}, {"2026-07-02", "2026-07-01T18:00:00-04:00", 30, false}, {"2026-07-03", "2026-07-03T00:00:00-04:00", 24, true}}},
		{"Europe/Berlin", "Asia/Tokyo", []day{ // eastward: it lacks seven
			{"2026-07-01", "2026-07-01T00:00:00+02:00", 24, true}, {"2026-07-02", "2026-07-02T07:00:00+09:00", 17, false}, {"2026-07-03", "2026-07-03T00:00:00+09:00", 24, true}}},
		{"Europe/Berlin", "Europe/Paris", []day{ // another name for the same midnights
			{"2026-07-01", "2026-07-01T00:00:00+02:00", 24, true}, {"2026-07-02", "2026-07-02T00:00:00+02:00", 24, true}}},
		{"Asia/Kolkata", "Asia/Kathmandu", []day{
			{"2026-07-01", "2026-07-01T00:00:00+05:30", 24, true}, {"2026-07-02", "2026-07-02T00:15:00+05:45", 23.75, false}, {"2026-07-03", "2026-07-03T00:00:00+05:45", 24, true}}},
		{"Europe/Berlin", "America/New_York", []day{ // the clocks of the old zone change on its last day, in the same night
			{"2026-10-25", "2026-10-25T00:00:00+02:00", 25, true}, {"2026-10-26", "2026-10-25T19:00:00-04:00", 29, false}}},
		{"Etc/UTC", "Europe/Berlin", []day{ // and those of the new zone on its first
			{"2026-03-28", "2026-03-28T00:00:00Z", 24, true}, {"2026-03-29", "2026-03-29T01:00:00+01:00", 22, false}, {"2026-03-30", "2026-03-30T00:00:00+02:00", 24, true}}},
		{"Pacific/Pago_Pago", "Pacific/Kiritimati", []day{ // over the date line: the first day is over before it begins
			{"2026-07-01", "2026-07-01T00:00:00-11:00", 24, true}, {"2026-07-02", "2026-07-03T01:00:00+14:00", 0, false}, {"2026-07-03", "2026-07-03T01:00:00+14:00", 23, false},
			{"2026-07-04", "2026-07-04T00:00:00+14:00", 24, true}}},
		{"Pacific/Kiritimati", "Etc/GMT+12", []day{ // and back: as long as a day can be
			{"2026-07-01", "2026-07-01T00:00:00+14:00", 24, true}, {"2026-07-02", "2026-06-30T22:00:00-12:00", 50, false}, {"2026-07-03", "2026-07-03T00:00:00-12:00", 24, true}}},
	} {
		t.Run(fmt.Sprint(c.from, " to ", c.to), func(t *testing.T) {
			calendar := schema.NewCalendar(zone(t, c.from), schema.Change{First: date(t, c.days[1].date), Zone: zone(t, c.to)})
			for _, want := range c.days {
				d := date(t, want.date)
				begin := calendar.Start(d)
				got := day{d.String(), begin.Format(time.RFC3339), calendar.Start(d + 1).Sub(begin).Hours(), calendar.Zoned(d)}
				if got != want {
					t.Errorf("got %+v, want %+v", got, want)
				}
				if holds := calendar.Date(begin.Unix()); holds != d && want.hours > 0 {
					t.Errorf("%s begins on %s", d, holds)
				}
			}
		})
	}
}
