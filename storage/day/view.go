// Package day holds the two forms of a site's day. An Open day grows in memory, column by column, and is rebuilt at
// start from its journal. A sealed day is immutable bytes, decoded column by column when a query names one. Both are
// read through a View, so that a query has one code path and the same answer before and after sealing.
//
// In a View visits stand in the order of their visitors, and rows in the order of their visits. Distinct visitors
// under any condition are therefore counted by watching for a change of visitor; visitor ids are not needed and,
// in a sealed day, not kept.
package day

import (
	"fmt"
	"slices"
	"sync"

	"footfall/storage/column"
	"footfall/storage/schema"
)

// Text is a column of dictionary codes, one a visit or a row.
type Text struct {
	Codes []uint32
	Words []string
}

// SparseText is a column that only some rows have.
type SparseText struct {
	Rows  []uint32 // ascending
	Codes []uint32 // one for each of Rows
	Words []string
}

// View is a day arranged for reading. It is safe for concurrent use; what its methods return must not be changed.
type View struct {
	Date     schema.Date
	Zone     string // name of the site's zone when the day was made
	Begin    int64  // Unix seconds of its first instant
	Visitors int
	Visits   int
	Rows     int // events, engagement included
	Counting int // events, engagement left out
	Props    []string

	source *sealed // nil: everything is in the maps

	mu      sync.Mutex // guards the maps, which fill as columns are asked for
	numbers map[schema.ID][]uint32
	texts   map[schema.ID]*Text
	sparse  map[columnKey]*SparseText
	totals  map[columnKey]*Totals
	visit   *visitNumbers
	ends    map[schema.ID]*Text // entry and exit pages and hosts
	starts  []uint32
	visitor []uint32
}

// visitNumbers are the numbers that follow from a visit's rows.
type visitNumbers struct {
	start, duration, pageviews, events, bounce []uint32
}

// columnKey names a column; those of properties share their ID and have the property's key beside it.
type columnKey struct {
	id   schema.ID
	prop string
}

var (
	amountKey   = columnKey{id: schema.EventRevenueAmount}
	currencyKey = columnKey{id: schema.EventRevenueCurrency}
)

func propKey(prop string) columnKey { return columnKey{schema.EventProps, prop} }

// Numbers returns a number column: event columns one value a row (times in seconds from Begin), visit columns one a visit.
func (v *View) Numbers(id schema.ID) ([]uint32, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.numbersLocked(id)
}

func (v *View) numbersLocked(id schema.ID) ([]uint32, error) {
	if n, ok := v.numbers[id]; ok {
		return n, nil
	}
	switch id {
	case schema.VisitStart, schema.VisitDuration, schema.VisitPageviews, schema.VisitEvents, schema.VisitBounce:
		if err := v.foldLocked(); err != nil {
			return nil, err
		}
		return map[schema.ID][]uint32{
			schema.VisitStart: v.visit.start, schema.VisitDuration: v.visit.duration, schema.VisitPageviews: v.visit.pageviews,
			schema.VisitEvents: v.visit.events, schema.VisitBounce: v.visit.bounce,
		}[id], nil
	}
	if v.source == nil {
		return nil, fmt.Errorf("day %s: no column %s", v.Date, schema.Columns[id].Name)
	}
	n, err := v.source.numbers(v, id)
	if err != nil {
		return nil, fmt.Errorf("day %s: column %s: %w", v.Date, schema.Columns[id].Name, err)
	}
	v.numbers[id] = n
	return n, nil
}

// Text returns a text column: event columns one code a row, visit columns one a visit.
func (v *View) Text(id schema.ID) (*Text, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.textLocked(id)
}

