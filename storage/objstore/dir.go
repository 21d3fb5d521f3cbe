package objstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"syscall"
	"time"
)

// tempDir holds what is being written. It begins with a dot, as no name of an object does.
const tempDir = ".tmp"

// Dir is a [Bucket] in a directory: an object is a file, a slash in its name a directory. Files of other names are not its business. A
// process that dies leaves at most a file in .tmp, which the next one removes after an hour.
type Dir struct {
	path   string
	opened fs.FileInfo // to tell it from an empty place where a disk was mounted
	sweep  sync.Once   // before the first Put: who only reads changes nothing

	mu      sync.Mutex      // guards all below
	asks    *linked         // nil until asked
	durable map[string]bool // directories that will be there after a crash, as this process has seen to
}

type linked struct{ can bool }

// OpenDir opens a directory, which must exist: one made here could lie below the place where a disk should have been mounted.
func OpenDir(path string) (*Dir, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("open bucket: %w", err)
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("open bucket: the directory %s does not exist: make it, or mount the disk that it is on", path)
	case err != nil:
		return nil, fmt.Errorf("open bucket: %w", err)
	case !info.IsDir():
		return nil, fmt.Errorf("open bucket: %s is no directory", path)
	}
	return &Dir{path: path, opened: info, durable: map[string]bool{path: true}}, nil
}

// Put implements [Bucket]: a temporary file is written and synced, gets its name, and the directory is synced.
func (d *Dir) Put(ctx context.Context, name string, body []byte, mode Mode) error {
	if err := Check("put", name, body); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := d.mounted(); err != nil {
		return d.failed("put", name, err)
	}
	d.sweep.Do(d.removeLeftovers)
	temp, err := d.writeTemp(body)
	if err != nil {
		return d.failed("put", name, err)
	}
	defer os.Remove(temp) // of a renamed file there is nothing left to remove, of a linked one the second name

	target := d.file(name)
	for range mkdirTries {
		if err = d.makeDirs(filepath.Dir(target)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			break
		}
		if err = settle(temp, target, mode); !errors.Is(err, fs.ErrNotExist) {
			break
		}
		d.forget()
	}
	if errors.Is(err, fs.ErrExist) && mode == Create {
		if same, readErr := holds(target, body); readErr != nil {
			return d.failed("put", name, readErr)
		} else if !same {
			return &Error{Op: "put", Name: name, Kind: ErrExists}
		}
		err = nil // who linked it may not have synced the directory yet
	}
	if err == nil {
		err = syncDir(filepath.Dir(target))
	}
	if err != nil {
		return d.failed("put", name, err)
	}
	return nil
}

// mounted returns an error if the path leads elsewhere than when it was opened: a disk that is unmounted leaves a directory behind that takes files too.
func (d *Dir) mounted() error {
	if now, err := os.Stat(d.path); err != nil {
		return err
	} else if !os.SameFile(now, d.opened) {
		return fmt.Errorf("%s is not the directory that it was: mount its disk again, or restart the server if this is the right one", d.path)
	}
	return nil
}

func (d *Dir) writeTemp(body []byte) (string, error) {
	dir := filepath.Join(d.path, tempDir)
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", err
	}
	f, err := os.CreateTemp(dir, "put-*")
	if err != nil {
		return "", err
	}
	_, err = f.Write(body)
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		os.Remove(f.Name())
		return "", err
	}
	return f.Name(), nil
}

// settle gives the temporary file its name. A hard link is what fails if the name is taken; where the file system has none it looks first,
// which is the weaker promise of [Bucket.Conditional].
func settle(temp, target string, mode Mode) error {
	if mode == Create {
		err := os.Link(temp, target)
		if err == nil || !linkless(err) {
			return err
		}
		if _, err := os.Lstat(target); err == nil {
			return fs.ErrExist
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return os.Rename(temp, target)
}

// linkless reports whether the file system has no hard links, as on many USB disks and network drives.
func linkless(err error) bool {
	return errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOTSUP) || errors.Is(err, syscall.ENOSYS) || errors.Is(err, syscall.EOPNOTSUPP)
}

func holds(file string, body []byte) (bool, error) {
	info, err := os.Lstat(file)
	if err != nil {
		return false, err
	}
	if !info.Mode().IsRegular() || info.Size() != int64(len(body)) {
		return false, nil
	}
	have, err := os.ReadFile(file)
	return bytes.Equal(have, body), err
}

// makeDirs makes the directories for a file below the bucket's own, never that one itself. One that is there may have been made by someone whose
// sync failed, or who died before it: it counts as made only after a sync of our own.
func (d *Dir) makeDirs(dir string) error {
	d.mu.Lock()
	durable := d.durable[dir]
	d.mu.Unlock()
	if durable {
		return nil
	}
	if err := d.makeDirs(filepath.Dir(dir)); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := syncDir(filepath.Dir(dir)); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.durable[dir] = true
	return nil
}

// forget makes makeDirs begin anew: someone has removed a directory.
func (d *Dir) forget() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.durable = map[string]bool{d.path: true}
}

func (d *Dir) removeLeftovers() {
	dir := filepath.Join(d.path, tempDir)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return // there is none, or Put will say what is wrong
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && time.Since(info.ModTime()) > sweepAge {
			os.Remove(filepath.Join(dir, e.Name()))
		}
	}
}

// Get implements [Bucket].
func (d *Dir) Get(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error) {
	if err := CheckRange(name, offset); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f, err := os.Open(d.file(name))
	if err != nil {
		return nil, d.failed("get", name, err)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fs.ErrNotExist
	}
	if err != nil {
		f.Close()
		return nil, d.failed("get", name, err)
	}
	if err := CheckSize(name, offset, length, info.Size()); err != nil {
		f.Close()
		return nil, err
	}
	if length < 0 {
		length = info.Size() - offset
	}
	return &fileReader{ctx: ctx, dir: d, name: name, from: io.NewSectionReader(f, offset, length), left: length, Closer: f}, nil
}

