package day

import (
	"cmp"
	"slices"

	"footfall/storage/schema"
)

// unordered is a day whose visits and rows stand in any order.
type unordered struct {
	visitors int
	visitor  []uint32 // by visit
	visit    []uint32 // by row; rows of one visit stand in their order
	numbers  map[schema.ID][]uint32
	texts    map[schema.ID]*Text
	sparse   map[columnKey]*SparseText
}

// arrange orders visits by visitor and rows by visit; visitors keep their numbers. Visits of one visitor keep their order. Columns that are
// in renumbered get new codes on the way. The columns of u are used up: each is let go of as its place is taken, for a large day's fill
// much memory.
func (u *unordered) arrange(renumbered map[columnKey]renumbering) *View {
	visits := byGroup(u.visitor, u.visitors)
	place := make([]uint32, len(visits)) // of a visit in the view
	counts := make([]uint32, u.visitors)
	for i, old := range visits {
		place[old] = uint32(i)
		counts[u.visitor[old]]++
	}
	visitOfRow := make([]uint32, len(u.visit))
	rowCounts := make([]uint32, len(visits))
	for r, old := range u.visit {
		visitOfRow[r] = place[old]
		rowCounts[place[old]]++
	}
	u.visit = nil
	rows := byGroup(visitOfRow, len(visits))
	visitOfRow = nil
	v := &View{
		Visitors: u.visitors, Visits: len(visits), Rows: len(rows), Props: propKeys(u.sparse),
		numbers: map[schema.ID][]uint32{schema.VisitVisitor: counts, schema.VisitRows: rowCounts},
		texts:   map[schema.ID]*Text{}, sparse: map[columnKey]*SparseText{}, part: ofDay,
	}
	for id, n := range u.numbers {
		v.numbers[id] = pick(n, rows)
		delete(u.numbers, id)
	}
	for id, t := range u.texts {
		order := rows
		if schema.Columns[id].Level == schema.Visit {
			order = visits
		}
		codes, words := pick(t.Codes, order), t.Words
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

// reorder moves the rows of a sparse column to their new places.
func (s *SparseText) reorder(place []uint32) *SparseText {
	type pair struct{ row, code uint32 }
	pairs := make([]pair, len(s.Rows))
	for i, r := range s.Rows {
		pairs[i] = pair{place[r], s.Codes[i]}
	}
	slices.SortFunc(pairs, func(a, b pair) int { return cmp.Compare(a.row, b.row) })
	out := &SparseText{make([]uint32, len(pairs)), make([]uint32, len(pairs)), s.Dictionary}
	for i, p := range pairs {
		out.Rows[i], out.Codes[i] = p.row, p.code
	}
	return out
}

// byGroup returns the positions of group sorted by its values, which are below n; equal ones keep their order.
func byGroup(group []uint32, n int) []uint32 {
	next := make([]uint32, n+1)
	for _, g := range group {
		next[g+1]++
	}
	for i := range n {
		next[i+1] += next[i]
	}
	out := make([]uint32, len(group))
	for i, g := range group {
		out[next[g]] = uint32(i)
		next[g]++
	}
	return out
}

func pick(v, order []uint32) []uint32 {
	out := make([]uint32, len(order))
	for i, at := range order {
		out[i] = v[at]
	}
	return out
}

func propKeys(sparse map[columnKey]*SparseText) []string {
	var keys []string
	for k := range sparse {
		if k.id == schema.EventProps {
			keys = append(keys, k.prop)
		}
	}
	slices.Sort(keys)
	return keys
}

// sparseKeys names the sparse columns a view may have: revenue, then properties.
func (v *View) sparseKeys() []columnKey {
	keys := []columnKey{amountKey, currencyKey}
	for _, prop := range v.Props {
		keys = append(keys, propKey(prop))
	}
	return keys
}

// Merge returns one view in memory of all that the views of one day hold. Their visitors are different people.
func Merge(views ...*View) (*View, error) { return compact(views...) }

// compact gives frequent words small codes, drops words without rows, and puts visitors that look alike side by side: then
// most visit columns are a few long runs. Order of visitors carries no meaning, so it is free to choose.
func compact(views ...*View) (*View, error) {
	u := newUnordered()
	counting := 0
	for _, v := range views {
		if err := u.add(v); err != nil {
			return nil, err
		}
		counting += v.Counting
	}
	return u.compact(views[0], counting), nil
}

func newUnordered() *unordered {
	return &unordered{numbers: map[schema.ID][]uint32{}, texts: map[schema.ID]*Text{}, sparse: map[columnKey]*SparseText{}}
}

// compact returns the view of a day that head is of, too.
func (u *unordered) compact(head *View, counting int) *View {
	renumbered := map[columnKey]renumbering{}
	for id, t := range u.texts {
		renumbered[columnKey{id: id}] = byFrequency(t.Codes, t.Words)
	}
	for key, s := range u.sparse {
		renumbered[key] = byFrequency(s.Codes, s.Words)
	}
	u.sortVisitors(renumbered)
	v := u.arrange(renumbered)
	v.Date, v.Zone, v.Begin, v.Counting = head.Date, head.Zone, head.Begin, counting
	return v
}

// add appends a view's visitors behind those already there. The columns of the first view are not copied.
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
		if firstRow == 0 {
			u.numbers[id] = slices.Clip(n)
		} else {
			u.numbers[id] = append(u.numbers[id], n...)
		}
	}
	for _, id := range storedTexts {
		t, err := v.Text(id)
		if err != nil {
			return err
		}
		if firstRow == 0 {
			u.texts[id] = spelled(slices.Clip(t.Codes), slices.Clip(t.Words))
		} else {
			u.texts[id].append(t.Codes, t.Words)
		}
	}
	for _, key := range v.sparseKeys() {
		s, err := v.sparseText(key)
		if err != nil {
			return err
		}
		if len(s.Rows) == 0 {
			continue
		}
		if u.sparse[key] == nil {
			u.sparse[key] = &SparseText{}
		}
		into := u.sparse[key]
		for _, r := range s.Rows {
			into.Rows = append(into.Rows, firstRow+r)
		}
		t := Text{into.Codes, into.Dictionary}
		t.append(s.Codes, s.Words)
		into.Codes, into.Words = t.Codes, t.Words
	}
	if v.yields {
		v.mu.Lock()
		defer v.mu.Unlock()
		clear(v.numbers)
		clear(v.texts)
		clear(v.sparse)
		v.starts, v.visitor = nil, nil
	}
	return nil
}

