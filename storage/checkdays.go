package storage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"footfall/storage/day"
	"footfall/storage/file"
	"footfall/storage/schema"
)

// sizes returns how many bytes of values there are to read.
func (c *checker) sizes() (sum int64, err error) {
	for _, b := range []file.Bucket{file.Journal, file.Days} {
		err := c.s.db.Sizes(c.ctx, b, nil, func(_ []byte, size int) error {
			sum += int64(size)
			return nil
		})
		if err != nil {
			return 0, c.fault(dataName, doRestore, err)
		}
	}
	return sum, nil
}

// confirm looks again at what seemed wrong with a day, while nobody writes days of the site: what was read may have been sealed, merged,
// deleted or destroyed meanwhile.
func (c *checker) confirm(k dayKey, do string, err error, again func() error) error {
	if err == nil || c.ctx.Err() != nil {
		return c.ctx.Err()
	}
	for range maxHolds {
		if c.s.hold(k.site) {
			defer c.s.free(k.site)
			break
		}
		select {
		case <-c.ctx.Done():
			return c.ctx.Err()
		case <-time.After(holdPause):
		}
	}
	if c.leaving(k.site) {
		return nil
	}
	return c.fault(placeOf(k), do, again())
}

// catalog opens every entry of the catalog and asks whether its site is there.
func (c *checker) catalog() error {
	err := c.s.db.Scan(c.ctx, file.Catalog, nil, func(key, value []byte) error {
		switch {
		case len(key) == 12 && binary.BigEndian.Uint32(key) == importMark:
			_, err := c.s.markedDays(key, value)
			return c.fault(dataName+", catalog", doOpen, err)
		case isBookmark(key):
			return c.confirm(dayKeyOf(key), doDay, c.bookmark(key, value), func() error {
				value, err := c.s.db.Get(file.Catalog, key)
				if err != nil || value == nil {
					return err
				}
				return c.bookmark(key, value)
			})
		case len(key) != 8 && len(key) != 9:
			return c.fault(dataName+", catalog", doOpen, fmt.Errorf("%w: key of %d bytes", ErrDamaged, len(key)))
		}
		return c.confirm(dayKeyOf(key), doDay, c.entry(key, value), func() error {
			value, err := c.s.db.Get(file.Catalog, key)
			if err != nil || value == nil {
				return err
			}
			return c.entry(key, value)
		})
	})
	return c.fault(dataName, doRestore, err)
}

func (c *checker) bookmark(key, value []byte) error {
	_, err := c.s.openBookmark(key, value)
	return err
}

// entry opens an entry of a day: its header, or what was dropped on it.
func (c *checker) entry(key, value []byte) error {
	k := dayKeyOf(key)
	if _, ok := c.s.book.Site(k.site); !ok {
		return fmt.Errorf("%w: there is no site of this number", ErrDamaged)
	}
	if len(key) == 9 {
		_, err := c.s.openDrops(key, value)
		return err
	}
	sealer, err := c.s.vault.Site(k.site)
	if err != nil {
		return err
	}
	_, header, err := openHeader(sealer, key, value)
	if err != nil {
		return err
	}
	_, err = day.OpenSealed(k.date, header, nil)
	return err
}

// chunks looks for chunks of no sealed day. Those that a sealed day lacks are missed by days.
func (c *checker) chunks() error {
	var of dayKey
	var generation uint32
	var count int
	var known bool
	var suspects []dayKey
	err := c.s.db.Sizes(c.ctx, file.Days, nil, func(key []byte, _ int) error {
		if len(key) != 16 {
			return c.fault(dataName+", days", doRestore, fmt.Errorf("%w: key of %d bytes", ErrDamaged, len(key)))
		}
		if k := dayKeyOf(key); k != of || !known {
			of, known = k, true
			generation, count, _ = c.s.named(k) // no chunks where there is no entry or it cannot be read
		}
		last := len(suspects) - 1
		if !names(key, generation, count) && (last < 0 || suspects[last] != of) && len(suspects) < maxSuspects {
			suspects = append(suspects, of)
		}
		return nil
	})
	if err := c.fault(dataName, doRestore, err); err != nil {
		return err
	}
	for _, k := range suspects {
		// Nobody is waited for: whoever writes to this site is most likely the owner of the chunks.
		if !c.s.hold(k.site) {
			continue
		}
		err := c.strangers(k)
		c.s.free(k.site)
		if c.leaving(k.site) {
			continue
		}
		if err := c.fault(placeOf(k), doNothing, err); err != nil {
			return err
		}
	}
	return nil
}

