package day

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"

	"footfall/storage/column"
	"footfall/storage/schema"
)

// A sealed day is a header and a row of chunks. The chunks, one after the other, are one run of bytes in which the streams stand in
// the order of the header. A chunk is one stored value; a stream that fits one chunk is never cut. The visitors of a large day are
// cut into parts of about PartRows rows: columns are stored by part, dictionaries and totals once.
//
//	header   byte     version, 2
//	         string   name of the zone
//	         varint   Unix seconds of the day's first instant
//	         uvarint  visitors, visits, rows, counting events, pageviews, bounces, sum of durations
//	         uvarint  number of property keys, then each as string, ascending
//	         uvarint  number of parts, then for each: uvarint visitors, visits, rows
//	         once for the day, then once for each part:
//	           uvarint  number of streams, then for each: byte kind, byte column, uvarint index, uvarint length;
//	                    behind codes of a text column that is not sparse: uvarint lowest code, uvarint highest − lowest
//	         uvarint  number of chunks, then the uvarint length of each
//
//	kind     1 words of a dictionary       column.Words
//	  part   2 codes or numbers            column.Numbers: a value a visitor, visit or row, as the column says
//	  part   3 rows of a sparse column     column.Rows, counted from the part's first
//	         4 totals                      lists, each uvarint length and column.Numbers, a value a word: visitors, visits,
//	                                       pageviews, events; for a column of visits also bounces and the lower and
//	                                       the upper 32 bits of the durations
//	         5 hours                       eleven lists of 24, likewise, in the order of Hours
//	         6 visitors with an event name column.Rows; index is the name's code
//	         7 codes by another column     column.Numbers: the code for each word of the column that index names; in place of kind 2
//
// A day of few rows has no streams of kind 4, 5 and 6: scanning it costs as little as reading them.
// The index of a property column is the place of its key. A column without streams holds "" everywhere; a sparse column has none in
// parts without a value. EventTime is stored as differences: in a visit from row to row, for its first row from the day's first instant.
//
// Version 1 has no parts: no list of them, one list of streams, and no codes behind the lengths.
const (
	headerVersion = 2
	undivided     = 1
)

const (
	kindWords = 1 + iota
	kindCodes
	kindRows
	kindTotals
	kindHours
	kindSet
	kindMap
)

// MaxChunk is the most bytes of a chunk: sealed it fills sixteen pages of the file with little left over.
const MaxChunk = 64_900

// PartRows is about how many rows a part has: few enough that its columns stay in a processor's cache while queries go over
// them, and that a filter on what visitors are sorted by skips most of a busy day; enough that compressing each by itself costs little.
const PartRows = 16 << 10

// totalsShare of a part's rows are the most that a day has which keeps no totals.
const totalsShare = 4

// ErrHeader is wrapped by errors about a header that cannot be read.
var ErrHeader = errors.New("header of a sealed day is damaged")

// Summary is the metrics of a whole day.
type Summary struct {
	Visitors, Visits, Pageviews, Events, Bounces, Duration uint64
}

// ofDay is the part of streams that a day has once.
const ofDay = -1

type streamID struct {
	part  int32
	kind  byte
	id    schema.ID
	index uint32
}

func (a streamID) compare(b streamID) int {
	return cmp.Or(cmp.Compare(a.part, b.part), cmp.Compare(a.kind, b.kind), cmp.Compare(a.id, b.id), cmp.Compare(a.index, b.index))
}

// stream is where a stream lies, and for codes of a text column the range they come from; high 0 below low 1 says that it is not known.
type stream struct {
	streamID
	at, length int
	low, high  uint32
}

type part struct{ visitors, visits, rows int }

// Fetch appends chunk i of a sealed day to dst.
type Fetch func(dst []byte, i int) ([]byte, error)