func (v *View) textLocked(id schema.ID) (*Text, error) {
	if t, ok := v.texts[id]; ok {
		return t, nil
	}
	switch id {
	case schema.EntryPage, schema.ExitPage, schema.EntryHostname, schema.ExitHostname:
		return v.endLocked(id)
	}
	if v.source == nil {
		return nil, fmt.Errorf("day %s: no column %s", v.Date, schema.Columns[id].Name)
	}
	t, err := v.source.text(v, id)
	if err != nil {
		return nil, fmt.Errorf("day %s: column %s: %w", v.Date, schema.Columns[id].Name, err)
	}
	v.texts[id] = t
	return t, nil
}

// Prop returns the column of a custom property; a key that no event of the day has gives an empty one.
func (v *View) Prop(key string) (*SparseText, error) {
	if v.index(propKey(key)) < 0 {
		return &SparseText{}, nil
	}
	return v.sparseText(propKey(key))
}

// Revenue returns the amounts and currencies; both have the same rows.
func (v *View) Revenue() (amount, currency *SparseText, err error) {
	if amount, err = v.sparseText(amountKey); err != nil {
		return nil, nil, err
	}
	currency, err = v.sparseText(currencyKey)
	return amount, currency, err
}

func (v *View) sparseText(key columnKey) (*SparseText, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if s, ok := v.sparse[key]; ok {
		return s, nil
	}
	if v.source == nil {
		return &SparseText{}, nil
	}
	s, err := v.source.sparseText(v, key)
	if err != nil {
		return nil, fmt.Errorf("day %s: property column: %w", v.Date, err)
	}
	v.sparse[key] = s
	return s, nil
}

// RowStarts returns where each visit's rows begin, and the number of rows as last element.
func (v *View) RowStarts() ([]uint32, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.rowStartsLocked()
}

func (v *View) rowStartsLocked() ([]uint32, error) {
	if v.starts == nil {
		counts, err := v.numbersLocked(schema.VisitRows)
		if err != nil {
			return nil, err
		}
		starts := make([]uint32, len(counts)+1)
		for i, n := range counts {
			starts[i+1] = starts[i] + n
		}
		if int(starts[len(counts)]) != v.Rows {
			return nil, fmt.Errorf("day %s: %w: rows of visits do not add up", v.Date, column.ErrCorrupt)
		}
		v.starts = starts
	}
	return v.starts, nil
}

// VisitorOf returns each visit's visitor, numbered from 0 and never descending.
func (v *View) VisitorOf() ([]uint32, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.visitor == nil {
		counts, err := v.numbersLocked(schema.VisitVisitor)
		if err != nil {
			return nil, err
		}
		of := make([]uint32, 0, v.Visits)
		for visitor, n := range counts {
			if int(n) > v.Visits-len(of) {
				break
			}
			for range n {
				of = append(of, uint32(visitor))
			}
		}
		if len(of) != v.Visits {
			return nil, fmt.Errorf("day %s: %w: visits of visitors do not add up", v.Date, column.ErrCorrupt)
		}
		v.visitor = of
	}
	return v.visitor, nil
}

// foldLocked derives what follows from a visit's rows. It is the definition of start, duration and bounce.
func (v *View) foldLocked() error {
	if v.visit != nil {
		return nil
	}
	starts, err := v.rowStartsLocked()
	if err != nil {
		return err
	}
	names, err := v.textLocked(schema.EventName)
	if err != nil {
		return err
	}
	times, err := v.numbersLocked(schema.EventTime)
	if err != nil {
		return err
	}
	interactive, err := v.numbersLocked(schema.EventInteractive)
	if err != nil {
		return err
	}
	pageview, engagement := names.Code(Pageview), names.Code(Engagement)
	block := make([]uint32, 5*v.Visits)
	take := func() []uint32 {
		s := block[:v.Visits:v.Visits]
		block = block[v.Visits:]
		return s
	}
	c := &visitNumbers{start: take(), duration: take(), pageviews: take(), events: take(), bounce: take()}
	for i := range v.Visits {
		first, end := starts[i], starts[i+1]
		if first == end {
			return fmt.Errorf("day %s: %w: a visit without rows", v.Date, column.ErrCorrupt)
		}
		last := times[first]
		engaged := false
		for r := first; r < end; r++ {
			switch names.Codes[r] {
			case engagement:
				continue
			case pageview:
				c.pageviews[i]++
			default:
				engaged = engaged || interactive[r] != 0
			}
			c.events[i]++
			last = times[r]
		}
		c.start[i] = times[first]
		c.duration[i] = last - times[first]
		if c.pageviews[i] < 2 && !engaged {
			c.bounce[i] = 1
		}
	}
	v.visit = c
	return nil
}

