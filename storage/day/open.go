package day

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"footfall/storage/schema"
)

// Placed is a visit of an open day: its number is its place in Resume's answer.
type Placed struct {
	Visitor uint64
	Visit   uint32
	Last    int64 // Unix seconds of its last row, engagement included
}

// Open is a day that still grows. Its visits are in memory; so are its newest rows, as columns in the order of arrival, while older ones
// may lie in the file, in layers. One goroutine adds rows; any may read.
type Open struct {
	Site  schema.Site
	Date  schema.Date
	Begin time.Time // the day's first instant, in its zone
	begin int64     // the same in Unix seconds

	// Tight, which may be nil, says that all open days together take more memory than they may: no new words then.
	Tight *atomic.Bool

	mu sync.RWMutex // guards all below

	visitors visitorSet
	visitor  []uint32 // by visit: its visitor
	last     []uint32 // by visit: second of its last row
	seen     []uint32 // by visit: second of its last row that counts

	layers          []*layer
	layered         int // rows in them
	layeredCounting int // of these, that count
	layeredVisitors int // visitors in them
	tail            tail

	attrs            [schema.NumAttributes]growing
	name, host, page growing
	sparse           map[columnKey]*growingSparse
	props            int // property columns
	dictionaries     []namedDictionary
	counting         int
	room             room

	live     *live // of the rows there are; nil: nobody has asked
	numbered numbered

	rehearsal bool // rows are counted in rehearsed and not kept, see Rehearse
	rehearsed int
}

// tail is the columns of the rows in memory, and of the visits that begin in them.
type tail struct {
	visit []uint32                     // by row
	rows  [len(rowColumns)]narrow      // by row
	first int                          // visit: those before begin in layers
	begun [schema.NumAttributes]narrow // by visit from first on: codes
}

// rowColumns are the columns of events that every row has, in the order in which tails and layers hold them.
var rowColumns = [...]schema.ID{schema.EventTime, schema.EventInteractive, schema.EventScrollDepth, schema.EventEngagement,
	schema.EventName, schema.EventHostname, schema.EventPage}

// rowColumn returns the place of a column among rowColumns.
func rowColumn(id schema.ID) int { return slices.Index(rowColumns[:], id) }

// growing is a column under way, or its dictionary alone. Words from journaled on have not been written to a journal value yet; those before
// durable are on disk, those before layered in a layer.
type growing struct {
	codes     []uint32
	words     []string
	index     map[string]uint32
	journaled int
	durable   int
	layered   int
	folds     bool // some of the words that a Builder was asked for became Other
}

// growingSparse is a column that some rows of the tail have.
type growingSparse struct {
	rows []uint32 // in the tail
	growing
	inLayer bool // some rows of a layer have it
}

// NewOpen returns an empty day. begin is its first instant, in the zone in force on it: schema.Calendar.Start.
func NewOpen(site schema.Site, date schema.Date, begin time.Time) *Open {
	o := &Open{
		Site: site, Date: date, Begin: begin, begin: begin.Unix(), sparse: map[columnKey]*growingSparse{},
	}
	for id := range o.attrs {
		o.dictionaries = append(o.dictionaries, namedDictionary{schema.ID(id), "", &o.attrs[id]})
	}
	o.dictionaries = append(o.dictionaries, namedDictionary{schema.EventName, "", &o.name},
		namedDictionary{schema.EventHostname, "", &o.host}, namedDictionary{schema.EventPage, "", &o.page})
	return o
}

// Begins reports whether the day begins at that instant, and in its zone.
func (o *Open) Begins(at time.Time) bool {
	return at.Equal(o.Begin) && at.Location().String() == o.Begin.Location().String()
}

// Fits returns an error if rows could not be added, in their order, behind what the day holds.
func (o *Open) Fits(rows []Row) error {
	o.mu.RLock()
	defer o.mu.RUnlock()
	visits := len(o.visitor)
	last := map[uint32]int64{} // of the visits that rows go on with
	for i := range rows {
		r := &rows[i]
		before, seen := last[r.Visit]
		if !seen {
			before = o.lastLocked(r.Visit)
		}
		if err := o.fits(r.Visit, r.New != nil, r.Event.Name != Engagement, r.Event.Time, before, visits); err != nil {
			return err
		}
		last[r.Visit] = r.Event.Time
		visits += int(bit(r.New != nil))
	}
	return nil
}