// sealed is the directory of a day, and what is kept of the streams that unfiltered queries ask for.
type sealed struct {
	streams []stream // sorted by streamID
	parts   []part
	ends    []int // of the chunks, in the run of bytes
	fetch   Fetch
	summary Summary
	version byte // of the header

	mu      sync.Mutex // guards all below
	lexicon *Lexicon   // that numbers are of
	numbers map[columnKey][]uint32
	kept    map[columnKey][]byte // totals, as they are stored; hours under EventTime
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

// Outdated reports whether the view is of a sealed day that an older version wrote.
func (v *View) Outdated() bool { return v.source != nil && v.source.version != headerVersion }

// OpenSealed returns a view of a sealed day. It reads chunks only when a column is asked for.
func OpenSealed(date schema.Date, header []byte, fetch Fetch) (*View, error) {
	r := &reader{b: header}
	version := r.byte()
	if version != headerVersion && version != undivided {
		return nil, fmt.Errorf("%w: version %d", ErrHeader, version)
	}
	s := &sealed{fetch: fetch, version: version, numbers: map[columnKey][]uint32{}, kept: map[columnKey][]byte{}}
	v := newView()
	v.Date, v.source, v.Zone, v.Begin = date, s, r.string(), r.varint()
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
	at := s.readDirectory(r, version, part{v.Visitors, v.Visits, v.Rows})
	end := 0
	for range r.count() {
		length := int(r.uvarint())
		if length > MaxChunk {
			return nil, fmt.Errorf("%w: chunk of %d bytes", ErrHeader, length)
		}
		end += length
		s.ends = append(s.ends, end)
	}
	if r.bad || len(r.b) > 0 || at != end || !s.addUp(v) {
		return nil, fmt.Errorf("%w: wrong length", ErrHeader)
	}
	return v, nil
}

// readDirectory reads parts and streams and returns how long all streams are.
func (s *sealed) readDirectory(r *reader, version byte, all part) (length int) {
	lists := 1
	if version == undivided {
		s.parts = []part{all}
	} else {
		for range r.count() {
			s.parts = append(s.parts, part{int(r.uvarint()), int(r.uvarint()), int(r.uvarint())})
		}
		lists += len(s.parts)
	}
	for list := range lists {
		for range r.count() {
			t := stream{streamID: streamID{part: int32(list - 1), kind: r.byte(), id: schema.ID(r.byte()), index: uint32(r.uvarint())}, at: length, low: 1}
			t.length = int(r.uvarint())
			if version == undivided && (t.kind == kindCodes || t.kind == kindRows) {
				t.part = 0
			}
			if version != undivided && t.ranged() {
				t.low = uint32(r.uvarint())
				t.high = t.low + uint32(r.uvarint())
			}
			length += t.length
			s.streams = append(s.streams, t)
		}
	}
	slices.SortFunc(s.streams, func(a, b stream) int { return a.compare(b.streamID) })
	return length
}

// ranged reports whether the directory says between which codes those of the stream lie.
func (t streamID) ranged() bool {
	return t.kind == kindCodes && int(t.id) < len(schema.Columns) && schema.Columns[t.id].Kind == schema.String
}

// addUp reports whether the parts make up the day.
func (s *sealed) addUp(v *View) bool {
	var sum part
	for _, p := range s.parts {
		if p.visitors > p.visits || p.visits > p.rows {
			return false
		}
		sum.visitors += p.visitors
		sum.visits += p.visits
		sum.rows += p.rows
		if sum.rows > column.MaxRows {
			return false
		}
	}
	return sum == part{v.Visitors, v.Visits, v.Rows}
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

// from returns the place of the first stream that is not before id.
func (s *sealed) from(id streamID) int {
	i, _ := slices.BinarySearchFunc(s.streams, id, func(t stream, id streamID) int { return t.compare(id) })
	return i
}

func (s *sealed) find(id streamID) (stream, bool) {
	i := s.from(id)
	if i == len(s.streams) || s.streams[i].streamID != id {
		return stream{}, false
	}
	return s.streams[i], true
}

// hasTotals reports whether the day keeps totals, hours and sets: all of them or none.
func (s *sealed) hasTotals() bool {
	_, ok := s.find(streamID{part: ofDay, kind: kindHours, id: schema.EventTime})
	return ok
}