// The columns a view keeps, apart from those that give the shape.
var (
	storedNumbers = []schema.ID{schema.EventTime, schema.EventInteractive, schema.EventScrollDepth, schema.EventEngagement}
	storedTexts   = func() (ids []schema.ID) {
		for id := range schema.Columns {
			if schema.Columns[id].Kind == schema.String {
				ids = append(ids, schema.ID(id))
			}
		}
		return ids
	}()
)

// append adds codes of another dictionary.
func (t *Text) append(codes []uint32, words []string) {
	index := make(map[string]uint32, len(t.Words))
	for i, w := range t.Words {
		index[w] = uint32(i)
	}
	to := make([]uint32, len(words))
	for i, w := range words {
		c, ok := index[w]
		if !ok {
			c = uint32(len(t.Words))
			t.Words = append(t.Words, w)
			index[w] = c
		}
		to[i] = c
	}
	out := append(make([]uint32, 0, len(t.Codes)+len(codes)), t.Codes...)
	for _, c := range codes {
		out = append(out, to[c])
	}
	t.Codes = out
}

// renumbering is what the codes of a dictionary become, and its words in their new order. Words without rows are not among them.
type renumbering struct {
	to    []uint32
	words []string
}

func (r *renumbering) renumber(codes []uint32) {
	for i, c := range codes {
		codes[i] = r.to[c]
	}
}

// byFrequency renumbers words: the most frequent is 0, equals stand in the order of their bytes.
func byFrequency(codes []uint32, words []string) renumbering {
	count := make([]uint32, len(words))
	for _, c := range codes {
		count[c]++
	}
	order := make([]uint32, 0, len(words))
	for c, n := range count {
		if n > 0 {
			order = append(order, uint32(c))
		}
	}
	slices.SortFunc(order, func(a, b uint32) int {
		return cmp.Or(cmp.Compare(count[b], count[a]), cmp.Compare(words[a], words[b]))
	})
	r := renumbering{make([]uint32, len(words)), make([]string, len(order))}
	for i, c := range order {
		r.to[c] = uint32(i)
		r.words[i] = words[c]
	}
	return r
}

// likeness is the order of columns by which visitors are sorted: first those that are the same in all visits of a
// visitor and decide others (a browser version has one browser, a city one country).
var likeness = []schema.ID{
	schema.Country, schema.OS, schema.Browser, schema.Device, schema.OSVersion, schema.BrowserVersion, schema.Language,
	schema.Region, schema.City, schema.Channel, schema.Source, schema.Referrer, schema.UTMSource, schema.UTMMedium, schema.UTMCampaign,
}

// sortVisitors renumbers visitors by the attributes of their first visit, then by its start.
func (u *unordered) sortVisitors(renumbered map[columnKey]renumbering) {
	first := make([]uint32, u.visitors)
	for visit := len(u.visitor) - 1; visit >= 0; visit-- {
		first[u.visitor[visit]] = uint32(visit)
	}
	firstRow := make([]uint32, len(u.visitor))
	for row := len(u.visit) - 1; row >= 0; row-- {
		firstRow[u.visit[row]] = uint32(row)
	}
	times := u.numbers[schema.EventTime]
	var columns []struct{ codes, to []uint32 }
	for _, id := range likeness {
		if r := renumbered[columnKey{id: id}]; len(r.words) > 1 {
			columns = append(columns, struct{ codes, to []uint32 }{u.texts[id].Codes, r.to})
		}
	}
	order := make([]uint32, u.visitors)
	for i := range order {
		order[i] = uint32(i)
	}
	slices.SortFunc(order, func(a, b uint32) int {
		x, y := first[a], first[b]
		for i := range columns {
			c := &columns[i]
			if c.codes[x] != c.codes[y] {
				return cmp.Compare(c.to[c.codes[x]], c.to[c.codes[y]])
			}
		}
		return cmp.Or(cmp.Compare(times[firstRow[x]], times[firstRow[y]]), cmp.Compare(a, b))
	})
	number := make([]uint32, u.visitors)
	for i, old := range order {
		number[old] = uint32(i)
	}
	for i, old := range u.visitor {
		u.visitor[i] = number[old]
	}
}
