package ingest

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"footfall/storage/verb"
)

// logFiles is the logs that a command was told to read, as one stream: the verb may run in a server that cannot open them. It goes over them
// once, or with every > 0 again and again until ctx ends. Compressed files are unpacked here.
//
//	a pass    'p', version 1, uvarint 1 + bytes of all files, 0 if unknown; then its files; then 'e'
//	a file    'f', uvarint length, name; then its pieces
//	a piece   'd', uvarint length, bytes
//
// The stream lives between two processes of one program, which may be of different versions: hence the version.
type logFiles struct {
	ctx   context.Context
	paths []string
	stdin io.Reader
	every time.Duration

	pending []byte     // of the stream, not read yet
	left    []*logFile // of the pass under way, the one that is read first
	passing bool
	passed  bool
	before  map[string]*os.File // by path: as it was in the pass before, since it may have another name by now
}

// logFile is one file of a pass.
type logFile struct {
	name   string
	file   *os.File  // nil for standard input
	keep   bool      // the next pass asks for it
	reader io.Reader // nil before it is begun
}

const (
	logPass    = 'p'
	logName    = 'f'
	logPiece   = 'd'
	logPassEnd = 'e'
	logVersion = 1
)

// Read ends when everything was read once, or with the context's error.
func (l *logFiles) Read(b []byte) (int, error) {
	for len(l.pending) == 0 {
		if err := l.ctx.Err(); err != nil {
			return 0, err
		}
		if err := l.advance(); err != nil {
			return 0, err
		}
	}
	n := copy(b, l.pending)
	l.pending = l.pending[n:]
	return n, nil
}

// advance makes more of the stream.
func (l *logFiles) advance() error {
	switch {
	case !l.passing && !l.passed:
		return l.begin()
	case !l.passing && l.every == 0:
		return io.EOF
	case !l.passing:
		timer := time.NewTimer(l.every)
		defer timer.Stop()
		select {
		case <-l.ctx.Done():
			return l.ctx.Err()
		case <-timer.C:
			return l.begin()
		}
	case len(l.left) == 0:
		l.passing, l.passed = false, true
		l.pending = append(l.pending[:0], logPassEnd)
		return nil
	}
	f := l.left[0]
	if f.reader == nil {
		return l.open(f)
	}
	room := make([]byte, maxLogPiece)
	n, err := f.reader.Read(room)
	l.pending = l.pending[:0]
	if n > 0 {
		l.pending = binary.AppendUvarint(append(l.pending, logPiece), uint64(n))
		l.pending = append(l.pending, room[:n]...)
	}
	if err == io.EOF {
		err = nil
		if l.left = l.left[1:]; f.file != nil && !f.keep {
			err = f.file.Close()
		}
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", f.name, err)
	}
	return nil
}

// begin opens the files of a pass. One that was replaced since the pass before is read to its end under the name it had.
func (l *logFiles) begin() error {
	size := int64(0)
	now := map[string]*os.File{}
	for _, path := range l.paths {
		if path == "-" {
			if !l.passed {
				l.left, size = append(l.left, &logFile{name: "standard input"}), -1
			}
			continue
		}
		f, err := os.Open(path)
		old := l.before[path]
		if errors.Is(err, fs.ErrNotExist) && old != nil { // it is being replaced at this moment
			f, err = old, nil
			if _, err := f.Seek(0, io.SeekStart); err != nil {
				return fmt.Errorf("read %s: %w", path, err)
			}
		}
		if err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				err = verb.Exit(verb.ExitMissing, err)
			}
			return err
		}
		info, err := f.Stat()
		if err != nil {
			return err
		}
		if info.IsDir() {
			return verb.Exit(verb.ExitUsage, fmt.Errorf("%s is a directory: name the files in it", path))
		}
		name := filepath.Base(path)
		if old != nil && old != f {
			if was, err := old.Stat(); err != nil || os.SameFile(was, info) {
				err = errors.Join(err, old.Close())
				if err != nil {
					return err
				}
			} else if _, err := old.Seek(0, io.SeekStart); err != nil {
				return fmt.Errorf("read %s: %w", path, err)
			} else {
				l.left = append(l.left, &logFile{name: name + " of before", file: old})
			}
		}
		now[path] = f
		l.left = append(l.left, &logFile{name: name, file: f, keep: l.every > 0})
		if !info.Mode().IsRegular() || filepath.Ext(path) == ".gz" {
			size = -1
		} else if size >= 0 {
			size += info.Size()
		}
	}
	l.before, l.passing = now, true
	l.pending = binary.AppendUvarint(append(l.pending[:0], logPass, logVersion), uint64(size+1))
	return nil
}

// open begins a file.
func (l *logFiles) open(f *logFile) error {
	var from io.Reader = f.file
	if f.file == nil {
		from = l.stdin
	}
	b := bufio.NewReaderSize(from, maxLogPiece)
	f.reader = b
	if head, _ := b.Peek(2); len(head) == 2 && head[0] == 0x1f && head[1] == 0x8b {
		unpack, err := gzip.NewReader(b)
		if err != nil {
			return fmt.Errorf("unpack %s: %w", f.name, err)
		}
		f.reader = unpack
	}
	l.pending = binary.AppendUvarint(append(l.pending[:0], logName), uint64(len(f.name)))
	l.pending = append(l.pending, f.name...)
	return nil
}

// Close closes what is open.
func (l *logFiles) Close() error {
	for _, f := range l.left {
		if f.file != nil && !f.keep {
			f.file.Close()
		}
	}
	for _, f := range l.before {
		f.Close()
	}
	l.left, l.before = nil, nil
	return nil
}

// logStream reads what logFiles makes.
type logStream struct {
	r     *bufio.Reader
	piece uint64 // bytes left of the piece under way
}

var errLogStream = errors.New("internal error: the command and the server do not understand each other: use the binary that the server runs")

// pass begins the next pass; io.EOF says that there is none. size is −1 if unknown.
func (s *logStream) pass() (size int64, err error) {
	kind, err := s.r.ReadByte()
	if err != nil {
		return 0, err
	}
	version, err := s.r.ReadByte()
	if kind != logPass || err != nil || version != logVersion {
		return 0, errLogStream
	}
	n, err := binary.ReadUvarint(s.r)
	return int64(n) - 1, err
}

// file begins the next file of the pass; ok is false if there is none.
func (s *logStream) file() (name string, ok bool, err error) {
	kind, err := s.r.ReadByte()
	if err != nil || kind == logPassEnd {
		return "", false, noEnd(err)
	}
	n, err := binary.ReadUvarint(s.r)
	if kind != logName || err != nil || n > maxLogPiece {
		return "", false, errLogStream
	}
	b := make([]byte, n)
	_, err = io.ReadFull(s.r, b)
	return string(b), err == nil, noEnd(err)
}

// Read reads the file that was begun.
func (s *logStream) Read(b []byte) (int, error) {
	for s.piece == 0 {
		kind, err := s.r.ReadByte()
		if err != nil {
			return 0, noEnd(err)
		}
		if kind != logPiece {
			if err := s.r.UnreadByte(); err != nil {
				return 0, err
			}
			return 0, io.EOF
		}
		if s.piece, err = binary.ReadUvarint(s.r); err != nil {
			return 0, noEnd(err)
		}
	}
	n, err := s.r.Read(b[:min(uint64(len(b)), s.piece)])
	s.piece -= uint64(n)
	return n, noEnd(err)
}

func noEnd(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
