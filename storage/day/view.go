// Package day holds the two forms of a site's day. An Open day grows in memory, column by column, and is rebuilt at
// start from its journal. A sealed day is immutable bytes, decoded column by column when a query names one. Both are
// read through a View, so that a query has one code path and the same answer before and after sealing.
//
// In a View visits stand in the order of their visitors, and rows in the order of their visits. Distinct visitors
// under any condition are therefore counted by watching for a change of visitor; visitor ids are not needed and,
// in a sealed day, not kept.
package day

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"footfall/storage/column"
	"footfall/storage/schema"
)

// Dictionary is the words of a column by their codes: spelled out, or by their numbers in a vocabulary.
type Dictionary struct {
	Words      []string
	Numbers    []uint32 // in place of Words, in a view that has a Lexicon
	Vocabulary *Vocabulary
}

// Text is a column of dictionary codes, one a visit or a row.
type Text struct {
	Codes []uint32
	Dictionary
}

// SparseText is a column that only some rows have.
type SparseText struct {
	Rows  []uint32 // ascending
	Codes []uint32 // one for each of Rows
	Dictionary
}

func spelled(codes []uint32, words []string) *Text { return &Text{codes, Dictionary{Words: words}} }

// View is a day, or a part of one, arranged for reading. What its methods return must not be changed. It is safe for concurrent use,
// but one that [View.Part] returned is not.
type View struct {
	Date     schema.Date
	Zone     string // name of the site's zone when the day was made
	Begin    int64  // Unix seconds of its first instant
	Visitors int
	Visits   int
	Rows     int // events, engagement included
	Counting int // events, engagement left out; of the whole day
	Props    []string
	Folded   map[schema.ID]int64 // of a day just built: values that became Other, see MaxWords

	source  *sealed         // a sealed day; or
	live    *live           // an open one; or neither: everything is in the maps
	yields  bool            // who seals it takes its columns: nobody else has them
	part    int             // of the day, or ofDay
	lexicon *Lexicon        // words are numbered in it; nil: they are spelled out
	memory  *column.Decoder // decodes columns

	mu      sync.Mutex     // guards all below, which fills as columns are asked for
	chunks  map[int][]byte // fetched since the last Rest
	pieces  map[[2]int]*piece
	targets []uint32
	numbers map[schema.ID][]uint32
	texts   map[schema.ID]*Text
	sparse  map[columnKey]*SparseText
	visit   *visitNumbers
	ends    map[schema.ID]*Text // entry and exit pages and hosts
	starts  []uint32
	visitor []uint32
}

func newView() *View {
	return &View{part: ofDay, numbers: map[schema.ID][]uint32{}, texts: map[schema.ID]*Text{}, sparse: map[columnKey]*SparseText{}}
}

var errNoColumn = errors.New("there is no such column")

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
	var n []uint32
	var err error
	switch {
	case v.live != nil:
		n, err = v.live.numbersLocked(v, id)
	case v.source != nil:
		n, err = v.source.numbersOf(v, id)
	default:
		err = errNoColumn
	}
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
	var t *Text
	var err error
	switch {
	case v.live != nil:
		t, err = v.live.textLocked(v, id)
	case v.source != nil:
		t, err = v.source.text(v, id)
	default:
		err = errNoColumn
	}
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
	var s *SparseText
	var err error
	switch {
	case v.live != nil:
		s, err = v.live.sparseLocked(v, key)
	case v.source != nil:
		s, err = v.source.sparseText(v, key)
	default:
		return &SparseText{}, nil
	}
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
		starts := v.take(len(counts) + 1)
		starts[0] = 0
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
		of := v.take(v.Visits)
		at := 0
		for visitor, n := range counts {
			if int(n) > len(of)-at {
				at = -1
				break
			}
			for range n {
				of[at] = uint32(visitor)
				at++
			}
		}
		if at != len(of) {
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
	take := func() []uint32 { return v.take(v.Visits) }
	c := &visitNumbers{start: take(), duration: take(), pageviews: take(), events: take(), bounce: take()}
	for i := range v.Visits {
		first, end := starts[i], starts[i+1]
		if first == end {
			return fmt.Errorf("day %s: %w: a visit without rows", v.Date, column.ErrCorrupt)
		}
		last, pages, events := times[first], uint32(0), uint32(0)
		engaged := false
		for r := first; r < end; r++ {
			switch names.Codes[r] {
			case engagement:
				continue
			case pageview:
				pages++
			default:
				engaged = engaged || interactive[r] != 0
			}
			events++
			last = times[r]
		}
		c.start[i], c.duration[i], c.pageviews[i], c.events[i] = times[first], last-times[first], pages, events
		c.bounce[i] = bit(pages < 2 && !engaged)
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
	words, none := rows.withEmpty()
	t := &Text{v.take(v.Visits), words}
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
	return noCode
}

const noCode = 1<<32 - 1

// Len returns the number of words.
func (d *Dictionary) Len() int { return max(len(d.Words), len(d.Numbers)) }

// Code returns the code of word, or one that no row has.
func (d *Dictionary) Code(word string) uint32 {
	if d.Vocabulary == nil {
		return codeOf(d.Words, word)
	}
	if n, ok := d.Vocabulary.Find(word); ok {
		if i := slices.Index(d.Numbers, n); i >= 0 {
			return uint32(i)
		}
	}
	return noCode
}

// withEmpty returns the dictionary with "" in it, and its code.
func (d *Dictionary) withEmpty() (Dictionary, uint32) {
	out := *d
	code := d.Code("")
	if code == noCode {
		code = uint32(d.Len())
		if d.Vocabulary == nil {
			out.Words = append(slices.Clip(d.Words), "")
		} else {
			out.Numbers = append(slices.Clip(d.Numbers), d.Vocabulary.Numbers([]string{""})...)
		}
	}
	return out, code
}

// afterEmpty returns the dictionary with "" before its words.
func (d *Dictionary) afterEmpty() Dictionary {
	if d.Vocabulary == nil {
		return Dictionary{Words: append([]string{""}, d.Words...)}
	}
	return Dictionary{Numbers: append(d.Vocabulary.Numbers([]string{""}), d.Numbers...), Vocabulary: d.Vocabulary}
}

// in returns the dictionary with its words numbered in a vocabulary.
func (d *Dictionary) in(v *Vocabulary) Dictionary {
	if d.Vocabulary == v {
		return *d
	}
	return Dictionary{Numbers: v.Numbers(d.Words), Vocabulary: v}
}

func (v *View) take(n int) []uint32 { return v.memory.Take(n) }

// Bytes returns about how much memory is kept for the view between queries.
func (v *View) Bytes() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	n := 512
	if v.source != nil {
		n += v.source.size()
	}
	for _, c := range v.chunks {
		n += len(c)
	}
	return n
}

