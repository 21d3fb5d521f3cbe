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

// visitors counts the visitors of a whole part for such a plan, without a group or a decision a row.
func (s *scanner) visitors(m mask, x axis, into *groups) error {
	n := len(x.labels)
	seen, found := s.memory.Take(n), s.memory.Take(n) // by code: 1 + the last visitor, and how many
	clear(seen)
	clear(found)
	for from := 0; from < s.v.Visits; from += pauseRows {
		if err := s.pause(); err != nil {
			return err
		}
		end := min(from+pauseRows, s.v.Visits)
		if s.useE {
			s.visitorsOfRows(m, x, uint32(from), uint32(end), seen, found)
		} else {
			s.visitorsOfVisits(m, x, from, end, seen, found)
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

func (s *scanner) visitorsOfVisits(m mask, x axis, from, end int, seen, found []uint32) {
	of := s.visitorOf
	for visit := from; visit < end; visit++ {
		if m.visits != nil && !m.visits[visit] {
			continue
		}
		code := uint32(0)
		if x.codes != nil {
			code = x.codes[visit]
		}
		if visitor := of[visit] + 1; seen[code] != visitor {
			seen[code] = visitor
			found[code]++
		}
	}
}

func (s *scanner) visitorsOfRows(m mask, x axis, from, end uint32, seen, found []uint32) {
	names, engagement := s.names, s.engagement
	for visit := from; visit < end; visit++ {
		if m.visits != nil && !m.visits[visit] {
			continue
		}
		visitor := s.visitorOf[visit] + 1
		code := uint32(0)
		if x.codes != nil && !x.rows {
			code = x.codes[visit]
		}
		for r := s.starts[visit]; r < s.starts[visit+1]; r++ {
			if names[r] == engagement || m.rows != nil && !m.rows[r] {
				continue
			}
			if x.rows {
				code = x.codes[r]
			}
			if seen[code] != visitor {
				seen[code] = visitor
				found[code]++
			}
		}
	}
}
