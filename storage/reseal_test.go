package storage_test

import (
	"testing"
	"time"

	"footfall/storage"
)

// TestReseal writes the days of an older version anew: a few at each maintenance, all when asked, none twice, and none of a site that
// somebody writes to.
func TestReseal(t *testing.T) {
	now := time.Date(2025, 10, 6, 2, 0, 0, 0, time.UTC)
	dir := layRelease(t, "testdata/v0.1")
	s := openRelease(t, storage.Config{Dir: dir}, now)
	generations := func() (sum, days, ofSecond int) {
		in, err := s.Inspect(t.Context(), storage.Selection{Days: true}, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range in.Days {
			if d.Generation > 0 {
				sum += int(d.Generation)
				days++
				if d.Site == 2 {
					ofSecond++
				}
			}
		}
		return sum, days, ofSecond
	}
	reseal := func(want int) {
		t.Helper()
		if n, err := s.Reseal(t.Context(), nil); n != want || err != nil {
			t.Errorf("%d days are written anew, want %d: %v", n, want, err)
		}
	}
	before, days, ofSecond := generations()
	if _, err := s.Maintain(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	after, _, _ := generations()
	few := after - before
	if few < 1 || few >= days-ofSecond {
		t.Fatalf("maintenance has written %d of %d days anew", few, days)
	}
	in, err := s.Import(2)
	if err != nil {
		t.Fatal(err)
	}
	reseal(days - ofSecond - few)
	if err := in.Abort(); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openRelease(t, storage.Config{Dir: dir}, now)
	reseal(ofSecond)
	reseal(0)
	if after, _, _ := generations(); after != before+days {
		t.Errorf("generations sum up to %d, want %d and %d", after, before, days)
	}
	if err := s.Check(t.Context(), nil); err != nil {
		t.Error(err)
	}
}
