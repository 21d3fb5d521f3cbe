package shield

import "net/netip"

// Match is the matcher of patterns.
func Match(pattern, s string) bool {
	p := newPattern(pattern)
	return p.match(s)
}

// Networks returns how many spans a list has, and whether it holds an address.
func Networks(data []byte) (n int, has func(netip.Addr) bool, err error) {
	s, err := readNetworks(data)
	return len(s), s.has, err
}