// lastLocked returns the time of a visit's last row, 0 for a visit that is not known.
func (o *Open) lastLocked(visit uint32) int64 {
	if int(visit) >= len(o.last) {
		return 0
	}
	return o.begin + int64(o.last[visit])
}

// fits is the rule for one row: visits is how many visits there are, before the time of this visit's last row.
func (o *Open) fits(visit uint32, fresh, counts bool, at, before int64, visits int) error {
	switch second := at - o.begin; {
	case fresh != (int(visit) == visits) || int(visit) > visits:
		return fmt.Errorf("open day %s: row of visit %d comes out of order, %d visits are known", o.Date, visit, visits)
	case fresh && !counts:
		return fmt.Errorf("open day %s: engagement cannot begin a visit", o.Date)
	case second < 0 || second > maxSecond:
		return fmt.Errorf("open day %s: time %d is not within the day", o.Date, at)
	case !fresh && at < before:
		return fmt.Errorf("open day %s: a row of visit %d is earlier than the one before it", o.Date, visit)
	}
	return nil
}

func (s *growingSparse) add(row, code uint32) {
	s.rows, s.codes = append(s.rows, row), append(s.codes, code)
}

// code returns the code of word, giving it the next one if it has none.
func (g *growing) code(word string) uint32 {
	if c, ok := g.index[word]; ok {
		return c
	}
	if g.index == nil {
		g.index = map[string]uint32{}
	}
	c := uint32(len(g.words))
	g.words = append(g.words, word)
	g.index[word] = c
	return c
}

// Rows returns the number of events, engagement included.
func (o *Open) Rows() int {
	o.mu.RLock()
	defer o.mu.RUnlock()
	return o.rowsLocked()
}

func (o *Open) rowsLocked() int { return o.layered + len(o.tail.visit) }

// Counting returns the number of events, engagement left out.
func (o *Open) Counting() int {
	o.mu.RLock()
	defer o.mu.RUnlock()
	return o.counting
}

// Apply adds rows without a journal: for days built in memory by an import. It refuses rows out of order.
func (o *Open) Apply(rows []Row) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := range rows {
		if err := o.addLocked(o.codeLocked(&rows[i])); err != nil {
			return err
		}
	}
	return nil
}

// coded is a row with its words replaced by codes.
type coded struct {
	visit                 uint32
	fresh                 bool
	visitor               uint64
	attrs                 [schema.NumAttributes]uint32
	time                  int64
	name, host, page      uint32
	interactive           bool
	scroll                uint8
	engagement            uint32
	sparse                []codedProp
	countsAsEvent         bool
	amountCode, currency  uint32
	hasRevenue, hasScroll bool
}

type codedProp struct {
	column *growingSparse
	key    string
	code   uint32
}

// codeLocked gives codes to a row's words. Words without rows do no harm, so it may run before the row is durable.
func (o *Open) codeLocked(r *Row) coded {
	e := &r.Event
	c := coded{
		visit: r.Visit, time: e.Time, interactive: e.Interactive, scroll: e.ScrollDepth, engagement: e.EngagementMS,
		name: o.wordLocked(schema.EventName, &o.name, e.Name), host: o.wordLocked(schema.EventHostname, &o.host, e.Hostname),
		page:          o.wordLocked(schema.EventPage, &o.page, e.Pathname),
		countsAsEvent: e.Name != Engagement, hasScroll: e.ScrollDepth <= 100,
	}
	if r.New != nil {
		c.fresh, c.visitor = true, r.New.Visitor
		for id := range c.attrs {
			c.attrs[id] = o.wordLocked(schema.ID(id), &o.attrs[id], r.New.Attributes[id])
		}
	}
	for _, p := range e.Props {
		if s := o.sparse[propKey(p.Key)]; s != nil || o.props < MaxPropKeys {
			s = o.sparseLocked(propKey(p.Key))
			c.sparse = append(c.sparse, codedProp{s, p.Key, o.wordLocked(schema.EventProps, &s.growing, p.Value)})
		} else {
			o.room.fold(schema.EventProps, 1)
		}
	}
	if e.Revenue != (Revenue{}) {
		// An amount is a number or nothing: without room for it the event goes without revenue.
		amount := &o.sparseLocked(amountKey).growing
		if c.hasRevenue = o.room.has(schema.EventRevenueAmount, amount, e.Revenue.Amount, o.tight()); c.hasRevenue {
			c.amountCode = o.room.code(amount, e.Revenue.Amount)
			c.currency = o.room.code(&o.sparseLocked(currencyKey).growing, e.Revenue.Currency)
		} else {
			o.room.fold(schema.EventRevenueAmount, 1)
		}
	}
	return c
}

