package storage

import (
	"strings"

	"footfall/storage/schema"
)

// foldPrefix begins what is kept among the reasons for dropped events: how many values of a dimension became day.Other.
const foldPrefix = "other:"

// fold counts values that became day.Other because their day had no room for more different ones.
func (s *Store) fold(key dayKey, folded map[schema.ID]int64) {
	for id, n := range folded {
		s.Dropped(key.site, key.date, foldPrefix+foldedName(id), int(n))
		s.folds[id].Add(n)
	}
}

// foldedName is the dimension whose values were folded, all properties being one; a column that is no dimension goes by its own name.
func foldedName(id schema.ID) string {
	if c := &schema.Columns[id]; c.API != "" {
		return strings.TrimSuffix(c.API, ":")
	}
	return schema.Columns[id].Name
}

// Folded returns how many values became day.Other from first to last because their day had too many different ones, by dimension; all
// properties are "event:props". The events are counted. Entry and exit pages are pages.
func (s *Store) Folded(site schema.Site, first, last schema.Date) map[string]int64 {
	s.drops.mu.Lock()
	defer s.drops.mu.Unlock()
	out := map[string]int64{}
	for _, d := range s.drops.between(site, first, last) {
		if name, ok := strings.CutPrefix(s.drops.reasons[d.reason], foldPrefix); ok {
			out[name] += d.n
		}
	}
	return out
}

// FoldedSince returns how many values became day.Other since the store was opened, by dimension: of every one that can.
func (s *Store) FoldedSince() map[string]int64 {
	out := map[string]int64{}
	for id := range schema.Columns {
		if k := schema.Columns[id].Kind; k == schema.String || k == schema.Sparse {
			out[foldedName(schema.ID(id))] = s.folds[id].Load()
		}
	}
	return out
}
