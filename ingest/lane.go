package ingest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

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
	name string // of the zone
	zone *time.Location

	mu    sync.Mutex // guards all below
	open  *day.Open  // nil before the first event and after storage closed the day
	table *session.Table
	last  storage.Commit // of the newest row, nil before the first
}

// lane returns the lane of site.
func (h *Handler) lane(site account.Site) (*lane, error) {
	h.mu.RLock()
	l := h.lanes[site.ID]
	h.mu.RUnlock()
	if l != nil && l.name == site.Timezone {
		return l, nil
	}
	zone, err := site.Location()
	if err != nil {
		return nil, fmt.Errorf("site %d: %w", site.ID, err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if l := h.lanes[site.ID]; l != nil && l.name == site.Timezone {
		return l, nil
	}
	l = &lane{site: site.ID, name: site.Timezone, zone: zone}
	h.lanes[site.ID] = l
	return l, nil
}

// Sweep forgets the visits of days that have ended, and sites that were removed. It is to be called after each midnight, with
// storage's Maintain; it frees memory, and correctness does not hang on it.
func (h *Handler) Sweep() {
	now := h.clock.unix()
	h.mu.RLock()
	lanes := slices.Collect(maps.Values(h.lanes))
	h.mu.RUnlock()
	for _, l := range lanes {
		if !h.store.Has(l.site) { // its number is never given again, so nobody needs another lane beside this one
			h.mu.Lock()
			delete(h.lanes, l.site)
			h.mu.Unlock()
			continue
		}
		l.mu.Lock()
		if l.open != nil && l.open.Date != l.date(now) {
			l.open, l.table = nil, nil
		}
		l.mu.Unlock()
	}
}

func (l *lane) date(unix int64) schema.Date { return schema.DateOf(time.Unix(unix, 0).In(l.zone)) }

// errDayEnded says that the day an event was meant for ended before its turn came.
var errDayEnded = errors.New("the day ended")

// count places the hit into the day of the site named domain. Either reason says why it is not counted, or p tells when it is
// on disk, or err says why it could not be stored.
func (h *Handler) count(hit *wire.Hit, from *sender, domain string) (p storage.Commit, reason shield.Reason, err error) {
	now := h.clock.unix()
	site, ok := h.store.Site(domain)
	if !ok {
		h.drop(0, 0, shield.NotFound)
		return nil, shield.NotFound, nil
	}
	l, err := h.lane(site)
	if err != nil {
		return nil, "", err
	}
	if reason := shield.Check(shield.Hit{Bot: from.agent(h).Bot != ""}); reason != "" {
		h.drop(site.ID, l.date(now), reason)
		return nil, reason, nil
	}
	for range maxAttempts {
		d := l.date(now)
		var salt [32]byte
		if salt, err = h.store.Salt(l.name, d); err != nil {
			return nil, "", fmt.Errorf("salt of the day: %w", err)
		}
		id := visitor.ID(salt, d, site.ID, from.addr, from.userAgent)
		p, reason, err = h.place(l, d, now, id, hit, from)
		switch {
		case reason != "":
			h.drop(site.ID, d, reason)
			return nil, reason, nil
		case errors.Is(err, storage.ErrNoSite):
			h.drop(0, 0, shield.NotFound)
			return nil, shield.NotFound, nil
		case !errors.Is(err, errDayEnded) && !errors.Is(err, storage.ErrDayClosed):
			return p, "", err
		}
		now = h.clock.unix()
	}
	return nil, "", err
}

// place finds the visit of visitor id at time now of day d and hands the row to storage.
func (h *Handler) place(l *lane, d schema.Date, now int64, id uint64, hit *wire.Hit, from *sender) (storage.Commit, shield.Reason, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open == nil || l.open.Date != d {
		if l.open != nil && l.open.Date > d && l.date(h.clock.unix()) != d {
			return nil, "", errDayEnded // midnight passed while this event waited for the lock
		}
		if err := h.openLocked(l, d); err != nil {
			return nil, "", err
		}
	}
	at, ok := l.table.Observe(id, now, hit.Event.Name)
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

// openLocked lets the lane go on with day d. Rows that wait for the disk are not part of what Resume returns: where the
// clock was set back to a day that this lane has just left, visit numbers would be given twice.
func (h *Handler) openLocked(l *lane, d schema.Date) error {
	if l.last != nil {
		if err := l.last.Wait(context.Background()); err != nil {
			return fmt.Errorf("wait for the rows before: %w", err)
		}
		l.last = nil
	}
	o, err := h.store.OpenDay(l.site, d)
	if err != nil {
		return fmt.Errorf("open day: %w", err)
	}
	l.open, l.table = o, session.NewTable(o.Resume())
	return nil
}
