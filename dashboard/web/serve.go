package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
)

// Serve answers on listener until ctx ends, then lets requests under way finish and returns nil. It closes the listener.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	server := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      s.cfg.QueryTime + writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(discardText{s.log.Handler()}, slog.LevelDebug),
	}
	stopped := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
		defer cancel()
		err := server.Shutdown(drain)
		if errors.Is(err, context.DeadlineExceeded) {
			err = server.Close()
		}
		stopped <- err
	})
	err := server.Serve(newLimited(listener, s.cfg.Proxies))
	if !stop() {
		// Serve returns as soon as the stop begins; the requests under way end before it does.
		if err := <-stopped; err != nil {
			return fmt.Errorf("stop server: %w", err)
		}
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serve: %w", err)
}

// discardText replaces what net/http says about broken connections, which names their addresses, by a constant.
type discardText struct{ slog.Handler }

func (d discardText) Handle(ctx context.Context, r slog.Record) error {
	return d.Handler.Handle(ctx, slog.NewRecord(r.Time, r.Level, "connection failed", 0))
}

// limited caps the connections of all and of each address. At the first cap new ones wait, at the second they are closed: one stranger
// must not make the others wait.
type limited struct {
	net.Listener
	exempt func(netip.Addr) bool
	slots  chan struct{}
	closed chan struct{}
	once   sync.Once

	mu   sync.Mutex // guards from
	from map[netip.Prefix]int
}

func newLimited(l net.Listener, exempt func(netip.Addr) bool) *limited {
	return &limited{Listener: l, exempt: exempt, slots: make(chan struct{}, maxConns), closed: make(chan struct{}), from: map[netip.Prefix]int{}}
}

func (l *limited) Accept() (net.Conn, error) {
	for {
		select {
		case l.slots <- struct{}{}:
		case <-l.closed:
			return nil, net.ErrClosed
		}
		conn, err := l.Listener.Accept()
		if err != nil {
			<-l.slots
			return nil, err
		}
		key, ok := l.enter(conn)
		if ok {
			return &limitedConn{Conn: conn, leave: sync.OnceFunc(func() { l.leave(key) })}, nil
		}
		conn.Close()
		<-l.slots
	}
}

func (l *limited) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// enter counts a connection; the zero key is one that is not counted by address.
func (l *limited) enter(conn net.Conn) (key netip.Prefix, ok bool) {
	peer, err := netip.ParseAddrPort(conn.RemoteAddr().String())
	if err != nil {
		return key, true // not TCP
	}
	addr := peer.Addr().Unmap().WithZone("")
	if l.exempt != nil && l.exempt(addr) {
		return key, true
	}
	bits := addr.BitLen()
	if addr.Is6() {
		bits = 64
	}
	if key, err = addr.Prefix(bits); err != nil {
		return key, true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.from[key] >= maxConnsAddress {
		return key, false
	}
	l.from[key]++
	return key, true
}

func (l *limited) leave(key netip.Prefix) {
	if key.IsValid() {
		l.mu.Lock()
		if l.from[key]--; l.from[key] == 0 {
			delete(l.from, key)
		}
		l.mu.Unlock()
	}
	<-l.slots
}

type limitedConn struct {
	net.Conn
	leave func()
}

func (c *limitedConn) Close() error {
	defer c.leave()
	return c.Conn.Close()
}
