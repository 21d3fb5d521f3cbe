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

// arrange orders visits by visitor and rows by visit; visitors keep their numbers. Visits of one visitor keep their order.
func (u *unordered) arrange() *View {
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
	rows := byGroup(visitOfRow, len(visits))
	v := &View{
		Visitors: u.visitors, Visits: len(visits), Rows: len(rows), Props: propKeys(u.sparse),
		numbers: map[schema.ID][]uint32{schema.VisitVisitor: counts, schema.VisitRows: rowCounts},
		texts:   map[schema.ID]*Text{}, sparse: map[columnKey]*SparseText{}, part: ofDay,
	}
	for id, n := range u.numbers {
		v.numbers[id] = pick(n, rows)
	}
	for id, t := range u.texts {
		order := rows
		if schema.Columns[id].Level == schema.Visit {
			order = visits
		}
		v.texts[id] = spelled(pick(t.Codes, order), t.Words)
	}
	if len(u.sparse) > 0 {
		newRow := make([]uint32, len(rows))
		for i, old := range rows {
			newRow[old] = uint32(i)
		}
		for key, s := range u.sparse {
			v.sparse[key] = s.reorder(newRow)
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
	for id, t := range u.texts {
		u.texts[id] = byFrequency(t)
	}
	for key, s := range u.sparse {
		t := byFrequency(&Text{s.Codes, s.Dictionary})
		u.sparse[key] = &SparseText{s.Rows, t.Codes, t.Dictionary}
	}
	u.sortVisitors()
	v := u.arrange()
	v.Date, v.Zone, v.Begin, v.Counting = head.Date, head.Zone, head.Begin, counting
	return v
}

// add appends a view's visitors behind those already there.
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
		u.numbers[id] = append(u.numbers[id], n...)
	}
	for _, id := range storedTexts {
		t, err := v.Text(id)
		if err != nil {
			return err
		}
		if u.texts[id] == nil {
			u.texts[id] = &Text{}
		}
		u.texts[id].append(t.Codes, t.Words)
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

// byFrequency renumbers the words: the most frequent is 0, equals stand in the order of their bytes.
func byFrequency(t *Text) *Text {
	count := make([]uint32, len(t.Words))
	for _, c := range t.Codes {
		count[c]++
	}
	order := make([]uint32, 0, len(t.Words))
	for c, n := range count {
		if n > 0 {
			order = append(order, uint32(c))
		}
	}
	slices.SortFunc(order, func(a, b uint32) int {
		return cmp.Or(cmp.Compare(count[b], count[a]), cmp.Compare(t.Words[a], t.Words[b]))
	})
	to := make([]uint32, len(t.Words))
	words := make([]string, len(order))
	for i, c := range order {
		to[c] = uint32(i)
		words[i] = t.Words[c]
	}
	return spelled(pick(to, t.Codes), words)
}

// likeness is the order of columns by which visitors are sorted: first those that are the same in all visits of a
// visitor and decide others (a browser version has one browser, a city one country).
var likeness = []schema.ID{
	schema.Country, schema.OS, schema.Browser, schema.Device, schema.OSVersion, schema.BrowserVersion, schema.Language,
	schema.Region, schema.City, schema.Channel, schema.Source, schema.Referrer, schema.UTMSource, schema.UTMMedium, schema.UTMCampaign,
}

// sortVisitors renumbers visitors by the attributes of their first visit, then by its start.
func (u *unordered) sortVisitors() {
	first := make([]uint32, u.visitors)
	for visit := len(u.visitor) - 1; visit >= 0; visit-- {
		first[u.visitor[visit]] = uint32(visit)
	}
	firstRow := make([]uint32, len(u.visitor))
	for row := len(u.visit) - 1; row >= 0; row-- {
		firstRow[u.visit[row]] = uint32(row)
	}
	times := u.numbers[schema.EventTime]
	columns := make([][]uint32, len(likeness))
	for i, id := range likeness {
		columns[i] = u.texts[id].Codes
	}
	order := make([]uint32, u.visitors)
	for i := range order {
		order[i] = uint32(i)
	}
	slices.SortFunc(order, func(a, b uint32) int {
		x, y := first[a], first[b]
		for _, c := range columns {
			if c[x] != c[y] {
				return cmp.Compare(c[x], c[y])
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
