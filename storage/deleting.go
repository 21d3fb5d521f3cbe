package storage

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"footfall/storage/account"
	"footfall/storage/day"
	"footfall/storage/file"
	"footfall/storage/query"
	"footfall/storage/schema"
)

// Deletion says which events of a site are to go: those that lie in the range and satisfy all filters. Engagement is an event here,
// with a page and a visit of its own. What stays, stays in the visit it was in; a visit without an event that counts goes, and
// so does a visitor without a visit.
type Deletion struct {
	Site    schema.Site
	Range   query.Range
	Filters []query.Filter
	By      string // who asked for it, for the audit log
}

// Deleted says what a deletion takes away.
type Deleted struct {
	Events     int64 // that count
	Engagement int64
	Visits     int64 // of which nothing stays
	Visitors   int64
	Days       int // that change
	Emptied    int // of which nothing stays
	// Code stands for all of this, day by day. Two previews with one code delete the same.
	Code string
}

// ErrChanged says that a deletion would not delete what was previewed.
var ErrChanged = errors.New("what would be deleted is not what was previewed: look at a new preview first")

// PreviewDelete tells what Delete would delete, and changes nothing. progress may be nil and counts days. Errors: ErrNoSite,
// query.ErrInvalid.
func (s *Store) PreviewDelete(ctx context.Context, d Deletion, progress func(done, total int64)) (Deleted, error) {
	return s.eachCut(ctx, d, progress, func(key dayKey, sum *Deleted) error {
		return s.withCuts(key, &d, func(c *cuts) error {
			sum.add(c)
			return nil
		})
	})
}

// Delete deletes, day by day: each day changes whole, and one after the other. If it ends early, by an error, ctx or a crash, some days
// are as before and the others as after; the same deletion again does the rest. A damaged day is left as it is and told at the
// end. Deleted says what was done, also beside an error. A code
// is that of a preview: if it is not of what would be deleted now, nothing is deleted and the error is ErrChanged, with what it
// would be now. Errors: ErrNoSite, ErrSiteBusy, query.ErrInvalid, ErrChanged.
func (s *Store) Delete(ctx context.Context, d Deletion, code string, progress func(done, total int64)) (Deleted, error) {
	site, ok := s.book.Site(d.Site)
	if !ok {
		return Deleted{}, ErrNoSite
	}
	if !s.hold(d.Site) {
		return Deleted{}, ErrSiteBusy
	}
	defer s.free(d.Site)
	if code != "" {
		if now, err := s.PreviewDelete(ctx, d, nil); err != nil || now.Code != code {
			return now, errors.Join(err, ErrChanged)
		}
	}
	note := &account.Entry{Time: s.cfg.Now().UTC().Truncate(time.Second), By: d.By, Did: account.DidDelete, Site: d.Site, Domain: site.Domain}
	return s.eachCut(ctx, d, progress, func(key dayKey, sum *Deleted) error {
		return s.deleteDay(ctx, key, &d, sum, note)
	})
}

// eachCut calls do for the days that a deletion may touch, and adds up.
func (s *Store) eachCut(ctx context.Context, d Deletion, progress func(done, total int64), do func(dayKey, *Deleted) error) (sum Deleted, err error) {
	site, ok := s.book.Site(d.Site)
	if !ok {
		return sum, ErrNoSite
	}
	if err := query.ValidateFilters(d.Filters); err != nil {
		return sum, err
	}
	calendar, err := site.Calendar()
	if err != nil {
		return sum, err
	}
	if progress == nil {
		progress = func(int64, int64) {}
	}
	what, err := json.Marshal(d.Filters)
	if err != nil {
		panic("storage: internal error: " + err.Error()) // words and lists of words
	}
	seen := sha256.New()
	fmt.Fprintln(seen, d.Site, d.Range, string(what))
	var faults []error
	first, last := d.Range.Dates(calendar)
	s.mu.RLock()
	dates := s.datesLocked(d.Site)
	s.mu.RUnlock()
	for i, date := range dates {
		progress(int64(i), int64(len(dates)))
		if date < first || date > last {
			continue
		}
		if err := ctx.Err(); err != nil {
			return sum, err
		}
		before := sum
		err := retryStale(ctx, func() error { return do(dayKey{d.Site, date}, &sum) })
		if err = dataError(err); errors.Is(err, ErrDamaged) {
			faults = append(faults, fmt.Errorf("%s: %w", date, err)) // one day that cannot be read must not protect the others
		} else if err != nil {
			return sum, fmt.Errorf("%s: %w", date, err)
		}
		if sum != before {
			fmt.Fprintln(seen, date, sum)
		}
	}
	progress(int64(len(dates)), int64(len(dates)))
	sum.Code = hex.EncodeToString(seen.Sum(nil)[:codeBytes])
	return sum, errors.Join(faults...)
}

