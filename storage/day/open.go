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

// Open is a day that still grows, held as columns in the order of arrival. One goroutine adds rows; any may read.
type Open struct {
	Site  schema.Site
	Date  schema.Date
	Begin time.Time // the day's first instant, in its zone
	begin int64     // the same in Unix seconds

	// Tight, which may be nil, says that all open days together take more memory than they may: no new words then.
	Tight *atomic.Bool

	mu sync.RWMutex // guards all below

	visitors map[uint64]uint32 // visitor id to number
	ids      []uint64
	visitor  []uint32 // by visit
	last     []int64  // by visit
	attrs    [schema.NumAttributes]growing

	visit                           []uint32 // by row
	time, interactive, scroll, engd []uint32
	name, host, page                growing
	sparse                          map[columnKey]*growingSparse
	props                           int // property columns
	dictionaries                    []namedDictionary
	counting                        int
	room                            room

	view *View // of the first viewRows rows

	rehearsal bool // rows are counted in rehearsed and not kept, see Rehearse
	rehearsed int
}

// growing is a column under way. Words from journaled on have not been written to a journal value yet; those before durable are in one
// that is on disk.
type growing struct {
	codes     []uint32
	words     []string
	index     map[string]uint32
	journaled int
	durable   int
	folds     bool // some of the words that a Builder was asked for became Other
}

type growingSparse struct {
	rows []uint32
	growing
}

// NewOpen returns an empty day. begin is its first instant, in the zone in force on it: schema.Calendar.Start.
func NewOpen(site schema.Site, date schema.Date, begin time.Time) *Open {
	o := &Open{
		Site: site, Date: date, Begin: begin, begin: begin.Unix(),
		visitors: map[uint64]uint32{}, sparse: map[columnKey]*growingSparse{},
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
		if !seen && int(r.Visit) < len(o.visitor) {
			before = o.last[r.Visit]
		}
		if err := o.fits(r.Visit, r.New != nil, r.Event.Name != Engagement, r.Event.Time, before, visits); err != nil {
			return err
		}
		last[r.Visit] = r.Event.Time
		visits += int(bit(r.New != nil))
	}
	return nil
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

func (g *growing) text() *Text { return spelled(slices.Clip(g.codes), slices.Clip(g.words)) }

// Rows returns the number of events, engagement included.
func (o *Open) Rows() int {
	o.mu.RLock()
	defer o.mu.RUnlock()
	return len(o.visit)
}

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
	before := int64(0)
	if int(c.visit) < len(o.last) {
		before = o.last[c.visit]
	}
	if err := o.fits(c.visit, c.fresh, c.countsAsEvent, c.time, before, len(o.visitor)); err != nil {
		return err
	}
	if o.rehearsal {
		o.rehearseLocked(c)
		return nil
	}
	second := c.time - o.begin
	if c.fresh {
		n, known := o.visitors[c.visitor]
		if !known {
			n = uint32(len(o.ids))
			o.visitors[c.visitor] = n
			o.ids = append(o.ids, c.visitor)
		}
		o.visitor = append(o.visitor, n)
		o.last = append(o.last, c.time)
		for id := range o.attrs {
			o.attrs[id].codes = append(o.attrs[id].codes, c.attrs[id])
		}
	}
	row := uint32(len(o.visit))
	o.last[c.visit] = c.time
	o.visit = append(o.visit, c.visit)
	o.time = append(o.time, uint32(second))
	o.interactive = append(o.interactive, bit(c.interactive))
	depth := uint32(0)
	if c.hasScroll {
		depth = uint32(c.scroll) + 1
	}
	o.scroll = append(o.scroll, depth)
	o.engd = append(o.engd, c.engagement)
	o.name.codes = append(o.name.codes, c.name)
	o.host.codes = append(o.host.codes, c.host)
	o.page.codes = append(o.page.codes, c.page)
	for _, p := range c.sparse {
		p.column.add(row, p.code)
	}
	if c.hasRevenue {
		o.sparse[amountKey].add(row, c.amountCode)
		o.sparse[currencyKey].add(row, c.currency)
	}
	if c.countsAsEvent {
		o.counting++
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
		out[i] = Placed{o.ids[n], uint32(i), o.last[i]}
	}
	return out
}

// Current returns the number of distinct visitors with an event, engagement left out, at or after since (Unix seconds).
func (o *Open) Current(since int64) int {
	o.mu.RLock()
	defer o.mu.RUnlock()
	engagement := codeOf(o.name.words, Engagement)
	seen := map[uint32]bool{}
	for r := len(o.time) - 1; r >= 0 && o.begin+int64(o.time[r]) >= since-clockSlack; r-- {
		if o.name.codes[r] != engagement && o.begin+int64(o.time[r]) >= since {
			seen[o.visitor[o.visit[r]]] = true
		}
	}
	return len(seen)
}

// clockSlack is how far, in seconds, rows may stand out of order of time: rows of different visits may after a
// small clock correction.
const clockSlack = 5

// View arranges the day for reading. It is made anew only when rows were added since the last call.
func (o *Open) View() *View {
	o.mu.RLock()
	if o.view != nil && o.view.Rows == len(o.visit) {
		defer o.mu.RUnlock()
		return o.view
	}
	o.mu.RUnlock()
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.view == nil || o.view.Rows != len(o.visit) {
		o.view = o.viewLocked()
	}
	return o.view
}

func (o *Open) viewLocked() *View {
	raw := &unordered{
		visitors: len(o.ids), visitor: o.visitor, visit: o.visit,
		numbers: map[schema.ID][]uint32{
			schema.EventTime: o.time, schema.EventInteractive: o.interactive,
			schema.EventScrollDepth: o.scroll, schema.EventEngagement: o.engd,
		},
		texts: map[schema.ID]*Text{
			schema.EventName: o.name.text(), schema.EventHostname: o.host.text(), schema.EventPage: o.page.text(),
		},
		sparse: map[columnKey]*SparseText{},
	}
	for id := range o.attrs {
		raw.texts[schema.ID(id)] = o.attrs[id].text()
	}
	for key, s := range o.sparse {
		if len(s.rows) > 0 {
			raw.sparse[key] = &SparseText{slices.Clip(s.rows), slices.Clip(s.codes), Dictionary{Words: slices.Clip(s.words)}}
		}
	}
	v := raw.arrange()
	v.Date, v.Zone, v.Begin, v.Counting = o.Date, o.Begin.Location().String(), o.begin, o.counting
	return v
}
