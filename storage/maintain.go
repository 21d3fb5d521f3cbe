package storage

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"footfall/storage/day"
	"footfall/storage/file"
	"footfall/storage/schema"
)

// maxPause is the longest Maintain lets its caller sleep: clocks jump and machines are suspended.
const maxPause = time.Minute

// Maintain destroys the salts of days that are over, writes down counts of dropped events, seals the days that are over, and drops those
// beyond the retention of their site. What a full disk has no room for waits for the next call, without an error. It returns when it wants
// to be called next: at the next local midnight of a site, and at least every minute.
func (s *Store) Maintain(ctx context.Context, now time.Time) (next time.Time, err error) {
	next = now.Add(maxPause)
	defer s.rest(now)
	// The salts go first: whatever fails after this, yesterday can no longer be linked to anyone.
	if _, err := s.vault.SweepSalts(s.today(now)); err != nil {
		return next, fmt.Errorf("destroy salts: %w", err)
	}
	var faults []error // one site's trouble must not keep the days of others open
	for _, site := range s.book.Sites() {
		calendar, err := site.Calendar()
		if err != nil {
			faults = append(faults, fmt.Errorf("site %d: %w", site.ID, err))
			continue
		}
		if midnight := calendar.Start(calendar.Date(now.Unix()) + 1); midnight.Before(next) {
			next = midnight
		}
	}
	for _, err := range []error{s.goOn(ctx), s.book.NameScripts(ctx), s.lookAtClock(ctx, now), s.flushDrops(ctx), s.sealFinished(ctx, now), s.expireAll(ctx, now), s.modernise(ctx)} {
		if !errors.Is(err, ErrFull) { // said once, by the file
			faults = append(faults, err)
		}
	}
	s.tidy(now)
	return next, errors.Join(faults...)
}

// roomToSeal returns ErrFull where a full disk makes sealing a day much work for nothing. A sealed day is smaller than its journal.
func (s *Store) roomToSeal(ctx context.Context, key dayKey) error {
	if s.db.Full() == nil {
		return nil
	}
	var journal int64
	err := s.db.Sizes(ctx, file.Journal, dayPrefix(key.site, key.date), func(_ []byte, size int) error {
		journal += int64(size)
		return nil
	})
	if err != nil {
		return err
	}
	return s.db.Room(journal)
}

// modernise writes a few days of an older version in the form of this one.
func (s *Store) modernise(ctx context.Context) error {
	if err := s.db.Full(); err != nil { // it can wait
		return err
	}
	_, err := s.reseal(ctx, resealBatch, nil)
	return err
}

// today returns which day it is for whom a salt is named after: a zone or a site.
func (s *Store) today(now time.Time) func(name string) schema.Date {
	const never = -1 << 31 // no day at all: a salt of what nobody knows is stale
	return func(name string) schema.Date {
		var calendar *schema.Calendar
		if number, own := strings.CutPrefix(name, ownSalt); own {
			id, _ := strconv.ParseUint(number, 10, 32)
			site, _ := s.book.Site(schema.Site(id))
			calendar, _ = site.Calendar()
		} else if zone, err := time.LoadLocation(name); err == nil {
			calendar = schema.NewCalendar(zone)
		}
		if calendar == nil {
			return never
		}
		return calendar.Date(now.Unix())
	}
}

// sealFinished seals every open day before its site's today.
func (s *Store) sealFinished(ctx context.Context, now time.Time) error {
	s.mu.RLock()
	var over []dayKey
	for k := range s.days {
		site, ok := s.book.Site(k.site)
		if !ok {
			continue
		}
		if calendar, err := site.Calendar(); err == nil && k.date < calendar.Date(now.Unix()) {
			over = append(over, k)
		}
	}
	s.mu.RUnlock()
	var errs []error
	for _, k := range over {
		if !s.hold(k.site) {
			continue // an import is at work; the next call finds the day again
		}
		if err := s.seal(ctx, k); err != nil && !errors.Is(err, ErrFull) {
			errs = append(errs, fmt.Errorf("seal %s of site %d: %w", k.date, k.site, err))
		}
		s.free(k.site)
	}
	return errors.Join(errs...)
}

