package day

import (
	"fmt"
	"slices"

	"footfall/storage/column"
	"footfall/storage/schema"
)

// bytes returns a stream, or ok = false if the day has none of that name. The bytes are valid until the next Rest of v.
func (s *sealed) bytes(v *View, id streamID) (b []byte, ok bool, err error) {
	t, ok := s.find(id)
	if !ok {
		return nil, false, nil
	}
	i, _ := slices.BinarySearch(s.ends, t.at+1)
	begin := 0
	if i > 0 {
		begin = s.ends[i-1]
	}
	end := t.at + t.length
	for at := t.at; at < end; i++ {
		chunk, err := s.chunk(v, i, s.ends[i]-begin)
		if err != nil {
			return nil, false, err
		}
		part := chunk[at-begin : min(end, s.ends[i])-begin]
		if len(part) == t.length {
			return part, true, nil
		}
		b = append(b, part...)
		at += len(part)
		begin = s.ends[i]
	}
	return b, true, nil
}

func (s *sealed) chunk(v *View, i, length int) ([]byte, error) {
	if b := v.chunks[i]; b != nil {
		return b, nil
	}
	b, err := s.fetch(v.memory.Bytes(length), i)
	if err != nil {
		return nil, err
	}
	if len(b) != length {
		return nil, fmt.Errorf("%w: chunk %d has %d bytes, not %d", column.ErrCorrupt, i, len(b), length)
	}
	if v.chunks == nil {
		v.chunks = map[int][]byte{}
	}
	v.chunks[i] = b
	return b, nil
}

// must is bytes for a stream that every day has, or that another one calls for.
func (s *sealed) must(v *View, id streamID) ([]byte, error) {
	b, ok, err := s.bytes(v, id)
	if err == nil && !ok {
		err = fmt.Errorf("%w: a stream is missing", column.ErrCorrupt)
	}
	return b, err
}

// partsOf returns which parts v is made of.
func (s *sealed) partsOf(v *View) (first, end int) {
	if v.part == ofDay {
		return 0, len(s.parts)
	}
	return v.part, v.part + 1
}

// column decodes the codes or numbers of a column that has size values a part.
func (s *sealed) column(v *View, id schema.ID, size func(part) int) ([]uint32, error) {
	first, end := s.partsOf(v)
	var all []uint32
	for p := first; p < end; p++ {
		b, err := s.must(v, streamID{part: int32(p), kind: kindCodes, id: id})
		if err != nil {
			return nil, err
		}
		n, err := v.memory.Numbers(b, size(s.parts[p]))
		if err != nil {
			return nil, err
		}
		if all == nil {
			all = n
		} else {
			all = append(all, n...)
		}
		if v.part == ofDay {
			v.chunks = nil
		}
	}
	return all, nil
}

func visitorsOf(p part) int { return p.visitors }
func visitsOf(p part) int   { return p.visits }
func rowsOf(p part) int     { return p.rows }

func (s *sealed) numbersOf(v *View, id schema.ID) ([]uint32, error) {
	size := rowsOf
	switch id {
	case schema.VisitVisitor:
		size = visitorsOf
	case schema.VisitRows:
		size = visitsOf
	}
	numbers, err := s.column(v, id, size)
	if err != nil || id != schema.EventTime {
		return numbers, err
	}
	starts, err := v.rowStartsLocked()
	if err != nil {
		return nil, err
	}
	for visit := range v.Visits {
		sum := uint32(0)
		for r := starts[visit]; r < starts[visit+1]; r++ {
			if sum += numbers[r]; sum > maxSecond {
				return nil, fmt.Errorf("%w: time beyond the day", column.ErrCorrupt)
			}
			numbers[r] = sum
		}
	}
	return numbers, nil
}

// words returns a dictionary; a column without one has only "".
func (s *sealed) words(v *View, id schema.ID, index int) ([]string, error) {
	b, ok, err := s.bytes(v, streamID{part: ofDay, kind: kindWords, id: id, index: uint32(index)})
	if err != nil || !ok {
		return []string{""}, err
	}
	return column.Words(b)
}

// dictionary returns the words of a column, numbered in l or, where that is nil, spelled out.
func (s *sealed) dictionary(v *View, key columnKey, l *Lexicon) (d Dictionary, err error) {
	if l == nil {
		d.Words, err = s.words(v, key.id, v.index(key))
	} else {
		d.Vocabulary = l.vocabulary(key)
		d.Numbers, err = s.wordNumbers(v, key, l)
	}
	return d, err
}

// wordNumbers returns the numbers of a dictionary's words in l. They are kept for those who come with the same lexicon.
func (s *sealed) wordNumbers(v *View, key columnKey, l *Lexicon) ([]uint32, error) {
	s.mu.Lock()
	n := s.numbers[key]
	known := n != nil && s.lexicon == l
	s.mu.Unlock()
	if known {
		return n, nil
	}
	words, err := s.words(v, key.id, v.index(key))
	if err != nil {
		return nil, err
	}
	n = l.vocabulary(key).Numbers(words)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lexicon != l {
		s.lexicon = l
		clear(s.numbers)
	}
	s.numbers[key] = n
	return n, nil
}

