package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"

	"footfall/assets/tracker"
)

// Serve answers on listener until ctx ends, then lets requests under way finish and returns nil. It closes the listener.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	server := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ConnState:         note,
		// Its answer would let more requests follow a body in chunks: see closeAfterChunks.
		DisableGeneralOptionsHandler: true,
		ErrorLog:                     slog.NewLogLogger(discardText{s.log.Handler()}, slog.LevelDebug),
	}
	events := newEvents(s, append([]string{tracker.Endpoint}, s.cfg.EventPaths...)...)
	limited := newListener(listener, events, s.cfg.Proxies, s.log)
	stopped := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
		defer cancel()
		quiet := make(chan struct{})
		go func() { // outlives this function only where a request hangs, and the process is about to end
			defer close(quiet)
			events.stop()
			limited.closeSilent() // net/http would wait for those that have only sent events
		}()
		err := server.Shutdown(drain)
		select {
		case <-quiet:
		case <-drain.Done():
		}
		if errors.Is(err, context.DeadlineExceeded) {
			err = server.Close()
		}
		stopped <- err
	})
	err := server.Serve(limited)
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
