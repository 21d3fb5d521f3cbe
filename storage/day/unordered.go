package day

import (
	"slices"

	"footfall/storage/schema"
)

// unordered is a day whose visits and rows stand in any order. A large one fills much memory: its columns are kept narrow.
type unordered struct {
	visitors int
	visitor  []uint32 // by visit
	visit    []uint32 // by row; rows of one visit stand in their order
	numbers  map[schema.ID]*narrow
	texts    map[schema.ID]*narrowText
	sparse   map[columnKey]*SparseText
}

// narrowText is a Text whose codes are kept narrow.
type narrowText struct {
	codes narrow
	words []string
}

func newUnordered() *unordered {
	return &unordered{numbers: map[schema.ID]*narrow{}, texts: map[schema.ID]*narrowText{}, sparse: map[columnKey]*SparseText{}}
}

// arrange orders visits by visitor and rows by visit; visitors keep their numbers. Visits of one visitor keep their order. Columns that are
// in renumbered get new codes on the way. The columns of u are used up: each is let go of as its place is taken.
func (u *unordered) arrange(renumbered map[columnKey]renumbering) *View {
	visits := byGroup(u.visitor, u.visitors)
	place := make([]uint32, len(visits)) // of a visit in the view
	counts := make([]uint32, u.visitors)
	for i, old := range visits {
		place[old] = uint32(i)
		counts[u.visitor[old]]++
	}
	rowCounts := make([]uint32, len(visits))
	for r, old := range u.visit {
		u.visit[r] = place[old]
		rowCounts[place[old]]++
	}
	rows := byGroup(u.visit, len(visits))
	u.visit = nil
	v := &View{
		Visitors: u.visitors, Visits: len(visits), Rows: len(rows), Props: propKeys(u.sparse),
		numbers: map[schema.ID][]uint32{schema.VisitVisitor: counts, schema.VisitRows: rowCounts},
		texts:   map[schema.ID]*Text{}, sparse: map[columnKey]*SparseText{}, part: ofDay,
	}
	for id, n := range u.numbers {
		v.numbers[id] = n.picked(rows)
		delete(u.numbers, id)
	}
	for id, t := range u.texts {
		order := rows
		if schema.Columns[id].Level == schema.Visit {
			order = visits
		}
		codes, words := t.codes.picked(order), t.words
		if r, ok := renumbered[columnKey{id: id}]; ok {
			r.renumber(codes)
			words = r.words
		}
		v.texts[id] = spelled(codes, words)
		delete(u.texts, id)
	}
	if len(u.sparse) > 0 {
		newRow := make([]uint32, len(rows))
		for i, old := range rows {
			newRow[old] = uint32(i)
		}
		for key, s := range u.sparse {
			t := s.reorder(newRow)
			if r, ok := renumbered[key]; ok {
				r.renumber(t.Codes)
				t.Dictionary = Dictionary{Words: r.words}
			}
			v.sparse[key] = t
			delete(u.sparse, key)
		}
	}
	return v
}

// add appends a view's visitors behind those already there. It takes the columns of a view that nobody else has.
func (u *unordered) add(v *View) error {
	of, err := v.VisitorOf()
	if err != nil {
		return err
	}
	starts, err := v.RowStarts()
	if err != nil {
		return err
	}
	firstVisit, firstRow := uint32(len(u.visitor)), uint32(len(u.visit))
	u.visitor, u.visit = slices.Grow(u.visitor, v.Visits), slices.Grow(u.visit, v.Rows)
	for visit, visitor := range of {
		u.visitor = append(u.visitor, visitor+uint32(u.visitors))
		for range starts[visit+1] - starts[visit] {
			u.visit = append(u.visit, firstVisit+uint32(visit))
		}
	}
	u.visitors += v.Visitors
	for _, id := range storedNumbers {
		n, err := v.Numbers(id)
		if err != nil {
			return err
		}
		if u.numbers[id] == nil {
			u.numbers[id] = &narrow{}
		}
		u.numbers[id].appendAll(n)
		v.yield(id)
	}
	for _, id := range storedTexts {
		t, err := v.Text(id)
		if err != nil {
			return err
		}
		into := u.texts[id]
		if into == nil {
			into = &narrowText{}
			u.texts[id] = into
		}
		codes := t.Codes
		if len(into.words) == 0 {
			into.words = slices.Clip(t.Words)
		} else {
			codes = pick(merge(&into.words, t.Words), codes)
		}
		into.codes.appendAll(codes)
		v.yield(id)
	}
	for _, key := range v.sparseKeys() {
		s, err := v.sparseText(key)
		if err != nil {
			return err
		}
		if len(s.Rows) == 0 {
			continue
		}
		into := u.sparse[key]
		if into == nil {
			into = &SparseText{}
			u.sparse[key] = into
		}
		for _, r := range s.Rows {
			into.Rows = append(into.Rows, firstRow+r)
		}
		into.Codes = append(into.Codes, pick(merge(&into.Words, s.Words), s.Codes)...)
	}
	return nil
}

// merge adds the words of other that words lacks, and returns where each of other is.
func merge(words *[]string, other []string) []uint32 {
	index := make(map[string]uint32, len(*words))
	for i, w := range *words {
		index[w] = uint32(i)
	}
	to := make([]uint32, len(other))
	for i, w := range other {
		c, ok := index[w]
		if !ok {
			c = uint32(len(*words))
			*words = append(*words, w)
			index[w] = c
		}
		to[i] = c
	}
	return to
}
