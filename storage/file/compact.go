package file

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"sync"
	"syscall"
	"time"

	bolt "go.etcd.io/bbolt"
)

// bbolt never gives space back to the disk. A compaction copies all entries into a new file beside the old one, in short reads, while
// changes go on; what was changed meanwhile is copied again, in rounds that get shorter. The last round holds the writer: then both files
// hold the same, the new one is synced and takes the name, and readers find it at their next read. Whoever dies before the rename
// has changed nothing, and the next start removes the copy.

// Compacted says what a compaction did.
type Compacted struct {
	Before, After int64         // bytes of the file
	Held          time.Duration // how long changes had to wait at its end
	Late          int64         // bytes that were copied meanwhile
}

// Wasteful tells whether so much of the file is free that a compaction is worth it.
func (s Stats) Wasteful() bool {
	return s.Free >= compactFloor && s.Free > (s.Size-s.Tail)/100*compactPercent
}

// Compact makes the file as small as its content. It calls progress, which may be nil, with bytes. Changes and reads go on meanwhile.
// Errors, with nothing changed: [ErrCompacting], [ErrFull] where there is no room for the copy, or not for it and events, [ErrBusy]
// where so much changes that a copy is never done, [ErrPoisoned], [ErrClosed], [ErrDamaged], or that of ctx.
func (db *DB) Compact(ctx context.Context, progress func(done, total int64)) (Compacted, error) {
	ctx, end, err := db.beginCompaction(ctx)
	if err != nil {
		return Compacted{}, fmt.Errorf("compact data file: %w", err)
	}
	defer end()
	if progress == nil {
		progress = func(int64, int64) {}
	}
	before := db.Stats()
	c := &compaction{db: db, done: Compacted{Before: before.Size}, full: db.Full() != nil}
	if err := c.run(ctx, before.Size-before.Tail-before.Free, progress); err != nil {
		if full(err) {
			err = fmt.Errorf("%w: %w", ErrFull, err)
		}
		return Compacted{}, fmt.Errorf("compact data file: %w", err)
	}
	c.done.After = db.Stats().Size
	db.log.Info("the data file was compacted", "before", c.done.Before, "after", c.done.After, "held", c.done.Held)
	return c.done, nil
}

func (db *DB) beginCompaction(ctx context.Context) (_ context.Context, end func(), err error) {
	db.mu.Lock()
	defer db.mu.Unlock()
	switch cause := db.Poisoned(); {
	case db.closing:
		return nil, nil, ErrClosed
	case cause != nil:
		return nil, nil, cause
	case db.cancel != nil:
		return nil, nil, ErrCompacting
	}
	ctx, cancel := context.WithCancelCause(ctx)
	db.cancel = func() { cancel(ErrClosed) }
	db.work.Add(1)
	return ctx, func() {
		db.mu.Lock()
		db.cancel = nil
		db.mu.Unlock()
		cancel(nil)
		db.work.Done()
	}, nil
}

// changed are the keys that commits have set or removed since they were last taken, with the sizes of their values.
type changed struct {
	mu    sync.Mutex
	keys  map[string]int // by bucket and key
	bytes int            // of values
}

func (c *changed) add(changes []change) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, ch := range changes {
		name := string(append([]byte{byte(ch.bucket)}, ch.key...))
		c.bytes += len(ch.value) - c.keys[name]
		c.keys[name] = len(ch.value)
	}
}

func (c *changed) take() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	keys := c.keys
	c.keys, c.bytes = map[string]int{}, 0
	return keys
}

func (c *changed) count() (keys, bytes int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.keys), c.bytes
}

// compaction is the making of one copy.
type compaction struct {
	db    *DB
	to    *handle
	tx    *bolt.Tx // of the copy, nil when nothing waits to be written
	bytes int      // in tx
	sums  Sums     // of the copy
	news  *changed
	done  Compacted

	full   bool // events were refused when it began
	last   bool // it holds up the writer
	broken bool // bbolt panicked with the copy
}

// errBehind means that more has changed than the writer may be held up for.
var errBehind = errors.New("the copy is behind")

