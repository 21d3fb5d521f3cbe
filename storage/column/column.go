// Package column turns columns of a day into bytes and back: numbers, dictionaries of words, and sets of rows. It
// alone knows the compressor and the bitmap library.
//
// # Numbers
//
// A list of n numbers of at most 32 bits; n is known from elsewhere.
//
//	byte 0   encoding
//	         1 same    uvarint value, n times
//	         2 packed  byte width in bits, uvarint base, then n·width bits of value−base, least significant first
//	         3 runs    (uvarint value, uvarint length)… until n values are there
//	         4 planes  byte width in bytes, then zstd of all first (least significant) bytes, all second bytes …
//	         5 zruns   zstd of the bytes of encoding 3
//
// The writer tries what can pay and keeps the smallest; a packed column within 1/16 of the best is preferred, since it
// decodes without the decompressor.
//
// # Words
//
//	byte 0   encoding: 1 plain, 2 zstd of plain
//	plain    uvarint count, count uvarint lengths, the bytes of all words
//
// # Rows
//
//	byte 0   encoding: 1 roaring bitmap in its portable form, 2 zstd of that
package column

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// ErrCorrupt is wrapped by every decoding error.
var ErrCorrupt = errors.New("column is corrupt")

func corrupt(what string) error { return fmt.Errorf("%w: %s", ErrCorrupt, what) }

// Limits of what a decoder accepts, so that a bad length cannot take all memory.
const (
	MaxRows  = 1 << 28 // a day of 268 million events would take gigabytes in every column
	MaxWords = 1 << 24 // distinct values of one column in one day
	maxWord  = 1 << 20 // bytes of one word; ingestion's own limits are far lower
	maxPlain = 1 << 30 // bytes of one column before compression
)

const (
	encSame   = 1
	encPacked = 2
	encRuns   = 3
	encPlanes = 4
	encZRuns  = 5

	encPlain = 1
	encZstd  = 2
)

// The zstd coders are safe for concurrent use and costly to make.
var (
	encoder = sync.OnceValue(func() *zstd.Encoder {
		e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false), zstd.WithSingleSegment(true),
			zstd.WithAllLitEntropyCompression(true))
		if err != nil {
			panic("column: internal error: " + err.Error())
		}
		return e
	})
	decoder = sync.OnceValue(func() *zstd.Decoder {
		d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(maxPlain))
		if err != nil {
			panic("column: internal error: " + err.Error())
		}
		return d
	})
)

func compress(dst, plain []byte) []byte { return encoder().EncodeAll(plain, dst) }

// decompress appends what a frame holds to dst, which is empty. It refuses a frame that says it holds more than limit bytes before it
// allocates them.
func decompress(dst, src []byte, limit int) ([]byte, error) {
	var h zstd.Header
	if err := h.Decode(src); err != nil {
		return nil, corrupt("compressed frame header")
	}
	if !h.HasFCS || h.FrameContentSize > uint64(limit) {
		return nil, corrupt("compressed size")
	}
	if uint64(cap(dst)) < h.FrameContentSize {
		dst = make([]byte, 0, h.FrameContentSize)
	}
	out, err := decoder().DecodeAll(src, dst)
	if err != nil || uint64(len(out)) != h.FrameContentSize {
		return nil, corrupt("compressed bytes")
	}
	return out, nil
}

// AppendNumbers encodes v.
func AppendNumbers(dst []byte, v []uint32) []byte {
	if len(v) == 0 {
		return append(dst, encSame, 0)
	}
	lo, hi, runs := v[0], v[0], 1
	for i := 1; i < len(v); i++ {
		lo, hi = min(lo, v[i]), max(hi, v[i])
		if v[i] != v[i-1] {
			runs++
		}
	}
	if lo == hi {
		return binary.AppendUvarint(append(dst, encSame), uint64(lo))
	}
	width := bits.Len32(hi - lo)
	packedSize := (len(v)*width+7)/8 + 3
	best := len(dst)
	keep := func(candidate []byte) {
		if best == len(dst) || len(candidate) < len(dst)-best {
			dst = append(dst[:best], candidate...)
		}
	}
	if runs < len(v)/4 {
		plain := appendRuns(nil, v)
		keep(append([]byte{encRuns}, plain...))
		if len(plain) > 64 {
			keep(compress([]byte{encZRuns}, plain))
		}
	}
	if packedSize > 64 {
		keep(compress([]byte{encPlanes, byte((bits.Len32(hi) + 7) / 8)}, planes(v, (bits.Len32(hi)+7)/8)))
	}
	if size := len(dst) - best; size > 0 && packedSize > size+size/16 {
		return dst
	}
	return appendPacked(dst[:best], v, lo, width)
}

