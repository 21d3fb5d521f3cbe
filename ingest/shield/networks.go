package shield

import (
	"cmp"
	"net/netip"
	"slices"
)

// networks are networks, each with what it stands for. Few lengths of prefixes are in use, so an address is looked up once for each.
type networks struct {
	lengths4, lengths6 []int // in use, the longest first
	of                 map[netip.Prefix]action
}

func (n *networks) add(p netip.Prefix, a action) {
	if n.of == nil {
		n.of = map[netip.Prefix]action{}
	}
	n.of[p] = a
	lengths := &n.lengths6
	if p.Addr().Is4() {
		lengths = &n.lengths4
	}
	if at, known := slices.BinarySearchFunc(*lengths, p.Bits(), func(have, want int) int { return cmp.Compare(want, have) }); !known {
		*lengths = slices.Insert(*lengths, at, p.Bits())
	}
}

// find returns what an address stands for: a network that drops before one that watches, and the smaller network before the larger.
func (n *networks) find(addr netip.Addr) (best action) {
	if n.of == nil {
		return best
	}
	addr = addr.Unmap().WithZone("")
	lengths := n.lengths6
	if addr.Is4() {
		lengths = n.lengths4
	}
	for _, bits := range lengths {
		if p, err := addr.Prefix(bits); err == nil {
			if best = best.or(n.of[p]); best.drops() {
				break
			}
		}
	}
	return best
}

// parseNetwork reads an address or a network.
func parseNetwork(s string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(s); err == nil {
		addr = addr.Unmap().WithZone("")
		return addr.Prefix(addr.BitLen())
	}
	p, err := netip.ParsePrefix(s)
	return p.Masked(), err
}
