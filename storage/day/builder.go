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

	words    [schema.NumColumns]growing // of the columns of text, and of revenue
	columns  [schema.NumColumns]narrow  // of text and of numbers
	props    []builtProp
	propOf   map[string]int // index of a property's key in props
	visitors int
	visitor  []uint32 // by visit
	visit    []uint32 // by row
	revenue  revenueColumns
	counting int

	room       room
	engagement uint32 // the number of its name, or of no name
}

type builtProp struct {
	key string
	growingSparse
}

// revenueColumns are the rows that have revenue.
type revenueColumns struct{ rows, amounts, currencies []uint32 }

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
	return &Builder{date: date, begin: begin, propOf: map[string]int{}, visit: make([]uint32, 0, rows), engagement: 1<<32 - 1}
}

// Word returns the number of a word of a text column, or of revenue's amounts and currencies. Where the day has no room for it, that is
// the number of Other, and no amount at all.
func (b *Builder) Word(id schema.ID, word string) uint32 {
	g := &b.words[id]
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
func (b *Builder) Spell(id schema.ID, code uint32) string { return b.words[id].words[code] }

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
			b.columns[id].append(code)
		}
	}
	row := uint32(len(b.visit))
	b.visit = append(b.visit, r.Visit)
	depth := uint32(0)
	if r.ScrollDepth <= 100 {
		depth = uint32(r.ScrollDepth) + 1
	}
	b.columns[schema.EventTime].append(uint32(second))
	b.columns[schema.EventInteractive].append(bit(r.Interactive))
	b.columns[schema.EventScrollDepth].append(depth)
	b.columns[schema.EventEngagement].append(r.EngagementMS)
	b.columns[schema.EventName].append(r.Name)
	b.columns[schema.EventHostname].append(r.Host)
	b.columns[schema.EventPage].append(r.Page)
	for _, p := range r.Props {
		b.props[p.Column].add(row, p.Value)
	}
	if amount := &b.words[schema.EventRevenueAmount]; r.HasRevenue && amount.folds && amount.words[r.Amount] == Other {
		b.room.fold(schema.EventRevenueAmount, 1)
	} else if r.HasRevenue {
		m := &b.revenue
		m.rows, m.amounts, m.currencies = append(m.rows, row), append(m.amounts, r.Amount), append(m.currencies, r.Currency)
	}
	if r.Name != b.engagement {
		b.counting++
	}
	return nil
}

// countFolded counts the values that became Other.
func (b *Builder) countFolded() {
	for _, id := range storedTexts {
		if g := &b.words[id]; g.folds {
			b.room.fold(id, int64(b.columns[id].count(len(g.words))[g.index[Other]]))
		}
	}
	for i := range b.props {
		if p := &b.props[i]; p.folds {
			codes := narrow{four: p.codes}
			b.room.fold(schema.EventProps, int64(codes.count(len(p.words))[p.index[Other]]))
		}
	}
}

// View returns the day, to be read or to be sealed once: sealing uses it up. So is the builder.
func (b *Builder) View() *View {
	u := newUnordered()
	u.visitors, u.visitor, u.visit = b.visitors, b.visitor, b.visit
	for _, id := range storedNumbers {
		n := b.columns[id]
		u.numbers[id] = &n
	}
	for _, id := range storedTexts {
		u.texts[id] = &narrowText{b.columns[id], b.words[id].words}
	}
	for i := range b.props {
		if p := &b.props[i]; len(p.rows) > 0 {
			u.sparse[propKey(p.key)] = &SparseText{p.rows, p.codes, Dictionary{Words: p.words}}
		}
	}
	if m := &b.revenue; len(m.rows) > 0 {
		u.sparse[amountKey] = &SparseText{m.rows, m.amounts, Dictionary{Words: b.words[schema.EventRevenueAmount].words}}
		u.sparse[currencyKey] = &SparseText{m.rows, m.currencies, Dictionary{Words: b.words[schema.EventRevenueCurrency].words}}
	}
	b.countFolded()
	date, begin, counting, folded := b.date, b.begin, b.counting, b.room.folded
	*b = Builder{} // so that u alone holds the columns, and arrange can let go of them
	v := u.arrange(nil)
	v.Date, v.Zone, v.Begin, v.Counting, v.Folded, v.yields = date, begin.Location().String(), begin.Unix(), counting, folded, true
	return v
}
