package query

import (
	"reflect"
	"regexp"
	"slices"
	"strings"

	"footfall/storage/day"
	"footfall/storage/schema"
)

// mask says which visits or which rows of a part pass; nil lets all pass.
type mask struct {
	visits, rows []bool
	none         bool // nothing passes
	events       bool // events were asked about, though all may pass: a visit passes by an event that counts and lies in the range
}

// condition is a filter made ready for a batch of queries: its words are looked up and its patterns compiled once.
type condition struct {
	op        Op
	args      []*condition
	dimension Dimension
	level     schema.Level
	verdict   func(word string) bool
	leaf      int // number of the leaf in the batch, see scanner.verdicts
}

// conditions are the filter lists of a batch. Queries of a dashboard have the same: they are looked at once.
type conditions struct {
	lists  [][]Filter
	ready  [][]*condition
	leaves int
}

// number returns the number of a list of filters, making it ready if it is new.
func (c *conditions) number(filters []Filter) int {
	for i, l := range c.lists {
		if reflect.DeepEqual(l, filters) || len(l)+len(filters) == 0 {
			return i
		}
	}
	var ready []*condition
	for i := range filters {
		ready = append(ready, c.make(&filters[i]))
	}
	c.lists, c.ready = append(c.lists, filters), append(c.ready, ready)
	return len(c.lists) - 1
}

func (c *conditions) make(f *Filter) *condition {
	out := &condition{op: f.Op, dimension: f.Dimension}
	if len(f.Args) == 0 {
		out.verdict, out.level, out.leaf = f.verdict(), f.Dimension.level(), c.leaves
		c.leaves++
		return out
	}
	for i := range f.Args {
		out.args = append(out.args, c.make(&f.Args[i]))
	}
	return out
}

// level returns whether a dimension that is not time has a value a visit or a value an event.
func (d Dimension) level() schema.Level {
	if _, ok := d.Prop(); ok {
		return schema.Event
	}
	return schema.Columns[d.column()].Level
}

// excluded reports whether the ranges of codes alone tell that no row of the part passes.
func (s *scanner) excluded(list []*condition) (bool, error) {
	for _, c := range list {
		if c.args != nil {
			continue
		}
		if some, _, known, err := s.judgeRange(c); err != nil || known && !some {
			return known, err
		}
	}
	return false, nil
}

// judgeRange tells from the range of codes whether some, or all, of the part's values pass a leaf.
func (s *scanner) judgeRange(c *condition) (some, all, known bool, err error) {
	if _, ok := c.dimension.Prop(); ok {
		return false, false, false, nil
	}
	id := c.dimension.column()
	low, high, ok := s.v.Range(id)
	if !ok {
		return false, false, false, nil
	}
	words, err := s.v.Dictionary(id)
	if err != nil || int(high) >= words.Len() {
		return false, false, false, err
	}
	all = true
	for code := low; code <= high && (all || !some); code++ {
		pass := s.passes(c, words.Numbers[code], words.Vocabulary)
		some, all = some || pass, all && pass
	}
	return some, all, true, nil
}

// Verdicts on a word, by its number in the vocabulary.
const (
	unknown = iota
	passes
	fails
)

// passes judges a word once a batch, however many days have it.
func (s *scanner) passes(c *condition, number uint32, words *day.Vocabulary) bool {
	known := s.verdicts[c.leaf]
	if int(number) >= len(known) {
		known = append(known, make([]byte, words.Len()-len(known))...)
		s.verdicts[c.leaf] = known
	}
	if known[number] == unknown {
		known[number] = fails
		if c.verdict(words.Words()[number]) {
			known[number] = passes
		}
	}
	return known[number] == passes
}

// all evaluates a list of conditions that must all hold.
func (s *scanner) all(list []*condition) (mask, error) {
	var out mask
	for _, c := range list {
		m, err := s.mask(c)
		if err != nil {
			return mask{}, err
		}
		out.events = out.events || m.events
		if m.visits != nil {
			out.visits = combine(And, out.visits, m.visits)
		}
		if m.rows != nil {
			out.rows = combine(And, out.rows, m.rows)
		}
	}
	return out, nil
}

// mask returns either visits or rows, or neither where all pass.
func (s *scanner) mask(c *condition) (mask, error) {
	if c.args == nil {
		return s.leaf(c)
	}
	masks := make([]mask, len(c.args))
	rows, events := false, false
	for i, a := range c.args {
		m, err := s.mask(a)
		if err != nil {
			return mask{}, err
		}
		if m.visits == nil && m.rows == nil {
			m.visits = trues(s.v.Visits)
		}
		masks[i] = m
		rows, events = rows || m.rows != nil, events || m.events
	}
	var starts []uint32
	if rows {
		var err error
		if starts, err = s.v.RowStarts(); err != nil {
			return mask{}, err
		}
	}
	var out []bool
	for _, m := range masks {
		bits := m.visits
		if rows && m.rows == nil {
			bits = spread(m.visits, starts)
		} else if rows {
			bits = m.rows
		}
		if c.op == Not {
			out = bits
			for i, b := range out {
				out[i] = !b
			}
			break
		}
		out = combine(c.op, out, bits)
	}
	if rows {
		return mask{rows: out, events: true}, nil
	}
	return mask{visits: out, events: events}, nil
}

