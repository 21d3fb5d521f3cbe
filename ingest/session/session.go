// Package session decides which visit a hit belongs to. Live traffic and import use the same Table, so that an
// export imported again gives the same visits.
package session

import (
	"footfall/storage/day"
)

// Gap is the longest silence, in seconds, inside a visit.
const Gap = 30 * 60

// Table holds the visits of one site's day. It is not safe for concurrent use.
type Table struct {
	live map[uint64]state
	next uint32

	// What Undo restores.
	undoable bool
	visitor  uint64
	before   state
	had      bool
	wasNew   bool
}

type state struct {
	last    int64 // Unix seconds of the newest row, engagement included
	visit   uint32
	visitor uint32
}

// NewTable returns a table that goes on after the visits already placed into the day, nil for an empty day.
func NewTable(resume []day.Placed) *Table {
	t := &Table{live: make(map[uint64]state, len(resume))}
	for _, p := range resume {
		s, ok := t.live[p.Visitor]
		if !ok {
			s.visitor = uint32(len(t.live))
		}
		if !ok || p.Visit >= s.visit {
			t.live[p.Visitor] = state{p.Last, p.Visit, s.visitor}
		}
		t.next = max(t.next, p.Visit+1)
	}
	return t
}

// Place is where a hit belongs.
type Place struct {
	Visit   uint32 // counted from 0 in the order visits begin
	Visitor uint32 // counted from 0 in the order visitors come
	New     bool   // the visit begins with this hit
	Time    int64  // Unix seconds; never before the row of the visit that came last
}

// Observe places a hit of visitor at Unix time at. Engagement continues a visit but never begins one: without a live
// visit ok is false and nothing changes. A hit older than the visitor's newest row, which a clock set back makes, takes
// that row's time, or begins a visit where it is older by more than Gap.
func (t *Table) Observe(visitor uint64, at int64, name string) (p Place, ok bool) {
	s, known := t.live[visitor]
	t.undoable = false
	begins := !known || at-s.last > Gap || s.last-at > Gap
	if begins && name == day.Engagement {
		return Place{}, false
	}
	t.undoable, t.visitor, t.before, t.had, t.wasNew = true, visitor, s, known, begins
	if !known {
		s.visitor = uint32(len(t.live))
	}
	if begins {
		s.last, s.visit = at, t.next
		t.next++
	}
	s.last = max(s.last, at)
	t.live[visitor] = s
	return Place{s.visit, s.visitor, begins, s.last}, true
}

// Undo takes the last Observe back, for a hit that could not be stored after all. A second Undo does nothing.
func (t *Table) Undo() {
	if !t.undoable {
		return
	}
	t.undoable = false
	if t.wasNew {
		t.next--
	}
	if t.had {
		t.live[t.visitor] = t.before
	} else {
		delete(t.live, t.visitor)
	}
}

// Visits returns how many visits the day has.
func (t *Table) Visits() int { return int(t.next) }

// Visitors returns how many visitors the day has.
func (t *Table) Visitors() int { return len(t.live) }
