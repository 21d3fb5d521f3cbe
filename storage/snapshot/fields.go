package snapshot

import (
	"encoding/binary"
	"math"
	"time"
)

// reader takes fields from the front of b. After the first that is not there, bad is set and all that follow are zero.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) ended() bool { return !r.bad && len(r.b) == 0 }

func (r *reader) take(n int) []byte {
	if r.bad || n > len(r.b) {
		r.b, r.bad = nil, true
		return nil
	}
	s := r.b[:n]
	r.b = r.b[n:]
	return s
}

func (r *reader) byte() byte {
	if s := r.take(1); s != nil {
		return s[0]
	}
	return 0
}

func (r *reader) uvarint() uint64 {
	x, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.b, r.bad = nil, true
		return 0
	}
	r.b = r.b[n:]
	return x
}

// size is a number up to limit.
func (r *reader) size(limit int) int {
	x := r.uvarint()
	if x > uint64(limit) {
		r.b, r.bad = nil, true
		return 0
	}
	return int(x)
}

func (r *reader) id() ID {
	epoch := r.uvarint()
	if epoch > math.MaxUint32 {
		r.b, r.bad = nil, true
		return ID{}
	}
	return ID{uint32(epoch), r.uvarint()}
}

// count is the number of things that follow, each of at least least bytes.
func (r *reader) count(least int) int { return r.size(len(r.b) / least) }

func (r *reader) bytes() []byte { return r.take(r.size(len(r.b))) }

func (r *reader) millis() time.Time {
	x := r.uvarint()
	if x > math.MaxInt64/1_000_000 {
		r.b, r.bad = nil, true
		return time.Time{}
	}
	return time.UnixMilli(int64(x)).UTC()
}