func appendRuns(dst []byte, v []uint32) []byte {
	for i := 0; i < len(v); {
		j := i + 1
		for j < len(v) && v[j] == v[i] {
			j++
		}
		dst = binary.AppendUvarint(dst, uint64(v[i]))
		dst = binary.AppendUvarint(dst, uint64(j-i))
		i = j
	}
	return dst
}

func planes(v []uint32, width int) []byte {
	out := make([]byte, len(v)*width)
	for p := range width {
		plane := out[p*len(v):]
		for i, x := range v {
			plane[i] = byte(x >> (8 * p))
		}
	}
	return out
}

func appendPacked(dst []byte, v []uint32, base uint32, width int) []byte {
	dst = append(dst, encPacked, byte(width))
	dst = binary.AppendUvarint(dst, uint64(base))
	var acc uint64
	n := 0
	for _, x := range v {
		acc |= uint64(x-base) << n
		for n += width; n >= 8; n -= 8 {
			dst = append(dst, byte(acc))
			acc >>= 8
		}
	}
	if n > 0 {
		dst = append(dst, byte(acc))
	}
	return dst
}

// Numbers decodes n numbers.
func Numbers(src []byte, n int) ([]uint32, error) { return (*Decoder)(nil).Numbers(src, n) }

// Decoder decodes numbers into memory that it uses again: a scan goes through many columns and keeps none. What it returned is valid
// until Reset. A Decoder is not safe for concurrent use; a nil one is, and takes fresh memory each time.
type Decoder struct {
	block []uint32 // the unused rest of the block under way
	whole []uint32
	plain []byte

	buffers [][]byte
	lent    int // of the buffers
}

// Reset takes back all memory.
func (d *Decoder) Reset() { d.block, d.lent = d.whole, 0 }

// Bytes returns an empty slice with room for n bytes.
func (d *Decoder) Bytes(n int) []byte {
	if d == nil {
		return make([]byte, 0, n)
	}
	if d.lent == len(d.buffers) {
		d.buffers = append(d.buffers, nil)
	}
	if cap(d.buffers[d.lent]) < n {
		d.buffers[d.lent] = make([]byte, 0, n)
	}
	d.lent++
	return d.buffers[d.lent-1]
}

// Take returns n numbers of any value.
func (d *Decoder) Take(n int) []uint32 {
	if d == nil {
		return make([]uint32, n)
	}
	if n > len(d.block) {
		// What was taken from the old block stays valid; the next Reset comes back to one that would have held it all.
		d.whole = make([]uint32, max(n, min(2*len(d.whole), maxBlock)))
		d.block = d.whole
	}
	v := d.block[:n:n]
	d.block = d.block[n:]
	return v
}

// maxBlock numbers are what a Decoder keeps at most beyond one column: the columns of a scan of a run of visitors take less.
const maxBlock = 1 << 20

// Numbers decodes n numbers.
func (d *Decoder) Numbers(src []byte, n int) ([]uint32, error) {
	if n < 0 || n > MaxRows {
		return nil, corrupt("number of rows")
	}
	if len(src) < 2 {
		return nil, corrupt("short numbers")
	}
	v := d.Take(n)
	body := src[1:]
	switch src[0] {
	case encSame:
		x, k := binary.Uvarint(body)
		if k <= 0 || k != len(body) || x > 1<<32-1 {
			return nil, corrupt("same")
		}
		for i := range v {
			v[i] = uint32(x)
		}
		return v, nil
	case encPacked:
		return v, unpack(v, body)
	case encRuns:
		return v, unrun(v, body)
	case encZRuns:
		plain, err := d.decompress(body, min(maxPlain, 10*n))
		if err != nil {
			return nil, err
		}
		return v, unrun(v, plain)
	case encPlanes:
		width := int(body[0])
		if width < 1 || width > 4 {
			return nil, corrupt("plane width")
		}
		plain, err := d.decompress(body[1:], n*width)
		if err != nil {
			return nil, err
		}
		return v, unplane(v, plain, width)
	}
	return nil, corrupt("unknown encoding of numbers")
}

