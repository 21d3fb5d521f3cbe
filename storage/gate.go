package storage

import (
	"context"
	"slices"
	"sync"

	"footfall/storage/schema"
)

// gate lets a few queries run and makes the others wait. Sites take turns, so that one that asks much does not keep the others
// waiting longer than one of its queries takes.
type gate struct {
	mu      sync.Mutex // guards all below
	running int
	waiting int
	lines   map[schema.Site][]chan struct{} // of those who wait, each closed when its turn has come
	turns   []schema.Site                   // sites with somebody waiting, the next one first
}

// enter returns when a query of the site may run; leave is to be called after it. Errors: ErrBusy, that of ctx.
func (g *gate) enter(ctx context.Context, site schema.Site) error {
	turn := g.line(site)
	if turn == nil {
		return ErrBusy
	}
	select {
	case <-turn: // whoever need not wait gets in, ctx or not
		return nil
	default:
	}
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if i := slices.Index(g.lines[site], turn); i >= 0 {
		g.lines[site] = slices.Delete(g.lines[site], i, i+1)
		g.waiting--
		g.tidyLocked(site)
	} else {
		g.leaveLocked() // the turn came at the same moment
	}
	return ctx.Err()
}

// line takes a place in the site's line, or returns nil where there is none.
func (g *gate) line(site schema.Site) chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	turn := make(chan struct{})
	if g.running < maxQueries {
		g.running++
		close(turn)
		return turn
	}
	if g.waiting >= maxWaitingQueries || len(g.lines[site]) >= maxWaitingOfSite {
		return nil
	}
	if g.lines == nil {
		g.lines = map[schema.Site][]chan struct{}{}
	}
	if len(g.lines[site]) == 0 {
		g.turns = append(g.turns, site)
	}
	g.lines[site] = append(g.lines[site], turn)
	g.waiting++
	return turn
}

// tidyLocked forgets a line in which nobody is left.
func (g *gate) tidyLocked(site schema.Site) {
	if len(g.lines[site]) == 0 {
		delete(g.lines, site)
		g.turns = slices.DeleteFunc(g.turns, func(s schema.Site) bool { return s == site })
	}
}

// leave lets the next one in.
func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.leaveLocked()
}

func (g *gate) leaveLocked() {
	if len(g.turns) == 0 {
		g.running--
		return
	}
	site := g.turns[0]
	turn := g.lines[site][0]
	g.lines[site] = g.lines[site][1:]
	g.waiting--
	g.turns = append(g.turns[1:], site)
	g.tidyLocked(site)
	close(turn)
}
