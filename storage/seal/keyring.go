package seal

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"sync"

	"golang.org/x/crypto/chacha20poly1305"

	"footfall/storage/schema"
)

// A keyring is what of a vault may leave the machine as one object: with it and a key, or a passphrase, a copy of the data opens. It has
// the slots and the data key of the rest. Site keys are objects of their own (see sitekey.go); salts stay in the vault.
//
//	offset  size  keyring, 1225 bytes
//	     0     8  "FFKEYRNG"
//	     8     2  format version: 1
//	    10    16  store id
//	    26     8  when the master key was made, seconds since 1970; 0 is not known
//	    34    30  zero
//	    64  1024  8 key slots of 128 bytes, those of the vault's header (see layout.go)
//	  1088    73  data key of the rest (32), sealed as a value (see Sealer) with bucket 'K', no key, type 1 and version 1, by
//	              HKDF(master key, "keyring data key"); nonce: HMAC-SHA256("nonce" | data key)[:24], key: HKDF(master key, "keyring")
//	  1161    32  HMAC-SHA256 of bytes 0 to 1160, key: HKDF(master key, "keyring")
//	  1193    32  SHA-256 of bytes 0 to 1192
//
// The nonce comes from what is sealed, so a vault whose slots did not change has one keyring, byte by byte. A later format keeps the magic, the
// version, and the SHA-256 of all before it at the end.
const (
	keyringFormat     = 1
	keyringRestOffset = slotOffset + maxKeySlots*slotSize
	keyringMACOffset  = keyringRestOffset + Overhead + 32
	keyringSumOffset  = keyringMACOffset + sha256.Size
	keyringSize       = keyringSumOffset + sha256.Size
)

var keyringMagic = [8]byte{'F', 'F', 'K', 'E', 'Y', 'R', 'N', 'G'}

