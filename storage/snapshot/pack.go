package snapshot

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"footfall/storage/file"
	"footfall/storage/objstore"
	"footfall/storage/seal"
)

// ErrDamaged means that an object is not what was uploaded. The error says which.
var ErrDamaged = errors.New("snapshot: an object is damaged")

func damaged(name, format string, args ...any) error {
	return fmt.Errorf("%w: %s: %s", ErrDamaged, name, fmt.Sprintf(format, args...))
}

// spoilt tells whether err says that an object is there and not what it should be.
func spoilt(err error) bool { return errors.Is(err, ErrDamaged) || errors.Is(err, objstore.ErrShort) }

// broken tells the same of one that is not there either.
func broken(err error) bool { return spoilt(err) || errors.Is(err, objstore.ErrNotFound) }

// unlinked is the error of a pack that names another one before it than there is.
func unlinked(id ID) error { return damaged(id.pack(), "it does not follow the pack before it") }

// Types of sealed objects; with their names they bind an object to its place. Buckets of the data file begin at 1, and objects are in none.
const (
	typePack = 1 + iota
	typeManifest
	typeClaim
	typeDrill
	typeLow
	typeRoll
)

const version = 1

const magicSize = 4

func place(name string, kind byte) seal.Place {
	return seal.Place{Key: []byte(name), Type: kind, Version: version}
}

// hash is the first half of a SHA-256.
type hash [16]byte

func hashOf(b []byte) hash {
	sum := sha256.Sum256(b)
	return hash(sum[:16])
}

// entry is a key and what it holds.
type entry struct {
	bucket file.Bucket
	key    []byte
	size   int // of the value, or gone
	print  file.Fingerprint
}

// gone is the size of what a removed key holds.
const gone = -1

// head is what a pack says of itself.
type head struct {
	prev     hash
	values   hash
	commit   uint64
	time     time.Time
	settled  bool
	gathered bool
	sums     []byte
	entries  []entry
}

const (
	flagSettled = 1 << iota
	flagGathered
)

// builder makes a pack.
type builder struct {
	head
	body []byte
	keys int // bytes that the entries take in the head, at most
}

// full tells that a pack is large enough. Removed keys have no values and count too, since a head has its limit.
func (p *builder) full() bool { return p.keys+len(p.body) >= packTarget }

// add adds an entry; a nil value means that the key is gone. Both are copied.
func (p *builder) add(b file.Bucket, key, value []byte) {
	e := entry{bucket: b, key: bytes.Clone(key), size: gone}
	if value != nil {
		e.size, e.print = len(value), file.FingerprintOf(value)
		p.body = append(p.body, value...)
	}
	p.entries = append(p.entries, e)
	p.keys += len(key) + entryCost
}

// finish returns the object of that name.
func (p *builder) finish(name string, sealer *seal.Sealer) []byte {
	p.values = hashOf(p.body)
	sealed := sealer.Seal(nil, p.head.encode(), place(name, typePack))
	b := make([]byte, 0, 8+len(sealed)+len(p.body))
	b = append(b, 'F', 'F', 'P', version)
	b = binary.BigEndian.AppendUint32(b, uint32(len(sealed)))
	b = append(b, sealed...)
	return append(b, p.body...)
}

func (h *head) encode() []byte {
	b := append([]byte(nil), h.prev[:]...)
	b = append(b, h.values[:]...)
	b = binary.AppendUvarint(b, h.commit)
	b = binary.AppendUvarint(b, uint64(h.time.UnixMilli()))
	flags := byte(0)
	if h.settled {
		flags |= flagSettled
	}
	if h.gathered {
		flags |= flagGathered
	}
	b = append(b, flags)
	if h.settled {
		b = appendBytes(b, h.sums)
	}
	b = binary.AppendUvarint(b, uint64(len(h.entries)))
	for _, e := range h.entries {
		b = append(b, byte(e.bucket))
		b = appendBytes(b, e.key)
		b = binary.AppendUvarint(b, uint64(e.size+1))
		if e.size != gone {
			b = append(b, e.print[:]...)
		}
	}
	return b
}

func appendBytes(b, s []byte) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// headSize returns where the values of the pack begin, from its first 8 bytes.
func headSize(name string, b []byte) (int64, error) {
	if err := checkMagic(name, b, "FFP"); err != nil {
		return 0, err
	}
	if len(b) < 8 {
		return 0, damaged(name, "it ends after %d bytes", len(b))
	}
	n := binary.BigEndian.Uint32(b[magicSize:])
	if n > maxHead {
		return 0, damaged(name, "its head has %d bytes, at most %d are possible", n, maxHead)
	}
	return 8 + int64(n), nil
}

func checkMagic(name string, b []byte, magic string) error {
	switch {
	case len(b) < magicSize || string(b[:3]) != magic:
		return damaged(name, "it does not begin as such an object does")
	case b[3] > version:
		return fmt.Errorf("snapshot: %s has version %d, but this version of footfall knows versions up to %d: use the version that wrote it, or a newer one", name, b[3], version)
	case b[3] < 1:
		return damaged(name, "it has version 0")
	}
	return nil
}

// decodeHead reads the head from the beginning of a pack. b may go on behind it. size is that of the whole object.
func decodeHead(name string, b []byte, size int64, sealer *seal.Sealer) (*head, error) {
	end, err := headSize(name, b)
	if err != nil {
		return nil, err
	}
	if int64(len(b)) < end {
		return nil, damaged(name, "it ends within its head")
	}
	plain, err := sealer.Open(nil, b[8:end], place(name, typePack))
	if err != nil {
		return nil, damaged(name, "its head does not open with this key, at this name")
	}
	h := &head{}
	r := reader{b: plain}
	copy(h.prev[:], r.take(16))
	copy(h.values[:], r.take(16))
	h.commit = r.uvarint()
	h.time = r.millis()
	flags := r.byte()
	h.settled, h.gathered = flags&flagSettled != 0, flags&flagGathered != 0
	if h.settled {
		h.sums = bytes.Clone(r.bytes())
	}
	n := r.count(3)
	h.entries = make([]entry, 0, n)
	for range n {
		e := entry{bucket: file.Bucket(r.byte()), key: bytes.Clone(r.bytes()), size: r.size(maxPack+1) - 1}
		if e.size != gone {
			copy(e.print[:], r.take(8))
			end += int64(e.size)
		}
		h.entries = append(h.entries, e)
	}
	if !r.ended() || flags&^(flagSettled|flagGathered) != 0 {
		return nil, damaged(name, "its head cannot be read")
	}
	if end != size {
		return nil, damaged(name, "it has %d bytes and should have %d", size, end)
	}
	return h, nil
}

// openPack reads a whole pack and returns its head and, for each entry, its value: parts of b, nil for what is gone.
func openPack(name string, b []byte, sealer *seal.Sealer) (*head, [][]byte, error) {
	h, err := decodeHead(name, b, int64(len(b)), sealer)
	if err != nil {
		return nil, nil, err
	}
	at, _ := headSize(name, b)
	rest := b[at:]
	if hashOf(rest) != h.values {
		return nil, nil, damaged(name, "its values are not those that were uploaded")
	}
	values := make([][]byte, len(h.entries))
	for i, e := range h.entries {
		if e.size != gone {
			values[i], rest = rest[:e.size:e.size], rest[e.size:]
		}
	}
	return h, values, nil
}
