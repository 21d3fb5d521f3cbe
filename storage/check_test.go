package storage_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"footfall/storage"
	"footfall/storage/day"
	"footfall/storage/file"
	"footfall/storage/query"
	"footfall/storage/query/naive"
	"footfall/storage/schema"
)

// dayKeyOf is the beginning of the keys of a day.
func dayKeyOf(t *testing.T, site schema.Site, date string) []byte {
	t.Helper()
	d, err := schema.ParseDate(date)
	if err != nil {
		t.Fatal(err)
	}
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, uint32(site)), uint32(d)^1<<31)
}

// TestCheckFinds changes what is stored, in one way after the other: each must be found, at its place, and nothing else.
func TestCheckFinds(t *testing.T) {
	const sealed, open = "2025-10-03", "2025-10-06" // days of site 1; the second is open
	now := time.Date(2025, 10, 6, 2, 0, 0, 0, time.UTC)
	chunk := func(key []byte, generation, n uint32) []byte {
		return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(bytes.Clone(key), generation), n)
	}
	journal := func(n uint64) []byte { return binary.BigEndian.AppendUint64(dayKeyOf(t, 1, open), n) }
	flip := func(tx *file.Tx, b file.Bucket, key []byte) error {
		value := bytes.Clone(tx.Get(b, key))
		value[len(value)/2] ^= 1
		return tx.Put(b, key, value)
	}
	for _, c := range []struct {
		name   string
		tamper func(*storage.Store, *file.Tx) error
		faults []string // place and a part of what is wrong, in their order
	}{
		{"nothing", func(*storage.Store, *file.Tx) error { return nil }, nil},
		{"a chunk is missing", func(_ *storage.Store, tx *file.Tx) error {
			return tx.Delete(file.Days, chunk(dayKeyOf(t, 1, sealed), 2, 0))
		}, []string{"site 1, 2025-10-03: chunk 0"}},
		{"a chunk of nobody", func(_ *storage.Store, tx *file.Tx) error {
			return tx.Put(file.Days, chunk(dayKeyOf(t, 1, sealed), 1, 0), []byte("left over"))
		}, []string{"site 1, 2025-10-03: 1 chunks with 25 bytes"}},
		{"a chunk too many", func(_ *storage.Store, tx *file.Tx) error {
			return tx.Put(file.Days, chunk(dayKeyOf(t, 1, sealed), 2, 99), []byte("left over"))
		}, []string{"site 1, 2025-10-03: 1 chunks with 25 bytes"}},
		{"a day is not in the catalog", func(_ *storage.Store, tx *file.Tx) error {
			return tx.Delete(file.Catalog, dayKeyOf(t, 1, sealed))
		}, []string{"site 1, 2025-10-03: ", "site 1, 2025-10-03: "}}, // its chunks are of nobody, and memory still knows the day
		{"a chunk with a wrong byte", func(_ *storage.Store, tx *file.Tx) error {
			return flip(tx, file.Days, chunk(dayKeyOf(t, 1, sealed), 2, 0))
		}, []string{"site 1, 2025-10-03: sealed value"}},
		{"a header with a wrong byte", func(_ *storage.Store, tx *file.Tx) error {
			return flip(tx, file.Catalog, dayKeyOf(t, 1, sealed))
		}, []string{"site 1, 2025-10-03: ", "site 1, 2025-10-03: "}}, // in the catalog, and for who reads the day
		{"a day of no site", func(_ *storage.Store, tx *file.Tx) error {
			return tx.Put(file.Catalog, dayKeyOf(t, 77, sealed), []byte("x"))
		}, []string{"site 77, 2025-10-03: there is no site"}},
		{"counts with a wrong byte", func(_ *storage.Store, tx *file.Tx) error {
			return flip(tx, file.Catalog, append(dayKeyOf(t, 1, sealed), 1))
		}, []string{"site 1, 2025-10-03: counts of dropped events"}},
		{"a catalog key of no kind", func(_ *storage.Store, tx *file.Tx) error {
			return tx.Put(file.Catalog, []byte("what"), nil)
		}, []string{"footfall.db, catalog: key of 4 bytes"}},
		{"a journal value with a wrong byte", func(_ *storage.Store, tx *file.Tx) error {
			return flip(tx, file.Journal, journal(1))
		}, []string{"site 1, 2025-10-06: journal"}},
		{"a journal value is missing", func(_ *storage.Store, tx *file.Tx) error {
			return tx.Delete(file.Journal, journal(1))
		}, []string{"site 1, 2025-10-06: the journal continues with value 2"}},
		{"the journal lost its end", func(_ *storage.Store, tx *file.Tx) error {
			return tx.DeletePrefix(file.Journal, journal(2)[:16])
		}, []string{"site 1, 2025-10-06: the journal "}},
		{"the journal of a day is gone", func(_ *storage.Store, tx *file.Tx) error {
			return tx.DeletePrefix(file.Journal, dayKeyOf(t, 1, open))
		}, []string{"site 1, 2025-10-06: the journal has 0 rows"}},
		{"a journal of a day that is not open", func(_ *storage.Store, tx *file.Tx) error {
			return tx.Put(file.Journal, binary.BigEndian.AppendUint64(dayKeyOf(t, 1, "2024-01-01"), 0), []byte("x"))
		}, []string{"site 1, 2024-01-01: the journal has values"}},
		{"an account with a wrong byte", func(_ *storage.Store, tx *file.Tx) error {
			return flip(tx, file.Accounts, binary.BigEndian.AppendUint64([]byte{2}, 1))
		}, []string{"accounts: "}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := layRelease(t, "testdata/v0.1")
			s := openRelease(t, storage.Config{Dir: dir}, now)
			if err := s.Tamper(t.Context(), func(tx *file.Tx) error { return c.tamper(s, tx) }); err != nil {
				t.Fatal(err)
			}
			compareFaults(t, s, c.faults)
		})
	}
	t.Run("a header that miscounts", func(t *testing.T) {
		s := openRelease(t, storage.Config{Dir: layRelease(t, "testdata/v0.1")}, now)
		date, err := schema.ParseDate(sealed)
		if err != nil {
			t.Fatal(err)
		}
		err = s.TamperWithHeader(t.Context(), 1, date, func(b []byte) {
			zone := 2 + int(b[1])                             // version, length and name of the zone
			at := zone + len(binary.AppendVarint(nil, 1<<30)) // and local midnight
			b[at]--                                           // visitors: a number below 128
		})
		if err != nil {
			t.Fatal(err)
		}
		compareFaults(t, s, []string{"site 1, 2025-10-03: "})
	})
}

