//go:build unix

package file_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"footfall/storage/file"
)

// fill writes bulk ops, of which at least some must find room, until one is refused, checks what must be true from then on, and returns how
// many were acknowledged.
func fill(t *testing.T, db *file.DB, least uint64) uint64 {
	t.Helper()
	ctx := context.Background()
	acked := uint64(0)
	var err error
	for err == nil && acked < 10_000 {
		err = db.Submit(file.Op{Bulk: true, Write: func(tx *file.Tx) error { return tx.Put(file.Days, number(acked), make([]byte, 60_000)) }}).Wait(ctx)
		if err == nil {
			acked++
		}
	}
	if !errors.Is(err, file.ErrFull) || db.Poisoned() != nil || acked < least {
		t.Fatalf("after %d values: %v; poisoned: %v", acked, err, db.Poisoned())
	}
	if v, err := db.Get(file.Days, number(acked)); v != nil || err != nil {
		t.Errorf("what was refused is there: %d bytes, %v", len(v), err)
	}
	for i := range acked {
		if v, err := db.Get(file.Days, number(i)); err != nil || len(v) != 60_000 {
			t.Fatalf("value %d of %d on a full disk: %d bytes, %v", i, acked, len(v), err)
		}
	}
	if err := db.Check(ctx, nil); err != nil {
		t.Error(err)
	}
	return acked
}

// lines is a log that tests can wait for.
type lines chan string

func (l lines) Write(p []byte) (int, error) {
	l <- string(p)
	return len(p), nil
}

func (l lines) await(t *testing.T, want string) {
	t.Helper()
	for {
		select {
		case line := <-l:
			if strings.Contains(line, want) {
				return
			}
			t.Log(line)
		case <-t.Context().Done():
			t.Fatalf("the log never said %q", want)
		}
	}
}

