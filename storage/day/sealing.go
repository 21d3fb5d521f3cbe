package day

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"footfall/storage/column"
	"footfall/storage/schema"
)

// Seal returns the header and chunks of a day that holds everything the given views of that day hold. Their visitors are
// different people.
func Seal(views ...*View) (header []byte, chunks [][]byte, err error) {
	return SealParts(PartRows, views...)
}

// SealParts is Seal with another number of rows a part.
func SealParts(rows int, views ...*View) (header []byte, chunks [][]byte, err error) {
	if len(views) == 0 {
		return nil, nil, errors.New("seal day: nothing to seal")
	}
	v, err := compact(views...)
	if err != nil {
		return nil, nil, fmt.Errorf("seal day: %w", err)
	}
	return v.seal(rows)
}

// seal returns the header and chunks of a view that compact has made.
func (v *View) seal(rows int) (header []byte, chunks [][]byte, err error) {
	zone, err := time.LoadLocation(v.Zone)
	if err != nil {
		return nil, nil, fmt.Errorf("seal day: %w", err)
	}
	w := &writer{v: v, partRows: rows, totals: v.Rows > rows/totalsShare, maps: v.mappings()}
	if err := w.all(zone); err != nil {
		return nil, nil, fmt.Errorf("seal day %s: %w", v.Date, err)
	}
	sum, err := v.Summary()
	if err != nil {
		return nil, nil, fmt.Errorf("seal day %s: %w", v.Date, err)
	}
	return w.header(sum), w.chunks, nil
}

type writer struct {
	v        *View
	streams  []stream // in their order; part and length, and low and high, are set
	partRows int
	totals   bool // the day keeps totals
	maps     map[schema.ID]mapping
	parts    []run
	part     int32
	chunks   [][]byte
	fresh    bool // the next stream begins a chunk
}

// run is a part of the day: where its visitors, visits and rows begin, and where they end.
type run struct{ from, to part }

// group begins a new chunk unless the one under way is small: what a query reads together lies together.
func (w *writer) group() {
	const small = 24 << 10
	w.fresh = len(w.chunks) > 0 && len(w.chunks[len(w.chunks)-1]) > small
}

func (w *writer) put(kind byte, id schema.ID, index int, b []byte) {
	w.streams = append(w.streams, stream{streamID: streamID{w.part, kind, id, uint32(index)}, length: len(b)})
	last := len(w.chunks) - 1
	if last < 0 || w.fresh || len(w.chunks[last])+len(b) > MaxChunk {
		w.chunks = append(w.chunks, nil)
		last++
	}
	w.fresh = false
	for {
		n := min(len(b), MaxChunk-len(w.chunks[last]))
		w.chunks[last] = append(w.chunks[last], b[:n]...)
		if b = b[n:]; len(b) == 0 {
			return
		}
		w.chunks = append(w.chunks, nil)
		last++
	}
}

func onlyEmpty(words []string) bool { return len(words) == 0 || len(words) == 1 && words[0] == "" }

var pageDimensions = []schema.ID{schema.EventPage, schema.EntryPage, schema.ExitPage}

func (w *writer) all(zone *time.Location) error {
	w.part = ofDay
	if err := w.day(zone); err != nil {
		return err
	}
	starts, err := w.v.RowStarts()
	if err != nil {
		return err
	}
	steps := timeSteps(w.v.numbers[schema.EventTime], starts)
	w.parts = w.v.cut(starts, w.partRows)
	for i, r := range w.parts {
		w.part = int32(i)
		w.columns(r, steps)
	}
	return nil
}

// day puts what the day has once.
func (w *writer) day(zone *time.Location) error {
	if w.totals {
		h, err := w.v.countHours(zone)
		if err != nil {
			return err
		}
		w.put(kindHours, schema.EventTime, 0, appendWide(appendLists(nil, h.lists()), h.EndDurations))
	}
	for _, id := range append(slices.Clone(storedTexts), schema.EntryHostname, schema.ExitHostname) {
		if id != schema.EventPage {
			if err := w.dimension(id); err != nil {
				return err
			}
		}
	}
	w.group()
	for _, id := range pageDimensions {
		if err := w.dimension(id); err != nil {
			return err
		}
	}
	for id := range schema.NumAttributes {
		if m, ok := w.maps[schema.ID(id)]; ok {
			w.put(kindMap, schema.ID(id), int(m.from), column.AppendNumbers(nil, m.to))
		}
	}
	if w.totals {
		if err := w.sets(); err != nil {
			return err
		}
	}
	return w.sparseWords()
}

// cut divides the visitors into parts of about so many rows.
func (v *View) cut(starts []uint32, rows int) []run {
	parts := max(1, (v.Rows+rows/2)/rows)
	var out []run
	var from, at part
	for i, visits := range v.numbers[schema.VisitVisitor] {
		at.visitors, at.visits = i+1, at.visits+int(visits)
		at.rows = int(starts[at.visits])
		if at.visitors == v.Visitors || at.rows >= v.Rows*(len(out)+1)/parts {
			out = append(out, run{from, at})
			from = at
		}
	}
	return out
}

