package snapshot_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"sync/atomic"
	"testing"

	"footfall/storage/objstore"
	"footfall/storage/schema"
	"footfall/storage/seal"
	"footfall/storage/snapshot"
)

// mortal is a bucket as a process sees it that dies with one call: before it has an effect, or after. Every later call is that of the dead. It fails so
// that a stream does not wait for better times.
type mortal struct {
	objstore.Bucket
	left   atomic.Int64 // calls before the last
	effect bool         // the last one has its effect
}

func (m *mortal) call(do func() error) error {
	left := m.left.Add(-1)
	if left < 0 && !(left == -1 && m.effect) {
		return &objstore.Error{Op: "die", Kind: objstore.ErrExists}
	}
	err := do()
	if left < 0 {
		return &objstore.Error{Op: "die", Kind: objstore.ErrExists}
	}
	return err
}

func (m *mortal) Put(ctx context.Context, name string, body []byte, mode objstore.Mode) error {
	return m.call(func() error { return m.Bucket.Put(ctx, name, body, mode) })
}

func (m *mortal) Delete(ctx context.Context, names ...string) error {
	return m.call(func() error { return m.Bucket.Delete(ctx, names...) })
}

func (m *mortal) Get(ctx context.Context, name string, offset, length int64) (r io.ReadCloser, err error) {
	err = m.call(func() (err error) {
		r, err = m.Bucket.Get(ctx, name, offset, length)
		return err
	})
	return r, err
}

func (m *mortal) List(ctx context.Context, prefix, after string, fn func(objstore.Object) error) error {
	return m.call(func() error { return m.Bucket.List(ctx, prefix, after, fn) })
}

// live lets a stream do some of everything, and returns the commit up to which it was said to be restorable, -1 if nothing was. It ends with the first call that fails.
func (a *appliance) live(t *testing.T, b objstore.Bucket) (safe int) {
	t.Helper()
	s, stop := a.stream(t, b)
	defer stop()
	safe = -1
	flush := func() error { return s.Flush(t.Context()) }
	point := func() error { _, err := s.Snapshot(t.Context(), "named"); return err }
	reset := func() error {
		if err := a.vault.ReplaceSite(1); err != nil {
			t.Fatal(err)
		}
		_, err := s.SyncKeys(t.Context())
		return err
	}
	prune := func() error { _, err := s.Prune(t.Context(), false); return err }
	for _, step := range []func() error{flush, point, flush, reset, point, prune, flush} {
		a.work(t, 2)
		at := a.commits
		if err := errors.Join(step(), flush()); err != nil {
			return safe
		}
		safe = at
	}
	return safe
}

// A process may die at any call to the bucket, before or after its effect, and again in its next life: what is restored was once, and holds all that was said to be safe.
func TestDeathAtEveryCall(t *testing.T) {
	for _, effect := range []bool{false, true} {
		for n, died := int64(0), true; died; n++ {
			t.Run(fmt.Sprintf("%v/%d", effect, n), func(t *testing.T) {
				a := newAppliance(t, 30)
				for site := schema.Site(1); site <= 2; site++ {
					if err := a.vault.CreateSite(site); err != nil {
						t.Fatal(err)
					}
				}
				b := mustDir(t)
				for life := range 2 {
					m := &mortal{Bucket: b, effect: effect}
					if m.left.Store(n); life > 0 {
						m.left.Store((n*7 + int64(life)*3) % 31) // anywhere
					}
					safe := a.live(t, m)
					if life == 0 {
						died = m.left.Load() < 0
					}
					got, err := a.tryRestore(t, b, snapshot.Restoring{})
					if err != nil && (safe >= 0 || !errors.Is(err, snapshot.ErrNothing)) {
						t.Fatalf("life %d: commit %d was safe, and the restore says %v", life, safe, err)
					} else if err == nil && got < safe {
						t.Fatalf("life %d: commit %d was safe, and %d was restored", life, safe, got)
					}
				}
				s, stop := a.stream(t, b)
				await(t, s)
				stop()
				if got := a.restore(t, b, snapshot.Restoring{}); got != a.commits {
					t.Errorf("restored commit %d of %d", got, a.commits)
				}
				if n%8 == 0 {
					a.points(t, b)
				}
			})
		}
	}
}

// points restores each point there is, the last of which must be what is there now, and sees to the keys.
func (a *appliance) points(t *testing.T, b objstore.Bucket) {
	t.Helper()
	r, err := snapshot.Open(t.Context(), b, a.key)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	points, err := r.Points(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range points {
		if got := a.restore(t, b, snapshot.Restoring{At: p.Time}); i == len(points)-1 && got != a.commits {
			t.Errorf("at the end commit %d of %d was restored", got, a.commits)
		}
	}
	dir := filepath.Join(t.TempDir(), "restored")
	if _, err := r.Restore(t.Context(), snapshot.Restoring{Dir: dir}); err != nil {
		t.Fatal(err)
	}
	v, err := seal.OpenVault(filepath.Join(dir, "footfall.vault"), a.key)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	at := seal.Place{Bucket: 2, Key: []byte("k"), Type: 1, Version: 1}
	for site := schema.Site(1); site <= 2; site++ {
		want, err := a.vault.Site(site)
		if err != nil {
			t.Fatal(err)
		}
		got, err := v.Site(site)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := got.Open(nil, want.Seal(nil, []byte("text"), at), at); err != nil {
			t.Errorf("site %d has another key: %v", site, err)
		}
	}
}
