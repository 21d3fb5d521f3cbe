package storage

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"sync"

	"footfall/storage/file"
	"footfall/storage/schema"
)

// drops counts events that were not counted, by reason. They are written down now and then, not with each event: a crash may lose
// the last minute of them.
type drops struct {
	mu    sync.Mutex // guards both
	days  map[dayKey]map[string]int64
	dirty map[dayKey]bool
}

// Dropped counts n events of a site that were not counted. Reasons are a fixed set of words.
func (s *Store) Dropped(site schema.Site, date schema.Date, reason string, n int) {
	s.drops.mu.Lock()
	defer s.drops.mu.Unlock()
	k := dayKey{site, date}
	if s.drops.days == nil {
		s.drops.days, s.drops.dirty = map[dayKey]map[string]int64{}, map[dayKey]bool{}
	}
	m := s.drops.days[k]
	if m == nil {
		m = map[string]int64{}
		s.drops.days[k] = m
	}
	if _, known := m[reason]; known || len(m) < maxDropReasons {
		m[reason] += int64(n)
		s.drops.dirty[k] = true
	}
}

// DropCounts returns how many events of a site were not counted from first to last, by reason and day.
func (s *Store) DropCounts(site schema.Site, first, last schema.Date) map[string]map[schema.Date]int64 {
	s.drops.mu.Lock()
	defer s.drops.mu.Unlock()
	out := map[string]map[schema.Date]int64{}
	for k, m := range s.drops.days {
		if k.site != site || k.date < first || k.date > last {
			continue
		}
		for reason, n := range m {
			if out[reason] == nil {
				out[reason] = map[schema.Date]int64{}
			}
			out[reason][k.date] = n
		}
	}
	return out
}

func dropKey(k dayKey) []byte { return append(dayPrefix(k.site, k.date), 1) }

// flushDrops writes down the counts that have changed.
func (s *Store) flushDrops(ctx context.Context) error {
	s.drops.mu.Lock()
	changed := map[dayKey][]byte{}
	for k := range s.drops.dirty {
		plain, err := json.Marshal(s.drops.days[k])
		if err != nil {
			panic("storage: internal error: " + err.Error()) // a map of numbers
		}
		changed[k] = append([]byte{valueVersion}, plain...)
	}
	clear(s.drops.dirty)
	s.drops.mu.Unlock()
	if len(changed) == 0 {
		return nil
	}
	err := s.db.Commit(ctx, func(tx *file.Tx) error {
		for k, plain := range changed {
			key := dropKey(k)
			if err := tx.Put(file.Catalog, key, s.vault.Rest().Seal(nil, plain, place(file.Catalog, key, typeDrops))); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		s.drops.mu.Lock()
		for k := range maps.Keys(changed) {
			s.drops.dirty[k] = true
		}
		s.drops.mu.Unlock()
		return fmt.Errorf("write counts of dropped events: %w", err)
	}
	return nil
}

// keys returns the days for which a site has counts.
func (d *drops) keys(site schema.Site) (keys []dayKey) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for k := range d.days {
		if k.site == site {
			keys = append(keys, k)
		}
	}
	return keys
}

// forget drops counts that are to be no more.
func (d *drops) forget(which func(dayKey) bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	maps.DeleteFunc(d.days, func(k dayKey, _ map[string]int64) bool { return which(k) })
	maps.DeleteFunc(d.dirty, func(k dayKey, _ bool) bool { return which(k) })
}

// openDrops decodes counts of dropped events by reason.
func (s *Store) openDrops(key, value []byte) (m map[string]int64, err error) {
	plain, err := s.vault.Rest().Open(nil, value, place(file.Catalog, key, typeDrops))
	if err != nil {
		return nil, fmt.Errorf("counts of dropped events: %w", err)
	}
	if len(plain) == 0 || plain[0] != valueVersion || json.Unmarshal(plain[1:], &m) != nil {
		return nil, fmt.Errorf("%w: counts of dropped events", ErrDamaged)
	}
	return m, nil
}

func (s *Store) loadDrops(key, value []byte) error {
	m, err := s.openDrops(key, value)
	if err != nil {
		return err
	}
	for reason, n := range m {
		s.Dropped(dayKeyOf(key).site, dayKeyOf(key).date, reason, int(n))
	}
	s.drops.mu.Lock()
	delete(s.drops.dirty, dayKeyOf(key))
	s.drops.mu.Unlock()
	return nil
}
