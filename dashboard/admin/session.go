package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"footfall/storage/verb"
)

// sender writes frames, whole ones from any goroutine.
type sender struct {
	mu   sync.Mutex // one frame at a time, and guards last
	conn io.Writer
	last int // number of the newest bar
}

func (s *sender) frame(k kind, payload []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return writeFrame(s.conn, k, payload)
}

func (s *sender) json(k kind, v any) error {
	payload, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return s.frame(k, payload)
}

// stream is an io.Writer at the other end.
type stream struct {
	out  *sender
	kind kind
}

func (s *stream) Write(p []byte) (n int, err error) {
	for len(p) > 0 {
		size := min(len(p), maxPiece)
		if err := s.out.frame(s.kind, p[:size]); err != nil {
			return n, fmt.Errorf("write to command: %w", err)
		}
		n += size
		p = p[size:]
	}
	return n, nil
}

// puller is the command's input. It asks for a piece when it has none left, so a verb that reads nothing costs the command
// nothing, and the receiving goroutine is always free to see the command go.
type puller struct {
	ctx    context.Context // of the session
	out    *sender
	pieces chan piece
	rest   []byte
	err    error
}

type piece struct {
	bytes []byte
	err   error
}

func (p *puller) Read(b []byte) (int, error) {
	if len(p.rest) == 0 && p.err == nil {
		if p.err = p.out.frame(need, nil); p.err == nil {
			p.fetch()
		}
	}
	if len(p.rest) == 0 && p.err != nil {
		return 0, p.err
	}
	n := copy(b, p.rest)
	p.rest = p.rest[n:]
	return n, nil
}

func (p *puller) fetch() {
	select {
	case got := <-p.pieces:
		p.rest, p.err = got.bytes, got.err
	case <-p.ctx.Done():
		p.err = p.ctx.Err()
	}
}

// receive hands the command's frames over until the connection ends or a frame comes that was not asked for.
func (p *puller) receive(conn io.Reader) {
	for {
		k, payload, err := readFrame(conn)
		if err != nil {
			return
		}
		var got piece
		switch {
		case k == broken:
			got.err = fmt.Errorf("read input: %s", payload)
		case k != input:
			return
		case len(payload) == 0:
			got.err = io.EOF
		default:
			got.bytes = payload
		}
		select {
		case p.pieces <- got:
		default:
			return
		}
	}
}

// bars returns what starts a progress bar at the other end, or a silent one.
func (s *sender) bars(watched bool) func(string, int64) verb.Bar {
	return func(label string, total int64) verb.Bar {
		if !watched {
			return silent{}
		}
		s.mu.Lock()
		s.last++
		id := s.last
		s.mu.Unlock()
		b := &remoteBar{out: s, frame: barFrame{ID: id, Label: label, Total: total}}
		b.send()
		return b
	}
}

type silent struct{}

func (silent) Set(int64) {}
func (silent) Close()    {}

// remoteBar is a bar at the other end. What cannot be sent is not shown; the verb's own output will fail.
type remoteBar struct {
	out   *sender
	mu    sync.Mutex // guards what follows: a job may move its bar from several goroutines
	frame barFrame
	sent  time.Time
}

func (b *remoteBar) Set(done int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.frame.Done = done
	if time.Since(b.sent) >= barEvery {
		b.send()
	}
}

func (b *remoteBar) Close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.frame.Closed = true
	b.send()
}

func (b *remoteBar) send() {
	b.sent = time.Now()
	_ = b.out.json(bar, b.frame)
}

// errClosed is the error of a server that went away before it said how the verb ended.
var errClosed = errors.New("the server stopped before the command had ended: see whether it runs, then try again")
