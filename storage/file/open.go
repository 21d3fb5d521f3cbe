package file

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	bolt "go.etcd.io/bbolt"
)

// DB is an open data file. All methods are safe for concurrent use.
type DB struct {
	path    string
	log     *slog.Logger
	id      [16]byte
	newest  int                  // format that is understood
	mapping func(size int64) int // as mapSize
	format  atomic.Int64         // of the file
	now     atomic.Pointer[handle]

	loop sync.WaitGroup // the committing goroutine

	work sync.WaitGroup // compactions, and the closing of the files they replace

	mu      sync.Mutex // guards what follows
	wake    sync.Cond  // queue has grown, or closing or probe was set
	queue   []*Pending
	closing bool
	probe   bool   // the disk was full: see whether it still is
	cancel  func() // ends the compaction under way, nil if there is none

	sums    Sums // the committing goroutine's
	changed bool // the committing goroutine's: there was a commit, see Close
	room    room

	watchers watchers // compactions and feeds

	poison atomic.Pointer[error]
	wedged atomic.Bool // bbolt panicked inside a commit and may hold its locks
	blind  atomic.Bool // bbolt panicked at the beginning of a read and holds its locks
	closed atomic.Bool
	once   sync.Once
	last   error // what Close returned

	commits, ops, slow atomic.Uint64
	reported           atomic.Int64 // Unix seconds of the last report of slow reads
}

// handle is an open bbolt file.
type handle struct {
	path string // of the data file, also while this is a copy of it
	bolt *bolt.DB
	file *os.File // bbolt's own; walks read through it
	base uintptr  // where the mapping began when it was made

	committing atomic.Bool // bbolt is in a commit
}

func options(mapping int) *bolt.Options {
	return &bolt.Options{
		Timeout:         lockTimeout,
		NoFreelistSync:  true,
		FreelistType:    bolt.FreelistMapType,
		PageSize:        pageSize,
		InitialMmapSize: mapping,
	}
}

// Create makes a new, empty data file with a random id and opens it. It is an error (fs.ErrExist) if the path exists.
// The file appears under its name only when it is whole.
func Create(cfg Config) (*DB, error) {
	var id [16]byte
	rand.Read(id[:])
	if err := create(cfg.Path, id, cfg.format()); err != nil {
		return nil, fmt.Errorf("create data file: %w", err)
	}
	return Open(cfg)
}

// Restore is Create with the id and the format of a file whose entries are then put into the new one.
func Restore(cfg Config, id [16]byte, format int) (*DB, error) {
	_, _, err := decodeFormat(encodeFormat(id, format), cfg.format())
	if err == nil {
		err = create(cfg.Path, id, format)
	}
	if err != nil {
		return nil, fmt.Errorf("restore data file: %w", err)
	}
	return Open(cfg)
}

func create(path string, id [16]byte, format int) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(newPath(path))+"*") // 0600
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	if err := tmp.Close(); err != nil {
		return err
	}
	b, err := bolt.Open(tmp.Name(), 0o600, &bolt.Options{NoFreelistSync: true, PageSize: pageSize, Timeout: lockTimeout})
	if err != nil {
		return err
	}
	err = b.Update(func(tx *bolt.Tx) error {
		for i := Meta; i <= Audit; i++ {
			if _, err := tx.CreateBucket([]byte{byte(i)}); err != nil {
				return err
			}
		}
		m := tx.Bucket([]byte{byte(Meta)})
		if err := m.Put(keyFormat, encodeFormat(id, format)); err != nil {
			return err
		}
		return m.Put(keySums, new(Sums).Encode())
	})
	if err == nil {
		err = b.Update(func(*bolt.Tx) error { return nil }) // see DB.Close
	}
	if err := errors.Join(err, b.Close()); err != nil {
		return err
	}
	return publish(tmp.Name(), path)
}

// newPath is what the names of files begin with that are to get the name path when they are made.
func newPath(path string) string { return path + ".new-" }

// publish gives the finished file tmp the name path, which must be free, and makes the name durable.
func publish(tmp, path string) error {
	// A link fails where the name exists, also when two processes create at once. Some file systems have no links.
	if err := os.Link(tmp, path); errors.Is(err, fs.ErrExist) {
		return err
	} else if err != nil {
		if _, err := os.Lstat(path); err == nil {
			return &fs.PathError{Op: "create", Path: path, Err: fs.ErrExist}
		}
		if err := os.Rename(tmp, path); err != nil {
			return err
		}
	}
	return SyncDir(filepath.Dir(path))
}