func (c *compaction) run(ctx context.Context, live int64, progress func(done, total int64)) (err error) {
	db := c.db
	if c.to, err = newCopy(db.now.Load().file, db.path, (live+live/20)/pageSize*pageSize, copySpare+doubtfulSpare, db.mapping(live)); err != nil {
		return err
	}
	defer func() {
		if db.now.Load() != c.to {
			err = errors.Join(err, c.discard())
		}
	}()
	c.news = &changed{keys: map[string]int{}}
	db.watchers.join(c.news)
	defer db.watchers.leave(c.news)
	err = c.guard(func() error {
		if err := c.copyOwn(); err != nil {
			return err
		}
		if err := c.copyAll(ctx, live, progress); err != nil {
			return err
		}
		_, err := survey(c.to.file, db.newest)
		return err
	})
	for range catchUps {
		if err != nil {
			return err
		}
		err = db.alone(func() error { return c.guard(func() error { return c.finish(ctx) }) })
		if err != errBehind {
			return err
		}
		err = c.guard(func() error { return c.copyAgain(ctx) })
	}
	return errTooBusy
}

var errTooBusy = fmt.Errorf("%w: the copy never gets done, try again when there is less to do", ErrBusy)

// guard turns a panic of bbolt into an error.
func (c *compaction) guard(fn func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			c.broken = true
			err = damaged("copy: %s", c.to.describe(r))
		}
	}()
	return fn()
}

// discard removes an unfinished copy.
func (c *compaction) discard() error {
	err := os.Remove(copyPath(c.db.path))
	if c.broken { // bbolt may hold its locks
		return errors.Join(err, unlock(c.to.file), c.to.file.Close())
	}
	if c.tx != nil {
		c.tx.Rollback()
	}
	return errors.Join(err, c.to.bolt.Close())
}

// copyOwn makes the buckets of the copy and writes this package's entries.
func (c *compaction) copyOwn() error {
	var format []byte
	err := c.db.view(func(tx *bolt.Tx) error {
		format = bytes.Clone(tx.Bucket([]byte{byte(Meta)}).Get(keyFormat))
		return nil
	})
	if err != nil {
		return err
	}
	return c.to.bolt.Update(func(tx *bolt.Tx) error {
		for b := Meta; b <= Audit; b++ {
			if _, err := tx.CreateBucketIfNotExists([]byte{byte(b)}); err != nil {
				return err
			}
		}
		m := tx.Bucket([]byte{byte(Meta)})
		return errors.Join(m.Put(keyFormat, format), m.Put(keySums, c.sums.Encode()))
	})
}

// copyAll copies what there is. What is changed behind it is among the news.
func (c *compaction) copyAll(ctx context.Context, live int64, progress func(done, total int64)) error {
	var done int64
	for b := Meta; b <= Audit; b++ {
		err := c.db.Scan(ctx, b, nil, func(key, value []byte) error {
			done += int64(len(key) + len(value))
			progress(min(done, live), live)
			return c.set(b, key, value)
		})
		if err != nil {
			return cause(ctx, err)
		}
	}
	return c.flush()
}

// copyAgain copies the news as they are now.
func (c *compaction) copyAgain(ctx context.Context) error {
	for _, k := range slices.Sorted(maps.Keys(c.news.take())) {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		b, key := Bucket(k[0]), []byte(k[1:])
		if b == Meta && key[0] == 0 {
			continue // they are written at the end
		}
		value, err := c.db.Get(b, key)
		if err == nil {
			err = c.set(b, key, value)
		}
		if err != nil {
			return err
		}
	}
	return c.flush()
}

// set makes the copy hold value under key, or nothing where value is nil. Both are kept until they are written.
func (c *compaction) set(b Bucket, key, value []byte) (err error) {
	if news, _ := c.news.count(); news > maxNews {
		return errTooBusy
	}
	if c.tx == nil {
		if c.tx, err = c.to.bolt.Begin(true); err != nil {
			return err
		}
		c.bytes = 0
	}
	bucket := c.tx.Bucket([]byte{byte(b)})
	bucket.FillPercent = copyFill
	had := bucket.Get(key) != nil
	if value == nil {
		err = bucket.Delete(key)
	} else {
		err = bucket.Put(key, value)
	}
	if err != nil {
		return err
	}
	switch has := value != nil; {
	case has && !had:
		c.sums.flip(b, key, 1)
	case had && !has:
		c.sums.flip(b, key, -1)
	}
	if c.last {
		c.done.Late += int64(len(key) + len(value))
	}
	if c.bytes += len(key) + len(value); c.bytes >= copyBatch {
		return c.flush()
	}
	return nil
}

