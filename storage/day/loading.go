package day

import (
	"fmt"
	"slices"

	"footfall/storage/column"
	"footfall/storage/schema"
)

// Load adds a layer from the file behind those there are. Rows may come behind it, none before. It returns the number of the first journal
// value that follows. fetch returns its chunks from now on.
func (o *Open) Load(b []byte, fetch Fetch) (next uint64, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	y := &layer{size: len(b), fetch: fetch}
	r := &reader{b: b}
	if v := r.byte(); v != layerVersion {
		return 0, fmt.Errorf("%w: layer of version %d", ErrJournal, v)
	}
	next = r.wide()
	rows, counting := int(r.uvarint()), int(r.uvarint())
	if len(o.tail.visit) > 0 {
		return 0, fmt.Errorf("%w: a layer behind rows", ErrJournal)
	}
	for range r.count() {
		if err := o.replayWordsLocked(r); err != nil {
			return 0, err
		}
	}
	for _, d := range o.dictionaries {
		d.layered = d.durable
	}
	for range r.count() {
		key := columnKey{id: schema.ID(r.byte())}
		if key.id == schema.EventProps {
			key.prop = r.string()
		}
		if o.sparse[key] == nil {
			return 0, fmt.Errorf("%w: a layer has a column without words", ErrJournal)
		}
		o.sparse[key].inLayer = true
		y.sparse = append(y.sparse, key)
	}
	begun, err := o.loadVisitsLocked(r)
	if err != nil {
		return 0, err
	}
	length, of := 0, 0
	for range r.count() {
		p := pieceAt{block: uint32(r.uvarint()), rows: uint32(r.uvarint()), at: uint32(length)}
		length += int(r.uvarint())
		of += int(p.rows)
		if n := len(y.pieces); int(p.block)*blockVisitors >= o.visitors.len() || n > 0 && p.block <= y.pieces[n-1].block || length > len(b) {
			return 0, fmt.Errorf("%w: pieces of a layer", ErrJournal)
		}
		y.pieces = append(y.pieces, p)
	}
	if r.bad || len(r.b) != length || of != rows {
		return 0, fmt.Errorf("%w: wrong length of a layer", ErrJournal)
	}
	for i := range y.pieces {
		y.pieces[i].at += uint32(len(b) - length)
	}
	counts, err := o.loadPiecesLocked(y, b, begun)
	if err != nil {
		return 0, err
	}
	if counts != counting {
		return 0, fmt.Errorf("%w: a layer has %d events, and says %d", ErrJournal, counts, counting)
	}
	o.counting += counting
	if o.rehearsal {
		o.rehearsed += rows
		return next, nil
	}
	o.layers = append(o.layers, y)
	o.layered += rows
	o.layeredCounting += counting
	o.layeredVisitors = o.visitors.len()
	o.tail.first = len(o.visitor)
	return next, nil
}

// loadVisitsLocked reads the visitors and visits that a layer brings, and returns how many visits.
func (o *Open) loadVisitsLocked(r *reader) (begun int, err error) {
	known := o.visitors.len()
	for range r.count() {
		if _, twice := o.visitors.number(r.uint64()); twice {
			return 0, fmt.Errorf("%w: a layer brings a visitor twice", ErrJournal)
		}
	}
	begun = r.count()
	of, err := column.Numbers(r.take(uint64(r.count())), begun)
	if err != nil {
		return 0, fmt.Errorf("%w: visits of a layer: %w", ErrJournal, err)
	}
	next := uint32(known) // visitors are numbered as their visits begin
	for _, n := range of {
		if n > next || int(n) >= o.visitors.len() {
			return 0, fmt.Errorf("%w: a visit of a layer has no visitor", ErrJournal)
		}
		next = max(next, n+1)
	}
	if int(next) != o.visitors.len() {
		return 0, fmt.Errorf("%w: a visitor of a layer has no visit", ErrJournal)
	}
	o.visitor = append(o.visitor, of...)
	o.last = append(o.last, make([]uint32, begun)...)
	o.seen = append(o.seen, make([]uint32, begun)...)
	return begun, nil
}

