package day

import (
	"encoding/binary"
	"fmt"
	"slices"

	"footfall/storage/column"
	"footfall/storage/schema"
)

// A layer holds rows of an open day that were put down, so that they take no memory: those of some journal values that followed one another, which
// it replaces, with the visits and words they brought. Its pieces hold the rows of a block of visitors each, in the order of
// visitors, visits and arrival. A visit may go on from layer to layer. A layer is cut into chunks of MaxChunk bytes, the last one shorter.
//
//	byte     version, 1
//	uvarint  number of the first journal value that comes behind it
//	uvarint  rows, counting events
//	         dictionaries with new words, as in a journal value
//	uvarint  number of sparse columns it has, then for each: byte column; string key, only for a property
//	uvarint  number of new visitors, then the id of each, 8 bytes big-endian
//	uvarint  number of visits that begin, then uvarint length and column.Numbers: the visitor of each
//	uvarint  number of pieces, then for each: uvarint block of visitors, uvarint rows, uvarint length
//	         the pieces
//
//	piece    uvarint  visits that begin
//	         streams, each uvarint length and column.Numbers: a value a row: visit, then each of rowColumns; a value a visit that
//	         begins: its number, then each attribute
//	         for each sparse column of the layer: uvarint rows that have a value, and if any, uvarint length and column.Numbers twice: the
//	         rows, counted from the piece's first, and their codes
//
// Times are seconds since the day began.
const layerVersion = 1

// Streams of a piece, by their place.
const (
	pieceVisits     = 0
	pieceRows       = 1
	pieceBegun      = pieceRows + len(rowColumns)
	pieceAttributes = pieceBegun + 1
	pieceStreams    = pieceAttributes + schema.NumAttributes
)

// layer is a layer in the file.
type layer struct {
	pieces []pieceAt // by block
	sparse []columnKey
	size   int
	fetch  Fetch
}

type pieceAt struct {
	block, rows uint32
	at          uint32 // in the bytes of the layer; it ends where the next one begins, or the layer does
}

// piece is a piece that was read.
type piece struct {
	rows, begun int
	streams     [pieceStreams][]byte
	found       []sparsePiece
}

type sparsePiece struct {
	n           int
	rows, codes []byte
}

func parsePiece(b []byte, rows, sparse int) (*piece, error) {
	r := &reader{b: b}
	p := &piece{rows: rows, begun: int(r.uvarint())}
	for i := range p.streams {
		p.streams[i] = r.take(uint64(r.count()))
	}
	for range sparse {
		s := sparsePiece{n: int(r.uvarint())}
		if s.n > 0 {
			s.rows, s.codes = r.take(uint64(r.count())), r.take(uint64(r.count()))
		}
		p.found = append(p.found, s)
	}
	if r.bad || len(r.b) > 0 || p.begun > rows {
		return nil, fmt.Errorf("%w: a piece of a layer", column.ErrCorrupt)
	}
	return p, nil
}

// numbers decodes a stream of n numbers.
func (p *piece) numbers(v *View, stream, n int) ([]uint32, error) {
	return v.memory.Numbers(p.streams[stream], n)
}

// sparse decodes a sparse column by its place in the layer, -1 for none.
func (p *piece) sparse(v *View, i int) (rows, codes []uint32, err error) {
	if i < 0 || p.found[i].n == 0 {
		return nil, nil, nil
	}
	s := p.found[i]
	if rows, err = v.memory.Numbers(s.rows, s.n); err != nil {
		return nil, nil, err
	}
	if err := below(rows, p.rows); err != nil {
		return nil, nil, err
	}
	codes, err = v.memory.Numbers(s.codes, s.n)
	return rows, codes, err
}

// piece returns a piece of a layer for v. The pieces of a part are kept with it.
func (l *live) piece(v *View, i, j int) (*piece, error) {
	key := [2]int{i, j}
	if p := v.pieces[key]; p != nil {
		return p, nil
	}
	y := l.layers[i]
	end := y.size
	if j+1 < len(y.pieces) {
		end = int(y.pieces[j+1].at)
	}
	b, err := l.bytes(i, int(y.pieces[j].at), end)
	if err != nil {
		return nil, err
	}
	p, err := parsePiece(b, int(y.pieces[j].rows), len(y.sparse))
	if err == nil && v.part != ofDay {
		if v.pieces == nil {
			v.pieces = map[[2]int]*piece{}
		}
		v.pieces[key] = p
	}
	return p, err
}

