package storage

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"time"

	"footfall/storage/account"
	"footfall/storage/day"
	"footfall/storage/file"
	"footfall/storage/objstore"
	"footfall/storage/schema"
	"footfall/storage/seal"
	"footfall/storage/snapshot"
)

// Restored tells what a restore has made, or a dry one would.
type Restored struct {
	snapshot.Restored
	Asked   time.Time      `json:"asked,omitzero"`
	Behind  time.Duration  `json:"behind_ns,omitempty"` // the point is so much older than what was asked for
	Took    time.Duration  `json:"took_ns"`
	Sites   []RestoredSite `json:"sites"`             // that are there
	Gone    []RestoredSite `json:"gone,omitempty"`    // sites of that time that were removed since
	Emptied []RestoredSite `json:"emptied,omitempty"` // sites that were reset since: what they had then does not come back
	Days    int            `json:"days"`
	Events  int64          `json:"events"` // engagement left out
	// LostDays are days of which something is missing, so that Salvage left them out.
	LostDays []LostDay `json:"lost_days,omitempty"`
}

// RestoredSite is a site of a restored store.
type RestoredSite struct {
	Site   schema.Site `json:"site"`
	Domain string      `json:"domain,omitempty"` // as it was at the point
	Days   int         `json:"days"`
	Events int64       `json:"events"`
}

// LostDay is a day that could not be restored, or a part of one.
type LostDay struct {
	Site schema.Site `json:"site"`
	Date string      `json:"date"`
	Why  string      `json:"why"`
}

// byRestore is who did, in the audit log, what a restore does again.
const byRestore = "restore"

// Restore makes a data directory out of the snapshots in a bucket, with one of their keys: all that there was at the point, but nothing of sites that
// were removed or reset since, no login sessions and no salts, so that the day of the restore counts its visitors anew. The directory gets its name when it has been
// opened once. Errors: snapshot.ErrNothing, snapshot.ErrDamaged, which names the object, seal.ErrKeyringDamaged, and those of the key, the bucket and the disk.
func Restore(ctx context.Context, bucket objstore.Bucket, key Key, job snapshot.Restoring) (Restored, error) {
	began := time.Now()
	r, err := snapshot.Open(ctx, bucket, key)
	if err != nil {
		return Restored{}, err
	}
	defer r.Close()
	c := &cleaning{ring: r.Keyring(), key: key, job: job}
	finish := job.Finish
	job.Finish = func(dir string) error {
		if err := c.run(ctx, dir); err != nil || finish == nil {
			return err
		}
		return finish(dir)
	}
	rep, err := r.Restore(ctx, job)
	c.rep.Lost = append(rep.Lost, c.rep.Lost...)
	rep.Lost = c.rep.Lost
	c.rep.Restored, c.rep.Asked = rep, job.At
	if err == nil && !job.At.IsZero() {
		c.rep.Behind = job.At.Sub(rep.Point.Time)
	}
	c.rep.Took = time.Since(began)
	return c.rep, err
}

// cleaning makes a whole store out of the file of a point and the keys of today.
type cleaning struct {
	ring *seal.Keyring
	key  Key
	job  snapshot.Restoring
	rep  Restored

	db   *file.DB
	book *account.Book
}

func (c *cleaning) run(ctx context.Context, dir string) error {
	if err := c.clean(ctx, filepath.Join(dir, dataName)); err != nil {
		return fmt.Errorf("restore: %w", dataError(err))
	}
	s, err := Open(ctx, Config{Dir: dir, Key: c.key, Logger: c.job.Log})
	if err != nil {
		return fmt.Errorf("restore: what was restored does not open: choose an earlier time, or restore what is left with --salvage: %w", err)
	}
	if c.job.Salvage {
		err = s.salvage(ctx, &c.rep)
	}
	c.tell(s)
	if err := errors.Join(err, s.Close()); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	return nil
}

