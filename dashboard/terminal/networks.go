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

func (n *networks) contains(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	i := sort.Search(len(*n), func(i int) bool { return a.Less((*n)[i].Addr()) })
	return i > 0 && (*n)[i-1].Contains(a)
}

func (n *networks) prefixes() []netip.Prefix { return *n }

// readPresets reads the lists that are part of the program: a line [name] and its source, then a network a line.
func readPresets(text string) map[string]*networks {
	lists := map[string][]netip.Prefix{}
	name := ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || line[0] == '#':
		case line[0] == '[':
			name, _, _ = strings.Cut(line[1:], "]")
		default:
			lists[name] = append(lists[name], netip.MustParsePrefix(line))
		}
	}
	presets := make(map[string]*networks, len(lists))
	for name, list := range lists {
		presets[name] = newNetworks(list)
	}
	return presets
}

// presetNote tells of a list of a maker: the year in which it was written down, and where the maker's is.
type presetNote struct{ name, as, source string }

func readPresetNotes(text string) (notes []presetNote) {
	for line := range strings.Lines(text) {
		name, about, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "["), "] ")
		if as, source, dated := strings.Cut(about, ": "); ok && dated && line[0] == '[' {
			notes = append(notes, presetNote{name, as, source})
		}
	}
	return notes
}
