package storage_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"footfall/storage"
	"footfall/storage/file"
	"footfall/storage/schema"
)

// TestStepsLeadToTheFormat holds that whoever raises the format says how older files come there.
func TestStepsLeadToTheFormat(t *testing.T) {
	if storage.NumSteps()+1 != file.Format {
		t.Errorf("%d steps lead from format 1 to %d", storage.NumSteps(), file.Format)
	}
}

const (
	oldDrops = 700 // days with counts of dropped events: more than two commits take
	since    = schema.Date(19_000)
)

// TestMigration brings a file through three formats, with a kill after each commit: what was changed before is not changed again.
func TestMigration(t *testing.T) {
	dir, now := layRelease(t, "testdata/v0.1"), time.Date(2025, 10, 6, 2, 0, 0, 0, time.UTC)
	s := openRelease(t, storage.Config{Dir: dir}, now)
	for i := range schema.Date(oldDrops) {
		s.Dropped(1, since+i, "bot", int(i))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	days := 0
	first := storage.NumSteps()
	var steps []storage.Step
	for range first {
		steps = append(steps, storage.NewStep("known", nil)) // files of these formats need no change any more
	}
	steps = append(steps,
		storage.NewStep("adding one to all counts", func(ctx context.Context, m *storage.Migration) error {
			if err := m.AddToDrops(ctx, 1); err != nil {
				return err
			}
			return m.CountDays(ctx, func() { days++ })
		}),
		storage.NewStep("another form of new days", nil),
		storage.NewStep("adding a thousand", func(ctx context.Context, m *storage.Migration) error { return m.AddToDrops(ctx, 1000) }),
	)
	open := func(dir string, after func() error) (*storage.Store, string, error) {
		var log bytes.Buffer
		s, err := storage.OpenMigrating(t.Context(), storage.Config{Dir: dir, Now: func() time.Time { return now }, Logger: slog.New(slog.NewTextHandler(&log, nil))}, steps, after)
		return s, log.String(), err
	}
	verify := func(when, dir string) {
		t.Helper()
		s, _, err := open(dir, nil)
		if err != nil {
			t.Fatalf("%s: %v", when, err)
		}
		if got := s.Format(); got != first+4 {
			t.Errorf("%s: format %d", when, got)
		}
		counts := s.DropCounts(1, since, since+oldDrops-1)["bot"]
		for i := range schema.Date(oldDrops) {
			if counts[since+i] != int64(i)+1001 {
				t.Fatalf("%s: the count of day %d is %d", when, i, counts[since+i])
			}
		}
		if err := s.Check(t.Context(), nil); err != nil {
			t.Errorf("%s: %v", when, err)
		}
		if err := s.Close(); err != nil {
			t.Errorf("%s: %v", when, err)
		}
	}
	// A kill leaves what is durable, and an error in between as well.
	errKilled := errors.New("killed")
	commits := 0
	for at := 1; ; at++ {
		failed := filepath.Join(t.TempDir(), "failed")
		copyDir(t, dir, failed)
		n := 0
		s, log, err := open(failed, func() error {
			n++
			if n == at {
				copyDir(t, failed, filepath.Join(failed, "killed"))
				return errKilled
			}
			return nil
		})
		if err == nil {
			if !strings.Contains(log, fmt.Sprintf("from=%d to=%d", first+1, first+2)) || !strings.Contains(log, "adding one to all counts") {
				t.Errorf("the log does not tell: %s", log)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			verify("without a kill", failed)
			commits = n
			break
		}
		if !errors.Is(err, errKilled) {
			t.Fatal(err)
		}
		verify(fmt.Sprint("killed after commit ", at), filepath.Join(failed, "killed"))
		verify(fmt.Sprint("failed after commit ", at), failed)
	}
	if commits < 8 {
		t.Errorf("only %d commits were tried", commits)
	}
	// This program does not know the last format, and leaves the file alone.
	verify("in one go", dir)
	_, err := storage.Open(t.Context(), storage.Config{Dir: dir, Now: func() time.Time { return now }})
	if newer := (file.ErrNewer{}); !errors.As(err, &newer) || newer.Have != first+4 || newer.Knows != file.Format {
		t.Errorf("a file of a newer format: %v", err)
	}
	verify("after a refusal", dir)
}

func copyDir(t *testing.T, from, to string) {
	t.Helper()
	if err := os.MkdirAll(to, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range releaseFiles {
		content, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(to, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
