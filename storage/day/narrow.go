package day

import "math"

// narrow is a list of numbers, each in the fewest bytes that hold the largest of them. Most columns of an open day have small numbers. What
// was read of it stays valid while it grows.
type narrow struct {
	one  []uint8 // one of the three is in use
	two  []uint16
	four []uint32
}

func (n *narrow) bytes() int { return len(n.one) + 2*len(n.two) + 4*len(n.four) }

func (n *narrow) append(x uint32) {
	switch {
	case n.four != nil || x > math.MaxUint16:
		if n.four == nil {
			n.four = append(widened[uint32](n.one), widened[uint32](n.two)...)
			n.one, n.two = nil, nil
		}
		n.four = append(n.four, x)
	case n.two != nil || x > math.MaxUint8:
		if n.two == nil {
			n.two, n.one = widened[uint16](n.one), nil
		}
		n.two = append(n.two, uint16(x))
	default:
		n.one = append(n.one, uint8(x))
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
