package seal

import (
	"bytes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/crypto/chacha20poly1305"

	"footfall/storage/schema"
)

// The vault is a file of 4096-byte pages that never move. A page is written whole and in place, then synced; nothing
// is ever written beside it, so what a page held is gone (on disks and file systems that write in place).
//
// Pages 0 and 1 are two copies of the header. A change writes copy 0, syncs, writes copy 1, syncs; the valid copy of
// the higher generation counts, so a torn write loses nothing.
//
//	offset  size  header page
//	     0     8  "FFVAULT" and a zero byte
//	     8     2  format version: 2 (format 1 is the same without the times, which are zero)
//	    10     8  generation, one higher at each change
//	    18    16  store id, the one of the data file
//	    34     4  number of pages; a shorter file was cut
//	    38     8  when the master key was made, seconds since 1970; 0 is not known
//	    46    18  zero
//	    64  1024  8 key slots of 128 bytes
//	  1088  2944  use of each page, 2 bits a page from the low bits up: 0 free, 1 salts, 2 data key
//	  4032    32  HMAC-SHA256 of bytes 0 to 4031, key: HKDF(master key, "header")
//	  4064    32  SHA-256 of bytes 0 to 4063
//
//	offset  size  key slot
//	     0     1  kind: 0 empty, 1 key file, 2 passphrase, 3 recovery key
//	     1     1  algorithm: 1
//	     2     4  argon2id passes (passphrase; else zero)
//	     6     4  argon2id memory, KiB
//	    10     1  argon2id lanes
//	    11     5  zero
//	    16    16  salt of argon2id or HKDF
//	    32    24  nonce
//	    56    48  master key, sealed by XChaCha20-Poly1305; authenticated with it: "footfall/v1 key slot" | store id |
//	              bytes 0 to 31 of the slot
//	   104     8  when the slot was made, seconds since 1970; 0 is not known
//	   112    16  zero
//
//	offset  size  any other page
//	     0     1  version: 1
//	     1     1  type: 0 free, 1 salt, 2 data key
//	     2     2  length n of the payload
//	     4     4  the page's own number
//	     8     n  payload, sealed as a value (see Sealer) with bucket 'V', the page number (4 bytes) as key, the type
//	              and version 1, by HKDF(master key, "salts") or HKDF(master key, "data keys")
//	   8+n        random (free) or zero
//	  4064    32  SHA-256 of bytes 0 to 4063
//
//	payload of a salt:      day (4) | salt (32) | name of the zone, or of whoever else has a salt for itself
//	payload of a data key:  site (4), 0 for the rest | key (32)
//
// The header says what each page is used for, so a page with a bad checksum is told apart: a data key is damage and
// is reported; a salt was torn while it was written, so nobody has used it, and counts as none; a free page is wiped. A
// data key is written before the header names it and unnamed before it is wiped, so the header never names a page
// that was only begun.
//
// A new master key (see [Vault.Rotate]) writes every data key and salt to pages that are free, then a header that names those pages, is
// authenticated by the new master key and has no slot with the old one. The first valid copy of that header is the moment of the change:
// before it everything is old, after it everything is new, and the old pages count as free and are wiped, now or at the next start.
const (
	pageSize   = 4096
	sumOffset  = pageSize - sha256.Size
	macOffset  = sumOffset - sha256.Size
	slotOffset = 64
	slotSize   = 128
	useOffset  = slotOffset + maxKeySlots*slotSize

	pageVersion = 1
	pageStart   = 8

	useFree = 0
	useSalt = 1
	useData = 2
)

// Format is the version of the vault that this program writes. It reads all from 1 on; a vault becomes one of this version when its
// header changes.
const Format = 2

var magic = [8]byte{'F', 'F', 'V', 'A', 'U', 'L', 'T', 0}

// Kind is the kind of a key slot.
type Kind uint8

// The kinds.
const (
	KeyFile Kind = 1 + iota
	Passphrase
	Recovery
)

func (k Kind) String() string {
	switch k {
	case KeyFile:
		return "key file"
	case Passphrase:
		return "passphrase"
	case Recovery:
		return "recovery key"
	}
	return "unknown"
}