// named returns which chunks the catalog names of a day.
func (s *Store) named(k dayKey) (generation uint32, count int, err error) {
	generation, header, err := s.header(k)
	if err != nil {
		return 0, 0, err
	}
	v, err := day.OpenSealed(k.date, header, nil)
	if err != nil {
		return 0, 0, err
	}
	return generation, v.Chunks(), nil
}

// names tells whether a key is that of one of the first chunks of a generation.
func names(key []byte, generation uint32, count int) bool {
	return binary.BigEndian.Uint32(key[8:]) == generation && int(binary.BigEndian.Uint32(key[12:])) < count
}

// strangers counts the chunks of a day that belong to nobody. The caller holds the site.
func (c *checker) strangers(k dayKey) error {
	generation, count, err := c.s.named(k)
	if err != nil && !errors.Is(err, errStale) {
		return nil // said by catalog
	}
	marked := map[schema.Date]uint32{}
	if value, err := c.s.db.Get(file.Catalog, markKey(k.site)); err == nil && value != nil {
		marked, _ = c.s.markedDays(markKey(k.site), value) // of an import that could not be taken back: the next start does it
	}
	strangers, bytes := 0, int64(0)
	err = c.s.db.Sizes(c.ctx, file.Days, dayPrefix(k.site, k.date), func(key []byte, size int) error {
		if g := binary.BigEndian.Uint32(key[8:]); !names(key, generation, count) && (g != marked[k.date] || g == generation) {
			strangers++
			bytes += int64(len(key) + size)
		}
		return nil
	})
	if err == nil && strangers > 0 {
		err = fmt.Errorf("%w: %d chunks with %d bytes belong to no sealed day", ErrDamaged, strangers, bytes)
	}
	return err
}

// journal replays the values of each open day without keeping its rows.
func (c *checker) journal() error {
	// More rows may come in, but those that are in memory now are in the journal.
	rows := c.s.openRows()
	var run *rehearsal
	end := func() error {
		if run == nil {
			return nil
		}
		delete(rows, run.key)
		return c.confirm(run.key, doJournal, run.end(), func() error { return c.rehearse(run.key) })
	}
	err := c.s.db.Scan(c.ctx, file.Journal, nil, func(key, value []byte) error {
		c.show(c.done + int64(len(value)))
		if len(key) != 16 && !isLayer(key) {
			return c.fault(dataName+", journal", doOpen, fmt.Errorf("%w: key of %d bytes", ErrDamaged, len(key)))
		}
		if k := dayKeyOf(key); run == nil || run.key != k {
			if err := end(); err != nil {
				return err
			}
			run = c.s.rehearsal(k, rows[k])
		}
		run.value(key, value)
		return nil
	})
	if err := c.fault(dataName, doRestore, err); err != nil {
		return err
	}
	if err := end(); err != nil {
		return err
	}
	for k, n := range rows { // days that had no value
		if err := c.confirm(k, doJournal, c.s.rehearsal(k, n).end(), func() error { return c.rehearse(k) }); err != nil {
			return err
		}
	}
	return nil
}

// openRows returns how many rows each open day has.
func (s *Store) openRows() map[dayKey]int {
	rows := map[dayKey]int{}
	s.mu.RLock()
	defer s.mu.RUnlock()
	for k, od := range s.days {
		if n := od.open.Rows(); n > 0 {
			rows[k] = n
		}
	}
	return rows
}