// fileReader fails where a section reader would end early: when the file has become shorter meanwhile.
type fileReader struct {
	ctx  context.Context
	dir  *Dir
	name string
	from *io.SectionReader
	left int64
	io.Closer
}

func (r *fileReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := r.from.Read(p)
	r.left -= int64(n)
	switch {
	case err == io.EOF && r.left > 0:
		err = &Error{Op: "get", Name: r.name, Kind: ErrShort}
	case err != nil && err != io.EOF:
		err = r.dir.failed("get", r.name, err)
	}
	return n, err
}

// List implements [Bucket].
func (d *Dir) List(ctx context.Context, prefix, after string, fn func(Object) error) error {
	if err := CheckList(prefix, after); err != nil {
		return err
	}
	return d.walk(ctx, "", prefix, after, fn)
}

// walk lists the directory of the names that begin with base, which is empty or ends with a slash. Names are in order if directories are sorted as
// what the names below them begin with, their slash included.
func (d *Dir) walk(ctx context.Context, base, prefix, after string, fn func(Object) error) error {
	entries, err := os.ReadDir(d.file(base))
	if errors.Is(err, fs.ErrNotExist) && base != "" {
		return nil // it was deleted meanwhile
	}
	if err != nil {
		return d.failed("list", prefix, err)
	}
	names := make([]string, 0, len(entries))
	byName := make(map[string]fs.DirEntry, len(entries))
	for _, e := range entries {
		name := base + e.Name()
		if CheckName(name) != nil {
			continue
		}
		if e.IsDir() {
			name += "/"
		}
		names = append(names, name)
		byName[name] = e
	}
	sort.Strings(names)
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return err
		}
		if strings.HasSuffix(name, "/") {
			inside := strings.HasPrefix(name, prefix) || strings.HasPrefix(prefix, name)
			if passed := name < after && !strings.HasPrefix(after, name); inside && !passed {
				if err := d.walk(ctx, name, prefix, after, fn); err != nil {
					return err
				}
			}
			continue
		}
		if !strings.HasPrefix(name, prefix) || name <= after || !byName[name].Type().IsRegular() {
			continue
		}
		info, err := byName[name].Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return d.failed("list", name, err)
		}
		if err := fn(Object{Name: name, Size: info.Size(), Modified: info.ModTime()}); err != nil {
			return err
		}
	}
	return nil
}

// Delete implements [Bucket]. Directories stay: another process may be about to put an object into them.
func (d *Dir) Delete(ctx context.Context, names ...string) error {
	var errs []error
	touched := map[string]string{}
	for _, name := range names {
		if err := Check("delete", name, nil); err != nil {
			errs = append(errs, err)
			continue
		}
		if err := ctx.Err(); err != nil {
			errs = append(errs, err)
			break
		}
		file := d.file(name)
		if info, err := os.Lstat(file); err == nil && info.IsDir() {
			continue // no object has this name
		}
		if err := d.failed("delete", name, os.Remove(file)); err != nil && !errors.Is(err, ErrNotFound) {
			errs = append(errs, err)
			continue
		}
		touched[filepath.Dir(file)] = name // one that was not there may have been removed by someone whose sync failed
	}
	for dir, name := range touched {
		if err := syncDir(dir); err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) {
			errs = append(errs, d.failed("delete", name, err))
		}
	}
	return errors.Join(errs...)
}

// Conditional implements [Bucket]: it depends on whether the file system has hard links.
func (d *Dir) Conditional(ctx context.Context) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.asks != nil {
		return d.asks.can, nil
	}
	temp, err := d.writeTemp(nil)
	if err != nil {
		return false, d.failed("probe", "", err)
	}
	defer os.Remove(temp)
	err = os.Link(temp, temp+".link")
	if err != nil && !linkless(err) {
		return false, d.failed("probe", "", err)
	}
	os.Remove(temp + ".link")
	d.asks = &linked{err == nil}
	return d.asks.can, nil
}

func (d *Dir) file(name string) string { return filepath.Join(d.path, filepath.FromSlash(name)) }

// failed says of an error of the file system what a caller can do. It returns nil for nil.
func (d *Dir) failed(op, name string, err error) error {
	if err == nil {
		return nil
	}
	var already *Error
	if errors.As(err, &already) {
		return err
	}
	var system syscall.Errno
	if errors.As(err, &system) {
		err = system // without the path of a temporary file, which tells nobody anything
	}
	e := &Error{Op: op, Name: name, Kind: ErrTemporary, Err: err}
	switch _, gone := os.Stat(d.path); {
	case gone != nil:
		e.Err, e.Advice = gone, "mount the disk that the directory is on"
	case errors.Is(err, fs.ErrNotExist) && op != "put", errors.Is(err, syscall.ENOTDIR) && op != "put":
		e.Kind, e.Err = ErrNotFound, nil
	case errors.Is(err, fs.ErrPermission):
		e.Kind, e.Advice = ErrDenied, "let the user that footfall runs as write to "+d.path
	case errors.Is(err, syscall.EROFS):
		e.Kind, e.Advice = ErrDenied, "mount the disk so that it can be written to"
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		e.Advice = "make room on the disk of " + d.path
	case errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.EISDIR), errors.Is(err, fs.ErrExist):
		e.Kind, e.Advice = ErrRefused, "something else has this name: give footfall a directory of its own"
	}
	return e
}

// syncDir makes the names in a directory durable. Some network file systems cannot sync directories: there is nothing to be done then.
func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, syscall.ENOTSUP) {
		return err
	}
	return nil
}