// compareFaults holds the faults that a check finds to those that are there.
func compareFaults(t *testing.T, s *storage.Store, want []string) {
	t.Helper()
	err := s.Check(t.Context(), nil)
	faults := storage.Faults(err)
	if (err != nil) != (len(want) > 0) || len(faults) != len(want) {
		t.Fatalf("%d faults, want %d: %v", len(faults), len(want), err)
	}
	for i, f := range faults {
		place, part, _ := strings.Cut(want[i], ": ")
		if f.Place != place || !strings.Contains(f.What, part) || f.Do == "" || !errors.Is(f, storage.ErrDamaged) {
			t.Errorf("fault %d is %v, want %s", i, f, want[i])
		}
	}
}

// TestCheckThatCannotGoOn does not call damaged what it could not read.
func TestCheckThatCannotGoOn(t *testing.T) {
	now := time.Date(2025, 10, 6, 2, 0, 0, 0, time.UTC)
	s := openRelease(t, storage.Config{Dir: layRelease(t, "testdata/v0.1")}, now)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Check(ctx, nil); !errors.Is(err, context.Canceled) || errors.Is(err, storage.ErrDamaged) || storage.Faults(err) != nil {
		t.Errorf("given up: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Check(t.Context(), nil); !errors.Is(err, storage.ErrClosed) || errors.Is(err, storage.ErrDamaged) || storage.Faults(err) != nil {
		t.Errorf("closed: %v", err)
	}
}

// TestCheckWhileEventsComeIn finds nothing while days open, end, are imported into and deleted from, and sites are reset and removed.
func TestCheckWhileEventsComeIn(t *testing.T) {
	date, _ := schema.ParseDate("2026-03-02")
	w := newWorld(t, t.TempDir()+"/data", date.Start(time.UTC).Add(12*time.Hour), schema.NewCalendar(time.UTC), schema.NewCalendar(time.UTC))
	defer w.close(t)
	done := make(chan struct{})
	var checks sync.WaitGroup
	seen := int64(0)
	checks.Go(func() {
		for {
			err := w.store.Check(t.Context(), func(done, total int64) {
				if done < 0 || done > total || total == 0 {
					t.Errorf("%d of %d", done, total)
				}
				seen = total
			})
			if err != nil {
				t.Errorf("check: %v", err)
			}
			select {
			case <-done:
				return
			default:
			}
		}
	})
	for i := range 6 {
		for _, w.tenant = range w.all {
			at := w.now.Unix()
			for n := range int64(20) {
				w.live(t, naive.Event{Visitor: visitorNames[n%4], Event: day.Event{Time: at + n, Name: day.Pageview, Pathname: "/", ScrollDepth: day.NoScroll}})
			}
			old := naive.Event{Visitor: "old", Event: day.Event{Time: date.Start(time.UTC).Unix(), Name: day.Pageview, Pathname: "/", ScrollDepth: day.NoScroll}}
			w.load(t, []naive.Event{old}, i%3 > 0)
			gone := storage.Deletion{Site: w.site, Range: query.Range{First: at, Last: at + 3}, By: "a test"}
			if _, err := w.store.Delete(t.Context(), gone, "", nil); err != nil {
				t.Error(err)
			}
		}
		w.set((date + schema.Date(i) + 1).Start(time.UTC).Add(12 * time.Hour))
		w.maintain(t)
	}
	if err := w.store.ResetSite(t.Context(), w.all[0].site, "a test"); err != nil {
		t.Error(err)
	}
	if err := w.store.RemoveSite(t.Context(), w.all[1].site, "a test"); err != nil {
		t.Error(err)
	}
	close(done)
	checks.Wait()
	if seen == 0 {
		t.Error("a check showed no progress")
	}
}

// TestADamagedDayAlone holds that a day whose entry in the catalog is damaged takes no other day with it: the store opens, answers what
// it can, and says what it cannot.
func TestADamagedDayAlone(t *testing.T) {
	now := time.Date(2025, 10, 6, 2, 0, 0, 0, time.UTC)
	dir := layRelease(t, "testdata/v0.1")
	w := &world{dir: dir, now: now}
	w.open(t, false)
	before := w.store.Count(1)
	zone, err := time.LoadLocation("Australia/Lord_Howe")
	if err != nil {
		t.Fatal(err)
	}
	days := schema.NewCalendar(zone)
	ask := func(first, last string) (query.Result, error) {
		from, _ := schema.ParseDate(first)
		to, _ := schema.ParseDate(last)
		return w.store.Query(t.Context(), query.Query{Site: 1, Calendar: days, Range: query.Days(from, to, days), Metrics: []query.Metric{query.Events}})
	}
	want, err := ask("2025-10-04", "2025-10-06")
	if err != nil {
		t.Fatal(err)
	}
	err = w.store.Tamper(t.Context(), func(tx *file.Tx) error {
		for _, key := range [][]byte{dayKeyOf(t, 1, "2025-10-03"), append(dayKeyOf(t, 1, "2025-10-04"), 1)} {
			value := bytes.Clone(tx.Get(file.Catalog, key))
			value[len(value)-1] ^= 1
			if err := tx.Put(file.Catalog, key, value); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	w.reopen(t)
	defer w.close(t)
	if got, err := ask("2025-10-04", "2025-10-06"); err != nil || got.Rows[0].Metrics[0] != want.Rows[0].Metrics[0] {
		t.Errorf("other days: %v, %v, want %v", got, err, want)
	}
	if _, err := ask("2025-10-03", "2025-10-06"); !errors.Is(err, storage.ErrDamaged) {
		t.Errorf("the damaged day: %v", err)
	}
	if got := w.store.Count(1); got <= 0 || got >= before {
		t.Errorf("%d events of %d are counted", got, before)
	}
	date, _ := schema.ParseDate("2025-10-03")
	in, err := w.store.Import(1)
	if err != nil {
		t.Fatal(err)
	}
	o := day.NewOpen(1, date, days.Start(date))
	row, _ := newSeating().row(naive.Event{Visitor: "old", Event: day.Event{Time: days.Start(date).Unix(), Name: day.Pageview, Pathname: "/", ScrollDepth: day.NoScroll}})
	if err := o.Apply([]day.Row{row}); err != nil {
		t.Fatal(err)
	}
	if err := in.Add(t.Context(), o.View()); !errors.Is(err, storage.ErrDamaged) {
		t.Errorf("an import into the damaged day: %v", err)
	}
	if err := in.Abort(); err != nil {
		t.Error(err)
	}
	described, err := w.store.Inspect(t.Context(), storage.Selection{Site: 1, Days: true, Columns: true}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range described.Days {
		if d.Damaged != (d.Date == "2025-10-03") {
			t.Errorf("inspect: %+v", d)
		}
	}
	if n := len(storage.Faults(w.store.Check(t.Context(), nil))); n != 3 { // the entry, who reads the day, the counts
		t.Errorf("%d faults", n)
	}
}
