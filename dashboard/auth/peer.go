package auth

import (
	"net/http"
	"net/netip"
	"strings"
)

// Peer is the other end of a request: the browser, not the proxy in front of us.
type Peer struct {
	Addr  netip.Addr // invalid if it cannot be told
	HTTPS bool       // the browser speaks https
}

// Peer finds the browser behind r. Forwarding headers count only when a trusted proxy sent them.
func (a *Auth) Peer(r *http.Request) Peer {
	p := Peer{HTTPS: a.https(r)}
	if remote, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		p.Addr = a.client(remote.Addr(), r.Header["X-Forwarded-For"], a.proxies)
	}
	return p
}

// https reports whether the browser speaks https: by the operator's word, by the connection, or by a trusted proxy's.
func (a *Auth) https(r *http.Request) bool {
	if a.base != nil {
		return a.base.Scheme == "https"
	}
	if r.TLS != nil {
		return true
	}
	remote, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || a.proxies == nil || !a.proxies(remote.Addr().Unmap().WithZone("")) {
		return false
	}
	// Of several values the last one is that of the nearest proxy.
	lines := r.Header["X-Forwarded-Proto"]
	if len(lines) == 0 {
		return false
	}
	line := lines[len(lines)-1]
	return strings.EqualFold(strings.TrimSpace(line[strings.LastIndexByte(line, ',')+1:]), "https")
}
