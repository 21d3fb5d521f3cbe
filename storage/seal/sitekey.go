package seal

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"

	"golang.org/x/crypto/chacha20poly1305"

	"footfall/storage/schema"
)

// A site key object is the data key of one site as it may leave the machine: an object of its own, so that it can be deleted alone. Its
// name is one of the key, not of the site: a site whose data were destroyed and that goes on (see [Vault.ReplaceSite]) has a key with
// another name, and the old name is to be deleted like that of a site that is gone.
//
//	name: HMAC-SHA256("name" | site (4) | key (32))[:16], key: HKDF(data key of the rest, "snapshot site key names")
//
//	offset  size  site key object, 78 bytes
//	     0     1  version: 1
//	     1    77  site (4) and key (32), sealed as a value (see Sealer) with bucket 'K', the name as key, type 2 and version 1, by
//	              HKDF(data key of the rest, "snapshot site keys"); nonce: the name and 8 zero bytes
//
// The nonce comes from what is sealed, so a key has one name and one object, byte by byte, for ever: who exports it again changes nothing.
//
// What these keys are derived from is no master key, so that [Vault.Rotate] leaves every object of a bucket as it is.
const (
	siteKeyVersion = 1
	siteKeySize    = 1 + Overhead + dataKeySize
	dataKeySize    = 4 + 32 // see encodeDataKey

	awayBucket  = 'K'
	awayRest    = 1
	awaySite    = 2
	awayVersion = 1
)

// SiteKey is the data key of a site, wrapped for a bucket.
type SiteKey struct {
	Site   schema.Site // for whoever holds the vault; neither name nor object show it
	Name   [16]byte    // of the object
	Object []byte
}

// snapshotKeys are derived from the data key of the rest, which never changes.
type snapshotKeys struct {
	objects *Sealer
	sites   *Sealer
	names   []byte
}

func deriveSnapshotKeys(store [16]byte, rest []byte) *snapshotKeys {
	sealer := func(purpose string) *Sealer {
		key := derive(rest, nil, purpose)
		defer clear(key)
		return newSealer(store, key)
	}
	return &snapshotKeys{objects: sealer("snapshots"), sites: sealer("snapshot site keys"), names: derive(rest, nil, "snapshot site key names")}
}

// wrap makes the object of a data key, as encodeDataKey made it.
func (k *snapshotKeys) wrap(plain []byte) SiteKey {
	key := SiteKey{Site: siteOf(plain), Name: [16]byte(keyedHash(k.names, "name", plain))}
	var nonce [chacha20poly1305.NonceSizeX]byte
	copy(nonce[:], key.Name[:])
	key.Object = k.sites.seal([]byte{siteKeyVersion}, &nonce, plain, awayPlace(awaySite, key.Name[:]))
	return key
}

// unwrap returns the data key in an object. It fails with ErrNewer or ErrDamaged.
func (k *snapshotKeys) unwrap(name [16]byte, object []byte) (plain []byte, err error) {
	switch {
	case len(object) == 0 || object[0] == 0:
		return nil, fmt.Errorf("%w: it is no site key", ErrDamaged)
	case object[0] > siteKeyVersion:
		return nil, ErrNewer{What: "site key", Have: int(object[0]), Knows: siteKeyVersion}
	case len(object) != siteKeySize:
		return nil, fmt.Errorf("%w: it has %d bytes, a site key has %d", ErrDamaged, len(object), siteKeySize)
	}
	return k.sites.Open(nil, object[1:], awayPlace(awaySite, name[:]))
}

// forget leaves alone the sealer of objects, which was handed out.
func (k *snapshotKeys) forget() {
	clear(k.names)
	k.sites.destroy()
}

func awayPlace(kind byte, key []byte) Place {
	return Place{Bucket: awayBucket, Key: key, Type: kind, Version: awayVersion}
}

func keyedHash(key []byte, purpose string, plain []byte) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(purpose))
	m.Write(plain)
	return m.Sum(nil)
}

// Snapshots returns the sealer of what a snapshot adds of its own: packs, manifests. What it seals opens after every [Vault.Rotate] and after
// a restore, by [Keyring.Snapshots].
func (v *Vault) Snapshots() *Sealer { return v.away.objects } // never changes

// SiteKeys returns the object of each site's data key, by site. A bucket must hold these and no others: what it holds beside them
// opens data that were to be destroyed. It fails with [ErrVaultDamaged] as a whole if one key cannot be read, since the bucket may hold the
// last good copy of that one, and with [ErrClosed].
func (v *Vault) SiteKeys() ([]SiteKey, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	keys, err := v.siteKeys()
	if err != nil {
		return nil, fmt.Errorf("export site keys: %w", err)
	}
	return keys, nil
}

func (v *Vault) siteKeys() ([]SiteKey, error) {
	if v.closed {
		return nil, ErrClosed
	}
	if len(v.damaged) > 0 {
		return nil, v.damage()
	}
	plains, err := v.readKeys()
	if err != nil {
		return nil, err
	}
	defer clearAll(plains)
	keys := make([]SiteKey, 0, len(plains))
	for _, plain := range plains {
		if siteOf(plain) != 0 {
			keys = append(keys, v.away.wrap(plain))
		}
	}
	slices.SortFunc(keys, func(a, b SiteKey) int { return cmp.Compare(a.Site, b.Site) })
	return keys, nil
}

// Generation changes with everything that Keyring or SiteKeys return, and at times without need. Whoever exports reads it first, exports,
// and exports again when it has changed. It says nothing across two openings of a vault: each begins with an export.
func (v *Vault) Generation() uint64 {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.header.generation
}

// readKeys reads every data key, as encodeDataKey made it, by page. The caller clears them.
func (v *Vault) readKeys() (plains map[uint32][]byte, err error) {
	plains = map[uint32][]byte{}
	for page := uint32(2); page < v.header.pages; page++ {
		if v.header.useOf(page) != useData {
			continue
		}
		if plains[page], err = v.readKey(page); err != nil {
			clearAll(plains)
			return nil, err
		}
	}
	return plains, nil
}

func (v *Vault) readKey(page uint32) (plain []byte, err error) {
	b, err := v.read(page)
	if err != nil {
		return nil, err
	}
	if plain, err = openPage(page, b, useData, v.ring.data); err != nil {
		return nil, fmt.Errorf("%w: the data key in slot %d: %w", ErrVaultDamaged, page, err)
	}
	return plain, nil
}

func siteOf(plain []byte) schema.Site { return schema.Site(binary.BigEndian.Uint32(plain)) }

func clearAll(plains map[uint32][]byte) {
	for _, plain := range plains {
		clear(plain)
	}
}