// endLocked derives the entry or exit page or host: that of the first or last pageview, "" without one.
func (v *View) endLocked(id schema.ID) (*Text, error) {
	if t := v.ends[id]; t != nil {
		return t, nil
	}
	from, entry := schema.EventPage, id == schema.EntryPage || id == schema.EntryHostname
	if id == schema.EntryHostname || id == schema.ExitHostname {
		from = schema.EventHostname
	}
	starts, err := v.rowStartsLocked()
	if err != nil {
		return nil, err
	}
	names, err := v.textLocked(schema.EventName)
	if err != nil {
		return nil, err
	}
	rows, err := v.textLocked(from)
	if err != nil {
		return nil, err
	}
	pageview := names.Code(Pageview)
	words, none := withEmpty(rows.Words)
	t := &Text{make([]uint32, v.Visits), words}
	for i := range t.Codes {
		t.Codes[i] = none
		for r := starts[i]; r < starts[i+1]; r++ {
			if names.Codes[r] == pageview {
				t.Codes[i] = rows.Codes[r]
				if entry {
					break
				}
			}
		}
	}
	if v.ends == nil {
		v.ends = map[schema.ID]*Text{}
	}
	v.ends[id] = t
	return t, nil
}

// codeOf returns the code of word, or a code that no row has.
func codeOf(words []string, word string) uint32 {
	if i := slices.Index(words, word); i >= 0 {
		return uint32(i)
	}
	return 1<<32 - 1
}

// withEmpty returns words with "" among them, and its code.
func withEmpty(words []string) ([]string, uint32) {
	if i := slices.Index(words, ""); i >= 0 {
		return words, uint32(i)
	}
	return append(words[:len(words):len(words)], ""), uint32(len(words))
}

// Code returns the code of word, or one that no row has.
func (t *Text) Code(word string) uint32 { return codeOf(t.Words, word) }

// Bytes returns about how much memory the decoded columns take.
func (v *View) Bytes() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	n := 512 + 4*(len(v.starts)+len(v.visitor))
	for _, c := range v.numbers {
		n += 4 * len(c)
	}
	words := 0
	for _, t := range v.texts {
		n += 4 * len(t.Codes)
		words += textBytes(t.Words)
	}
	for _, s := range v.sparse {
		n += 8 * len(s.Rows)
		words += textBytes(s.Words)
	}
	for _, t := range v.totals {
		n += (28 + 16) * len(t.Words) // a list may have words of its own beside the shared ones, for ""
	}
	if v.visit != nil {
		n += 5 * 4 * v.Visits
	}
	n += len(v.ends) * 4 * v.Visits
	if v.source != nil {
		words = 0
		for _, w := range v.source.known {
			words += textBytes(w)
		}
		n += 32 * len(v.source.streams)
		for _, c := range v.source.chunks {
			n += len(c)
		}
	}
	return n + words
}

func textBytes(words []string) int {
	n := 16 * len(words)
	for _, w := range words {
		n += len(w)
	}
	return n
}

// Rest forgets the chunks that columns were decoded from: they are of use only while one after another is asked for.
func (v *View) Rest() {
	if v.source == nil {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	clear(v.source.chunks)
}

// Shrink forgets the decoded columns of a sealed day, but not its totals.
func (v *View) Shrink() {
	if v.source == nil {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	clear(v.numbers)
	clear(v.texts)
	clear(v.sparse)
	v.visit, v.ends, v.starts, v.visitor = nil, nil, nil, nil
	clear(v.source.chunks)
}
