package storage

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"

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
// then its bytes and its record. Once begun it is not called off; what a crash leaves of it the next start finishes.
// Errors: ErrNoSite, ErrSiteBusy.
func (s *Store) RemoveSite(ctx context.Context, id schema.Site) error {
	if _, ok := s.book.Site(id); !ok {
		return ErrNoSite
	}
	if !s.hold(id) {
		return ErrSiteBusy
	}
	defer s.free(id)
	ctx = context.WithoutCancel(ctx)
	if err := s.book.MarkRemoving(ctx, id); err != nil {
		return fmt.Errorf("remove site: %w", err)
	}
	s.closeDays(id)
	s.forget(id) // before the key dies: nobody is to read what cannot be read any more
	return s.remove(ctx, id)
}

// remove destroys what is left of a site that is marked. The record goes last: it tells the next start what to finish.
func (s *Store) remove(ctx context.Context, id schema.Site) error {
	if err := s.vault.DestroySite(id); err != nil && !errors.Is(err, seal.ErrNoKey) {
		return fmt.Errorf("remove site: %w; the next start goes on with it", err)
	}
	return s.removeData(ctx, id)
}

// closeDays makes the site's open days refuse events, and lets no other day open.
func (s *Store) closeDays(id schema.Site) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.removed[id] = true
	for k, od := range s.days {
		if k.site == id {
			od.mu.Lock()
			od.closed = true
			od.mu.Unlock()
		}
	}
}

// removeData removes the bytes and the record of a site without a key.
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
	if err := s.book.DeleteSite(ctx, id); err != nil && !errors.Is(err, account.ErrNotFound) {
		return fmt.Errorf("remove site: %w", err)
	}
	return nil
}

// forget takes the site's days and counts out of memory.
func (s *Store) forget(id schema.Site) {
	s.mu.Lock()
	dates := slices.Collect(maps.Keys(s.catalog[id]))
	s.cache.forget(id)
	delete(s.catalog, id)
	for k := range s.days {
		if k.site == id {
			delete(s.days, k)
		}
	}
	s.mu.Unlock()
	for _, date := range dates {
		s.cache.drop(dayKey{id, date})
	}
	s.drops.mu.Lock()
	defer s.drops.mu.Unlock()
	for k := range s.drops.days {
		if k.site == id {
			delete(s.drops.days, k)
			delete(s.drops.dirty, k)
		}
	}
}

// finishRemovals ends removals that a crash has cut off. A site that nobody removed and that has no key tells of a vault that is
// older than the data file: its data must not be thrown away for that.
func (s *Store) finishRemovals(ctx context.Context) error {
	for _, site := range s.book.Sites() {
		if site.Removing {
			s.cfg.Logger.Warn("finishing the removal of a site", "site", site.ID)
			if err := s.remove(ctx, site.ID); err != nil {
				return dataError(err)
			}
			continue
		}
		switch _, err := s.vault.Site(site.ID); {
		case errors.Is(err, seal.ErrNoKey):
			return fmt.Errorf("%w: it has no key for site %d: this is an older copy, put the newest %s back", ErrVaultDamaged, site.ID, vaultName)
		case err != nil:
			return dataError(err)
		}
	}
	return nil
}
