package day

import (
	"fmt"
	"slices"
	"sync"

	"footfall/storage/column"
	"footfall/storage/schema"
)

// live is an open day at one moment, arranged for reading. Its parts are blocks of visitors. Nothing of it changes: what comes in later is
// behind the ends of its slices. A column of a part is put together when it is asked for, from the pieces that layers hold of the block and
// from the tail, so that a day of any size takes the memory of a part.
type live struct {
	open     *Open
	counting int
	props    []string
	layers   []*layer
	tail     tail
	sparse   map[columnKey]sparseTail
	words    map[columnKey][]string

	all     part
	parts   []part
	visits  []uint32 // by part: its first visit in the arrangement
	visitor []uint32 // by number of a visit
	counts  []uint32 // by visitor: its visits
	place   []uint32 // by number of a visit: its place in the arrangement
	order   []uint32 // rows of the tail as they are arranged
	orderAt []uint32 // by part: where its rows begin there; one more at the end
	begun   []uint32 // visits that begin in the tail, as they are arranged
	begunAt []uint32 // by part, likewise

	mu     sync.Mutex // guards all below
	sorted map[columnKey]sparseTail
	chunks []heldChunk // by layer
}

// sparseTail is a sparse column of the tail: rows are places in the tail, or in live.order where it is sorted.
type sparseTail struct{ rows, codes []uint32 }

// heldChunk is the chunk of a layer that was read last: the next part is likely to be in it.
type heldChunk struct {
	number int
	bytes  []byte
}

// blockVisitors visitors are a part of an open day: about as many rows as a part of a sealed one.
const blockVisitors = 8192

// arrangeLocked makes the arrangement of the rows there are.
func (o *Open) arrangeLocked() *live {
	l := &live{
		open: o, counting: o.counting, layers: slices.Clip(o.layers), tail: o.tail, visitor: slices.Clip(o.visitor),
		sparse: map[columnKey]sparseTail{}, words: map[columnKey][]string{}, sorted: map[columnKey]sparseTail{}, chunks: make([]heldChunk, len(o.layers)),
		all: part{visitors: o.visitors.len(), visits: len(o.visitor), rows: o.rowsLocked()},
	}
	for _, d := range o.dictionaries {
		l.words[columnKey{d.id, d.key}] = slices.Clip(d.words)
	}
	for key, s := range o.sparse {
		if len(s.rows) > 0 {
			l.sparse[key] = sparseTail{slices.Clip(s.rows), slices.Clip(s.codes)}
		}
		if key.id == schema.EventProps && (len(s.rows) > 0 || s.inLayer) {
			l.props = append(l.props, key.prop)
		}
	}
	slices.Sort(l.props)
	l.arrangeVisits()
	l.arrangeTail()
	l.countRows()
	return l
}

// arrangeVisits places visits in the order of their visitors, those of one visitor in their own.
func (l *live) arrangeVisits() {
	visits := byGroup(l.visitor, l.all.visitors)
	l.place = make([]uint32, len(visits))
	l.counts = make([]uint32, l.all.visitors)
	for i, visit := range visits {
		l.place[visit] = uint32(i)
		l.counts[l.visitor[visit]]++
	}
	at := uint32(0)
	for from := 0; from < l.all.visitors || from == 0; from += blockVisitors {
		p := part{visitors: min(blockVisitors, l.all.visitors-from)}
		for _, n := range l.counts[from : from+p.visitors] {
			p.visits += int(n)
		}
		l.parts, l.visits = append(l.parts, p), append(l.visits, at)
		at += uint32(p.visits)
	}
	l.begunAt = make([]uint32, len(l.parts)+1)
	for visit := l.tail.first; visit < len(l.visitor); visit++ {
		l.begunAt[l.visitor[visit]/blockVisitors+1]++
	}
	for _, visit := range visits {
		if int(visit) >= l.tail.first {
			l.begun = append(l.begun, visit)
		}
	}
	addUp(l.begunAt)
}

// arrangeTail orders the rows in memory by their visits.
func (l *live) arrangeTail() {
	places := make([]uint32, len(l.tail.visit))
	l.orderAt = make([]uint32, len(l.parts)+1)
	for row, visit := range l.tail.visit {
		places[row] = l.place[visit]
		l.orderAt[l.visitor[visit]/blockVisitors+1]++
	}
	addUp(l.orderAt)
	l.order = byGroup(places, l.all.visits)
}

func (l *live) countRows() {
	for i := range l.parts {
		l.parts[i].rows = int(l.orderAt[i+1] - l.orderAt[i])
	}
	for _, y := range l.layers {
		for _, p := range y.pieces {
			l.parts[p.block].rows += int(p.rows)
		}
	}
}

// addUp makes of counts, which stand one place on, where each begins.
func addUp(counts []uint32) {
	for i := 1; i < len(counts); i++ {
		counts[i] += counts[i-1]
	}
}

