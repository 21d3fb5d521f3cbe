package storage

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"

	"footfall/storage/day"
	"footfall/storage/file"
	"footfall/storage/schema"
	"footfall/storage/seal"
)

// entry is a sealed day as the catalog in memory knows it. The zero value is a day that cannot be read.
type entry struct {
	generation uint32
	counting   int // events, engagement left out
}

func chunkKey(site schema.Site, d schema.Date, generation uint32, chunk int) []byte {
	return binary.BigEndian.AppendUint32(generationPrefix(site, d, generation), uint32(chunk))
}

func generationPrefix(site schema.Site, d schema.Date, generation uint32) []byte {
	return binary.BigEndian.AppendUint32(dayPrefix(site, d), generation)
}

// header reads and opens the catalog's value of a day.
func (s *Store) header(key dayKey) (generation uint32, header []byte, err error) {
	k := dayPrefix(key.site, key.date)
	value, err := s.db.Get(file.Catalog, k)
	if err != nil {
		return 0, nil, err
	}
	if value == nil {
		return 0, nil, errStale
	}
	sealer, err := s.vault.Site(key.site)
	if err != nil {
		return 0, nil, err
	}
	return openHeader(sealer, k, value)
}

func openHeader(sealer *seal.Sealer, key, value []byte) (generation uint32, header []byte, err error) {
	plain, err := sealer.Open(nil, value, place(file.Catalog, key, typeHeader))
	if err != nil {
		return 0, nil, err
	}
	if len(plain) < 5 || plain[0] != valueVersion {
		return 0, nil, fmt.Errorf("%w: catalog entry of version %d", ErrDamaged, plain[:min(1, len(plain))])
	}
	return binary.BigEndian.Uint32(plain[1:]), plain[5:], nil
}

func (s *Store) loadCatalog(ctx context.Context) error {
	return s.db.Scan(ctx, file.Catalog, nil, func(key, value []byte) error {
		switch {
		case len(key) == 12 && binary.BigEndian.Uint32(key) == importMark:
			return s.dropImport(ctx, key, value)
		case isBookmark(key):
			return nil // an import asks for them
		case len(key) == 9:
			return s.loadDrops(key, value)
		case len(key) != 8:
			return fmt.Errorf("%w: catalog key of %d bytes", ErrDamaged, len(key))
		}
		k := dayKeyOf(key)
		sealer, err := s.vault.Site(k.site)
		if err != nil {
			return fmt.Errorf("catalog: %w", err)
		}
		generation, header, err := openHeader(sealer, key, value)
		var v *day.View
		if err == nil {
			v, err = day.OpenSealed(k.date, header, nil)
		}
		if err != nil {
			// One day must not take the others with it. Whoever asks for this one, or would add to it, is told.
			s.cfg.Logger.Error("a sealed day is damaged and cannot be read", "site", k.site, "date", k.date, "error", err)
			s.setEntryLocked(k, entry{})
			return nil
		}
		s.setEntryLocked(k, entry{generation, v.Counting})
		if v.Outdated() {
			s.outdated = append(s.outdated, k)
		}
		return nil
	})
}

func (s *Store) setEntryLocked(key dayKey, e entry) {
	if s.catalog[key.site] == nil {
		s.catalog[key.site] = map[schema.Date]entry{}
	}
	s.catalog[key.site][key.date] = e
	delete(s.gone, key)
}

// dropEntryLocked takes a day out of the catalog. Its generation is remembered: should the day come again, a reader that still has the
// old one in hand must not take it for the new one.
func (s *Store) dropEntryLocked(key dayKey) {
	if e, ok := s.catalog[key.site][key.date]; ok {
		s.gone[key] = e.generation
		delete(s.catalog[key.site], key.date)
	}
}

// datesLocked returns the days of a site that hold events, sealed or open, ascending.
func (s *Store) datesLocked(site schema.Site) []schema.Date {
	dates := slices.Collect(maps.Keys(s.catalog[site]))
	for k, od := range s.days {
		if _, sealed := s.catalog[site][k.date]; k.site == site && !sealed && od.open.Rows() > 0 {
			dates = append(dates, k.date)
		}
	}
	for k := range s.damaged {
		if _, sealed := s.catalog[site][k.date]; k.site == site && !sealed {
			dates = append(dates, k.date)
		}
	}
	slices.Sort(dates)
	return dates
}

// allDays returns every day of every site that holds events.
func (s *Store) allDays() []dayKey {
	s.mu.RLock()
	defer s.mu.RUnlock()
	sites := map[schema.Site]bool{}
	for site := range s.catalog {
		sites[site] = true
	}
	for k := range s.days {
		sites[k.site] = true
	}
	for k := range s.damaged {
		sites[k.site] = true
	}
	var out []dayKey
	for _, site := range slices.Sorted(maps.Keys(sites)) {
		for _, d := range s.datesLocked(site) {
			out = append(out, dayKey{site, d})
		}
	}
	return out
}

// sealedView returns the view of a sealed day, from the cache or made anew.
func (s *Store) sealedView(key dayKey, e entry) (v *day.View, release func(), err error) {
	if v = s.cache.take(key, e.generation); v == nil {
		if v, err = s.readSealed(key, e); err != nil {
			return nil, nil, err
		}
	}
	return v, func() {
		s.cache.put(key, e.generation, v)
		if !s.current(key, e) { // it was read while the day went: nobody would ever drop it
			s.cache.drop(key)
		}
	}, nil
}

// current reports whether the catalog still has the day as e.
func (s *Store) current(key dayKey, e entry) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.catalog[key.site][key.date] == e
}

