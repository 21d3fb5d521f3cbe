package storage_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"footfall/storage"
	"footfall/storage/account"
	"footfall/storage/day"
	"footfall/storage/file"
	"footfall/storage/query"
	"footfall/storage/schema"
)

// journalOf counts the values and the layers that a day has in the data file of a closed store.
func journalOf(t *testing.T, dir string) (values, layers int) {
	t.Helper()
	db, err := bolt.Open(filepath.Join(dir, "footfall.db"), 0o600, &bolt.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	err = db.View(func(tx *bolt.Tx) error {
		return tx.Bucket([]byte{2}).ForEach(func(k, _ []byte) error {
			switch {
			case len(k) == 16:
				values++
			case binary.BigEndian.Uint32(k[16:]) == 0:
				layers++
			}
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return values, layers
}

// TestRowsArePutDown sends more rows than stay in memory, from several goroutines, and looks at the numbers all the time: each event is
// there once, in memory, on its way, in a layer, after a restart and sealed.
func TestRowsArePutDown(t *testing.T) {
	dir := t.TempDir()
	c := &clock{time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)}
	cfg := storage.Config{Dir: dir, Create: true, Now: c.Now, LayerRows: 300}
	s, err := storage.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	site := mustSite(t, s)
	o := mustOpenDay(t, s, site, schema.DateOf(c.now))
	const rows = 6000
	var readers sync.WaitGroup
	done, acknowledged := make(chan struct{}), make(chan int, rows)
	readers.Go(func() {
		least := 0
		for {
			for len(acknowledged) > 0 {
				least = <-acknowledged
			}
			if n := int(total(t, s, site.ID, query.Pageviews, o.Date, o.Date)); n < least {
				t.Errorf("%d pageviews, %d are acknowledged", n, least)
				return
			}
			select {
			case <-done:
				return
			default:
			}
		}
	})
	for i := 0; i < rows; i += 20 {
		var batch []day.Row
		for j := i; j < i+20; j++ {
			// Every third row goes on with a visit that may be in a layer.
			visit, fresh := uint32(j-j/3), j%3 != 2
			if !fresh {
				visit = uint32(j / 7)
			}
			batch = append(batch, pageview(c.now.Add(time.Duration(j)*time.Second), visit, uint64(j%500), fresh, fmt.Sprint("/", j%97)))
		}
		mustAppend(t, s, o, batch...)
		acknowledged <- i + 20
	}
	close(done)
	readers.Wait()
	check := func(when string) {
		t.Helper()
		for metric, want := range map[query.Metric]float64{query.Pageviews: rows, query.Visits: rows * 2 / 3, query.Visitors: 500} {
			if got := total(t, s, site.ID, metric, o.Date, o.Date); got != want {
				t.Errorf("%s: %v %s, want %v", when, got, metric, want)
			}
		}
		if err := s.Check(context.Background(), nil); err != nil {
			t.Errorf("%s: %v", when, err)
		}
	}
	check("open")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if values, layers := journalOf(t, dir); layers < 5 || values > 60 {
		t.Errorf("%d values and %d layers in the journal", values, layers)
	}
	if s, err = storage.Open(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	check("reopened")
	if n := len(mustOpenDay(t, s, site, o.Date).Resume()); n != rows*2/3 {
		t.Errorf("%d visits can go on, want %d", n, rows*2/3)
	}
	c.now = c.now.Add(24 * time.Hour)
	if _, err := s.Maintain(t.Context(), c.now); err != nil {
		t.Fatal(err)
	}
	check("sealed")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if values, layers := journalOf(t, dir); values+layers != 0 {
		t.Errorf("%d values and %d layers are left of the sealed day", values, layers)
	}
}

// TestOldJournalIsPutDown opens a store whose journal an older version wrote: a value after the other, more rows than stay in memory.
func TestOldJournalIsPutDown(t *testing.T) {
	dir := t.TempDir()
	c := &clock{time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)}
	s := mustOpen(t, dir, c)
	site := mustSite(t, s)
	o := mustOpenDay(t, s, site, schema.DateOf(c.now))
	for i := range uint32(100) {
		mustAppend(t, s, o, pageview(c.now, 2*i, uint64(i), true, "/"), pageview(c.now, 2*i+1, uint64(i), true, "/a"))
	}
	_ = s.Close()
	for range 2 {
		s, err := storage.Open(t.Context(), storage.Config{Dir: dir, Now: c.Now, LayerRows: 10})
		if err != nil {
			t.Fatal(err)
		}
		if got := total(t, s, site.ID, query.Visits, o.Date, o.Date); got != 200 {
			t.Errorf("%v visits, want 200", got)
		}
		if err := s.Check(t.Context(), nil); err != nil {
			t.Error(err)
		}
		_ = s.Close()
		if values, layers := journalOf(t, dir); layers != 5 || values != 0 {
			t.Errorf("%d values and %d layers in the journal", values, layers)
		}
	}
}

// TestCloseWhileRowsArePutDown closes a store in the midst of it. That is no trouble to speak of, nothing is at work afterwards, and the next start has
// every row.
func TestCloseWhileRowsArePutDown(t *testing.T) {
	c := &clock{time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)}
	for range 20 {
		var log bytes.Buffer // not for concurrent use: the race detector tells of who writes after Close
		dir := t.TempDir()
		cfg := storage.Config{Dir: dir, Create: true, Now: c.Now, LayerRows: 2, Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))}
		s, err := storage.Open(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		site := mustSite(t, s)
		o := mustOpenDay(t, s, site, schema.DateOf(c.now))
		for i := range uint32(10) {
			mustAppend(t, s, o, pageview(c.now, 2*i, uint64(i), true, "/"), pageview(c.now, 2*i+1, uint64(i), true, "/a"))
		}
		if _, err := s.Append(o, pageview(c.now, 20, 10, true, "/"), pageview(c.now, 21, 10, true, "/a")); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil || log.Len() > 0 {
			t.Fatalf("%v, %s", err, log.String())
		}
		if s, err = storage.Open(t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
		if got := total(t, s, site.ID, query.Visits, o.Date, o.Date); got != 22 {
			t.Errorf("%v visits, want 22", got)
		}
		_ = s.Close()
	}
}

// TestTightMemoryPutsRowsDown gives open days no memory: the rows of a day do not stay there long.
func TestTightMemoryPutsRowsDown(t *testing.T) {
	c := &clock{time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)}
	little := shares(0)
	little.OpenDays = 64 << 10
	s, err := storage.Open(t.Context(), storage.Config{Dir: t.TempDir(), Create: true, Now: c.Now, Memory: little})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	site := mustSite(t, s)
	o := mustOpenDay(t, s, site, schema.DateOf(c.now))
	deadline := time.Now().Add(time.Minute)
	for i := uint32(0); o.Layers() == 0; i++ {
		if time.Now().After(deadline) {
			t.Fatalf("%d rows are in memory: %+v", o.TailRows(), s.Memory())
		}
		var rows []day.Row
		for range 500 {
			rows = append(rows, pageview(c.now, 0, 1, i == 0 && len(rows) == 0, "/"))
		}
		if _, err := s.Append(o, rows...); err != nil && !errors.Is(err, storage.ErrBusy) {
			t.Fatal(err)
		}
		mustAppend(t, s, o, pageview(c.now, 0, 1, false, "/"))
	}
}

// TestADamagedOpenDayAlone damages what the file has of an open day, in a value and in a layer. The store opens, and answers all that does not ask for
// that day; the day itself is an error wherever it is asked for or would be added to, never a smaller number. The next day takes events again.
// When the bytes are as they were, so is everything.
func TestADamagedOpenDayAlone(t *testing.T) {
	ctx := t.Context()
	for name, which := range map[string]func(key []byte) bool{
		"value":             func(key []byte) bool { return len(key) == 16 },
		"layer":             func(key []byte) bool { return len(key) == 20 && binary.BigEndian.Uint64(key[8:]) == 0 },
		"value of no place": nil,
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			c := &clock{time.Date(2026, 3, 9, 12, 0, 0, 0, time.UTC)}
			var s *storage.Store
			open := func() {
				t.Helper()
				var err error
				if s, err = storage.Open(ctx, storage.Config{Dir: dir, Create: true, Now: c.Now, LayerRows: 20}); err != nil {
					t.Fatal(err)
				}
			}
			open()
			defer func() { _ = s.Close() }()
			mine := mustSite(t, s)
			other, err := s.AddSite(ctx, "other.example.com", "Europe/Berlin")
			if err != nil {
				t.Fatal(err)
			}
			fill := func() (o *day.Open) {
				for _, site := range []account.Site{mine, other} {
					o = mustOpenDay(t, s, site, schema.DateOf(c.now))
					for i := range uint32(25) {
						mustAppend(t, s, o, pageview(c.now, i, uint64(i), true, "/"))
					}
				}
				return o
			}
			yesterday := fill().Date
			c.now = c.now.Add(24 * time.Hour)
			if _, err := s.Maintain(ctx, c.now); err != nil {
				t.Fatal(err)
			}
			today := fill().Date
			_ = s.Close()
			open()
			var key, before []byte
			if which == nil {
				key = append(binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, uint32(mine.ID)), uint32(today)^1<<31), "what"...)
			} else if err := s.DB().Scan(ctx, file.Journal, nil, func(k, v []byte) error {
				if before == nil && which(k) && binary.BigEndian.Uint32(k) == uint32(mine.ID) {
					key, before = bytes.Clone(k), bytes.Clone(v)
				}
				return nil
			}); err != nil || before == nil {
				t.Fatal("there is none", err)
			}
			err = s.Tamper(ctx, func(tx *file.Tx) error {
				wrong := append(bytes.Clone(before), 1)
				return tx.Put(file.Journal, key, wrong)
			})
			if err != nil {
				t.Fatal(err)
			}
			_ = s.Close()
			open()

			for _, q := range []struct {
				site        account.Site
				first, last schema.Date
				want        float64
			}{{mine, yesterday, yesterday, 25}, {other, yesterday, today, 50}} {
				if got := total(t, s, q.site.ID, query.Events, q.first, q.last); got != q.want {
					t.Errorf("%v events, want %v", got, q.want)
				}
			}
			days, err := mine.Calendar()
			if err != nil {
				t.Fatal(err)
			}
			in, err := s.Import(mine.ID)
			if err != nil {
				t.Fatal(err)
			}
			more := day.NewOpen(mine.ID, today, days.Start(today))
			if err := more.Apply([]day.Row{pageview(c.now, 0, 1, true, "/")}); err != nil {
				t.Fatal(err)
			}
			for what, do := range map[string]func() error{
				"query": func() error {
					_, err := s.Query(ctx, query.Query{Site: mine.ID, Range: query.Days(yesterday, today, days), Metrics: []query.Metric{query.Events}})
					return err
				},
				"export": func() error {
					return s.Export(ctx, mine.ID, yesterday, today, func(uint32, *schema.Attributes, *day.Event) error { return nil })
				},
				"open day": func() error { _, err := s.OpenDay(mine.ID, today); return err },
				"import":   func() error { return in.Add(ctx, more.View()) },
				"preview": func() error {
					_, err := s.PreviewDelete(ctx, storage.Deletion{Site: mine.ID, Range: ever}, nil)
					return err
				},
				"check": func() error { return s.Check(ctx, nil) },
			} {
				if err := do(); !errors.Is(err, storage.ErrDamaged) {
					t.Errorf("%s: %v", what, err)
				}
			}
			if err := in.Abort(); err != nil {
				t.Error(err)
			}
			if f := storage.Faults(s.Check(ctx, nil)); which != nil && len(f) != 1 || !strings.HasPrefix(f[len(f)-1].Place, "site 1, ") {
				t.Errorf("faults: %v", f)
			}
			seen, err := s.Inspect(ctx, storage.Selection{Days: true}, nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range seen.Days {
				if d.Damaged != (d.Site == mine.ID && d.Date == today.String()) {
					t.Errorf("inspect: %+v", d)
				}
			}

			c.now = c.now.Add(24 * time.Hour)
			if _, err := s.Maintain(ctx, c.now); err != nil {
				t.Error(err)
			}
			fill()
			if got := total(t, s, mine.ID, query.Events, today+1, today+1); got != 25 {
				t.Errorf("%v events of the next day, want 25", got)
			}
			err = s.Tamper(ctx, func(tx *file.Tx) error {
				if before == nil {
					return tx.Delete(file.Journal, key)
				}
				return tx.Put(file.Journal, key, before)
			})
			if err != nil {
				t.Fatal(err)
			}
			_ = s.Close()
			open()
			if got := total(t, s, mine.ID, query.Events, yesterday, today+1); got != 75 {
				t.Errorf("%v events with the day put back, want 75", got)
			}
			if err := s.Check(ctx, nil); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestADamagedOpenDayEnds drops damaged open days with their retention, and with their site's data.
func TestADamagedOpenDayEnds(t *testing.T) {
	for name, end := range map[string]func(*storage.Store, *clock, schema.Site) error{
		"retention": func(s *storage.Store, c *clock, site schema.Site) error {
			for range 10 {
				c.now = c.now.Add(24 * time.Hour)
				if _, err := s.Maintain(context.Background(), c.now); err != nil {
					return err
				}
			}
			_, err := s.SetRetention(context.Background(), site, 7, "test")
			return err
		},
		"reset": func(s *storage.Store, _ *clock, site schema.Site) error {
			return s.ResetSite(context.Background(), site, "test")
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			c := &clock{time.Date(2026, 3, 9, 12, 0, 0, 0, time.UTC)}
			s := mustOpen(t, dir, c)
			site := mustSite(t, s)
			o := mustOpenDay(t, s, site, schema.DateOf(c.now))
			mustAppend(t, s, o, pageview(c.now, 0, 1, true, "/"))
			key := append(dayKeyOf(t, site.ID, o.Date.String()), make([]byte, 8)...)
			if err := s.Tamper(t.Context(), func(tx *file.Tx) error { return tx.Put(file.Journal, key, []byte("what")) }); err != nil {
				t.Fatal(err)
			}
			_ = s.Close()
			s = mustOpen(t, dir, c)
			if _, err := s.OpenDay(site.ID, o.Date); !errors.Is(err, storage.ErrDamaged) {
				t.Fatal(err)
			}
			if err := end(s, c, site.ID); err != nil {
				t.Fatal(err)
			}
			if err := s.Check(t.Context(), nil); err != nil {
				t.Error(err)
			}
			if _, _, some := s.Span(site.ID); some {
				t.Error("the day is still there")
			}
			_ = s.Close()
			if values, layers := journalOf(t, dir); values+layers != 0 {
				t.Errorf("%d values and %d layers are left", values, layers)
			}
		})
	}
}