// seal moves an open day from its journal to the sealed days in one transaction.
func (s *Store) seal(ctx context.Context, key dayKey) error {
	s.mu.RLock()
	od := s.days[key]
	s.mu.RUnlock()
	if od == nil {
		return nil
	}
	if err := s.quiet(ctx, od); err != nil {
		return err
	}
	v := od.open.View()
	if v.Rows == 0 {
		s.mu.Lock()
		delete(s.days, key)
		s.mu.Unlock()
		return nil
	}
	if err := s.roomToSeal(ctx, key); err != nil {
		return err
	}
	p, err := s.prepare(key, v)
	if err != nil {
		return err
	}
	if err := s.db.Room(p.size()); err != nil {
		return err
	}
	// Once queued it cannot be called off: whoever gave up here would free the site while its next generation is being written.
	return s.db.Submit(file.Op{
		Write: func(tx *file.Tx) error {
			if err := p.putChunks(tx); err != nil {
				return err
			}
			if err := p.swap(tx); err != nil {
				return err
			}
			return tx.DeletePrefix(file.Journal, dayPrefix(key.site, key.date))
		},
		Done: func(err error) {
			if err == nil {
				s.mu.Lock()
				defer s.mu.Unlock()
				delete(s.days, key)
				s.setEntryLocked(key, entry{p.generation, p.counting})
			}
		},
	}).Wait(context.WithoutCancel(ctx))
}

// Count returns the number of events of a site, engagement left out.
func (s *Store) Count(site schema.Site) (events int64) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, e := range s.catalog[site] {
		events += int64(e.counting)
	}
	for k, od := range s.days {
		if k.site == site {
			events += int64(od.open.Counting())
		}
	}
	return events
}

// Span returns the first and last day of a site that hold events.
func (s *Store) Span(site schema.Site) (first, last schema.Date, ok bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	dates := s.datesLocked(site)
	if len(dates) == 0 {
		return 0, 0, false
	}
	return dates[0], dates[len(dates)-1], true
}

// Current returns how many distinct visitors had an event in the five minutes before now. Imported events do not count.
func (s *Store) Current(site schema.Site, now time.Time) int {
	const window = 5 * 60
	s.mu.RLock()
	var open []*day.Open
	for k, od := range s.days {
		if k.site == site {
			open = append(open, od.open)
		}
	}
	s.mu.RUnlock()
	n := 0
	for _, o := range open {
		n += o.Current(now.Unix() - window)
	}
	return n
}

// Export calls fn for every event of the days from first to last, engagement included, in the order of days and, within a day, of time.
// The visitor is a number that means something only within its day. What fn is given is valid until it returns.
func (s *Store) Export(ctx context.Context, site schema.Site, first, last schema.Date, fn func(visitor uint32, a *schema.Attributes, e *day.Event) error) error {
	days, err := s.Days(site, first, last)
	if err != nil {
		return err
	}
	for _, d := range days {
		if err := s.exportDay(ctx, site, d.Date, fn); err != nil {
			return fmt.Errorf("export %s: %w", d.Date, dataError(err))
		}
	}
	return nil
}

func (s *Store) exportDay(ctx context.Context, site schema.Site, date schema.Date, fn func(visitor uint32, a *schema.Attributes, e *day.Event) error) error {
	var v *day.View
	err := retryStale(ctx, func() error {
		views, err := s.freshViews(dayKey{site, date})
		if err != nil || len(views) == 0 {
			return err
		}
		// All columns are decoded here, where a merge in between can be met by another try.
		if v, err = day.Merge(views...); err != nil {
			return err
		}
		return ctx.Err()
	})
	if err != nil || v == nil {
		return err
	}
	return v.Each(fn)
}
