package storage_test

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
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

func mustBucketAt(t tester, dir string) objstore.Bucket {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatalf("make bucket: %v", err)
	}
	b, err := objstore.OpenDir(dir)
	if err != nil {
		t.Fatalf("open bucket: %v", err)
	}
	return b
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
	looked  bool
	trusted schema.Date
	jumped  time.Time
	tenants []*tenant
}

// moment returns what the world holds now, of which the stream has everything.
func (w *world) moment(t tester) moment {
	t.Helper()
	mustFlush(t, w.store.Snapshots())
	m := moment{at: time.Now(), now: w.now, looked: w.looked, trusted: w.trusted, jumped: w.jumped}
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
	w := &world{dir: dir, now: m.now, all: m.tenants, tenant: m.tenants[0], looked: m.looked, trusted: m.trusted, jumped: m.jumped}
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
	w.set(w.now)
	s, err := storage.Open(context.Background(), storage.Config{Dir: w.dir, Key: key, Now: func() time.Time { return *w.clock.Load() }, Memory: shares(1)})
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

// TestRestoreDamaged damages what a restore is to find, and salvages what is left.
func TestRestoreDamaged(t *testing.T) {
	ctx := t.Context()
	w := filled(t)
	b, dir := mustBucket(t)
	s := w.stream(b)
	point := func(name string) string {
		before, err := filepath.Glob(filepath.Join(dir, "v1", "pack", "*"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Snapshot(ctx, name); err != nil {
			t.Fatal(err)
		}
		after, err := filepath.Glob(filepath.Join(dir, "v1", "pack", "*"))
		if err != nil || len(after) == len(before) {
			t.Fatal(after, err)
		}
		return after[len(before)]
	}
	mustFlush(t, s)
	// A day that is in one pack alone, and of which the catalog is in it too.
	w.load(t, []naive.Event{view("old", "/old", w.now.AddDate(0, 0, -20))}, true)
	alone := w.days.Date(w.now.AddDate(0, 0, -20).Unix())
	pack := point("whole")
	all := len(w.rows)
	w.close(t)

	restore := func(job snapshot.Restoring) (storage.Restored, *world, error) {
		job.Dir = filepath.Join(t.TempDir(), "restored")
		rep, err := storage.Restore(ctx, b, w.key(), job)
		if err != nil {
			if left, _ := filepath.Glob(job.Dir + "*"); len(left) > 0 {
				t.Errorf("left are %v", left)
			}
			return rep, nil, err
		}
		r := &world{dir: job.Dir, now: w.now, all: w.all, tenant: w.tenant}
		r.openWith(t, w.key())
		return rep, r, nil
	}
	content, err := os.ReadFile(pack)
	if err != nil {
		t.Fatal(err)
	}
	for name, damage := range map[string]func() error{
		"missing": func() error { return os.Remove(pack) },
		"cut":     func() error { return os.WriteFile(pack, content[:len(content)-1], 0o600) },
		"other bit": func() error {
			return os.WriteFile(pack, append(slices.Clone(content[:len(content)-1]), content[len(content)-1]^1), 0o600)
		},
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.Remove(pack); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(pack, content, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := damage(); err != nil {
				t.Fatal(err)
			}
			defer os.WriteFile(pack, content, 0o600)
			if _, _, err := restore(snapshot.Restoring{}); err == nil || !strings.Contains(err.Error(), filepath.Base(pack)) {
				t.Errorf("restored from what is damaged: %v", err)
			}
			rep, r, err := restore(snapshot.Restoring{Salvage: true})
			if err != nil {
				t.Fatal(err)
			}
			defer r.close(t)
			if len(rep.Lost) == 0 || !strings.Contains(fmt.Sprint(rep.Lost), filepath.Base(pack)) {
				t.Errorf("lost %q", rep.Lost)
			}
			if err := r.store.Check(ctx, nil); err != nil {
				t.Error(err)
			}
			if got := r.store.Count(r.site); got != int64(all-1) {
				t.Errorf("%d events, want %d: %+v", got, all-1, rep)
			}
			if first, _, _ := r.store.Span(r.site); first <= alone {
				t.Errorf("%s is there", first)
			}
		})
	}
	if _, _, err := restore(snapshot.Restoring{}); err != nil {
		t.Errorf("all is whole again: %v", err)
	}
}

// TestSalvageParts takes single values out of a file as a lost pack does, and looks at what salvaging leaves.
func TestSalvageParts(t *testing.T) {
	ctx := t.Context()
	for name, c := range map[string]struct {
		bucket file.Bucket
		which  func(key []byte) bool
		days   int // that are lost
		sites  string
	}{
		"chunk":          {file.Days, func(key []byte) bool { return true }, 1, "site0.example.com"},
		"catalog":        {file.Catalog, func(key []byte) bool { return len(key) == 8 }, 1, "site0.example.com"},
		"journal":        {file.Journal, func(key []byte) bool { return true }, 1, "site0.example.com"},
		"site":           {file.Accounts, func(key []byte) bool { return key[0] == 2 }, 0, "site-1.restored"},
		"counters":       {file.Accounts, func(key []byte) bool { return key[0] == 1 }, 0, "site0.example.com"},
		"audit, nothing": {file.Audit, func(key []byte) bool { return true }, 0, "site0.example.com"},
	} {
		t.Run(name, func(t *testing.T) {
			w := filled(t)
			var key []byte
			err := w.store.DB().Scan(ctx, c.bucket, nil, func(k, _ []byte) error {
				if key == nil && c.which(k) {
					key = k
				}
				return nil
			})
			if err == nil && key != nil {
				err = w.store.Tamper(ctx, func(tx *file.Tx) error { return tx.Delete(c.bucket, key) })
			}
			if err != nil {
				t.Fatal(err)
			}
			before := w.store.Count(w.site)
			b, _ := mustBucket(t)
			mustFlush(t, w.stream(b))
			dir := filepath.Join(t.TempDir(), "restored")
			rep, err := storage.Restore(ctx, b, w.key(), snapshot.Restoring{Dir: dir, Salvage: true})
			_ = w.store.Close()
			if err != nil {
				t.Fatal(err)
			}
			if len(rep.LostDays) != c.days || len(rep.Sites) != 1 || rep.Sites[0].Domain != c.sites {
				t.Errorf("%+v", rep)
			}
			if (rep.Events < before) != (c.days > 0) {
				t.Errorf("%d events of %d", rep.Events, before)
			}
			r := &world{dir: dir, now: w.now, all: w.all, tenant: w.tenant}
			r.openWith(t, w.key())
			defer r.close(t)
			if err := r.store.Check(ctx, nil); err != nil {
				t.Error(err)
			}
			if site, err := r.store.AddSite(ctx, "new.example", "Etc/UTC"); err != nil || site.ID < 2 {
				t.Errorf("%+v, %v", site, err)
			}
		})
	}
}

// clinging is a bucket that deletes nothing.
type clinging struct{ objstore.Bucket }

func (c clinging) Delete(_ context.Context, names ...string) error {
	return &objstore.Error{Op: "delete", Name: names[0], Kind: objstore.ErrDenied}
}

// TestRemovedWhereNothingIsDeleted: where the bucket keeps the keys of sites that were removed or reset, a restore does not use them, and who removes them is told.
func TestRemovedWhereNothingIsDeleted(t *testing.T) {
	ctx := t.Context()
	w := filled(t)
	s, err := w.store.AddSite(ctx, "removed.example", "UTC")
	if err != nil {
		t.Fatal(err)
	}
	w.all = append(w.all, &tenant{site: s.ID, days: w.days, seats: map[schema.Date]*seating{}})
	w.tenant = w.all[1]
	w.live(t, view("ann", "/secret", w.now.Add(time.Minute)))
	b, dir := mustBucket(t)
	w.stream(clinging{b})
	then := w.moment(t)
	if err := w.store.RemoveSite(ctx, s.ID, "test"); err != nil {
		t.Fatal(err)
	}
	if left := w.store.Shred(ctx); left.Waits == "" {
		t.Errorf("%+v", left)
	}
	w.tenant = w.all[0]
	w.reset(t)
	if left := w.store.Shred(ctx); left.Waits == "" {
		t.Errorf("%+v", left)
	}
	if keys, err := filepath.Glob(filepath.Join(dir, "v1", "sites", "*")); err != nil || len(keys) != 3 {
		t.Fatal(keys, err)
	}
	then.tenants = then.tenants[:1]
	then.tenants[0].events, then.tenants[0].rows, then.tenants[0].seats = nil, nil, map[schema.Date]*seating{}
	r, rep := then.restored(t, b, w.key(), filepath.Join(t.TempDir(), "restored"))
	if len(rep.Gone) != 1 || len(rep.Emptied) != 1 || rep.Events != 0 {
		t.Errorf("%+v", rep)
	}
	r.books(t)
	r.empty(t)
	r.close(t)
	w.close(t)
}

// TestSalvageEndsAtAStand damages one of the packs behind the last manifest: what was uploaded up to it is restored, and nothing from then on.
func TestSalvageEndsAtAStand(t *testing.T) {
	w := filled(t)
	b, dir := mustBucket(t)
	s := w.stream(b)
	if _, err := s.Snapshot(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	for range 4 {
		w.live(t, view("ann", "/", w.now.Add(time.Minute)))
		mustFlush(t, s)
	}
	packs, err := filepath.Glob(filepath.Join(dir, "v1", "pack", "*"))
	if err != nil || len(packs) < 5 {
		t.Fatal(packs, err)
	}
	flip(t, packs[len(packs)-2])
	job := snapshot.Restoring{Dir: filepath.Join(t.TempDir(), "restored"), Salvage: true}
	rep, err := storage.Restore(t.Context(), b, w.key(), job)
	// Some packs may hold no event, so it is one or two that are missing.
	if missing := int64(len(w.rows)) - rep.Events; err != nil || missing < 1 || missing > 2 || len(rep.Lost) == 0 || len(rep.LostDays) > 0 {
		t.Errorf("%d events of %d: %+v, %v", rep.Events, len(w.rows), rep, err)
	}
	w.close(t)
}
