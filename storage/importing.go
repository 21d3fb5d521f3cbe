package storage

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"footfall/storage/day"
	"footfall/storage/file"
	"footfall/storage/schema"
)

// importMark begins the key of an import's mark; no site has this number.
const importMark = 1<<32 - 1

// Import adds whole days to a site, all or none of them. Days that hold data already are merged with what is added: its visitors
// are other people. Until Commit nothing of it is visible, and a crash leaves nothing behind. Days may be added by several goroutines at
// once; what goes into the same commit is then written together.
type Import struct {
	s     *Store
	site  schema.Site
	ended bool

	mu     sync.Mutex                          // guards all below
	days   map[schema.Date]*publication        // nil while it is being sealed
	folded map[schema.Date]map[schema.ID]int64 // values for which a day had no room
	err    error                               // of an Add that failed: some of its day may be in the file, so nothing can be committed
	kept   map[uint32][]byte                   // bookmarks, sealed
}

// Import begins an import. Errors: ErrNoSite, ErrSiteBusy.
func (s *Store) Import(site schema.Site) (*Import, error) {
	if _, ok := s.book.Site(site); !ok {
		return nil, ErrNoSite
	}
	if !s.hold(site) {
		return nil, ErrSiteBusy
	}
	return &Import{s: s, site: site, days: map[schema.Date]*publication{}, folded: map[schema.Date]map[schema.ID]int64{}}, nil
}

func (im *Import) markKey() []byte { return markKey(im.site) }

// markKey is the key of a record that is written before the first chunk, so that the next start finds and removes what an import
// left that never ended. It has twelve bytes, so that it cannot be taken for a day or for counts.
func markKey(site schema.Site) []byte {
	key := binary.BigEndian.AppendUint32(nil, importMark)
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(key, uint32(site)), 0)
}

// Add seals a day and writes it, not yet visible. Each day can be added once. After a failure only Abort is left.
func (im *Import) Add(ctx context.Context, v *day.View) error {
	if v.Rows == 0 {
		return nil
	}
	err := im.begin(v)
	if err == nil {
		err = im.add(ctx, v)
	}
	if err != nil {
		im.mu.Lock()
		defer im.mu.Unlock()
		im.err = err
	}
	return err
}

// begin takes the day's place.
func (im *Import) begin(v *day.View) error {
	site, _ := im.s.book.Site(im.site)
	im.mu.Lock()
	defer im.mu.Unlock()
	_, twice := im.days[v.Date]
	switch {
	case im.err != nil:
		return im.err
	case im.ended || twice:
		return errors.New("import: internal error: day added twice or after the end")
	case !follows(v.Date, v.Begin, v.Zone, site):
		return ErrMoved
	}
	im.days[v.Date] = nil
	return nil
}

func (im *Import) add(ctx context.Context, v *day.View) error {
	date := v.Date
	p, err := im.s.prepare(dayKey{im.site, date}, v)
	if err != nil {
		return fmt.Errorf("import %s: %w", date, dataError(err))
	}
	im.mu.Lock()
	im.days[date], im.folded[date] = p, v.Folded
	im.mu.Unlock()
	if err := im.s.db.Room(p.size()); err != nil {
		return fmt.Errorf("import %s: %w", date, err)
	}
	err = im.s.db.Submit(file.Op{Bulk: true, Write: func(tx *file.Tx) error {
		key := im.markKey()
		if err := tx.Put(file.Catalog, key, im.s.vault.Rest().Seal(nil, im.mark(), place(file.Catalog, key, typeImport))); err != nil {
			return err
		}
		return p.putChunks(tx)
	}}).Wait(ctx)
	if err != nil {
		return fmt.Errorf("import %s: %w", date, err)
	}
	p.chunks = nil // they are in the file; a long import must not hold them
	return nil
}

// mark returns the record that names every day written so far; those about to be written do no harm in it.
func (im *Import) mark() []byte {
	im.mu.Lock()
	defer im.mu.Unlock()
	plain := []byte{valueVersion}
	for date, p := range im.days {
		if p != nil {
			plain = binary.BigEndian.AppendUint32(dateBytes(plain, date), p.generation)
		}
	}
	return plain
}

