package ingest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"sync"

	"footfall/ingest/session"
	"footfall/ingest/source"
	"footfall/storage"
	"footfall/storage/day"
	"footfall/storage/schema"
)

// building makes the days of an import of what was staged. It is safe for concurrent use, a day at a time.
type building struct {
	calendar *schema.Calendar
	sources  *source.Table
	scratch  *storage.Scratch
	parts    []part
}

// built says what a day of an import came to.
type built struct {
	events           int64
	visits, visitors int64
	orphans          []uint64 // lines of engagement without a visit
	err              error
}

// placed is when an event of a day was, and where it is.
type placed struct {
	line       uint64
	second, at uint32 // since the day's begin; in dayBuilder.events
}

// dayBuilder is one day under way. Its events have the numbers of the day.Builder in the place of codes.
type dayBuilder struct {
	*building
	date   schema.Date
	to     *day.Builder
	none   [schema.NumAttributes]uint32 // the number of ""
	order  []placed
	events []byte

	channels map[[len(channelFrom)]uint32]uint32
}

// add builds the day of a date that has so many events and adds it to the import. It lets go of what is staged of it.
func (b *building) add(ctx context.Context, to *storage.Import, date schema.Date, rows int) built {
	v, out := b.build(date, rows)
	if out.err == nil {
		out.err = to.Add(ctx, v)
	}
	if out.err != nil {
		out.err = fmt.Errorf("store day %s: %w", date, out.err)
	}
	return out
}

func (b *building) build(date schema.Date, rows int) (*day.View, built) {
	d := &dayBuilder{building: b, date: date, to: day.NewBuilder(date, b.calendar.Start(date), rows), order: make([]placed, 0, rows), channels: map[[len(channelFrom)]uint32]uint32{}}
	for id := range d.none {
		d.none[id] = d.to.Word(schema.ID(id), "")
	}
	for i := range b.parts {
		if staged := b.parts[i].days[date]; staged != nil {
			if err := d.gather(&b.parts[i], staged); err != nil {
				return nil, built{err: err}
			}
		}
	}
	byTime := func(a, b placed) int { return cmp.Or(cmp.Compare(a.second, b.second), cmp.Compare(a.line, b.line)) }
	if !slices.IsSortedFunc(d.order, byTime) {
		slices.SortFunc(d.order, byTime)
	}
	out := d.visits()
	if out.err != nil {
		return nil, out
	}
	d.order, d.events = nil, nil
	return d.to.View(), out
}

// gather adds the day's events of a part.
func (d *dayBuilder) gather(p *part, held *stagedDay) error {
	from, err := p.words(d.scratch)
	if err != nil {
		return err
	}
	b, err := held.events(d.scratch)
	if err != nil {
		return err
	}
	t, r := newTranslator(from, d.to), stagedReader{b: b}
	line, second := uint64(0), int64(0)
	d.events = slices.Grow(d.events, len(b))
	for range held.rows {
		line += r.wide()
		second += r.signed()
		r.event(&t.event)
		if r.bad || !t.translate() {
			return errStaged
		}
		if uint64(len(d.events)) > math.MaxUint32 {
			return errors.New("more events than an import can hold of one day")
		}
		d.order = append(d.order, placed{line, uint32(second), uint32(len(d.events))})
		d.events = t.event.append(d.events)
	}
	return nil
}

// visits hands the events to the day in the order of their time, each in its visit.
func (d *dayBuilder) visits() (out built) {
	table, begin := session.NewTable(nil), d.calendar.Start(d.date).Unix()
	engagement := d.to.Word(schema.EventName, day.Engagement)
	var (
		e   staged
		row day.CodedRow
	)
	attributes := d.none
	for _, p := range d.order {
		r := stagedReader{b: d.events[p.at:]}
		r.event(&e)
		name := ""
		if e.name == engagement {
			name = day.Engagement
		}
		at, ok := table.Observe(e.visitor, begin+int64(p.second), name)
		if !ok {
			out.orphans = append(out.orphans, p.line)
			continue
		}
		row = day.CodedRow{
			Visit: at.Visit, Visitor: at.Visitor, Time: at.Time, Name: e.name, Host: e.host, Page: e.page,
			Interactive: e.flags&stagedInteractive != 0, ScrollDepth: e.scroll, EngagementMS: e.ms,
			HasRevenue: e.flags&stagedRevenue != 0, Amount: e.amount, Currency: e.currency, Props: row.Props[:0],
		}
		for _, p := range e.props {
			row.Props = append(row.Props, day.CodedProp{Column: int(p.key), Value: p.value})
		}
		if at.New {
			attributes = d.none
			for m := e.given; m != 0; m &= m - 1 {
				id := bits.TrailingZeros32(m)
				attributes[id] = e.attributes[id]
			}
			attributes[schema.Channel] = d.channel(&attributes)
			row.Attributes = &attributes
		}
		if out.err = d.to.Add(&row); out.err != nil {
			return out
		}
		out.events++
	}
	out.visits, out.visitors = int64(table.Visits()), int64(table.Visitors())
	return out
}

