package query

import (
	"regexp"
	"slices"
	"strings"

	"footfall/storage/day"
	"footfall/storage/schema"
)

// mask says which visits or which rows of a view pass; nil lets all pass.
type mask struct{ visits, rows []bool }

// filterView evaluates filters on a view. Every word of a dictionary is judged once, not every row.
func filterView(v *day.View, filters []Filter) (mask, error) {
	var all mask
	for i := range filters {
		m, err := filters[i].mask(v)
		if err != nil {
			return mask{}, err
		}
		if m.visits != nil {
			all.visits = combine(And, all.visits, m.visits)
		}
		if m.rows != nil {
			all.rows = combine(And, all.rows, m.rows)
		}
	}
	return all, nil
}

// mask returns either visits or rows.
func (f *Filter) mask(v *day.View) (mask, error) {
	if len(f.Args) == 0 {
		return f.leaf(v)
	}
	masks := make([]mask, len(f.Args))
	rows := false
	for i := range f.Args {
		m, err := f.Args[i].mask(v)
		if err != nil {
			return mask{}, err
		}
		masks[i] = m
		rows = rows || m.rows != nil
	}
	var starts []uint32
	if rows {
		var err error
		if starts, err = v.RowStarts(); err != nil {
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
		if f.Op == Not {
			out = make([]bool, len(bits))
			for i, b := range bits {
				out[i] = !b
			}
			break
		}
		out = combine(f.Op, out, bits)
	}
	if rows {
		return mask{rows: out}, nil
	}
	return mask{visits: out}, nil
}

// combine merges b into a, which may be nil at first.
func combine(op Op, a, b []bool) []bool {
	if a == nil {
		return slices.Clone(b)
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

func (f *Filter) leaf(v *day.View) (mask, error) {
	text, level, err := textOf(v, f.Dimension)
	if err != nil {
		return mask{}, err
	}
	pass := f.judge(text.Words)
	bits := make([]bool, len(text.Codes))
	for i, c := range text.Codes {
		bits[i] = pass[c]
	}
	if level == schema.Visit {
		return mask{visits: bits}, nil
	}
	return mask{rows: bits}, nil
}

// textOf returns the codes of a dimension that is not time.
func textOf(v *day.View, d Dimension) (*day.Text, schema.Level, error) {
	if key, ok := d.Prop(); ok {
		s, err := v.Prop(key)
		if err != nil {
			return nil, 0, err
		}
		return s.Dense(v.Rows), schema.Event, nil
	}
	id := d.column()
	t, err := v.Text(id)
	return t, schema.Columns[id].Level, err
}

// judge returns for each word whether it passes the leaf.
func (f *Filter) judge(words []string) []bool {
	match := f.matcher()
	_, prop := f.Dimension.Prop()
	out := make([]bool, len(words))
	for i, w := range words {
		switch {
		case prop && w == "" && f.Op != Is && f.Op != IsNot:
			// An event without the property has no text to look into.
		case f.Op == IsNot || f.Op == ContainsNot || f.Op == MatchesNot:
			out[i] = !match(w)
		default:
			out[i] = match(w)
		}
	}
	return out
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