func trues(n int) []bool {
	out := make([]bool, n)
	for i := range out {
		out[i] = true
	}
	return out
}

// combine merges b into a, which may be nil at first. It may return either, changed.
func combine(op Op, a, b []bool) []bool {
	if a == nil {
		return b
	}
	for i := range a {
		if op == And {
			a[i] = a[i] && b[i]
		} else {
			a[i] = a[i] || b[i]
		}
	}
	return a
}

// spread gives each row its visit's bit.
func spread(visits []bool, starts []uint32) []bool {
	rows := make([]bool, starts[len(visits)])
	for i, b := range visits {
		if b {
			for r := starts[i]; r < starts[i+1]; r++ {
				rows[r] = true
			}
		}
	}
	return rows
}

func (s *scanner) leaf(c *condition) (mask, error) {
	if _, all, known, err := s.judgeRange(c); err != nil || known && all {
		return mask{events: c.level == schema.Event}, err
	}
	text, err := s.text(c.dimension)
	if err != nil {
		return mask{}, err
	}
	// A day has many words that this part does not use: each is judged when it is first met.
	verdicts := make([]byte, text.Len())
	bits := make([]bool, len(text.Codes))
	for i, code := range text.Codes {
		if verdicts[code] == unknown {
			verdicts[code] = fails
			if s.passes(c, text.Numbers[code], text.Vocabulary) {
				verdicts[code] = passes
			}
		}
		bits[i] = verdicts[code] == passes
	}
	if c.level == schema.Visit {
		return mask{visits: bits}, nil
	}
	return mask{rows: bits, events: true}, nil
}

// text returns the column of a dimension that is not time; properties have a value a row, too.
func (s *scanner) text(d Dimension) (*day.Text, error) {
	if key, ok := d.Prop(); ok {
		return s.v.NumberedProp(key, s.lexicon)
	}
	return s.v.Numbered(d.column(), s.lexicon)
}

// verdict returns the leaf's test of a word.
func (f *Filter) verdict() func(word string) bool {
	match := f.matcher()
	_, prop := f.Dimension.Prop()
	negative := f.Op == IsNot || f.Op == ContainsNot || f.Op == MatchesNot
	return func(w string) bool {
		if prop && w == "" && f.Op != Is && f.Op != IsNot {
			return false // an event without the property has no text to look into
		}
		return match(w) != negative
	}
}

// matcher returns the positive form of the leaf's test.
func (f *Filter) matcher() func(word string) bool {
	fold := func(s string) string { return s }
	if f.FoldCase {
		fold = strings.ToLower
	}
	clauses := make([]string, len(f.Clauses))
	for i, c := range f.Clauses {
		clauses[i] = fold(c)
	}
	names := emptyNames(f.Dimension)
	switch f.Op {
	case Is, IsNot:
		set := make(map[string]bool, len(clauses))
		for _, c := range clauses {
			set[c] = true
		}
		empty := slices.ContainsFunc(names, func(n string) bool { return set[fold(n)] })
		return func(w string) bool { return set[fold(w)] || w == "" && empty }
	case Contains, ContainsNot:
		shown := ""
		if slices.Contains(names, directNone) {
			shown = directNone
		}
		return func(w string) bool {
			if w == "" {
				w = shown
			}
			w = fold(w)
			return slices.ContainsFunc(clauses, func(c string) bool { return strings.Contains(w, c) })
		}
	}
	var patterns []*regexp.Regexp
	for _, c := range f.Clauses {
		patterns = append(patterns, regexp.MustCompile(c)) // Validate has compiled it once
	}
	return func(w string) bool {
		return slices.ContainsFunc(patterns, func(p *regexp.Regexp) bool { return p.MatchString(w) })
	}
}

const directNone = "Direct / None"

// emptyNames returns the words that stand for the empty value of a dimension in a filter.
func emptyNames(d Dimension) []string {
	if _, ok := d.Prop(); ok {
		return []string{schema.NoProp}
	}
	id := d.column()
	names := []string{"(not set)"}
	if e := schema.Columns[id].Empty; e != "" {
		names = append(names, e)
	}
	if id >= schema.UTMMedium && id <= schema.UTMTerm {
		names = append(names, directNone)
	}
	return names
}
