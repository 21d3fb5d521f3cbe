package day

import (
	"encoding/binary"
	"fmt"

	"footfall/storage/column"
	"footfall/storage/schema"
)

// TotalList names a list of totals.
type TotalList int

// The lists. Only totals that are counted from visits have bounces.
const (
	TotalVisitors TotalList = iota
	TotalVisits
	TotalPageviews
	TotalEvents
	TotalBounces
	totalLists
)

// Lists are the totals of a column as a sealed day keeps them: most queries want one list of the six, so each is decoded only when it is
// asked for.
type Lists struct {
	Dictionary
	lists [totalLists + 2][]byte // encoded; the last two are the lower and upper halves of durations; nil: all zero
	whole *Summary               // the column has one word everywhere, so its totals are the day's
}

// Lists returns the totals of a column with its words numbered in l, or nil if the view keeps none: an open day, or one of few rows.
func (v *View) Lists(id schema.ID, l *Lexicon) (*Lists, error) { return v.lists(columnKey{id: id}, l) }

// PropLists returns the totals of a custom property that the day has; events without it count under "".
func (v *View) PropLists(key string, l *Lexicon) (*Lists, error) { return v.lists(propKey(key), l) }

func (v *View) lists(key columnKey, l *Lexicon) (*Lists, error) {
	if v.source == nil || !v.source.hasTotals() {
		return nil, nil
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	t, err := v.source.lists(v, key, l)
	if err != nil {
		return nil, fmt.Errorf("day %s: totals: %w", v.Date, err)
	}
	return t, nil
}

func (s *sealed) lists(v *View, key columnKey, l *Lexicon) (*Lists, error) {
	words, err := s.totalsDictionary(v, key, l)
	if err != nil {
		return nil, err
	}
	t := &Lists{Dictionary: words}
	b, err := s.keep(v, kindTotals, key)
	if err != nil {
		return nil, err
	}
	if b == nil {
		t.whole = &s.summary
		return t, nil
	}
	r := &reader{b: b}
	for i := range t.lists {
		if i < rowLists || isVisitTotal(key.id) {
			t.lists[i] = r.take(uint64(r.count()))
		}
	}
	if r.bad || len(r.b) > 0 {
		return nil, fmt.Errorf("%w: totals", column.ErrCorrupt)
	}
	return t, nil
}

// totalsDictionary returns the words that totals run along: for a property "" first, for entry and exit pages "" somewhere.
func (s *sealed) totalsDictionary(v *View, key columnKey, l *Lexicon) (Dictionary, error) {
	from := columnKey{wordsOf(key.id), key.prop}
	d, err := s.dictionary(v, from, l)
	switch {
	case err != nil:
		return d, err
	case key.id == schema.EventProps:
		return d.afterEmpty(), nil
	case from != key:
		d, _ = d.withEmpty()
	}
	return d, nil
}

// List decodes a list, a number a word; it is valid until memory's Reset.
func (t *Lists) List(which TotalList, memory *column.Decoder) ([]uint32, error) {
	if w := t.whole; w != nil {
		n := [totalLists]uint64{w.Visitors, w.Visits, w.Pageviews, w.Events, w.Bounces}[which]
		one := memory.Take(t.Len())
		clear(one)
		if len(one) > 0 {
			one[0] = uint32(n)
		}
		return one, nil
	}
	if t.lists[which] == nil {
		none := memory.Take(t.Len())
		clear(none)
		return none, nil
	}
	return memory.Numbers(t.lists[which], t.Len())
}

// Durations decodes the sums of durations, in seconds.
func (t *Lists) Durations(memory *column.Decoder) ([]uint64, error) {
	out := make([]uint64, t.Len())
	if t.whole != nil {
		if len(out) > 0 {
			out[0] = t.whole.Duration
		}
		return out, nil
	}
	for half, shift := range []uint{0, 32} {
		b := t.lists[int(totalLists)+half]
		if b == nil {
			return out, nil
		}
		n, err := memory.Numbers(b, len(out))
		if err != nil {
			return nil, err
		}
		for i, x := range n {
			out[i] |= uint64(x) << shift
		}
	}
	return out, nil
}

// readWide reads lists of n numbers each, and behind them numbers of 64 bits as two lists: their lower and their upper halves.
func readWide(b []byte, lists []*[]uint32, n int) ([]uint64, error) {
	var low, high []uint32
	r := &reader{b: b}
	for _, l := range append(lists, &low, &high) {
		numbers, err := column.Numbers(r.take(uint64(r.count())), n)
		if err != nil {
			return nil, err
		}
		*l = numbers
	}
	if r.bad || len(r.b) > 0 {
		return nil, fmt.Errorf("%w: totals", column.ErrCorrupt)
	}
	wide := make([]uint64, n)
	for i := range wide {
		wide[i] = uint64(high[i])<<32 | uint64(low[i])
	}
	return wide, nil
}

func (t *Totals) append(b []byte, ofVisits bool) []byte {
	if !ofVisits {
		return appendLists(b, t.lists()[:rowLists])
	}
	return appendWide(appendLists(b, t.lists()), t.Durations)
}

// rowLists are the lists of totals that are counted from events.
const rowLists = 4

// appendWide appends numbers of 64 bits as two lists: their lower and their upper halves.
func appendWide(b []byte, wide []uint64) []byte {
	low, high := make([]uint32, len(wide)), make([]uint32, len(wide))
	for i, n := range wide {
		low[i], high[i] = uint32(n), uint32(n>>32)
	}
	return appendLists(b, []*[]uint32{&low, &high})
}

func appendLists(b []byte, lists []*[]uint32) []byte {
	for _, l := range lists {
		n := column.AppendNumbers(nil, *l)
		b = append(binary.AppendUvarint(b, uint64(len(n))), n...)
	}
	return b
}