// keyringHead encodes what a keyring says in the clear.
func keyringHead(h *header) []byte {
	b := make([]byte, 0, keyringSize)
	b = append(b, keyringMagic[:]...)
	b = binary.BigEndian.AppendUint16(b, keyringFormat)
	b = append(b, h.store[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(h.made))
	b = append(b, make([]byte, slotOffset-len(b))...)
	return h.appendSlots(b)
}

// decodeKeyring reads what a keyring says in the clear. It fails with ErrNewer or ErrKeyringDamaged. The MAC is for the caller to check.
func decodeKeyring(image []byte) (h header, err error) {
	end := len(image) - sha256.Size
	if end < len(keyringMagic)+2 || !bytes.HasPrefix(image, keyringMagic[:]) {
		return h, fmt.Errorf("%w: it is none, or was cut short", ErrKeyringDamaged)
	}
	if sum := sha256.Sum256(image[:end]); !bytes.Equal(sum[:], image[end:]) {
		return h, fmt.Errorf("%w: its checksum is wrong", ErrKeyringDamaged)
	}
	switch format := int(binary.BigEndian.Uint16(image[8:])); {
	case format > keyringFormat:
		return h, ErrNewer{What: "keyring", Have: format, Knows: keyringFormat}
	case format == 0 || len(image) != keyringSize:
		return h, fmt.Errorf("%w: it has format %d and %d bytes", ErrKeyringDamaged, format, len(image))
	}
	h = header{format: Format, generation: 1, store: [16]byte(image[10:26]), made: int64(binary.BigEndian.Uint64(image[26:]))}
	if h.slots, err = decodeSlots(image[slotOffset:keyringRestOffset]); err != nil {
		return h, fmt.Errorf("%w: %w", ErrKeyringDamaged, err)
	}
	return h, nil
}

// forKeyring returns what seals the data key of the rest in a keyring, and the key of its MAC.
func (r *ring) forKeyring(store [16]byte) (rest *Sealer, mac []byte) {
	key := derive(r.master[:], nil, "keyring data key")
	defer clear(key)
	return newSealer(store, key), derive(r.master[:], nil, "keyring")
}

// Keyring returns the keyring. It changes with the slots and the master key (AddKey, RemoveKey, SetRecovery, Rotate) and with nothing else, and
// replaces the one before it: whoever keeps both has both open to the keys of their time. It fails with [ErrVaultDamaged] and [ErrClosed].
func (v *Vault) Keyring() ([]byte, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.closed {
		return nil, fmt.Errorf("export keyring: %w", ErrClosed)
	}
	plain, err := v.readKey(v.restPage)
	if err != nil {
		return nil, fmt.Errorf("export keyring: %w", err)
	}
	defer clear(plain)
	return v.ring.keyring(&v.header, plain[4:]), nil
}

func (r *ring) keyring(h *header, rest []byte) []byte {
	wrap, mac := r.forKeyring(h.store)
	defer wrap.destroy()
	defer clear(mac)
	nonce := [chacha20poly1305.NonceSizeX]byte(keyedHash(mac, "nonce", rest))
	b := wrap.seal(keyringHead(h), &nonce, rest, awayPlace(awayRest, nil))
	b = append(b, keyedHash(mac, "", b)...)
	sum := sha256.Sum256(b)
	return append(b, sum[:]...)
}

// Keyring opens a copy of the data without its vault, and makes a vault for it. It is safe for concurrent use.
type Keyring struct {
	header header
	rest   *Sealer
	away   *snapshotKeys

	mu      sync.Mutex // guards all below
	ring    *ring
	restKey [32]byte
	sites   map[schema.Site]*loneKey
	closed  bool
}

// loneKey is a data key that has no page yet.
type loneKey struct {
	key    [32]byte
	sealer *Sealer
}

// OpenKeyring opens a keyring with a key of one of its slots; with a passphrase it takes a third of a second. Errors: [ErrWrongKey],
// [ErrKeyringDamaged], [ErrNewer]; [ErrNoKeyFile], [ErrNotKey], [ErrKeyTypo] for the key itself.
//
// Whose keyring it is only [Keyring.StoreID] tells: a bucket that somebody has changed may hold the whole keyring of another time, or of another
// store with the same key.
func OpenKeyring(image []byte, key KeySource) (*Keyring, error) {
	k, err := openKeyring(image, key)
	if err != nil {
		return nil, fmt.Errorf("open keyring: %w", err)
	}
	return k, nil
}

func openKeyring(image []byte, key KeySource) (*Keyring, error) {
	h, err := decodeKeyring(image)
	if err != nil {
		return nil, err
	}
	s, err := key.read()
	if err != nil {
		return nil, err
	}
	defer clear(s.value)
	keys, o, err := unlockSlots(&h.slots, h.store, s)
	if err != nil {
		return nil, err
	}
	o.forget()
	wrap, mac := keys.forKeyring(h.store)
	defer wrap.destroy()
	defer clear(mac)
	if !hmac.Equal(keyedHash(mac, "", image[:keyringMACOffset]), image[keyringMACOffset:keyringSumOffset]) {
		keys.destroy()
		return nil, fmt.Errorf("%w: it is not authentic", ErrKeyringDamaged)
	}
	rest, err := wrap.Open(nil, image[keyringRestOffset:keyringMACOffset], awayPlace(awayRest, nil))
	if err != nil {
		keys.destroy()
		return nil, fmt.Errorf("%w: the main data key", ErrKeyringDamaged)
	}
	defer clear(rest)
	return &Keyring{
		header: h, ring: keys, restKey: [32]byte(rest), rest: newSealer(h.store, rest), away: deriveSnapshotKeys(h.store, rest),
		sites: map[schema.Site]*loneKey{},
	}, nil
}

// OpenKeyring returns what [OpenKeyring] makes of [Vault.Keyring], without asking for a key: for a process that has the vault open and reads its own
// snapshots. It is closed apart from the vault. It fails with [ErrVaultDamaged] and [ErrClosed].
func (v *Vault) OpenKeyring() (*Keyring, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.closed {
		return nil, fmt.Errorf("open keyring: %w", ErrClosed)
	}
	plain, err := v.readKey(v.restPage)
	if err != nil {
		return nil, fmt.Errorf("open keyring: %w", err)
	}
	defer clear(plain)
	return &Keyring{
		header:  header{format: Format, generation: 1, store: v.header.store, made: v.header.made, slots: v.header.slots},
		ring:    deriveRing(v.header.store, &v.ring.master),
		restKey: [32]byte(plain[4:]), rest: newSealer(v.header.store, plain[4:]), away: deriveSnapshotKeys(v.header.store, plain[4:]),
		sites: map[schema.Site]*loneKey{},
	}, nil
}

// StoreID returns the id of the store.
func (k *Keyring) StoreID() [16]byte { return k.header.store }

// Rest returns the sealer of what belongs to no site, as [Vault.Rest] does.
func (k *Keyring) Rest() *Sealer { return k.rest }

// Snapshots returns the sealer of what a snapshot adds of its own, as [Vault.Snapshots] does.
func (k *Keyring) Snapshots() *Sealer { return k.away.objects }

// OpenSite adds the site key in an object to the keyring, and tells whose it is. A site has one key: that of an object added before stays,
// and another one fails with [ErrHasKey]; the same again is no error. Errors else: [ErrDamaged], also for an object under another's name or
// of another store, [ErrNewer], [ErrClosed].
func (k *Keyring) OpenSite(name [16]byte, object []byte) (schema.Site, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	site, err := k.openSite(name, object)
	if err != nil {
		return 0, fmt.Errorf("open site key: %w", err)
	}
	return site, nil
}

func (k *Keyring) openSite(name [16]byte, object []byte) (schema.Site, error) {
	if k.closed {
		return 0, ErrClosed
	}
	plain, err := k.away.unwrap(name, object)
	if err != nil {
		return 0, err
	}
	defer clear(plain)
	site := siteOf(plain)
	if site == 0 { // Footfall never made it
		return 0, ErrDamaged
	}
	if had := k.sites[site]; had == nil {
		k.sites[site] = &loneKey{[32]byte(plain[4:]), newSealer(k.header.store, plain[4:])}
	} else if !hmac.Equal(had.key[:], plain[4:]) {
		return 0, fmt.Errorf("site %d: %w", site, ErrHasKey)
	}
	return site, nil
}

// Site returns the sealer of a site. It fails with [ErrNoKey] if OpenSite has not added its key, and with [ErrClosed].
func (k *Keyring) Site(site schema.Site) (*Sealer, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return nil, ErrClosed
	}
	if had := k.sites[site]; had != nil {
		return had.sealer, nil
	}
	return nil, fmt.Errorf("site %d: %w", site, ErrNoKey)
}

