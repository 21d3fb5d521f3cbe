package storage_test

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"footfall/storage"
	"footfall/storage/account"
	"footfall/storage/file"
	"footfall/storage/objstore"
	"footfall/storage/query/naive"
	"footfall/storage/schema"
	"footfall/storage/snapshot"
)

func mustBucket(t testing.TB) (b objstore.Bucket, dir string) {
	t.Helper()
	dir = t.TempDir()
	b, err := objstore.OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	return b, dir
}

// stream streams the world's store until it is closed.
func (w *world) stream(b objstore.Bucket) *snapshot.Stream {
	return w.store.StartStream(b, storage.Streaming{Pause: time.Millisecond, Drills: -1, Now: time.Now})
}

func mustFlush(t tester, s *snapshot.Stream) {
	t.Helper()
	if err := s.Flush(context.Background()); err != nil {
		t.Fatalf("flush: %v", err)
	}
}

func (w *world) key() storage.Key { return storage.Key{File: filepath.Join(w.dir, "footfall.key")} }

// moment is what a world held once.
type moment struct {
	at      time.Time // on the wall
	now     time.Time // in the world
	tenants []*tenant
}

// moment returns what the world holds now, of which the stream has everything.
func (w *world) moment(t tester) moment {
	t.Helper()
	mustFlush(t, w.store.Snapshots())
	m := moment{at: time.Now(), now: w.now}
	for _, one := range w.all {
		c := *one
		c.events, c.rows, c.seats = slices.Clone(one.events), slices.Clone(one.rows), maps.Clone(one.seats)
		m.tenants = append(m.tenants, &c)
	}
	for time.Since(m.at) < 2*time.Millisecond { // times of packs are in milliseconds
		time.Sleep(time.Millisecond)
	}
	return m
}

// restored is the world of a moment, restored into dir.
func (m moment) restored(t tester, b objstore.Bucket, key storage.Key, dir string) (*world, storage.Restored) {
	t.Helper()
	rep, err := storage.Restore(context.Background(), b, key, snapshot.Restoring{Dir: dir, At: m.at})
	if err != nil {
		t.Fatalf("restore: %v", err)
	}
	w := &world{dir: dir, now: m.now, all: m.tenants, tenant: m.tenants[0]}
	w.openWith(t, key)
	for _, w.tenant = range w.all {
		maps.DeleteFunc(w.seats, func(_ schema.Date, s *seating) bool { return s.next == 0 }) // nothing was ever stored
		w.reseat(t)
	}
	w.tenant = w.all[0]
	return w, rep
}

// openWith opens a restored store, which has no key beside it.
func (w *world) openWith(t tester, key storage.Key) {
	t.Helper()
	s, err := storage.Open(context.Background(), storage.Config{Dir: w.dir, Key: key, Now: func() time.Time { return w.now }, Memory: shares(1)})
	if err != nil {
		t.Fatalf("open what was restored: %v", err)
	}
	w.store = s
}

