package seal

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"time"
)

// ErrLastKey means that the last key of a vault was asked to be removed.
var ErrLastKey = errors.New("it is the last one, and without it nobody could read the data")

// ErrNoSlot means that there is no key in a slot.
var ErrNoSlot = errors.New("there is no key in the slot")

// ErrShortKey means that a passphrase is too short to be added.
var ErrShortKey = errors.New("the passphrase is too short")

// ErrKeyTwice means that a key that opens the vault was asked to be added.
var ErrKeyTwice = errors.New("the key opens the vault already")

// Slot describes a key slot. Nothing in it is secret.
type Slot struct {
	Index int
	Kind  Kind
	Made  time.Time // zero: not known, a vault of format 1 does not say
	// Parameters of argon2id: passes, memory in KiB, lanes; for a passphrase only.
	Passes, Memory uint32
	Lanes          uint8
	Weak           bool // a passphrase that is guessed with less work than one added today
}

// Outline is what the header of a vault shows without a key: which keys there are.
type Outline struct {
	header header
	page   []byte // the header's
}

// ReadOutline reads the outline of the vault at path, which may be in use. What it shows is proven only by a key, see [Outline.Try].
// Errors: fs.ErrNotExist, [ErrVaultDamaged], [ErrNewer].
func ReadOutline(path string) (*Outline, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open vault: %w", err)
	}
	defer f.Close()
	v := &Vault{dev: diskFile{f}}
	pages, err := v.readHeader()
	if err != nil {
		return nil, fmt.Errorf("open vault %s: %w", path, err)
	}
	return &Outline{v.header, v.newest(pages)}, nil
}

// Outline returns that of an open vault.
func (v *Vault) Outline() *Outline {
	v.mu.Lock()
	defer v.mu.Unlock()
	return &Outline{v.header, v.header.encode(v.ring.mac)}
}

// Opener returns the slot of the key that the vault was opened with, -1 if it was removed since.
func (v *Vault) Opener() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.opener.slot
}

// Slots lists the keys that open the vault.
func (o *Outline) Slots() (slots []Slot) {
	for i := range o.header.slots {
		s := &o.header.slots[i]
		if s.kind == 0 {
			continue
		}
		slots = append(slots, Slot{Index: i, Kind: s.kind, Made: timeOf(s.made), Passes: s.passes, Memory: s.memory, Lanes: s.lanes,
			Weak: s.kind == Passphrase && uint64(s.passes)*uint64(s.memory) < passphrasePasses*passphraseMemory})
	}
	return slots
}

// Made returns when the master key was made; zero: not known.
func (o *Outline) Made() time.Time { return timeOf(o.header.made) }

func timeOf(unix int64) time.Time {
	if unix == 0 {
		return time.Time{}
	}
	return time.Unix(unix, 0).UTC()
}

// Try returns the slot that a key opens, and proves the outline with it. Errors are those of [OpenVault].
func (o *Outline) Try(key KeySource) (slot int, err error) {
	s, err := key.read()
	if err != nil {
		return -1, err
	}
	defer clear(s.value)
	keys, opener, err := o.header.unlock(s, o.page)
	if err != nil {
		return -1, err
	}
	defer opener.forget()
	keys.destroy()
	return opener.slot, nil
}

// newSlot makes a slot for a key that is not a recovery key, without the master key in it, and what wraps that. It takes a third
// of a second for a passphrase.
func newSlot(key KeySource, now time.Time) (slot keySlot, kek []byte, err error) {
	s, err := key.read()
	if err != nil {
		return slot, nil, err
	}
	defer clear(s.value)
	switch {
	case s.kind == Recovery:
		return slot, nil, errors.New("a recovery key is made by Footfall itself")
	case s.kind == Passphrase && len(s.value) < minPassphrase:
		return slot, nil, fmt.Errorf("%w: it must have %d characters or more, since whoever has the vault can try as many as they like", ErrShortKey, minPassphrase)
	}
	slot, kek = s.slot(now)
	return slot, kek, nil
}

func (s secret) slot(now time.Time) (slot keySlot, kek []byte) {
	slot = keySlot{kind: s.kind, made: now.Unix()}
	if s.kind == Passphrase {
		slot.passes, slot.memory, slot.lanes = passphrasePasses, passphraseMemory, passphraseLanes
	}
	rand.Read(slot.salt[:])
	return slot, s.key(&slot)
}

