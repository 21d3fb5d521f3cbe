package web

import (
	"net"
	"net/http"
	"net/netip"
)

const (
	MaxConns        = maxConns
	MaxConnsAddress = maxConnsAddress
	CutAtOnce       = cutAtOnce
)

// NewLimited is the listener that Serve puts around its own.
func NewLimited(l net.Listener, exempt func(netip.Addr) bool) net.Listener {
	return newListener(l, nil, exempt)
}

// Judge tells where the request ends that b begins with. head is 0 while it goes on behind b; a body of -1 ends with its chunks.
func Judge(b []byte) (head int, body int64, err error) {
	f, err := judge(b)
	return f.head, f.body, err
}

// ReadEvent returns the request that the lane makes of b, nil if it leaves it to net/http.
func ReadEvent(b []byte) *http.Request {
	f, err := judge(b)
	l := &lane{header: http.Header{}}
	if err != nil || f.head == 0 || f.body < 0 || !l.read(&http.Request{RequestURI: "/api/event"}, b[:f.head]) {
		return nil
	}
	return &l.request
}
