package ingest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/maphash"
)

// wordTable numbers words from 0. It keeps them in one run of bytes, so that millions of them cost the collector nothing.
type wordTable struct {
	text  []byte
	ends  []uint32 // of the words in text
	slots []slot   // a hash table with open addressing; its length is a power of two
}

// slot is a place of the table. A code of 0 is a free place, else the word's code + 1.
type slot struct{ hash, code uint32 }

// minSlots is where a table starts: most columns have few words.
const minSlots = 16

// code returns the code of a word, giving it the next one if it has none.
func (x *wordTable) code(seed maphash.Seed, word []byte) uint32 {
	if len(x.ends)*4 >= len(x.slots)*3 {
		x.grow()
	}
	hash := uint32(maphash.Bytes(seed, word))
	mask := uint32(len(x.slots) - 1)
	for i := hash & mask; ; i = (i + 1) & mask {
		s := &x.slots[i]
		if s.code == 0 {
			x.text = append(x.text, word...)
			x.ends = append(x.ends, uint32(len(x.text)))
			*s = slot{hash, uint32(len(x.ends))}
			return s.code - 1
		}
		if s.hash == hash && bytes.Equal(x.word(s.code-1), word) {
			return s.code - 1
		}
	}
}

func (x *wordTable) grow() {
	old := x.slots
	x.slots = make([]slot, max(minSlots, 2*len(old)))
	mask := uint32(len(x.slots) - 1)
	for _, s := range old {
		if s.code == 0 {
			continue
		}
		i := s.hash & mask
		for x.slots[i].code != 0 {
			i = (i + 1) & mask
		}
		x.slots[i] = s
	}
}

// word returns the word of a code.
func (x *wordTable) word(code uint32) []byte {
	begin := uint32(0)
	if code > 0 {
		begin = x.ends[code-1]
	}
	return x.text[begin:x.ends[code]]
}

func (x *wordTable) len() int { return len(x.ends) }

// bytes returns how much memory it takes.
func (x *wordTable) bytes() int { return cap(x.text) + 4*cap(x.ends) + 8*len(x.slots) }

// append writes the words behind b: their number, their lengths, their bytes.
func (x *wordTable) append(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(x.ends)))
	begin := uint32(0)
	for _, end := range x.ends {
		b = binary.AppendUvarint(b, uint64(end-begin))
		begin = end
	}
	return append(b, x.text...)
}

var errWords = errors.New("import: internal error: staged words cannot be read")

// read takes the words from the front of b. They can be looked up by their codes only.
func (x *wordTable) read(b []byte) (rest []byte, err error) {
	count, n := binary.Uvarint(b)
	if n <= 0 || count > uint64(len(b)) {
		return nil, errWords
	}
	b = b[n:]
	x.ends = make([]uint32, count)
	end := uint64(0)
	for i := range x.ends {
		length, n := binary.Uvarint(b)
		if end += length; n <= 0 || end > uint64(len(b)) {
			return nil, errWords
		}
		b = b[n:]
		x.ends[i] = uint32(end)
	}
	if end > uint64(len(b)) {
		return nil, errWords
	}
	x.text = b[:end]
	return b[end:], nil
}
