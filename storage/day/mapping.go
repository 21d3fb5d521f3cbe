package day

import (
	"fmt"

	"footfall/storage/column"
	"footfall/storage/schema"
)

// mapping says that a column follows from another one: to has its code for each code of the other. A city has one region, and a referrer
// one source: such a column costs a number a word instead of one a visit.
type mapping struct {
	from schema.ID
	to   []uint32
}

// mappings finds the columns of visits that are stored as a mapping: those that another column decides, where that is clearly smaller. A
// column that others follow from is never itself one.
func (v *View) mappings() map[schema.ID]mapping {
	out, needed := map[schema.ID]mapping{}, map[schema.ID]bool{}
	for id := range schema.ID(schema.NumAttributes) {
		t := v.texts[id]
		if len(t.Words) < 2 || needed[id] {
			continue
		}
		best := mapping{}
		for from := range schema.ID(schema.NumAttributes) {
			if _, mapped := out[from]; mapped || from == id || len(v.texts[from].Words) < len(t.Words) {
				continue
			}
			if to := t.follows(v.texts[from]); to != nil && (best.to == nil || len(to) < len(best.to)) {
				best = mapping{from, to}
			}
		}
		if best.to != nil && 4*len(column.AppendNumbers(nil, best.to)) < 3*len(column.AppendNumbers(nil, t.Codes)) {
			out[id] = best
			needed[best.from] = true
		}
	}
	return out
}

// follows returns t's code for each code of from, or nil where one does not decide the other.
func (t *Text) follows(from *Text) []uint32 {
	to := make([]uint32, len(from.Words)) // 1 + the code
	for i, c := range from.Codes {
		switch to[c] {
		case 0:
			to[c] = t.Codes[i] + 1
		case t.Codes[i] + 1:
		default:
			return nil
		}
	}
	for c := range to {
		if to[c]--; to[c] == noCode { // a word that no visit has
			to[c] = 0
		}
	}
	return to
}

// mapped returns which column decides a column that is stored as a mapping.
func (s *sealed) mapped(id schema.ID) (stream, bool) {
	i := s.from(streamID{part: ofDay, kind: kindMap, id: id})
	if i == len(s.streams) {
		return stream{}, false
	}
	t := s.streams[i]
	return t, t.part == ofDay && t.kind == kindMap && t.id == id && t.index < schema.NumAttributes && t.index != uint32(id)
}

// through returns the codes of a column that follows from another one.
func (s *sealed) through(v *View, m stream) ([]uint32, error) {
	from := schema.ID(m.index)
	if _, also := s.mapped(from); also {
		return nil, fmt.Errorf("%w: a mapping to a mapping", column.ErrCorrupt)
	}
	t, err := v.textLocked(from)
	if err != nil {
		return nil, err
	}
	b, err := s.must(v, m.streamID)
	if err != nil {
		return nil, err
	}
	to, err := v.memory.Numbers(b, t.Len())
	if err != nil {
		return nil, err
	}
	codes := v.take(len(t.Codes))
	for i, c := range t.Codes {
		codes[i] = to[c]
	}
	return codes, nil
}