// span returns the parts that v is made of, and its first visit.
func (l *live) span(v *View) (first, end int, visit uint32) {
	if v.part == ofDay {
		return 0, len(l.parts), 0
	}
	return v.part, v.part + 1, l.visits[v.part]
}

// eachPiece calls fn for the pieces of v, layer by layer and so in the order of time.
func (l *live) eachPiece(v *View, fn func(y *layer, p *piece) error) error {
	first, end, _ := l.span(v)
	for i, y := range l.layers {
		from, _ := slices.BinarySearchFunc(y.pieces, first, func(p pieceAt, block int) int { return int(p.block) - block })
		for j := from; j < len(y.pieces) && int(y.pieces[j].block) < end; j++ {
			p, err := l.piece(v, i, j)
			if err != nil {
				return err
			}
			if err := fn(y, p); err != nil {
				return err
			}
		}
	}
	return nil
}

// rowsOf returns which rows of the tail v has, and visitsOf which visits that begin there.
func (l *live) rowsOf(v *View) []uint32 {
	first, end, _ := l.span(v)
	return l.order[l.orderAt[first]:l.orderAt[end]]
}

func (l *live) visitsOf(v *View) []uint32 {
	first, end, _ := l.span(v)
	return l.begun[l.begunAt[first]:l.begunAt[end]]
}

// targetsLocked returns for each row of v, as pieces and tail hold them one after the other, its row in the view. It counts the rows
// of visits on the way.
func (l *live) targetsLocked(v *View) ([]uint32, error) {
	if v.targets != nil || v.Rows == 0 {
		return v.targets, nil
	}
	_, _, first := l.span(v)
	targets, counts := v.take(v.Rows)[:0], v.take(v.Visits)
	clear(counts)
	put := func(visits []uint32) error {
		for _, visit := range visits {
			if int(visit) >= len(l.place) || int(l.place[visit]-first) >= v.Visits || len(targets) == v.Rows {
				return fmt.Errorf("%w: a row of a layer belongs to no visit", column.ErrCorrupt)
			}
			local := l.place[visit] - first
			counts[local]++
			targets = append(targets, local)
		}
		return nil
	}
	err := l.eachPiece(v, func(_ *layer, p *piece) error {
		visits, err := p.numbers(v, pieceVisits, p.rows)
		if err != nil {
			return err
		}
		return put(visits)
	})
	if err != nil {
		return nil, err
	}
	for _, row := range l.rowsOf(v) {
		if err := put(l.tail.visit[row : row+1]); err != nil {
			return nil, err
		}
	}
	if len(targets) != v.Rows {
		return nil, fmt.Errorf("%w: rows of layers", column.ErrCorrupt)
	}
	next := v.take(v.Visits)
	at := uint32(0)
	for i, n := range counts {
		next[i] = at
		at += n
	}
	for i, local := range targets {
		targets[i] = next[local]
		next[local]++
	}
	v.numbers[schema.VisitRows], v.targets = counts, targets
	return targets, nil
}

// numbersLocked returns a number column of v.
func (l *live) numbersLocked(v *View, id schema.ID) ([]uint32, error) {
	switch id {
	case schema.VisitVisitor:
		first, end, _ := l.span(v)
		return l.counts[min(first*blockVisitors, len(l.counts)):min(end*blockVisitors, len(l.counts))], nil
	case schema.VisitRows:
		if _, err := l.targetsLocked(v); err != nil {
			return nil, err
		}
		if v.Rows == 0 {
			return nil, nil
		}
		return v.numbers[schema.VisitRows], nil
	}
	return l.rowsLocked(v, id)
}

// rowsLocked returns a column of v that every row has.
func (l *live) rowsLocked(v *View, id schema.ID) ([]uint32, error) {
	targets, err := l.targetsLocked(v)
	if err != nil {
		return nil, err
	}
	at, out := rowColumn(id), v.take(v.Rows)
	err = l.eachPiece(v, func(_ *layer, p *piece) error {
		n, err := p.numbers(v, pieceRows+at, p.rows)
		if err != nil {
			return err
		}
		for i, x := range n {
			out[targets[i]] = x
		}
		targets = targets[len(n):]
		return nil
	})
	if err != nil {
		return nil, err
	}
	rows := l.rowsOf(v)
	values := v.take(len(rows))
	l.tail.rows[at].pick(values, rows)
	for i, x := range values {
		out[targets[i]] = x
	}
	return out, nil
}

// textLocked returns a text column of v.
func (l *live) textLocked(v *View, id schema.ID) (*Text, error) {
	t := &Text{Dictionary: l.dictionary(columnKey{id: id}, v.lexicon)}
	var err error
	if schema.Columns[id].Level == schema.Event {
		t.Codes, err = l.rowsLocked(v, id)
	} else {
		t.Codes, err = l.attributesLocked(v, id)
	}
	if err != nil {
		return nil, err
	}
	return t, below(t.Codes, t.Len())
}

