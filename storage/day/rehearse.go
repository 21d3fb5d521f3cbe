package day

// Rehearse returns an empty day at the place of o that replays journal values for nothing but to see whether they can be. It keeps words
// and visits, but no rows.
func (o *Open) Rehearse() *Open {
	r := NewOpen(o.Site, o.Date, o.Begin)
	r.rehearsal = true
	return r
}

// Rehearsed returns how many rows a rehearsal has seen.
func (o *Open) Rehearsed() int {
	o.mu.RLock()
	defer o.mu.RUnlock()
	return o.rehearsed
}

func (o *Open) rehearseLocked(c coded) {
	o.rehearsed++
	if c.fresh {
		n, _ := o.visitors.number(c.visitor)
		o.visitor, o.last, o.seen = append(o.visitor, n), append(o.last, 0), append(o.seen, 0)
	}
	o.last[c.visit] = uint32(c.time - o.begin)
}
