package ingest

import (
	"bytes"
	"fmt"
	"io"

	"footfall/ingest/wire"
)

// block is some whole lines of the input, or its end.
type block struct {
	bytes  []byte
	first  uint64 // number of its first line, from 1
	long   bool   // it is one line that was too long, and holds nothing of it
	read   int64  // bytes of the input up to its end
	buffer []byte // to be used again
	err    error  // that ended the input
}

// blockReader cuts the input into blocks. It is for one goroutine; give may be called by any.
type blockReader struct {
	r    io.Reader
	line uint64 // lines so far
	read int64
	rest []byte // of the line under way, in the buffer of the block before
	err  error  // of r
	made int    // buffers
	// ended leaves a last line without an end in rest: who writes the input has not finished it.
	ended bool
	free  chan []byte
}

// blockSize is how many bytes are read and decoded at once: the longest line and its end fit.
const blockSize = wire.MaxLine + len("\r\n")

func newBlockReader(r io.Reader, buffers int) *blockReader {
	return &blockReader{r: r, free: make(chan []byte, buffers)}
}

// give hands a block's buffer back.
func (r *blockReader) give(b *block) {
	if b.buffer != nil {
		r.free <- b.buffer
	}
}

// buffer waits for a buffer, unless another may be made.
func (r *blockReader) buffer() []byte {
	if r.made < cap(r.free) {
		select {
		case b := <-r.free:
			return b
		default:
			r.made++
			return make([]byte, blockSize)
		}
	}
	return <-r.free
}

// next returns the next block; the last one is empty or has an error. The caller gives it back.
func (r *blockReader) next() block {
	buffer := r.buffer()
	n := copy(buffer, r.rest)
	n += r.fill(buffer[n:])
	b := block{first: r.line + 1, buffer: buffer}
	end := bytes.LastIndexByte(buffer[:n], '\n') + 1
	switch {
	case r.err == io.EOF && !r.ended:
		end, r.rest = n, nil
	case r.err == nil && end == 0:
		b.long = r.skip(buffer)
	default:
		r.rest = buffer[end:n]
	}
	if b.bytes = buffer[:end]; end > 0 {
		r.line += uint64(bytes.Count(b.bytes, []byte{'\n'}))
		if b.bytes[end-1] != '\n' {
			r.line++
		}
	}
	if end == 0 && !b.long && r.err != io.EOF {
		b.err = fmt.Errorf("read line %d: %w", r.line+1, r.err)
	}
	b.read = r.read - int64(len(r.rest))
	return b
}

// fill reads until into is full or the input ends.
func (r *blockReader) fill(into []byte) (n int) {
	for n < len(into) && r.err == nil {
		var k int
		k, r.err = r.r.Read(into[n:])
		n += k
	}
	r.read += int64(n)
	return n
}

// skip reads the rest of a line that is longer than buffer, and reports whether it came to its end.
func (r *blockReader) skip(buffer []byte) bool {
	r.rest = nil
	for r.err == nil {
		n := r.fill(buffer)
		if i := bytes.IndexByte(buffer[:n], '\n'); i >= 0 {
			r.rest = buffer[i+1 : n]
			r.line++
			return true
		}
	}
	if r.err == io.EOF && !r.ended {
		r.line++
	}
	return r.err == io.EOF && !r.ended
}
