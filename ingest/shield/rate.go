package shield

import (
	"encoding/binary"
	"hash/maphash"
	"net/netip"
	"sync/atomic"

	"footfall/storage/schema"
)

// A rate is so many events a minute, a minute's worth of which may come at once: browsers send in bursts. It is kept as the time at which all that came would
// have come at an even pace; that may lie up to burst ahead of now. Times are in microseconds since the Shield was made.

// rate is how far one event moves that time.
type rate int64

func newRate(perMinute int) rate { return rate(max(1, burst/int64(perMinute))) }

// take returns the time after one more event, and whether the event is within the rate.
func (r rate) take(was, now int64) (is int64, ok bool) {
	if was > now+burst+int64(r) {
		was = now // the clock was set back: nobody is to wait until it has caught up
	}
	is = max(was, now) + int64(r)
	return is, is <= now+burst
}

// bucket is the rate of one thing.
type bucket struct{ at atomic.Int64 }

func (b *bucket) take(r rate, now int64) bool {
	for {
		was := b.at.Load()
		is, ok := r.take(was, now)
		if !ok || b.at.CompareAndSwap(was, is) {
			return ok
		}
	}
}

// senders are the rates of addresses, each for each site, in memory that never grows. An address is not kept: it is known by 30 bits of a hash under a seed that dies
// with the process, of which 14 say where it is. Two that share all of them share a rate; that is one pair in a billion. An address that is within its rate by
// all its burst is forgotten, since one that is not there is just that. Where all places are taken by others, the one that
// sent least is forgotten.
type senders struct {
	seed  maphash.Seed
	slots [1 << setBits * ways]atomic.Uint64 // 16 bits of the hash, then 48 of the time: nine years
}

func (s *senders) take(site schema.Site, addr netip.Addr, r rate, now int64) bool {
	h := s.hash(site, addr)
	set := s.slots[h>>(64-setBits)*ways:][:ways]
	tag := h << timeBits
	for {
		at, was := -1, uint64(0)
		for i := range set {
			v := set[i].Load()
			if v>>timeBits == tag>>timeBits && v != 0 {
				at, was = i, v
				break
			}
			if at < 0 || v<<(64-timeBits) < was<<(64-timeBits) {
				at, was = i, v
			}
		}
		before := int64(0)
		if was>>timeBits == tag>>timeBits {
			before = int64(was & (1<<timeBits - 1))
		}
		is, ok := r.take(before, now)
		if !ok || set[at].CompareAndSwap(was, tag|uint64(is)) {
			return ok
		}
	}
}

// hash knows IPv6 by its /64: that is what one line has, and who has one has all addresses in it.
func (s *senders) hash(site schema.Site, addr netip.Addr) uint64 {
	var b [4 + 16]byte
	binary.LittleEndian.PutUint32(b[:], uint32(site))
	whole := addr.As16()
	n := 8
	if addr.Is4() || addr.Is4In6() {
		n = 16
	}
	copy(b[4:], whole[:n])
	return maphash.Bytes(s.seed, b[:4+n])
}
