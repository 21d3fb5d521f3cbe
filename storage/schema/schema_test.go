package schema_test

import (
	"testing"
	"time"

	"footfall/storage/schema"
)

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func TestDateStart(t *testing.T) {
	for _, c := range []struct{ zone, date, want string }{
		{"Etc/UTC", "2026-03-01", "2026-03-01T00:00:00Z"},
		{"Europe/Berlin", "2026-03-29", "2026-03-28T23:00:00Z"},
		{"Europe/Berlin", "2026-03-30", "2026-03-29T22:00:00Z"},
		{"Europe/Berlin", "2041-01-01", "2040-12-31T23:00:00Z"}, // after a leap year, beyond the table of changes
		{"Asia/Kolkata", "2026-03-01", "2026-02-28T18:30:00Z"},
		{"Pacific/Kiritimati", "2026-03-01", "2026-02-28T10:00:00Z"},
		{"America/Sao_Paulo", "2018-11-04", "2018-11-04T03:00:00Z"}, // midnight was skipped
		{"America/Havana", "2025-11-02", "2025-11-02T04:00:00Z"},    // midnight came twice, this is the first
		{"America/St_Johns", "2010-11-07", "2010-11-07T02:30:00Z"},  // from 00:01 back to 23:01 of the day before
		{"Pacific/Apia", "2011-12-30", "2011-12-30T10:00:00Z"},      // there was no such day: the next one
		{"Pacific/Apia", "2011-12-31", "2011-12-30T10:00:00Z"},
	} {
		d, err := schema.ParseDate(c.date)
		if err != nil {
			t.Fatal(err)
		}
		if got := d.Start(zone(t, c.zone)).UTC().Format(time.RFC3339); got != c.want {
			t.Errorf("%s in %s: got %s, want %s", c.date, c.zone, got, c.want)
		}
	}
}

// Whatever a zone's clock does, an instant lies at or after the start of the day its clock shows, and not more than a day and two
// hours after it: the store counts seconds from there.
func TestEveryInstantLiesInItsDay(t *testing.T) {
	for _, name := range []string{"Europe/Berlin", "America/New_York", "America/Havana", "America/Sao_Paulo", "America/St_Johns", "Australia/Lord_Howe", "Asia/Kathmandu", "Africa/Cairo", "Asia/Beirut", "Pacific/Apia", "Pacific/Chatham", "Africa/Casablanca"} {
		z := zone(t, name)
		end := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
		for at := time.Date(1995, 1, 1, 0, 0, 0, 0, time.UTC); at.Before(end); at = at.Add(53*time.Minute + 7*time.Second) {
			d := schema.DateOf(at.In(z))
			if since := at.Sub(d.Start(z)); since < 0 || since >= 26*time.Hour {
				t.Fatalf("%s: %s is %v after the start of %s", name, at, since, d)
			}
		}
	}
}

func TestDateArithmetic(t *testing.T) {
	d, err := schema.ParseDate("2026-03-01")
	if err != nil {
		t.Fatal(err)
	}
	if d.String() != "2026-03-01" || d.Monday().String() != "2026-02-23" || (d-1).FirstOfMonth().String() != "2026-02-01" || schema.Date(-1).String() != "1969-12-31" {
		t.Errorf("got %s, %s, %s, %s", d, d.Monday(), (d - 1).FirstOfMonth(), schema.Date(-1))
	}
	for _, bad := range []string{"", "2026-02-30", "2026-2-3", "today"} {
		if _, err := schema.ParseDate(bad); err == nil {
			t.Errorf("%q: got no error", bad)
		}
	}
}

// The table must be in the order of the IDs, with attributes first and no name twice: codes on disk depend on it.
func TestColumnsAreInOrder(t *testing.T) {
	names, dimensions := map[string]bool{}, map[string]bool{}
	for i, c := range schema.Columns {
		if int(c.ID) != i || c.Name == "" || c.Help == "" || names[c.Name] || c.API != "" && dimensions[c.API] {
			t.Errorf("column %d: got %+v", i, c)
		}
		names[c.Name], dimensions[c.API] = true, true
		if i < schema.NumAttributes && (c.Level != schema.Visit || c.Kind != schema.String) {
			t.Errorf("attribute %s is not a text of the visit", c.Name)
		}
		if id, ok := schema.ByAPI(c.API); c.API != "" && c.ID != schema.EventProps && (!ok || id != c.ID) {
			t.Errorf("%s finds column %d", c.API, id)
		}
	}
}