// flush writes what waits, also to the disk: if all of it came at the end, commits beside it would stand in line behind it.
func (c *compaction) flush() error {
	if c.tx == nil {
		return nil
	}
	tx := c.tx
	c.tx = nil
	if err := tx.Commit(); err != nil || c.last { // then it is synced at the end
		return err
	}
	if c.db.Full() != nil && !c.full {
		return fmt.Errorf("%w: events need the room that the copy takes", ErrFull)
	}
	return c.to.bolt.Sync()
}

// finish makes the copy whole and the file of the DB, or returns errBehind. It runs on the committing goroutine, so no commit comes in between.
func (c *compaction) finish(ctx context.Context) error {
	db, began := c.db, time.Now()
	if keys, bytes := c.news.count(); keys > lastRound || bytes > lastBytes {
		return errBehind
	}
	c.last = true
	if err := c.copyAgain(ctx); err != nil {
		return err
	}
	if c.sums != db.sums {
		return damaged("the copy has not the entries that the file should have")
	}
	if err := c.copyOwn(); err != nil {
		return err
	}
	if err := c.to.seal(); err != nil {
		return err
	}
	if err := db.now.Load().named(); err != nil {
		return err
	}
	renamed, err := c.to.publish(db.path)
	if !renamed {
		return err
	}
	if err != nil { // the name may not last, and what was written from now on would not either
		err = db.fail(err)
	}
	c.to.bolt.NoSync = false
	old := db.now.Swap(c.to)
	db.room.have = 0
	db.work.Go(func() { // waits for its last readers
		if err := old.bolt.Close(); err != nil {
			db.log.Warn("the old data file was not closed well", "error", err)
		}
	})
	c.done.Held = time.Since(began)
	return err
}

// alone runs fn on the committing goroutine, between commits.
func (db *DB) alone(fn func() error) error {
	return db.submit(&Pending{alone: fn, done: make(chan struct{})}).Wait(context.Background())
}

func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// copyPath is where a copy is made. Whoever holds the lock of the file at path owns it.
func copyPath(path string) string { return path + ".copy" }

// newCopy makes an empty file with room for size bytes, and spare ones beside it, on the disk that is to take the place of old, which is at
// path: it has the same owner. It is locked and not synced before [handle.seal].
func newCopy(old *os.File, path string, size, spare int64, mapping int) (h *handle, err error) {
	if free, ok := diskFree(filepath.Dir(path)); ok && free < size+spare {
		return nil, fmt.Errorf("%w: the copy needs %d MB and %d MB are free", ErrFull, (size+spare)>>20, free>>20)
	}
	f, err := os.OpenFile(copyPath(path), os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	if err := lock(f); err != nil {
		return nil, err
	}
	if err := giveTo(f, old); err != nil {
		return nil, err
	}
	opts := options(mapping)
	opts.NoSync = true
	if h, err = openHandle(path, f, opts); err != nil {
		return nil, err
	}
	if err := allocate(f, 0, size); err != nil && !errors.Is(err, errNoPromise) {
		if full(err) {
			err = fmt.Errorf("%w: the copy needs %d MB: %w", ErrFull, size>>20, err)
		}
		return nil, errors.Join(err, h.bolt.Close())
	}
	h.bolt.AllocSize = growBy // until its room is looked after
	return h, nil
}

// seal makes a copy durable.
func (h *handle) seal() error {
	if err := h.bolt.Update(func(*bolt.Tx) error { return nil }); err != nil { // see DB.close
		return err
	}
	h.bolt.AllocSize = 0
	if err := trim(h); err != nil {
		return err
	}
	return h.file.Sync()
}

// named returns an error if another file has the name of the data file: whoever has put it there, perhaps one restored from a backup, needs it.
func (h *handle) named() error {
	mine, err1 := h.file.Stat()
	named, err2 := os.Stat(h.path)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	if !os.SameFile(mine, named) {
		return fmt.Errorf("%s is another file now, which somebody has put in the place of the one that is in use: restart to use it", h.path)
	}
	return nil
}

// publish gives a sealed copy the name of the file it was made of. renamed tells whether the name is, or may be, the copy's now.
func (h *handle) publish(path string) (renamed bool, err error) {
	if err := os.Rename(copyPath(path), path); err != nil {
		mine, err1 := h.file.Stat()
		named, err2 := os.Stat(path)
		return err1 != nil || err2 != nil || os.SameFile(mine, named) || errors.Is(err, syscall.EIO), err
	}
	return true, SyncDir(filepath.Dir(path))
}
