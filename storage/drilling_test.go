package storage_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"footfall/storage"
	"footfall/storage/file"
	"footfall/storage/objstore"
	"footfall/storage/query/naive"
	"footfall/storage/seal"
	"footfall/storage/snapshot"
)

// TestDrill proves snapshots while events come in, days are sealed and events are deleted.
func TestDrill(t *testing.T) {
	ctx := t.Context()
	w := filled(t)
	b, _ := mustBucket(t)
	s := w.stream(b)
	if st := w.store.DrillStatus(); st.Last != nil || st.Running {
		t.Errorf("%+v", st)
	}
	rep, err := w.store.Drill(ctx, nil, nil)
	if err != nil || !rep.OK || rep.Sites != 1 || rep.Days != 5 || rep.Events != int64(len(w.rows)) || rep.Compared == 0 || rep.Changed != 0 {
		t.Fatalf("%+v, %v", rep, err)
	}
	if _, err := s.Snapshot(ctx, "point"); err != nil {
		t.Fatal(err)
	}
	for range 4 {
		done := make(chan struct{})
		go func() {
			defer close(done)
			rep, err := w.store.Drill(ctx, nil, nil)
			if err != nil || !rep.OK || !rep.Proven.Equal(rep.Time) {
				t.Errorf("%+v, %v", rep, err)
			}
		}()
		for range 30 {
			w.live(t, view("ann", "/", w.now.Add(time.Minute)))
		}
		w.load(t, []naive.Event{view("old", "/old", w.now.AddDate(0, 0, -2))}, true)
		w.set(w.now.AddDate(0, 0, 1))
		w.maintain(t)
		<-done
	}
	if left, err := filepath.Glob(filepath.Join(w.dir, "*drill*")); err != nil || len(left) > 0 {
		t.Errorf("left are %v, %v", left, err)
	}
	last := w.store.DrillStatus().Last
	w.close(t)

	r, err := snapshot.Open(ctx, b, w.key())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	found, err := r.LastDrill(ctx)
	if err != nil || last == nil || found.Point.ID != last.Point.ID || !found.OK || !found.Time.Equal(last.Time) {
		t.Errorf("%+v, want %+v, %v", found, last, err)
	}
}

// TestDrillFinds damages what a drill is to find.
func TestDrillFinds(t *testing.T) {
	ctx := t.Context()
	prepared := func(t *testing.T) (*world, objstore.Bucket, string) {
		w := filled(t)
		b, dir := mustBucket(t)
		w.stream(b)
		if rep, err := w.store.Drill(ctx, nil, nil); err != nil {
			t.Fatalf("%+v, %v", rep, err)
		}
		w.close(t)
		w.open(t, false)
		return w, b, dir
	}
	t.Run("a pack", func(t *testing.T) {
		w, b, dir := prepared(t)
		defer w.close(t)
		packs, err := filepath.Glob(filepath.Join(dir, "v1", "pack", "*"))
		if err != nil || len(packs) == 0 {
			t.Fatal(packs, err)
		}
		flip(t, packs[0])
		rep, err := w.store.Drill(ctx, b, nil)
		if !errors.Is(err, snapshot.ErrDamaged) || rep.OK || !strings.Contains(rep.Error, filepath.Base(packs[0])) || rep.Proven.IsZero() {
			t.Errorf("%+v, %v", rep, err)
		}
		if last := w.store.DrillStatus().Last; last == nil || last.Error != rep.Error {
			t.Errorf("%+v", last)
		}
	})
	t.Run("the keyring", func(t *testing.T) {
		w, b, dir := prepared(t)
		defer w.close(t)
		flip(t, filepath.Join(dir, "v1", "keyring"))
		if rep, err := w.store.Drill(ctx, b, nil); !errors.Is(err, snapshot.ErrDamaged) || !strings.Contains(rep.Error, "v1/keyring") {
			t.Errorf("%+v, %v", rep, err)
		}
	})
	t.Run("a key of a site", func(t *testing.T) {
		w, b, dir := prepared(t)
		defer w.close(t)
		keys, err := filepath.Glob(filepath.Join(dir, "v1", "sites", "*"))
		if err != nil || len(keys) != 1 {
			t.Fatal(keys, err)
		}
		if err := os.Remove(keys[0]); err != nil {
			t.Fatal(err)
		}
		if rep, err := w.store.Drill(ctx, b, nil); !errors.Is(err, snapshot.ErrDamaged) || rep.OK || !strings.Contains(rep.Error, filepath.Base(keys[0])) {
			t.Errorf("%+v, %v", rep, err)
		}
	})
	t.Run("a sealed day here", func(t *testing.T) {
		w, b, _ := prepared(t)
		defer w.close(t)
		var chunk, value []byte
		err := w.store.DB().Scan(ctx, file.Days, nil, func(k, v []byte) error {
			chunk, value = k, v
			return nil
		})
		if err == nil {
			value[len(value)-1] ^= 1
			err = w.store.Tamper(ctx, func(tx *file.Tx) error { return tx.Put(file.Days, chunk, value) })
		}
		if err != nil {
			t.Fatal(err)
		}
		if rep, err := w.store.Drill(ctx, b, nil); !errors.Is(err, storage.ErrDiffers) || len(rep.Differs) != 1 || !strings.Contains(rep.Differs[0], "other bytes") {
			t.Errorf("%+v, %v", rep, err)
		}
	})
	t.Run("nothing", func(t *testing.T) {
		w, _, _ := prepared(t)
		defer w.close(t)
		none, _ := mustBucket(t)
		if _, err := w.store.Drill(ctx, none, nil); !errors.Is(err, snapshot.ErrNothing) {
			t.Error(err)
		}
		if _, err := w.store.Drill(ctx, nil, nil); err == nil {
			t.Error("a drill without a place")
		}
	})
}

