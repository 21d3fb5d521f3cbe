// Package seal keeps what Footfall stores unreadable without a key, and lets it die when a key dies. It seals values
// ([Sealer]), keeps the keys and the salts of the day in a small file that is overwritten in place ([Vault]), and
// hashes passwords.
//
//	key file, passphrase or recovery key
//	  └─ opens a key slot ─→ master key
//	       ├─ HKDF ─→ purpose keys ([Vault.PurposeKey]), the key that seals salts, the key of the header's MAC
//	       └─ HKDF ─→ wrapping key ─→ data keys: one a site, one for the rest ([Vault.Site], [Vault.Rest])
//	                                    └─ HKDF of the rest's ─→ keys of snapshots ([Vault.Snapshots], [Vault.SiteKeys])
//
// Changing a key wraps the master key again, and a new master key ([Vault.Rotate]) wraps the data keys again: neither rewrites data. Deleting a site overwrites its data key, so that all its values,
// in the data file and in every copy of it, are unreadable at once.
//
// # A sealed value, algorithm 1: XChaCha20-Poly1305
//
//	offset  size  what
//	     0     1  algorithm: 1
//	     1    24  nonce, random: no counter that a restored copy could turn back
//	    25     n  ciphertext, as long as the plain value
//	  25+n    16  tag
//
// What is authenticated with it, so that a value opens at its own place only:
//
//	"footfall/v1" | store id (16) | bucket (1) | length of key (4) | key | type (1) | version (2), big-endian
//
// The length of a value, its bucket and its key are not hidden.
//
// The vault stays on its machine. What a copy of the data needs elsewhere are a [Vault.Keyring] and one object a site ([Vault.SiteKeys]):
// with them, and a key of a slot, [OpenKeyring] opens the copy and makes a vault for it.
//
// The formats of the vault, of the key file, of the keyring and of site keys are described in layout.go, keyfile.go, keyring.go and
// sitekey.go. They are kept readable for ever: testdata holds files that were made once by each version.
package seal

import (
	"cmp"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"sync/atomic"

	"golang.org/x/crypto/chacha20poly1305"
)

// What callers tell apart.
var (
	// ErrDamaged means that a sealed value is not what was sealed at this place with this key.
	ErrDamaged = errors.New("sealed value is damaged")
	// ErrWrongKey means that the vault is whole and the key is not one of its keys.
	ErrWrongKey = errors.New("the key does not open the vault")
	// ErrVaultDamaged means that the vault is not what was written: the disk or someone has changed it.
	ErrVaultDamaged = errors.New("the vault is damaged")
	// ErrKeyringDamaged means that a keyring is not what was exported.
	ErrKeyringDamaged = errors.New("the keyring is damaged")
	// ErrNoKey means that a site's data key was destroyed or never made.
	ErrNoKey = errors.New("there is no data key")
	// ErrHasKey means that a site has a data key already.
	ErrHasKey = errors.New("there is a data key already")
	// ErrClosed means that the vault was closed.
	ErrClosed = errors.New("the vault is closed")
)

// ErrNewer means that a newer version of the program wrote the vault, or what else is named.
type ErrNewer struct {
	What        string // "keyring", "site key"; empty: the vault
	Have, Knows int
}

func (e ErrNewer) Error() string {
	return fmt.Sprintf("the %s has format %d, but this version of footfall knows formats up to %d: use the version that wrote it, or a newer one",
		cmp.Or(e.What, "vault"), e.Have, e.Knows)
}

// Overhead is how many bytes a sealed value is longer than the plain one.
const Overhead = 1 + chacha20poly1305.NonceSizeX + chacha20poly1305.Overhead

const algXChaCha = 1

// Place is where a sealed value lives and what it is. It is not stored with the value: who opens it must know it.
type Place struct {
	Bucket  byte
	Key     []byte
	Type    byte
	Version uint16
}

// Sealer seals and opens values with one data key. It is safe for concurrent use.
type Sealer struct {
	store [16]byte
	aead  atomic.Pointer[cipher.AEAD]
	dead  atomic.Bool
}

func newSealer(store [16]byte, key []byte) *Sealer {
	s := &Sealer{store: store}
	s.rekey(key)
	return s
}

func (s *Sealer) rekey(key []byte) {
	aead, err := chacha20poly1305.NewX(key)
	if err != nil {
		panic("seal: internal error: " + err.Error()) // the key has not 32 bytes
	}
	s.aead.Store(&aead)
}

// destroy makes the sealer forget its key. What is sealed afterwards, by someone who did not know, opens never.
func (s *Sealer) destroy() {
	var key [32]byte
	rand.Read(key[:])
	s.rekey(key[:])
	s.dead.Store(true)
}

// Dead reports whether the key was destroyed.
func (s *Sealer) Dead() bool { return s.dead.Load() }

// Seal appends plain, sealed for a place, to dst. The unused capacity of dst must not overlap plain.
func (s *Sealer) Seal(dst, plain []byte, at Place) []byte {
	var nonce [chacha20poly1305.NonceSizeX]byte
	rand.Read(nonce[:])
	return s.seal(dst, &nonce, plain, at)
}

// seal is Seal with a nonce that the caller answers for: with one key, no two values may have the same.
func (s *Sealer) seal(dst []byte, nonce *[chacha20poly1305.NonceSizeX]byte, plain []byte, at Place) []byte {
	dst = append(dst, algXChaCha)
	dst = append(dst, nonce[:]...)
	return (*s.aead.Load()).Seal(dst, nonce[:], plain, s.bind(at))
}

// Open appends the plain value to dst, or returns [ErrDamaged], or [ErrNoKey] after the key was destroyed. The
// unused capacity of dst must not overlap sealed.
func (s *Sealer) Open(dst, sealed []byte, at Place) ([]byte, error) {
	if s.dead.Load() {
		return nil, ErrNoKey
	}
	if len(sealed) < Overhead {
		return nil, fmt.Errorf("%w: it has %d bytes, the shortest has %d", ErrDamaged, len(sealed), Overhead)
	}
	if sealed[0] != algXChaCha {
		return nil, fmt.Errorf("%w: unknown algorithm %d", ErrDamaged, sealed[0])
	}
	nonce, ciphertext := sealed[1:1+chacha20poly1305.NonceSizeX], sealed[1+chacha20poly1305.NonceSizeX:]
	plain, err := (*s.aead.Load()).Open(dst, nonce, ciphertext, s.bind(at))
	if err != nil {
		return nil, ErrDamaged
	}
	return plain, nil
}

// bind returns what is authenticated with a value.
func (s *Sealer) bind(at Place) []byte {
	b := make([]byte, 0, 11+16+1+4+len(at.Key)+1+2)
	b = append(b, "footfall/v1"...)
	b = append(b, s.store[:]...)
	b = append(b, at.Bucket)
	b = binary.BigEndian.AppendUint32(b, uint32(len(at.Key)))
	b = append(b, at.Key...)
	b = append(b, at.Type)
	return binary.BigEndian.AppendUint16(b, at.Version)
}
