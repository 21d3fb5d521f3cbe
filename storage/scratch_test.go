package storage_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"footfall/storage"
)

func TestScratch(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, &clock{time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)})
	x := s.Scratch()
	if b, err := x.Read([]byte("a"), storage.Stored{}); err != nil || string(b) != "a" {
		t.Errorf("the empty value before any other: %q, %v", b, err)
	}
	var group sync.WaitGroup
	for worker := range uint64(3) {
		group.Go(func() {
			r := rand.New(rand.NewPCG(worker, 1))
			want, stored := map[int][]byte{}, map[int]storage.Stored{}
			for i := range 8 {
				b := bytes.Repeat(fmt.Appendf(nil, "secret %d %d ", worker, i), r.IntN(50_000))
				v, err := x.Write(b)
				if err != nil {
					t.Error(err)
				}
				want[i], stored[i] = b, v
			}
			for i := range want {
				if got, err := x.Read(nil, stored[i]); err != nil || !bytes.Equal(got, want[i]) {
					t.Errorf("value %d of %d: %d bytes, %v, want %d bytes", i, worker, len(got), err, len(want[i]))
				}
			}
		})
	}
	group.Wait()
	v, err := x.Write([]byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	left, err := filepath.Glob(filepath.Join(dir, "footfall-scratch-*"))
	if err != nil || len(left) != 0 {
		t.Errorf("the scratch file has a name: %v, %v", left, err)
	}
	for range 2 {
		if err := x.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := x.Read(nil, v); err == nil {
		t.Error("a value can be read after the end")
	}
	if _, err := x.Write(nil); err == nil {
		t.Error("a value can be written after the end")
	}
}

// A scratch file that could not be made says why, and one that a dead process left is removed.
func TestScratchTrouble(t *testing.T) {
	dir := t.TempDir()
	c := &clock{time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)}
	s := mustOpen(t, dir, c)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	left := filepath.Join(dir, "footfall-scratch-1234.tmp")
	if err := os.WriteFile(left, []byte("sealed"), 0o600); err != nil {
		t.Fatal(err)
	}
	s = mustOpen(t, dir, c)
	if _, err := os.Stat(left); !os.IsNotExist(err) {
		t.Errorf("the scratch file of a dead process: %v", err)
	}
	_ = s.Close()
	gone := filepath.Join(t.TempDir(), "gone")
	s = mustOpen(t, gone, c)
	if err := os.RemoveAll(gone); err != nil {
		t.Fatal(err)
	}
	x := s.Scratch()
	defer x.Close()
	if _, err := x.Write([]byte("x")); err == nil {
		t.Error("a file was made in a directory that is gone")
	}
}

// A scratch file does not take the room on the disk that events need.
func TestScratchLeavesRoom(t *testing.T) {
	s := mustOpen(t, t.TempDir(), &clock{time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)})
	defer s.Close()
	if err := s.DB().Beside(1); err != nil {
		t.Fatal(err)
	}
	x := s.Scratch()
	defer x.Close()
	var asked int64
	x.SetRoom(func(more int64) error {
		if asked += more; asked > 2000 {
			return s.DB().Beside(1 << 62)
		}
		return nil
	})
	first, err := x.Write(make([]byte, 1000))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := x.Write(make([]byte, 1000)); !errors.Is(err, storage.ErrFull) {
			t.Errorf("a value beyond the room: %v", err)
		}
	}
	if b, err := x.Read(nil, first); err != nil || len(b) != 1000 {
		t.Errorf("the value before: %d bytes, %v", len(b), err)
	}
}