// columns puts the columns of a part.
func (w *writer) columns(r run, steps []uint32) {
	w.group()
	w.put(kindCodes, schema.VisitVisitor, 0, column.AppendNumbers(nil, w.v.numbers[schema.VisitVisitor][r.from.visitors:r.to.visitors]))
	w.put(kindCodes, schema.VisitRows, 0, column.AppendNumbers(nil, w.v.numbers[schema.VisitRows][r.from.visits:r.to.visits]))
	for _, id := range storedTexts {
		if schema.Columns[id].Level == schema.Visit {
			w.codes(id, r.from.visits, r.to.visits)
		}
	}
	w.group()
	for _, id := range storedTexts {
		if schema.Columns[id].Level == schema.Event {
			w.codes(id, r.from.rows, r.to.rows)
		}
	}
	w.group()
	w.put(kindCodes, schema.EventTime, 0, column.AppendNumbers(nil, steps[r.from.rows:r.to.rows]))
	for _, id := range []schema.ID{schema.EventInteractive, schema.EventScrollDepth, schema.EventEngagement} {
		w.put(kindCodes, id, 0, column.AppendNumbers(nil, w.v.numbers[id][r.from.rows:r.to.rows]))
	}
	for _, key := range w.v.sparseKeys() {
		w.sparse(key, r)
	}
}

func (w *writer) codes(id schema.ID, from, to int) {
	t := w.v.texts[id]
	if _, mapped := w.maps[id]; mapped || onlyEmpty(t.Words) {
		return
	}
	codes := t.Codes[from:to]
	w.put(kindCodes, id, 0, column.AppendNumbers(nil, codes))
	last := &w.streams[len(w.streams)-1]
	last.low, last.high = slices.Min(codes), slices.Max(codes)
}

// dimension puts the words of a column, unless it has another's, and its totals.
func (w *writer) dimension(id schema.ID) error {
	t, err := w.v.Text(id)
	if err != nil {
		return err
	}
	if onlyEmpty(t.Words) {
		return nil
	}
	if schema.Columns[id].Kind == schema.String {
		w.put(kindWords, id, 0, column.AppendWords(nil, t.Words))
	}
	if !w.totals {
		return nil
	}
	totals, err := w.v.countTotals(id)
	if err != nil {
		return err
	}
	w.put(kindTotals, id, 0, totals.append(nil, isVisitTotal(id)))
	return nil
}

// sets puts the visitors of each custom event name.
func (w *writer) sets() error {
	visitors, err := w.v.visitorsByName()
	if err != nil {
		return err
	}
	for code, name := range w.v.texts[schema.EventName].Words {
		if name == Pageview || name == Engagement {
			continue // nearly every visitor has them
		}
		w.put(kindSet, schema.EventName, code, column.AppendRows(nil, column.NewRows(visitors[code]...)))
	}
	return nil
}

// sparseWords puts the dictionaries of sparse columns, and the totals of properties.
func (w *writer) sparseWords() error {
	for _, key := range w.v.sparseKeys() {
		s := w.v.sparse[key]
		if s == nil {
			continue
		}
		w.group()
		w.put(kindWords, key.id, w.v.index(key), column.AppendWords(nil, s.Words))
		if w.totals && key.id == schema.EventProps {
			totals, err := w.v.countSparse(s)
			if err != nil {
				return err
			}
			w.put(kindTotals, key.id, w.v.index(key), totals.append(nil, false))
		}
	}
	return nil
}

// sparse puts the part's rows of a sparse column.
func (w *writer) sparse(key columnKey, r run) {
	s := w.v.sparse[key]
	if s == nil {
		return
	}
	from, _ := slices.BinarySearch(s.Rows, uint32(r.from.rows))
	to, _ := slices.BinarySearch(s.Rows, uint32(r.to.rows))
	if from == to {
		return
	}
	rows := column.NewRows()
	for _, row := range s.Rows[from:to] {
		rows.Add(row - uint32(r.from.rows))
	}
	w.group()
	w.put(kindRows, key.id, w.v.index(key), column.AppendRows(nil, rows))
	w.put(kindCodes, key.id, w.v.index(key), column.AppendNumbers(nil, s.Codes[from:to]))
}

func (w *writer) header(sum Summary) []byte {
	v := w.v
	b := appendString([]byte{headerVersion}, v.Zone)
	b = binary.AppendVarint(b, v.Begin)
	for _, n := range []uint64{sum.Visitors, sum.Visits, uint64(v.Rows), sum.Events, sum.Pageviews, sum.Bounces, sum.Duration} {
		b = binary.AppendUvarint(b, n)
	}
	b = binary.AppendUvarint(b, uint64(len(v.Props)))
	for _, k := range v.Props {
		b = appendString(b, k)
	}
	b = binary.AppendUvarint(b, uint64(len(w.parts)))
	for _, p := range w.parts {
		for _, n := range []int{p.to.visitors - p.from.visitors, p.to.visits - p.from.visits, p.to.rows - p.from.rows} {
			b = binary.AppendUvarint(b, uint64(n))
		}
	}
	rest := w.streams
	for i := ofDay; i < len(w.parts); i++ {
		n := 0
		for n < len(rest) && rest[n].part == int32(i) {
			n++
		}
		b = binary.AppendUvarint(b, uint64(n))
		for _, t := range rest[:n] {
			b = t.append(b)
		}
		rest = rest[n:]
	}
	b = binary.AppendUvarint(b, uint64(len(w.chunks)))
	for _, c := range w.chunks {
		b = binary.AppendUvarint(b, uint64(len(c)))
	}
	return b
}

func (t *stream) append(b []byte) []byte {
	b = append(b, t.kind, byte(t.id))
	b = binary.AppendUvarint(b, uint64(t.index))
	b = binary.AppendUvarint(b, uint64(t.length))
	if t.ranged() {
		b = binary.AppendUvarint(b, uint64(t.low))
		b = binary.AppendUvarint(b, uint64(t.high-t.low))
	}
	return b
}

// timeSteps turns times into the differences that are stored.
func timeSteps(times, starts []uint32) []uint32 {
	steps := make([]uint32, len(times))
	for visit := range len(starts) - 1 {
		previous := uint32(0)
		for r := starts[visit]; r < starts[visit+1]; r++ {
			steps[r] = times[r] - previous
			previous = times[r]
		}
	}
	return steps
}