func (s *sealed) text(v *View, id schema.ID) (*Text, error) {
	size := rowsOf
	if schema.Columns[id].Level == schema.Visit {
		size = visitsOf
	}
	d, err := s.dictionary(v, columnKey{id: id}, v.lexicon)
	if err != nil {
		return nil, err
	}
	t := &Text{Dictionary: d}
	if _, ok := s.find(streamID{part: ofDay, kind: kindWords, id: id}); !ok {
		n := v.Rows
		if schema.Columns[id].Level == schema.Visit {
			n = v.Visits
		}
		t.Codes = v.memory.Take(n)
		clear(t.Codes)
		return t, nil
	}
	if m, ok := s.mapped(id); ok {
		t.Codes, err = s.through(v, m)
	} else {
		t.Codes, err = s.column(v, id, size)
	}
	if err != nil {
		return nil, err
	}
	return t, below(t.Codes, t.Len())
}

func below(codes []uint32, limit int) error {
	highest := uint32(0)
	for _, c := range codes {
		highest = max(highest, c)
	}
	if len(codes) > 0 && int(highest) >= limit {
		return fmt.Errorf("%w: a code without a word", column.ErrCorrupt)
	}
	return nil
}

// index returns the index of a column's streams: for a property the place of its key, -1 if the day has none of that key, else 0.
func (v *View) index(key columnKey) int {
	if key.id != schema.EventProps {
		return 0
	}
	if i, ok := slices.BinarySearch(v.Props, key.prop); ok {
		return i
	}
	return -1
}

func (s *sealed) sparseText(v *View, key columnKey) (*SparseText, error) {
	index := v.index(key)
	if _, ok := s.find(streamID{part: ofDay, kind: kindWords, id: key.id, index: uint32(index)}); !ok {
		return &SparseText{}, nil
	}
	words, err := s.dictionary(v, key, v.lexicon)
	if err != nil {
		return nil, err
	}
	out := &SparseText{Dictionary: words}
	first, end := s.partsOf(v)
	before := uint32(0) // rows of the parts before
	for p := first; p < end; p++ {
		b, ok, err := s.bytes(v, streamID{int32(p), kindRows, key.id, uint32(index)})
		if err != nil {
			return nil, err
		}
		if ok {
			rows, err := column.DecodeRows(b, s.parts[p].rows)
			if err != nil {
				return nil, err
			}
			list := rows.Slice()
			if b, err = s.must(v, streamID{int32(p), kindCodes, key.id, uint32(index)}); err != nil {
				return nil, err
			}
			codes, err := v.memory.Numbers(b, len(list))
			if err != nil {
				return nil, err
			}
			for i := range list {
				list[i] += before
			}
			out.Rows, out.Codes = append(out.Rows, list...), append(out.Codes, codes...)
		}
		before += uint32(s.parts[p].rows)
	}
	return out, below(out.Codes, out.Len())
}

// keep returns a stream of the day that is small and asked for again and again, or nil if there is none.
func (s *sealed) keep(v *View, kind byte, key columnKey) ([]byte, error) {
	s.mu.Lock()
	b, known := s.kept[key]
	s.mu.Unlock()
	if known {
		return b, nil
	}
	b, _, err := s.bytes(v, streamID{part: ofDay, kind: kind, id: key.id, index: uint32(max(0, v.index(key)))})
	if err != nil {
		return nil, err
	}
	b = slices.Clone(b) // not the whole chunk
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kept[key] = b
	return b, nil
}

func (s *sealed) hours(v *View) (*Hours, error) {
	b, err := s.keep(v, kindHours, columnKey{id: schema.EventTime})
	if err != nil || b == nil {
		return nil, err
	}
	h := &Hours{}
	h.EndDurations, err = readWide(b, h.lists(), 24)
	return h, err
}

func (s *sealed) visitorsWith(v *View, name string) (column.Rows, bool, error) {
	if name == Pageview || name == Engagement || !s.hasTotals() {
		return column.Rows{}, false, nil
	}
	t, err := s.dictionary(v, columnKey{id: schema.EventName}, v.lexicon)
	if err != nil {
		return column.Rows{}, false, err
	}
	b, ok, err := s.bytes(v, streamID{part: ofDay, kind: kindSet, id: schema.EventName, index: t.Code(name)})
	if err != nil {
		return column.Rows{}, false, err
	}
	if !ok {
		return column.NewRows(), true, nil
	}
	rows, err := column.DecodeRows(b, v.Visitors)
	return rows, err == nil, err
}

// size returns about how much memory the directory and what is kept take.
func (s *sealed) size() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 40*len(s.streams) + 24*len(s.parts) + 8*len(s.ends)
	for _, w := range s.numbers {
		n += 4*len(w) + 96
	}
	for _, b := range s.kept {
		n += len(b) + 96
	}
	return n
}
