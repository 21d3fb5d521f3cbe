//go:build unix

package file_test

import (
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"footfall/storage/file"
)

// TestSlowReadIsReported holds a read open until the log has said where it comes from.
func TestSlowReadIsReported(t *testing.T) {
	log := make(lines, 10)
	db := mustCreate(t, file.Config{Logger: logTo(log)})
	err := file.View(db, func() {
		line := <-log
		if !strings.Contains(line, "a read of the data file takes long") || !strings.Contains(line, "TestSlowReadIsReported") {
			t.Errorf("the log says %s", line)
		}
	})
	if n := db.Stats().Slow; err != nil || n != 1 {
		t.Errorf("%d slow reads, %v", n, err)
	}
}

// TestFaults takes parts of the file away under the mapping: every read of them is an error that says where, and the process lives.
func TestFaults(t *testing.T) {
	path := filepath.Join(t.TempDir(), "footfall.db")
	db := mustCreate(t, file.Config{Path: path})
	for i := range uint64(50) {
		mustCommit(t, db, func(tx *file.Tx) error { return tx.Put(file.Days, number(i), make([]byte, 60_000)) })
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var sum [32]byte // read in assembly
	reads := map[string]func() error{
		"get": func() error { _, err := db.Get(file.Days, number(3)); return err },
		"read": func() error {
			return db.Read(file.Days, number(3), func(v []byte) error { sum = sha256.Sum256(v); return nil })
		},
		"scan":  func() error { return db.Scan(t.Context(), file.Days, nil, func(_, _ []byte) error { return nil }) },
		"sizes": func() error { return db.Sizes(t.Context(), file.Days, nil, func([]byte, int) error { return nil }) },
		"check": func() error { return db.Check(t.Context(), nil) },
	}
	if err := os.Truncate(path, 2*4096); err != nil {
		t.Fatal(err)
	}
	for name, read := range reads {
		if err := read(); !errors.Is(err, file.ErrDamaged) || name != "check" && !strings.Contains(err.Error(), "page ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	db.Stats()
	if err := os.WriteFile(path, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, read := range reads {
		if err := read(); err != nil {
			t.Errorf("%s, when the pages are back: %v", name, err)
		}
	}
	mustCommit(t, db, put(file.Audit, "k", "v"))
	if sum != sha256.Sum256(make([]byte, 60_000)) {
		t.Error("another value was read")
	}

	// Without its meta pages the file is of no use, and nobody may wait for them for ever.
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		for name, read := range reads {
			if err := read(); !errors.Is(err, file.ErrDamaged) {
				t.Errorf("%s without meta pages: %v", name, err)
			}
		}
		db.Stats()
	}
	if err := db.Commit(t.Context(), put(file.Audit, "k", "v")); !errors.Is(err, file.ErrPoisoned) {
		t.Errorf("commit: %v", err)
	}
	db.Close()
	if err := os.WriteFile(path, whole, 0o600); err != nil { // for the check at the end of the test
		t.Fatal(err)
	}
}

// TestFaultInACommit: a page that a change must read first cannot be read.
func TestFaultInACommit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "footfall.db")
	db := mustCreate(t, file.Config{Path: path})
	for i := range uint64(50) {
		mustCommit(t, db, func(tx *file.Tx) error { return tx.Put(file.Days, number(i), make([]byte, 60_000)) })
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Commit(t.Context(), func(tx *file.Tx) error {
		os.Truncate(path, 2*4096)
		defer os.WriteFile(path, whole, 0o600) // bbolt's rollback scans the file in a goroutine of its own
		tx.Get(file.Days, number(3))
		return nil
	})
	if !errors.Is(err, file.ErrPoisoned) || !errors.Is(err, file.ErrDamaged) || !strings.Contains(err.Error(), "page ") {
		t.Errorf("got %v", err)
	}
	if v, err := db.Get(file.Days, number(3)); err != nil || len(v) != 60_000 {
		t.Errorf("reading goes on: %d bytes, %v", len(v), err)
	}
}

// TestManyWithoutMeta: the file has lost its meta pages, and many want to read at once. Nobody waits for ever.
func TestManyWithoutMeta(t *testing.T) {
	for range 20 {
		path := filepath.Join(t.TempDir(), "footfall.db")
		db := mustCreate(t, file.Config{Path: path})
		mustCommit(t, db, put(file.Audit, "k", "v"))
		whole, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, 0); err != nil {
			t.Fatal(err)
		}
		start, errs := make(chan struct{}), make(chan error, 16)
		for range cap(errs) {
			go func() { <-start; _, err := db.Get(file.Audit, []byte("k")); errs <- err }()
		}
		close(start)
		for range cap(errs) {
			select {
			case err := <-errs:
				if !errors.Is(err, file.ErrDamaged) {
					t.Errorf("got %v", err)
				}
			case <-time.After(time.Minute):
				t.Fatal("somebody waits for ever")
			}
		}
		db.Close()
		if err := os.WriteFile(path, whole, 0o600); err != nil { // for the check at the end of the test
			t.Fatal(err)
		}
	}
}

// TestReadersAmongMany: what reports slow reads must not fall when goroutines come faster than they are counted.
func TestReadersAmongMany(t *testing.T) {
	stop := make(chan struct{})
	var bursts sync.WaitGroup
	for range 4 {
		bursts.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				var burst sync.WaitGroup
				for range 1000 {
					burst.Go(func() {})
				}
				burst.Wait()
			}
		})
	}
	for range 300 {
		file.Readers()
	}
	close(stop)
	bursts.Wait()
}