// rehearse replays the journal of one day. The caller holds the site. While it is read, values of it may become a layer.
func (c *checker) rehearse(k dayKey) (err error) {
	for range maxHolds {
		before := c.s.layersOf(k)
		if err = c.rehearseOnce(k); err == nil || c.s.layersOf(k) == before {
			break
		}
	}
	return err
}

func (s *Store) layersOf(k dayKey) int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if od := s.days[k]; od != nil {
		return od.open.Layers()
	}
	return 0
}

func (c *checker) rehearseOnce(k dayKey) error {
	run := c.s.rehearsal(k, c.s.openRows()[k])
	values := false
	err := c.s.db.Scan(c.ctx, file.Journal, dayPrefix(k.site, k.date), func(key, value []byte) error {
		values = true
		run.value(key, value)
		return nil
	})
	if err != nil || run.od == nil && !values { // it was sealed meanwhile
		return err
	}
	return run.end()
}

// rehearsal replays the journal of one open day.
type rehearsal struct {
	key    dayKey
	od     *openDay // nil: none is open
	day    *day.Open
	before int // rows that the journal has at least
	reads  *replaying
	err    error
}

func (s *Store) rehearsal(k dayKey, before int) *rehearsal {
	s.mu.RLock()
	defer s.mu.RUnlock()
	r := &rehearsal{key: k, od: s.days[k], before: before, err: s.damaged[k]}
	if r.od != nil {
		r.day = r.od.open.Rehearse()
		r.reads = &replaying{into: r.day, sealer: r.od.sealer, fetch: r.od.fetch}
	}
	return r
}

// value replays the next value, unless one before it failed.
func (r *rehearsal) value(key, sealed []byte) {
	if r.od == nil || r.err != nil {
		return
	}
	r.err = r.reads.entry(key, sealed)
}

func (r *rehearsal) end() error {
	if r.od != nil && r.err == nil {
		r.err = r.reads.end()
	}
	switch {
	case r.od == nil && r.err == nil:
		return fmt.Errorf("%w: the journal has values of a day that is not open", ErrDamaged)
	case r.err == nil && r.day.Rehearsed() < r.before:
		return fmt.Errorf("%w: the journal has %d rows, memory has %d", ErrDamaged, r.day.Rehearsed(), r.before)
	}
	return r.err
}

// days decodes every sealed day and counts it again. The bytes come from the file, not from the cache.
func (c *checker) days() error {
	for _, k := range c.s.allDays() {
		if err := c.ctx.Err(); err != nil {
			return err
		}
		size, err := c.day(k)
		c.show(c.done + size)
		err = c.confirm(k, doDay, err, func() error {
			_, err := c.day(k)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *checker) day(k dayKey) (size int64, err error) {
	c.s.mu.RLock()
	e, sealed := c.s.catalog[k.site][k.date]
	c.s.mu.RUnlock()
	if !sealed {
		return 0, nil
	}
	v, err := c.s.readSealed(k, e)
	if err != nil {
		return 0, err
	}
	if v.Counting != e.counting {
		return 0, fmt.Errorf("%w: catalog says %d events, the day has %d", ErrDamaged, e.counting, v.Counting)
	}
	if err := c.zone(k, v); err != nil {
		return 0, err
	}
	defer c.s.Work(int64(v.Rows)*checkingRow + int64(v.Visits)*checkingVisit)()
	return v.Size(), v.Verify()
}

// zone holds a day's clock to the calendar of its site. Not its begin: about a day of the past a newer database of zones may know better.
func (c *checker) zone(k dayKey, v *day.View) error {
	site, _ := c.s.book.Site(k.site)
	calendar, err := site.Calendar()
	if err != nil {
		return err
	}
	if name := calendar.Zone(k.date).String(); name != v.Zone {
		return fmt.Errorf("%w: the day was counted by the clock of %s, the calendar of its site has %s", ErrDamaged, v.Zone, name)
	}
	return nil
}