// keySlot is one way to the master key.
type keySlot struct {
	kind           Kind
	passes, memory uint32 // argon2id: passes, KiB
	lanes          uint8
	salt           [16]byte
	nonce          [24]byte
	wrapped        [48]byte
	made           int64 // Unix seconds, 0 is not known
}

func (s *keySlot) encode() []byte {
	b := make([]byte, 0, slotSize)
	b = append(b, byte(s.kind), algXChaCha)
	b = binary.BigEndian.AppendUint32(b, s.passes)
	b = binary.BigEndian.AppendUint32(b, s.memory)
	b = append(b, s.lanes, 0, 0, 0, 0, 0)
	b = append(b, s.salt[:]...)
	b = append(b, s.nonce[:]...)
	b = append(b, s.wrapped[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(s.made))
	return append(b, make([]byte, slotSize-len(b))...)
}

func decodeKeySlot(b []byte) (s keySlot, err error) {
	s = keySlot{
		kind: Kind(b[0]), passes: binary.BigEndian.Uint32(b[2:]), memory: binary.BigEndian.Uint32(b[6:]), lanes: b[10],
		salt: [16]byte(b[16:32]), nonce: [24]byte(b[32:56]), wrapped: [48]byte(b[56:104]), made: int64(binary.BigEndian.Uint64(b[104:])),
	}
	switch {
	case s.kind < KeyFile || s.kind > Recovery || b[1] != algXChaCha:
		return s, errors.New("it is of no known kind")
	case s.kind == Passphrase && !argonAllowed(s.passes, s.memory, s.lanes):
		return s, errors.New("its argon2id parameters are out of bounds")
	}
	return s, nil
}

// header is the content of the header page, without what the master key is needed for.
type header struct {
	format     uint16
	generation uint64
	made       int64 // the master key: Unix seconds, 0 is not known
	store      [16]byte
	pages      uint32
	slots      [maxKeySlots]keySlot // kind 0: empty
	use        [maxPages / 4]byte
}

func (h *header) useOf(page uint32) byte { return h.use[page/4] >> (page % 4 * 2) & 3 }

func (h *header) setUse(page uint32, use byte) {
	shift := page % 4 * 2
	h.use[page/4] = h.use[page/4]&^(3<<shift) | use<<shift
}

func (h *header) encode(macKey []byte) []byte {
	b := make([]byte, 0, pageSize)
	b = append(b, magic[:]...)
	b = binary.BigEndian.AppendUint16(b, h.format)
	b = binary.BigEndian.AppendUint64(b, h.generation)
	b = append(b, h.store[:]...)
	b = binary.BigEndian.AppendUint32(b, h.pages)
	b = binary.BigEndian.AppendUint64(b, uint64(h.made))
	b = append(b, make([]byte, slotOffset-len(b))...)
	b = h.appendSlots(b)
	b = append(b, h.use[:]...)
	b = append(b, headerMAC(macKey, b)...)
	sum := sha256.Sum256(b)
	return append(b, sum[:]...)
}

func (h *header) appendSlots(b []byte) []byte {
	for i := range h.slots {
		if h.slots[i].kind == 0 {
			b = append(b, make([]byte, slotSize)...)
		} else {
			b = append(b, h.slots[i].encode()...)
		}
	}
	return b
}

func decodeSlots(b []byte) (slots [maxKeySlots]keySlot, err error) {
	for i := range slots {
		s := b[i*slotSize:][:slotSize]
		if s[0] == 0 {
			continue
		}
		if slots[i], err = decodeKeySlot(s); err != nil {
			return slots, fmt.Errorf("key slot %d: %w", i, err)
		}
	}
	return slots, nil
}

func headerMAC(key, b []byte) []byte {
	m := hmac.New(sha256.New, key)
	m.Write(b[:macOffset])
	return m.Sum(nil)
}

// errPage means that a page's checksum or fields are wrong; the caller makes it an error that says which page.
var errPage = errors.New("the page is not valid")

// decodeHeader reads a header page. It fails with ErrNewer or errPage. The MAC is for the caller to check.
func decodeHeader(b []byte) (h header, err error) {
	// A later format keeps the magic, the version and the checksum where they are.
	if sum := sha256.Sum256(b[:sumOffset]); [8]byte(b) != magic || !bytes.Equal(sum[:], b[sumOffset:]) {
		return h, errPage
	}
	h.format = binary.BigEndian.Uint16(b[8:])
	if h.format > Format {
		return h, ErrNewer{Have: int(h.format), Knows: Format}
	} else if h.format == 0 {
		return h, errPage
	}
	h.generation = binary.BigEndian.Uint64(b[10:])
	h.store = [16]byte(b[18:34])
	h.pages = binary.BigEndian.Uint32(b[34:])
	h.made = int64(binary.BigEndian.Uint64(b[38:]))
	if h.pages < 2 || h.pages > maxPages {
		return h, errPage
	}
	if h.slots, err = decodeSlots(b[slotOffset:useOffset]); err != nil {
		return h, fmt.Errorf("%w: %w", errPage, err)
	}
	copy(h.use[:], b[useOffset:macOffset])
	return h, nil
}

// encodePage makes a page that is not a header.
func encodePage(page uint32, kind byte, payload []byte) []byte {
	b := make([]byte, 0, pageSize)
	b = append(b, pageVersion, kind)
	b = binary.BigEndian.AppendUint16(b, uint16(len(payload)))
	b = binary.BigEndian.AppendUint32(b, page)
	b = append(b, payload...)
	fill := b[len(b):sumOffset]
	if kind == useFree {
		rand.Read(fill)
	}
	b = b[:sumOffset]
	sum := sha256.Sum256(b)
	return append(b, sum[:]...)
}

func decodePage(page uint32, b []byte) (kind byte, payload []byte, err error) {
	n := int(binary.BigEndian.Uint16(b[2:]))
	if sum := sha256.Sum256(b[:sumOffset]); !bytes.Equal(sum[:], b[sumOffset:]) || b[0] != pageVersion ||
		binary.BigEndian.Uint32(b[4:]) != page || n > sumOffset-pageStart {
		return 0, nil, errPage
	}
	return b[1], b[pageStart : pageStart+n], nil
}

func pagePlace(page uint32, kind byte) Place {
	return Place{Bucket: 'V', Key: binary.BigEndian.AppendUint32(nil, page), Type: kind, Version: pageVersion}
}

func encodeSalt(day schema.Date, salt *[32]byte, zone string) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(day))
	return append(append(b, salt[:]...), zone...)
}

