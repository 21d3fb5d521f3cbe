package seal

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"syscall"

	"footfall/storage/schema"
)

// Rest returns the sealer of what belongs to no site.
func (v *Vault) Rest() *Sealer { return v.rest } // never changes

// Site returns the sealer of a site. It fails with [ErrNoKey] if the key was destroyed or never made, and with
// [ErrVaultDamaged] if it may be one that cannot be read.
func (v *Vault) Site(site schema.Site) (*Sealer, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.site(site)
}

func (v *Vault) site(site schema.Site) (*Sealer, error) {
	if v.closed {
		return nil, ErrClosed
	}
	if k, ok := v.sites[site]; ok {
		return k.sealer, nil
	}
	if len(v.damaged) > 0 {
		return nil, fmt.Errorf("data key of site %d: %w", site, v.damage())
	}
	return nil, fmt.Errorf("site %d: %w", site, ErrNoKey)
}

// damage names the slots that cannot be read.
func (v *Vault) damage() error {
	var pages []uint32
	for page := range v.damaged {
		pages = append(pages, page)
	}
	slices.Sort(pages)
	return fmt.Errorf("%w: the data key in slot %d: %w", ErrVaultDamaged, pages[0], v.damaged[pages[0]])
}

// CreateSite makes the data key of a site. It returns when the key is on the disk.
func (v *Vault) CreateSite(site schema.Site) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := v.createSite(site); err != nil {
		return fmt.Errorf("make data key of site %d: %w", site, err)
	}
	return nil
}

func (v *Vault) createSite(site schema.Site) error {
	if site == 0 {
		return errors.New("sites are numbered from 1")
	}
	if _, err := v.site(site); err == nil {
		return ErrHasKey
	} else if !errors.Is(err, ErrNoKey) {
		return err
	}
	if err := v.usable(); err != nil {
		return err
	}
	next := v.header
	fresh, err := v.writeKey(&next, site)
	if err != nil {
		return err
	}
	if err := v.writeHeader(next); err != nil {
		return err
	}
	v.sites[site] = fresh
	return nil
}

// writeKey makes a data key and writes its page, which counts once next, where it is named, is the header.
func (v *Vault) writeKey(next *header, site schema.Site) (siteKey, error) {
	page, err := v.allocate(next, useData)
	if err != nil {
		return siteKey{}, err
	}
	var key [32]byte
	rand.Read(key[:])
	defer clear(key[:])
	if err := v.write(page, v.ring.dataPage(page, encodeDataKey(site, &key))); err != nil {
		return siteKey{}, err
	}
	return siteKey{page, newSealer(v.header.store, key[:])}, nil
}

// DestroySite overwrites the data key of a site: on the disk, and in the sealers that were handed out. It fails with [ErrNoKey]
// if there is none. When it was interrupted, the next OpenVault finishes it or the key is still there.
func (v *Vault) DestroySite(site schema.Site) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := v.destroySite(site); err != nil {
		return fmt.Errorf("destroy data key of site %d: %w", site, err)
	}
	return nil
}

func (v *Vault) destroySite(site schema.Site) error {
	if _, err := v.site(site); err != nil {
		return err
	}
	if err := v.usable(); err != nil {
		return err
	}
	k := v.sites[site]
	next := v.header
	next.setUse(k.page, useFree)
	if err := v.writeHeader(next); err != nil {
		return err
	}
	delete(v.sites, site)
	k.sealer.destroy()
	return v.write(k.page, encodePage(k.page, useFree, nil))
}

// ReplaceSite overwrites the data key of a site, as DestroySite does, and gives the site another one, which must not have been
// there before. When it was interrupted, the site has either key, and the other one is gone after the next OpenVault.
func (v *Vault) ReplaceSite(site schema.Site) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := v.replaceSite(site); err != nil {
		return fmt.Errorf("replace data key of site %d: %w", site, err)
	}
	return nil
}

func (v *Vault) replaceSite(site schema.Site) error {
	if _, err := v.site(site); err != nil {
		return err
	}
	if err := v.usable(); err != nil {
		return err
	}
	old, next := v.sites[site], v.header
	fresh, err := v.writeKey(&next, site)
	if err != nil {
		return err
	}
	// One header names the new page and no longer the old one, so there is never a moment with both keys or none.
	next.setUse(old.page, useFree)
	if err := v.writeHeader(next); err != nil {
		return err
	}
	v.sites[site] = fresh
	old.sealer.destroy()
	return v.write(old.page, encodePage(old.page, useFree, nil))
}

// allocate finds a free page and gives it a use in next, making the file longer if need be. The caller writes the page,
// then makes next the header.
func (v *Vault) allocate(next *header, use byte) (page uint32, err error) {
	for page = 2; page < next.pages; page++ {
		if next.useOf(page) == useFree {
			next.setUse(page, use)
			return page, nil
		}
	}
	if next.pages+growPages > maxPages {
		return 0, fmt.Errorf("the vault is full: %d sites and time zones", maxPages)
	}
	if err := v.grow(next.pages); err != nil {
		return 0, err
	}
	next.pages += growPages
	next.setUse(page, use)
	return page, nil
}

// grow writes free pages behind the last one. No header names them yet, so a disk that has no room for them leaves nothing in doubt, and
// the vault can be written to as before.
func (v *Vault) grow(pages uint32) error {
	write := func() error {
		for i := range uint32(growPages) {
			if err := v.writeUnsynced(pages+i, encodePage(pages+i, useFree, nil)); err != nil {
				return err
			}
		}
		return v.sync()
	}
	err := write()
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		v.broken = nil
	}
	return err
}

// Check reads the vault again and compares it with what is in memory. It returns [ErrVaultDamaged] if they differ.
func (v *Vault) Check() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.closed {
		return ErrClosed
	}
	if err := v.check(); err != nil {
		return fmt.Errorf("check vault: %w", err)
	}
	return nil
}

func (v *Vault) check() error {
	if len(v.damaged) > 0 {
		return v.damage()
	}
	bad := func(page uint32, what string) error {
		return fmt.Errorf("%w: slot %d, %s", ErrVaultDamaged, page, what)
	}
	want := v.header.encode(v.ring.mac)
	for i := range uint32(2) {
		b, err := v.read(i)
		if err != nil {
			return err
		}
		if !hmac.Equal(b, want) {
			return bad(i, "a copy of the header")
		}
	}
	used := map[uint32]*zoneSalt{}
	zones := map[uint32]string{}
	for zone, s := range v.salts {
		used[s.page], zones[s.page] = s, zone
	}
	for page := uint32(2); page < v.header.pages; page++ {
		b, err := v.read(page)
		if err != nil {
			return err
		}
		switch use := v.header.useOf(page); {
		case use == useData:
			plain, err := openPage(page, b, useData, v.ring.data)
			if err != nil {
				return bad(page, "a data key")
			}
			clear(plain)
		case use == useSalt && used[page] != nil:
			plain, err := openPage(page, b, useSalt, v.ring.salts)
			if err != nil || !bytes.Equal(plain, encodeSalt(used[page].day, &used[page].salt, zones[page])) {
				return bad(page, "a salt")
			}
			clear(plain)
		default:
			if kind, _, err := decodePage(page, b); err != nil || kind != useFree {
				return bad(page, "which should hold nothing")
			}
		}
	}
	return nil
}
