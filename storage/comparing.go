package storage

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"footfall/storage/account"
	"footfall/storage/day"
	"footfall/storage/file"
	"footfall/storage/seal"
	"footfall/storage/snapshot"
)

// standing is what a store is at a moment, as far as a drill compares it: little, since the store goes on meanwhile. What is the same before a copy was made and
// after it must be the same in the copy.
type standing struct {
	sealed map[dayKey]entry
	open   map[dayKey]standingDay
	book   map[string][16]byte // hashes of the values of accounts and of the audit log, by bucket and key
}

// standingDay is an open day: a day that was sealed and opened again, or of which something was deleted, is another one.
type standingDay struct {
	od   *openDay
	rows int
}

func (s *Store) standing(ctx context.Context) (*standing, error) {
	st := &standing{sealed: map[dayKey]entry{}, open: map[dayKey]standingDay{}}
	s.mu.RLock()
	for site, days := range s.catalog {
		for date, e := range days {
			st.sealed[dayKey{site, date}] = e
		}
	}
	for k, od := range s.days {
		st.open[k] = standingDay{od, od.open.Rows()}
	}
	s.mu.RUnlock()
	var err error
	st.book, err = bookOf(ctx, s.db)
	return st, err
}

func bookOf(ctx context.Context, db *file.DB) (map[string][16]byte, error) {
	book := map[string][16]byte{}
	for _, b := range []file.Bucket{file.Accounts, file.Audit} {
		err := db.Scan(ctx, b, nil, func(key, value []byte) error {
			sum := sha256.Sum256(value)
			book[string(append([]byte{byte(b)}, key...))] = [16]byte(sum[:])
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return book, nil
}

// comparison holds a restored data file to the running store.
type comparison struct {
	s      *Store
	ctx    context.Context // of the drill
	rep    *snapshot.DrillReport
	db     *file.DB // the restored one
	ring   *seal.Keyring
	book   *account.Book
	before *standing // nil where nobody knows that the copy is newer
	after  *standing
}

func (c *comparison) run() (err error) {
	if c.book, err = account.Open(c.db, c.ring.Rest()); err != nil {
		return dataError(err)
	}
	for _, part := range []func() error{c.accounts, c.sealed, c.open} {
		if err := part(); err != nil {
			return err
		}
	}
	c.rep.Sites = len(c.book.Sites())
	return nil
}

// differs notes what is not as it should be.
func (c *comparison) differs(where, format string, args ...any) {
	if len(c.rep.Differs) < maxDiffers {
		c.rep.Differs = append(c.rep.Differs, where+": "+fmt.Sprintf(format, args...))
	}
}

// accounts compares sites, people, tokens and the audit log, record by record, and looks for the key of each site.
func (c *comparison) accounts() error {
	got, err := bookOf(c.ctx, c.db)
	if err != nil {
		return err
	}
	if c.before != nil {
		lost, other := 0, 0
		for k, sum := range c.after.book {
			if c.before.book[k] != sum { // it is newer than the copy may be
				continue
			}
			if have, ok := got[k]; !ok {
				lost++
			} else if have != sum {
				other++
			}
		}
		if lost+other > 0 {
			c.differs("accounts and audit log", "%d records are missing and %d are others", lost, other)
		}
	}
	for _, site := range c.book.Sites() {
		if _, err := c.ring.Site(site.ID); err == nil {
			continue
		} else if !errors.Is(err, seal.ErrNoKey) {
			return err
		}
		if now, ok := c.s.book.Site(site.ID); ok && !now.Removing {
			c.differs(fmt.Sprintf("site %d", site.ID), "the bucket has no key for it")
		}
	}
	return nil
}

// sealed compares the sealed days: header and chunks, byte by byte. Those that changed since the copy was made are opened, as whatever a key opens is what was sealed.
func (c *comparison) sealed() error {
	left := map[dayKey]entry{} // that must be there
	if c.before != nil {
		for k, e := range c.before.sealed {
			if c.after.sealed[k] == e && e != (entry{}) {
				left[k] = e
			}
		}
	}
	err := c.db.Scan(c.ctx, file.Catalog, nil, func(key, value []byte) error {
		if len(key) != 8 {
			return nil
		}
		k := dayKeyOf(key)
		delete(left, k)
		return c.sealedDay(k, key, value)
	})
	for _, k := range sortedDays(left) {
		if c.s.current(k, left[k]) {
			c.differs(placeOf(k), "the sealed day is missing")
		}
	}
	return err
}

func sortedDays(days map[dayKey]entry) []dayKey {
	return slices.SortedFunc(maps.Keys(days), func(a, b dayKey) int {
		return bytes.Compare(dayPrefix(a.site, a.date), dayPrefix(b.site, b.date))
	})
}

func (c *comparison) sealedDay(k dayKey, key, value []byte) error {
	c.rep.Days++
	e, known := c.after.sealed[k]
	mine, err := c.s.db.Get(file.Catalog, key)
	if err != nil {
		return err
	}
	same := bytes.Equal(mine, value)
	if !same {
		must := known && c.before != nil && c.before.sealed[k] == e
		if must && c.s.current(k, e) {
			c.differs(placeOf(k), "the catalog has another entry")
			return nil
		}
		c.rep.Changed++
	}
	v, generation, sealer, err := c.header(k, key, value)
	switch {
	case err != nil && !same:
		return nil // its site may have been reset or removed
	case err != nil && known && e == (entry{}):
		return nil // as it is here
	case err != nil:
		c.differs(placeOf(k), "the sealed day does not open: %v", err)
		return nil
	case same && v.Counting != e.counting && known && c.s.current(k, e):
		c.differs(placeOf(k), "the sealed day has %d events, here it has %d", v.Counting, e.counting)
	}
	c.rep.Events += int64(v.Counting)
	for i := range v.Chunks() {
		if err := c.chunk(k, chunkKey(k.site, k.date, generation, i), sealer, same, e); err != nil {
			return err
		}
	}
	return c.ctx.Err()
}

func (c *comparison) header(k dayKey, key, value []byte) (v *day.View, generation uint32, sealer *seal.Sealer, err error) {
	if sealer, err = c.ring.Site(k.site); err != nil {
		return nil, 0, nil, err
	}
	generation, header, err := openHeader(sealer, key, value)
	if err == nil {
		v, err = day.OpenSealed(k.date, header, nil)
	}
	return v, generation, sealer, err
}

// chunk compares a chunk of a day that is the same here, or opens it.
func (c *comparison) chunk(k dayKey, key []byte, sealer *seal.Sealer, same bool, e entry) error {
	got, err := c.db.Get(file.Days, key)
	if err != nil {
		return err
	}
	if !same {
		if _, err := sealer.Open(nil, got, place(file.Days, key, typeChunk)); err != nil {
			c.differs(placeOf(k), "a part of the sealed day does not open")
		}
		return nil
	}
	var mine []byte
	if mine, err = c.s.db.Get(file.Days, key); err != nil {
		return err
	}
	switch {
	case got != nil && bytes.Equal(got, mine):
		c.rep.Compared += int64(len(got))
	case mine == nil && !c.s.current(k, e): // it changed a moment ago
	case got == nil:
		c.differs(placeOf(k), "a part of the sealed day is missing")
	default:
		c.differs(placeOf(k), "a part of the sealed day has other bytes")
	}
	return nil
}

// open replays the journals, and holds the number of rows to what there was before and after.
func (c *comparison) open() error {
	rows := map[dayKey]int{}
	var run *replaying
	var at dayKey
	var failed error
	end := func() {
		if run == nil {
			return
		}
		if failed == nil {
			failed = run.end()
		}
		if sealed, err := c.db.Get(file.Catalog, dayPrefix(at.site, at.date)); err == nil && sealed == nil { // else it is counted
			c.rep.Days++
		}
		c.openDay(at, run.into.Rehearsed(), failed)
		rows[at] = run.into.Rehearsed()
	}
	err := c.db.Scan(c.ctx, file.Journal, nil, func(key, value []byte) error {
		if len(key) < 8 {
			return fmt.Errorf("%w: journal key of %d bytes", ErrDamaged, len(key))
		}
		if k := dayKeyOf(key); run == nil || k != at {
			end()
			at, failed = k, nil
			if run, failed = c.replaying(k); run == nil {
				run = &replaying{into: day.NewOpen(k.site, k.date, k.date.Start(time.UTC)).Rehearse()}
			}
		}
		if failed == nil {
			failed = run.entry(key, value)
		}
		return nil
	})
	if err != nil {
		return err
	}
	end()
	if c.before != nil {
		for k, was := range c.before.open {
			if _, there := rows[k]; !there && was.rows > 0 && c.after.open[k].od == was.od {
				c.differs(placeOf(k), "the open day is missing")
			}
		}
	}
	return nil
}

// replaying returns what replays the journal of a day of the copy.
func (c *comparison) replaying(k dayKey) (*replaying, error) {
	site, ok := c.book.Site(k.site)
	if !ok {
		return nil, ErrNoSite
	}
	calendar, err := site.Calendar()
	if err != nil {
		return nil, err
	}
	sealer, err := c.ring.Site(k.site)
	if err != nil {
		return nil, err
	}
	into := day.NewOpen(k.site, k.date, calendar.Start(k.date)).Rehearse()
	return &replaying{into: into, sealer: sealer, fetch: func(sequence uint64) day.Fetch {
		return func(dst []byte, i int) ([]byte, error) {
			key := layerKey(k, sequence, i)
			value, err := c.db.Get(file.Journal, key)
			if err != nil {
				return dst, err
			}
			return sealer.Open(dst, value, place(file.Journal, key, typeLayer))
		}
	}}, nil
}

// openDay judges an open day with so many rows, or whose journal does not replay.
func (c *comparison) openDay(k dayKey, rows int, failed error) {
	c.rep.Events += int64(rows)
	was, is := standingDay{}, c.after.open[k]
	if c.before != nil {
		was = c.before.open[k]
	}
	same := was.od != nil && was.od == is.od
	switch {
	case !same:
		c.rep.Changed++
	case failed != nil:
		c.differs(placeOf(k), "the journal of the open day does not replay: %v", failed)
	case rows < was.rows || rows > is.rows:
		c.differs(placeOf(k), "the open day has %d rows, here it had %d before and %d after", rows, was.rows, is.rows)
	}
}
