package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"footfall/storage/verb"
)

// Config says where to listen and how to run a verb.
type Config struct {
	Path   string // of the socket
	Run    func(context.Context, *Session) error
	Logger *slog.Logger
}

// Session is one command at the other end of the socket.
type Session struct {
	Request
	In       io.Reader // the command's input, fetched when read
	Out, Err io.Writer
	Bars     func(label string, total int64) verb.Bar
}

// Server answers commands until Close.
type Server struct {
	cfg    Config
	cancel context.CancelFunc
	tasks  sync.WaitGroup // the accept loop and every session
	slots  chan struct{}  // one for each session
}

// Listen opens the socket and answers commands. The caller holds the data directory, so a socket that is already there is
// what a crash left behind. Where the disk has no room for a socket, it is opened when there is some: counting visits does not need it.
func Listen(cfg Config) (*Server, error) {
	ctx, cancel := context.WithCancel(context.Background())
	s := &Server{cfg: cfg, cancel: cancel, slots: make(chan struct{}, maxCalls)}
	listener, err := listen(cfg.Path)
	switch {
	case errors.Is(err, syscall.ENOSPC):
		cfg.Logger.Warn("the disk has no room for the admin socket: commands find no server until it has", "error", err)
		s.tasks.Go(func() { s.listenLater(ctx) })
	case err != nil:
		cancel()
		return nil, fmt.Errorf("open admin socket: %w", err)
	default:
		s.tasks.Go(func() { s.accept(ctx, listener) })
	}
	return s, nil
}

func listen(path string) (net.Listener, error) {
	fresh := path + ".new"
	for _, stale := range []string{fresh, path} {
		if err := os.Remove(stale); err != nil && !os.IsNotExist(err) {
			return nil, err
		}
	}
	addr, release, err := address(fresh)
	if err != nil {
		return nil, err
	}
	defer release()
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: addr, Net: "unix"})
	if err != nil {
		return nil, err
	}
	listener.SetUnlinkOnClose(false) // it would remove the name it was made under, not the one it has
	// Only under its final name can a command find the socket, and then its mode is right.
	if err = os.Chmod(fresh, 0o600); err == nil {
		err = os.Rename(fresh, path)
	}
	if err != nil {
		listener.Close()
		return nil, err
	}
	return listener, nil
}

// listenLater tries until there is room.
func (s *Server) listenLater(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(roomEvery):
		}
		listener, err := listen(s.cfg.Path)
		if err == nil {
			s.cfg.Logger.Info("the admin socket is open")
			s.accept(ctx, listener)
			return
		}
		if !errors.Is(err, syscall.ENOSPC) {
			s.cfg.Logger.Error("open admin socket", "error", err)
			return
		}
	}
}

// Close cancels the verbs that run, waits for them and removes the socket.
func (s *Server) Close() error {
	s.cancel()
	s.tasks.Wait()
	os.Remove(s.cfg.Path)
	return nil
}

func (s *Server) accept(ctx context.Context, listener net.Listener) {
	defer context.AfterFunc(ctx, func() { listener.Close() })()
	for {
		conn, err := listener.Accept()
		if ctx.Err() != nil {
			if err == nil {
				conn.Close()
			}
			return
		}
		if err != nil {
			s.cfg.Logger.Warn("accept admin connection", "error", err)
			select { // most likely out of descriptors: give others time to free some
			case <-ctx.Done():
			case <-time.After(time.Second):
			}
			continue
		}
		select {
		case s.slots <- struct{}{}:
			s.tasks.Go(func() {
				defer func() { <-s.slots }()
				s.serve(ctx, conn)
			})
		default:
			s.refuse(conn)
		}
	}
}

func (s *Server) refuse(conn net.Conn) {
	defer conn.Close()
	conn.SetWriteDeadline(time.Now().Add(time.Second))
	_ = writeJSON(conn, exit, outcome{verb.ExitFailed, fmt.Sprintf("the server already runs %d commands: try again when one has ended", maxCalls)})
}

func (s *Server) serve(ctx context.Context, conn net.Conn) {
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })() // a server that stops waits for no slow command

	conn.SetReadDeadline(time.Now().Add(requestTime))
	req, err := readRequest(conn)
	out := &sender{conn: conn}
	if err == nil {
		conn.SetReadDeadline(time.Time{})
		err = s.run(ctx, conn, out, req)
	}
	if ctx.Err() != nil && err != nil {
		err = errClosed
	}
	result := outcome{Code: verb.Code(err)}
	if err != nil {
		result.Error = err.Error()
	}
	_ = out.json(exit, result) // a command that has gone needs no answer
}

func readRequest(r io.Reader) (Request, error) {
	var req Request
	k, payload, err := readFrame(r)
	if err != nil {
		return req, err
	}
	if k != request || json.Unmarshal(payload, &req) != nil {
		return req, fmt.Errorf("%w: want a request", errFrame)
	}
	if req.Version != version {
		return req, fmt.Errorf("the running server speaks version %d of the admin protocol, this command version %d: use the binary that the server runs, or restart it",
			version, req.Version)
	}
	return req, nil
}

// run runs the verb while another goroutine receives the command's frames, and cancels the verb if they end.
func (s *Server) run(ctx context.Context, conn net.Conn, out *sender, req Request) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	in := &puller{ctx: ctx, out: out, pieces: make(chan piece, 1)}
	var receiver sync.WaitGroup
	receiver.Go(func() {
		defer cancel() // the command has gone, or talks nonsense
		in.receive(conn)
	})
	// The receiver ends when reads time out; the connection stays open for the exit frame.
	defer receiver.Wait()
	defer conn.SetReadDeadline(time.Unix(1, 0))
	s.cfg.Logger.Debug("admin verb", "args", len(req.Args))
	return s.cfg.Run(ctx, &Session{
		Request: req,
		In:      in,
		Out:     &stream{out, stdout},
		Err:     &stream{out, stderr},
		Bars:    out.bars(req.Progress),
	})
}
