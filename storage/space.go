package storage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"footfall/storage/file"
)

// ballastName is a file that holds room on the disk and nothing else.
const ballastName = "footfall.ballast"

// MakeBallast puts some room on the disk aside, if there is plenty, for Reclaim. It is for servers: the other verbs come and go.
func (s *Store) MakeBallast() error {
	there, err := file.MakeBallast(filepath.Join(s.cfg.Dir, ballastName), ballastSize, ballastSpare)
	if err == nil && !there {
		s.cfg.Logger.Warn("the disk has too little room for a ballast: if it gets full, there is nothing to release", "needed", int64(ballastSize+ballastSpare))
	}
	return err
}

// Reclaim releases the ballast of a data directory and returns how many bytes that gave, 0 if there was none. A server that has it open
// accepts events again within seconds. Errors: ErrMissing.
func Reclaim(dir string) (freed int64, err error) {
	if _, err := os.Stat(filepath.Join(dir, dataName)); errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("%w: there is no %s in %s; name another directory with --data", ErrMissing, dataName, dir)
	}
	return file.ReleaseBallast(filepath.Join(dir, ballastName))
}

// Disk tells of the disk that holds the data directory.
func (s *Store) Disk() (file.Disk, error) { return file.DiskOf(s.cfg.Dir) }

// Compact gives the free space inside the data file back to the disk, while everything else goes on. progress, which may be nil, is
// called with bytes. Errors, with nothing changed, are those of file.DB.Compact.
func (s *Store) Compact(ctx context.Context, progress func(done, total int64)) (file.Compacted, error) {
	done, err := s.db.Compact(ctx, progress)
	return done, dataError(err)
}

// tidy starts a compaction where much of the data file is free, and does not wait for it.
func (s *Store) tidy(now time.Time) {
	next := s.tidied.Load()
	if now.Unix() < next || !s.db.Stats().Wasteful() || !s.tidied.CompareAndSwap(next, now.Add(tidyPause).Unix()) {
		return
	}
	s.tasks.Go(func() {
		_, err := s.db.Compact(context.Background(), nil) // Close ends it
		if err != nil && !errors.Is(err, file.ErrClosed) && !errors.Is(err, file.ErrCompacting) {
			s.cfg.Logger.Warn("much of the data file is free, but it could not be compacted", "error", err)
		}
	})
}
