package storage

import (
	"context"
	"errors"
	"fmt"

	"footfall/storage/account"
	"footfall/storage/schema"
)

// SetTimezone lets a site's days begin and end by another time zone, from the next midnight of its calendar on, or the next after all
// days that hold data already: an import may be ahead of the clock. No day that has begun and no event that is counted is touched.
// A change that has not come into force is replaced. It returns the site as it is then; schema.Calendar says how long the first day
// is. Errors: ErrNoSite, ErrSiteBusy, account.ErrInvalid, account.ErrFull.
func (s *Store) SetTimezone(ctx context.Context, id schema.Site, timezone string) (account.Site, error) {
	if !s.hold(id) { // no import may add days while the first free one is sought
		return account.Site{}, ErrSiteBusy
	}
	defer s.free(id)
	s.calendars.Lock()
	defer s.calendars.Unlock()
	site, ok := s.book.Site(id)
	if !ok || site.Removing {
		return account.Site{}, ErrNoSite
	}
	calendar, err := site.Calendar()
	if err != nil {
		return account.Site{}, fmt.Errorf("change time zone: %w", err)
	}
	last := calendar.Date(s.cfg.Now().Unix())
	s.mu.RLock()
	for k := range s.days {
		if k.site == id {
			last = max(last, k.date)
		}
	}
	for date := range s.catalog[id] {
		last = max(last, date)
	}
	s.mu.RUnlock()
	site, err = s.book.SetTimezone(ctx, id, last+1, timezone)
	if errors.Is(err, account.ErrNotFound) {
		return account.Site{}, ErrNoSite
	}
	return site, err
}

// sweepRenamed destroys the salt of the day before where it has another name than that of this day, which therefore did not overwrite it.
// Maintain does so too; but a salt must not outlive its day where Maintain comes late.
func (s *Store) sweepRenamed(calendar *schema.Calendar, date schema.Date) error {
	if calendar.Zone(date-1) == calendar.Zone(date) && calendar.Zoned(date-1) {
		return nil
	}
	// Who asks for the day knows that it has begun, and may have its salt already, even if this clock was set back a little since.
	now := s.cfg.Now()
	if begin := calendar.Start(date); begin.After(now) {
		now = begin
	}
	_, err := s.vault.SweepSalts(s.today(now))
	return err
}

// ErrMoved says that a day was built by a calendar that is no longer the site's.
var ErrMoved = errors.New("the site's time zone was changed meanwhile; try again")

// follows reports whether a day lies where the calendar of its site puts it: in Unix seconds, and in the zone of that name.
func follows(date schema.Date, begin int64, zone string, site account.Site) bool {
	calendar, err := site.Calendar()
	if err != nil {
		return false
	}
	at := calendar.Start(date)
	return at.Unix() == begin && at.Location().String() == zone
}
