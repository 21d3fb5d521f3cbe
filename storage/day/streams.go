package day

import (
	"cmp"
	"fmt"
	"slices"

	"footfall/storage/column"
	"footfall/storage/schema"
)

// Stream is one stream of a sealed day: what its header says of it, and how it is encoded.
type Stream struct {
	Kind     string // "words", "codes", "rows", "totals", "hours", "visitors" or "map", see the table of the format
	Column   schema.ID
	Prop     string // key of the property, where Column is schema.EventProps
	Encoding string // of package column; "lists" where several lists with an encoding each make the stream
	Bytes    int    // before sealing
}

var kindNames = map[byte]string{
	kindWords: "words", kindCodes: "codes", kindRows: "rows", kindTotals: "totals", kindHours: "hours", kindSet: "visitors", kindMap: "map",
}

// Streams lists the streams of a sealed day in their order; an open day has none. It fetches every chunk to name the encodings.
func (v *View) Streams() ([]Stream, error) {
	if v.source == nil {
		return nil, nil
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	s := v.source
	streams := slices.SortedFunc(slices.Values(s.streams), func(a, b stream) int { return cmp.Compare(a.at, b.at) })
	out := make([]Stream, len(streams))
	for i, id := range streams {
		b, _, err := s.bytes(v, id.streamID)
		if err != nil {
			return nil, fmt.Errorf("day %s: streams: %w", v.Date, err)
		}
		st := Stream{Kind: kindNames[id.kind], Column: id.id, Encoding: encodingOf(id.kind, b), Bytes: id.length}
		if st.Kind == "" {
			st.Kind = fmt.Sprintf("unknown %d", id.kind)
		}
		if id.id == schema.EventProps && int(id.index) < len(v.Props) {
			st.Prop = v.Props[id.index]
		}
		out[i] = st
	}
	return out, nil
}

func encodingOf(kind byte, b []byte) string {
	switch kind {
	case kindWords:
		return column.WordsEncoding(b)
	case kindCodes, kindMap:
		return column.NumbersEncoding(b)
	case kindRows, kindSet:
		return column.RowsEncoding(b)
	}
	return "lists"
}

// Chunks returns how many chunks a sealed day has.
func (v *View) Chunks() int {
	if v.source == nil {
		return 0
	}
	return len(v.source.ends)
}

// Size returns how many bytes the chunks of a sealed day have, before sealing.
func (v *View) Size() int64 {
	if n := v.Chunks(); n > 0 {
		return int64(v.source.ends[n-1])
	}
	return 0
}

// Layers returns how many layers an open day has.
func (o *Open) Layers() int {
	o.mu.RLock()
	defer o.mu.RUnlock()
	return len(o.layers)
}

// Counts returns the numbers of visitors and visits.
func (o *Open) Counts() (visitors, visits int) {
	o.mu.RLock()
	defer o.mu.RUnlock()
	return o.visitors.len(), len(o.visitor)
}
