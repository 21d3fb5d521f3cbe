package storage_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"footfall/storage"
	"footfall/storage/day"
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
