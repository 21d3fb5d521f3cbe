package seal

import (
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"time"
)

// Device is the seam for faults.
type Device = device

// OpenDevice opens a vault on any device.
func OpenDevice(dev Device, key KeySource) (*Vault, error) { return openDevice(dev, key) }

// ParseRecovery reads a recovery key.
func ParseRecovery(text string) ([]byte, error) { return parseRecovery(text) }

// Layout that tests point into.
const (
	PageSize        = pageSize
	SumOffset       = sumOffset
	GrowPages       = growPages
	MaxPages        = maxPages
	PasswordsInside = passwordsAtOnce + passwordsWaiting
)

// FixSum makes the checksum of a page right.
func FixSum(page []byte) {
	sum := sha256.Sum256(page[:sumOffset])
	copy(page[sumOffset:], sum[:])
}

// MasterKey returns the master key of an open vault.
func MasterKey(v *Vault) [32]byte { return v.ring.master }

// DataKeys returns every data key of an open vault.
func DataKeys(v *Vault) (keys [][]byte) {
	plains, err := v.readKeys()
	if err != nil {
		panic(err)
	}
	for _, plain := range plains {
		keys = append(keys, plain[4:])
	}
	return keys
}

// FixKeyring makes the checksum of a keyring right.
func FixKeyring(image []byte) {
	if n := len(image) - sha256.Size; n >= 0 {
		sum := sha256.Sum256(image[:n])
		copy(image[n:], sum[:])
	}
}

// OpenedBy names what in the image of a vault a master key opens or proves.
func OpenedBy(master [32]byte, image []byte) (opened []string) {
	for page := 0; (page+1)*pageSize <= len(image); page++ {
		b := image[page*pageSize:][:pageSize]
		keys := deriveRing([16]byte(image[18:34]), &master)
		if hmac.Equal(headerMAC(keys.mac, b), b[macOffset:sumOffset]) {
			opened = append(opened, fmt.Sprintf("header %d", page))
		}
		n := min(int(b[2])<<8|int(b[3]), sumOffset-pageStart)
		for kind, sealer := range map[byte]*Sealer{useSalt: keys.salts, useData: keys.data} {
			if _, err := sealer.Open(nil, b[pageStart:pageStart+n], pagePlace(uint32(page), kind)); err == nil {
				opened = append(opened, fmt.Sprintf("page %d", page))
			}
		}
	}
	return opened
}

// AddWeakPassphrase adds a slot with the least parameters that are read: it is opened in no time.
func AddWeakPassphrase(v *Vault, passphrase string, now time.Time) (int, error) {
	s := secret{Passphrase, []byte(passphrase)}
	slot := keySlot{kind: Passphrase, passes: 1, memory: 7 << 10, lanes: 1, made: now.Unix()}
	kek := s.key(&slot)
	v.mu.Lock()
	defer v.mu.Unlock()
	next := v.header
	i, _ := next.emptySlot()
	slot.wrap(kek, next.store, &v.ring.master)
	next.slots[i] = slot
	return i, v.writeHeader(next)
}

// ReadHash reads the stored form of a password and returns what it costs to try one.
func ReadHash(s string) (passes, memoryKiB uint32, err error) {
	p, err := parsePHC(s)
	return p.passes, p.memory, err
}
