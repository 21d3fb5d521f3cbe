package storage

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"footfall/storage/account"
	"footfall/storage/file"
	"footfall/storage/schema"
)

// Holdings say how much a site has of something.
type Holdings struct {
	Days   int
	Events int64 // engagement left out
}

// holdings adds up the days that which chooses, sealed and open.
func (s *Store) holdings(site schema.Site, which func(schema.Date) bool) (h Holdings) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, date := range s.datesLocked(site) {
		if which(date) {
			h.Days++
			h.Events += int64(s.catalog[site][date].counting)
			if od := s.days[dayKey{site, date}]; od != nil {
				h.Events += int64(od.open.Counting())
			}
		}
	}
	return h
}

// Overdue returns what would go at once if a site kept so many days before today. held tells that the clock is not trusted yet, so that
// less would go than the calendar says; see watch.
func (s *Store) Overdue(id schema.Site, days int) (h Holdings, held bool, err error) {
	site, ok := s.book.Site(id)
	if !ok {
		return h, false, ErrNoSite
	}
	first, held, err := s.firstKept(site, days, s.cfg.Now())
	return s.holdings(id, func(d schema.Date) bool { return d < first }), held, err
}

// SetRetention keeps so many days of a site before today, 0 for all, and drops what is older at once. It returns what went. by is who
// asked for it. Errors: ErrNoSite, ErrSiteBusy, account.ErrInvalid.
func (s *Store) SetRetention(ctx context.Context, id schema.Site, days int, by string) (went Holdings, err error) {
	if err := account.CheckRetention(days); err != nil {
		return went, err
	}
	// Days that are over but open still, in a directory that no server has run on since, go like the others.
	if err := s.sealFinished(ctx, s.cfg.Now()); err != nil {
		return went, err
	}
	if !s.hold(id) {
		return went, ErrSiteBusy
	}
	defer s.free(id)
	went, _, err = s.Overdue(id, days)
	if err != nil {
		return went, err
	}
	done := &account.Entry{Time: s.cfg.Now().UTC().Truncate(time.Second), By: by, Did: account.DidRetention, Days: went.Days, Events: went.Events, Retention: &days}
	if err := s.book.ChangeSite(ctx, id, done, func(site *account.Site) { site.Retention = days }); err != nil {
		return Holdings{}, fmt.Errorf("set retention: %w", err)
	}
	site, _ := s.book.Site(id)
	return went, s.expire(ctx, site, s.cfg.Now())
}

// expireAll drops the overdue days of every site.
func (s *Store) expireAll(ctx context.Context, now time.Time) error {
	var errs []error
	for _, site := range s.book.Sites() {
		if site.Retention == 0 || !s.hold(site.ID) {
			continue // while another writer is at work; the next call comes soon
		}
		if err := s.expire(ctx, site, now); err != nil {
			errs = append(errs, fmt.Errorf("retention of site %d: %w", site.ID, err))
		}
		s.free(site.ID)
	}
	return errors.Join(errs...)
}

// expire drops the overdue days of a site, a few in each commit. A crash in between leaves some; the next call drops them. The caller
// holds the site busy.
func (s *Store) expire(ctx context.Context, site account.Site, now time.Time) error {
	first, held, err := s.firstKept(site, site.Retention, now)
	if err != nil {
		return err
	}
	var over []dayKey
	s.mu.RLock()
	for date := range s.catalog[site.ID] {
		over = append(over, dayKey{site.ID, date})
	}
	for k := range s.damaged { // never to be sealed
		if k.site == site.ID {
			over = append(over, k)
		}
	}
	s.mu.RUnlock()
	over = append(over, s.drops.keys(site.ID)...)
	over = slices.DeleteFunc(over, func(k dayKey) bool { return k.date >= first })
	slices.SortFunc(over, func(a, b dayKey) int { return int(a.date) - int(b.date) })
	over = slices.Compact(over)
	for batch := range slices.Chunk(over, expireBatch) {
		if err := s.dropDays(ctx, batch); err != nil {
			return err
		}
	}
	if len(over) > 0 {
		s.cfg.Logger.Info("days beyond the retention were dropped", "site", site.ID, "days", len(over), "held", held)
	}
	return nil
}

// dropDays removes sealed days, damaged ones and their counts of dropped events in one commit.
func (s *Store) dropDays(ctx context.Context, days []dayKey) error {
	damaged := map[dayKey]bool{} // the others may have an open part that waits for room
	s.mu.RLock()
	for _, k := range days {
		damaged[k] = s.damaged[k] != nil
	}
	s.mu.RUnlock()
	return s.db.Submit(file.Op{
		Write: func(tx *file.Tx) error {
			for _, k := range days {
				prefix := dayPrefix(k.site, k.date)
				err := errors.Join(tx.DeletePrefix(file.Catalog, prefix), tx.DeletePrefix(file.Days, prefix))
				if damaged[k] {
					err = errors.Join(err, tx.DeletePrefix(file.Journal, prefix))
				}
				if err != nil {
					return err
				}
			}
			return nil
		},
		Done: func(err error) {
			if err != nil {
				return
			}
			s.mu.Lock()
			for _, k := range days {
				s.dropEntryLocked(k)
				delete(s.damaged, k)
			}
			s.mu.Unlock()
			for _, k := range days {
				s.cache.drop(k)
			}
			s.drops.forget(func(k dayKey) bool { return slices.Contains(days, k) })
		},
	}).Wait(context.WithoutCancel(ctx))
}

// firstKept returns the first day that a site keeps. 0 days keep all.
func (s *Store) firstKept(site account.Site, days int, now time.Time) (first schema.Date, held bool, err error) {
	if days == 0 {
		return -1 << 31, false, nil
	}
	calendar, err := site.Calendar()
	if err != nil {
		return 0, false, err
	}
	today := calendar.Date(now.Unix())
	// The trusted day is one of UTC, and a zone may be a day ahead of that.
	if trusted := s.watch.trusted() + 1; trusted < today {
		today, held = trusted, true
	}
	return today - schema.Date(days), held, nil
}
