package web

import (
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// conn is a connection on which net/http sees clear requests only, and whose peer has to take its answers at some pace. It knows since when
// its peer lets it wait, so that the server can do without those who do when it has too many.
//
// One goroutine reads at a time, and one writes, as net/http does.
type conn struct {
	net.Conn
	leave func(*conn) // gives the place back

	waits atomic.Int64 // since when the peer is waited for, in Unix nanoseconds; 0 while the next step is ours

	space []byte // of held
	held  []byte // read and not passed on
	clear int    // so many bytes of held may be passed on
	owed  int64  // bytes of the body under way that were not read yet; chunked: all that comes is passed on
	err   error  // the head in held is not clear

	writeBy time.Time // the deadline of writing
}

func newConn(c net.Conn, leave func(*conn)) *conn {
	out := &conn{Conn: c, leave: leave}
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
			if err := c.more(); err != nil {
				return 0, err
			}
		case f.body == chunked:
			c.clear, c.owed = len(c.held), chunked
			c.waits.Store(0) // it has readTimeout
		default:
			c.clear = int(min(int64(len(c.held)), int64(f.head)+f.body))
			if c.owed = int64(f.head) + f.body - int64(c.clear); c.owed == 0 {
				c.waits.Store(0)
			}
		}
	}
	if c.clear > 0 {
		n := copy(p, c.held[:c.clear])
		c.clear -= n
		if c.held = c.held[n:]; len(c.held) == 0 {
			if c.held = c.space[:0]; cap(c.space) > readSize {
				c.space, c.held = nil, nil
			}
		}
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

// Write gives the peer some time for each piece, however many there are: a line may be slow, but not still.
func (c *conn) Write(p []byte) (n int, err error) {
	defer c.waits.Store(0)
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

// SetWriteDeadline does nothing: Write sets it.
func (*conn) SetWriteDeadline(time.Time) error { return nil }

// Close gives the place back. It may be called by anyone, more than once.
func (c *conn) Close() error {
	defer c.leave(c)
	return c.Conn.Close()
}

// noteIdle makes an http.Server tell when an answer is complete, and the next step is the peer's.
func noteIdle(c net.Conn, state http.ConnState) {
	if state == http.StateIdle {
		c.(*conn).waiting()
	}
}
