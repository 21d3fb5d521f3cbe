// Package admin runs a command-line verb inside the server that has the data directory open, so that a verb does the
// same whether a server runs or not. Listen is the server's side, Call the command's.
//
// The command connects to footfall.sock in the data directory, a Unix socket only its owner may open. It sends its
// arguments; the server parses them with the same grammar and runs the same verb with the store it has open. The command
// keeps what belongs to its user: it opens FILE arguments and asks for passwords, and the server asks it for that input
// piece by piece. If the command goes away, the verb is cancelled.
//
// # Format
//
// Both sides send frames: a type byte, the payload's length as a big-endian uint32, the payload.
//
//	type      sent by   payload
//	1 request command   JSON Request, once, first
//	2 need    server    empty: send one piece of input
//	3 input   command   the piece, at most 64 KiB; empty at the end of input
//	4 broken  command   text: the input cannot be read
//	5 out     server    bytes for standard output
//	6 err     server    bytes for standard error
//	7 bar     server    JSON: a progress bar to show, move or remove
//	8 exit    server    JSON: exit code and error, once, last
//
// A request carries the protocol's version. A server that knows another answers with an exit frame that says so, which both
// can read because frames and the exit payload stay as they are in every version.
package admin

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"time"
)

// Socket is the name of the socket in a data directory.
const Socket = "footfall.sock"

// version is that of the protocol.
const version = 1

// Limits of the protocol.
const (
	maxFrame    = 256 << 10        // bytes of a payload: a request of very many arguments; everything else comes in pieces
	maxPiece    = 64 << 10         // bytes of a piece of input or output: enough that a round trip costs nothing against it
	maxCalls    = 16               // verbs at once: a person runs one or two, a script that runs more can wait
	requestTime = 10 * time.Second // for a command to say what it wants, so that idle connections cannot fill maxCalls
	barEvery    = 100 * time.Millisecond
	roomEvery   = time.Second // how often a disk without room for the socket is tried again
	maxPath     = 100         // bytes of a socket's path; systems allow 104 or 108
)

// Request is what a command asks for.
type Request struct {
	Version  int               `json:"version"`
	Args     []string          `json:"args"`
	Settings map[string]string `json:"settings,omitempty"` // flags from the command's environment and file
	Progress bool              `json:"progress,omitempty"` // somebody watches
	Asks     bool              `json:"asks,omitempty"`     // somebody answers
}

// outcome is the payload of an exit frame.
type outcome struct {
	Code  int    `json:"code"`
	Error string `json:"error,omitempty"`
}

// barFrame is the payload of a bar frame.
type barFrame struct {
	ID     int    `json:"id"`
	Label  string `json:"label,omitempty"`
	Total  int64  `json:"total,omitempty"`
	Done   int64  `json:"done,omitempty"`
	Closed bool   `json:"closed,omitempty"`
}

// kind is the type byte of a frame.
type kind byte

const (
	request kind = 1 + iota
	need
	input
	broken
	stdout
	stderr
	bar
	exit
)

var errFrame = errors.New("admin socket: malformed frame")

func writeFrame(w io.Writer, k kind, payload []byte) error {
	frame := make([]byte, 5, 5+len(payload))
	frame[0] = byte(k)
	binary.BigEndian.PutUint32(frame[1:], uint32(len(payload)))
	_, err := w.Write(append(frame, payload...))
	return err
}

func writeJSON(w io.Writer, k kind, v any) error {
	payload, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return writeFrame(w, k, payload)
}

// readFrame reads one frame. It returns io.EOF only between frames.
func readFrame(r io.Reader) (kind, []byte, error) {
	var head [5]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	size := binary.BigEndian.Uint32(head[1:])
	if k := kind(head[0]); k < request || k > exit || size > maxFrame {
		return 0, nil, fmt.Errorf("%w: type %d, %d bytes", errFrame, head[0], size)
	}
	payload := make([]byte, size)
	if _, err := io.ReadFull(r, payload); err != nil {
		return 0, nil, fmt.Errorf("%w: %w", errFrame, io.ErrUnexpectedEOF)
	}
	return kind(head[0]), payload, nil
}

// address returns a path for path that fits a socket address. Release it after use.
func address(path string) (string, func(), error) {
	if len(path) <= maxPath || runtime.GOOS != "linux" {
		return path, func() {}, nil
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return "", nil, err
	}
	return fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), filepath.Base(path)), func() { dir.Close() }, nil
}
