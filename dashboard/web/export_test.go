package web

import (
	"net"
	"net/netip"
)

const MaxConnsAddress = maxConnsAddress

// NewLimited is the listener that Serve puts around its own.
func NewLimited(l net.Listener, exempt func(netip.Addr) bool) net.Listener {
	return newLimited(l, exempt)
}
