package auth

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// Peer is the other end of a request: the browser, not the proxy in front of us.
type Peer struct {
	Addr  netip.Addr // invalid if it cannot be told
	HTTPS bool       // the browser speaks https
}

// Peer finds the browser behind r. Forwarding headers count only when a trusted proxy sent them; then X-Forwarded-For is
// walked from the right, past trusted proxies, to the first address nobody here vouches for.
func (a *Auth) Peer(r *http.Request) Peer {
	p := Peer{HTTPS: r.TLS != nil}
	if a.base != nil {
		p.HTTPS = a.base.Scheme == "https"
	}
	remote, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return p
	}
	p.Addr = remote.Addr().Unmap().WithZone("")
	if !a.trusted(p.Addr) {
		return p
	}
	if proto := lastItem(r.Header["X-Forwarded-Proto"]); a.base == nil && strings.EqualFold(proto, "https") {
		p.HTTPS = true
	}
	hops := strings.Split(strings.Join(r.Header["X-Forwarded-For"], ","), ",")
	for _, hop := range slices.Backward(hops) {
		addr, ok := parseHop(hop)
		if !ok {
			break
		}
		p.Addr = addr
		if !a.trusted(addr) {
			break
		}
	}
	return p
}

func (a *Auth) trusted(addr netip.Addr) bool {
	return slices.ContainsFunc(a.proxies, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// lastItem is what the nearest proxy added to a list header.
func lastItem(lines []string) string {
	if len(lines) == 0 {
		return ""
	}
	line := lines[len(lines)-1]
	return strings.TrimSpace(line[strings.LastIndexByte(line, ',')+1:])
}

// parseHop reads one item of X-Forwarded-For: an address, perhaps with a port.
func parseHop(s string) (netip.Addr, bool) {
	s = strings.TrimSpace(s)
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return ap.Addr().Unmap().WithZone(""), true
	}
	addr, err := netip.ParseAddr(strings.Trim(s, "[]"))
	return addr.Unmap().WithZone(""), err == nil
}
