package day

import (
	"cmp"
	"math/bits"
	"slices"

	"footfall/storage/schema"
)

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

// compact returns the view of a day that head is of, too.
func (u *unordered) compact(head *View, counting int) *View {
	renumbered := map[columnKey]renumbering{}
	for id, t := range u.texts {
		renumbered[columnKey{id: id}] = byFrequency(t.codes.count(len(t.words)), t.words)
	}
	for key, s := range u.sparse {
		codes := narrow{four: s.Codes}
		renumbered[key] = byFrequency(codes.count(len(s.Words)), s.Words)
	}
	u.sortVisitors(renumbered)
	v := u.arrange(renumbered)
	v.Date, v.Zone, v.Begin, v.Counting = head.Date, head.Zone, head.Begin, counting
	return v
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

// byFrequency renumbers words of which each is found so often: the most frequent is 0, equals stand in the order of their bytes.
func byFrequency(count []uint32, words []string) renumbering {
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
	keys := newSortKeys(u.visitors)
	for _, id := range likeness {
		if r := renumbered[columnKey{id: id}]; len(r.words) > 1 {
			codes := u.texts[id].codes.picked(first)
			r.renumber(codes)
			keys.add(codes, uint32(len(r.words)-1))
		}
	}
	begins := pick(firstRow, first)
	u.numbers[schema.EventTime].pick(begins, begins)
	keys.add(begins, maxSecond)
	order := keys.order()
	number := make([]uint32, u.visitors)
	for i, old := range order {
		number[old] = uint32(i)
	}
	for i, old := range u.visitor {
		u.visitor[i] = number[old]
	}
}

// sortKeys are numbers to sort by, of several columns: the bits of one behind those of the other, as many as the largest number has.
type sortKeys struct {
	n     int
	words [][]uint64 // 64 bits of each key, the highest first
	free  int        // bits of the last words
}

func newSortKeys(n int) *sortKeys { return &sortKeys{n: n} }

// add appends a column whose largest number is most.
func (k *sortKeys) add(column []uint32, most uint32) {
	width := bits.Len32(most)
	if k.free < width {
		k.words, k.free = append(k.words, make([]uint64, k.n)), 64
	}
	k.free -= width
	word := k.words[len(k.words)-1]
	for i, x := range column {
		word[i] |= uint64(x) << k.free
	}
}

// order returns the places of the keys, sorted; those of equal keys stand in their order.
func (k *sortKeys) order() []uint32 {
	order := make([]uint32, k.n)
	for i := range order {
		order[i] = uint32(i)
	}
	slices.SortFunc(order, func(a, b uint32) int {
		for _, w := range k.words {
			if w[a] != w[b] {
				return cmp.Compare(w[a], w[b])
			}
		}
		return cmp.Compare(a, b)
	})
	return order
}
