package web

import (
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// conn is a connection on which net/http sees clear requests only, and none that is answered as an event. Its peer has to take answers at some pace. It
// knows since when its peer lets it wait, so that the server can do without those who do when it has too many.
//
// One goroutine reads at a time, and one writes, as net/http does.
type conn struct {
	net.Conn
	remote string      // the peer's address
	events *events     // nil: net/http answers everything
	leave  func(*conn) // gives the place back

	use   atomic.Int32 // one of the words below
	busy  atomic.Bool  // net/http has a request under way, and reads to see whether its peer is still there
	since bool         // an event was answered since net/http began to wait for a request

	waits atomic.Int64 // since when the peer is waited for, in Unix nanoseconds; 0 while the next step is ours
	heard atomic.Bool  // a request was answered

	space []byte // of held
	held  []byte // read and not passed on
	clear int    // so many bytes of held may be passed on
	owed  int64  // bytes of the body under way that were not read yet; chunked: all that comes is passed on
	err   error  // the head in held is not clear

	readBy, writeBy time.Time // the deadlines
}

// What is done with a connection.
const (
	free     = iota // what net/http likes
	taken           // an event is answered
	leftOver        // the same, and then it is to be closed
)

func newConn(c net.Conn, events *events, leave func(*conn)) *conn {
	out := &conn{Conn: c, remote: c.RemoteAddr().String(), events: events, leave: leave}
	out.waiting()
	return out
}

func (c *conn) waiting() { c.waits.Store(time.Now().UnixNano()) }

// Read passes on heads that were judged, and bodies.
func (c *conn) Read(p []byte) (int, error) {
	for c.clear == 0 && c.owed == 0 {
		if c.err != nil {
			return 0, c.err
		}
		f, err := judge(c.held)
		switch {
		case err != nil:
			c.err = err
			c.clear = min(unclearShown, len(c.held))
		case f.head == 0 && len(c.held) > maxHead:
			c.clear, c.owed = len(c.held), chunked // net/http says that it is too long
		case f.head == 0:
			if err := c.awaitHead(); err != nil {
				return 0, err
			}
		case f.body == chunked:
			c.clear, c.owed = len(c.held), chunked
			c.waiting() // where it ends is not known here, and that it came may never be told; an event takes less than patience
		default:
			if done, err := c.answer(f); err != nil {
				return 0, err
			} else if done {
				continue
			}
			c.clear = int(min(int64(len(c.held)), int64(f.head)+f.body))
			if c.owed = int64(f.head) + f.body - int64(c.clear); c.owed == 0 {
				c.waits.Store(0)
			}
		}
	}
	if c.clear > 0 {
		n := copy(p, c.held[:c.clear])
		c.clear -= n
		c.drop(n)
		return n, nil
	}
	if c.owed > 0 && int64(len(p)) > c.owed {
		p = p[:c.owed]
	}
	n, err := c.Conn.Read(p)
	if c.owed > 0 {
		if c.owed -= int64(n); c.owed == 0 {
			c.waits.Store(0)
		}
	}
	return n, err
}

// awaitHead reads more of a head, up to what may be its end: who sends it in many pieces does not make us judge it as often. One that has begun has to
// come soon; net/http sees to that only for the first on a connection.
func (c *conn) awaitHead() error {
	for {
		if len(c.held) > 0 && !c.busy.Load() {
			if now := time.Now(); c.readBy.Sub(now) > readHeaderTimeout {
				if err := c.SetReadDeadline(now.Add(readHeaderTimeout)); err != nil {
					return err
				}
			}
		}
		known := len(c.held)
		if err := c.more(); err != nil {
			return err
		}
		if mayEnd(c.held[max(0, known-2):]) || len(c.held) > maxHead {
			return nil
		}
	}
}

// more reads behind held.
func (c *conn) more() error {
	if len(c.held) == cap(c.held) { // a head of many pieces, or one behind another request
		c.space = make([]byte, 0, max(readSize, 2*len(c.held)))
		c.held = append(c.space, c.held...)
	}
	n, err := c.Conn.Read(c.held[len(c.held):cap(c.held)])
	c.held = c.held[:len(c.held)+n]
	if n > 0 {
		return nil // an error comes again
	}
	return err
}

// drop takes the first n bytes off held.
func (c *conn) drop(n int) {
	if c.held = c.held[n:]; len(c.held) == 0 {
		if c.held = c.space[:0]; cap(c.space) > readSize {
			c.space, c.held = nil, nil
		}
	}
}

// answer answers the request that held begins with, if it is a plain event.
func (c *conn) answer(f frame) (done bool, err error) {
	if c.events == nil || c.busy.Load() || f.body > readSize-int64(f.head) {
		return false, nil
	}
	l := c.events.lanes.Get().(*lane)
	defer c.events.leave(l)
	if !l.read(c.events, c.held[:f.head]) {
		return false, nil
	}
	size := f.head + int(f.body)
	if len(c.held) < size {
		if err := c.SetReadDeadline(time.Now().Add(readTimeout)); err != nil {
			return false, err
		}
	}
	for len(c.held) < size {
		if err := c.more(); err != nil {
			return false, err
		}
	}
	if !c.events.begin() {
		return false, nil
	}
	defer c.events.running.Done()
	c.waits.Store(0)
	if err := c.serve(l, c.held[f.head:size]); err != nil {
		return false, err
	}
	c.drop(size)
	now := time.Now()
	c.waits.Store(now.UnixNano())
	c.heard.Store(true)
	c.since = true
	if c.readBy.Sub(now) < idleTimeout/2 { // not each time
		err = c.SetReadDeadline(now.Add(idleTimeout))
	}
	return true, err
}

// serve lets l answer. Who closes the connection meanwhile, which net/http takes for an idle one, closes it when the answer is written.
func (c *conn) serve(l *lane, body []byte) (err error) {
	c.use.Store(taken)
	defer func() {
		if !c.use.CompareAndSwap(taken, free) {
			c.use.Store(free)
			c.Close()
			err = net.ErrClosed
		}
	}()
	last, err := l.serve(c.events.handler, c, body)
	if last && err == nil {
		err = io.EOF
	}
	return err
}

// Write gives the peer some time for each piece, however many there are: a line may be slow, but not still.
func (c *conn) Write(p []byte) (n int, err error) {
	defer c.waits.Store(c.waits.Load()) // who is told to go on with a body is waited for as before
	for err == nil && n < len(p) {
		now := time.Now()
		c.waits.Store(now.UnixNano())
		if c.writeBy.Sub(now) < writeTime/2 { // not each time: a deadline costs as much as a short answer
			c.writeBy = now.Add(writeTime)
			if err := c.Conn.SetWriteDeadline(c.writeBy); err != nil {
				return n, err
			}
		}
		var wrote int
		wrote, err = c.Conn.Write(p[n:min(len(p), n+writePiece)])
		n += wrote
	}
	return n, err
}

// SetReadDeadline is that of the connection below.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.readBy = t
	return c.Conn.SetReadDeadline(t)
}

// SetWriteDeadline does nothing: Write sets it.
func (*conn) SetWriteDeadline(time.Time) error { return nil }

// Close gives the place back. It may be called by anyone, more than once.
func (c *conn) Close() error {
	if c.use.CompareAndSwap(taken, leftOver) || c.use.Load() == leftOver {
		return nil
	}
	defer c.leave(c)
	return c.Conn.Close()
}

// note makes an http.Server tell whose the next step is.
func note(c net.Conn, state http.ConnState) {
	at := c.(*conn)
	at.busy.Store(state == http.StateActive)
	switch {
	case state == http.StateIdle:
		at.heard.Store(true)
		at.waiting()
	case state == http.StateActive && at.since:
		// net/http counts the time for a body from when it began to wait for the head; events may have come for an hour meanwhile.
		at.since = false
		_ = at.SetReadDeadline(time.Now().Add(readTimeout)) // who reads hears of a broken connection
	}
}
