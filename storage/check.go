package storage

import (
	"context"
	"errors"
	"fmt"

	"footfall/storage/schema"
)

// Check reads the whole store: the file's own structure, the vault, every sealed day with all it has counted, and the open days. It goes on
// after a fault and returns all of them. progress may be nil.
func (s *Store) Check(ctx context.Context, progress func(done, total int64)) error {
	if progress == nil {
		progress = func(int64, int64) {}
	}
	var faults []error
	if err := s.db.Check(ctx, nil); err != nil {
		faults = append(faults, fmt.Errorf("%s: %w", dataName, dataError(err)))
	}
	if err := s.vault.Check(); err != nil {
		faults = append(faults, fmt.Errorf("%s: %w", vaultName, err))
	}
	if _, err := s.book.Entries(ctx); err != nil {
		faults = append(faults, fmt.Errorf("%s: %w", dataName, dataError(err)))
	}
	days := s.allDays()
	for i, k := range days {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := retryStale(ctx, func() error { return s.checkDay(k) }); err != nil {
			faults = append(faults, fmt.Errorf("site %d: %w: %w", k.site, ErrDamaged, err))
		}
		progress(int64(i+1), int64(len(days)))
	}
	return errors.Join(faults...)
}

func (s *Store) allDays() []dayKey {
	s.mu.RLock()
	defer s.mu.RUnlock()
	sites := map[schema.Site]bool{}
	for site := range s.catalog {
		sites[site] = true
	}
	for k := range s.days {
		sites[k.site] = true
	}
	var out []dayKey
	for site := range sites {
		for _, d := range s.datesLocked(site) {
			out = append(out, dayKey{site, d})
		}
	}
	return out
}

func (s *Store) checkDay(k dayKey) error {
	s.mu.RLock()
	e, sealed := s.catalog[k.site][k.date]
	open := s.days[k]
	s.mu.RUnlock()
	if sealed {
		// Not from the cache: the bytes in the file are what is to be checked.
		v, err := s.readSealed(k, e)
		if err != nil {
			return err
		}
		if err := v.Verify(); err != nil {
			return err
		}
		if v.Counting != e.counting {
			return fmt.Errorf("%s: catalog says %d events, the day has %d", k.date, e.counting, v.Counting)
		}
	}
	if open != nil {
		return open.open.View().Verify()
	}
	return nil
}
