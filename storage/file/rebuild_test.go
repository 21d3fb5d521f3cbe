//go:build unix

package file_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	bolt "go.etcd.io/bbolt/errors"

	"footfall/storage/file"
)

func TestRebuild(t *testing.T) {
	path := filepath.Join(t.TempDir(), "footfall.db")
	db := mustCreate(t, file.Config{Path: path})
	id := db.ID()
	for i := range uint64(300) {
		mustCommit(t, db, func(tx *file.Tx) error { return tx.Put(file.Days, number(i), make([]byte, 20_000)) })
	}
	for i := range uint64(200) {
		mustCommit(t, db, func(tx *file.Tx) error { return tx.Delete(file.Days, number(i)) })
	}
	db.Close()
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path+".rebuild", nil, 0o600); err != nil {
		t.Fatal(err)
	}

	db = mustOpen(t, path)
	after, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if os.SameFile(before, after) || after.Mode().Perm() != 0o600 || after.Size() >= before.Size() {
		t.Errorf("the same file, or not a better one: %d bytes before, %d after", before.Size(), after.Size())
	}
	if db.ID() != id || len(keys(t, db, file.Days, "")) != 100 {
		t.Errorf("id %x, %d keys", db.ID(), len(keys(t, db, file.Days, "")))
	}
	if _, err := file.Open(file.Config{Path: path}); !errors.Is(err, file.ErrRunning) {
		t.Errorf("second open: %v", err)
	}
	mustCommit(t, db, put(file.Audit, "k", "v"))
	if err := db.Check(context.Background(), nil); err != nil {
		t.Error(err)
	}
	db.Close()
	if left, _ := filepath.Glob(path + ".*"); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
	if got := keys(t, mustOpen(t, path), file.Audit, ""); len(got) != 1 {
		t.Errorf("after the next open: %q", got)
	}
}

func TestHarmless(t *testing.T) {
	write := func(err error) error { return &fs.PathError{Op: "write", Path: "x", Err: err} }
	for _, c := range []struct {
		err  error
		want bool
	}{
		{write(syscall.ENOSPC), true}, {write(syscall.EFBIG), true}, {bolt.ErrMaxSizeReached, true},
		{errors.New("file resize error: truncate x: file too large"), true},
		{write(syscall.EIO), false}, {syscall.EIO, false}, {syscall.ENOSPC, false}, // the last two come from fsync
		{fmt.Errorf("file sync error: %s", syscall.ENOSPC), false},
	} {
		if got := file.Harmless(c.err); got != c.want {
			t.Errorf("%v: %v", c.err, got)
		}
	}
}

// TestFailedSync makes a real fdatasync fail, with strace where there is one.
func TestFailedSync(t *testing.T) {
	if path := os.Getenv("FILE_TEST_SYNC"); path != "" {
		commitUntilPoisoned(t, path)
		return
	}
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("strace is not installed")
	}
	for _, when := range []int{3, 4, 9} { // data pages and meta pages
		path := filepath.Join(t.TempDir(), "footfall.db")
		mustCreate(t, file.Config{Path: path}).Close()
		ctx, cancel := context.WithDeadline(context.Background(), deadline(t))
		defer cancel()
		cmd := exec.CommandContext(ctx, strace, "-f", "-qq", "-o", os.DevNull, "-e", "trace=fdatasync",
			"-e", fmt.Sprintf("inject=fdatasync:error=EIO:when=%d", when), os.Args[0], "-test.run=^TestFailedSync$", "-test.v")
		cmd.Env = append(os.Environ(), "FILE_TEST_SYNC="+path, "GOMAXPROCS=1")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Skipf("strace does not work here: %v\n%s", err, out)
		}
		var acked int
		if i := strings.Index(string(out), "acked "); i < 0 {
			t.Fatalf("the child said %s", out)
		} else if _, err := fmt.Sscanf(string(out[i:]), "acked %d", &acked); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(path + ".rebuild"); err != nil {
			t.Error(err)
		}
		db := mustOpen(t, path)
		if n := len(keys(t, db, file.Days, "")); n < acked || n > acked+1 { // one may be there that was not acknowledged
			t.Errorf("%d values of %d", n, acked)
		}
		mustCommit(t, db, put(file.Audit, "k", "v"))
		db.Close()
	}
}

// TestMarkBeforeRollback: the rollback of a failed commit reads the tree again, and panics here on what it finds. The mark is there all
// the same.
func TestMarkBeforeRollback(t *testing.T) {
	if path := os.Getenv("FILE_TEST_MARK"); path != "" {
		db := mustOpen(t, path)
		err := db.Commit(t.Context(), func(tx *file.Tx) error {
			whole, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			whole[bytes.Index(whole, []byte("journal 05"))] = 'z' // out of order
			if err := os.WriteFile(path, whole, 0o600); err != nil {
				return err
			}
			return tx.Put(file.Days, []byte("k"), []byte("v"))
		})
		fmt.Printf("poisoned %v\n", errors.Is(err, file.ErrPoisoned))
		os.Exit(0) // the file is broken, and bbolt may panic in a goroutine of its own
	}
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("strace is not installed")
	}
	path := filepath.Join(t.TempDir(), "footfall.db")
	db := mustCreate(t, file.Config{Path: path})
	for i := range 99 {
		mustCommit(t, db, put(file.Journal, fmt.Sprintf("journal %02d", i), strings.Repeat("v", 100)))
	}
	db.Close()
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), strace, "-f", "-qq", "-o", os.DevNull, "-e", "trace=fdatasync",
		"-e", "inject=fdatasync:error=EIO:when=1+", os.Args[0], "-test.run=^TestMarkBeforeRollback$", "-test.v")
	cmd.Env = append(os.Environ(), "FILE_TEST_MARK="+path)
	if out, err := cmd.CombinedOutput(); !strings.Contains(string(out), "poisoned true") {
		t.Skipf("strace does not work here: %v\n%s", err, out)
	}
	if _, err := os.Stat(path + ".rebuild"); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(path, whole, 0o600); err != nil { // for the check at the end of the test
		t.Fatal(err)
	}
}

func commitUntilPoisoned(t *testing.T, path string) {
	db := mustOpen(t, path)
	acked := uint64(0)
	var err error
	for ; err == nil && acked < 1000; acked++ {
		err = db.Commit(context.Background(), func(tx *file.Tx) error { return tx.Put(file.Days, number(acked), number(acked)) })
	}
	acked--
	if !errors.Is(err, file.ErrPoisoned) || !errors.Is(err, syscall.EIO) {
		t.Fatalf("after %d: %v", acked, err)
	}
	if err := db.Submit(file.Op{}).Refused(); !errors.Is(err, file.ErrPoisoned) {
		t.Error(err)
	}
	for i := range acked {
		if v, err := db.Get(file.Days, number(i)); err != nil || string(v) != string(number(i)) {
			t.Errorf("value %d: %x, %v", i, v, err)
		}
	}
	fmt.Printf("acked %d\n", acked)
}
