package storage

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"footfall/storage/account"
	"footfall/storage/file"
	"footfall/storage/schema"
	"footfall/storage/seal"
)

// AddSite adds a site and makes its data key. Errors are those of account.Book.AddSite.
func (s *Store) AddSite(ctx context.Context, domain, timezone string) (account.Site, error) {
	return s.book.AddSite(ctx, domain, timezone, s.cfg.Now().UTC(), s.vault.CreateSite)
}

// RemoveSite destroys a site: first its data key, which makes its data unreadable in this file and in every copy of it,
// then its bytes and its record. Once begun it is not called off; what a fault leaves of it Maintain or the next start finishes. by is
// who asked for it, for the audit log. Errors: ErrNoSite, ErrSiteBusy.
func (s *Store) RemoveSite(ctx context.Context, id schema.Site, by string) error {
	if _, ok := s.book.Site(id); !ok {
		return ErrNoSite
	}
	if !s.hold(id) {
		return ErrSiteBusy
	}
	defer s.free(id)
	ctx = context.WithoutCancel(ctx)
	err := s.book.ChangeSite(ctx, id, s.entry(id, account.DidRemove, by), func(site *account.Site) { site.Removing = true })
	if err != nil {
		return fmt.Errorf("remove site: %w", err)
	}
	s.mu.Lock()
	s.removed[id] = true
	s.mu.Unlock()
	s.forget(id) // before the key dies: nobody is to read what cannot be read any more
	return s.remove(ctx, id)
}

// entry begins an entry of the audit log about all that a site has.
func (s *Store) entry(id schema.Site, did, by string) *account.Entry {
	h := s.holdings(id, func(schema.Date) bool { return true })
	return &account.Entry{Time: s.cfg.Now().UTC().Truncate(time.Second), By: by, Did: did, Days: h.Days, Events: h.Events}
}

// remove destroys what is left of a site that is marked. The record goes last: it tells who comes later what to finish.
func (s *Store) remove(ctx context.Context, id schema.Site) error {
	if err := s.vault.DestroySite(id); err != nil && !errors.Is(err, seal.ErrNoKey) {
		return fmt.Errorf("remove site: %w; %s", err, goesOn)
	}
	if err := s.removeData(ctx, id); err != nil {
		return fmt.Errorf("remove site: %w; %s", err, goesOn)
	}
	if err := s.book.DeleteSite(ctx, id); err != nil && !errors.Is(err, account.ErrNotFound) {
		return fmt.Errorf("remove site: %w; %s", err, goesOn)
	}
	return nil
}

const goesOn = "a running server tries again within a minute, and the next start does"

// ResetSite destroys all data of a site and keeps the site: its data key is replaced, which makes its data unreadable in this file
// and in every copy of it, then its bytes are removed. Events that come meanwhile wait. Once begun it is not called off; what a fault
// leaves of it Maintain or the next start finishes. by is who asked for it. Errors: ErrNoSite, ErrSiteBusy.
func (s *Store) ResetSite(ctx context.Context, id schema.Site, by string) error {
	if _, ok := s.book.Site(id); !ok {
		return ErrNoSite
	}
	if !s.hold(id) {
		return ErrSiteBusy
	}
	defer s.free(id)
	ctx = context.WithoutCancel(ctx)
	s.pause(id)
	err := s.book.ChangeSite(ctx, id, s.entry(id, account.DidReset, by), func(site *account.Site) { site.Resetting = true })
	if err != nil {
		s.resume(id)
		return fmt.Errorf("reset site: %w", err)
	}
	s.forget(id)
	return s.reset(ctx, id)
}

// reset destroys the data of a site that is marked, and then lets events come again: what is stored before the mark is gone would be
// destroyed with the rest.
func (s *Store) reset(ctx context.Context, id schema.Site) error {
	if err := s.vault.ReplaceSite(id); err != nil {
		return fmt.Errorf("reset site: %w; %s", err, goesOn)
	}
	if err := s.removeData(ctx, id); err != nil {
		return fmt.Errorf("reset site: %w; %s", err, goesOn)
	}
	unmark := func(site *account.Site) { site.Resetting = false }
	if err := s.book.ChangeSite(ctx, id, nil, unmark); err != nil {
		return fmt.Errorf("reset site: %w; %s", err, goesOn)
	}
	s.resume(id)
	return nil
}

// removeData removes the bytes of a site whose key is gone.
func (s *Store) removeData(ctx context.Context, id schema.Site) error {
	prefix := binary.BigEndian.AppendUint32(nil, uint32(id))
	err := s.db.Submit(file.Op{
		Write: func(tx *file.Tx) error {
			for _, b := range []file.Bucket{file.Journal, file.Days, file.Catalog} {
				if err := tx.DeletePrefix(b, prefix); err != nil {
					return err
				}
			}
			return nil
		},
		Done: func(err error) {
			if err == nil {
				s.forget(id)
			}
		},
	}).Wait(ctx)
	if err != nil {
		return fmt.Errorf("remove data of site: %w", err)
	}
	return nil
}

// forget takes the site's days and counts out of memory, and closes its open days.
func (s *Store) forget(id schema.Site) {
	s.mu.Lock()
	dates := slices.Collect(maps.Keys(s.catalog[id]))
	for _, date := range dates {
		s.dropEntryLocked(dayKey{id, date})
	}
	for k, od := range s.days {
		if k.site == id {
			od.close()
			delete(s.days, k)
		}
	}
	maps.DeleteFunc(s.damaged, func(k dayKey, _ error) bool { return k.site == id })
	s.mu.Unlock()
	for _, date := range dates {
		s.cache.drop(dayKey{id, date})
	}
	s.cache.forget(id)
	s.drops.forget(func(k dayKey) bool { return k.site == id })
}

// finishRemovals ends removals and resets that a crash has cut off. A site that nobody removed and that has no key tells of a vault
// that does not belong beside this data file: its data must not be thrown away for that.
func (s *Store) finishRemovals(ctx context.Context) error {
	for _, site := range s.book.Sites() {
		if site.Removing || site.Resetting {
			s.cfg.Logger.Warn("finishing the destruction of a site's data", "site", site.ID)
			if err := s.finish(ctx, site); err != nil {
				return dataError(err)
			}
			continue
		}
		switch _, err := s.vault.Site(site.ID); {
		case errors.Is(err, seal.ErrNoKey):
			return fmt.Errorf("%w: it has no key for site %d: either %s is an older copy, then put the newest one back, or %s is one from before that site was removed, and then its data are gone for ever",
				ErrVaultDamaged, site.ID, vaultName, dataName)
		case err != nil:
			return dataError(err)
		}
	}
	return nil
}

func (s *Store) finish(ctx context.Context, site account.Site) error {
	if site.Removing {
		return s.remove(ctx, site.ID)
	}
	return s.reset(ctx, site.ID)
}

// goOn finishes removals and resets that a fault has cut off, such as a full disk.
func (s *Store) goOn(ctx context.Context) error {
	var errs []error
	for _, site := range s.book.Sites() {
		if (site.Removing || site.Resetting) && s.hold(site.ID) {
			errs = append(errs, s.finish(context.WithoutCancel(ctx), site))
			s.free(site.ID)
		}
	}
	return errors.Join(errs...)
}
