package day

import (
	"fmt"
	"time"

	"footfall/storage/schema"
)

// Builder makes a view of rows that are all at hand, with numbers in the place of words: the way of an import, which then looks up a word
// once and not once an event. What a day holds of names is bounded as in an Open day. It is for one goroutine and one day.
type Builder struct {
	date  schema.Date
	begin time.Time

	text     [schema.NumColumns]growing // the columns of text, and the words of revenue
	props    []builtProp
	propOf   map[string]int // index of a property's key in props
	visitors int
	visitor  []uint32 // by visit
	visit    []uint32 // by row
	numbers  [schema.NumColumns][]uint32
	revenue  []uint32 // rows that have some
	counting int

	room       room
	engagement uint32 // the number of its name, or of no name
}

type builtProp struct {
	key string
	growingSparse
}

// CodedRow is a Row whose words are numbers that the Builder gave.
type CodedRow struct {
	Visit, Visitor   uint32                        // each counted from 0 in the order they come
	Attributes       *[schema.NumAttributes]uint32 // set exactly when Visit is the next unused number
	Time             int64                         // Unix seconds
	Name, Host, Page uint32
	Interactive      bool
	ScrollDepth      uint8 // percent 0–100, or NoScroll
	EngagementMS     uint32
	HasRevenue       bool
	Amount, Currency uint32
	Props            []CodedProp
}

// CodedProp is a custom property: what Prop gave for its key, and PropValue for its value.
type CodedProp struct {
	Column int
	Value  uint32
}

// NewBuilder returns a builder for a day of about so many rows. begin is its first instant: see NewOpen.
func NewBuilder(date schema.Date, begin time.Time, rows int) *Builder {
	b := &Builder{date: date, begin: begin, propOf: map[string]int{}, visit: make([]uint32, 0, rows), engagement: 1<<32 - 1}
	for _, id := range storedNumbers {
		b.numbers[id] = make([]uint32, 0, rows)
	}
	for _, id := range storedTexts {
		if schema.Columns[id].Level == schema.Event {
			b.text[id].codes = make([]uint32, 0, rows)
		}
	}
	return b
}

// Word returns the number of a word of a text column, or of revenue's amounts and currencies. Where the day has no room for it, that is
// the number of Other, and no amount at all.
func (b *Builder) Word(id schema.ID, word string) uint32 {
	g := &b.text[id]
	if !b.room.has(id, g, word, false) {
		g.folds = true
		word = Other
	}
	code := b.room.code(g, word)
	if id == schema.EventName && word == Engagement {
		b.engagement = code
	}
	return code
}

// Spell returns the word of a number.
func (b *Builder) Spell(id schema.ID, code uint32) string { return b.text[id].words[code] }

// Prop returns the number of a property's key, or ok = false if the day has too many already.
func (b *Builder) Prop(key string) (column int, ok bool) {
	column, ok = b.propOf[key]
	if !ok && len(b.props) < MaxPropKeys {
		column, ok = len(b.props), true
		b.propOf[key] = column
		b.props = append(b.props, builtProp{key: key})
	}
	return column, ok
}

// PropValue returns the number of a value of the property.
func (b *Builder) PropValue(column int, value string) uint32 {
	p := &b.props[column]
	if !b.room.has(schema.EventProps, &p.growing, value, false) {
		p.folds = true
		value = Other
	}
	return b.room.code(&p.growing, value)
}

