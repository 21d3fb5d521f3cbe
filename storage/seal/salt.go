package seal

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"

	"footfall/storage/schema"
)

// Salt returns the salt of a day in a time zone. The first call of the day makes it, and returns when it is on the
// disk. A zone has one salt: asking for another day, also an earlier one, overwrites the one before, and what is asked for
// after that is new and random. So no clock that jumps can bring a salt back.
func (v *Vault) Salt(zone string, day schema.Date) ([32]byte, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.closed {
		return [32]byte{}, ErrClosed
	}
	if s, ok := v.salts[zone]; ok && s.day == day {
		return s.salt, nil
	}
	if err := v.newSalt(zone, day); err != nil {
		return [32]byte{}, fmt.Errorf("make salt: %w", err)
	}
	return v.salts[zone].salt, nil
}

func (v *Vault) newSalt(zone string, day schema.Date) error {
	if zone == "" || len(zone) > maxZone {
		return fmt.Errorf("name of a time zone with %d bytes, allowed are 1 to %d", len(zone), maxZone)
	}
	if old, ok := v.salts[zone]; ok { // it must not be given out again, whatever becomes of the write
		clear(old.salt[:])
		v.emptySalt = append(v.emptySalt, old.page)
		delete(v.salts, zone)
	}
	if err := v.usable(); err != nil {
		return err
	}
	s := &zoneSalt{day: day}
	rand.Read(s.salt[:])
	next, known := v.header, len(v.emptySalt) > 0
	if known {
		s.page = v.emptySalt[len(v.emptySalt)-1]
	} else {
		page, err := v.allocate(&next, useSalt)
		if err != nil {
			return err
		}
		s.page = page
	}
	if err := v.write(s.page, v.ring.saltPage(s.page, zone, s)); err != nil {
		return err
	}
	if known {
		v.emptySalt = v.emptySalt[:len(v.emptySalt)-1]
	} else if err := v.writeHeader(next); err != nil {
		return err
	}
	v.salts[zone] = s
	return nil
}

// loadSalt reads a page that is used for salts. What cannot be read was torn while it was written: Salt had not returned it yet.
func (v *Vault) loadSalt(page uint32, b []byte) {
	if kind, _, err := decodePage(page, b); err == nil && kind == useFree {
		v.emptySalt = append(v.emptySalt, page)
		return
	}
	plain, err := openPage(page, b, useSalt, v.ring.salts)
	if err != nil || len(plain) < 4+32+1 {
		v.notes = append(v.notes, fmt.Sprintf("the salt in slot %d was not whole: a new one is made, and today's visitors of its time zone may be counted twice", page))
		v.emptySalt = append(v.emptySalt, page)
		return
	}
	defer clear(plain)
	zone := string(plain[36:])
	if other, twice := v.salts[zone]; twice { // cannot be: neither is to be trusted
		v.notes = append(v.notes, fmt.Sprintf("slots %d and %d held a salt for the same time zone: both are destroyed", other.page, page))
		clear(other.salt[:])
		v.emptySalt = append(v.emptySalt, other.page, page)
		delete(v.salts, zone)
		return
	}
	s := &zoneSalt{page: page, day: schema.Date(int32(binary.BigEndian.Uint32(plain)))}
	copy(s.salt[:], plain[4:36])
	v.salts[zone] = s
}

// SweepSalts destroys every salt whose day is not today in its zone, be it over or, since a clock was turned back, yet to
// come. It returns when they are overwritten on the disk. today must not call the vault.
func (v *Vault) SweepSalts(today func(zone string) schema.Date) (destroyed int, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.closed {
		return 0, ErrClosed
	}
	var pages []uint32
	for zone, s := range v.salts {
		if s.day == today(zone) {
			continue
		}
		clear(s.salt[:])
		delete(v.salts, zone)
		v.emptySalt = append(v.emptySalt, s.page)
		pages = append(pages, s.page)
	}
	if len(pages) == 0 {
		return 0, nil
	}
	if err := v.usable(); err != nil {
		return 0, fmt.Errorf("destroy salts: %w", err)
	}
	for _, page := range pages {
		if err := v.writeUnsynced(page, encodePage(page, useFree, nil)); err != nil {
			return 0, fmt.Errorf("destroy salts: %w", err)
		}
	}
	if err := v.sync(); err != nil {
		return 0, fmt.Errorf("destroy salts: %w", err)
	}
	return len(pages), nil
}
