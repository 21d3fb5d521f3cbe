package storage

import (
	"context"
	"errors"
	"fmt"

	"footfall/storage/day"
	"footfall/storage/file"
)

// Reseal writes the sealed days that an older version wrote anew, in the form of this one, and returns how many. Each is one commit; it
// may be cut off at any moment, and goes on when it is called again. Days of a site that is being written to are left out. progress may
// be nil and counts days.
func (s *Store) Reseal(ctx context.Context, progress func(done, total int64)) (days int, err error) {
	s.mu.RLock()
	total := len(s.outdated)
	s.mu.RUnlock()
	return s.reseal(ctx, total, progress)
}

// reseal is Reseal for so many days at most.
func (s *Store) reseal(ctx context.Context, most int, progress func(done, total int64)) (days int, err error) {
	s.mu.Lock()
	most = min(most, len(s.outdated))
	some := s.outdated[:most:most]
	s.outdated = s.outdated[most:]
	s.mu.Unlock()
	var later []dayKey
	var errs []error
	for i, k := range some {
		if ctx.Err() != nil || !s.hold(k.site) {
			later = append(later, k)
			continue
		}
		switch err := s.resealDay(ctx, k); {
		case errors.Is(err, ErrFull):
			later = append(later, k)
		case err != nil: // and it is not tried again before the next start
			errs = append(errs, fmt.Errorf("write %s of site %d anew: %w", k.date, k.site, dataError(err)))
		default:
			days++
		}
		s.free(k.site)
		if progress != nil {
			progress(int64(i+1), int64(most))
		}
	}
	s.mu.Lock()
	s.outdated = append(s.outdated, later...)
	s.mu.Unlock()
	return days, errors.Join(append(errs, ctx.Err())...)
}

// resealDay puts the newest form of a day in the place of an older one. The caller holds the site busy.
func (s *Store) resealDay(ctx context.Context, k dayKey) error {
	s.mu.RLock()
	e, sealed := s.catalog[k.site][k.date]
	s.mu.RUnlock()
	if !sealed {
		return nil
	}
	v, err := s.readSealed(k, e)
	if err != nil || !v.Outdated() {
		return err
	}
	p, err := s.publish(k, v)
	if err != nil {
		return err
	}
	if err := s.sameDay(p, v); err != nil {
		return err
	}
	if err := s.db.Room(p.size()); err != nil {
		return err
	}
	return s.db.Submit(file.Op{
		Bulk:  true,
		Write: func(tx *file.Tx) error { return errors.Join(p.putChunks(tx), p.swap(tx)) },
		Done: func(err error) {
			if err == nil {
				s.mu.Lock()
				s.setEntryLocked(k, entry{p.generation, p.counting})
				s.mu.Unlock()
				s.cache.drop(k)
			}
		},
	}).Wait(context.WithoutCancel(ctx))
}

// sameDay reads what was made of a day before it takes the day's place.
func (s *Store) sameDay(p *publication, old *day.View) error {
	defer s.Work(sealingBytes([]*day.View{old}))()
	v, err := day.OpenSealed(p.key.date, p.header, func(dst []byte, i int) ([]byte, error) { return append(dst, p.chunks[i]...), nil })
	if err != nil {
		return err
	}
	is, err1 := v.Summary()
	was, err2 := old.Summary()
	if err := errors.Join(err1, err2, v.Verify()); err != nil {
		return err
	}
	if is != was || v.Rows != old.Rows || v.Begin != old.Begin || v.Zone != old.Zone || v.Outdated() {
		return fmt.Errorf("internal error: the day that was made of it is another: %+v, not %+v", is, was)
	}
	return nil
}
