//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package file

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// lock takes the exclusive lock of f, the same one bbolt takes: taking it twice through one open file is no conflict.
func lock(f *os.File) error {
	for deadline := time.Now().Add(lockTimeout); ; time.Sleep(lockRetry) {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case err == nil:
			return nil
		case !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR):
			return fmt.Errorf("lock %s: %w", f.Name(), err)
		case time.Now().After(deadline):
			return ErrRunning
		}
	}
}

// unlock gives the lock back. Closing f is not enough while bbolt's mapping, which refers to it, lives.
func unlock(f *os.File) error { return syscall.Flock(int(f.Fd()), syscall.LOCK_UN) }

// giveTo makes f a file of the owner of old, with the same permissions: whoever runs this, perhaps root, the server must be able to open it.
func giveTo(f, old *os.File) error {
	info, err := old.Stat()
	if err != nil {
		return err
	}
	mine, err := f.Stat()
	if err != nil {
		return err
	}
	has, want := mine.Sys().(*syscall.Stat_t), info.Sys().(*syscall.Stat_t)
	if has.Uid != want.Uid || has.Gid != want.Gid {
		if err := f.Chown(int(want.Uid), int(want.Gid)); err != nil {
			return fmt.Errorf("give the copy to the owner of the file (run this as that user): %w", err)
		}
	}
	return f.Chmod(info.Mode().Perm())
}
