package seal

import (
	"crypto/hmac"
	"crypto/rand"
	"fmt"
)

// ring is a master key with what is derived from it.
type ring struct {
	master [32]byte
	mac    []byte  // of the header
	salts  *Sealer // of pages that hold salts
	data   *Sealer // of pages that hold data keys
}

// newRing makes a new master key for a store.
func newRing(store [16]byte) *ring {
	var master [32]byte
	rand.Read(master[:])
	defer clear(master[:])
	return deriveRing(store, &master)
}

func deriveRing(store [16]byte, master *[32]byte) *ring {
	sealer := func(purpose string) *Sealer {
		key := derive(master[:], nil, purpose)
		defer clear(key)
		return newSealer(store, key)
	}
	return &ring{master: *master, mac: derive(master[:], nil, "header"), salts: sealer("salts"), data: sealer("data keys")}
}

// destroy forgets the keys, as far as Go lets a program forget: what the cipher or the collector has copied may stay in memory
// until it is used for something else.
func (r *ring) destroy() {
	clear(r.master[:])
	clear(r.mac)
	r.salts.destroy()
	r.data.destroy()
}

// dataPage seals a data key, as encodeDataKey made it, for a page, and clears it.
func (r *ring) dataPage(page uint32, plain []byte) []byte {
	defer clear(plain)
	return encodePage(page, useData, r.data.Seal(nil, plain, pagePlace(page, useData)))
}

func (r *ring) saltPage(page uint32, zone string, s *zoneSalt) []byte {
	plain := encodeSalt(s.day, &s.salt, zone)
	defer clear(plain)
	return encodePage(page, useSalt, r.salts.Seal(nil, plain, pagePlace(page, useSalt)))
}

// opener is the key that the vault was opened with. Its key-encryption key is kept, as secret as the master key beside it, so that
// its slot can be made anew for another master key without asking anyone.
type opener struct {
	slot int // -1: removed since
	kek  []byte
}

func (o *opener) forget() {
	clear(o.kek)
	*o = opener{slot: -1}
}

// unlock finds the slot that s opens, and proves page, the header's own, with the master key in it.
func (h *header) unlock(s secret, page []byte) (*ring, opener, error) {
	keys, o, err := unlockSlots(&h.slots, h.store, s)
	if err == nil && !hmac.Equal(headerMAC(keys.mac, page), page[macOffset:sumOffset]) {
		o.forget()
		keys.destroy()
		return nil, o, fmt.Errorf("%w: its header is not authentic", ErrVaultDamaged)
	}
	return keys, o, err
}

// unlockSlots finds the slot that s opens. It fails with ErrWrongKey. What is in the slots is for the caller to prove.
func unlockSlots(slots *[maxKeySlots]keySlot, store [16]byte, s secret) (*ring, opener, error) {
	tried := 0
	for i := range slots {
		slot := &slots[i]
		if slot.kind != s.kind {
			continue
		}
		tried++
		kek := s.key(slot)
		if master, ok := slot.unwrap(kek, store); ok {
			keys := deriveRing(store, &master)
			clear(master[:])
			return keys, opener{i, kek}, nil
		}
		clear(kek)
	}
	if tried == 0 {
		return nil, opener{slot: -1}, fmt.Errorf("%w: it has no %s", ErrWrongKey, s.kind)
	}
	return nil, opener{slot: -1}, ErrWrongKey
}
