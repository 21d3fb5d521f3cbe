package admin

import (
	"context"
	"errors"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"footfall/storage"
)

// Where runs a verb where the data are: inside the server that has dir open, else here, with the store that open returns and
// Where closes.
func Where(ctx context.Context, dir string, args []string, settings map[string]string, s Streams,
	open func() (*storage.Store, error), here func(*storage.Store) error) error {
	path := filepath.Join(dir, Socket)
	if err := Call(ctx, path, args, settings, s); !errors.Is(err, ErrNoServer) {
		return err
	}
	store, err := open()
	if errors.Is(err, storage.ErrRunning) { // a server that was just starting may listen by now
		if err := Call(ctx, path, args, settings, s); !errors.Is(err, ErrNoServer) {
			return err
		}
	}
	if err != nil {
		return err
	}
	return errors.Join(here(store), store.Close())
}

// ServeHTTP serves what is for the operator alone, such as metrics, until ctx ends. It closes the listener.
func ServeHTTP(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{Handler: handler, ReadTimeout: requestTime, WriteTimeout: requestTime, MaxHeaderBytes: maxPiece}
	defer context.AfterFunc(ctx, func() {
		drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = server.Shutdown(drain) // a scrape that takes longer is not waited for
		_ = server.Close()
	})()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