func (d *Decoder) decompress(src []byte, limit int) (plain []byte, err error) {
	if d == nil {
		return decompress(nil, src, limit)
	}
	if plain, err = decompress(d.plain[:0], src, limit); err == nil {
		d.plain = plain
	}
	return plain, err
}

func unplane(v []uint32, plain []byte, width int) error {
	n := len(v)
	if len(plain) != n*width {
		return corrupt("planes")
	}
	switch width {
	case 1:
		for i, b := range plain {
			v[i] = uint32(b)
		}
	case 2:
		low, high := plain[:n], plain[n:]
		for i := range v {
			v[i] = uint32(low[i]) | uint32(high[i])<<8
		}
	case 3:
		low, middle, high := plain[:n], plain[n:2*n], plain[2*n:]
		for i := range v {
			v[i] = uint32(low[i]) | uint32(middle[i])<<8 | uint32(high[i])<<16
		}
	default:
		clear(v)
		for p := range width {
			for i, b := range plain[p*n : (p+1)*n] {
				v[i] |= uint32(b) << (8 * p)
			}
		}
	}
	return nil
}

func unrun(v []uint32, body []byte) error {
	for len(v) > 0 {
		x, k := binary.Uvarint(body)
		if k <= 0 || x > 1<<32-1 {
			return corrupt("run value")
		}
		length, m := binary.Uvarint(body[k:])
		if m <= 0 || length == 0 || length > uint64(len(v)) {
			return corrupt("run length")
		}
		body = body[k+m:]
		run := v[:length]
		for i := range run {
			run[i] = uint32(x)
		}
		v = v[length:]
	}
	if len(body) != 0 {
		return corrupt("bytes after the last run")
	}
	return nil
}

func unpack(v []uint32, body []byte) error {
	n := len(v)
	width := int(body[0])
	base, k := binary.Uvarint(body[1:])
	if width < 1 || width > 32 || k <= 0 || base > 1<<32-1 {
		return corrupt("packed header")
	}
	body = body[1+k:]
	if len(body) != (n*width+7)/8 {
		return corrupt("packed length")
	}
	mask := uint64(1)<<width - 1
	// Eight bytes hold any value of up to 32 bits that begins in the first of them.
	i := 0
	for ; i < n; i++ {
		at := i * width
		if at/8+8 > len(body) {
			break
		}
		v[i] = uint32(base + binary.LittleEndian.Uint64(body[at/8:])>>(at%8)&mask)
	}
	for ; i < n; i++ {
		at := i * width
		var word [8]byte
		copy(word[:], body[at/8:])
		v[i] = uint32(base + binary.LittleEndian.Uint64(word[:])>>(at%8)&mask)
	}
	return nil
}

// AppendWords encodes the words of a dictionary in the order of their codes.
func AppendWords(dst []byte, words []string) []byte {
	plain := binary.AppendUvarint(nil, uint64(len(words)))
	for _, w := range words {
		plain = binary.AppendUvarint(plain, uint64(len(w)))
	}
	for _, w := range words {
		plain = append(plain, w...)
	}
	if len(plain) > 64 {
		if z := compress(nil, plain); len(z) < len(plain) {
			return append(append(dst, encZstd), z...)
		}
	}
	return append(append(dst, encPlain), plain...)
}

// Words decodes a dictionary. All words share one allocation.
func Words(src []byte) ([]string, error) {
	if len(src) < 2 {
		return nil, corrupt("short words")
	}
	plain := src[1:]
	switch src[0] {
	case encPlain:
	case encZstd:
		var err error
		if plain, err = decompress(nil, plain, maxPlain); err != nil {
			return nil, err
		}
	default:
		return nil, corrupt("unknown encoding of words")
	}
	count, k := binary.Uvarint(plain)
	if k <= 0 || count > MaxWords || count > uint64(len(plain)) {
		return nil, corrupt("number of words")
	}
	lengths := plain[k:]
	ends := make([]int, count)
	total := 0
	for i := range ends {
		n, k := binary.Uvarint(lengths)
		if k <= 0 || n > maxWord {
			return nil, corrupt("word length")
		}
		lengths = lengths[k:]
		total += int(n)
		ends[i] = total
	}
	if total != len(lengths) {
		return nil, corrupt("words")
	}
	text := string(lengths)
	words := make([]string, count)
	at := 0
	for i, end := range ends {
		words[i] = text[at:end]
		at = end
	}
	return words, nil
}
