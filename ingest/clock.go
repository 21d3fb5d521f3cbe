package ingest

import (
	"log/slog"
	"sync/atomic"
	"time"
)

// clock gives times that do not go back by less than maxClampedJump: until the machine's clock has caught up, it stands
// still. A longer jump is taken for a correction of a wrong clock and followed. It is safe for concurrent use.
type clock struct {
	now    func() time.Time
	log    *slog.Logger
	begun  time.Time
	newest atomic.Int64 // Unix seconds
}

// steady returns the time in Unix seconds as if nobody had set the clock since the start. Paces are told by it: while unix stands still, they would let nothing
// through.
func (c *clock) steady() int64 {
	return c.begun.Unix() + int64(c.now().Sub(c.begun)/time.Second)
}

// unix returns the time in Unix seconds.
func (c *clock) unix() int64 {
	t := c.now().Unix()
	for {
		newest := c.newest.Load()
		if t <= newest && newest-t < int64(maxClampedJump/time.Second) {
			return newest
		}
		if c.newest.CompareAndSwap(newest, t) {
			if t < newest {
				c.log.Warn("the clock was set back", "seconds", newest-t)
			}
			return t
		}
	}
}