// loadPiecesLocked learns from the pieces when each visit was last seen, and returns how many events count.
func (o *Open) loadPiecesLocked(y *layer, b []byte, begun int) (counting int, err error) {
	v := &View{memory: &column.Decoder{}}
	begin := make([]bool, begun) // visits that a piece says it begins
	for i, at := range y.pieces {
		end := y.size
		if i+1 < len(y.pieces) {
			end = int(y.pieces[i+1].at)
		}
		p, err := parsePiece(b[at.at:end], int(at.rows), len(y.sparse))
		if err != nil {
			return 0, fmt.Errorf("%w: %w", ErrJournal, err)
		}
		v.memory.Reset()
		n, err := o.loadPieceLocked(v, p, begin)
		if err == nil && o.rehearsal {
			err = o.rehearsePieceLocked(v, y, p)
		}
		if err != nil {
			return 0, fmt.Errorf("%w: %w", ErrJournal, err)
		}
		counting += n
	}
	if slices.Contains(begin, false) {
		return 0, fmt.Errorf("%w: a visit of a layer has no rows", ErrJournal)
	}
	return counting, nil
}

func (o *Open) loadPieceLocked(v *View, p *piece, begin []bool) (counting int, err error) {
	var visits, starts, times, names []uint32
	for _, s := range []struct {
		into      *[]uint32
		stream, n int
	}{{&visits, pieceVisits, p.rows}, {&starts, pieceBegun, p.begun}, {&times, pieceRows + rowColumn(schema.EventTime), p.rows}, {&names, pieceRows + rowColumn(schema.EventName), p.rows}} {
		if *s.into, err = p.numbers(v, s.stream, s.n); err != nil {
			return 0, err
		}
	}
	first := len(o.visitor) - len(begin)
	for _, visit := range starts {
		if int(visit) < first || int(visit) >= len(o.visitor) || begin[int(visit)-first] {
			return 0, fmt.Errorf("%w: a piece begins a visit of another layer, or twice", column.ErrCorrupt)
		}
		begin[int(visit)-first] = true
	}
	if err := below(names, len(o.name.words)); err != nil {
		return 0, err
	}
	engagement := codeOf(o.name.words, Engagement)
	for i, visit := range visits {
		if int(visit) >= len(o.visitor) || int(visit) >= first && !begin[int(visit)-first] || times[i] < o.last[visit] || times[i] > maxSecond {
			return 0, fmt.Errorf("%w: a row of a layer has no place", column.ErrCorrupt)
		}
		o.last[visit] = times[i]
		if names[i] != engagement {
			counting++
			o.seen[visit] = times[i]
		}
	}
	return counting, nil
}

// rehearsePieceLocked decodes what Load need not look at.
func (o *Open) rehearsePieceLocked(v *View, y *layer, p *piece) error {
	for i, id := range rowColumns {
		n, err := p.numbers(v, pieceRows+i, p.rows)
		if err != nil {
			return err
		}
		if d := o.dictionary(columnKey{id: id}); d != nil {
			if err := below(n, len(d.words)); err != nil {
				return err
			}
		}
	}
	for id := range o.attrs {
		n, err := p.numbers(v, pieceAttributes+id, p.begun)
		if err != nil {
			return err
		}
		if err := below(n, len(o.attrs[id].words)); err != nil {
			return err
		}
	}
	for i, key := range y.sparse {
		rows, codes, err := p.sparse(v, i)
		if err != nil {
			return err
		}
		if !slices.IsSorted(rows) || len(slices.Compact(rows)) != len(codes) {
			return fmt.Errorf("%w: rows of a piece", column.ErrCorrupt)
		}
		if err := below(codes, len(o.sparse[key].words)); err != nil {
			return err
		}
	}
	return nil
}

// dictionary returns a column's dictionary, nil for a column of numbers.
func (o *Open) dictionary(key columnKey) *growing {
	for _, d := range o.dictionaries {
		if d.id == key.id && d.key == key.prop {
			return d.growing
		}
	}
	return nil
}
