package web

import (
	"net"
	"net/netip"
)

const (
	MaxConns        = maxConns
	MaxConnsAddress = maxConnsAddress
	CutAtOnce       = cutAtOnce
)

// NewLimited is the listener that Serve puts around its own.
func NewLimited(l net.Listener, exempt func(netip.Addr) bool) net.Listener {
	return newListener(l, exempt)
}

// Judge tells where the request ends that b begins with. head is 0 while it goes on behind b; a body of -1 ends with its chunks.
func Judge(b []byte) (head int, body int64, err error) {
	f, err := judge(b)
	return f.head, f.body, err
}