// Commit makes all added days visible at once; every Add must have returned. It does not stop in between: once begun it is waited for
// even if ctx ends, since a caller that gave up would not know whether to Abort.
func (im *Import) Commit(ctx context.Context) error {
	if im.ended {
		return errors.New("import: internal error: committed after the end")
	}
	if im.err != nil {
		return fmt.Errorf("import: a day could not be added: %w", im.err)
	}
	s := im.s
	err := s.db.Submit(file.Op{
		Write: func(tx *file.Tx) error {
			for _, p := range im.days {
				if err := p.swap(tx); err != nil {
					return err
				}
			}
			for number, value := range im.kept {
				if err := tx.Put(file.Catalog, bookmarkKey(im.site, number), value); err != nil {
					return err
				}
			}
			return tx.Delete(file.Catalog, im.markKey())
		},
		Done: func(err error) {
			if err == nil {
				s.mu.Lock()
				defer s.mu.Unlock()
				for _, p := range im.days {
					s.setEntryLocked(p.key, entry{p.generation, p.counting})
				}
			}
		},
	}).Wait(context.WithoutCancel(ctx))
	if err != nil {
		return fmt.Errorf("import: %w", err)
	}
	for date, folded := range im.folded {
		s.fold(dayKey{im.site, date}, folded)
	}
	im.end()
	return nil
}

// Folded returns how many values of the days added so far became day.Other, since their day had too many different ones.
func (im *Import) Folded() (n int64) {
	for _, folded := range im.folded {
		for _, values := range folded {
			n += values
		}
	}
	return n
}

// Abort removes what was added; where that fails, the next start does it. Every Add must have returned. It does nothing after Commit.
func (im *Import) Abort() error {
	if im.ended {
		return nil
	}
	defer im.end()
	if len(im.days) == 0 {
		return nil
	}
	err := im.s.db.Commit(context.Background(), func(tx *file.Tx) error {
		for date, p := range im.days {
			if p == nil {
				continue
			}
			if err := tx.DeletePrefix(file.Days, generationPrefix(im.site, date, p.generation)); err != nil {
				return err
			}
		}
		return tx.Delete(file.Catalog, im.markKey())
	})
	if err != nil {
		return fmt.Errorf("abort import: %w", err)
	}
	return nil
}

func (im *Import) end() {
	im.ended = true
	im.s.free(im.site)
}

// markedDays decodes an import's mark: the generation it writes of each day.
func (s *Store) markedDays(key, value []byte) (map[schema.Date]uint32, error) {
	plain, err := s.vault.Rest().Open(nil, value, place(file.Catalog, key, typeImport))
	if err != nil {
		return nil, fmt.Errorf("mark of an import: %w", err)
	}
	if len(plain)%8 != 1 || plain[0] != valueVersion {
		return nil, fmt.Errorf("%w: mark of an import", ErrDamaged)
	}
	days := map[schema.Date]uint32{}
	for b := plain[1:]; len(b) > 0; b = b[8:] {
		days[schema.Date(binary.BigEndian.Uint32(b)^1<<31)] = binary.BigEndian.Uint32(b[4:])
	}
	return days, nil
}

// dropImport removes the days of an import that never ended.
func (s *Store) dropImport(ctx context.Context, key, value []byte) error {
	days, err := s.markedDays(key, value)
	if err != nil {
		return err
	}
	site := schema.Site(binary.BigEndian.Uint32(key[4:]))
	s.cfg.Logger.Warn("removing an import that never ended", "site", site, "days", len(days))
	return s.db.Commit(ctx, func(tx *file.Tx) error {
		for date, generation := range days {
			if s.catalog[site][date].generation >= generation {
				continue // an Abort that failed let another writer have the generation: these are its chunks
			}
			if err := tx.DeletePrefix(file.Days, generationPrefix(site, date, generation)); err != nil {
				return err
			}
		}
		return tx.Delete(file.Catalog, key)
	})
}
