package snapshot_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"footfall/storage/objstore"
	"footfall/storage/snapshot"
)

// clock is a clock that is set.
type clock struct{ millis atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.millis.Store(time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC).UnixMilli())
	return c
}

func (c *clock) now() time.Time          { return time.UnixMilli(c.millis.Load()).UTC() }
func (c *clock) advance(d time.Duration) { c.millis.Add(d.Milliseconds()) }
func names(t *testing.T, b objstore.Bucket, prefix string) (list []string) {
	t.Helper()
	err := b.List(t.Context(), prefix, "", func(o objstore.Object) error {
		list = append(list, o.Name)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// streamAt is stream with a clock, that does not prune by itself.
func (a *appliance) streamAt(t *testing.T, b objstore.Bucket, c *clock) (s *snapshot.Stream, stop func()) {
	t.Helper()
	s = snapshot.New(snapshot.Config{Bucket: b, DB: a.db, Vault: a.vault, Dir: a.dir, Pause: time.Millisecond, Now: c.now, NoDelete: true})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { s.Run(ctx); close(done) }()
	return s, func() { cancel(); <-done }
}

// verified returns what is wrong in the bucket.
func (a *appliance) verified(t *testing.T, b objstore.Bucket) snapshot.Verified {
	t.Helper()
	r, err := snapshot.Open(t.Context(), b, a.key)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	v, err := r.Verify(t.Context(), snapshot.Verifying{ReadData: 1})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// Two weeks pass, with a point every six hours; what is kept is restored as it was, and what is not goes, a day after it was found.
func TestPruning(t *testing.T) {
	a := newAppliance(t, 20)
	b := mustDir(t)
	c := newClock()
	s, stop := a.streamAt(t, b, c)
	defer stop()
	r, err := snapshot.Open(t.Context(), b, a.key)
	for deadline := time.Now().Add(time.Minute); err != nil && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		r, err = snapshot.Open(t.Context(), b, a.key)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	commits := map[time.Time]int{} // when a point was made
	deleted := 0
	for i := range 14 * 4 {
		a.work(t, 2)
		name := ""
		if i == 3 {
			name = "the third"
		}
		p, err := s.Snapshot(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		commits[p.Time] = a.commits
		if c.advance(6 * time.Hour); i%8 != 7 {
			continue
		}
		want, err := r.Prune(t.Context(), snapshot.Keeping{}, c.now(), true)
		if err != nil {
			t.Fatal(err)
		}
		got, err := r.Prune(t.Context(), snapshot.Keeping{}, c.now(), false)
		if err != nil || got.Deleted != want.Deleted || !want.Dry {
			t.Fatalf("dry run %+v, then %+v, %v", want, got, err)
		}
		deleted += got.Deleted.Objects()
		if v := a.verified(t, b); v.Err() != nil {
			t.Fatal(v.Err())
		}
	}
	if deleted < 20 {
		t.Errorf("%d objects were deleted", deleted)
	}
	points, err := r.Points(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range points {
		want, ok := commits[p.Time]
		if got := a.restore(t, b, snapshot.Restoring{At: p.Time}); ok && (got < want || got > want+2) { // the clock stands while two are made
			t.Errorf("at %v: restored commit %d, want %d", p.Time, got, want)
		}
	}
	if got := a.restore(t, b, snapshot.Restoring{Point: "the third"}); got == 0 {
		t.Error("the named point is empty")
	}
	if n, err := s.Forget(t.Context(), "the third"); n != 1 || err != nil {
		t.Errorf("forgot %d, %v", n, err)
	}
	points, err = r.Points(t.Context())
	for _, p := range points {
		if p.Name != "" {
			t.Errorf("%+v, %v", p, err)
		}
	}
	cost, err := r.Cost(t.Context(), time.Now())
	if err != nil || cost.Writes == 0 || cost.Reads == 0 || cost.Uploaded == 0 || cost.Stored == 0 || cost.Objects == 0 {
		t.Errorf("%+v, %v", cost, err)
	}
}

// Prunings without any grace and restores run all the time: every restore gives a stand that was, and the newest one that was settled when it began.
func TestRestoreWhilePruning(t *testing.T) {
	a := newAppliance(t, 21)
	b := mustDir(t)
	c := newClock()
	s, stop := a.streamAt(t, b, c)
	defer stop()
	a.work(t, 10)
	await(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var pruned atomic.Int64
	var tasks sync.WaitGroup
	defer tasks.Wait()
	defer cancel()
	tasks.Go(func() {
		keep := snapshot.Keeping{All: time.Hour, Hourly: 2 * time.Hour, Daily: 24 * time.Hour, Monthly: 1, Grace: time.Nanosecond}
		for ctx.Err() == nil {
			r, err := snapshot.Open(ctx, b, a.key)
			if err == nil {
				var rep snapshot.Pruned
				rep, err = r.Prune(ctx, keep, c.now(), false)
				pruned.Add(int64(rep.Deleted.Objects()))
				r.Close()
			}
			if err != nil && ctx.Err() == nil {
				t.Error(err)
				return
			}
		}
	})
	tasks.Go(func() {
		for ctx.Err() == nil {
			if _, err := s.Snapshot(ctx, ""); err != nil && ctx.Err() == nil {
				t.Error(err)
				return
			}
			c.advance(17 * time.Minute)
		}
	})
	for range 40 {
		before := a.commits
		if got := a.restore(t, b, snapshot.Restoring{}); got < before {
			t.Errorf("restored commit %d, was at %d", got, before)
		}
		a.work(t, 3)
		await(t, s)
	}
	cancel()
	tasks.Wait()
	if pruned.Load() < 100 {
		t.Errorf("only %d objects were pruned", pruned.Load())
	}
	if v := a.verified(t, b); v.Err() != nil {
		t.Error(v.Err())
	}
}

// A stream that slept while others came and went finds out before it writes a manifest, or keys.
func TestStalledWriter(t *testing.T) {
	for _, wish := range []string{"a point", "keys", "pruning"} {
		t.Run(wish, func(t *testing.T) {
			a := newAppliance(t, 22)
			b := &shaky{Bucket: mustDir(t)}
			c := newClock()
			a.work(t, 20)
			first := snapshot.New(snapshot.Config{Bucket: b, DB: a.db, Vault: a.vault, Dir: a.dir, Pause: time.Hour, Now: c.now}) // which looks up every two hours
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan struct{})
			go func() { first.Run(ctx); close(done) }()
			defer func() { cancel(); <-done }()
			state(t, first, snapshot.Streaming)

			other := *a
			other.dir = t.TempDir()
			for i := range 4 { // so that the claim behind the first one's is pruned
				second, stop := other.streamAt(t, b, c)
				if i == 0 {
					state(t, second, snapshot.Fenced)
					if err := second.Adopt(); err != nil {
						t.Fatal(err)
					}
				}
				await(t, second)
				for range 3 {
					a.work(t, 5)
					c.advance(48 * time.Hour)
					if _, err := second.Prune(t.Context(), false); !errors.Is(err, snapshot.ErrNoDelete) {
						t.Fatal(err)
					}
					r, err := snapshot.Open(t.Context(), b, a.key)
					if err != nil {
						t.Fatal(err)
					}
					if _, err := r.Prune(t.Context(), snapshot.Keeping{}, c.now(), false); err != nil {
						t.Fatal(err)
					}
					r.Close()
				}
				stop()
			}
			if claims := names(t, b, "v1/epoch/"); len(claims) > 3 {
				t.Fatalf("claims %v", claims)
			}
			before := len(names(t, b, "v1/manifest/"))
			var err error
			switch wish {
			case "a point":
				_, err = first.Snapshot(t.Context(), "")
			case "keys":
				if err := a.vault.CreateSite(7); err != nil {
					t.Fatal(err)
				}
				state(t, first, snapshot.Fenced)
				err = snapshot.ErrFenced
			default:
				_, err = first.Prune(t.Context(), false)
			}
			if !errors.Is(err, snapshot.ErrFenced) {
				t.Errorf("%v", err)
			}
			if after := len(names(t, b, "v1/manifest/")); after != before {
				t.Errorf("%d manifests, were %d", after, before)
			}
			if v := a.verified(t, b); v.Err() != nil {
				t.Error(v.Err())
			}
		})
	}
}
