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
	if len(views) == 0 {
		return nil, nil, errors.New("seal day: nothing to seal")
	}
	v, err := compact(views...)
	if err != nil {
		return nil, nil, fmt.Errorf("seal day: %w", err)
	}
	zone, err := time.LoadLocation(v.Zone)
	if err != nil {
		return nil, nil, fmt.Errorf("seal day: %w", err)
	}
	w := &writer{v: v}
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
	v       *View
	ids     []streamID
	lengths []int
	chunks  [][]byte
	fresh   bool // the next stream begins a chunk
}

// group begins a new chunk unless the one under way is small: what a query reads together lies together.
func (w *writer) group() {
	const small = 8 << 10
	w.fresh = len(w.chunks) > 0 && len(w.chunks[len(w.chunks)-1]) > small
}

func (w *writer) put(kind byte, id schema.ID, index int, b []byte) {
	w.ids = append(w.ids, streamID{kind, id, uint32(index)})
	w.lengths = append(w.lengths, len(b))
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
	v := w.v
	h, err := v.countHours(zone)
	if err != nil {
		return err
	}
	w.put(kindHours, schema.EventTime, 0, appendWide(appendLists(nil, h.lists()), h.EndDurations))
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
	w.group()
	for _, id := range []schema.ID{schema.VisitVisitor, schema.VisitRows} {
		w.put(kindCodes, id, 0, column.AppendNumbers(nil, v.numbers[id]))
	}
	for _, level := range []schema.Level{schema.Visit, schema.Event} {
		for _, id := range storedTexts {
			if t := v.texts[id]; schema.Columns[id].Level == level && !onlyEmpty(t.Words) {
				w.put(kindCodes, id, 0, column.AppendNumbers(nil, t.Codes))
			}
		}
		w.group()
	}
	steps, err := v.timeSteps()
	if err != nil {
		return err
	}
	w.put(kindCodes, schema.EventTime, 0, column.AppendNumbers(nil, steps))
	for _, id := range []schema.ID{schema.EventInteractive, schema.EventScrollDepth, schema.EventEngagement} {
		w.put(kindCodes, id, 0, column.AppendNumbers(nil, v.numbers[id]))
	}
	if err := w.sets(); err != nil {
		return err
	}
	return w.sparse()
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
	totals, err := w.v.countTotals(id)
	if err != nil {
		return err
	}
	w.put(kindTotals, id, 0, totals.append(nil, isVisitTotal(id)))
	return nil
}

// rowLists are the lists of totals that are counted from events.
const rowLists = 4

func (t *Totals) append(b []byte, ofVisits bool) []byte {
	if !ofVisits {
		return appendLists(b, t.lists()[:rowLists])
	}
	return appendWide(appendLists(b, t.lists()), t.Durations)
}

// appendWide appends numbers of 64 bits as two lists: their lower and their upper halves.
func appendWide(b []byte, wide []uint64) []byte {
	low, high := make([]uint32, len(wide)), make([]uint32, len(wide))
	for i, n := range wide {
		low[i], high[i] = uint32(n), uint32(n>>32)
	}
	return appendLists(b, []*[]uint32{&low, &high})
}

func appendLists(b []byte, lists []*[]uint32) []byte {
	for _, l := range lists {
		n := column.AppendNumbers(nil, *l)
		b = append(binary.AppendUvarint(b, uint64(len(n))), n...)
	}
	return b
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

func (w *writer) sparse() error {
	for _, key := range w.v.sparseKeys() {
		s := w.v.sparse[key]
		if s == nil {
			continue
		}
		id, index := key.id, w.v.index(key)
		w.group()
		w.put(kindWords, id, index, column.AppendWords(nil, s.Words))
		w.put(kindRows, id, index, column.AppendRows(nil, column.NewRows(s.Rows...)))
		w.put(kindCodes, id, index, column.AppendNumbers(nil, s.Codes))
		if id == schema.EventProps {
			totals, err := w.v.countRows(s.Dense(w.v.Rows))
			if err != nil {
				return err
			}
			w.put(kindTotals, id, index, totals.append(nil, false))
		}
	}
	return nil
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
	b = binary.AppendUvarint(b, uint64(len(w.ids)))
	for i, s := range w.ids {
		b = append(b, s.kind, byte(s.id))
		b = binary.AppendUvarint(b, uint64(s.index))
		b = binary.AppendUvarint(b, uint64(w.lengths[i]))
	}
	b = binary.AppendUvarint(b, uint64(len(w.chunks)))
	for _, c := range w.chunks {
		b = binary.AppendUvarint(b, uint64(len(c)))
	}
	return b
}

// timeSteps turns times into the differences that are stored.
func (v *View) timeSteps() ([]uint32, error) {
	starts, err := v.RowStarts()
	if err != nil {
		return nil, err
	}
	times := v.numbers[schema.EventTime]
	steps := make([]uint32, len(times))
	for visit := range v.Visits {
		previous := uint32(0)
		for r := starts[visit]; r < starts[visit+1]; r++ {
			steps[r] = times[r] - previous
			previous = times[r]
		}
	}
	return steps, nil
}