// channel returns the channel of a visit with these attributes.
func (d *dayBuilder) channel(of *[schema.NumAttributes]uint32) uint32 {
	var key [len(channelFrom)]uint32
	for i, id := range channelFrom {
		key[i] = of[id]
	}
	code, known := d.channels[key]
	if !known {
		var a schema.Attributes
		for _, id := range channelFrom {
			a[id] = d.to.Spell(id, of[id])
		}
		code = d.to.Word(schema.Channel, channel(d.sources, &a))
		d.channels[key] = code
	}
	return code
}

// channelFrom is what a channel follows from.
var channelFrom = [...]schema.ID{schema.Source, schema.UTMMedium, schema.UTMCampaign, schema.UTMSource, schema.ClickID}

// translator puts the numbers of a day.Builder in the place of the codes of a part. Each word is looked up once.
type translator struct {
	event staged
	from  *wordTables
	to    *day.Builder

	columns [schema.NumColumns][]uint32 // 1 + the number, by code; 0 is not known yet
	keys    []uint32                    // 1 + the column, by code; full where the day takes no more
	values  [][]uint32                  // by code of the key and code of the value
	bad     bool
}

// full stands in the place of a property's column where the day has too many.
const full = math.MaxUint32

func newTranslator(from *wordTables, to *day.Builder) *translator {
	t := &translator{from: from, to: to, keys: make([]uint32, from.keys.len()), values: make([][]uint32, from.keys.len())}
	for id := range t.columns {
		t.columns[id] = make([]uint32, from.columns[id].len())
	}
	return t
}

// translate replaces the codes of t.event and reports whether the part has them all.
func (t *translator) translate() bool {
	e := &t.event
	e.name, e.host, e.page = t.word(schema.EventName, e.name), t.word(schema.EventHostname, e.host), t.word(schema.EventPage, e.page)
	for m := e.given; m != 0; m &= m - 1 {
		id := bits.TrailingZeros32(m)
		e.attributes[id] = t.word(schema.ID(id), e.attributes[id])
	}
	if e.flags&stagedRevenue != 0 {
		e.amount, e.currency = t.word(schema.EventRevenueAmount, e.amount), t.word(schema.EventRevenueCurrency, e.currency)
	}
	kept := e.props[:0]
	for _, p := range e.props {
		if key, value, ok := t.prop(p); ok {
			kept = append(kept, stagedProp{key, value})
		}
	}
	if e.props = kept; len(kept) == 0 {
		e.flags &^= stagedProps
	}
	return !t.bad
}

func (t *translator) word(id schema.ID, code uint32) uint32 {
	known := t.columns[id]
	if int(code) >= len(known) {
		t.bad = true
		return 0
	}
	if known[code] == 0 {
		known[code] = 1 + t.to.Word(id, string(t.from.columns[id].word(code)))
	}
	return known[code] - 1
}

// prop returns ok = false for a property that the day has no room for.
func (t *translator) prop(p stagedProp) (key, value uint32, ok bool) {
	if int(p.key) >= len(t.keys) || int(p.value) >= t.from.values[p.key].len() {
		t.bad = true
		return 0, 0, false
	}
	if t.keys[p.key] == 0 {
		t.keys[p.key] = full
		if column, ok := t.to.Prop(string(t.from.keys.word(p.key))); ok {
			t.keys[p.key] = 1 + uint32(column)
			t.values[p.key] = make([]uint32, t.from.values[p.key].len())
		}
	}
	if t.keys[p.key] == full {
		return 0, 0, false
	}
	key = t.keys[p.key] - 1
	known := t.values[p.key]
	if known[p.value] == 0 {
		known[p.value] = 1 + t.to.PropValue(int(key), string(t.from.values[p.key].word(p.value)))
	}
	return key, known[p.value] - 1, true
}

// buildingBytes is about what building and sealing a day of so many events takes.
func buildingBytes(rows int) int64 { return int64(rows) * buildingRow }

// room is memory that days under way share. One that needs more than there is gets all of it.
type room struct {
	size int64

	mu   sync.Mutex // guards used
	free sync.Cond
	used int64
}

func newRoom(size int64) *room {
	r := &room{size: size}
	r.free.L = &r.mu
	return r
}

// take waits until there is room for bytes.
func (r *room) take(bytes int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.used > 0 && r.used+bytes > r.size {
		r.free.Wait()
	}
	r.used += bytes
}

func (r *room) give(bytes int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.used -= bytes
	r.free.Signal()
}
