package day

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"footfall/storage/column"
	"footfall/storage/schema"
)

// A sealed day is a header and a row of chunks. The chunks, one after the other, are one run of bytes in which the streams stand in
// the order of the header. A chunk is one stored value; a stream that fits one chunk is never cut.
//
//	header   byte     version, 1
//	         string   name of the zone
//	         varint   Unix seconds of the day's first instant
//	         uvarint  visitors, visits, rows, counting events, pageviews, bounces, sum of durations
//	         uvarint  number of property keys, then each as string, ascending
//	         uvarint  number of streams, then for each: byte kind, byte column, uvarint index, uvarint length
//	         uvarint  number of chunks, then the uvarint length of each
//
//	kind     1 words of a dictionary       column.Words
//	         2 codes or numbers            column.Numbers: a value a visitor, visit or row, as the column says
//	         3 rows of a sparse column     column.Rows
//	         4 totals                      lists, each uvarint length and column.Numbers, a value a word: visitors, visits,
//	                                       pageviews, events; for a column of visits also bounces and the lower and
//	                                       the upper 32 bits of the durations
//	         5 hours                       eleven lists of 24, likewise, in the order of Hours
//	         6 visitors with an event name column.Rows; index is the name's code
//
// The index of a property column is the place of its key. A column without streams holds "" everywhere. EventTime is stored
// as differences: in a visit from row to row, for its first row from the day's first instant.
const headerVersion = 1

const (
	kindWords = 1 + iota
	kindCodes
	kindRows
	kindTotals
	kindHours
	kindSet
)

// MaxChunk is the most bytes of a chunk: sealed it fills sixteen pages of the file with little left over.
const MaxChunk = 64_900

// ErrHeader is wrapped by errors about a header that cannot be read.
var ErrHeader = errors.New("header of a sealed day is damaged")

// Summary is the metrics of a whole day.
type Summary struct {
	Visitors, Visits, Pageviews, Events, Bounces, Duration uint64
}

type streamID struct {
	kind  byte
	id    schema.ID
	index uint32
}

type stream struct{ at, length int }

// Fetch returns chunk i of a sealed day.
type Fetch func(i int) ([]byte, error)

type sealed struct {
	streams map[streamID]stream
	ends    []int // of the chunks, in the run of bytes
	fetch   Fetch
	summary Summary
	chunks  map[int][]byte        // fetched since the last Rest
	known   map[streamID][]string // dictionaries
}

// Summary returns the metrics of the whole day.
func (v *View) Summary() (Summary, error) {
	if v.source != nil {
		return v.source.summary, nil
	}
	s := Summary{Visitors: uint64(v.Visitors), Visits: uint64(v.Visits), Events: uint64(v.Counting)}
	for id, sum := range map[schema.ID]*uint64{schema.VisitPageviews: &s.Pageviews, schema.VisitBounce: &s.Bounces, schema.VisitDuration: &s.Duration} {
		n, err := v.Numbers(id)
		if err != nil {
			return s, err
		}
		for _, x := range n {
			*sum += uint64(x)
		}
	}
	return s, nil
}

// OpenSealed returns a view of a sealed day. It reads chunks only when a column is asked for.
func OpenSealed(date schema.Date, header []byte, fetch Fetch) (*View, error) {
	r := &reader{b: header}
	if version := r.byte(); version != headerVersion {
		return nil, fmt.Errorf("%w: version %d", ErrHeader, version)
	}
	s := &sealed{streams: map[streamID]stream{}, fetch: fetch, chunks: map[int][]byte{}, known: map[streamID][]string{}}
	v := &View{Date: date, source: s, Zone: r.string(), Begin: r.varint(),
		numbers: map[schema.ID][]uint32{}, texts: map[schema.ID]*Text{}, sparse: map[columnKey]*SparseText{}, totals: map[columnKey]*Totals{}}
	var n [7]uint64
	for i := range n {
		n[i] = r.wide()
	}
	s.summary = Summary{Visitors: n[0], Visits: n[1], Events: n[3], Pageviews: n[4], Bounces: n[5], Duration: n[6]}
	if n[0] > n[1] || n[1] > n[2] || n[3] > n[2] || n[2] > column.MaxRows {
		return nil, fmt.Errorf("%w: counts", ErrHeader)
	}
	v.Visitors, v.Visits, v.Rows, v.Counting = int(n[0]), int(n[1]), int(n[2]), int(n[3])
	for range r.count() {
		v.Props = append(v.Props, r.string())
	}
	if !slices.IsSorted(v.Props) {
		return nil, fmt.Errorf("%w: property keys", ErrHeader)
	}
	at := 0
	for range r.count() {
		id := streamID{kind: r.byte(), id: schema.ID(r.byte()), index: uint32(r.uvarint())}
		length := int(r.uvarint())
		s.streams[id] = stream{at, length}
		at += length
	}
	end := 0
	for range r.count() {
		length := int(r.uvarint())
		if length > MaxChunk {
			return nil, fmt.Errorf("%w: chunk of %d bytes", ErrHeader, length)
		}
		end += length
		s.ends = append(s.ends, end)
	}
	if r.bad || len(r.b) > 0 || at != end {
		return nil, fmt.Errorf("%w: wrong length", ErrHeader)
	}
	return v, nil
}