func logTo(l lines) *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// TestFullDisk fills the file, deletes something, and goes on.
func TestFullDisk(t *testing.T) {
	log := make(lines, 100)
	path := filepath.Join(t.TempDir(), "footfall.db")
	db := mustCreate(t, file.Config{Path: path, MaxSize: 12 << 20, Logger: logTo(log)})
	acked := fill(t, db, 10)
	log.await(t, "the disk is full")
	refused := db.Submit(file.Op{Bulk: true, Write: put(file.Journal, "event", "1"), Done: func(error) { t.Error("Done of a refused op") }})
	if !errors.Is(refused.Refused(), file.ErrFull) || refused.Started() || !errors.Is(db.Full(), file.ErrFull) {
		t.Errorf("a bulk op while the disk is full: %v", refused.Refused())
	}
	mustCommit(t, db, put(file.Accounts, "session", "1"))
	mustCommit(t, db, func(tx *file.Tx) error {
		for i := range acked / 2 {
			if err := tx.Delete(file.Days, number(i)); err != nil {
				return err
			}
		}
		return nil
	})
	log.await(t, "there is room on the disk again")
	if err := db.Submit(file.Op{Bulk: true, Write: put(file.Journal, "event", "2")}).Wait(t.Context()); err != nil || db.Full() != nil {
		t.Errorf("with free pages: %v, %v", err, db.Full())
	}
	if len(log) > 0 {
		t.Errorf("the log also says %q", <-log)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	if got := keys(t, mustOpen(t, path), file.Journal, ""); len(got) != 1 {
		t.Errorf("after reopen: %q", got)
	}
}

// TestSpaceComesBack: a disk that was made larger is noticed without a restart.
func TestSpaceComesBack(t *testing.T) {
	for _, doubtful := range []bool{false, true} {
		log := make(lines, 100)
		db := mustCreate(t, file.Config{Logger: logTo(log)})
		mustCommit(t, db, func(*file.Tx) error {
			if doubtful {
				file.Doubt(db)
			}
			file.SetLimit(db, 12<<20)
			return nil
		})
		acked := fill(t, db, 10)
		mustCommit(t, db, func(*file.Tx) error { file.SetLimit(db, 100<<20); return nil })
		log.await(t, "there is room on the disk again")
		for i := range uint64(100) {
			err := db.Submit(file.Op{Bulk: true, Write: func(tx *file.Tx) error { return tx.Put(file.Days, number(acked+i), make([]byte, 60_000)) }}).Wait(t.Context())
			if err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestTightFile draws changes on a file that is always nearly full: those that are refused change nothing, the others are there.
func TestTightFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "footfall.db")
	db := mustCreate(t, file.Config{Path: path, MaxSize: 6 << 20})
	model := map[string]int{}
	r := rand.New(rand.NewPCG(1, 2))
	refused := 0
	for range 600 {
		next := maps.Clone(model)
		err := db.Submit(file.Op{Bulk: r.IntN(2) == 0, Write: func(tx *file.Tx) error {
			for range 1 + r.IntN(20) {
				key, size := fmt.Sprint(r.IntN(200)), []int{10, 1000, 70_000, 300_000}[r.IntN(4)]
				var err error
				if r.IntN(4) == 0 {
					delete(next, key)
					err = tx.Delete(file.Days, []byte(key))
				} else {
					next[key] = size
					err = tx.Put(file.Days, []byte(key), make([]byte, size))
				}
				if err != nil {
					return err
				}
			}
			return nil
		}}).Wait(t.Context())
		switch {
		case err == nil:
			model = next
		case errors.Is(err, file.ErrFull):
			refused++
			// Something goes, or nothing would ever fit again.
			for _, key := range slices.Sorted(maps.Keys(model)) {
				if r.IntN(8) == 0 && db.Commit(t.Context(), func(tx *file.Tx) error { return tx.Delete(file.Days, []byte(key)) }) == nil {
					delete(model, key)
				}
			}
		default:
			t.Fatal(err)
		}
	}
	compare := func(db *file.DB) {
		t.Helper()
		found := map[string]int{}
		err := db.Scan(t.Context(), file.Days, nil, func(k, v []byte) error { found[string(k)] = len(v); return nil })
		if err != nil || !maps.Equal(found, model) {
			t.Errorf("%d keys, want %d: %v", len(found), len(model), err)
		}
	}
	compare(db)
	if refused < 20 || refused > 550 || db.Poisoned() != nil {
		t.Errorf("%d of 600 refused; poisoned: %v", refused, db.Poisoned())
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	if info, err := os.Stat(path); err != nil || info.Size() > 6<<20 {
		t.Errorf("%d bytes: %v", info.Size(), err)
	}
	compare(mustOpen(t, path))
}

// TestLowEstimate: a change may need far more pages than its keys and values tell of.
func TestLowEstimate(t *testing.T) {
	db := mustCreate(t, file.Config{})
	const values = 400
	for i := range uint64(values) {
		mustCommit(t, db, func(tx *file.Tx) error { return tx.Put(file.Days, number(2*i), make([]byte, 60_000)) })
	}
	mustCommit(t, db, func(tx *file.Tx) error { // every leaf, with the large values beside, is written anew
		for i := range uint64(values) {
			if err := tx.Put(file.Days, number(2*i+1), []byte("small")); err != nil {
				return err
			}
		}
		return nil
	})
	if n := len(keys(t, db, file.Days, "")); n != 2*values {
		t.Errorf("%d keys", n)
	}
	if err := db.Check(t.Context(), nil); err != nil {
		t.Error(err)
	}
}

// TestFileSizeLimit: the operating system refuses to let the file grow.
func TestFileSizeLimit(t *testing.T) {
	if os.Getenv("FILE_TEST_LIMIT") == "" {
		child(t, "TestFileSizeLimit", "FILE_TEST_LIMIT=1")
		return
	}
	ignoreFileSizeSignal()
	db := mustCreate(t, file.Config{})
	limit := syscall.Rlimit{Cur: 9 << 20, Max: 9 << 20}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
	fill(t, db, 10)
}

// TestRealFullDisk fills small disks of their own, by the file itself and by something else beside it.
func TestRealFullDisk(t *testing.T) {
	for kind, mb := range map[string]int{"ext4": 48, "tmpfs": 48, "xfs": 320, "btrfs": 192} { // of the last two there are no smaller ones
		t.Run(kind, func(t *testing.T) {
			if os.Getenv("SOAK") == "" && mb > 100 {
				t.Skip("takes a large disk: set SOAK")
			}
			dir := smallDisk(t, kind, mb)
			log := make(lines, 100)
			path := filepath.Join(dir, "footfall.db")
			db := mustCreate(t, file.Config{Path: path, Logger: logTo(log)})
			fill(t, db, 100)
			log.await(t, "the disk is full")
			mustCommit(t, db, put(file.Accounts, "session", "1"))
			if err := db.Close(); err != nil {
				t.Error(err)
			}
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}

			db = mustCreate(t, file.Config{Path: path, Logger: logTo(log)})
			mustCommit(t, db, put(file.Accounts, "k", "v"))
			other := filepath.Join(dir, "other")
			fillWith(t, other)
			if kind == "btrfs" { // nothing can be reserved, and others have left nothing
				fill(t, db, 0)
			} else {
				fill(t, db, 10) // what was reserved before
				mustCommit(t, db, put(file.Accounts, "session", "1"))
			}
			log.await(t, "the disk is full")
			if err := db.Close(); err != nil {
				t.Error(err)
			}
			db, err := file.Open(file.Config{Path: path, Logger: logTo(log)})
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			if err := db.Submit(file.Op{Bulk: true, Write: put(file.Days, "k", strings.Repeat("v", 300_000))}).Wait(t.Context()); !errors.Is(err, file.ErrFull) {
				t.Errorf("opened on a full disk: %v", err)
			}
			log.await(t, "the disk is full")
			if err := os.Remove(other); err != nil {
				t.Fatal(err)
			}
			log.await(t, "there is room on the disk again")
			if err := db.Submit(file.Op{Bulk: true, Write: put(file.Days, "k", "v")}).Wait(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// smallDisk mounts an empty file system of so many MB for the time of the test.
func smallDisk(t *testing.T, kind string, mb int) (dir string) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("only root can mount a small disk")
	}
	dir = t.TempDir()
	run := []string{"mount", "-t", "tmpfs", "-o", fmt.Sprintf("size=%dm", mb), "tmpfs", dir}
	if kind != "tmpfs" {
		image := filepath.Join(t.TempDir(), "image")
		if err := os.WriteFile(image, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(image, int64(mb)<<20); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("mkfs."+kind, "-q", image).CombinedOutput(); err != nil {
			t.Skipf("mkfs.%s: %v\n%s", kind, err, out)
		}
		run = []string{"mount", "-o", "loop", image, dir}
	}
	if out, err := exec.Command(run[0], run[1:]...).CombinedOutput(); err != nil {
		t.Skipf("%s: %v\n%s", strings.Join(run, " "), err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
			t.Errorf("umount: %v\n%s", err, out)
		}
	})
	return dir
}

// fillWith writes into another file until the disk has nothing left.
func fillWith(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size > 0; size /= 2 {
		piece := bytes.Repeat([]byte("x"), size)
		for err = nil; err == nil; {
			_, err = f.Write(piece)
		}
		if !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
	}
	if err := f.Sync(); err != nil && !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
}
