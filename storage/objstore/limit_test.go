package objstore_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"footfall/storage/objstore"
	"footfall/storage/objstore/objtest"
)

func TestLimitConforms(t *testing.T) {
	objtest.Conform(t, func(t *testing.T) objstore.Bucket {
		b, _ := openDir(t)
		limited := objstore.Limit(b, objstore.LimitConfig{AtOnce: 3, BytesPerSecond: 1 << 30})
		return objstore.Retry(limited, objstore.RetryConfig{Attempts: 2})
	})
}

// slow takes a second for each Put, and counts how many there are at once.
type slow struct {
	objstore.Bucket
	now, most atomic.Int64
}

func (s *slow) Put(ctx context.Context, name string, body []byte, mode objstore.Mode) error {
	s.most.Store(max(s.most.Load(), s.now.Add(1)))
	defer s.now.Add(-1)
	time.Sleep(time.Second)
	return nil
}

func TestLimitAtOnce(t *testing.T) {
	dir, _ := openDir(t)
	if err := dir.Put(t.Context(), "a", []byte("abc"), objstore.Create); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		s := &slow{Bucket: dir}
		b := objstore.Limit(s, objstore.LimitConfig{AtOnce: 3})
		began := time.Now()
		var all sync.WaitGroup
		for i := range 9 {
			all.Go(func() { b.Put(t.Context(), fmt.Sprint(i), nil, objstore.Create) })
		}
		all.Wait()
		if s.most.Load() != 3 || time.Since(began) != 3*time.Second {
			t.Errorf("%d at once, %v for all", s.most.Load(), time.Since(began))
		}

		// A reader holds its place until it is closed, once, however often that is; who waits can leave.
		var open []io.ReadCloser
		for range 3 {
			body, err := b.Get(t.Context(), "a", 0, -1)
			if err != nil {
				t.Fatal(err)
			}
			open = append(open, body)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := b.Get(ctx, "a", 0, -1); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a fourth reader: %v", err)
		}
		open[0].Close()
		open[0].Close()
		if err := b.Put(t.Context(), "b", nil, objstore.Create); err != nil {
			t.Error(err)
		}
		if _, err := b.Get(t.Context(), "none", 0, -1); !errors.Is(err, objstore.ErrNotFound) {
			t.Error(err)
		}
		body, err := b.Get(t.Context(), "a", 0, -1)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range append(open[1:], body) {
			r.Close()
		}
	})
}

func TestLimitBytes(t *testing.T) {
	dir, _ := openDir(t)
	if err := dir.Put(t.Context(), "a", make([]byte, 1<<20), objstore.Create); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		b := objstore.Limit(&slowless{dir}, objstore.LimitConfig{BytesPerSecond: 1 << 20})
		took := func(f func() error) time.Duration {
			t.Helper()
			began := time.Now()
			if err := f(); err != nil {
				t.Error(err)
			}
			return time.Since(began).Round(10 * time.Millisecond)
		}
		put := func() error { return b.Put(t.Context(), "b", make([]byte, 2<<20), objstore.Overwrite) }
		for i, want := range []time.Duration{0, 2 * time.Second, 2 * time.Second} {
			if have := took(put); have != want {
				t.Errorf("put %d of 2 MiB at 1 MiB a second waited %v, want %v", i, have, want)
			}
		}
		time.Sleep(time.Hour)
		read := func() error { _, err := objstore.ReadAll(t.Context(), b, "a", 0, -1); return err }
		if have := took(read); have < 900*time.Millisecond || have > time.Second {
			t.Errorf("reading 1 MiB took %v", have)
		}
		time.Sleep(time.Hour)
		took(put)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := b.Put(ctx, "c", make([]byte, 1<<20), objstore.Create); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got error %v", err)
		}
		if have := took(put); have != time.Second {
			t.Errorf("bytes that were not sent are waited for: %v", have)
		}
	})
}

// slowless takes no time.
type slowless struct{ objstore.Bucket }

func (s *slowless) Put(context.Context, string, []byte, objstore.Mode) error { return nil }
