package ingest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"footfall/ingest/session"
	"footfall/ingest/shield"
	"footfall/ingest/visitor"
	"footfall/ingest/wire"
	"footfall/storage"
	"footfall/storage/account"
	"footfall/storage/day"
	"footfall/storage/schema"
)

// lane is where the events of one site queue for their place in the day. Its lock makes the order in which visits
// are numbered the order in which their rows reach storage; waiting for the disk happens outside of it.
type lane struct {
	site schema.Site

	mu       sync.Mutex       // guards all below
	open     *day.Open        // nil before the first event and after storage closed the day
	calendar *schema.Calendar // that has placed the events of open
	table    *session.Table
	last     storage.Commit // of the newest row, nil before the first
}

// lane returns the lane of a site.
func (h *Handler) lane(site schema.Site) *lane {
	h.mu.RLock()
	l := h.lanes[site]
	h.mu.RUnlock()
	if l != nil {
		return l
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if l = h.lanes[site]; l == nil {
		l = &lane{site: site}
		h.lanes[site] = l
	}
	return l
}

// Sweep forgets the visits of days that have ended, and sites that were removed. It is to be called after each midnight, with
// storage's Maintain; it frees memory, and correctness does not hang on it.
func (h *Handler) Sweep() {
	now := h.clock.unix()
	h.mu.RLock()
	lanes := slices.Collect(maps.Values(h.lanes))
	h.mu.RUnlock()
	h.shield.Keep(h.store.Has)
	h.warnOfAddresses()
	for _, l := range lanes {
		if !h.store.Has(l.site) { // its number is never given again, so nobody needs another lane beside this one
			h.mu.Lock()
			delete(h.lanes, l.site)
			h.mu.Unlock()
			continue
		}
		l.mu.Lock()
		if l.open != nil && l.open.Date != l.calendar.Date(now) {
			l.open, l.table = nil, nil
		}
		l.mu.Unlock()
	}
}

// errDayEnded says that the day an event was meant for ended before its turn came.
var errDayEnded = errors.New("the day ended")

// count places the hit into the day of the site named domain. Either reason says why it is not counted, or p tells when it is
// on disk, or err says why it could not be stored.
func (h *Handler) count(hit *wire.Hit, from *sender, domain string) (p storage.Commit, reason shield.Reason, err error) {
	for range maxAttempts {
		// The time comes first: a change of zone, which is known before its midnight, is then known to an event after it.
		now := h.clock.unix()
		site, ok := h.store.Site(domain)
		if !ok {
			h.drop(0, 0, shield.NotFound)
			return nil, shield.NotFound, nil
		}
		p, reason, err = h.attempt(hit, from, site, now)
		if !errors.Is(err, errDayEnded) && !errors.Is(err, storage.ErrDayClosed) {
			break
		}
	}
	if errors.Is(err, storage.ErrNoSite) {
		h.drop(0, 0, shield.NotFound)
		return nil, shield.NotFound, nil
	}
	return p, reason, err
}

// attempt places the hit into the day that holds time now.
func (h *Handler) attempt(hit *wire.Hit, from *sender, site account.Site, now int64) (storage.Commit, shield.Reason, error) {
	calendar, err := site.Calendar()
	if err != nil {
		return nil, "", fmt.Errorf("site %d: %w", site.ID, err)
	}
	at := moment{calendar, calendar.Date(now), now}
	verdict := h.judge(hit, from, site.ID)
	if verdict.Reason != "" {
		h.dropBy(site.ID, at.date, &verdict)
		return nil, verdict.Reason, nil
	}
	salt, err := h.salt(site, at)
	if err != nil {
		return nil, "", fmt.Errorf("salt of the day: %w", err)
	}
	id := visitor.ID(salt, at.date, site.ID, from.addr, from.userAgent)
	p, reason, err := h.place(h.lane(site.ID), at, id, hit, from)
	switch {
	case reason != "":
		h.drop(site.ID, at.date, reason)
	case err == nil:
		h.watched(site.ID, at.date, &verdict)
	}
	return p, reason, err
}

// salt returns the salt of a moment's day, or errDayEnded. There is one salt a zone, and asking for another day destroys it: an event that
// read the clock before midnight must not ask after one that read it later has made the new day's.
func (h *Handler) salt(site account.Site, at moment) ([32]byte, error) {
	h.salting.Lock()
	defer h.salting.Unlock()
	if at.calendar.Date(h.clock.unix()) != at.date {
		return [32]byte{}, errDayEnded
	}
	return h.store.Salt(site, at.date)
}

// moment is a time, in Unix seconds, and the day of a site that holds it.
type moment struct {
	calendar *schema.Calendar
	date     schema.Date
	now      int64
}

// place finds the visit of visitor id at a moment and hands the row to storage.
func (h *Handler) place(l *lane, m moment, id uint64, hit *wire.Hit, from *sender) (storage.Commit, shield.Reason, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open == nil || l.open.Date != m.date || l.calendar != m.calendar {
		if l.open != nil && l.open.Date > m.date && m.calendar.Date(h.clock.unix()) != m.date {
			return nil, "", errDayEnded // midnight passed while this event waited for the lock
		}
		if err := h.openLocked(l, m); err != nil {
			return nil, "", err
		}
	}
	at, ok := l.table.Observe(id, m.now, hit.Event.Name)
	if !ok {
		return nil, shield.NoVisit, nil
	}
	row := day.Row{Visit: at.Visit, Event: hit.Event}
	row.Event.Time = at.Time
	if at.New {
		row.New = &day.NewVisit{Visitor: id, Attributes: h.attributes(hit, from)}
	}
	p, err := h.store.Append(l.open, row)
	if err != nil {
		l.table.Undo()
		if errors.Is(err, storage.ErrDayClosed) {
			l.open, l.table = nil, nil
		}
		return nil, "", fmt.Errorf("append event: %w", err)
	}
	l.last = p
	return p, "", nil
}

// openLocked lets the lane go on with the day of a moment. Rows that wait for the disk are not part of what Resume returns: where the
// clock was set back to a day that this lane has just left, visit numbers would be given twice.
func (h *Handler) openLocked(l *lane, m moment) error {
	o := l.open
	if o == nil || o.Date != m.date {
		if l.last != nil {
			_ = l.last.Wait(context.Background()) // who sent them is told; what counts here is that they have ended
			l.last = nil
		}
		var err error
		if o, err = h.store.OpenDay(l.site, m.date); err != nil {
			return fmt.Errorf("open day: %w", err)
		}
	}
	// Calendars before and after a change agree on every day that has begun when it is asked for. If they do not agree here, this event
	// took its day, and its salt, from one that was no longer the site's when the day began.
	if !o.Begins(m.calendar.Start(m.date)) {
		return errDayEnded
	}
	if o != l.open {
		l.open, l.table = o, session.NewTable(o.Resume())
	}
	l.calendar = m.calendar
	return nil
}
