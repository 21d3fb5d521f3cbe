package naive

import (
	"fmt"
	"regexp"
	"strings"

	"footfall/storage/day"
	"footfall/storage/query"
	"footfall/storage/schema"
)

// patterns holds the compiled clauses of matches and matches_not.
type patterns map[string]*regexp.Regexp

// collect compiles the patterns of a filter tree and refuses what has no meaning.
func (p patterns) collect(f query.Filter) error {
	switch f.Op {
	case query.And, query.Or, query.Not:
		for _, arg := range f.Args {
			if err := p.collect(arg); err != nil {
				return err
			}
		}
		if f.Op == query.Not && len(f.Args) != 1 {
			return fmt.Errorf("%w: not takes one filter, got %d", query.ErrInvalid, len(f.Args))
		}
		return nil
	case query.Matches, query.MatchesNot:
		for _, clause := range f.Clauses {
			compiled, err := regexp.Compile(clause)
			if err != nil {
				return fmt.Errorf("%w: pattern %q: %w", query.ErrInvalid, clause, err)
			}
			p[clause] = compiled
		}
	case query.Is, query.IsNot, query.Contains, query.ContainsNot:
	default:
		return fmt.Errorf("%w: operator %q", query.ErrInvalid, f.Op)
	}
	if f.Dimension.IsTime() || !known(f.Dimension) {
		return fmt.Errorf("%w: filter on %q", query.ErrInvalid, f.Dimension)
	}
	return nil
}

// all reports whether every filter holds. The event is nil where no filter asks for one.
func (p patterns) all(filters []query.Filter, v *visit, e *day.Event) bool {
	for _, f := range filters {
		if !p.holds(f, v, e) {
			return false
		}
	}
	return true
}

func (p patterns) holds(f query.Filter, v *visit, e *day.Event) bool {
	switch f.Op {
	case query.And:
		return p.all(f.Args, v, e)
	case query.Or:
		for _, arg := range f.Args {
			if p.holds(arg, v, e) {
				return true
			}
		}
		return false
	case query.Not:
		return !p.holds(f.Args[0], v, e)
	}
	return p.accepts(f, value(f.Dimension, v, e))
}

// accepts reports whether a leaf holds for a value of its dimension.
func (p patterns) accepts(f query.Filter, text string) bool {
	_, prop := f.Dimension.Prop()
	missing := prop && text == ""
	switch f.Op {
	case query.Is:
		return is(f, text)
	case query.IsNot:
		return !is(f, text)
	case query.Contains:
		return !missing && contains(f, text)
	case query.ContainsNot:
		return !missing && !contains(f, text)
	case query.Matches:
		return !missing && p.matches(f, text)
	default: // query.MatchesNot
		return !missing && !p.matches(f, text)
	}
}

func is(f query.Filter, text string) bool {
	for _, clause := range f.Clauses {
		if same(f, text, clause) {
			return true
		}
		if text == "" {
			for _, word := range wordsForEmpty(f.Dimension) {
				if same(f, word, clause) {
					return true
				}
			}
		}
	}
	return false
}

func same(f query.Filter, a, b string) bool {
	if f.FoldCase {
		a, b = strings.ToLower(a), strings.ToLower(b) // EqualFold would take more letters for the same
	}
	return a == b
}

func contains(f query.Filter, text string) bool {
	if text == "" && maybeDirect(f.Dimension) {
		text = "Direct / None"
	}
	for _, clause := range f.Clauses {
		if f.FoldCase {
			text, clause = strings.ToLower(text), strings.ToLower(clause)
		}
		if strings.Contains(text, clause) {
			return true
		}
	}
	return false
}

func (p patterns) matches(f query.Filter, text string) bool {
	for _, clause := range f.Clauses {
		if p[clause].MatchString(text) {
			return true
		}
	}
	return false
}

// wordsForEmpty returns what a clause may say to mean the empty value.
func wordsForEmpty(d query.Dimension) []string {
	if _, prop := d.Prop(); prop {
		return []string{schema.NoProp}
	}
	id, _ := schema.ByAPI(string(d))
	words := []string{schema.Columns[id].Empty, "(not set)"}
	if maybeDirect(d) {
		words = append(words, "Direct / None")
	}
	return words
}

// maybeDirect reports whether d is one of the dimensions where empty means that nobody sent the visitor.
func maybeDirect(d query.Dimension) bool {
	switch id, _ := schema.ByAPI(string(d)); id {
	case schema.Source, schema.Referrer, schema.UTMMedium, schema.UTMSource, schema.UTMCampaign, schema.UTMContent,
		schema.UTMTerm:
		_, prop := d.Prop()
		return !prop
	}
	return false
}

// known reports whether d is a dimension.
func known(d query.Dimension) bool {
	_, prop := d.Prop()
	_, column := schema.ByAPI(string(d))
	return prop || column || d.IsTime()
}

// value returns what dimension d says of an event and its visit. The event may be nil if d is no event dimension.
func value(d query.Dimension, v *visit, e *day.Event) string {
	if key, prop := d.Prop(); prop {
		for _, p := range e.Props {
			if p.Key == key {
				return p.Value
			}
		}
		return ""
	}
	switch id, _ := schema.ByAPI(string(d)); id {
	case schema.EventName:
		return e.Name
	case schema.EventPage:
		return e.Pathname
	case schema.EventHostname:
		return e.Hostname
	case schema.EntryPage:
		return v.entry().Pathname
	case schema.ExitPage:
		return v.exit().Pathname
	case schema.EntryHostname:
		return v.entry().Hostname
	case schema.ExitHostname:
		return v.exit().Hostname
	default:
		return v.attributes[id]
	}
}
