package query

// onlyVisitors reports whether visitors by at most one dimension are all that the plan asks for: what most panels of a dashboard ask.
func (p *plan) onlyVisitors() bool {
	for _, m := range p.q.Metrics {
		if m != Visitors && m != Percentage {
			return false
		}
	}
	return p.useE != p.useS && p.hour < 0 && len(p.q.Dimensions) <= 1
}

// visitors counts the visitors of a whole part for such a plan, of what passes a list of filters, without a group or a decision a row.
func (s *scanner) visitors(list int, m mask, x axis, into *groups) error {
	n := len(x.labels)
	seen, found := s.memory.Take(n), s.memory.Take(n) // by code: 1 + the last visitor, and how many
	clear(seen)
	clear(found)
	if err := s.pause(); err != nil {
		return err
	}
	switch of := s.visitorOf; {
	case !s.useE:
		for visit := range uint32(s.v.Visits) {
			if m.visits == nil || m.visits[visit] {
				x.count(visit, of[visit]+1, seen, found)
			}
		}
	case x.rows:
		h := s.hits(list, m)
		for i, r := range h.rows {
			x.count(r, of[h.of[i]]+1, seen, found)
		}
	default:
		for _, visit := range s.hits(list, m).visits {
			x.count(visit, of[visit]+1, seen, found)
		}
	}
	labels := make([]uint32, len(s.q.Dimensions))
	for code, visitors := range found {
		if visitors == 0 {
			continue
		}
		if len(labels) > 0 {
			labels[0] = x.labels[code]
		}
		c := into.at(labels)
		if s.useE {
			c.fromE = true
			c.eVisitors += uint64(visitors)
		} else {
			c.fromS = true
			c.sVisitors += uint64(visitors)
		}
	}
	return nil
}

// count counts a visitor for the code at a place, unless it was the last one there.
func (x *axis) count(at, visitor uint32, seen, found []uint32) {
	code := uint32(0)
	if x.codes != nil {
		code = x.codes[at]
	}
	if seen[code] != visitor {
		seen[code] = visitor
		found[code]++
	}
}