// attributesLocked returns an attribute of the visits of v, by their codes.
func (l *live) attributesLocked(v *View, id schema.ID) ([]uint32, error) {
	_, _, first := l.span(v)
	out, n := v.take(v.Visits), 0
	put := func(visits, codes []uint32) error {
		for i, visit := range visits {
			if int(visit) >= len(l.place) || int(l.place[visit]-first) >= v.Visits {
				return fmt.Errorf("%w: a layer begins a visit of another part", column.ErrCorrupt)
			}
			out[l.place[visit]-first] = codes[i]
		}
		n += len(visits)
		return nil
	}
	err := l.eachPiece(v, func(_ *layer, p *piece) error {
		visits, err := p.numbers(v, pieceBegun, p.begun)
		if err != nil {
			return err
		}
		codes, err := p.numbers(v, pieceAttributes+int(id), p.begun)
		if err != nil {
			return err
		}
		return put(visits, codes)
	})
	if err != nil {
		return nil, err
	}
	visits := l.visitsOf(v)
	at, codes := v.take(len(visits)), v.take(len(visits))
	for i, visit := range visits {
		at[i] = visit - uint32(l.tail.first)
	}
	l.tail.begun[id].pick(codes, at)
	if err := put(visits, codes); err != nil {
		return nil, err
	}
	if n != v.Visits {
		return nil, fmt.Errorf("%w: visits of layers", column.ErrCorrupt)
	}
	return out, nil
}

// sparseLocked returns a sparse column of v.
func (l *live) sparseLocked(v *View, key columnKey) (*SparseText, error) {
	out := &SparseText{Dictionary: l.dictionary(key, v.lexicon)}
	targets, err := l.targetsLocked(v)
	if err != nil {
		return nil, err
	}
	var found []uint64 // row and code
	err = l.eachPiece(v, func(y *layer, p *piece) error {
		rows, codes, err := p.sparse(v, slices.Index(y.sparse, key))
		if err != nil {
			return err
		}
		for i, row := range rows {
			found = append(found, uint64(targets[row])<<32|uint64(codes[i]))
		}
		targets = targets[p.rows:]
		return nil
	})
	if err != nil {
		return nil, err
	}
	s := l.sortedTail(key)
	first, end, _ := l.span(v)
	from, _ := slices.BinarySearch(s.rows, l.orderAt[first])
	to, _ := slices.BinarySearch(s.rows, l.orderAt[end])
	for i := from; i < to; i++ {
		found = append(found, uint64(targets[s.rows[i]-l.orderAt[first]])<<32|uint64(s.codes[i]))
	}
	slices.Sort(found)
	for _, x := range found {
		out.Rows, out.Codes = append(out.Rows, uint32(x>>32)), append(out.Codes, uint32(x))
	}
	return out, below(out.Codes, out.Len())
}

// sortedTail returns a sparse column of the tail by places in order.
func (l *live) sortedTail(key columnKey) sparseTail {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s, ok := l.sorted[key]; ok {
		return s
	}
	raw := l.sparse[key]
	place := make([]uint32, len(l.order))
	for i, row := range l.order {
		place[row] = uint32(i)
	}
	s := (&SparseText{Rows: raw.rows, Codes: raw.codes}).reorder(place)
	l.sorted[key] = sparseTail{s.Rows, s.Codes}
	return l.sorted[key]
}

// dictionary returns the words of a column, numbered in x or, where that is nil, spelled out.
func (l *live) dictionary(key columnKey, x *Lexicon) Dictionary {
	words := l.words[key]
	if len(words) == 0 {
		words = []string{""}
	}
	switch {
	case x == nil:
		return Dictionary{Words: words}
	case len(l.words[key]) == 0:
		return Dictionary{Numbers: x.vocabulary(key).Numbers(words), Vocabulary: x.vocabulary(key)}
	}
	return Dictionary{Numbers: l.open.numbered.numbers(x, key, words), Vocabulary: x.vocabulary(key)}
}

// numbered keeps the numbers of an open day's words in the lexicon they were last asked for in: the day learns words, but forgets none.
type numbered struct {
	mu      sync.Mutex // guards both
	lexicon *Lexicon
	columns map[columnKey][]uint32
}

func (n *numbered) numbers(x *Lexicon, key columnKey, words []string) []uint32 {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.lexicon != x {
		n.lexicon, n.columns = x, map[columnKey][]uint32{}
	}
	known := n.columns[key]
	if len(known) < len(words) {
		known = append(known, x.vocabulary(key).Numbers(words[len(known):])...)
		n.columns[key] = known
	}
	return known[:len(words):len(words)]
}
