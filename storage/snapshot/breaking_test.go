package snapshot_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"footfall/storage/file"
	"footfall/storage/objstore"
	"footfall/storage/objstore/objtest"
	"footfall/storage/seal"
	"footfall/storage/snapshot"
)

// hooked calls put before an object is put, which fails with its error.
type hooked struct {
	objstore.Bucket
	put func(ctx context.Context, name string, body []byte) error
	get func(name string) // may be nil
}

func (h *hooked) Get(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error) {
	if h.get != nil {
		h.get(name)
	}
	return h.Bucket.Get(ctx, name, offset, length)
}

func (h *hooked) Put(ctx context.Context, name string, body []byte, mode objstore.Mode) error {
	if err := h.put(ctx, name, body); err != nil {
		return err
	}
	return h.Bucket.Put(ctx, name, body, mode)
}

func isPack(name string) bool { return strings.HasPrefix(name, "v1/pack/") }

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

// A stream that is ended while it uploads uploads what is left all the same.
func TestEndWhileUploading(t *testing.T) {
	a := newAppliance(t, 21)
	entered, release := make(chan struct{}), make(chan struct{})
	holding := false
	b := &hooked{Bucket: mustDir(t), put: func(ctx context.Context, name string, _ []byte) error {
		if !holding || !isPack(name) {
			return nil
		}
		holding = false
		close(entered)
		select {
		case <-release:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}}
	a.work(t, 5)
	s, stop := a.stream(t, b)
	await(t, s)
	if err := s.Flush(t.Context()); err != nil { // and so nothing is under way
		t.Fatal(err)
	}
	holding = true
	a.work(t, 1)
	<-entered
	a.work(t, 5)
	ended := make(chan struct{})
	go func() { stop(); close(ended) }()
	time.AfterFunc(50*time.Millisecond, func() { close(release) }) // so that the end comes first, mostly
	<-ended
	if got := a.restore(t, b.Bucket, snapshot.Restoring{}); got != a.commits {
		t.Errorf("restored commit %d of %d", got, a.commits)
	}
}

// Who has nothing to upload finds out too that another has taken over.
func TestIdleIsFenced(t *testing.T) {
	a := newAppliance(t, 22)
	b := mustDir(t)
	a.work(t, 10)
	first, stop := a.stream(t, b)
	defer stop()
	await(t, first)
	other := *a
	other.dir = t.TempDir()
	second, stopSecond := other.stream(t, b)
	defer stopSecond()
	state(t, second, snapshot.Fenced)
	if err := second.Adopt(); err != nil {
		t.Fatal(err)
	}
	await(t, second)
	state(t, first, snapshot.Fenced)
}

// A claim that arrives after it was given up does not fence its own instance.
func TestLateClaim(t *testing.T) {
	a := newAppliance(t, 23)
	var late []byte
	b := &hooked{Bucket: mustDir(t)}
	b.put = func(ctx context.Context, name string, body []byte) error {
		switch {
		case name != "v1/epoch/00000001":
			return nil
		case late == nil:
			late = append(late, body...)
			return &objstore.Error{Op: "put", Name: name, Kind: objstore.ErrTemporary}
		}
		return b.Bucket.Put(ctx, name, late, objstore.Create)
	}
	a.work(t, 5)
	s, stop := a.stream(t, b)
	defer stop()
	if st := await(t, s); st.Epoch != 2 {
		t.Errorf("%+v", st)
	}
}

// What comes in while a manifest gathers can be restored before that is done.
func TestGatheringHoldsUpNothing(t *testing.T) {
	a := newAppliance(t, 24)
	b := &hooked{Bucket: mustDir(t), put: func(context.Context, string, []byte) error { return nil }}
	s, stop := a.stream(t, b)
	defer stop()
	for i := range 24 { // small packs that gather to several
		set := func(tx *file.Tx) error {
			for j := range 12 {
				if err := tx.Put(file.Days, fmt.Appendf(nil, "key %d %d", i, j), make([]byte, 64000+i)); err != nil {
					return err
				}
			}
			return nil
		}
		if err := a.db.Commit(t.Context(), set); err != nil {
			t.Fatal(err)
		}
		for j := range 12 {
			a.content[string(rune(file.Days))+fmt.Sprintf("key %d %d", i, j)] = string(make([]byte, 64000+i))
		}
		a.remember(t)
		if err := s.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	packs, want := 0, 0
	b.put = func(_ context.Context, name string, _ []byte) error {
		switch {
		case isPack(name):
			if packs++; packs == 1 {
				a.work(t, 3)
				want = a.commits
			}
		case strings.HasPrefix(name, "v1/manifest/"):
			if got := a.restore(t, b.Bucket, snapshot.Restoring{}); got < want {
				t.Errorf("before the manifest commit %d is restored, want %d", got, want)
			}
		}
		return nil
	}
	if _, err := s.Snapshot(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	if packs < 5 {
		t.Fatalf("%d packs: there was little to gather", packs)
	}
	await(t, s)
	if got := a.restore(t, b.Bucket, snapshot.Restoring{}); got != a.commits {
		t.Errorf("restored commit %d of %d", got, a.commits)
	}
}

// Many keys that are removed while the feed has lost its memory make several packs, each of which can be read.
func TestManyRemoved(t *testing.T) {
	a := newAppliance(t, 25)
	b := &shaky{Bucket: mustDir(t)}
	s, stop := a.stream(t, b)
	defer stop()
	await(t, s)
	write := func(n int, format string, value []byte) {
		t.Helper()
		for from := 0; from < n; from += 20_000 {
			err := a.db.Commit(t.Context(), func(tx *file.Tx) error {
				for i := from; i < min(n, from+20_000); i++ {
					key := fmt.Appendf(nil, format, i)
					if value == nil {
						if err := tx.Delete(file.Journal, key); err != nil {
							return err
						}
					} else if err := tx.Put(file.Journal, key, value); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	value := make([]byte, 41)
	write(20_000, "%0500d", value)
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.down.Store(true)
	write(270_000, "%06d", value) // more than a feed remembers
	write(20_000, "%0500d", nil)
	write(270_000, "%06d", nil)
	a.work(t, 1)
	b.down.Store(false)
	await(t, s)
	if got := a.restore(t, b.Bucket, snapshot.Restoring{}); got != a.commits {
		t.Errorf("restored commit %d of %d", got, a.commits)
	}
}

// Where a restore goes to may be a link, or end with a slash, or have something left of an earlier one beside it; what cannot be is said before anything is read.
func TestTargets(t *testing.T) {
	a := newAppliance(t, 26)
	b := mustDir(t)
	a.work(t, 5)
	s, stop := a.stream(t, b)
	await(t, s)
	stop()
	r, err := snapshot.Open(t.Context(), b, a.key)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	at, beside := t.TempDir(), t.TempDir()
	path := func(name string) string { return filepath.Join(at, name) }
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.Mkdir(path("empty"), 0o700))
	must(os.Mkdir(filepath.Join(beside, "disk"), 0o700))
	must(os.Symlink(filepath.Join(beside, "disk"), path("link")))
	must(os.Mkdir(path("again.restoring"), 0o700))
	must(os.WriteFile(path("again.restoring/footfall.db"), nil, 0o600))
	for _, dir := range []string{path("new"), path("slash") + "/", path("empty"), path("link"), path("again")} {
		_, err := r.Restore(t.Context(), snapshot.Restoring{Dir: dir})
		must(err)
		_, err = os.Stat(filepath.Join(dir, "footfall.vault"))
		must(err)
		if _, err := os.Stat(strings.TrimSuffix(dir, "/") + ".restoring"); err == nil {
			t.Errorf("%s: something is left", dir)
		}
	}
	if info, err := os.Lstat(path("link")); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link was replaced: %v, %v", info, err)
	}
	must(os.Mkdir(path("mine.restoring"), 0o700))
	must(os.WriteFile(path("mine.restoring/letters"), nil, 0o600))
	if _, err := r.Restore(t.Context(), snapshot.Restoring{Dir: path("mine")}); err == nil || !strings.Contains(err.Error(), "holds something else") {
		t.Errorf("got %v", err)
	}
	_, err = os.Stat(path("mine.restoring/letters"))
	must(err)
}

// A directory on which a disk is mounted cannot be replaced, which is said before anything is read.
func TestMountedTarget(t *testing.T) {
	a := newAppliance(t, 27)
	reads := 0
	b := &hooked{Bucket: mustDir(t), put: func(context.Context, string, []byte) error { return nil }, get: func(name string) {
		if isPack(name) {
			reads++
		}
	}}
	a.work(t, 5)
	s, stop := a.stream(t, b)
	await(t, s)
	stop()
	dir := filepath.Join(t.TempDir(), "mounted")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	mountOn(t, dir)
	r, err := snapshot.Open(t.Context(), b, a.key)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	reads = 0
	if _, err := r.Restore(t.Context(), snapshot.Restoring{Dir: dir}); err == nil || !strings.Contains(err.Error(), "name a directory in it") || reads > 0 {
		t.Errorf("after %d reads got %v", reads, err)
	}
	if _, err := r.Restore(t.Context(), snapshot.Restoring{Dir: filepath.Join(dir, "data")}); err != nil {
		t.Error(err)
	}
}

// An older image of a directory that was put back, where it was and under its name, does not delete the keys that have come since.
func TestOlderImage(t *testing.T) {
	a := newAppliance(t, 28)
	b := mustDir(t)
	if err := a.vault.CreateSite(1); err != nil {
		t.Fatal(err)
	}
	a.work(t, 5)
	s, stop := a.stream(t, b)
	await(t, s)
	stop()
	image, err := os.ReadFile(filepath.Join(a.dir, "footfall.vault"))
	if err != nil {
		t.Fatal(err)
	}
	s, stop = a.stream(t, b)
	if err := a.vault.CreateSite(2); err != nil {
		t.Fatal(err)
	}
	a.work(t, 5)
	await(t, s)
	stop()
	a.vault.Close()
	f, err := os.OpenFile(filepath.Join(a.dir, "footfall.vault"), os.O_WRONLY|os.O_TRUNC, 0)
	if err == nil {
		_, err = f.Write(image)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	if a.vault, err = seal.OpenVault(filepath.Join(a.dir, "footfall.vault"), a.key); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.vault.Close() })
	s, stop = a.stream(t, b)
	defer stop()
	state(t, s, snapshot.Fenced)
	if names := objtest.Names(t, b, "v1/sites/", ""); len(names) != 2 {
		t.Errorf("of two keys there are %v", names)
	}
	if err := s.Adopt(); err != nil {
		t.Fatal(err)
	}
	await(t, s)
}

// A machine that starts with its clock years behind does not make what it uploads then a point of every time that is asked for.
func TestClockBehind(t *testing.T) {
	a := newAppliance(t, 29)
	b := mustDir(t)
	run := func(clock time.Time) {
		t.Helper()
		s := snapshot.New(snapshot.Config{Bucket: b, DB: a.db, Vault: a.vault, Dir: a.dir, Pause: time.Millisecond, Now: func() time.Time { return clock }})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { s.Run(ctx); close(done) }()
		a.work(t, 3)
		await(t, s)
		cancel()
		<-done
	}
	noon := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	var commits []int
	for _, clock := range []time.Time{noon, noon.Add(time.Hour), noon.Add(2 * time.Hour), noon.AddDate(-10, 0, 0), noon.Add(3 * time.Hour)} {
		run(clock)
		commits = append(commits, a.commits)
	}
	for i, at := range []time.Time{noon, noon.Add(90 * time.Minute), noon.Add(150 * time.Minute), noon.AddDate(-9, 0, 0), {}} {
		if got := a.restore(t, b, snapshot.Restoring{At: at}); got != commits[i] {
			t.Errorf("at %v: restored commit %d, want %d of %v", at, got, commits[i], commits)
		}
	}
}
