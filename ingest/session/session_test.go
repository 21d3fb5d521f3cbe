package session_test

import (
	"testing"

	"pgregory.net/rapid"

	"footfall/ingest/session"
	"footfall/storage/day"
)

func TestObserve(t *testing.T) {
	type step struct {
		visitor uint64
		at      int64
		name    string
		visit   uint32
		isNew   bool
		ok      bool
	}
	for name, steps := range map[string][]step{
		"a gap of 30 minutes continues, a second more begins": {
			{1, 1000, "pageview", 0, true, true},
			{1, 2800, "pageview", 0, false, true},
			{1, 4601, "pageview", 1, true, true},
		},
		"visitors do not share visits": {
			{1, 1000, "pageview", 0, true, true},
			{2, 1000, "signup", 1, true, true},
			{1, 1001, "pageview", 0, false, true},
		},
		"engagement keeps a visit alive": {
			{1, 0, "pageview", 0, true, true},
			{1, 1800, "engagement", 0, false, true},
			{1, 3600, "pageview", 0, false, true},
		},
		"engagement begins nothing": {
			{1, 0, "engagement", 0, false, false},
			{1, 1, "pageview", 0, true, true},
			{1, 1802, "engagement", 0, false, false},
			{1, 1801, "pageview", 0, false, true},
		},
		"a hit from a clock set back": {
			{1, 5000, "pageview", 0, true, true},
			{1, 3200, "pageview", 0, false, true}, // at the time of the row before it
			{1, 6800, "pageview", 0, false, true},
			{1, 4999, "engagement", 0, false, false},
			{1, 4999, "pageview", 1, true, true},
		},
	} {
		t.Run(name, func(t *testing.T) {
			table, last := session.NewTable(nil), map[uint32]int64{}
			for i, s := range steps {
				p, ok := table.Observe(s.visitor, s.at, s.name)
				if p.Visit != s.visit || p.New != s.isNew || ok != s.ok {
					t.Fatalf("step %d: got %+v %v, want %+v", i, p, ok, s)
				}
				if ok {
					if p.Time < s.at || !p.New && p.Time < last[p.Visit] {
						t.Fatalf("step %d: visit %d goes back in time to %d", i, p.Visit, p.Time)
					}
					last[p.Visit] = p.Time
				}
			}
		})
	}
}

type hit struct {
	visitor uint64
	at      int64
	name    string
}

func drawHits(t *rapid.T) []hit {
	at := int64(0)
	return rapid.SliceOf(rapid.Custom(func(t *rapid.T) hit {
		at += rapid.Int64Range(0, 2000).Draw(t, "wait")
		return hit{rapid.Uint64Range(0, 3).Draw(t, "visitor"), at, rapid.SampledFrom([]string{"pageview", "engagement", "buy"}).Draw(t, "name")}
	})).Draw(t, "hits")
}

// A table rebuilt from what the day knows goes on exactly like the one that was lost.
func TestResumeGoesOn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		whole, resumed := session.NewTable(nil), session.NewTable(nil)
		var placed []day.Placed
		for i, h := range drawHits(t) {
			if rapid.Bool().Draw(t, "restart") {
				resumed = session.NewTable(placed)
			}
			want, ok := whole.Observe(h.visitor, h.at, h.name)
			got, ok2 := resumed.Observe(h.visitor, h.at, h.name)
			if got != want || ok != ok2 {
				t.Fatalf("hit %d: got %+v %v, want %+v %v", i, got, ok2, want, ok)
			}
			switch {
			case ok && want.New:
				if int(want.Visit) != len(placed) {
					t.Fatalf("visit %d begins after %d", want.Visit, len(placed))
				}
				placed = append(placed, day.Placed{Visitor: h.visitor, Visit: want.Visit, Last: h.at})
			case ok:
				placed[want.Visit].Last = h.at
			}
		}
		if whole.Visits() != len(placed) {
			t.Fatalf("got %d visits, want %d", whole.Visits(), len(placed))
		}
	})
}

// A hit that is observed and undone leaves no trace.
func TestUndoLeavesNoTrace(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		clean, undone := session.NewTable(nil), session.NewTable(nil)
		for i, h := range drawHits(t) {
			if rapid.Bool().Draw(t, "fails") {
				undone.Observe(h.visitor, h.at, h.name)
				undone.Undo()
				undone.Undo()
				continue
			}
			want, ok := clean.Observe(h.visitor, h.at, h.name)
			got, ok2 := undone.Observe(h.visitor, h.at, h.name)
			if got != want || ok != ok2 {
				t.Fatalf("hit %d: got %+v %v, want %+v %v", i, got, ok2, want, ok)
			}
		}
		if clean.Visits() != undone.Visits() || clean.Visitors() != undone.Visitors() {
			t.Fatal("counts differ")
		}
	})
}

func BenchmarkObserve(b *testing.B) {
	table := session.NewTable(nil)
	for i := uint64(0); b.Loop(); i++ {
		table.Observe(i%100000, int64(i/100), "pageview")
	}
}
