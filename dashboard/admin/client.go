package admin

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"

	"footfall/storage/verb"
)

// Streams are the command's ends of a session.
type Streams struct {
	In       io.Reader // nil is empty
	Out, Err io.Writer
	Bars     func(label string, total int64) verb.Bar // nil: nobody watches
	Asks     bool                                     // In is a person, who sees Out and Err
}

// ErrNoServer says that no server listens at the socket.
var ErrNoServer = errors.New("no server listens")

// Call runs a verb inside the server behind the socket and returns as the verb did, with its exit code (verb.Code).
// Cancelling ctx cancels the verb.
func Call(ctx context.Context, path string, args []string, settings map[string]string, s Streams) error {
	conn, err := dial(path)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()

	c := &client{streams: s, out: &sender{conn: conn}, bars: map[int]verb.Bar{}, needs: make(chan struct{}, 1)}
	if err := c.out.json(request, Request{version, args, settings, s.Bars != nil, s.Asks}); err != nil && !errors.Is(err, syscall.EPIPE) {
		return fmt.Errorf("call server: %w", err) // after EPIPE there may be an answer to read
	}
	// Nobody waits for the pump: it may hang in a read of the terminal that nothing can end, and the process is about to.
	go c.pump()
	defer close(c.needs)
	defer c.closeBars()
	result, err := c.receive(conn)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return err
	case result.Code == 0:
		return nil
	}
	return verb.Exit(result.Code, errors.New(result.Error))
}

func dial(path string) (net.Conn, error) {
	addr, release, err := address(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, ErrNoServer
	}
	if err != nil {
		return nil, fmt.Errorf("open admin socket: %w", err)
	}
	defer release()
	conn, err := net.Dial("unix", addr)
	switch {
	case errors.Is(err, os.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return nil, ErrNoServer
	case errors.Is(err, os.ErrPermission):
		return nil, fmt.Errorf("open admin socket %s: permission denied: run the command as the user that the server runs as", path)
	case err != nil:
		return nil, fmt.Errorf("open admin socket: %w", err)
	}
	return conn, nil
}

type client struct {
	streams Streams
	out     *sender
	bars    map[int]verb.Bar
	needs   chan struct{}
}

// receive does what the server's frames say until the verb has ended.
func (c *client) receive(conn io.Reader) (outcome, error) {
	r := bufio.NewReaderSize(conn, maxPiece)
	for {
		k, payload, err := readFrame(r)
		if errors.Is(err, errFrame) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return outcome{}, err
		}
		if err != nil {
			return outcome{}, errClosed
		}
		switch k {
		case need:
			c.needs <- struct{}{} // room for one: the server asks again only after an answer
		case stdout:
			_, err = c.streams.Out.Write(payload)
		case stderr:
			_, err = c.streams.Err.Write(payload)
		case bar:
			err = c.move(payload)
		case exit:
			var result outcome
			if json.Unmarshal(payload, &result) != nil {
				return outcome{}, fmt.Errorf("%w: exit", errFrame)
			}
			return result, nil
		default:
			return outcome{}, fmt.Errorf("%w: type %d from a server", errFrame, k)
		}
		if err != nil {
			return outcome{}, err
		}
	}
}

// pump sends a piece of input for each need.
func (c *client) pump() {
	buf := make([]byte, maxPiece)
	for range c.needs {
		n, err := 0, io.EOF
		if c.streams.In != nil {
			n, err = io.ReadAtLeast(c.streams.In, buf, 1)
		}
		switch {
		case n > 0:
			err = c.out.frame(input, buf[:n])
		case err == io.EOF:
			err = c.out.frame(input, nil)
		default:
			err = c.out.frame(broken, []byte(err.Error()))
		}
		if err != nil {
			return // the receiver sees the connection end too
		}
	}
}

func (c *client) move(payload []byte) error {
	var f barFrame
	if json.Unmarshal(payload, &f) != nil {
		return fmt.Errorf("%w: bar", errFrame)
	}
	if c.streams.Bars == nil {
		return nil
	}
	b := c.bars[f.ID]
	if b == nil {
		b = c.streams.Bars(f.Label, f.Total)
		c.bars[f.ID] = b
	}
	b.Set(f.Done)
	if f.Closed {
		b.Close()
		delete(c.bars, f.ID)
	}
	return nil
}

func (c *client) closeBars() {
	for _, b := range c.bars {
		b.Close()
	}
}
