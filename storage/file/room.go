package file

import (
	"errors"
	"fmt"
	"sync/atomic"
	"syscall"
	"time"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// A full disk must be noticed before bbolt writes: an error in the midst of a commit cannot be told from that of a
// broken disk, and ends all writing until the next start. So it is not bbolt that lets the file grow. Before each commit the
// committing goroutine sees to it that the file has blocks on the disk for all its bytes and for what the commit may add;
// where they are not to be had, the commit is called off with nothing written. What a commit adds is an estimate, so
// bbolt is also held to the room there is (its MaxSize), and an estimate that was too low is met by another try.
//
// Some file systems write every block to a new place, or give no blocks ahead. There the commit is called off when little is left
// on the disk, which is likely to be right and no promise.

// room is what is known of the blocks behind the file. What changes, but full, belongs to the committing goroutine.
type room struct {
	dir      string      // of the file
	limit    int64       // Config.MaxSize, or 0
	have     int64       // bytes from the file's beginning that have blocks
	known    bool        // whether doubtful has been found out
	doubtful bool        // having blocks does not mean that they can be written
	full     atomic.Bool // there was no room for the smallest of changes
}

// makeRoom makes the file of h ready for more bytes behind end, of a bulk op or another. It returns ErrFull where that is not
// possible; another error is one of the disk.
func (r *room) makeRoom(h *handle, end, more int64, bulk bool) error {
	if !growsHere {
		return nil
	}
	if !r.known {
		r.known, r.doubtful = true, !keepsBlocks(h.file)
	}
	if r.doubtful {
		spare := int64(doubtfulKept)
		if bulk {
			spare = doubtfulSpare
		}
		if free, ok := diskFree(r.dir); ok && free < more+spare {
			return fmt.Errorf("%w: %d bytes are left", ErrFull, free)
		}
	}
	need := (end + more + pageSize - 1) / pageSize * pageSize
	if need <= r.have {
		return nil
	}
	info, err := h.file.Stat()
	if err != nil {
		return err
	}
	size := info.Size()
	// The last try is for holes in the file: what fits into its free pages can then still be written.
	for _, to := range []int64{need + growBy, need, size} {
		if to = max(to, size); r.limit > 0 && to > max(size, r.limit) {
			err = fmt.Errorf("the data file may have %d bytes", r.limit)
			continue
		}
		grown := r.extend(h, size, to)
		if grown == nil {
			break
		}
		if err = grown; !full(err) {
			return err
		}
	}
	if need > r.have {
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return nil
}

// extend gives the file blocks up to the byte to and makes it that long.
func (r *room) extend(h *handle, size, to int64) error {
	err := errNoPromise
	if to <= r.have {
		return nil
	}
	if !r.doubtful {
		err = allocate(h.file, r.have, to-r.have)
		r.doubtful = errors.Is(err, errNoPromise)
	}
	if r.doubtful && size < to {
		err = h.file.Truncate(to)
	} else if r.doubtful {
		err = nil
	}
	if err == nil && size < to {
		err = h.file.Sync() // as bbolt does where it lets a file grow
	}
	if err != nil {
		return err
	}
	r.have = to
	h.bolt.MaxSize = int(to)
	return nil
}

// full tells whether an error means that the disk, or what this user may have of it, is full.
func full(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
}

// admit decides about the transaction tx before it is committed: whether there is room for what t has changed.
func (db *DB) admit(h *handle, tx *bolt.Tx, t *Tx) error {
	more := t.need()
	if t.bulk {
		more += keptBack
	}
	err := db.room.makeRoom(h, tx.Size(), more, t.bulk)
	if errors.Is(err, ErrFull) {
		// Free pages inside the file may do, and bbolt is held to those.
		if free := db.room.inside(h); free >= 2*more || free > 0 && !t.bulk {
			return nil
		}
	}
	return err
}

// inside returns how many bytes of free pages the file of h has that can surely be written.
func (r *room) inside(h *handle) int64 {
	if r.doubtful || r.have == 0 {
		return 0
	}
	s := h.bolt.Stats() // as the last commit left it: what was pending then, the next one may use
	return int64(s.FreePageN+s.PendingPageN) * pageSize
}

// need is about how many bytes the file may get longer by the commit: what was put, a page for each leaf that may be written anew, and
// the branches above.
func (t *Tx) need() int64 {
	return int64(t.bytes)*5/4 + int64(min(len(t.changes), maxLeaves))*pageSize + branchRoom
}

// noteFull is called when a change found no room. Where there is none for a small change either, events are refused
// at the door until a probe finds room.
func (db *DB) noteFull(cause error) {
	if db.roomForEvents() || db.room.full.Swap(true) {
		return
	}
	db.log.Error("the disk is full: events are refused until there is room, reading goes on", "error", cause)
	db.probeLater()
}

// roomForEvents tells whether events can be written. A disk that fails is noticed here too.
func (db *DB) roomForEvents() bool {
	h := db.now.Load()
	var end int64
	err := db.view(func(tx *bolt.Tx) error { end = tx.Size(); return nil })
	if err != nil || db.Poisoned() != nil {
		return true // they are refused, but not for want of room
	}
	switch err = db.room.makeRoom(h, end, roomAgain, true); {
	case errors.Is(err, ErrFull):
		return db.room.inside(h) >= 2*roomAgain
	case err != nil:
		db.fail(err)
	}
	return true
}

func (db *DB) probeLater() {
	time.AfterFunc(probeEvery, func() {
		db.mu.Lock()
		db.probe = true
		db.wake.Signal()
		db.mu.Unlock()
	})
}

// probeRoom opens the door for events again when there is room.
func (db *DB) probeRoom() {
	if !db.roomForEvents() {
		db.probeLater()
		return
	}
	db.room.full.Store(false)
	db.log.Info("there is room on the disk again: events are accepted")
}

// Full returns nil, or ErrFull while events are refused for want of room on the disk.
func (db *DB) Full() error {
	if db.room.full.Load() {
		return ErrFull
	}
	return nil
}

// Room returns ErrFull if the disk surely has no room for so many bytes more. It is a look ahead for those who would do
// much work in vain; nothing is reserved.
func (db *DB) Room(more int64) error {
	s := db.Stats()
	if free, ok := diskFree(db.room.dir); ok && more > free+s.Free+s.Tail {
		return fmt.Errorf("%w: %d bytes are needed and %d are left", ErrFull, more, free+s.Free+s.Tail)
	}
	return nil
}

// Beside returns ErrFull if another file on the disk, longer by so many bytes, would leave too little there to go on: a job must end before it takes
// the room that events need.
func (db *DB) Beside(more int64) error {
	if free, ok := diskFree(db.room.dir); ok && free-copySpare-doubtfulSpare < more {
		return fmt.Errorf("%w: %d MB are left", ErrFull, free>>20)
	}
	return nil
}

// again writes changes that an estimate left too little room for: bbolt has refused them before anything was written.
func (db *DB) again(t *Tx, after *Sums) (err error) {
	h := db.now.Load()
	for more := 4 * t.need(); ; more *= 4 {
		err = db.update(func(tx *bolt.Tx) error {
			if err := db.room.makeRoom(h, tx.Size(), more, t.bulk); err != nil {
				return err
			}
			for _, c := range t.changes {
				if err := c.apply(tx); err != nil {
					return err
				}
			}
			return tx.Bucket([]byte{byte(Meta)}).Put(keySums, after.Encode())
		})
		if !errors.Is(err, berrors.ErrMaxSizeReached) {
			return err
		}
	}
}

// trim gives back the room behind the last page, for a file that is about to be closed and read for a while.
func trim(h *handle) error {
	info, err := h.file.Stat()
	if err != nil || !growsHere {
		return err
	}
	var end int64
	if err := h.bolt.View(func(tx *bolt.Tx) error { end = tx.Size(); return nil }); err != nil {
		return err
	}
	if info.Size()-end > growBy {
		return h.file.Truncate(end + growBy)
	}
	return nil
}

// DiskFree returns how many bytes are free on the disk that holds path, for those who are not root. Nothing is known where ok is false.
func DiskFree(path string) (free int64, ok bool) { return diskFree(path) }
