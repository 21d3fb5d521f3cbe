package terminal

import (
	"net/netip"
	"slices"
	"sort"
	"strings"
)

// networks are prefixes in their order, none of them within another, so that a search finds the only one that could hold an address.
type networks []netip.Prefix

func newNetworks(list []netip.Prefix) *networks {
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b netip.Prefix) int {
		if c := a.Addr().Compare(b.Addr()); c != 0 {
			return c
		}
		return a.Bits() - b.Bits()
	})
	n := networks{}
	for _, p := range list {
		if len(n) == 0 || !n[len(n)-1].Contains(p.Addr()) {
			n = append(n, p)
		}
	}
	return &n
}

func (n networks) contains(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	i := sort.Search(len(n), func(i int) bool { return a.Less(n[i].Addr()) })
	return i > 0 && n[i-1].Contains(a)
}

// preset is a list that is part of the program.
type preset struct {
	name string
	networks
	as, source string // of a maker's list: the year in which it was written down, and where the maker's is
}

// readPresets reads lists: a line [name] and its source, then a network a line.
func readPresets(text string) (list []preset) {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || line[0] == '#':
		case line[0] == '[':
			name, about, _ := strings.Cut(line[1:], "] ")
			p := preset{name: name}
			if as, source, dated := strings.Cut(about, ": "); dated {
				p.as, p.source = as, source
			}
			list = append(list, p)
		default:
			of := &list[len(list)-1]
			of.networks = append(of.networks, netip.MustParsePrefix(line))
		}
	}
	for i := range list {
		list[i].networks = *newNetworks(list[i].networks)
	}
	return list
}
