package snapshot_test

import (
	"errors"
	"testing"
	"time"

	"footfall/storage/objstore/objtest"
	"footfall/storage/snapshot"
)

// Credentials that may not delete keep nothing else from the bucket, and are not tried all the time; what they left is deleted when they may.
func TestUndeletedKeys(t *testing.T) {
	a := newAppliance(t, 20)
	b := &shaky{Bucket: mustDir(t)}
	if err := a.vault.CreateSite(1); err != nil {
		t.Fatal(err)
	}
	a.work(t, 5)
	s, stop := a.stream(t, b)
	defer stop()
	await(t, s)
	b.denied.Store(true)
	if err := a.vault.DestroySite(1); err != nil {
		t.Fatal(err)
	}
	if _, err := s.SyncKeys(t.Context()); !errors.Is(err, snapshot.ErrUndeleted) {
		t.Fatalf("got %v", err)
	}
	a.work(t, 5)
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	began, puts := time.Now(), b.puts.Load()
	if st := s.Status(); st.State != snapshot.Streaming || st.Error == "" || st.Settled || began.Sub(st.Restorable) > time.Minute {
		t.Errorf("%+v", st)
	}
	if got := a.restore(t, b.Bucket, snapshot.Restoring{}); got != a.commits {
		t.Errorf("restored commit %d of %d", got, a.commits)
	}
	for range 3 {
		if _, err := s.SyncKeys(t.Context()); !errors.Is(err, snapshot.ErrUndeleted) {
			t.Fatalf("got %v", err)
		}
	}
	if n := b.puts.Load() - puts; n != 0 {
		t.Errorf("%d objects were written although nothing changed", n)
	}
	b.denied.Store(false)
	if kept, err := s.SyncKeys(t.Context()); err != nil || len(kept) > 0 {
		t.Fatalf("%v, %v", kept, err)
	}
	if st := s.Status(); st.State != snapshot.Streaming || st.Error != "" || !st.Settled {
		t.Errorf("%+v", st)
	}
	if names := objtest.Names(t, b.Bucket, "v1/sites/", ""); len(names) > 0 {
		t.Errorf("there are %v", names)
	}
}
