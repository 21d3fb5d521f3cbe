package storage

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

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
// then its record and its bytes. Errors: ErrNoSite, ErrImporting.
func (s *Store) RemoveSite(ctx context.Context, id schema.Site) error {
	if _, ok := s.book.Site(id); !ok {
		return ErrNoSite
	}
	if !s.hold(id) {
		return ErrImporting
	}
	defer s.free(id)
	s.closeDays(id)
	if err := s.vault.DestroySite(id); err != nil && !errors.Is(err, seal.ErrNoKey) {
		return fmt.Errorf("remove site: %w", err)
	}
	return s.removeData(ctx, id)
}

// closeDays makes the site's open days refuse events.
func (s *Store) closeDays(id schema.Site) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for k, od := range s.days {
		if k.site == id {
			od.mu.Lock()
			od.closed = true
			od.mu.Unlock()
		}
	}
}

// removeData removes what is left of a site without a key. The record goes last: a crash before that is finished at the next start.
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

func (s *Store) forget(id schema.Site) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for date := range s.catalog[id] {
		s.cache.drop(dayKey{id, date})
	}
	delete(s.catalog, id)
	for k := range s.days {
		if k.site == id {
			delete(s.days, k)
		}
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

// finishRemovals ends removals that a crash has cut off: the key is gone, the record still there.
func (s *Store) finishRemovals(ctx context.Context) error {
	for _, site := range s.book.Sites() {
		_, err := s.vault.Site(site.ID)
		if errors.Is(err, seal.ErrNoKey) {
			s.cfg.Logger.Warn("finishing the removal of a site whose data key was destroyed", "site", site.ID)
			err = s.removeData(ctx, site.ID)
		}
		if err != nil {
			return dataError(err)
		}
	}
	return nil
}
