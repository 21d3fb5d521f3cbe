package storage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"footfall/storage/file"
	"footfall/storage/seal"
)

// Scratch is where a long job puts down what it cannot hold in memory: a file in the data directory, sealed with a key that only this
// process has, and without a name where the system allows it, so that nothing is left when the job, the process or the machine ends. It is
// made at the first Write. It is safe for concurrent use.
//
//	a value   the pieces it was cut into, one after the other
//	a piece   at most scratchPiece bytes, sealed; its place is its offset in the file
type Scratch struct {
	dir    string
	sealer *seal.Sealer
	room   func(more int64) error // on the disk

	mu   sync.Mutex // guards all below
	f    *os.File
	name string // "" if the file has none
	end  int64
	err  error // of a write that failed, or errScratchClosed
}

// Stored names a value in a Scratch. The zero value is the empty one.
type Stored struct {
	at     int64
	length int
}

var errScratchClosed = errors.New("scratch file: internal error: used after the end")

const scratchPattern = "footfall-scratch-*.tmp"

// Scratch returns an empty Scratch. The caller closes it. What it takes leaves room on the disk for events: its last Write then ends with ErrFull.
func (s *Store) Scratch() *Scratch {
	return &Scratch{dir: s.cfg.Dir, sealer: seal.Ephemeral(), room: s.db.Beside}
}

// Write puts a value down. After an error there will be no other value.
func (x *Scratch) Write(value []byte) (Stored, error) {
	pieces := (len(value) + scratchPiece - 1) / scratchPiece
	size := int64(len(value) + pieces*seal.Overhead)
	x.mu.Lock()
	err := x.openLocked()
	if err == nil {
		err = x.failLocked(x.room(size))
	}
	at, f := x.end, x.f
	x.end += size
	x.mu.Unlock()
	if err != nil {
		return Stored{}, err
	}
	stored := Stored{at, len(value)}
	var sealed []byte
	for len(value) > 0 {
		n := min(len(value), scratchPiece)
		sealed = x.sealer.Seal(sealed[:0], value[:n], scratchPlace(at))
		if _, err := f.WriteAt(sealed, at); err != nil {
			x.mu.Lock()
			defer x.mu.Unlock()
			return Stored{}, x.failLocked(diskError(err))
		}
		value = value[n:]
		at += int64(len(sealed))
	}
	return stored, nil
}

// failLocked keeps the error of a write, if it is one.
func (x *Scratch) failLocked(err error) error {
	if err != nil {
		x.err = fmt.Errorf("write scratch file in %s: %w", x.dir, err)
	}
	return x.err
}

// openLocked makes the file if there is none.
func (x *Scratch) openLocked() error {
	if x.err != nil || x.f != nil {
		return x.err
	}
	f, err := os.CreateTemp(x.dir, scratchPattern)
	if err != nil {
		x.err = fmt.Errorf("make scratch file: %w", err)
		return x.err
	}
	x.f = f
	if os.Remove(f.Name()) != nil { // some systems keep the name of an open file; Close removes it there
		x.name = f.Name()
	}
	return nil
}

// Read appends a value to dst.
func (x *Scratch) Read(dst []byte, v Stored) ([]byte, error) {
	x.mu.Lock()
	f := x.f
	x.mu.Unlock()
	if f == nil && v.length > 0 {
		return nil, errScratchClosed
	}
	var sealed []byte
	for at := v.at; v.length > 0; {
		n := min(v.length, scratchPiece)
		if cap(sealed) < n+seal.Overhead {
			sealed = make([]byte, n+seal.Overhead)
		}
		sealed = sealed[:n+seal.Overhead]
		if _, err := f.ReadAt(sealed, at); err != nil {
			return nil, fmt.Errorf("read scratch file: %w", err)
		}
		var err error
		if dst, err = x.sealer.Open(dst, sealed, scratchPlace(at)); err != nil {
			return nil, fmt.Errorf("read scratch file: %w", err)
		}
		v.length -= n
		at += int64(len(sealed))
	}
	return dst, nil
}

// Size returns how many bytes of disk it takes.
func (x *Scratch) Size() int64 {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.end
}

// Close removes everything. Nobody may use the Scratch any more.
func (x *Scratch) Close() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.f == nil {
		x.err = errScratchClosed
		return nil
	}
	errs := []error{x.f.Close()}
	if x.name != "" {
		errs = append(errs, os.Remove(x.name))
	}
	x.f, x.err = nil, errScratchClosed
	return errors.Join(errs...)
}

// removeScratch removes scratch files that a process left that died, on a system that keeps the name of an open file. Nobody can read them.
func removeScratch(dir string) {
	left, err := filepath.Glob(filepath.Join(dir, scratchPattern))
	if err != nil {
		return
	}
	for _, name := range left {
		os.Remove(name)
	}
}

func scratchPlace(at int64) seal.Place {
	return place(file.Bucket(0), binary.BigEndian.AppendUint64(nil, uint64(at)), typeScratch)
}