// AddKey makes another key open the vault, and returns the index of its slot. No data is written anew. It fails with [ErrKeyTwice], and
// for a recovery key, which is made by [NewRecovery].
func (v *Vault) AddKey(key KeySource, now time.Time) (slot int, err error) {
	if slot, err := v.addKey(key, now); err != nil {
		return slot, fmt.Errorf("add key: %w", err)
	} else {
		return slot, nil
	}
}

func (v *Vault) addKey(key KeySource, now time.Time) (int, error) {
	v.mu.Lock()
	err := v.usable()
	v.mu.Unlock()
	if err != nil {
		return 0, err
	}
	// What takes long is done without the lock, which salts and sites wait for.
	switch at, err := v.Outline().Try(key); {
	case err == nil:
		return 0, fmt.Errorf("%w: it is that of slot %d", ErrKeyTwice, at)
	case !errors.Is(err, ErrWrongKey):
		return 0, err
	}
	slot, kek, err := newSlot(key, now)
	if err != nil {
		return 0, err
	}
	defer clear(kek)
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := v.usable(); err != nil {
		return 0, err
	}
	next := v.header
	i, ok := next.emptySlot()
	if !ok {
		return 0, fmt.Errorf("all %d slots are taken: remove one first", maxKeySlots)
	}
	slot.wrap(kek, next.store, &v.ring.master)
	next.slots[i] = slot
	return i, v.writeHeader(next)
}

func (h *header) emptySlot() (int, bool) {
	for i := range h.slots {
		if h.slots[i].kind == 0 {
			return i, true
		}
	}
	return 0, false
}

// RemoveKey makes the key of a slot open the vault no more. It fails with [ErrNoSlot] or [ErrLastKey].
func (v *Vault) RemoveKey(slot int) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := v.removeKey(slot); err != nil {
		return fmt.Errorf("remove key: %w", err)
	}
	return nil
}

func (v *Vault) removeKey(slot int) error {
	if err := v.usable(); err != nil {
		return err
	}
	if slot < 0 || slot >= maxKeySlots || v.header.slots[slot].kind == 0 {
		return fmt.Errorf("%w %d", ErrNoSlot, slot)
	}
	next := v.header
	next.slots[slot] = keySlot{}
	if next.slots == [maxKeySlots]keySlot{} {
		return ErrLastKey
	}
	if err := v.writeHeader(next); err != nil {
		return err
	}
	if v.opener.slot == slot {
		v.opener.forget()
	}
	return nil
}

// NewRecovery returns a new recovery key as a person writes it down. It opens nothing before [Vault.SetRecovery] or [Vault.Rotate]
// was called with it, so it can be shown first.
func NewRecovery() string {
	text, secret := newRecovery()
	clear(secret)
	return text
}

// SetRecovery makes text, from [NewRecovery], the one recovery key, in one write: recovery keys before it open the vault no more.
func (v *Vault) SetRecovery(text string, now time.Time) (slot int, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := v.usable(); err != nil {
		return 0, fmt.Errorf("set recovery key: %w", err)
	}
	next := v.header
	slot, kek, err := next.setRecovery(text, now, &v.ring.master)
	if err != nil {
		return 0, fmt.Errorf("set recovery key: %w", err)
	}
	was := v.opener.slot
	wasRecovery := was >= 0 && v.header.slots[was].kind == Recovery
	if err := v.writeHeader(next); err != nil {
		clear(kek)
		return 0, fmt.Errorf("set recovery key: %w", err)
	}
	if wasRecovery { // whoever opened the vault with the old one holds the new one now
		v.opener.forget()
		v.opener = opener{slot, kek}
	} else {
		clear(kek)
	}
	return slot, nil
}

// setRecovery puts a recovery key, around a master key, where there was one, else into an empty slot.
func (h *header) setRecovery(text string, now time.Time, master *[32]byte) (slot int, kek []byte, err error) {
	value, err := parseRecovery(text)
	if err != nil {
		return 0, nil, err
	}
	defer clear(value)
	slot = -1
	for i := range h.slots {
		if h.slots[i].kind == Recovery {
			h.slots[i] = keySlot{}
			if slot < 0 {
				slot = i
			}
		}
	}
	if slot < 0 {
		var ok bool
		if slot, ok = h.emptySlot(); !ok {
			return 0, nil, fmt.Errorf("all %d slots are taken: remove one first", maxKeySlots)
		}
	}
	h.slots[slot], kek = secret{Recovery, value}.slot(now)
	h.slots[slot].wrap(kek, h.store, master)
	return slot, kek, nil
}