func encodeDataKey(site schema.Site, key *[32]byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(site)), key[:]...)
}

// derive makes a 32-byte key for one purpose from a key of 16 bytes or more.
func derive(secret, salt []byte, purpose string) []byte {
	key, err := hkdf.Key(sha256.New, secret, salt, "footfall/v1 "+purpose, 32)
	if err != nil {
		panic("seal: internal error: " + err.Error()) // asked for too many bytes
	}
	return key
}

// wrap seals the master key into the slot with a key-encryption key.
func (s *keySlot) wrap(kek []byte, store [16]byte, master *[32]byte) {
	rand.Read(s.nonce[:])
	copy(s.wrapped[:], s.aead(kek).Seal(nil, s.nonce[:], master[:], s.bind(store)))
}

// unwrap returns the master key, or false if kek does not open the slot.
func (s *keySlot) unwrap(kek []byte, store [16]byte) (master [32]byte, ok bool) {
	plain, err := s.aead(kek).Open(nil, s.nonce[:], s.wrapped[:], s.bind(store))
	if err != nil {
		return master, false
	}
	copy(master[:], plain)
	clear(plain)
	return master, true
}

func (s *keySlot) bind(store [16]byte) []byte {
	return append(append([]byte("footfall/v1 key slot"), store[:]...), s.encode()[:32]...)
}

func (s *keySlot) aead(kek []byte) cipher.AEAD {
	aead, err := chacha20poly1305.NewX(kek)
	if err != nil {
		panic("seal: internal error: " + err.Error())
	}
	return aead
}
