package storage_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"footfall/storage"
	"footfall/storage/query"
	"footfall/storage/schema"
)

// sealedDay returns a store whose only day is sealed, and a query that reads its columns.
func sealedDay(t *testing.T, c *clock, cfg storage.Config) (*storage.Store, query.Query) {
	t.Helper()
	cfg.Dir, cfg.Create, cfg.Now = t.TempDir(), true, c.Now
	s, err := storage.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	site := mustSite(t, s)
	date := schema.DateOf(c.now)
	o := mustOpenDay(t, s, site, date)
	mustAppend(t, s, o, pageview(c.now, 0, 1, true, "/"), pageview(c.now, 0, 1, false, "/a"))
	c.now = c.now.AddDate(0, 0, 1)
	if _, err := s.Maintain(t.Context(), c.now); err != nil {
		t.Fatal(err)
	}
	days, _ := site.Calendar()
	return s, query.Query{Site: site.ID, Range: query.Days(date, date, days), Metrics: []query.Metric{query.Pageviews},
		Filters: []query.Filter{{Op: query.Is, Dimension: "event:page", Clauses: []string{"/a"}}}}
}

// TestCacheRests asks, waits, and finds the memory given back.
func TestCacheRests(t *testing.T) {
	c := &clock{time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)}
	s, q := sealedDay(t, c, storage.Config{})
	for range 2 {
		if r, err := s.Query(t.Context(), q); err != nil || r.Rows[0].Metrics[0].Number != 1 {
			t.Fatalf("%v, %v", r, err)
		}
		c.now = c.now.Add(9 * time.Minute)
		if _, err := s.Maintain(t.Context(), c.now); err != nil {
			t.Fatal(err)
		}
		if s.Memory().CacheUsed == 0 {
			t.Error("nothing is kept for the next query")
		}
		c.now = c.now.Add(2 * time.Minute)
		if _, err := s.Maintain(t.Context(), c.now); err != nil {
			t.Fatal(err)
		}
		if n := s.Memory().CacheUsed; n != 0 {
			t.Errorf("%d bytes are kept though nobody asks", n)
		}
	}
}

// TestCacheMakesRoom has work on a day take the share that the cache may use while there is none.
func TestCacheMakesRoom(t *testing.T) {
	c := &clock{time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)}
	small := shares(0)
	small.Cache, small.OpenDays = 1, 0
	s, q := sealedDay(t, c, storage.Config{Memory: small})
	if _, err := s.Query(t.Context(), q); err != nil || s.Memory().CacheUsed == 0 {
		t.Fatalf("%v, %d bytes in the cache", err, s.Memory().CacheUsed)
	}
	done := s.Work(small.Work)
	if m := s.Memory(); m.CacheUsed != 0 || m.WorkUsed != small.Work {
		t.Errorf("%+v", m)
	}
	done()
	if m := s.Memory(); m.WorkUsed != 0 {
		t.Errorf("%+v", m)
	}
}

func TestQueryTakesTooLong(t *testing.T) {
	c := &clock{time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)}
	s, q := sealedDay(t, c, storage.Config{QueryTime: 1})
	if _, err := s.Query(t.Context(), q); !errors.Is(err, storage.ErrTooSlow) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want ErrTooSlow", err)
	}
}
