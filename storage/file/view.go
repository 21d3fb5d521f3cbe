package file

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// view runs a short read transaction. Bad pages and unreadable disk blocks, which are panics in bbolt, become [ErrDamaged]. While
// it is open no page it can see is used again, so the file grows by all that is written: one that stays open is reported.
func (db *DB) view(fn func(*bolt.Tx) error) error {
	return db.viewIn(func(_ *handle, tx *bolt.Tx) error { return fn(tx) })
}

// viewIn is view for those who also need the file that the transaction reads.
func (db *DB) viewIn(fn func(*handle, *bolt.Tx) error) error {
	for {
		h := db.now.Load()
		err := db.viewOf(h, fn)
		if err != ErrClosed || db.closed.Load() || db.now.Load() == h {
			return err
		}
		// A compaction has put another file in its place.
	}
}

func (db *DB) viewOf(h *handle, fn func(*handle, *bolt.Tx) error) error {
	tx, err := db.begin(h)
	if err != nil {
		return err
	}
	return db.reading(h, tx, fn)
}

// begin begins a read transaction, which is to be handed to reading.
func (db *DB) begin(h *handle) (tx *bolt.Tx, err error) {
	switch {
	case db.closed.Load():
		return nil, ErrClosed
	case db.blind.Load():
		return nil, damaged("its beginning could not be read before")
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true)) // an unreadable block under the mapping is a panic then, not the end of the process
	defer func() {
		if r := recover(); r != nil {
			err = damaged("read: %s", h.describe(r))
			db.loseSight(err)
		}
	}()
	if err := h.metaThere(); errors.Is(err, os.ErrClosed) {
		return nil, ErrClosed
	} else if err != nil {
		err = damaged("read: %v", err)
		db.loseSight(err)
		return nil, err
	}
	tx, err = h.bolt.Begin(false)
	if errors.Is(err, berrors.ErrDatabaseNotOpen) {
		return nil, ErrClosed
	}
	return tx, err
}

// metaThere returns an error if the meta pages cannot be read. bbolt reads them under its locks, which a panic leaves locked: who waits for
// them then, perhaps in the midst of a commit, waits for ever.
func (h *handle) metaThere() error {
	var b [1]byte
	for page := range int64(2) {
		if _, err := h.file.ReadAt(b[:], page*pageSize); err != nil {
			return fmt.Errorf("meta page %d cannot be read from the disk: %w", page, err)
		}
	}
	return nil
}

// reading runs fn in a read transaction and ends it.
func (db *DB) reading(h *handle, tx *bolt.Tx, fn func(*handle, *bolt.Tx) error) (err error) {
	defer tx.Rollback()
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = damaged("read: %s", h.describe(r))
		}
	}()
	defer time.AfterFunc(slowRead, db.reportReaders).Stop()
	return fn(h, tx)
}

// viewAt is viewIn in a transaction that stands between two commits: the committing goroutine begins it, and calls begun.
func (db *DB) viewAt(ctx context.Context, begun func(), fn func(*handle, *bolt.Tx) error) error {
	var h *handle
	var tx *bolt.Tx
	var decided atomic.Bool // the transaction begins, or will not
	p := db.submit(&Pending{done: make(chan struct{}), alone: func() (err error) {
		if decided.Swap(true) {
			return nil
		}
		h = db.now.Load()
		if tx, err = db.begin(h); err == nil {
			begun()
		}
		return err
	}})
	err := p.Wait(ctx)
	if err != nil && err == ctx.Err() {
		if !decided.Swap(true) {
			return err
		}
		err = p.Wait(context.Background())
	}
	if err != nil {
		return err
	}
	return db.reading(h, tx, fn)
}

// loseSight ends reading and writing: a meta page could not be read, and bbolt has kept its locks.
func (db *DB) loseSight(err error) {
	db.blind.Store(true)
	db.wedged.Store(true)
	db.fail(err)
}

// describe says what a panic was about, and for a fault under the mapping which page could not be read.
func (h *handle) describe(r any) string {
	if fault, ok := r.(interface{ Addr() uintptr }); ok && fault.Addr() >= h.base {
		return fmt.Sprintf("page %d cannot be read from the disk", (fault.Addr()-h.base)/pageSize)
	}
	return fmt.Sprint(r)
}

// reportReaders logs where the reads that are open now come from: functions and lines, no data. A disk that is slow is no news
// each time, so it does so once in a while.
func (db *DB) reportReaders() {
	db.slow.Add(1)
	now := time.Now().Unix()
	if last := db.reported.Load(); now-last < int64(reportEvery/time.Second) || !db.reported.CompareAndSwap(last, now) {
		return
	}
	stacks := readers()
	db.log.Warn("a read of the data file takes long: the file grows by what is written meanwhile", "limit", slowRead, "readers", stacks)
}

// readers returns the callers of every view that is open, each once.
func readers() (stacks []string) {
	records := make([]runtime.StackRecord, runtime.NumGoroutine()+64)
	n, ok := runtime.GoroutineProfile(records)
	if !ok { // many have come since they were counted
		return []string{"too many goroutines to tell"}
	}
	for i := range records[:n] {
		var lines []string
		reads := false
		frames := runtime.CallersFrames(records[i].Stack())
		for {
			f, more := frames.Next()
			reads = reads || strings.HasSuffix(f.Function, "file.(*DB).reading")
			if reads && f.Function != "" {
				lines = append(lines, fmt.Sprintf("%s:%d", f.Function, f.Line))
			}
			if !more {
				break
			}
		}
		if stack := strings.Join(lines, " < "); reads && !slices.Contains(stacks, stack) {
			stacks = append(stacks, stack)
		}
	}
	return stacks
}