// CreateVault makes a vault that every key of the keyring opens, with its data keys and no salts: the store's id and the master key are the same, a
// site that OpenSite has not added has no key. It is durable, whole, when it returns and has its name only then. It is an error (fs.ErrExist)
// if the path exists.
func (k *Keyring) CreateVault(path string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.createVault(path); err != nil {
		return fmt.Errorf("create vault: %w", err)
	}
	return nil
}

func (k *Keyring) createVault(path string) error {
	if k.closed {
		return ErrClosed
	}
	if have := len(k.sites); have > maxPages-3 {
		return fmt.Errorf("the keys of %d sites do not fit, the most are %d", have, maxPages-3)
	}
	plains := [][]byte{encodeDataKey(0, &k.restKey)}
	for _, site := range slices.Sorted(maps.Keys(k.sites)) {
		plains = append(plains, encodeDataKey(site, &k.sites[site].key))
	}
	return publish(path, 0o600, newImage(k.header, k.ring, plains))
}

// Close forgets all keys. Sealers handed out go on working. It may be called more than once.
func (k *Keyring) Close() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return
	}
	k.closed = true
	k.ring.destroy()
	k.away.forget()
	clear(k.restKey[:])
	for _, s := range k.sites {
		clear(s.key[:])
	}
	clear(k.sites)
}
