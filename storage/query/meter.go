package query

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"

	"footfall/storage/day"
)

// room is the memory that the queries of an engine share. A query that needs little takes it; one that needs more waits until it is
// the only such one. So no two large ones can each hold what the other waits for.
type room struct {
	limit int64
	large chan struct{} // holds a token while a large query runs
}

func newRoom(limit int64) *room { return &room{limit: limit, large: make(chan struct{}, 1)} }

// small is what a query may take without being a large one; of the rest of the room one large query may take all.
func (r *room) small() int64 { return r.limit / smallParts }

func (r *room) most() int64 { return r.limit - r.small() }

// cores are the processors that queries compute on, all of them together: more goroutines than processors would answer nothing
// sooner, and make those wait longer who want to store an event.
type cores chan struct{}

func newCores() cores { return make(cores, runtime.GOMAXPROCS(0)) }

func (c cores) enter(ctx context.Context) error {
	select {
	case c <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c cores) leave() { <-c }

// smallParts of the room are what a small query may take: nearly all queries are answered from totals and take less than that.
const smallParts = 8

// meter watches over one call of the engine: what it holds, whether anybody still waits for it, and that others get their turn on the
// processor. It is safe for concurrent use.
type meter struct {
	ctx  context.Context
	room *room // nil: no limit
	used atomic.Int64

	mu    sync.Mutex // guards large
	large bool
}

// take accounts for bytes about to be held.
func (m *meter) take(bytes int64) error {
	if m.room == nil {
		return nil
	}
	used := m.used.Add(bytes)
	switch {
	case used <= m.room.small():
		return nil
	case used > m.room.most():
		return tooLargeError{invalid("The query needs more than the %d MiB of memory there are for one. Ask for fewer dimensions, fewer filters or fewer days, or give the server more with --memory.",
			m.room.most()>>20)}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.large {
		return nil
	}
	select {
	case m.room.large <- struct{}{}:
		m.large = true
		return nil
	case <-m.ctx.Done():
		return m.ctx.Err()
	}
}

// tooLargeError says that a query, or several together, need more memory than there is.
type tooLargeError struct{ error }

func (e tooLargeError) Unwrap() error { return e.error }

// give accounts for bytes no longer held.
func (m *meter) give(bytes int64) { m.used.Add(-bytes) }

// end lets the next large query in.
func (m *meter) end() {
	if m.large {
		<-m.room.large
	}
}

// pause is called every few thousand rows. Goroutines that compute are interrupted only after ten milliseconds: an event that
// comes in while all processors compute would wait that long several times on its way to the disk and back. So queries step aside by
// themselves, which costs nothing where nobody waits.
func (m *meter) pause() error {
	runtime.Gosched()
	return m.ctx.Err()
}

// weight is about what a scan of v holds at once, in bytes: the columns it decodes, the masks of its filters.
func (p *plan) weight(v *day.View) int64 {
	visitBytes, rowBytes := int64(visitColumns*4), int64(rowColumns*4)
	count := func(d Dimension, bytes int64) {
		if d.IsEvent() {
			rowBytes += bytes
		} else if !d.IsTime() {
			visitBytes += bytes
		}
	}
	for _, d := range p.q.Dimensions {
		count(d, 4)
	}
	var walk func([]Filter)
	walk = func(filters []Filter) {
		for i := range filters {
			if f := &filters[i]; len(f.Args) > 0 {
				walk(f.Args)
			} else {
				count(f.Dimension, 5)
			}
		}
	}
	walk(p.q.Filters)
	return int64(v.Visits)*visitBytes + int64(v.Rows)*rowBytes
}

// Columns that a scan may need whatever is asked: of visits their visitor, rows, start, duration, pageviews, events, bounce and which count; of
// rows the time, the name, the page, and which count with the visit of each.
const (
	visitColumns = 8
	rowColumns   = 5
)
