package web

import (
	"cmp"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// listener caps the connections of each address, and of all. At the first cap a new one is closed: one stranger must not make others
// wait. At the second it takes the place of one that lets us wait: of those that have for long, from the addresses that have the most, or of one that is
// idle since an answer. So who comes is served once, however many strangers hold on to connections or send one request after the other.
type listener struct {
	net.Listener
	events *events
	log    *slog.Logger
	exempt func(netip.Addr) bool // from the first cap: proxies bring everyone

	mu     sync.Mutex // guards all below
	room   *sync.Cond // a place is free, or the listener closed
	closed bool
	conns  map[*conn]netip.Prefix // the zero prefix is one that is not counted by address
	from   map[netip.Prefix]int
	cut    int       // connections that had to go for others
	told   time.Time // when that was logged
}

func newListener(l net.Listener, events *events, exempt func(netip.Addr) bool, log *slog.Logger) *listener {
	out := &listener{Listener: l, events: events, log: log, exempt: exempt, conns: map[*conn]netip.Prefix{}, from: map[netip.Prefix]int{}}
	out.room = sync.NewCond(&out.mu)
	return out
}

// Accept waits while all places are taken by requests under way, and by those that have only just come.
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
		if late = l.lateLocked(time.Now()); len(late) > 0 {
			break
		}
		again := time.AfterFunc(lookAgain, l.room.Broadcast)
		l.room.Wait()
		again.Stop()
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
func (l *listener) lateLocked(now time.Time) (late []*conn) {
	type waiting struct {
		*conn
		since time.Time
		like  int // connections from the same address
	}
	var long, idle []waiting
	for c, key := range l.conns {
		since := c.waits.Load()
		if since == 0 {
			continue
		}
		if w := (waiting{c, time.Unix(0, since), l.from[key]}); now.Sub(w.since) > patience {
			long = append(long, w)
		} else if c.heard.Load() {
			idle = append(idle, w)
		}
	}
	list, most := long, cutAtOnce
	if len(long) == 0 {
		list, most = idle, cutIdle
	}
	slices.SortFunc(list, func(a, b waiting) int { return cmp.Or(cmp.Compare(b.like, a.like), a.since.Compare(b.since)) })
	for _, w := range list[:min(len(list), most)] {
		l.leaveLocked(w.conn)
		late = append(late, w.conn)
	}
	if l.cut += len(late); len(late) > 0 && now.Sub(l.told) > tellAgain {
		l.told = now
		l.log.Warn("all places for connections are taken: those who let the server wait are closed for those who come", "places", maxConns, "closed_since_start", l.cut)
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

// closeSilent closes the connections whose peer is waited for, to begin a request or to end it. Who is taking an answer may do so.
func (l *listener) closeSilent() {
	l.mu.Lock()
	var silent []*conn
	for c := range l.conns {
		if c.waits.Load() != 0 && !c.busy.Load() {
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
