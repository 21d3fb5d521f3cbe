package storage

import (
	"context"
	"runtime/debug"
	"time"

	"footfall/storage/day"
	"footfall/storage/memory"
)

// cacheLimit is the cache's own share, and what open days and work leave of theirs.
func (s *Store) cacheLimit() int {
	m := &s.cfg.Memory
	return int(m.Cache + max(0, m.Work-s.work.Load()) + max(0, m.OpenDays-s.opened.Load()))
}

// Work accounts for bytes that a day on its way into the file holds; the cache makes room for them. The caller ends it by done, after
// which what was held must not be used.
func (s *Store) Work(bytes int64) (done func()) {
	s.work.Add(bytes)
	s.cache.fit()
	return func() { s.work.Add(-bytes) }
}

// AllWork takes the whole share of memory for days on their way into the file, and returns how many bytes that is. It is for long jobs, such as an
// import, of which one has it at a time: who has to wait for another is told by waiting. The caller ends it by done.
func (s *Store) AllWork(ctx context.Context, waiting func()) (bytes int64, done func(), err error) {
	select {
	case s.jobs <- struct{}{}:
	default:
		waiting()
		select {
		case s.jobs <- struct{}{}:
		case <-ctx.Done():
			return 0, nil, ctx.Err()
		}
	}
	end := s.Work(s.cfg.Memory.Work)
	return s.cfg.Memory.Work, func() {
		end()
		<-s.jobs
	}, nil
}

// measure adds up, now and then, what the open days take. Beyond their share the heaviest puts rows down; where that does not help they
// learn few new words. It is called on the committing goroutine.
func (s *Store) measure() {
	now := time.Now().UnixNano()
	before := s.measured.Load()
	if now-before < int64(measurePause) && before <= now || !s.measured.CompareAndSwap(before, now) {
		return
	}
	held, light := int64(0), int64(0) // light is what could be put down
	var heaviest *openDay
	most := 0
	s.mu.RLock()
	for _, od := range s.days {
		held += int64(od.open.Bytes())
		if od.open.TailRows() >= fewLayerRows {
			n := od.open.TailBytes()
			light += int64(n)
			if n > most {
				heaviest, most = od, n
			}
		}
	}
	s.mu.RUnlock()
	s.opened.Store(held)
	s.tight.Store(held-light > s.cfg.Memory.OpenDays)
	if held > s.cfg.Memory.OpenDays && heaviest != nil {
		s.putDown(heaviest)
	}
	s.cache.fit()
}

// rest gives memory back to the system when nobody has asked for a while.
func (s *Store) rest(now time.Time) {
	if now.Unix()-s.asked.Load() >= int64(idle/time.Second) && s.cache.clear() {
		s.db.Rest()
		debug.FreeOSMemory()
	}
}

// Memory says what the store may hold and what it holds.
type Memory struct {
	memory.Shares
	OpenDaysUsed int64
	WorkUsed     int64
	CacheUsed    int64
}

// Memory returns the present state.
func (s *Store) Memory() Memory {
	return Memory{Shares: s.cfg.Memory, OpenDaysUsed: s.opened.Load(), WorkUsed: s.work.Load(), CacheUsed: int64(s.cache.bytes())}
}

// sealingBytes is about what sealing views holds at once.
func sealingBytes(views []*day.View) (bytes int64) {
	for _, v := range views {
		bytes += int64(v.Rows)*sealingRow + int64(v.Visits)*sealingVisit
	}
	return bytes
}