// cuts are what a deletion does to the parts of one day; nil where a part is not there or loses nothing.
type cuts struct {
	sealed, open *day.Cut
	parts        int // that are there
	od           *openDay
}

func (c *cuts) all() (list []*day.Cut) {
	for _, p := range []*day.Cut{c.sealed, c.open} {
		if p != nil {
			list = append(list, p)
		}
	}
	return list
}

func (sum *Deleted) add(c *cuts) {
	stays := c.parts
	for _, p := range c.all() {
		sum.Events += int64(p.Events)
		sum.Engagement += int64(p.Engagement)
		sum.Visits += int64(p.Visits)
		sum.Visitors += int64(p.Visitors)
		if p.Everything() {
			stays--
		}
	}
	if len(c.all()) > 0 {
		sum.Days++
		if stays == 0 {
			sum.Emptied++
		}
	}
}

// withCuts calls do with what the deletion does to a day.
func (s *Store) withCuts(key dayKey, d *Deletion, do func(*cuts) error) error {
	s.mu.RLock()
	e, sealed := s.catalog[key.site][key.date]
	c := &cuts{od: s.days[key]}
	err := s.damaged[key]
	s.mu.RUnlock()
	if err != nil {
		return err
	}
	if sealed {
		v, err := s.readSealed(key, e) // not from the cache: its columns would stay there
		if err != nil {
			return err
		}
		c.parts++
		if c.sealed, err = d.cut(v); err != nil {
			return err
		}
	}
	if c.od != nil {
		if v := c.od.open.View(); v.Rows > 0 {
			c.parts++
			if c.open, err = d.cut(v); err != nil {
				return err
			}
		}
	}
	return do(c)
}

// cut returns what the deletion does to a part of a day, nil if nothing.
func (d *Deletion) cut(v *day.View) (*day.Cut, error) {
	drop, err := query.Rows(v, d.Range, d.Filters)
	if err != nil || drop == nil {
		return nil, err
	}
	return v.Cut(drop)
}

// deleteDay deletes from one day, in one commit. The caller holds the site busy.
func (s *Store) deleteDay(ctx context.Context, key dayKey, d *Deletion, sum *Deleted, note *account.Entry) error {
	live := false
	err := s.withCuts(key, d, func(c *cuts) error {
		if live = c.open != nil; live || c.sealed == nil {
			return nil
		}
		return s.replaceDay(ctx, key, c, sum, note)
	})
	if err != nil || !live {
		return err
	}
	// Rows of an open day are to go: nobody may add to it until it is replaced.
	s.pause(key.site)
	defer s.resume(key.site)
	s.mu.RLock()
	od := s.days[key]
	s.mu.RUnlock()
	if err := s.quiet(ctx, od); err != nil {
		od.reopen()
		return err
	}
	err = s.withCuts(key, d, func(c *cuts) error { return s.replaceDay(ctx, key, c, sum, note) })
	if err != nil {
		od.reopen()
	}
	return err
}

