package ingest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"

	"footfall/ingest/wire"
	"footfall/storage"
	"footfall/storage/schema"
)

// staging is what the goroutines that read one import share.
type staging struct {
	calendar *schema.Calendar
	latest   int64 // newest Unix time accepted
	scratch  *storage.Scratch
	share    int // bytes that one stage may hold

	wordSeed    maphash.Seed // of the tables of words
	visitorSeed maphash.Seed // of this import: its visitors are nobody else's
	nobodySeed  maphash.Seed // of those without a name
}

// stage holds what one goroutine has read of an import, since a line may belong to any day. Words are kept once. What grows beyond its
// share of memory is put down in the scratch file, words and events, and the stage begins anew.
type stage struct {
	*staging
	line  wire.Line
	event staged
	part
	held  int // bytes of the events of part, about
	parts []part

	date       schema.Date // the day of the event before, with its bounds in Unix seconds: most events share it
	begin, end int64
}

// part is events with the words they are made of. Where tables is nil, they and the events are in the scratch file.
type part struct {
	tables *wordTables
	stored storage.Stored
	days   map[schema.Date]*stagedDay
}

// stagedDay is the events of one day in one part, in the order of their lines. Before each stand its line and its
// second of the day, as what they are more than those before: uvarint and varint.
type stagedDay struct {
	rows   int
	bytes  []byte
	stored storage.Stored
	line   uint64 // of the last one
	second int64  // likewise
}

// wordTables holds the words of events.
type wordTables struct {
	columns [schema.NumColumns]wordTable // of attributes, name, host, path, amount and currency
	keys    wordTable                    // of properties
	values  []wordTable                  // by key
}

func newStage(s *staging) *stage { return &stage{staging: s, part: newPart()} }

func newPart() part { return part{tables: &wordTables{}, days: map[schema.Date]*stagedDay{}} }

// dayBytes is about what a staged day takes beside its events.
const dayBytes = 128

// add stages the event of line number n. The error says what is wrong with the line.
func (s *stage) add(n uint64, line []byte) error {
	l := &s.line
	if err := l.Decode(line); err != nil {
		return err
	}
	if l.Time > s.latest {
		return errFuture
	}
	e, v := &s.event, s.tables
	e.flags, e.scroll, e.ms, e.visitor, e.given = flagsOf(l), l.ScrollDepth, l.EngagementMS, s.visitor(n, l.Visitor), 0
	e.name, e.host, e.page = s.code(schema.EventName, l.Name), s.code(schema.EventHostname, l.Hostname), s.code(schema.EventPage, l.Pathname)
	for id, word := range l.Attributes {
		if len(word) > 0 {
			e.given |= 1 << id
			e.attributes[id] = s.code(schema.ID(id), word)
		}
	}
	if e.flags&stagedRevenue != 0 {
		e.amount = s.code(schema.EventRevenueAmount, []byte(l.Revenue.Amount))
		e.currency = s.code(schema.EventRevenueCurrency, []byte(l.Revenue.Currency))
	}
	e.props = e.props[:0]
	for _, p := range l.Props {
		key := v.keys.code(s.wordSeed, p.Key)
		if int(key) == len(v.values) {
			v.values = append(v.values, wordTable{})
		}
		e.props = append(e.props, stagedProp{key, v.values[key].code(s.wordSeed, p.Value)})
	}
	s.put(n, l.Time)
	return nil
}

// put adds the event to its day.
func (s *stage) put(n uint64, unix int64) {
	d := s.day(unix)
	before := cap(d.bytes)
	d.bytes = binary.AppendUvarint(d.bytes, n-d.line)
	d.bytes = binary.AppendVarint(d.bytes, unix-s.begin-d.second)
	d.bytes = s.event.append(d.bytes)
	d.line, d.second = n, unix-s.begin
	d.rows++
	s.held += cap(d.bytes) - before
}

