package file

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// After a failed fsync the operating system may have dropped what it could not write and still show it to those who read: the
// file in its cache and the file on the disk are not the same any more, and no later fsync mends that. So the next start must not
// go on in that file. The committing goroutine leaves a mark beside it (an empty file, path + ".rebuild"), and Open, when it
// finds the mark, copies all entries into a new file first.

func markPath(path string) string { return path + ".rebuild" }

// harmless tells whether a commit failed before anything that counts was written: the disk was full. The file is then
// as it was, and copying it would need the room that there is not.
func harmless(err error) bool {
	var write *fs.PathError
	if errors.As(err, &write) && write.Op == "write" {
		return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
	}
	// bbolt gives this one as text only; it has tried to make the file longer and nothing else.
	return errors.Is(err, berrors.ErrMaxSizeReached) || strings.HasPrefix(err.Error(), "file resize error")
}

// alarm is bbolt's log. bbolt tells it of a failed write or sync before it rolls the commit back, for which it reads the tree
// again: that takes its time, and the process may end in it. So the mark is made at once.
type alarm struct {
	bolt.Logger
	h *handle
}

func newAlarm(h *handle) alarm {
	return alarm{&bolt.DefaultLogger{Logger: log.New(io.Discard, "", 0)}, h}
}

// Errorf marks the file if one of the arguments is an error of the disk.
func (a alarm) Errorf(_ string, args ...any) {
	for _, arg := range args {
		err, _ := arg.(error)
		var file *fs.PathError
		var number syscall.Errno
		if a.h.committing.Load() && (errors.As(err, &file) || errors.As(err, &number)) && !harmless(err) {
			_ = mark(a.h.path) // tried again when the commit has ended
		}
	}
}

// mark notes that the file must be rebuilt. The disk has just failed, so this is an attempt.
func mark(path string) error {
	f, err := os.OpenFile(markPath(path), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close(), SyncDir(filepath.Dir(path)))
}

// rebuild copies the file, which is open, locked and checked as f, into a new one that takes its name, and removes the mark. w is what
// was found in it.
func rebuild(f *os.File, path string, w *walker, newest, mapping int) error {
	from := options(mapping)
	from.OpenFile = func(string, int, os.FileMode) (*os.File, error) { return f, nil }
	src, err := bolt.Open(path, 0o600, from)
	if err != nil {
		return err
	}
	defer src.Close()
	to, err := newCopy(f, path, w.used(), copySpare, mapping)
	if err != nil {
		return err
	}
	defer os.Remove(copyPath(path)) // fails when it has its new name
	if err = bolt.Compact(to.bolt, src, MaxBatchBytes); err == nil {
		err = to.seal()
	}
	if err == nil {
		err = sameAs(w, to.file, newest)
	}
	if err == nil {
		_, err = to.publish(path)
	}
	if err := errors.Join(err, to.bolt.Close()); err != nil {
		return err
	}
	if err := os.Remove(markPath(path)); err != nil {
		return fmt.Errorf("remove mark: %w", err)
	}
	return SyncDir(filepath.Dir(path))
}

// sameAs returns an error if the file f has not the entries that w has found in another one.
func sameAs(w *walker, f *os.File, newest int) error {
	copied, err := survey(f, newest)
	if err == nil && (copied.sums != w.sums || copied.id != w.id) {
		err = damaged("the copy has not the entries that the file has")
	}
	return err
}
