package web

import (
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"time"
)

const (
	MaxConns        = maxConns
	MaxConnsAddress = maxConnsAddress
	CutAtOnce       = cutAtOnce
)

// NewLimited is the listener that Serve puts around its own.
func NewLimited(l net.Listener, exempt func(netip.Addr) bool) net.Listener {
	return newListener(l, nil, exempt, slog.New(slog.DiscardHandler))
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
	if err != nil || f.head == 0 || f.body < 0 || !l.read(newEvents(nil, "/api/event"), b[:f.head]) {
		return nil
	}
	return &l.request
}

// NewLane returns a function that reads an event and answers it by handler, as it is done on a connection.
func NewLane(handler http.Handler) func(b []byte) bool {
	l, events := &lane{header: http.Header{}, answer: answer{header: http.Header{}}}, newEvents(handler, "/api/event")
	to := &conn{Conn: nowhere{}}
	return func(b []byte) bool {
		f, err := judge(b)
		if err != nil || !l.read(events, b[:f.head]) {
			return false
		}
		_, err = l.serve(handler, to, b[f.head:])
		return err == nil
	}
}

type nowhere struct{ net.Conn }

func (nowhere) Write(b []byte) (int, error)      { return len(b), nil }
func (nowhere) SetWriteDeadline(time.Time) error { return nil }
