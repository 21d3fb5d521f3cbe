package shield

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"footfall/ingest/geo"
)

// DataCentres knows networks in which programs live and hardly any people: by the number of their autonomous system, where the operator has added a database
// of networks, and by a file of networks. It is safe for concurrent use.
type DataCentres struct {
	systems map[uint32]string // by number: the name of the company
	added   atomic.Pointer[spans]
}

const dataCentresHeader = "footfall-datacentres 1"

// NewDataCentres reads data/datacentres.tsv among the built assets; nil is an empty list.
func NewDataCentres(data []byte) (*DataCentres, error) {
	d := &DataCentres{systems: map[uint32]string{}}
	lines, err := afterHeader(data, dataCentresHeader)
	if err == nil {
		err = eachLine(lines, d.readLine)
	}
	if err != nil {
		return nil, fmt.Errorf("read list of data centres: %w", err)
	}
	return d, nil
}

// readLine reads the number of an autonomous system and the name of its company.
func (d *DataCentres) readLine(line string) error {
	number, name, _ := strings.Cut(line, "\t")
	n, err := strconv.ParseUint(number, 10, 32)
	if err != nil || name == "" {
		return errors.New("it is no number and name of a network")
	}
	d.systems[uint32(n)] = name
	return nil
}

// InDataCentre reports whether an address is in a data centre, as far as that is known.
func (l *Lists) InDataCentre(addr netip.Addr) bool {
	if added := l.DataCentres.added.Load(); added != nil && added.has(addr) {
		return true
	}
	_, known := l.DataCentres.systems[l.Places.Network(addr).Number]
	return known
}

// KnowsDataCentres reports whether any address could be found to be in a data centre.
func (l *Lists) KnowsDataCentres() bool {
	if added := l.DataCentres.added.Load(); added != nil && len(*added) > 0 {
		return true
	}
	return len(l.DataCentres.systems) > 0 && slices.ContainsFunc(l.Places.Files(), func(f geo.File) bool { return f.Networks })
}

// readNetworks reads a network or an address a line.
func readNetworks(data []byte) (spans, error) {
	var s spans
	err := eachLine(data, func(line string) error {
		first, _, _ := strings.Cut(line, ",") // lists in CSV begin with the network
		p, err := parseNetwork(strings.TrimSpace(first))
		if err != nil {
			return errors.New("it is neither an address nor a network; write it like 192.0.2.0/24 or 2001:db8::/32")
		}
		s = append(s, spanOf(p))
		return nil
	})
	return s.merge(), err
}

// spans are addresses from one to another, both included, ascending and apart. There may be many: one takes 32 bytes.
type spans []span

type span struct{ first, last wide }

// wide is an address as a number; those of IPv4 are as in ::ffff:0:0/96.
type wide struct{ high, low uint64 }

func wideOf(addr netip.Addr) wide {
	b := addr.As16()
	return wide{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
}

func (a wide) compare(b wide) int {
	return cmp.Or(cmp.Compare(a.high, b.high), cmp.Compare(a.low, b.low))
}

func (a wide) next() wide {
	a.low++
	if a.low == 0 {
		a.high++
	}
	return a
}

func spanOf(p netip.Prefix) span {
	first := wideOf(p.Addr())
	bits := 128 - p.Addr().BitLen() + p.Bits()
	last := first
	if bits < 64 {
		last.high |= ^uint64(0) >> bits
		last.low = ^uint64(0)
	} else {
		last.low |= ^uint64(0) >> (bits - 64) // 0 if the shift is 64
	}
	return span{first, last}
}

// merge sorts the spans and joins those that touch.
func (s spans) merge() spans {
	slices.SortFunc(s, func(a, b span) int { return a.first.compare(b.first) })
	out := s[:0]
	for _, one := range s {
		if n := len(out); n > 0 && (one.first.compare(out[n-1].last) <= 0 || one.first == out[n-1].last.next()) {
			if one.last.compare(out[n-1].last) > 0 {
				out[n-1].last = one.last
			}
			continue
		}
		out = append(out, one)
	}
	return slices.Clip(out)
}

func (s spans) has(addr netip.Addr) bool {
	if !addr.IsValid() {
		return false
	}
	a := wideOf(addr)
	i, found := slices.BinarySearchFunc(s, a, func(one span, a wide) int { return one.first.compare(a) })
	return found || i > 0 && a.compare(s[i-1].last) <= 0
}
