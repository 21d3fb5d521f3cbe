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

// Sums are the number of entries and the XOR of the first 16 bytes of SHA-256(bucket | key) of all of them, for each bucket in order. Files with
// equal sums have the same keys; this package's own entries do not count.
type Sums [numBuckets]struct {
	Count uint64
	Xor   [16]byte
}

// flip adds (by = 1) or removes (by = -1) a key.
func (s *Sums) flip(b Bucket, key []byte, by int) {
	var buf [1 + MaxKey]byte
	buf[0] = byte(b)
	h := sha256.Sum256(buf[:1+copy(buf[1:], key)])
	e := &s[b-Meta]
	e.Count += uint64(by)
	for i := range e.Xor {
		e.Xor[i] ^= h[i]
	}
}

// Encode returns the sums record: see the package comment.
func (s *Sums) Encode() []byte {
	b := make([]byte, 1, sumsSize)
	b[0] = 1
	for i := range s {
		b = binary.BigEndian.AppendUint64(b, s[i].Count)
		b = append(b, s[i].Xor[:]...)
	}
	return b
}

// DecodeSums reverses Encode.
func DecodeSums(b []byte) (s Sums, err error) {
	if len(b) != sumsSize || b[0] != 1 {
		return Sums{}, damaged("its sums record is none of ours")
	}
	for i := range s {
		e := b[1+i*24:]
		s[i].Count, s[i].Xor = binary.BigEndian.Uint64(e), [16]byte(e[8:24])
	}
	return s, nil
}

// compare returns an error if the record b does not describe s.
func (s *Sums) compare(b []byte) error {
	want, err := DecodeSums(b)
	if err != nil {
		return err
	}
	for i := range s {
		if want[i].Count != s[i].Count {
			return damaged("bucket %d should have %d entries and has %d", i+1, want[i].Count, s[i].Count)
		}
		if want[i].Xor != s[i].Xor {
			return damaged("bucket %d has an entry with a wrong key", i+1)
		}
	}
	return nil
}