// TestRestoreAfterRemovals restores a point from before a site was removed and another one reset. Of both nothing comes back.
func TestRestoreAfterRemovals(t *testing.T) {
	ctx := t.Context()
	w := filled(t)
	b, _ := mustBucket(t)
	for _, name := range []string{"removed.example", "reset.example"} {
		s, err := w.store.AddSite(ctx, name, "UTC")
		if err != nil {
			t.Fatal(err)
		}
		one := &tenant{site: s.ID, days: w.days, seats: map[schema.Date]*seating{}}
		w.all = append(w.all, one)
		w.tenant = one
		w.live(t, view("ann", "/secret", w.now.Add(time.Minute)))
		w.load(t, []naive.Event{view("old", "/secret", w.now.AddDate(0, 0, -3))}, true)
		w.store.Dropped(s.ID, w.today(), "bot", 3)
	}
	book := w.store.Accounts()
	user, err := book.AddUser(ctx, "ann@example.org", "hash", w.now)
	if err != nil {
		t.Fatal(err)
	}
	login := account.Session{Hash: [32]byte{1}, User: user.ID, Created: w.now, Seen: w.now}
	if err := book.AddSession(ctx, login, [32]byte{}, time.Time{}); err != nil {
		t.Fatal(err)
	}
	w.maintain(t)
	s := w.stream(b)
	if _, err := s.Snapshot(ctx, "before"); err != nil {
		t.Fatal(err)
	}
	then := w.moment(t)
	removed, reset := w.all[1], w.all[2]
	if err := w.store.RemoveSite(ctx, removed.site, "test"); err != nil {
		t.Fatal(err)
	}
	w.tenant = reset
	w.reset(t)
	if left := w.store.Shred(ctx); left.Waits != "" || left.Kept != nil {
		t.Fatalf("%+v", left)
	}
	w.live(t, view("bea", "/later", w.now.Add(time.Minute)))
	mustFlush(t, s)

	then.tenants[2].events, then.tenants[2].rows, then.tenants[2].seats = nil, nil, map[schema.Date]*seating{}
	then.tenants = slices.Delete(then.tenants, 1, 2)
	r, rep := then.restored(t, b, w.key(), filepath.Join(t.TempDir(), "restored"))
	defer r.close(t)
	if len(rep.Gone) != 1 || rep.Gone[0].Domain != "removed.example" || len(rep.Emptied) != 1 || rep.Emptied[0].Domain != "reset.example" {
		t.Errorf("gone %+v, emptied %+v", rep.Gone, rep.Emptied)
	}
	if len(rep.Sites) != 2 || rep.Sites[1].Days != 5 || rep.Days != 5 || rep.Events != int64(len(w.all[0].rows)) {
		t.Errorf("%+v", rep)
	}
	for _, r.tenant = range r.all {
		r.books(t)
	}
	r.empty(t)
	if _, ok := r.store.Accounts().SessionByHash(login.Hash); ok {
		t.Error("a login is still there")
	}
	if _, ok := r.store.Accounts().UserByEmail("ann@example.org"); !ok {
		t.Error("a person is gone")
	}
	entries, err := r.store.Accounts().Entries(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var did []string
	for _, e := range entries {
		did = append(did, fmt.Sprint(e.By, ": ", e.Did, " ", e.Domain))
	}
	if want := []string{"restore: restore snapshot ", "restore: remove site removed.example", "restore: reset site reset.example"}; !slices.Equal(did, want) {
		t.Errorf("audit log %q", did)
	}
	for bucket := file.Meta; bucket <= file.Audit; bucket++ {
		err := r.store.DB().Scan(ctx, bucket, nil, func(key, _ []byte) error {
			if bucket != file.Accounts && bytes.HasPrefix(key, []byte{0, 0, 0, byte(removed.site)}) {
				t.Errorf("bucket %d has % x", bucket, key)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	// What goes on from here is a store like any other.
	r.live(t, view("ann", "/", r.now.Add(time.Minute)))
	r.reset(t)
	r.empty(t)
	r.maintain(t)
	if err := r.store.RemoveSite(ctx, reset.site, "test"); err != nil {
		t.Error(err)
	}
	if again, err := r.store.AddSite(ctx, "removed.example", "Etc/UTC"); err != nil || again.ID <= reset.site {
		t.Errorf("%+v, %v", again, err)
	}
	// The named point is older still than what was asked for, and no better.
	named, err := storage.Restore(ctx, b, w.key(), snapshot.Restoring{Dir: filepath.Join(t.TempDir(), "named"), Point: "before"})
	if err != nil || len(named.Gone) != 1 || len(named.Emptied) != 1 {
		t.Errorf("%+v, %v", named, err)
	}
	if left, err := filepath.Glob(filepath.Join(filepath.Dir(r.dir), "*")); err != nil || len(left) != 1 {
		t.Errorf("left are %v, %v", left, err)
	}
	if files, err := os.ReadDir(r.dir); err != nil || len(files) != 2 {
		t.Errorf("restored %v, %v", files, err)
	}
	w.close(t)
}