// wide reads a uvarint of up to 64 bits.
func (r *reader) wide() uint64 {
	x, n := binary.Uvarint(r.b)
	if n <= 0 || r.bad {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return x
}

// bytes returns a stream, or ok = false if the day has none of that name. The bytes are valid until the next Rest.
func (s *sealed) bytes(kind byte, id schema.ID, index int) (b []byte, ok bool, err error) {
	st, ok := s.streams[streamID{kind, id, uint32(index)}]
	if !ok {
		return nil, false, nil
	}
	i, _ := slices.BinarySearch(s.ends, st.at+1)
	begin := 0
	if i > 0 {
		begin = s.ends[i-1]
	}
	end := st.at + st.length
	for at := st.at; at < end; i++ {
		chunk, err := s.chunk(i, s.ends[i]-begin)
		if err != nil {
			return nil, false, err
		}
		part := chunk[at-begin : min(end, s.ends[i])-begin]
		if len(part) == st.length {
			return part, true, nil
		}
		b = append(b, part...)
		at += len(part)
		begin = s.ends[i]
	}
	return b, true, nil
}

func (s *sealed) chunk(i, length int) ([]byte, error) {
	if b := s.chunks[i]; b != nil {
		return b, nil
	}
	b, err := s.fetch(i)
	if err != nil {
		return nil, err
	}
	if len(b) != length {
		return nil, fmt.Errorf("%w: chunk %d has %d bytes, not %d", column.ErrCorrupt, i, len(b), length)
	}
	s.chunks[i] = b
	return b, nil
}

func (s *sealed) numbers(v *View, id schema.ID) ([]uint32, error) {
	n := v.Rows
	switch id {
	case schema.VisitVisitor:
		n = v.Visitors
	case schema.VisitRows:
		n = v.Visits
	}
	b, err := s.must(kindCodes, id, 0)
	if err != nil {
		return nil, err
	}
	numbers, err := column.Numbers(b, n)
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

// must is bytes for a stream that every day has, or that another one calls for.
func (s *sealed) must(kind byte, id schema.ID, index int) ([]byte, error) {
	b, ok, err := s.bytes(kind, id, index)
	if err == nil && !ok {
		err = fmt.Errorf("%w: a stream is missing", column.ErrCorrupt)
	}
	return b, err
}

// words returns a dictionary; a column without one has only "". Columns and totals of one dictionary share it.
func (s *sealed) words(id schema.ID, index int) ([]string, error) {
	key := streamID{kindWords, id, uint32(index)}
	if w := s.known[key]; w != nil {
		return w, nil
	}
	b, ok, err := s.bytes(kindWords, id, index)
	if err != nil || !ok {
		return []string{""}, err
	}
	w, err := column.Words(b)
	if err == nil {
		s.known[key] = w
	}
	return w, err
}

func (s *sealed) text(v *View, id schema.ID) (*Text, error) {
	n := v.Rows
	if schema.Columns[id].Level == schema.Visit {
		n = v.Visits
	}
	words, err := s.words(id, 0)
	if err != nil {
		return nil, err
	}
	if onlyEmpty(words) {
		return &Text{make([]uint32, n), []string{""}}, nil
	}
	b, err := s.must(kindCodes, id, 0)
	if err != nil {
		return nil, err
	}
	codes, err := codesBelow(b, n, len(words))
	return &Text{codes, words}, err
}

func codesBelow(b []byte, n, limit int) ([]uint32, error) {
	codes, err := column.Numbers(b, n)
	if err != nil {
		return nil, err
	}
	for _, c := range codes {
		if int(c) >= limit {
			return nil, fmt.Errorf("%w: a code without a word", column.ErrCorrupt)
		}
	}
	return codes, nil
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
	id, index := key.id, v.index(key)
	b, ok, err := s.bytes(kindRows, id, index)
	if err != nil || !ok {
		return &SparseText{}, err
	}
	rows, err := column.DecodeRows(b, v.Rows)
	if err != nil {
		return nil, err
	}
	words, err := s.words(id, index)
	if err != nil {
		return nil, err
	}
	if b, err = s.must(kindCodes, id, index); err != nil {
		return nil, err
	}
	out := &SparseText{Rows: rows.Slice(), Words: words}
	out.Codes, err = codesBelow(b, len(out.Rows), len(words))
	return out, err
}

func (s *sealed) totals(v *View, key columnKey) (*Totals, error) {
	id, index := key.id, v.index(key)
	if index < 0 {
		return newTotals(nil), nil
	}
	words, err := s.totalsWords(id, index)
	if err != nil {
		return nil, err
	}
	if id == schema.EventProps {
		words = append([]string{""}, words...)
	}
	t := newTotals(words)
	b, ok, err := s.bytes(kindTotals, id, index)
	if err != nil {
		return nil, err
	}
	if !ok {
		sum := s.summary
		for i, n := range []uint64{sum.Visitors, sum.Visits, sum.Pageviews, sum.Events, sum.Bounces} {
			(*t.lists()[i])[0] = uint32(n)
		}
		t.Durations[0] = sum.Duration
		return t, nil
	}
	if !isVisitTotal(id) {
		return t, readLists(b, t.lists()[:rowLists], len(words))
	}
	t.Durations, err = readWide(b, t.lists(), len(words))
	return t, err
}

func (s *sealed) totalsWords(id schema.ID, index int) ([]string, error) {
	from := id
	switch id {
	case schema.EntryPage, schema.ExitPage:
		from = schema.EventPage
	case schema.EntryHostname, schema.ExitHostname:
		from = schema.EventHostname
	}
	words, err := s.words(from, index)
	if err == nil && from != id {
		words, _ = withEmpty(words)
	}
	return words, err
}

func readLists(b []byte, lists []*[]uint32, n int) error {
	r := &reader{b: b}
	for _, l := range lists {
		numbers, err := column.Numbers(r.take(uint64(r.count())), n)
		if err != nil {
			return err
		}
		*l = numbers
	}
	if r.bad || len(r.b) > 0 {
		return fmt.Errorf("%w: totals", column.ErrCorrupt)
	}
	return nil
}

// readWide reads lists and behind them numbers of 64 bits.
func readWide(b []byte, lists []*[]uint32, n int) ([]uint64, error) {
	var low, high []uint32
	if err := readLists(b, append(lists, &low, &high), n); err != nil {
		return nil, err
	}
	wide := make([]uint64, n)
	for i := range wide {
		wide[i] = uint64(high[i])<<32 | uint64(low[i])
	}
	return wide, nil
}

func (s *sealed) hours(*View) (*Hours, error) {
	b, err := s.must(kindHours, schema.EventTime, 0)
	if err != nil {
		return nil, err
	}
	h := &Hours{}
	h.EndDurations, err = readWide(b, h.lists(), 24)
	return h, err
}

func (s *sealed) visitorsWith(v *View, name string) (column.Rows, bool, error) {
	if name == Pageview || name == Engagement {
		return column.Rows{}, false, nil
	}
	words, err := s.words(schema.EventName, 0)
	if err != nil {
		return column.Rows{}, false, err
	}
	b, ok, err := s.bytes(kindSet, schema.EventName, int(codeOf(words, name)))
	if err != nil {
		return column.Rows{}, false, err
	}
	if !ok {
		return column.NewRows(), true, nil
	}
	rows, err := column.DecodeRows(b, v.Visitors)
	return rows, err == nil, err
}