// Add adds a row. Rows of one visit come in the order of their time.
func (b *Builder) Add(r *CodedRow) error {
	second := r.Time - b.begin.Unix()
	switch fresh := r.Attributes != nil; {
	case fresh != (int(r.Visit) == len(b.visitor)) || int(r.Visit) > len(b.visitor) || int(r.Visitor) > b.visitors:
		return fmt.Errorf("build day %s: internal error: row of visit %d comes out of order, %d visits are known", b.date, r.Visit, len(b.visitor))
	case second < 0 || second > maxSecond:
		return fmt.Errorf("build day %s: internal error: time %d is not within the day", b.date, r.Time)
	case fresh:
		b.visitors = max(b.visitors, int(r.Visitor)+1)
		b.visitor = append(b.visitor, r.Visitor)
		for id, code := range r.Attributes {
			b.text[id].codes = append(b.text[id].codes, code)
		}
	}
	row := uint32(len(b.visit))
	b.visit = append(b.visit, r.Visit)
	depth := uint32(0)
	if r.ScrollDepth <= 100 {
		depth = uint32(r.ScrollDepth) + 1
	}
	n := &b.numbers
	n[schema.EventTime] = append(n[schema.EventTime], uint32(second))
	n[schema.EventInteractive] = append(n[schema.EventInteractive], bit(r.Interactive))
	n[schema.EventScrollDepth] = append(n[schema.EventScrollDepth], depth)
	n[schema.EventEngagement] = append(n[schema.EventEngagement], r.EngagementMS)
	b.text[schema.EventName].codes = append(b.text[schema.EventName].codes, r.Name)
	b.text[schema.EventHostname].codes = append(b.text[schema.EventHostname].codes, r.Host)
	b.text[schema.EventPage].codes = append(b.text[schema.EventPage].codes, r.Page)
	for _, p := range r.Props {
		b.props[p.Column].add(row, p.Value)
	}
	if amount := &b.text[schema.EventRevenueAmount]; r.HasRevenue && amount.folds && amount.words[r.Amount] == Other {
		b.room.fold(schema.EventRevenueAmount, 1)
	} else if r.HasRevenue {
		b.revenue = append(b.revenue, row)
		b.text[schema.EventRevenueAmount].codes = append(b.text[schema.EventRevenueAmount].codes, r.Amount)
		b.text[schema.EventRevenueCurrency].codes = append(b.text[schema.EventRevenueCurrency].codes, r.Currency)
	}
	if r.Name != b.engagement {
		b.counting++
	}
	return nil
}

// countFolded counts the values that became Other.
func (b *Builder) countFolded() {
	count := func(id schema.ID, g *growing) {
		if !g.folds {
			return
		}
		other, n := g.index[Other], int64(0)
		for _, c := range g.codes {
			if c == other {
				n++
			}
		}
		b.room.fold(id, n)
	}
	for _, id := range storedTexts {
		count(id, &b.text[id])
	}
	for i := range b.props {
		count(schema.EventProps, &b.props[i].growing)
	}
}

// View returns the day, to be read or to be sealed once: sealing uses it up. So is the builder.
func (b *Builder) View() *View {
	u := &unordered{
		visitors: b.visitors, visitor: b.visitor, visit: b.visit,
		numbers: map[schema.ID][]uint32{}, texts: map[schema.ID]*Text{}, sparse: map[columnKey]*SparseText{},
	}
	for _, id := range storedNumbers {
		u.numbers[id] = b.numbers[id]
	}
	for _, id := range storedTexts {
		u.texts[id] = spelled(b.text[id].codes, b.text[id].words)
	}
	for i := range b.props {
		if p := &b.props[i]; len(p.rows) > 0 {
			u.sparse[propKey(p.key)] = &SparseText{p.rows, p.codes, Dictionary{Words: p.words}}
		}
	}
	if len(b.revenue) > 0 {
		for _, key := range []columnKey{amountKey, currencyKey} {
			t := &b.text[key.id]
			u.sparse[key] = &SparseText{b.revenue, t.codes, Dictionary{Words: t.words}}
		}
	}
	b.countFolded()
	date, begin, counting, folded := b.date, b.begin, b.counting, b.room.folded
	*b = Builder{} // so that u alone holds the columns, and arrange can let go of them
	v := u.arrange(nil)
	v.Date, v.Zone, v.Begin, v.Counting, v.Folded, v.yields = date, begin.Location().String(), begin.Unix(), counting, folded, true
	return v
}