// readSealed opens a sealed day from the file. What goes wrong because the day goes meanwhile, or the key of its site, is errStale.
func (s *Store) readSealed(key dayKey, e entry) (*day.View, error) {
	v, err := s.openSealed(key, e)
	if err != nil && !s.current(key, e) {
		return nil, errStale
	}
	if errors.Is(err, errStale) && s.db.Poisoned() != nil {
		return nil, errors.Join(err, s.follow(key))
	}
	return v, err
}

func (s *Store) openSealed(key dayKey, e entry) (*day.View, error) {
	generation, header, err := s.header(key)
	if err != nil {
		return nil, err
	}
	if generation != e.generation {
		return nil, errStale
	}
	sealer, err := s.vault.Site(key.site)
	if err != nil {
		return nil, err
	}
	return day.OpenSealed(key.date, header, func(dst []byte, i int) ([]byte, error) {
		k := chunkKey(key.site, key.date, generation, i)
		missing := false
		err := s.db.Read(file.Days, k, func(value []byte) (err error) {
			if missing = value == nil; !missing {
				dst, err = sealer.Open(dst, value, place(file.Days, k, typeChunk))
			}
			return err
		})
		switch {
		case missing:
			err = s.chunkGone(key, generation, i)
		case err != nil && !s.current(key, e):
			err = errStale
		}
		return dst, err
	})
}

// chunkGone tells a day that was replaced meanwhile from one that lost a chunk. It asks the file, not the catalog in memory, which
// learns of a commit a moment later.
func (s *Store) chunkGone(key dayKey, generation uint32, chunk int) error {
	switch now, _, err := s.header(key); {
	case err != nil:
		return err
	case now != generation:
		return errStale
	}
	return fmt.Errorf("%w: chunk %d of %s is missing", ErrDamaged, chunk, key.date)
}

// publication is a sealed day on its way into the file as the next generation.
type publication struct {
	key        dayKey
	generation uint32
	counting   int
	header     []byte
	chunks     [][]byte
	sealer     *seal.Sealer
}

// prepare seals what the views hold, together with the sealed day that exists, as the next generation. The caller holds the site busy.
func (s *Store) prepare(key dayKey, views ...*day.View) (*publication, error) {
	s.mu.RLock()
	e, sealed := s.catalog[key.site][key.date]
	damaged := s.damaged[key]
	s.mu.RUnlock()
	if damaged != nil {
		return nil, damaged
	}
	if sealed {
		v, err := s.readSealed(key, e) // not from the cache: its columns would stay there
		if err != nil {
			return nil, err
		}
		views = append(views, v)
	}
	return s.publish(key, views...)
}

// publish seals what the views hold, and nothing else, as the next generation. The caller holds the site busy.
func (s *Store) publish(key dayKey, views ...*day.View) (*publication, error) {
	counting := 0
	for _, v := range views {
		counting += v.Counting
	}
	return s.generate(key, counting, sealingBytes(views), func() ([]byte, [][]byte, error) { return day.SealParts(s.cfg.PartRows, views...) })
}

// generate makes what seal returns the next generation of a day. work is about what that takes in memory. The caller holds the site busy.
func (s *Store) generate(key dayKey, counting int, work int64, seal func() (header []byte, chunks [][]byte, err error)) (*publication, error) {
	s.mu.RLock()
	generation := 1 + max(s.catalog[key.site][key.date].generation, s.gone[key])
	s.mu.RUnlock()
	sealer, err := s.vault.Site(key.site)
	if err != nil {
		return nil, err
	}
	p := &publication{key: key, generation: generation, counting: counting, sealer: sealer}
	defer s.Work(work)()
	if p.header, p.chunks, err = seal(); err != nil {
		return nil, err
	}
	return p, nil
}

// size is about how many bytes the file needs for it.
func (p *publication) size() int64 {
	n := len(p.header)
	for _, c := range p.chunks {
		n += len(c)
	}
	return int64(n) + int64(n)/8 // each chunk fills its pages nearly
}

func (p *publication) putChunks(tx *file.Tx) error {
	for i, c := range p.chunks {
		k := chunkKey(p.key.site, p.key.date, p.generation, i)
		if err := tx.Put(file.Days, k, p.sealer.Seal(nil, c, place(file.Days, k, typeChunk))); err != nil {
			return err
		}
	}
	return nil
}

// swap makes the generation the day's and removes the one before it.
func (p *publication) swap(tx *file.Tx) error {
	k := dayPrefix(p.key.site, p.key.date)
	plain := binary.BigEndian.AppendUint32([]byte{valueVersion}, p.generation)
	plain = append(plain, p.header...)
	if err := tx.Put(file.Catalog, k, p.sealer.Seal(nil, plain, place(file.Catalog, k, typeHeader))); err != nil {
		return err
	}
	if p.generation == 1 {
		return nil
	}
	return tx.DeletePrefix(file.Days, generationPrefix(p.key.site, p.key.date, p.generation-1))
}

// ErrSiteBusy says that an import, a sealing, a deletion or a removal of the site is under way.
var ErrSiteBusy = errors.New("an import into this site, a deletion, or the sealing of a day, is under way; try again when it has ended")

// hold marks a site as being published to, so that no two writers make the same generation.
func (s *Store) hold(site schema.Site) bool {
	s.publishing.Lock()
	defer s.publishing.Unlock()
	if s.busy[site] {
		return false
	}
	s.busy[site] = true
	return true
}

func (s *Store) free(site schema.Site) {
	s.publishing.Lock()
	defer s.publishing.Unlock()
	delete(s.busy, site)
}