// replaceDay puts what stays of a day in the place of what there was.
func (s *Store) replaceDay(ctx context.Context, key dayKey, c *cuts, sum *Deleted, note *account.Entry) error {
	var sealed *publication
	var open *openDay
	var journal []pair
	var err error
	if c.sealed != nil && !c.sealed.Everything() {
		sealed, err = s.generate(key, c.sealed.Counting(), c.sealed.Rows()*sealingRow, func() ([]byte, [][]byte, error) { return c.sealed.Seal(s.cfg.PartRows) })
		if err != nil {
			return err
		}
	}
	if c.open != nil && !c.open.Everything() {
		if open, journal, err = s.rewrite(c.od, c.open); err != nil {
			return err
		}
	}
	after := *sum
	after.add(c)
	if note.Number == 0 {
		if err := s.book.Begin(ctx, note); err != nil {
			return err
		}
	}
	note.Days, note.Events = after.Days, after.Events
	err = s.db.Submit(file.Op{
		Write: func(tx *file.Tx) error {
			err := s.book.Note(tx, note)
			if c.sealed != nil {
				err = errors.Join(err, sealed.takeOver(tx, key))
			}
			if c.open != nil {
				err = errors.Join(err, tx.DeletePrefix(file.Journal, dayPrefix(key.site, key.date)), putAll(tx, journal))
			}
			return err
		},
		Done: func(err error) {
			if err == nil {
				s.adopt(key, c, sealed, open)
			}
		},
	}).Wait(context.WithoutCancel(ctx))
	if err == nil {
		*sum = after
	}
	return err
}

// takeOver puts the publication, or nothing if it is nil, in the place of the sealed day.
func (p *publication) takeOver(tx *file.Tx, key dayKey) error {
	if p == nil {
		prefix := dayPrefix(key.site, key.date)
		return errors.Join(tx.Delete(file.Catalog, prefix), tx.DeletePrefix(file.Days, prefix))
	}
	return errors.Join(p.putChunks(tx), p.swap(tx))
}

// rewrite makes what stays of an open day: a day, of which no more rows stay in memory than of others, and its journal.
func (s *Store) rewrite(od *openDay, c *day.Cut) (open *openDay, journal []pair, err error) {
	defer s.Work(sealingBytes([]*day.View{od.open.View()}))()
	open = s.emptyDay(dayKey{od.open.Site, od.open.Date}, od.open.Begin, od.sealer)
	open.open.Tight = nil // what the day has learnt it keeps
	defer func() { open.open.Tight = od.open.Tight }()
	var rows []day.Row
	size := 0
	flush := func() error {
		value := open.open.Encode(rows)
		journal = append(journal, open.value(open.sequence, value))
		open.sequence++
		rows, size = rows[:0], 0
		if err := open.open.Replay(value); err != nil || open.open.TailRows() < s.cfg.LayerRows {
			return err
		}
		y, values := open.open.Layer(open.sequence), int(open.sequence-open.layered)
		journal = append(journal[:len(journal)-values], open.layer(y, open.layered)...)
		open.open.Adopt(y, open.fetch(open.layered))
		open.layered = open.sequence
		return nil
	}
	most := min(maxJournalRows, s.cfg.LayerRows)
	err = od.open.Kept(c, func(r day.Row) error {
		rows = append(rows, r)
		if size += rowSize(&r); len(rows) < most && size < maxJournalBytes {
			return nil
		}
		return flush()
	})
	if err == nil && len(rows) > 0 {
		err = flush()
	}
	return open, journal, err
}

// adopt lets memory know of a day that was replaced in the file.
func (s *Store) adopt(key dayKey, c *cuts, sealed *publication, open *openDay) {
	s.mu.Lock()
	switch {
	case sealed != nil:
		s.setEntryLocked(key, entry{sealed.generation, sealed.counting})
	case c.sealed != nil:
		s.dropEntryLocked(key)
	}
	switch {
	case open != nil:
		s.days[key] = open
	case c.open != nil:
		delete(s.days, key)
	}
	s.mu.Unlock()
	if c.sealed != nil {
		s.cache.drop(key)
	}
}
