package file

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
)

// Keys of this package's own entries in Meta.
var (
	keyFormat = []byte{0, 1}
	keySums   = []byte{0, 2}
)

const (
	formatMagic = "footfall"
	formatSize  = 8 + 2 + 16 + 4
	sumsSize    = 1 + numBuckets*(8+16)
)

func encodeFormat(id [16]byte, format int) []byte {
	b := binary.BigEndian.AppendUint16([]byte(formatMagic), uint16(format))
	b = append(b, id[:]...)
	sum := sha256.Sum256(b)
	return append(b, sum[:4]...)
}

// decodeFormat returns the store id and the format of a file that is not newer than newest; or ErrNewer, or ErrDamaged.
func decodeFormat(b []byte, newest int) (id [16]byte, format int, err error) {
	// A later format may be longer, but begins the same and has its checksum at the end.
	if len(b) < formatSize || string(b[:8]) != formatMagic {
		return id, 0, damaged("it has no format record; is it a Footfall data file?")
	}
	if sum := sha256.Sum256(b[:len(b)-4]); !bytes.Equal(sum[:4], b[len(b)-4:]) {
		return id, 0, damaged("its format record has a wrong checksum")
	}
	format = int(binary.BigEndian.Uint16(b[8:]))
	if format > newest {
		return id, 0, ErrNewer{Have: format, Knows: newest}
	} else if format < 1 || len(b) != formatSize {
		return id, 0, damaged("its format record is none of ours")
	}
	return [16]byte(b[10:26]), format, nil
}

// sums are the number of entries and the XOR of the hashes of their keys, for each bucket.
type sums [numBuckets]struct {
	count uint64
	xor   [16]byte
}

// flip adds (by = 1) or removes (by = -1) a key.
func (s *sums) flip(b Bucket, key []byte, by int) {
	var buf [1 + MaxKey]byte
	buf[0] = byte(b)
	h := sha256.Sum256(buf[:1+copy(buf[1:], key)])
	e := &s[b-Meta]
	e.count += uint64(by)
	for i := range e.xor {
		e.xor[i] ^= h[i]
	}
}

func (s *sums) encode() []byte {
	b := make([]byte, 1, sumsSize)
	b[0] = 1
	for i := range s {
		b = binary.BigEndian.AppendUint64(b, s[i].count)
		b = append(b, s[i].xor[:]...)
	}
	return b
}

// compare returns an error if the record b does not describe s.
func (s *sums) compare(b []byte) error {
	if len(b) != sumsSize || b[0] != 1 {
		return damaged("its sums record is none of ours")
	}
	for i := range s {
		e := b[1+i*24:]
		if n := binary.BigEndian.Uint64(e); n != s[i].count {
			return damaged("bucket %d should have %d entries and has %d", i+1, n, s[i].count)
		}
		if !bytes.Equal(e[8:24], s[i].xor[:]) {
			return damaged("bucket %d has an entry with a wrong key", i+1)
		}
	}
	return nil
}
