package web

import (
	"cmp"
	"net"
	"net/netip"
	"slices"
	"sync"
)

// listener caps the connections of each address, and of all. At the first cap a new one is closed: one stranger must not make others
// wait. At the second it takes the place of those that have let us wait the longest, idle ones among them, from the addresses that have the most: however many
// strangers hold on to connections, who comes with a request is served.
type listener struct {
	net.Listener
	events *events
	exempt func(netip.Addr) bool // from the first cap: proxies bring everyone

	mu     sync.Mutex // guards all below
	room   *sync.Cond // a place is free, or the listener closed
	closed bool
	conns  map[*conn]netip.Prefix // the zero prefix is one that is not counted by address
	from   map[netip.Prefix]int
}

func newListener(l net.Listener, events *events, exempt func(netip.Addr) bool) *listener {
	out := &listener{Listener: l, events: events, exempt: exempt, conns: map[*conn]netip.Prefix{}, from: map[netip.Prefix]int{}}
	out.room = sync.NewCond(&out.mu)
	return out
}

// Accept waits while all places are taken by requests under way.
func (l *listener) Accept() (net.Conn, error) {
	for {
		accepted, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		c := newConn(accepted, l.events, l.leave)
		switch entered, late, err := l.enter(c, l.key(c.remote)); {
		case err != nil:
			accepted.Close()
			return nil, err
		case entered:
			closeAll(late)
			return c, nil
		}
		accepted.Close()
	}
}

func (l *listener) Close() error {
	l.mu.Lock()
	l.closed = true
	l.room.Broadcast()
	l.mu.Unlock()
	return l.Listener.Close()
}

// enter counts a connection, or reports that its address has enough. Who had to go for it is to be closed.
func (l *listener) enter(c *conn, key netip.Prefix) (ok bool, late []*conn, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if key.IsValid() && l.from[key] >= maxConnsAddress {
		return false, nil, nil
	}
	for len(l.conns) >= maxConns && !l.closed {
		if late = l.lateLocked(); len(late) > 0 {
			break
		}
		l.room.Wait()
	}
	if l.closed {
		return false, nil, net.ErrClosed
	}
	l.conns[c] = key
	if key.IsValid() {
		l.from[key]++
	}
	return true, late, nil
}

// lateLocked takes the places of some connections whose peer is waited for.
func (l *listener) lateLocked() (late []*conn) {
	type waiting struct {
		*conn
		since int64
		like  int // connections from the same address
	}
	var list []waiting
	for c, key := range l.conns {
		if since := c.waits.Load(); since != 0 {
			list = append(list, waiting{c, since, l.from[key]})
		}
	}
	slices.SortFunc(list, func(a, b waiting) int { return cmp.Or(cmp.Compare(b.like, a.like), cmp.Compare(a.since, b.since)) })
	for _, w := range list[:min(len(list), cutAtOnce)] {
		l.leaveLocked(w.conn)
		late = append(late, w.conn)
	}
	return late
}

func (l *listener) leave(c *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.leaveLocked(c)
}

func (l *listener) leaveLocked(c *conn) {
	key, ok := l.conns[c]
	if !ok {
		return // it has left before
	}
	delete(l.conns, c)
	if key.IsValid() {
		if l.from[key]--; l.from[key] == 0 {
			delete(l.from, key)
		}
	}
	l.room.Signal()
}

func closeAll(conns []*conn) {
	for _, c := range conns {
		c.Close()
	}
}

// closeSilent closes the connections whose peer is waited for.
func (l *listener) closeSilent() {
	l.mu.Lock()
	var silent []*conn
	for c := range l.conns {
		if c.waits.Load() != 0 {
			silent = append(silent, c)
		}
	}
	l.mu.Unlock()
	closeAll(silent)
}

// key is the network by which connections are counted; the zero one for those that are not.
func (l *listener) key(remote string) netip.Prefix {
	peer, err := netip.ParseAddrPort(remote)
	if err != nil {
		return netip.Prefix{} // not TCP
	}
	addr := peer.Addr().Unmap().WithZone("")
	if l.exempt != nil && l.exempt(addr) {
		return netip.Prefix{}
	}
	bits := addr.BitLen()
	if addr.Is6() {
		bits = 64
	}
	key, _ := addr.Prefix(bits) // the zero one where addr is none
	return key
}
