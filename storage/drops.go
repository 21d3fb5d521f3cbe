package storage

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"footfall/storage/file"
	"footfall/storage/schema"
)

// drops counts events that were not counted, by reason. They are written down now and then, not with each event: a crash may lose
// the last minute of them.
type drops struct {
	mu      sync.Mutex // guards all below
	sites   map[schema.Site][]drop
	reasons []string // by their numbers
	numbers map[string]uint16
	words   int // reasons that are no rules
	dirty   map[dayKey]bool
}

// What begins a reason that is more than the word: events that a rule in watch mode has let through, by what would have been the reason; and those that
// a rule was about, by its number, whatever its mode.
const (
	watchPrefix = "watch:"
	rulePrefix  = "rule:"
)

// drop is how many events of a day were not counted for one reason. Those of a site are sorted by day and reason: sixteen bytes each,
// since hundreds of sites have some on every day of every year.
type drop struct {
	date   schema.Date
	reason uint16
	n      int64
}

func (a drop) compare(b drop) int {
	return cmp.Or(cmp.Compare(a.date, b.date), cmp.Compare(a.reason, b.reason))
}

// between returns those of a site from first to last.
func (d *drops) between(site schema.Site, first, last schema.Date) []drop {
	all := d.sites[site]
	from, _ := slices.BinarySearchFunc(all, drop{date: first}, drop.compare)
	to, _ := slices.BinarySearchFunc(all, drop{date: last + 1}, drop.compare)
	return all[from:max(from, to)]
}

// Dropped counts n events of a site that were not counted. Reasons are a fixed set of words.
func (s *Store) Dropped(site schema.Site, date schema.Date, reason string, n int) {
	s.drops.mu.Lock()
	defer s.drops.mu.Unlock()
	s.drops.addLocked(site, date, reason, n)
}

// Ruled counts n events of a site that a rule was about: not counted for this reason or, where the rule only watches, counted all the same. Rule 0 is
// what holds where the site has no rule.
func (s *Store) Ruled(site schema.Site, date schema.Date, reason string, rule uint64, watches bool, n int) {
	s.drops.mu.Lock()
	defer s.drops.mu.Unlock()
	if watches {
		reason = watchPrefix + reason
	}
	s.drops.addLocked(site, date, reason, n)
	if rule != 0 {
		s.drops.addLocked(site, date, rulePrefix+strconv.FormatUint(rule, 10), n)
	}
}

// number returns the number of a reason, or gives it one if there is room.
func (d *drops) number(reason string) (number uint16, ok bool) {
	if number, ok = d.numbers[reason]; ok {
		return number, true
	}
	isRule := strings.HasPrefix(reason, rulePrefix)
	if isRule && len(d.reasons)-d.words >= maxRuleCounts || !isRule && d.words >= maxDropReasons {
		return 0, false
	}
	if !isRule {
		d.words++
	}
	number = uint16(len(d.reasons))
	d.reasons = append(d.reasons, reason)
	d.numbers[reason] = number
	return number, true
}

func (d *drops) addLocked(site schema.Site, date schema.Date, reason string, n int) {
	if d.sites == nil {
		d.sites, d.dirty, d.numbers = map[schema.Site][]drop{}, map[dayKey]bool{}, map[string]uint16{}
	}
	number, ok := d.number(reason)
	if !ok {
		return
	}
	one := drop{date, number, int64(n)}
	all := d.sites[site]
	if i, known := slices.BinarySearchFunc(all, one, drop.compare); known {
		all[i].n += int64(n)
	} else {
		d.sites[site] = slices.Insert(all, i, one)
	}
	d.dirty[dayKey{site, date}] = true
}

// DropCounts returns how many events of a site were not counted from first to last, by reason and day.
func (s *Store) DropCounts(site schema.Site, first, last schema.Date) map[string]map[schema.Date]int64 {
	return s.drops.counts(site, first, last, func(reason string) (string, bool) { return reason, !strings.Contains(reason, ":") })
}

// WatchCounts returns how many events of a site from first to last were counted although a rule in watch mode was about them, by what would have been
// the reason, and day.
func (s *Store) WatchCounts(site schema.Site, first, last schema.Date) map[string]map[schema.Date]int64 {
	return s.drops.counts(site, first, last, func(reason string) (string, bool) { return strings.CutPrefix(reason, watchPrefix) })
}

// RuleCounts returns how many events of a site from first to last a rule was about, by rule and day.
func (s *Store) RuleCounts(site schema.Site, first, last schema.Date) map[uint64]map[schema.Date]int64 {
	out := map[uint64]map[schema.Date]int64{}
	for number, days := range s.drops.counts(site, first, last, func(reason string) (string, bool) { return strings.CutPrefix(reason, rulePrefix) }) {
		if rule, err := strconv.ParseUint(number, 10, 64); err == nil {
			out[rule] = days
		}
	}
	return out
}

// counts returns counts by what which makes of their reasons, and day.
func (d *drops) counts(site schema.Site, first, last schema.Date, which func(reason string) (name string, ok bool)) map[string]map[schema.Date]int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := map[string]map[schema.Date]int64{}
	for _, one := range d.between(site, first, last) {
		name, ok := which(d.reasons[one.reason])
		if !ok {
			continue
		}
		if out[name] == nil {
			out[name] = map[schema.Date]int64{}
		}
		out[name][one.date] = one.n
	}
	return out
}

func dropKey(k dayKey) []byte { return append(dayPrefix(k.site, k.date), 1) }

// flushDrops writes down the counts that have changed.
func (s *Store) flushDrops(ctx context.Context) error {
	s.drops.mu.Lock()
	changed := map[dayKey][]byte{}
	for k := range s.drops.dirty {
		counts := map[string]int64{}
		for _, d := range s.drops.between(k.site, k.date, k.date) {
			counts[s.drops.reasons[d.reason]] = d.n
		}
		plain, err := json.Marshal(counts)
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
	for _, one := range d.sites[site] {
		if k := (dayKey{site, one.date}); len(keys) == 0 || keys[len(keys)-1] != k {
			keys = append(keys, k)
		}
	}
	return keys
}

// forget drops counts that are to be no more.
func (d *drops) forget(which func(dayKey) bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for site, all := range d.sites {
		left := slices.DeleteFunc(all, func(one drop) bool { return which(dayKey{site, one.date}) })
		if d.sites[site] = left; len(left) == 0 {
			delete(d.sites, site)
		}
	}
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
		s.cfg.Logger.Error("counts of dropped events are damaged and left out", "site", dayKeyOf(key).site, "date", dayKeyOf(key).date, "error", err)
		return nil
	}
	for reason, n := range m {
		s.Dropped(dayKeyOf(key).site, dayKeyOf(key).date, reason, int(n))
	}
	s.drops.mu.Lock()
	delete(s.drops.dirty, dayKeyOf(key))
	s.drops.mu.Unlock()
	return nil
}
