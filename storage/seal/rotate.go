package seal

import (
	"bytes"
	"errors"
	"fmt"
	"time"
)

// ErrOpenerRemoved means that the key that the vault was opened with does not open it any more.
var ErrOpenerRemoved = errors.New("the key that the vault was opened with was removed since: open it with another key first")

// Rotate makes a new master key and seals every data key and salt with it. Data keys and salts stay what they are, so no data is
// written anew and sealers go on working.
//
// Of the slots only that of the key that the vault was opened with is kept, since the others cannot be made anew without their
// keys; recovery, from [NewRecovery] or empty, becomes the recovery key. The old master key, and every old slot that somebody
// copied, open nothing in the file any more.
//
// It may be killed at any moment: the next OpenVault finds everything as before, or everything rotated. After an error it is as
// before unless the error is of a write, which leaves that for the next OpenVault to see. It fails with [ErrOpenerRemoved].
func (v *Vault) Rotate(recovery string, now time.Time) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := v.rotate(recovery, now); err != nil {
		return fmt.Errorf("rotate keys: %w", err)
	}
	return nil
}

func (v *Vault) rotate(recovery string, now time.Time) error {
	if err := v.rotatable(); err != nil {
		return err
	}
	next, fresh := v.header, newRing(v.header.store)
	next.made = now.Unix()
	kept, err := v.rewrap(&next, fresh, recovery, now)
	if err != nil {
		return err
	}
	moved, err := v.copyPages(&next, fresh)
	if err != nil {
		return err
	}
	var old []uint32
	for page := uint32(2); page < v.header.pages; page++ {
		if v.header.useOf(page) != useFree {
			next.setUse(page, useFree)
			old = append(old, page)
		}
	}
	if err := v.writeHeaderFor(next, fresh); err != nil {
		return err
	}
	v.ring.destroy()
	v.opener.forget()
	v.ring, v.opener = fresh, kept
	v.restPage = moved[v.restPage]
	for site, k := range v.sites {
		v.sites[site] = siteKey{moved[k.page], k.sealer}
	}
	for _, s := range v.salts {
		s.page = moved[s.page]
	}
	v.emptySalt = nil
	for _, page := range old {
		if err := v.writeUnsynced(page, encodePage(page, useFree, nil)); err != nil {
			return err
		}
	}
	return v.sync()
}

// rewrap gives next the slots that are left, around the new master key, and returns what opens the vault from then on.
func (v *Vault) rewrap(next *header, fresh *ring, recovery string, now time.Time) (kept opener, err error) {
	kept = opener{v.opener.slot, bytes.Clone(v.opener.kek)}
	for i := range next.slots {
		// A new recovery key takes the slot of the old one.
		if i != kept.slot && (recovery == "" || next.slots[i].kind != Recovery) {
			next.slots[i] = keySlot{}
		}
	}
	next.slots[kept.slot].wrap(kept.kek, next.store, &fresh.master)
	if recovery == "" {
		return kept, nil
	}
	slot, kek, err := next.setRecovery(recovery, now, &fresh.master)
	if err == nil && next.slots[kept.slot].kind == Recovery { // that was the old one: whoever opened the vault with it holds the new one now
		kept = opener{slot, kek}
	}
	return kept, err
}

// rotatable returns why the vault cannot be rotated, or nil. Whatever can be known before is, so that a refusal changes nothing.
func (v *Vault) rotatable() error {
	if err := v.usable(); err != nil {
		return err
	}
	if len(v.damaged) > 0 { // a new master key would make an end of every hope to mend it
		return v.damage()
	}
	if v.opener.slot < 0 {
		return ErrOpenerRemoved
	}
	used := uint32(0)
	for page := uint32(2); page < v.header.pages; page++ {
		if v.header.useOf(page) != useFree {
			used++
		}
	}
	free := v.header.pages - 2 - used
	if room := (maxPages - v.header.pages) / growPages * growPages; used > free+room {
		return fmt.Errorf("the vault holds %d sites and time zones, and there is room for a second copy of at most %d", used, free+room)
	}
	return nil
}

// copyPages writes every data key and salt to a free page, sealed with fresh, and gives those pages their use in next. It tells
// which page became which.
func (v *Vault) copyPages(next *header, fresh *ring) (moved map[uint32]uint32, err error) {
	plains, err := v.readKeys()
	if err != nil {
		return nil, err
	}
	defer clearAll(plains)
	// All room is found before anything is written: a disk that is full leaves the free pages free.
	moved = map[uint32]uint32{}
	for page := range plains {
		if moved[page], err = v.allocate(next, useData); err != nil {
			return nil, err
		}
	}
	for _, s := range v.salts {
		if moved[s.page], err = v.allocate(next, useSalt); err != nil {
			return nil, err
		}
	}
	for page, plain := range plains {
		if err := v.writeUnsynced(moved[page], fresh.dataPage(moved[page], plain)); err != nil {
			return nil, err
		}
	}
	for zone, s := range v.salts {
		if err := v.writeUnsynced(moved[s.page], fresh.saltPage(moved[s.page], zone, s)); err != nil {
			return nil, err
		}
	}
	return moved, v.sync()
}