// clean takes out of the file what no key opens any more, and what must not come back.
func (c *cleaning) clean(ctx context.Context, path string) (err error) {
	if c.db, err = file.Open(file.Config{Path: path, Logger: c.job.Log}); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.db.Close()) }()
	if c.book, err = account.Open(c.db, c.ring.Rest()); err != nil {
		return err
	}
	if err := c.book.EndSessions(ctx); err != nil {
		return err
	}
	did := account.Entry{Time: time.Now().UTC().Truncate(time.Second), By: byRestore, Did: account.DidRestore}
	if err := c.book.Begin(ctx, &did); err != nil {
		return err
	}
	if err := c.db.Commit(ctx, func(tx *file.Tx) error { return c.book.Note(tx, &did) }); err != nil {
		return err
	}
	sites, err := c.sites(ctx)
	if err != nil {
		return err
	}
	for _, id := range sites {
		if err := c.site(ctx, id); err != nil {
			return err
		}
	}
	if !c.job.Salvage {
		return nil
	}
	return c.book.Mend(ctx)
}

// sites returns every site that has a record or data.
func (c *cleaning) sites(ctx context.Context) ([]schema.Site, error) {
	found := map[schema.Site]bool{}
	for _, site := range c.book.Sites() {
		found[site.ID] = true
	}
	for _, b := range []file.Bucket{file.Journal, file.Catalog, file.Days} {
		err := c.db.Sizes(ctx, b, nil, func(key []byte, _ int) error {
			if len(key) < 8 {
				return nil // said by Open
			}
			id := schema.Site(binary.BigEndian.Uint32(key))
			if id == importMark {
				id = schema.Site(binary.BigEndian.Uint32(key[4:]))
			}
			found[id] = true
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return slices.Sorted(maps.Keys(found)), nil
}

// site judges a site by its key: there is none, since the site was removed after the point; or it is another one than then, since the site was reset; or it
// opens what is there.
func (c *cleaning) site(ctx context.Context, id schema.Site) error {
	site, known := c.book.Site(id)
	told := RestoredSite{Site: id, Domain: site.Domain}
	did := account.Entry{Time: time.Now().UTC().Truncate(time.Second), By: byRestore, Site: id, Domain: site.Domain}
	sealer, err := c.ring.Site(id)
	switch {
	case errors.Is(err, seal.ErrNoKey) && !known: // bytes of a site that was gone even then
		return c.drop(ctx, id, nil)
	case errors.Is(err, seal.ErrNoKey):
		c.rep.Gone = append(c.rep.Gone, told)
		did.Did = account.DidRemove
		return errors.Join(c.book.DeleteSite(ctx, id), c.drop(ctx, id, &did))
	case err != nil:
		return err
	}
	opens, zone, err := c.opens(ctx, id, sealer)
	switch {
	case err != nil:
		return err
	case !opens:
		c.rep.Emptied = append(c.rep.Emptied, told)
		did.Did = account.DidReset
		return c.drop(ctx, id, &did)
	case !known && c.job.Salvage:
		c.rep.Lost = append(c.rep.Lost, fmt.Sprintf("what was written down of site %d: it has a name that was made up, and counts by the clock of %s", id, zone))
		return c.book.Mend(ctx, account.Site{ID: id, Domain: fmt.Sprintf("site-%d.restored", id), Timezone: zone, Created: did.Time})
	}
	return nil
}

// opens tells whether the key of a site opens anything it has; true if it has nothing. zone is one that a day of it was counted by.
func (c *cleaning) opens(ctx context.Context, id schema.Site, sealer *seal.Sealer) (opens bool, zone string, err error) {
	prefix := binary.BigEndian.AppendUint32(nil, uint32(id))
	some, zone := false, "Etc/UTC"
	err = c.db.Scan(ctx, file.Catalog, prefix, func(key, value []byte) error {
		if len(key) != 8 {
			return nil
		}
		some = true
		_, header, err := openHeader(sealer, key, value)
		if err != nil {
			return nil
		}
		if v, err := day.OpenSealed(dayKeyOf(key).date, header, nil); err == nil {
			zone = v.Zone
		}
		return errFound
	})
	if errors.Is(err, errFound) {
		return true, zone, nil
	} else if err != nil {
		return false, zone, err
	}
	err = c.db.Scan(ctx, file.Journal, prefix, func(key, value []byte) error {
		kind := byte(typeJournal)
		if isLayer(key) {
			kind = typeLayer
		}
		some = true
		if _, err := sealer.Open(nil, value, place(file.Journal, key, kind)); err != nil {
			return nil
		}
		return errFound
	})
	if errors.Is(err, errFound) {
		return true, zone, nil
	}
	return !some, zone, err
}

// drop removes the bytes of a site, and notes that unless did is nil.
func (c *cleaning) drop(ctx context.Context, id schema.Site, did *account.Entry) error {
	if did != nil {
		if err := c.book.Begin(ctx, did); err != nil {
			return err
		}
	}
	prefix := binary.BigEndian.AppendUint32(nil, uint32(id))
	return c.db.Commit(ctx, func(tx *file.Tx) error {
		for _, b := range []file.Bucket{file.Journal, file.Days, file.Catalog} {
			if err := tx.DeletePrefix(b, prefix); err != nil {
				return err
			}
		}
		if err := tx.Delete(file.Catalog, markKey(id)); err != nil || did == nil {
			return err
		}
		return c.book.Note(tx, did)
	})
}

// tell counts what the restored store holds. What Open has finished removing is gone too.
func (c *cleaning) tell(s *Store) {
	for _, was := range c.book.Sites() {
		if _, ok := s.book.Site(was.ID); !ok {
			c.rep.Gone = append(c.rep.Gone, RestoredSite{Site: was.ID, Domain: was.Domain})
		}
	}
	for _, site := range s.book.Sites() {
		s.mu.RLock()
		days := len(s.datesLocked(site.ID))
		s.mu.RUnlock()
		told := RestoredSite{site.ID, site.Domain, days, s.Count(site.ID)}
		c.rep.Sites = append(c.rep.Sites, told)
		c.rep.Days += told.Days
		c.rep.Events += told.Events
	}
}

// salvage leaves out the days of which something is missing, and then holds what is left to Check.
func (s *Store) salvage(ctx context.Context, rep *Restored) error {
	check := &checker{s: s, ctx: ctx, progress: func(int64, int64) {}}
	lose := func(k dayKey, why error) {
		rep.LostDays = append(rep.LostDays, LostDay{k.site, k.date.String(), why.Error()})
	}
	for _, k := range s.allDays() {
		err := s.damaged[k]
		if err == nil {
			_, err = check.day(k)
		}
		if err == nil {
			continue
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		lose(k, err)
		if err := s.dropDays(ctx, []dayKey{k}); err != nil {
			return err
		}
	}
	strangers, err := s.dropStrangers(ctx)
	if err != nil {
		return err
	}
	for _, k := range strangers {
		lose(k, errors.New("the catalog knows nothing of what is there of it"))
	}
	return s.Check(ctx, nil)
}

// dropStrangers removes chunks that no sealed day names, and returns the days they say they are of.
func (s *Store) dropStrangers(ctx context.Context) (of []dayKey, err error) {
	var keys [][]byte
	var generation uint32
	var count int
	last := dayKey{}
	err = s.db.Sizes(ctx, file.Days, nil, func(key []byte, _ int) error {
		if k := dayKeyOf(key); k != last {
			last = k
			generation, count, _ = s.named(k)
		}
		if !names(key, generation, count) {
			keys = append(keys, key)
			if len(of) == 0 || of[len(of)-1] != last {
				of = append(of, last)
			}
		}
		return nil
	})
	for err == nil && len(keys) > 0 {
		n := min(len(keys), migratePairs)
		err = s.db.Commit(ctx, func(tx *file.Tx) error {
			for _, key := range keys[:n] {
				if err := tx.Delete(file.Days, key); err != nil {
					return err
				}
			}
			return nil
		})
		keys = keys[n:]
	}
	return of, err
}
