package shield

import "strings"

// pattern matches a whole text in which * stands for any characters, also none and also slashes; several in a row mean the same as one. Matching takes
// time in proportion to the text and the pattern: each part between two stars is looked for once, as far to the left as it lies, and never again.
type pattern struct {
	first, last string   // what the text begins and ends with
	inner       []string // what stands between, in order
	open        bool     // there is a star
}

func newPattern(s string) pattern {
	parts := strings.Split(s, "*")
	p := pattern{first: parts[0], open: len(parts) > 1}
	if !p.open {
		return p
	}
	p.last = parts[len(parts)-1]
	for _, part := range parts[1 : len(parts)-1] {
		if part != "" {
			p.inner = append(p.inner, part)
		}
	}
	return p
}

func (p *pattern) match(s string) bool {
	if !p.open {
		return s == p.first
	}
	if len(s) < len(p.first)+len(p.last) || !strings.HasPrefix(s, p.first) || !strings.HasSuffix(s, p.last) {
		return false
	}
	s = s[len(p.first) : len(s)-len(p.last)]
	for _, part := range p.inner {
		i := strings.Index(s, part)
		if i < 0 {
			return false
		}
		s = s[i+len(part):]
	}
	return true
}

// patterns are many patterns, each with what it stands for. Those without a star are found by one look-up.
type patterns struct {
	whole map[string]action
	open  []openPattern
}

type openPattern struct {
	pattern
	action
}

func (p *patterns) add(text string, a action) {
	if made := newPattern(text); made.open {
		p.open = append(p.open, openPattern{made, a})
		return
	}
	if p.whole == nil {
		p.whole = map[string]action{}
	}
	p.whole[text] = a
}

func (p *patterns) empty() bool { return p.whole == nil && p.open == nil }

// find returns what a text stands for: something that drops before something that watches.
func (p *patterns) find(s string) (best action) {
	if p.whole != nil {
		best = best.or(p.whole[s])
	}
	for i := range p.open {
		o := &p.open[i]
		if !best.drops() && (best.mode == "" || o.drops()) && o.match(s) {
			best = o.action
		}
	}
	return best
}