// bytes returns bytes of a layer.
func (l *live) bytes(i, from, end int) ([]byte, error) {
	var out []byte
	for at := from; at < end; {
		number := at / MaxChunk
		chunk, err := l.chunk(i, number)
		if err != nil {
			return nil, err
		}
		part := chunk[at%MaxChunk : min(len(chunk), end-number*MaxChunk)]
		if len(part) == end-from {
			return part, nil
		}
		out = append(out, part...)
		at += len(part)
	}
	return out, nil
}

func (l *live) chunk(i, number int) ([]byte, error) {
	l.mu.Lock()
	held := l.chunks[i]
	l.mu.Unlock()
	if held.bytes != nil && held.number == number {
		return held.bytes, nil
	}
	y := l.layers[i]
	b, err := y.fetch(nil, number)
	if err != nil {
		return nil, err
	}
	if want := min(MaxChunk, y.size-number*MaxChunk); len(b) != want {
		return nil, fmt.Errorf("%w: chunk %d of a layer has %d bytes, not %d", column.ErrCorrupt, number, len(b), want)
	}
	l.mu.Lock()
	l.chunks[i] = heldChunk{number, b}
	l.mu.Unlock()
	return b, nil
}

// Layer is rows of an open day on their way to the file.
type Layer struct {
	open     *Open
	next     uint64
	tail     tail
	visitor  []uint32 // by number of a visit
	ids      []uint64 // of all visitors
	visitors int      // those before are in layers
	counting int
	sparse   []layerSparse
	words    []layerWords
	made     layer
}

type layerSparse struct {
	key columnKey
	sparseTail
}

type layerWords struct {
	id    schema.ID
	key   string
	first int
	words []string
	of    *growing
}

// Layer takes all rows that are in memory. They came with journal values before next; none may be replayed meanwhile. Encode may then run
// beside whatever comes in, and when the layer is in the file, in the place of these values, Adopt lets the day know.
func (o *Open) Layer(next uint64) *Layer {
	o.mu.RLock()
	defer o.mu.RUnlock()
	y := &Layer{open: o, next: next, tail: o.tail, visitor: slices.Clip(o.visitor), ids: slices.Clip(o.visitors.ids), visitors: o.layeredVisitors}
	for key, s := range o.sparse {
		if len(s.rows) > 0 {
			y.sparse = append(y.sparse, layerSparse{key, sparseTail{slices.Clip(s.rows), slices.Clip(s.codes)}})
		}
	}
	slices.SortFunc(y.sparse, func(a, b layerSparse) int { return a.key.compare(b.key) })
	for _, d := range o.dictionaries {
		if d.layered < d.durable {
			y.words = append(y.words, layerWords{d.id, d.key, d.layered, d.words[d.layered:d.durable:d.durable], d.growing})
		}
	}
	y.counting = o.counting - o.layeredCounting
	return y
}

// Rows returns how many rows the layer takes.
func (y *Layer) Rows() int { return len(y.tail.visit) }

// Encode returns the layer's bytes, to be cut into chunks.
func (y *Layer) Encode() []byte {
	b := []byte{layerVersion}
	for _, n := range []uint64{y.next, uint64(y.Rows()), uint64(y.counting), uint64(len(y.words))} {
		b = binary.AppendUvarint(b, n)
	}
	for _, w := range y.words {
		b = appendWords(b, w.id, w.key, w.first, w.words)
	}
	b = binary.AppendUvarint(b, uint64(len(y.sparse)))
	for _, s := range y.sparse {
		b = append(b, byte(s.key.id))
		if s.key.id == schema.EventProps {
			b = appendString(b, s.key.prop)
		}
		y.made.sparse = append(y.made.sparse, s.key)
	}
	b = binary.AppendUvarint(b, uint64(len(y.ids)-y.visitors))
	for _, id := range y.ids[y.visitors:] {
		b = binary.BigEndian.AppendUint64(b, id)
	}
	b = binary.AppendUvarint(b, uint64(len(y.visitor)-y.tail.first))
	b = appendNumbers(b, y.visitor[y.tail.first:])
	pieces := y.pieces()
	b = binary.AppendUvarint(b, uint64(len(pieces)))
	at := 0
	for i, p := range pieces {
		at += len(p)
		b = binary.AppendUvarint(b, uint64(y.made.pieces[i].block))
		b = binary.AppendUvarint(b, uint64(y.made.pieces[i].rows))
		b = binary.AppendUvarint(b, uint64(len(p)))
	}
	b = slices.Grow(b, at)
	for i, p := range pieces {
		y.made.pieces[i].at = uint32(len(b))
		b = append(b, p...)
	}
	y.made.size = len(b)
	return b
}

