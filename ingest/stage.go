package ingest

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"maps"
	"math"
	"slices"

	"footfall/ingest/session"
	"footfall/ingest/source"
	"footfall/ingest/wire"
	"footfall/storage/day"
	"footfall/storage/schema"
)

// stage holds the events of an import until all are read, because a line may belong to any day. Words are kept once: an
// event is 56 bytes of codes.
type stage struct {
	site    schema.Site
	local   *schema.Calendar
	sources *source.Table
	seed    maphash.Seed // of this import: its visitors are nobody else's
	days    map[schema.Date][]staged

	words  interner[string]
	tuples interner[tuple]
	props  interner[string] // of encoded lists
	lists  [][]day.Prop     // by code of props
	money  interner[day.Revenue]

	last  schema.Date // the day of the event before, with its bounds in Unix seconds: most events share it
	begin int64
	end   int64
}

// tuple is the attributes of a visit as codes of words.
type tuple [schema.NumAttributes]uint32

// staged is one event. The fields from attributes to revenue are codes.
type staged struct {
	time       int64
	visitor    uint64
	line       uint64
	attributes uint32
	name       uint32
	host       uint32
	path       uint32
	props      uint32
	revenue    uint32
	ms         uint32
	scroll     uint8
	passive    bool
}

// interner numbers values from 0; the zero value of T is always 0.
type interner[T comparable] struct {
	codes  map[T]uint32
	values []T
}

func newInterner[T comparable]() interner[T] {
	var zero T
	return interner[T]{map[T]uint32{zero: 0}, []T{zero}}
}

// code returns v's code and whether it is new.
func (in *interner[T]) code(v T) (code uint32, isNew bool) {
	if c, ok := in.codes[v]; ok {
		return c, false
	}
	c := uint32(len(in.values))
	in.codes[v] = c
	in.values = append(in.values, v)
	return c, true
}

func newStage(site schema.Site, local *schema.Calendar, sources *source.Table) *stage {
	return &stage{
		site: site, local: local, sources: sources, seed: maphash.MakeSeed(), days: map[schema.Date][]staged{}, lists: [][]day.Prop{nil},
		words: newInterner[string](), tuples: newInterner[tuple](), props: newInterner[string](), money: newInterner[day.Revenue](),
	}
}

// add stages the event of one line.
func (s *stage) add(line uint64, r *wire.Record) error {
	e := &r.Event
	if uint64(len(s.words.values)) > math.MaxUint32-64 {
		return fmt.Errorf("stage line %d: more different words than an import can hold", line)
	}
	v := staged{
		time: e.Time, line: line, visitor: s.visitor(line, r.Visitor),
		name: s.word(e.Name), host: s.word(e.Hostname), path: s.word(e.Pathname),
		ms: e.EngagementMS, scroll: e.ScrollDepth, passive: !e.Interactive,
	}
	var t tuple
	for id, word := range r.Attributes {
		if word != "" {
			t[id] = s.word(word)
		}
	}
	v.attributes, _ = s.tuples.code(t)
	v.revenue, _ = s.money.code(e.Revenue)
	if len(e.Props) > 0 {
		isNew := false
		if v.props, isNew = s.props.code(propsKey(e.Props)); isNew {
			s.lists = append(s.lists, e.Props)
		}
	}
	d := s.date(e.Time)
	s.days[d] = append(s.days[d], v)
	return nil
}

func (s *stage) word(w string) uint32 {
	c, _ := s.words.code(w)
	return c
}

// visitor returns the number of a visitor of this import. An event that names no visitor has one of its own.
func (s *stage) visitor(line uint64, name string) uint64 {
	var h maphash.Hash
	h.SetSeed(s.seed)
	if name == "" {
		var b [9]byte
		binary.BigEndian.PutUint64(b[1:], line)
		h.Write(b[:])
	} else {
		h.WriteByte(1)
		h.WriteString(name)
	}
	return h.Sum64()
}

func propsKey(list []day.Prop) string {
	var b []byte
	for _, p := range list {
		b = binary.AppendUvarint(b, uint64(len(p.Key)))
		b = append(b, p.Key...)
		b = binary.AppendUvarint(b, uint64(len(p.Value)))
		b = append(b, p.Value...)
	}
	return string(b)
}

// date returns the local day of a time.
func (s *stage) date(unix int64) schema.Date {
	if unix < s.begin || unix >= s.end {
		s.last = s.local.Date(unix)
		s.begin, s.end = s.local.Start(s.last).Unix(), s.local.Start(s.last+1).Unix()
	}
	return s.last
}

// dates returns the days that have events, oldest first.
func (s *stage) dates() []schema.Date { return slices.Sorted(maps.Keys(s.days)) }

// built says what a day of an import came to.
type built struct {
	open             *day.Open
	events           int64
	visits, visitors int64
	orphans          []uint64 // lines of engagement without a visit
}

// build makes the day d and lets go of its events.
func (s *stage) build(d schema.Date) (built, error) {
	events := s.days[d]
	delete(s.days, d)
	slices.SortFunc(events, func(a, b staged) int {
		return cmp.Or(cmp.Compare(a.time, b.time), cmp.Compare(a.line, b.line))
	})
	out := built{open: day.NewOpen(s.site, d, s.local.Start(d))}
	table, seen := session.NewTable(nil), make([]day.Row, 0, applyBatch)
	for i := range events {
		v := &events[i]
		at, ok := table.Observe(v.visitor, v.time, s.words.values[v.name])
		if !ok {
			out.orphans = append(out.orphans, v.line)
			continue
		}
		out.events++
		seen = append(seen, s.row(v, at))
		if len(seen) == cap(seen) {
			if err := out.open.Apply(seen); err != nil {
				return built{}, fmt.Errorf("build day %s: %w", d, err)
			}
			seen = seen[:0]
		}
	}
	if err := out.open.Apply(seen); err != nil {
		return built{}, fmt.Errorf("build day %s: %w", d, err)
	}
	out.visits, out.visitors = int64(table.Visits()), int64(table.Visitors())
	return out, nil
}

func (s *stage) row(v *staged, at session.Place) day.Row {
	row := day.Row{Visit: at.Visit, Event: day.Event{
		Time: at.Time, Name: s.words.values[v.name], Hostname: s.words.values[v.host], Pathname: s.words.values[v.path],
		Interactive: !v.passive, ScrollDepth: v.scroll, EngagementMS: v.ms,
		Props: s.lists[v.props], Revenue: s.money.values[v.revenue],
	}}
	if at.New {
		row.New = &day.NewVisit{Visitor: v.visitor}
		for id, code := range s.tuples.values[v.attributes] {
			row.New.Attributes[id] = s.words.values[code]
		}
		row.New.Attributes[schema.Channel] = channel(s.sources, &row.New.Attributes)
	}
	return row
}
