package storage_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"footfall/storage"
	"footfall/storage/file"
)

// said is a log that tells when a line with some words comes.
type said struct {
	words string
	line  chan string
}

func (s said) Write(p []byte) (int, error) {
	if strings.Contains(string(p), s.words) {
		s.line <- string(p)
	}
	return len(p), nil
}

// Maintenance compacts a file of which much is free, once, and Close ends what it has begun.
func TestMaintenanceCompacts(t *testing.T) {
	c := &clock{time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)}
	log := said{"the data file was compacted", make(chan string, 10)}
	open := func(dir string, create bool) *storage.Store {
		t.Helper()
		s, err := storage.Open(t.Context(), storage.Config{Dir: dir, Create: create, Now: c.Now, Logger: slog.New(slog.NewTextHandler(log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	waste := func(s *storage.Store) {
		t.Helper()
		key := []byte("waste")
		for _, write := range []func(tx *file.Tx) error{
			func(tx *file.Tx) error {
				for i := range byte(7) {
					if err := tx.Put(file.Meta, append(key, i), make([]byte, 10<<20)); err != nil {
						return err
					}
				}
				return nil
			},
			func(tx *file.Tx) error { return tx.DeletePrefix(file.Meta, key) },
		} {
			if err := s.DB().Commit(t.Context(), write); err != nil {
				t.Fatal(err)
			}
		}
	}
	dir := t.TempDir()
	s := open(dir, true)
	mustSite(t, s)
	waste(s)
	if _, err := s.Maintain(t.Context(), c.now); err != nil {
		t.Fatal(err)
	}
	<-log.line
	if size := s.Stats().Size; size > 8<<20 {
		t.Errorf("the file has %d bytes", size)
	}
	waste(s) // too soon after the last time
	for range 3 {
		c.now = c.now.Add(time.Minute)
		if _, err := s.Maintain(t.Context(), c.now); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Check(t.Context(), nil); err != nil {
		t.Error(err)
	}
	c.now = c.now.Add(time.Hour)
	if _, err := s.Maintain(t.Context(), c.now); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil { // in the midst of it, or after
		t.Error(err)
	}
	if n := len(log.line); n > 1 {
		t.Errorf("compacted %d times more", n)
	}
	s = open(dir, false)
	defer s.Close()
	if len(s.Accounts().Sites()) != 1 {
		t.Error("the site is gone")
	}
}

// A ballast that a crash has cut short is made anew, one that is there stays, and it takes its room from the disk.
func TestBallast(t *testing.T) {
	c := &clock{time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)}
	dir := t.TempDir()
	path := filepath.Join(dir, "footfall.ballast")
	s := mustOpen(t, dir, c)
	if err := os.WriteFile(path, []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	var before os.FileInfo
	for i := range 2 {
		if err := s.MakeBallast(); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Skip("too little room for a ballast")
		}
		if info.Size() != 64<<20 || info.Mode().Perm() != 0o600 || i > 0 && !os.SameFile(before, info) {
			t.Errorf("%d bytes, mode %v", info.Size(), info.Mode())
		}
		before = info
	}
	for _, want := range []int64{64 << 20, 0} {
		if freed, err := storage.Reclaim(dir); freed != want || err != nil {
			t.Errorf("freed %d, %v", freed, err)
		}
	}
}