func (o *Open) sparseLocked(key columnKey) *growingSparse {
	s := o.sparse[key]
	if s == nil {
		s = &growingSparse{}
		o.sparse[key] = s
		o.dictionaries = append(o.dictionaries, namedDictionary{key.id, key.prop, &s.growing})
		if key.id == schema.EventProps {
			o.props++
		}
	}
	return s
}

// addLocked appends one row to the columns.
func (o *Open) addLocked(c coded) error {
	if err := o.fits(c.visit, c.fresh, c.countsAsEvent, c.time, o.lastLocked(c.visit), len(o.visitor)); err != nil {
		return err
	}
	if o.rehearsal {
		o.rehearseLocked(c)
		return nil
	}
	second := uint32(c.time - o.begin)
	if c.fresh {
		n, _ := o.visitors.number(c.visitor)
		o.visitor, o.last, o.seen = append(o.visitor, n), append(o.last, second), append(o.seen, second)
		for id := range o.attrs {
			o.tail.begun[id].append(c.attrs[id])
		}
	}
	o.last[c.visit] = second
	if c.countsAsEvent {
		o.seen[c.visit] = second
		o.counting++
	}
	depth := uint32(0)
	if c.hasScroll {
		depth = uint32(c.scroll) + 1
	}
	o.live = nil
	row := uint32(len(o.tail.visit))
	o.tail.visit = append(o.tail.visit, c.visit)
	for i, x := range [...]uint32{second, bit(c.interactive), depth, c.engagement, c.name, c.host, c.page} { // as rowColumns
		o.tail.rows[i].append(x)
	}
	for _, p := range c.sparse {
		p.column.add(row, p.code)
	}
	if c.hasRevenue {
		o.sparse[amountKey].add(row, c.amountCode)
		o.sparse[currencyKey].add(row, c.currency)
	}
	return nil
}

func bit(b bool) uint32 {
	if b {
		return 1
	}
	return 0
}

// Resume returns every visit with the time of its last row, so that visits go on after a restart.
func (o *Open) Resume() []Placed {
	o.mu.RLock()
	defer o.mu.RUnlock()
	out := make([]Placed, len(o.visitor))
	for i, n := range o.visitor {
		out[i] = Placed{o.visitors.ids[n], uint32(i), o.lastLocked(uint32(i))}
	}
	return out
}

// Current returns the number of distinct visitors with an event, engagement left out, at or after since (Unix seconds).
func (o *Open) Current(since int64) int {
	o.mu.RLock()
	defer o.mu.RUnlock()
	seen := map[uint32]bool{}
	for visit, second := range o.seen {
		if o.begin+int64(second) >= since {
			seen[o.visitor[visit]] = true
		}
	}
	return len(seen)
}

// View arranges the day for reading: as it is now, whatever comes in later.
func (o *Open) View() *View {
	o.mu.RLock()
	l := o.live
	o.mu.RUnlock()
	if l == nil {
		o.mu.Lock()
		if o.live == nil {
			o.live = o.arrangeLocked()
		}
		l = o.live
		o.mu.Unlock()
	}
	v := newView()
	v.Date, v.Zone, v.Begin, v.Counting, v.live = o.Date, o.Begin.Location().String(), o.begin, l.counting, l
	v.Props = l.props
	v.Visitors, v.Visits, v.Rows = l.all.visitors, l.all.visits, l.all.rows
	return v
}