// yield lets go of a column that was taken out of a view, unless somebody else may have the view. One of an open day puts it together
// again when asked.
func (v *View) yield(id schema.ID) {
	if !v.yields && v.live == nil {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.numbers, id)
	delete(v.texts, id)
}

// Rest forgets the chunks that were read: they are of use only while one stream after another is asked for.
func (v *View) Rest() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.chunks = nil
}

// Parts returns how many parts the view has that can be read one by one: runs of visitors.
func (v *View) Parts() int {
	if all := v.allParts(); v.part == ofDay && all != nil {
		return len(all)
	}
	return 1
}

// allParts returns the parts of the day, nil where everything is in the maps.
func (v *View) allParts() []part {
	switch {
	case v.live != nil:
		return v.live.parts
	case v.source != nil:
		return v.source.parts
	}
	return nil
}

// Part returns a part of the view, its words numbered in l, its columns decoded with memory: they are valid until its Reset. Visitors
// of different parts are different people.
func (v *View) Part(i int, l *Lexicon, memory *column.Decoder) *View {
	all := v.allParts()
	if all == nil {
		return v
	}
	p := newView()
	p.Date, p.Zone, p.Begin, p.Counting, p.Props = v.Date, v.Zone, v.Begin, v.Counting, v.Props
	p.source, p.live, p.part, p.lexicon, p.memory = v.source, v.live, i, l, memory
	p.Visitors, p.Visits, p.Rows = all[i].visitors, all[i].visits, all[i].rows
	return p
}

// Numbered returns a text column with its words numbered in l.
func (v *View) Numbered(id schema.ID, l *Lexicon) (*Text, error) {
	t, err := v.Text(id)
	if err != nil || v.lexicon != nil {
		return t, err
	}
	return &Text{t.Codes, t.in(l.Column(id))}, nil
}

// NumberedProp returns the column of a custom property with a value a row, "" where a row has none, its words numbered in l.
func (v *View) NumberedProp(key string, l *Lexicon) (*Text, error) {
	s, err := v.Prop(key)
	if err != nil {
		return nil, err
	}
	t := s.dense(v.take(v.Rows))
	return &Text{t.Codes, t.in(l.Prop(key))}, nil
}

// Range returns bounds of the codes of a text column: none is below low or above high. ok = false says that they are not known.
func (v *View) Range(id schema.ID) (low, high uint32, ok bool) {
	if v.source == nil || v.part == ofDay {
		return 0, 0, false
	}
	t, found := v.source.find(streamID{part: int32(v.part), kind: kindCodes, id: id})
	if !found {
		_, words := v.source.find(streamID{part: ofDay, kind: kindWords, id: id})
		return 0, 0, !words && schema.Columns[id].Kind == schema.String
	}
	return t.low, t.high, t.low <= t.high
}

// Dictionary returns the words of a text column without its codes.
func (v *View) Dictionary(id schema.ID) (Dictionary, error) {
	if v.live != nil && schema.Columns[id].Kind == schema.String {
		return v.live.dictionary(columnKey{id: id}, v.lexicon), nil
	}
	if v.source == nil || schema.Columns[id].Kind != schema.String {
		t, err := v.Text(id)
		if err != nil {
			return Dictionary{}, err
		}
		return t.Dictionary, nil
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.source.dictionary(v, columnKey{id: id}, v.lexicon)
}
