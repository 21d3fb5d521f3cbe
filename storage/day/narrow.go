package day

import (
	"math"
	"slices"
)

// narrow is a list of numbers, each in the fewest bytes that hold the largest of them. Most columns of an open day have small numbers. What
// was read of it stays valid while it grows.
type narrow struct {
	one  []uint8 // one of the three is in use
	two  []uint16
	four []uint32
}

func (n *narrow) bytes() int { return len(n.one) + 2*len(n.two) + 4*len(n.four) }

func (n *narrow) append(x uint32) {
	n.widen(x)
	switch {
	case n.four != nil:
		n.four = append(n.four, x)
	case n.two != nil:
		n.two = append(n.two, uint16(x))
	default:
		n.one = append(n.one, uint8(x))
	}
}

// appendAll appends many numbers, with no room to spare behind them.
func (n *narrow) appendAll(numbers []uint32) {
	if len(numbers) == 0 {
		return
	}
	n.widen(slices.Max(numbers))
	switch {
	case n.four != nil:
		n.four = append(slices.Grow(n.four, len(numbers)), numbers...)
	case n.two != nil:
		n.two = slices.Grow(n.two, len(numbers))
		for _, x := range numbers {
			n.two = append(n.two, uint16(x))
		}
	default:
		n.one = slices.Grow(n.one, len(numbers))
		for _, x := range numbers {
			n.one = append(n.one, uint8(x))
		}
	}
}

// widen makes the list one that can hold x.
func (n *narrow) widen(x uint32) {
	switch {
	case n.four != nil || x <= math.MaxUint8:
	case x > math.MaxUint16:
		n.four = append(widened[uint32](n.one), widened[uint32](n.two)...)
		n.one, n.two = nil, nil
	case n.two == nil:
		n.two, n.one = widened[uint16](n.one), nil
	}
}

func widened[To, From uint8 | uint16 | uint32](from []From) []To {
	to := make([]To, len(from), len(from)+len(from)/4+4)
	for i, x := range from {
		to[i] = To(x)
	}
	return to
}

// pick sets each of dst to the number at the place that order names.
func (n *narrow) pick(dst, order []uint32) {
	switch {
	case n.four != nil:
		pickFrom(dst, order, n.four)
	case n.two != nil:
		pickFrom(dst, order, n.two)
	default:
		pickFrom(dst, order, n.one)
	}
}

func pickFrom[T uint8 | uint16 | uint32](dst, order []uint32, from []T) {
	for i, at := range order {
		dst[i] = uint32(from[at])
	}
}

// picked returns the numbers at the places that order names.
func (n *narrow) picked(order []uint32) []uint32 {
	dst := make([]uint32, len(order))
	n.pick(dst, order)
	return dst
}

// retain keeps the numbers at the places that order names.
func (n *narrow) retain(order []uint32) {
	kept := n.picked(order)
	*n = narrow{}
	n.appendAll(kept)
}

// count returns how often each number below limit is in the list.
func (n *narrow) count(limit int) []uint32 {
	count := make([]uint32, limit)
	countIn(count, n.one)
	countIn(count, n.two)
	countIn(count, n.four)
	return count
}

func countIn[T uint8 | uint16 | uint32](count []uint32, numbers []T) {
	for _, x := range numbers {
		count[x]++
	}
}

// from returns a copy of the numbers from place i on.
func (n *narrow) from(i int) (rest narrow) {
	switch {
	case n.four != nil:
		rest.four = append([]uint32{}, n.four[i:]...)
	case n.two != nil:
		rest.two = append([]uint16{}, n.two[i:]...)
	default:
		rest.one = append([]uint8{}, n.one[i:]...)
	}
	return rest
}

// visitorSet numbers the visitors of a day in the order they come. A map would take three times the memory.
type visitorSet struct {
	ids   []uint64 // by number
	slots []uint32 // 1 + the number, at the first free place from where the id belongs; 0 is free
}

func (s *visitorSet) len() int { return len(s.ids) }

func (s *visitorSet) bytes() int { return 8*len(s.ids) + 4*len(s.slots) }

// number returns the number of a visitor, giving the next one to who has none.
func (s *visitorSet) number(id uint64) (n uint32, known bool) {
	if 4*len(s.ids) >= 3*len(s.slots) {
		s.slots = make([]uint32, max(16, 2*len(s.slots)))
		for n, id := range s.ids {
			s.slots[s.place(id)] = uint32(n) + 1
		}
	}
	at := s.place(id)
	if s.slots[at] != 0 {
		return s.slots[at] - 1, true
	}
	s.ids = append(s.ids, id)
	s.slots[at] = uint32(len(s.ids))
	return uint32(len(s.ids)) - 1, false
}

// place returns where an id is or would be.
func (s *visitorSet) place(id uint64) int {
	mask := len(s.slots) - 1
	at := int(id*0x9E3779B97F4A7C15>>32) & mask
	for s.slots[at] != 0 && s.ids[s.slots[at]-1] != id {
		at = (at + 1) & mask
	}
	return at
}
