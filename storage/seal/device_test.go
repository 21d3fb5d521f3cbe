package seal_test

import (
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"slices"
	"syscall"
)

// memDevice is a vault's file in memory. It records every write and sync, and fails at one of them.
type memDevice struct {
	data    []byte
	log     []event
	failAt  int  // index into log of the call that fails, -1 for none
	applied bool // the failing call had its effect nevertheless
	room    int  // bytes the disk has for it, 0 for no bound
}

type event struct {
	sync bool
	off  int64
	page []byte
}

var errDisk = errors.New("the disk has failed")

func newDevice(data []byte) *memDevice { return &memDevice{data: slices.Clone(data), failAt: -1} }

func (d *memDevice) ReadAt(b []byte, off int64) (int, error) {
	if off >= int64(len(d.data)) {
		return 0, io.EOF
	}
	n := copy(b, d.data[off:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (d *memDevice) WriteAt(b []byte, off int64) (int, error) {
	if d.room > 0 && int(off)+len(b) > d.room {
		return 0, &fs.PathError{Op: "write", Path: "vault", Err: syscall.ENOSPC}
	}
	fail := len(d.log) == d.failAt
	if !fail || d.applied {
		d.data = apply(d.data, off, b)
	}
	d.log = append(d.log, event{off: off, page: slices.Clone(b)})
	if fail {
		return 0, errDisk
	}
	return len(b), nil
}

func (d *memDevice) Sync() error {
	d.log = append(d.log, event{sync: true})
	if len(d.log)-1 == d.failAt {
		return errDisk
	}
	return nil
}

func (d *memDevice) Close() error { return nil }

func apply(data []byte, off int64, b []byte) []byte {
	if need := int(off) + len(b); need > len(data) {
		data = append(data, make([]byte, need-len(data))...)
	}
	copy(data[off:], b)
	return data
}

// crashes returns states the disk can be in after a crash at any moment of the log: what was synced is there, each
// page written since is the old one, the new one, or torn between them.
func (d *memDevice) crashes(start []byte, rng *rand.Rand) (states [][]byte) {
	synced := slices.Clone(start)
	var since []event
	for i := 0; i <= len(d.log); i++ {
		tries := 1 + min(len(since), 3)*4
		for try := range tries {
			state := slices.Clone(synced)
			for _, e := range since {
				how := rng.IntN(4)
				if len(since) == 1 {
					how = try % 4
				}
				cut := 512 * (1 + rng.IntN(7))
				switch how {
				case 1:
					state = apply(state, e.off, e.page)
				case 2:
					state = apply(state, e.off, e.page[:cut])
				case 3:
					state = apply(state, e.off+int64(cut), e.page[cut:])
				}
			}
			states = append(states, state)
		}
		if i == len(d.log) {
			break
		}
		if d.log[i].sync {
			for _, e := range since {
				synced = apply(synced, e.off, e.page)
			}
			since = nil
		} else {
			since = append(since, d.log[i])
		}
	}
	return states
}