// pieces makes the pieces and notes their blocks and rows.
func (y *Layer) pieces() (out [][]byte) {
	order := byGroup(y.tail.visit, len(y.visitor))
	visitors := make([]uint32, len(order))
	for i, row := range order {
		visitors[i] = y.visitor[y.tail.visit[row]]
	}
	order = pick(order, byGroup(visitors, len(y.ids)))
	begun := byGroup(y.visitor[y.tail.first:], len(y.ids))
	place := make([]uint32, len(order)) // of a row in order
	for i, row := range order {
		place[row] = uint32(i)
	}
	var sparse []*SparseText
	for _, s := range y.sparse {
		sparse = append(sparse, (&SparseText{Rows: s.rows, Codes: s.codes}).reorder(place))
	}
	block := func(row uint32) uint32 { return y.visitor[y.tail.visit[row]] / blockVisitors }
	for from, to := 0, 0; from < len(order); from = to {
		of := block(order[from])
		for to = from; to < len(order) && block(order[to]) == of; to++ {
		}
		n := 0
		for n < len(begun) && y.visitor[y.tail.first+int(begun[n])]/blockVisitors == of {
			n++
		}
		y.made.pieces = append(y.made.pieces, pieceAt{block: of, rows: uint32(to - from)})
		out = append(out, y.piece(order[from:to], begun[:n], sparse, from))
		begun = begun[n:]
	}
	return out
}

// piece encodes the given rows, and the visits that begin in them, counted from the first that begins in the tail. from is the place of the
// first row.
func (y *Layer) piece(rows, begun []uint32, sparse []*SparseText, from int) []byte {
	b := binary.AppendUvarint(nil, uint64(len(begun)))
	b = appendNumbers(b, pick(y.tail.visit, rows))
	values := make([]uint32, max(len(rows), len(begun)))
	for i := range y.tail.rows {
		y.tail.rows[i].pick(values, rows)
		b = appendNumbers(b, values[:len(rows)])
	}
	for i, visit := range begun {
		values[i] = visit + uint32(y.tail.first)
	}
	b = appendNumbers(b, values[:len(begun)])
	for i := range y.tail.begun {
		y.tail.begun[i].pick(values, begun)
		b = appendNumbers(b, values[:len(begun)])
	}
	for _, s := range sparse {
		first, _ := slices.BinarySearch(s.Rows, uint32(from))
		end, _ := slices.BinarySearch(s.Rows, uint32(from+len(rows)))
		b = binary.AppendUvarint(b, uint64(end-first))
		if first == end {
			continue
		}
		for i, row := range s.Rows[first:end] {
			values[i] = row - uint32(from)
		}
		b = appendNumbers(appendNumbers(b, values[:end-first]), s.Codes[first:end])
	}
	return b
}

func appendNumbers(b []byte, v []uint32) []byte {
	n := column.AppendNumbers(nil, v)
	return append(binary.AppendUvarint(b, uint64(len(n))), n...)
}

func (a columnKey) compare(b columnKey) int {
	if a.id != b.id {
		return int(a.id) - int(b.id)
	}
	if a.prop < b.prop {
		return -1
	}
	return int(bit(a.prop > b.prop))
}

// Adopt lets the day forget the rows of a layer that is in the file. fetch returns its chunks.
func (o *Open) Adopt(y *Layer, fetch Fetch) {
	o.mu.Lock()
	defer o.mu.Unlock()
	y.made.fetch = fetch
	o.layers = append(o.layers, &y.made)
	n := y.Rows()
	o.layered += n
	o.layeredCounting += y.counting
	o.layeredVisitors = len(y.ids)
	o.tail.visit = append([]uint32{}, o.tail.visit[n:]...)
	for i := range o.tail.rows {
		o.tail.rows[i] = o.tail.rows[i].from(n)
	}
	visits := len(y.visitor) - o.tail.first
	for i := range o.tail.begun {
		o.tail.begun[i] = o.tail.begun[i].from(visits)
	}
	o.tail.first += visits
	for _, have := range o.sparse { // also those that came meanwhile
		taken, _ := slices.BinarySearch(have.rows, uint32(n))
		have.inLayer = have.inLayer || taken > 0
		have.rows, have.codes = append([]uint32{}, have.rows[taken:]...), append([]uint32{}, have.codes[taken:]...)
		for i := range have.rows {
			have.rows[i] -= uint32(n)
		}
	}
	for _, w := range y.words {
		w.of.layered = w.first + len(w.words)
	}
	o.live = nil
}

// Next returns the number of the first journal value that comes behind the layer.
func (y *Layer) Next() uint64 { return y.next }
