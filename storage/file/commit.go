package file

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"sync/atomic"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// Op is a change. Write makes it, inside a commit that it may share with other ops; it should do nothing fallible
// but call its Tx. When it returns an error the op's changes are taken back and the op ends with that error.
//
// Done, which may be nil, is called exactly once for every op that was queued, on the committing goroutine, right
// after the commit and before those who wait wake up. It must be quick and must not wait for another op.
//
// Bulk says that the op is one of many or a large one, such as events. When the disk gets full, bulk ops are refused first, so that there is
// room for what helps: deletions, and those who log in to look. So are they when many ops wait.
type Op struct {
	Write func(*Tx) error
	Done  func(error)
	Bulk  bool
}

// Pending is an op that was handed to [DB.Submit].
type Pending struct {
	op      Op
	alone   func() error // to be run in place of op, between commits
	started atomic.Bool
	refused error
	err     error // set before done is closed
	done    chan struct{}
}

// Wait returns when the op has ended: nil means that it is on the disk. An error that is [ErrPoisoned] means that the outcome
// is not known: the change may or may not be there at the next start. When ctx ends first its error is returned, and the op goes on.
func (p *Pending) Wait(ctx context.Context) error {
	select {
	case <-p.done:
		return p.err
	default:
	}
	if ctx.Done() == nil {
		<-p.done
		return p.err
	}
	select {
	case <-p.done:
		return p.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Started tells whether the op's Write was or is about to be called. It turns true before Write runs and stays so.
func (p *Pending) Started() bool { return p.started.Load() }

// Refused returns why Submit did not queue the op, in which case Write and Done are never called, or nil.
func (p *Pending) Refused() error { return p.refused }

// Submit queues an op and returns at once. Ops are written in the order of their submission. The commit under way
// gathers the next batch; there is no timer. It is refused with [ErrBusy], [ErrPoisoned] or [ErrClosed], and a bulk op with
// [ErrFull], which any op may also end with. Then nothing of it was written and others may be tried.
func (db *DB) Submit(op Op) *Pending {
	return db.submit(&Pending{op: op, done: make(chan struct{})})
}

func (db *DB) submit(p *Pending) *Pending {
	db.mu.Lock()
	switch cause := db.Poisoned(); {
	case db.closing:
		p.refused = ErrClosed
	case cause != nil:
		p.refused = cause
	case p.op.Bulk && db.room.full.Load():
		p.refused = ErrFull
	case p.alone == nil && (len(db.queue) >= MaxQueued || p.op.Bulk && len(db.queue) >= MaxQueued-SpareQueued):
		p.refused = ErrBusy
	default:
		db.queue = append(db.queue, p)
		db.wake.Signal()
	}
	db.mu.Unlock()
	if p.refused != nil {
		p.err = p.refused
		close(p.done)
	}
	return p
}

// Commit submits one change and waits for it.
func (db *DB) Commit(ctx context.Context, write func(*Tx) error) error {
	return db.Submit(Op{Write: write}).Wait(ctx)
}

// Raise makes the file one of a later format, in one commit with what write does. From then on programs that know only older formats
// refuse the file. The step that leads to a format is written once and stays for ever: files of every format must come through.
func (db *DB) Raise(ctx context.Context, format int, write func(*Tx) error) error {
	if format <= db.Format() || format > db.newest {
		return fmt.Errorf("raise format: from %d to %d is no step, formats up to %d are known", db.Format(), format, db.newest)
	}
	return db.Submit(Op{
		Write: func(tx *Tx) error {
			if err := write(tx); err != nil {
				return err
			}
			return tx.setFormat(db.id, format)
		},
		Done: func(err error) {
			if err == nil {
				db.format.Store(int64(format))
			}
		},
	}).Wait(ctx)
}

// Poisoned returns nil, or an [ErrPoisoned] that wraps the error of the commit that failed.
func (db *DB) Poisoned() error {
	if p := db.poison.Load(); p != nil {
		return *p
	}
	return nil
}

// run is the committing goroutine: the only one that writes. It ends when Close was called and the queue is empty.
func (db *DB) run() {
	debug.SetPanicOnFault(true) // an unreadable disk block under the mapping is a panic then, not the end of the process
	var batch []*Pending
	for {
		db.mu.Lock()
		for len(db.queue) == 0 && !db.closing && !db.probe {
			db.wake.Wait()
		}
		if len(db.queue) == 0 && db.closing {
			db.mu.Unlock()
			return
		}
		probe := db.probe
		batch, db.queue, db.probe = db.queue, batch[:0], false
		db.mu.Unlock()

		if probe {
			db.probeRoom()
		}
		for rest := db.runAlone(batch); len(rest) > 0; {
			n := db.commit(rest)
			rest = rest[n:]
		}
		// Those who have just woken up go first: what they submit at once shares the next commit, not the one after.
		runtime.Gosched()
		clear(batch)
	}
}

// runAlone runs what is not to be committed, first, so that it divides no commit, and returns the ops.
func (db *DB) runAlone(batch []*Pending) (ops []*Pending) {
	for i, p := range batch {
		if p.alone == nil {
			continue
		}
		err := db.Poisoned()
		if err == nil {
			err = p.alone()
		}
		finish(batch[i:i+1], err)
	}
	return slices.DeleteFunc(batch, func(p *Pending) bool { return p.alone != nil })
}

// errNothing ends a transaction in which no op changed anything.
var errNothing = errors.New("nothing to commit")

// commit writes the first n ≥ 1 ops of batch in one transaction and ends them.
func (db *DB) commit(batch []*Pending) (n int) {
	if cause := db.Poisoned(); cause != nil {
		finish(batch, cause)
		return len(batch)
	}
	h, after := db.now.Load(), db.sums
	t := &Tx{sums: &after, bulk: batch[0].op.Bulk}
	err := db.update(func(tx *bolt.Tx) error {
		t.tx = tx
		for _, p := range batch {
			if t.bytes >= MaxBatchBytes || p.op.Bulk != t.bulk { // what is no room for the ones may be enough for the others
				break
			}
			n++
			p.started.Store(true)
			p.err = t.run(p.op.Write)
			if t.fatal != nil {
				return t.fatal
			}
		}
		if len(t.changes) == 0 {
			return errNothing
		}
		if err := tx.Bucket([]byte{byte(Meta)}).Put(keySums, after.Encode()); err != nil {
			return err
		}
		return db.admit(h, tx, t)
	})
	if errors.Is(err, berrors.ErrMaxSizeReached) {
		err = db.again(t, &after)
	}
	switch {
	case err == nil:
		db.sums, db.changed = after, true
		db.commits.Add(1)
		db.ops.Add(uint64(n))
		db.watchers.tell(t.changes)
		finish(batch[:n], nil)
	case errors.Is(err, errNothing):
		finish(batch[:n], nil)
	case errors.Is(err, ErrFull):
		db.noteFull(err)
		finish(batch[:n], err)
	default:
		n = max(n, 1) // the transaction may not have begun
		for _, p := range batch[:n] {
			p.err = nil // an op's own error does not count: whether it was taken back is not known either
		}
		finish(batch[:n], db.fail(err))
	}
	return n
}

// fail poisons the file: a commit, or a sync, has failed with err.
func (db *DB) fail(err error) error {
	cause := fmt.Errorf("%w: %w", ErrPoisoned, err)
	db.poison.Store(&cause)
	db.log.Error("a commit failed: nothing more is written until the next start", "error", err)
	if !harmless(err) && !db.wedged.Load() {
		if err := mark(db.path); err != nil {
			db.log.Error("the file could not be marked for a rebuild: copy it before it is used again", "error", err)
		}
	}
	return cause
}

// finish ends ops that have no error of their own with err. All Dones run before anyone wakes.
func finish(ops []*Pending, err error) {
	for _, p := range ops {
		if p.err == nil {
			p.err = err
		}
		if p.op.Done != nil {
			p.op.Done(p.err)
		}
	}
	for _, p := range ops {
		close(p.done)
	}
}

// update runs one bbolt transaction and turns a panic inside it into an error.
func (db *DB) update(fn func(*bolt.Tx) error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			db.wedged.Store(true)
			what := db.now.Load().describe(r)
			db.log.Error("a panic inside a commit", "panic", what, "stack", string(debug.Stack()))
			err = damaged("a commit panicked: %s", what)
		}
	}()
	if db.blind.Load() {
		return damaged("its beginning could not be read before")
	}
	h := db.now.Load()
	h.committing.Store(true)
	defer h.committing.Store(false)
	return h.bolt.Update(fn)
}