// SyncDir makes the names in a directory durable.
func SyncDir(dir string) error {
	if runtime.GOOS == "windows" { // directories cannot be synced there
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Open opens an existing data file, checks its structure and holds its lock until Close. If a commit failed on the
// disk before, it copies the file into a new one first (rebuild.go). Errors: fs.ErrNotExist,
// [ErrRunning] after a second of waiting for the lock, [ErrNewer], [ErrDamaged].
func Open(cfg Config) (*DB, error) {
	if path, err := filepath.EvalSymlinks(cfg.Path); err == nil { // a copy belongs where the file is
		cfg.Path = path
	}
	db := &DB{path: cfg.Path, log: cfg.logger(), newest: cfg.format(), mapping: mapSize, room: room{dir: filepath.Dir(cfg.Path), limit: int64(cfg.MaxSize)}}
	db.wake.L = &db.mu
	err := db.open(cfg)
	if errors.Is(err, syscall.ENOMEM) {
		// Where address space is rationed, growth makes readers and writers wait now and then.
		db.log.Warn("the data file could not be mapped with room to grow", "error", err)
		db.mapping = func(int64) int { return 0 }
		err = db.open(cfg)
	}
	if errors.Is(err, errRebuilt) {
		err = db.open(cfg)
	}
	if err != nil {
		return nil, fmt.Errorf("open data file %s: %w", cfg.Path, err)
	}
	db.loop.Go(db.run)
	return db, nil
}

// errRebuilt means that the path names another file now, which is to be opened.
var errRebuilt = errors.New("the file was rebuilt")

func (db *DB) open(cfg Config) (err error) {
	f, err := openLocked(cfg.Path)
	if err != nil {
		return err
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = damaged("bbolt could not open it: %v", r)
		}
		if err != nil {
			unlock(f) // a panic in bbolt would keep it; fails where bbolt has closed f already
			f.Close()
		}
	}()
	// Whoever gave the file its name may have died before the name was durable, or have seen the fsync fail.
	if err := SyncDir(filepath.Dir(cfg.Path)); err != nil {
		return err
	}
	if err := db.removeLeft(); err != nil {
		return err
	}
	w, err := survey(f, db.newest)
	if err != nil {
		return err
	}
	if err := w.sums.compare(w.own[string(keySums)]); err != nil {
		return err
	}
	db.id, db.sums = w.id, w.sums
	db.format.Store(int64(w.format))

	if _, err := os.Stat(markPath(cfg.Path)); err == nil {
		if err := rebuild(f, cfg.Path, w, db.newest, db.mapping(w.used())); err != nil {
			return fmt.Errorf("a commit failed on the disk, so the file must be copied before it is used again: %w", err)
		}
		db.log.Warn("the data file was copied into a new one, since a commit had failed on the disk", "path", cfg.Path)
		return errRebuilt
	}
	size := int64(w.high) * pageSize
	h, err := openHandle(cfg.Path, f, options(db.mapping(size)))
	if err != nil {
		return err
	}
	db.now.Store(h)
	return nil
}

// removeLeft removes what a process that died has left beside the file: an unfinished copy, and a second name from when the file was made, under
// which the file would stay on the disk after a compaction. The caller holds the lock.
func (db *DB) removeLeft() error {
	entries, err := os.ReadDir(filepath.Dir(db.path))
	if err != nil {
		return err
	}
	for _, e := range entries {
		path := filepath.Join(filepath.Dir(db.path), e.Name())
		if path != copyPath(db.path) && !strings.HasPrefix(path, newPath(db.path)) {
			continue
		}
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		db.log.Info("an unfinished copy of the data file was removed", "path", path)
	}
	return nil
}

// survey walks the newest tree of a file.
func survey(f *os.File, newest int) (*walker, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	m, err := newestMeta(f)
	if err != nil {
		return nil, err
	}
	return walk(context.Background(), f, info.Size(), m, newest)
}

// openHandle lets bbolt open f, the data file at path or a copy of it, which it closes when it is closed itself.
func openHandle(path string, f *os.File, opts *bolt.Options) (*handle, error) {
	h := &handle{path: path, file: f}
	opts.Logger = newAlarm(h)
	opts.OpenFile = func(string, int, os.FileMode) (*os.File, error) { return f, nil }
	b, err := bolt.Open(f.Name(), 0o600, opts)
	if err != nil {
		return nil, err
	}
	b.AllocSize = 0 // the file grows in room.go, not in bbolt
	h.bolt, h.base = b, b.Info().Data
	return h, nil
}

// openLocked opens the file and takes its lock. The name may come to mean another file while this waits for the
// lock of the one it opened.
func openLocked(path string) (*os.File, error) {
	for {
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			return nil, err
		}
		if err := lock(f); err != nil {
			f.Close()
			return nil, err
		}
		mine, err1 := f.Stat()
		named, err2 := os.Stat(path)
		if err := errors.Join(err1, err2); err != nil {
			f.Close()
			return nil, err
		}
		if os.SameFile(mine, named) {
			return f, nil
		}
		f.Close()
	}
}

// Format returns the format of the file, which may be older than [Format]: see [DB.Raise].
func (db *DB) Format() int { return int(db.format.Load()) }

// ID returns the random id of the store, which sealed values are bound to.
func (db *DB) ID() [16]byte { return db.id }

// Close writes what is queued, refuses what comes later and gives the lock back. It waits for reads under way. It may be called
// more than once.
func (db *DB) Close() error {
	db.once.Do(func() { db.last = db.close() })
	return db.last
}

func (db *DB) close() error {
	db.mu.Lock()
	db.closing = true
	if db.cancel != nil {
		db.cancel()
	}
	db.wake.Signal()
	db.mu.Unlock()
	db.loop.Wait()
	db.work.Wait()
	db.closed.Store(true)

	h := db.now.Load()
	if db.wedged.Load() {
		// bbolt's Close would wait for a lock that a panic has left behind.
		return errors.Join(unlock(h.file), h.file.Close())
	}
	var err error
	if db.changed && db.Poisoned() == nil {
		// bbolt has two meta pages and takes the older one where the newer one is not valid: after a crash that is
		// right, later it would lose the last commit without a word. After an empty commit both say the same.
		err = db.update(func(*bolt.Tx) error { return nil })
		switch {
		case err == nil:
			err = trim(h)
		case harmless(err): // a full disk: the file is as sound as after a crash
			err = nil
		}
	}
	return errors.Join(err, h.bolt.Close())
}
