//go:build unix

package file_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	bolt "go.etcd.io/bbolt"

	"footfall/storage/file"
)

// child runs one test of this binary in a process of its own.
func child(t *testing.T, test string, env ...string) {
	t.Helper()
	ctx, cancel := context.WithDeadline(context.Background(), deadline(t))
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^"+test+"$", "-test.v")
	cmd.Env = append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// TestPanicInACommit: whatever panics inside a commit poisons the file and kills neither the process nor the readers.
func TestPanicInACommit(t *testing.T) {
	db := mustCreate(t, file.Config{})
	mustCommit(t, db, put(file.Days, "k", "v"))
	release := stall(db)
	ctx := context.Background()
	before := db.Submit(file.Op{Write: put(file.Days, "before", "v")})
	during := db.Submit(file.Op{Write: func(tx *file.Tx) error { panic("a page is not what it should be") }})
	after := db.Submit(file.Op{Write: put(file.Days, "after", "v")})
	release()
	for _, p := range []*file.Pending{before, during, after} {
		if err := p.Wait(ctx); !errors.Is(err, file.ErrPoisoned) {
			t.Error(err)
		}
	}
	if !errors.Is(during.Wait(ctx), file.ErrDamaged) || after.Started() {
		t.Errorf("%v; a later op started: %v", during.Wait(ctx), after.Started())
	}
	if got := keys(t, db, file.Days, ""); len(got) != 1 {
		t.Errorf("after the panic: %q", got)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}

// TestCloseAfterAWedge: a panic that leaves bbolt's write lock behind must not make Close hang, nor keep the file lock.
func TestCloseAfterAWedge(t *testing.T) {
	if raceDetector {
		t.Skip("bbolt leaves a goroutine of its own behind when its rollback panics, and that one races")
	}
	path := filepath.Join(t.TempDir(), "footfall.db")
	db := mustCreate(t, file.Config{Path: path})
	mustCommit(t, db, put(file.Days, "k", "v"))
	// The commit's rollback scans the file for free pages and panics on what it finds: this breaks a leaf under it.
	err := db.Commit(context.Background(), func(tx *file.Tx) error {
		breakRoot(t, path)
		panic("first")
	})
	if !errors.Is(err, file.ErrPoisoned) {
		t.Errorf("got %v", err)
	}
	if _, err := db.Get(file.Days, []byte("k")); err != nil && !errors.Is(err, file.ErrDamaged) {
		t.Errorf("get: %v", err)
	}
	if err := db.Check(context.Background(), nil); !errors.Is(err, file.ErrDamaged) {
		t.Errorf("check: %v", err)
	}
	db.Close()
	if _, err := file.Open(file.Config{Path: path}); !errors.Is(err, file.ErrDamaged) {
		t.Errorf("open: %v", err)
	}
	os.Remove(path)
	mustCreate(t, file.Config{Path: path}).Close() // for the check at the end of the test
}

// breakRoot turns the sort order of the root page's first two bucket names around, which bbolt's scan objects to.
func breakRoot(t *testing.T, path string) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Error(err)
		return
	}
	defer f.Close()
	file.SwapRootKeys(t, f)
}

// TestOlderMetaIsNotTaken: after a clean close, a broken newest meta page must not lose the last commit.
func TestOlderMetaIsNotTaken(t *testing.T) {
	for page := range int64(2) {
		path := filepath.Join(t.TempDir(), "footfall.db")
		db := mustCreate(t, file.Config{Path: path})
		mustCommit(t, db, put(file.Days, "first", "1"))
		mustCommit(t, db, put(file.Days, "last", "2"))
		db.Close()
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		f.WriteAt([]byte{1, 2, 3}, page*4096+16+50)
		f.Close()
		if got := keys(t, mustOpen(t, path), file.Days, ""); len(got) != 2 {
			t.Errorf("with meta page %d broken: %q", page, got)
		}
	}
}

// TestLostEntry: bbolt itself does not notice that entries are gone; the sums do.
func TestLostEntry(t *testing.T) {
	path := filepath.Join(t.TempDir(), "footfall.db")
	db := mustCreate(t, file.Config{Path: path})
	mustCommit(t, db, put(file.Days, "k", "v"))
	mustCommit(t, db, put(file.Days, "l", "v"))
	db.Close()
	edit := func(fn func(*bolt.Bucket) error) {
		b, err := bolt.Open(path, 0o600, &bolt.Options{NoFreelistSync: true})
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		if err := b.Update(func(tx *bolt.Tx) error { return fn(tx.Bucket([]byte{byte(file.Days)})) }); err != nil {
			t.Fatal(err)
		}
	}
	edit(func(b *bolt.Bucket) error { return b.Delete([]byte("k")) })
	if _, err := file.Open(file.Config{Path: path}); !errors.Is(err, file.ErrDamaged) {
		t.Errorf("one entry gone: %v", err)
	}
	edit(func(b *bolt.Bucket) error { return b.Put([]byte("K"), []byte("v")) })
	if _, err := file.Open(file.Config{Path: path}); !errors.Is(err, file.ErrDamaged) {
		t.Errorf("one key changed: %v", err)
	}
	edit(func(b *bolt.Bucket) error { return errors.Join(b.Delete([]byte("K")), b.Put([]byte("k"), []byte("v"))) })
	mustOpen(t, path).Close()
}

// TestRationedAddressSpace opens where the large mapping is not to be had.
func TestRationedAddressSpace(t *testing.T) {
	if os.Getenv("FILE_TEST_SPACE") == "" {
		if raceDetector {
			t.Skip("the race detector needs the address space itself")
		}
		child(t, "TestRationedAddressSpace", "FILE_TEST_SPACE=1")
		return
	}
	limit := syscall.Rlimit{Cur: 16 << 30, Max: 16 << 30}
	if err := syscall.Setrlimit(syscall.RLIMIT_AS, &limit); err != nil {
		t.Fatal(err)
	}
	db := mustCreate(t, file.Config{})
	for i := range uint64(100) {
		mustCommit(t, db, func(tx *file.Tx) error { return tx.Put(file.Days, number(i), make([]byte, 60_000)) })
	}
	mustCompact(t, db)
	mustCommit(t, db, put(file.Audit, "k", "v"))
}