// flip changes a byte in the middle of a file.
func flip(t *testing.T, path string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// held is a bucket whose packs are read only when it is let go.
type held struct {
	objstore.Bucket
	reached, letGo chan struct{}
	once           sync.Once
	on             atomic.Bool
}

func (h *held) Get(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error) {
	if h.on.Load() && strings.HasPrefix(name, "v1/pack/") {
		h.once.Do(func() { close(h.reached) })
		select {
		case <-h.letGo:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return h.Bucket.Get(ctx, name, offset, length)
}

// TestDrillsOneByOne: there is one drill at a time, it can be called off, and the store does not close under it.
func TestDrillsOneByOne(t *testing.T) {
	for name, end := range map[string]func(w *world, cancel func(), h *held){
		"called off": func(_ *world, cancel func(), _ *held) { cancel() },
		"closed":     func(w *world, _ func(), _ *held) { _ = w.store.Close() },
		"let go":     func(_ *world, _ func(), h *held) { close(h.letGo) },
	} {
		t.Run(name, func(t *testing.T) {
			w := filled(t)
			b, _ := mustBucket(t)
			h := &held{Bucket: b, reached: make(chan struct{}), letGo: make(chan struct{})}
			mustFlush(t, w.stream(h))
			h.on.Store(true)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			result := make(chan error, 1)
			go func() {
				_, err := w.store.Drill(ctx, nil, nil)
				result <- err
			}()
			<-h.reached
			if _, err := w.store.Drill(ctx, nil, nil); !errors.Is(err, storage.ErrDrilling) {
				t.Errorf("a second drill: %v", err)
			}
			if !w.store.DrillStatus().Running {
				t.Error("none is running")
			}
			end(w, cancel, h)
			if err := <-result; (err == nil) != (name == "let go") {
				t.Error(err)
			}
			if left, err := filepath.Glob(filepath.Join(w.dir, "*drill*")); err != nil || len(left) > 0 {
				t.Errorf("left are %v, %v", left, err)
			}
			_ = w.store.Close()
		})
	}
}

// TestDrillsByItself: a store that streams drills without being asked, and knows after a start when it was.
func TestDrillsByItself(t *testing.T) {
	w := filled(t)
	b, _ := mustBucket(t)
	start := func(every time.Duration) {
		w.store.StartStream(b, storage.Streaming{Pause: time.Millisecond, Drills: every, Now: time.Now})
	}
	await := func() *snapshot.DrillReport {
		for {
			if st := w.store.DrillStatus(); st.Last != nil {
				return st.Last
			}
			select {
			case <-t.Context().Done():
				t.Fatal("no drill")
			case <-time.After(time.Millisecond):
			}
		}
	}
	start(5 * time.Millisecond)
	if rep := await(); !rep.OK {
		t.Errorf("%+v", rep)
	}
	w.close(t)
	if err := os.MkdirAll(filepath.Join(w.dir, "footfall-drill.restoring", "x"), 0o700); err != nil { // as a crash leaves it
		t.Fatal(err)
	}
	w.open(t, false)
	if left, err := filepath.Glob(filepath.Join(w.dir, "*drill*")); err != nil || len(left) > 0 {
		t.Errorf("left are %v, %v", left, err)
	}
	w.close(t)
}

// TestDrillLeavesNoKeys: what a drill puts on the disk, and leaves in free blocks, holds no key.
func TestDrillLeavesNoKeys(t *testing.T) {
	w := filled(t)
	b, _ := mustBucket(t)
	h := &held{Bucket: b, reached: make(chan struct{}), letGo: make(chan struct{})}
	mustFlush(t, w.stream(h))
	h.on.Store(true)
	go func() {
		<-h.reached
		for _, dir := range []string{"footfall-drill", "footfall-drill.restoring"} {
			list, _ := os.ReadDir(filepath.Join(w.dir, dir))
			for _, f := range list {
				if text, err := os.ReadFile(filepath.Join(w.dir, dir, f.Name())); strings.Contains(f.Name(), "vault") || err == nil && bytes.Contains(text, []byte("FFVAULT")) {
					t.Errorf("%s is there", f.Name())
				}
			}
		}
		close(h.letGo)
	}()
	if _, err := w.store.Drill(t.Context(), nil, nil); err != nil {
		t.Fatal(err)
	}
	w.close(t)
}

// TestDrillAfterKeysChanged: a drill right after a key was added, and after all were made anew, finds the keyring of now.
func TestDrillAfterKeysChanged(t *testing.T) {
	ctx := t.Context()
	w := filled(t)
	b, _ := mustBucket(t)
	w.stream(b)
	recovery := storage.NewRecoveryKey()
	if _, err := w.store.AddKey(ctx, "test", storage.Key{Passphrase: []byte("correct horse battery staple")}); err != nil {
		t.Fatal(err)
	}
	if rep, err := w.store.Drill(ctx, nil, nil); err != nil {
		t.Errorf("%+v, %v", rep, err)
	}
	if err := w.store.RotateKeys(ctx, "test", recovery); err != nil {
		t.Fatal(err)
	}
	if rep, err := w.store.Drill(ctx, nil, nil); err != nil {
		t.Errorf("%+v, %v", rep, err)
	}
	then := w.moment(t)
	r, _ := then.restored(t, b, storage.Key{Recovery: recovery}, filepath.Join(t.TempDir(), "restored"))
	r.books(t)
	r.close(t)
	if _, err := snapshot.Open(ctx, b, storage.Key{Passphrase: []byte("correct horse battery staple")}); !errors.Is(err, seal.ErrWrongKey) {
		t.Errorf("a key that was removed: %v", err)
	}
	w.close(t)
}
