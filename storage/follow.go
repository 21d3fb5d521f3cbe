package storage

import (
	"context"
	"fmt"

	"footfall/storage/day"
	"footfall/storage/file"
)

// follow makes memory agree with what the file shows of a day. It is for the time after a commit that failed: readers of the file may
// see what it changed, though nobody knows whether the disk has it, and a catalog that knows nothing of it would find the day replaced for
// ever. Nothing is written any more, so what is seen now stays.
func (s *Store) follow(key dayKey) error {
	k := dayPrefix(key.site, key.date)
	value, err := s.db.Get(file.Catalog, k)
	if err != nil {
		return err
	}
	sealer, err := s.vault.Site(key.site)
	if err != nil {
		return err
	}
	var e entry
	if value != nil {
		generation, header, err := openHeader(sealer, k, value)
		if err != nil {
			return err
		}
		v, err := day.OpenSealed(key.date, header, nil)
		if err != nil {
			return fmt.Errorf("%w: catalog entry of %s: %w", ErrDamaged, key.date, err)
		}
		e = entry{generation, v.Counting}
	}
	var open *openDay // as the journal has it: it may have been sealed, or some of its rows deleted
	var r *replaying
	err = s.db.Scan(context.Background(), file.Journal, k, func(key, value []byte) (err error) {
		if open == nil {
			if open, err = s.newOpenDay(dayKeyOf(key)); err != nil {
				return err
			}
			r = open.replaying()
		}
		return r.entry(key, value)
	})
	if err == nil && open != nil {
		err = open.replayed(r)
	}
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if value == nil {
		s.dropEntryLocked(key)
	} else {
		s.setEntryLocked(key, e)
	}
	if open == nil {
		delete(s.days, key)
	} else {
		open.closed = true // not yet shared
		s.days[key] = open
	}
	return nil
}
