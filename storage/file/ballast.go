package file

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// MakeBallast sees to it that path is a file of size bytes that takes as many from the disk, to be removed when there are none left. It
// does nothing, and returns false, where fewer than spare bytes would be left beside it.
func MakeBallast(path string, size, spare int64) (there bool, err error) {
	if info, err := os.Stat(path); err == nil && info.Size() == size {
		return true, nil
	} else if err == nil { // cut off while it was made, or of another version
		if err := os.Remove(path); err != nil {
			return false, fmt.Errorf("make ballast: %w", err)
		}
	}
	if free, ok := diskFree(filepath.Dir(path)); !ok || free < size+spare {
		return false, nil
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return false, fmt.Errorf("make ballast: %w", err)
	}
	err = errNoPromise
	if keepsBlocks(f) {
		err = allocate(f, 0, size)
	}
	if errors.Is(err, errNoPromise) {
		_, err = io.CopyN(f, rand.Reader, size) // not zeros, which a file system may pack
	}
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		os.Remove(path)
		if full(err) {
			return false, nil
		}
		return false, fmt.Errorf("make ballast: %w", err)
	}
	return true, SyncDir(filepath.Dir(path))
}

// ReleaseBallast removes the file and returns how many bytes it had, 0 if there was none.
func ReleaseBallast(path string) (freed int64, err error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err == nil {
		err = os.Remove(path)
	}
	if err != nil {
		return 0, fmt.Errorf("release ballast: %w", err)
	}
	return info.Size(), SyncDir(filepath.Dir(path))
}
