package visitor

import (
	"net/netip"
	"strings"
)

// ClientAddr returns the address a request came from, given the address at the other end of the connection and the lines
// of its X-Forwarded-For header in their order.
//
// Anyone can send that header, so it counts only as far as proxies of ours wrote it: each appends the address it was reached
// from. Read from the right, the first address that is none of ours is the client's; what stands left of it
// came from the client and is ignored. An entry that is no address ends the walk at the last good one.
func ClientAddr(peer netip.Addr, forwarded []string, trusted func(netip.Addr) bool) netip.Addr {
	good := canonical(peer)
	for line := len(forwarded) - 1; line >= 0; line-- {
		rest, more := forwarded[line], true
		for more {
			if trusted == nil || !trusted(good) {
				return good
			}
			entry := rest
			if i := strings.LastIndexByte(rest, ','); i >= 0 {
				rest, entry = rest[:i], rest[i+1:]
			} else {
				more = false
			}
			addr, ok := parseEntry(entry)
			if !ok {
				return good
			}
			good = addr
		}
	}
	return good
}

func canonical(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

// parseEntry reads an address as proxies write it: alone, in brackets, or with a port.
func parseEntry(s string) (netip.Addr, bool) {
	s = strings.Trim(s, " \t")
	if a, err := netip.ParseAddr(s); err == nil {
		return canonical(a), true
	}
	if p, err := netip.ParseAddrPort(s); err == nil {
		return canonical(p.Addr()), true
	}
	if inner, ok := strings.CutPrefix(s, "["); ok {
		if a, err := netip.ParseAddr(strings.TrimSuffix(inner, "]")); err == nil && a.Is6() {
			return canonical(a), true
		}
	}
	return netip.Addr{}, false
}

// shared is where providers put many customers behind one address: no public address comes from there.
var shared = netip.MustParsePrefix("100.64.0.0/10")

// IsPrivate reports whether an address is one that no visitor has on the internet: behind it stands a proxy, a gateway or the operator's own network.
func IsPrivate(a netip.Addr) bool {
	return a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() || shared.Contains(a)
}