var errFuture = errors.New("time: more than a day in the future")

func (s *stage) code(id schema.ID, word []byte) uint32 {
	return s.tables.columns[id].code(s.wordSeed, word)
}

// visitor returns the number of a visitor of this import. An event that names no visitor has one of its own.
func (s *stage) visitor(line uint64, name []byte) uint64 {
	if len(name) == 0 {
		return maphash.Comparable(s.nobodySeed, line)
	}
	return maphash.Bytes(s.visitorSeed, name)
}

// day returns the local day of a time.
func (s *stage) day(unix int64) *stagedDay {
	s.locate(unix)
	d := s.days[s.date]
	if d == nil {
		d = &stagedDay{}
		s.days[s.date] = d
		s.held += dayBytes
	}
	return d
}

// locate sets date, begin and end to those of a time.
func (s *stage) locate(unix int64) {
	if unix < s.begin || unix >= s.end {
		s.date = s.calendar.Date(unix)
		s.begin, s.end = s.calendar.Start(s.date).Unix(), s.calendar.Start(s.date+1).Unix()
	}
}

// spill puts everything down if it is more than the stage may hold, or if there is anything and must is set.
func (s *stage) spill(must bool) error {
	size := s.tables.bytes()
	if len(s.days) == 0 || !must && s.held+size <= s.share {
		return nil
	}
	stored, err := s.scratch.Write(s.tables.append(make([]byte, 0, size)))
	if err != nil {
		return fmt.Errorf("%w; an import needs room there for about a tenth of what it reads", err)
	}
	for _, d := range s.days {
		if d.stored, err = s.scratch.Write(d.bytes); err != nil {
			return err
		}
		d.bytes = nil
	}
	s.parts = append(s.parts, part{stored: stored, days: s.days})
	s.part, s.held = newPart(), 0
	return nil
}

// words returns the words of a part.
func (p *part) words(x *storage.Scratch) (*wordTables, error) {
	if p.tables != nil {
		return p.tables, nil
	}
	b, err := x.Read(nil, p.stored)
	if err != nil {
		return nil, err
	}
	v := &wordTables{}
	return v, v.read(b)
}

// events returns the events of a day of the part, which lets go of them.
func (d *stagedDay) events(x *storage.Scratch) ([]byte, error) {
	if d.bytes == nil {
		return x.Read(nil, d.stored)
	}
	b := d.bytes
	d.bytes = nil
	return b, nil
}

func (v *wordTables) bytes() int {
	n := v.keys.bytes() + 72*cap(v.values)
	for i := range v.columns {
		n += v.columns[i].bytes()
	}
	for i := range v.values {
		n += v.values[i].bytes()
	}
	return n
}

func (v *wordTables) append(b []byte) []byte {
	for i := range v.columns {
		b = v.columns[i].append(b)
	}
	b = v.keys.append(b)
	for i := range v.values {
		b = v.values[i].append(b)
	}
	return b
}

func (v *wordTables) read(b []byte) (err error) {
	for i := range v.columns {
		if b, err = v.columns[i].read(b); err != nil {
			return err
		}
	}
	if b, err = v.keys.read(b); err != nil {
		return err
	}
	v.values = make([]wordTable, v.keys.len())
	for i := range v.values {
		if b, err = v.values[i].read(b); err != nil {
			return err
		}
	}
	if len(b) > 0 {
		return errWords
	}
	return nil
}

// stagedDates returns the days that have events, oldest first, and how many each has.
func stagedDates(parts []part) (dates []schema.Date, rows map[schema.Date]int) {
	rows = map[schema.Date]int{}
	for i := range parts {
		for date, d := range parts[i].days {
			if rows[date] == 0 {
				dates = append(dates, date)
			}
			rows[date] += d.rows
		}
	}
	slices.Sort(dates)
	return dates, rows
}

var errStaged = errors.New("import: internal error: staged events cannot be read")
