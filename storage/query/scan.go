package query

import (
	"footfall/storage/day"
	"footfall/storage/schema"
)

// axis is one dimension of a scan: for each visit or row a code, and the label number of each code.
type axis struct {
	labels []uint32
	codes  []uint32 // nil: the hour, or 0 where there is one label
	rows   bool     // codes run along rows, not visits
	hour   bool
}

func (s *scanner) axes(dimensions []Dimension) ([]axis, error) {
	out := make([]axis, len(dimensions))
	for i, d := range dimensions {
		switch {
		case d == TimeHour:
			out[i] = axis{labels: make([]uint32, 24), hour: true}
			for h := range out[i].labels {
				out[i].labels[h] = s.hourLabel(s.v.Date, h)
			}
		case d.IsTime():
			out[i] = axis{labels: []uint32{s.dayLabel(d, s.v.Date)}}
		default:
			text, err := s.text(d)
			if err != nil {
				return nil, err
			}
			out[i] = axis{labels: text.Numbers, codes: text.Codes, rows: d.level() == schema.Event}
		}
	}
	return out, nil
}

// one returns the only axis, or one with a single code where there is none.
func one(axes []axis) axis {
	if len(axes) == 0 {
		return axis{labels: []uint32{0}}
	}
	return axes[0]
}

// tally gives the groups of one scan small numbers, and keeps for each the last visitor and visit that counted in it.
type tally struct {
	axes    []axis
	first   []uint32            // by code of the first axis: 1 + its number
	seen    uint32              // numbers given to codes of the first axis
	ids     []map[uint64]uint32 // ids[k] joins the number of axes 0…k-1 with the code of axis k; ids[0] is first
	tuples  []uint32            // codes of each group, one after the other
	counts  []counts
	visitor []uint32 // 1 + last visitor
	visit   []uint32 // 1 + last visit
	taken   int      // groups accounted for
}

func newTally(axes []axis) *tally {
	t := &tally{axes: axes, ids: make([]map[uint64]uint32, len(axes))}
	if len(axes) > 0 {
		t.first = make([]uint32, len(axes[0].labels))
	}
	for i := 1; i < len(axes); i++ {
		t.ids[i] = map[uint64]uint32{}
	}
	return t
}

// group returns the number of the group of a row of a visit in an hour.
func (t *tally) group(visit, row uint32, hour uint8) uint32 {
	id := uint32(0)
	if len(t.axes) > 0 {
		slot := &t.first[t.axes[0].code(visit, row, hour)]
		if *slot == 0 {
			t.seen++
			*slot = t.seen
		}
		id = *slot - 1
	}
	for k := 1; k < len(t.axes); k++ {
		key := uint64(id)<<32 | uint64(t.axes[k].code(visit, row, hour))
		next, ok := t.ids[k][key]
		if !ok {
			next = uint32(len(t.ids[k]))
			t.ids[k][key] = next
		}
		id = next
	}
	if int(id) == len(t.counts) {
		t.counts = append(t.counts, counts{})
		t.visitor, t.visit = append(t.visitor, 0), append(t.visit, 0)
		for k := range t.axes {
			t.tuples = append(t.tuples, t.axes[k].code(visit, row, hour))
		}
	}
	return id
}

func (x *axis) code(visit, row uint32, hour uint8) uint32 {
	switch {
	case x.hour:
		return uint32(hour)
	case x.codes == nil:
		return 0
	case x.rows:
		return x.codes[row]
	}
	return x.codes[visit]
}

// distinct reports whether the group sees this visit, and this visitor, for the first time.
func (t *tally) distinct(group, visit, visitor uint32) (newVisit, newVisitor uint64) {
	if t.visit[group] != visit+1 {
		t.visit[group] = visit + 1
		newVisit = 1
		if t.visitor[group] != visitor+1 {
			t.visitor[group] = visitor + 1
			newVisitor = 1
		}
	}
	return newVisit, newVisitor
}

func (t *tally) flush(into *groups) {
	labels := make([]uint32, len(t.axes))
	for i := range t.counts {
		for k, code := range t.tuples[i*len(t.axes):][:len(t.axes)] {
			labels[k] = t.axes[k].labels[code]
		}
		into.at(labels).add(&t.counts[i])
	}
}

// filtered returns what passes a list of filters in the part under way. Plans with the same filters share it.
func (s *scanner) filtered(list int) (mask, error) {
	if have := s.masks[list]; have != nil {
		return *have, nil
	}
	var m mask
	none, err := s.excluded(s.conditions.ready[list])
	if none {
		m.none = true
	} else if err == nil {
		m, err = s.all(s.conditions.ready[list])
	}
	if err != nil {
		return mask{}, err
	}
	s.masks[list] = &m
	return m, nil
}

// hits are the events of a part that count for a plan: they pass its filters and lie in its range.
type hits struct {
	rows, of []uint32 // ascending, and the visit of each
	visits   []uint32 // those that have some, ascending
}

// hits returns the hits of a list of filters, given what passes it. Plans that ask about the whole day share them.
func (s *scanner) hits(list int, m mask) *hits {
	if have := s.hit[list]; have != nil && s.whole {
		return have
	}
	h := &hits{s.memory.Take(s.v.Rows), s.memory.Take(s.v.Rows), s.memory.Take(s.v.Visits)}
	n, visits := 0, 0
	for visit := range uint32(s.v.Visits) {
		if m.visits != nil && !m.visits[visit] {
			continue
		}
		before := n
		for r := s.starts[visit]; r < s.starts[visit+1]; r++ {
			if (m.rows == nil || m.rows[r]) && s.counting(r) {
				h.rows[n], h.of[n] = r, visit
				n++
			}
		}
		if n > before {
			h.visits[visits] = visit
			visits++
		}
	}
	h.rows, h.of, h.visits = h.rows[:n], h.of[:n], h.visits[:visits]
	if s.whole {
		s.hit[list] = h
	}
	return h
}

// scanner is one plan's look at one part of a day.
type scanner struct {
	*plan
	*worker
	whole       bool  // every row and visit of the day lies in the range
	first, last int64 // the range in seconds from the day's begin

	// Columns. Those that the plan does not look at are nil.
	visitorOf, starts    []uint32
	times, names         []uint32
	pageview, engagement uint32
	begin, duration      []uint32
	views, bounce        []uint32
	wallHour             []uint8
}

// columns decodes what every scan of the plan needs; filters and dimensions ask for theirs.
func (s *scanner) columns() (err error) {
	v := s.v
	if s.visitorOf, err = v.VisitorOf(); err != nil {
		return err
	}
	timed := !s.whole || s.hour >= 0
	if timed {
		if s.times, err = v.Numbers(schema.EventTime); err != nil {
			return err
		}
	}
	for id, column := range map[schema.ID]struct {
		wanted bool
		to     *[]uint32
	}{
		schema.VisitStart:     {s.useS && timed, &s.begin},
		schema.VisitDuration:  {s.useS && (timed || s.sessions), &s.duration},
		schema.VisitPageviews: {s.useS && s.sessions, &s.views},
		schema.VisitBounce:    {s.useS && s.sessions, &s.bounce},
	} {
		if column.wanted {
			if *column.to, err = v.Numbers(id); err != nil {
				return err
			}
		}
	}
	if s.hour >= 0 {
		s.wallHour = v.WallHours(s.q.Calendar.Zone(v.Date))
	}
	return nil
}

// rows decodes what a look at single events needs.
func (s *scanner) rows() (err error) {
	if s.starts, err = s.v.RowStarts(); err != nil {
		return err
	}
	names, err := s.v.Text(schema.EventName)
	if err != nil {
		return err
	}
	s.names = names.Codes
	s.pageview, s.engagement = names.Code(day.Pageview), names.Code(day.Engagement)
	return nil
}

func (s *scanner) hourAt(second int64) uint8 {
	if s.wallHour == nil {
		return 0
	}
	return s.wallHour[second/900]
}

// counting reports whether a row is an event of the range.
func (s *scanner) counting(row uint32) bool {
	return s.names[row] != s.engagement && (s.whole || int64(s.times[row]) >= s.first && int64(s.times[row]) <= s.last)
}

// pauseAt lets others have the processor, and accounts for the groups that were found since the last time.
func (s *scanner) pauseAt(tallies ...*tally) error {
	for _, t := range tallies {
		if err := s.take(int64(len(t.counts)-t.taken) * groupBytes); err != nil {
			return err
		}
		t.taken = len(t.counts)
	}
	return s.pause()
}

// settle ends what pauseAt began: the groups are others' business now.
func (s *scanner) settle(tallies ...*tally) {
	for _, t := range tallies {
		s.give(int64(t.taken) * groupBytes)
		t.taken = 0
	}
}

func (s *scanner) events(into *groups) error {
	m, err := s.filtered(s.maskE)
	if err != nil || m.none {
		return err
	}
	if err := s.columns(); err != nil {
		return err
	}
	if err := s.rows(); err != nil {
		return err
	}
	axes, err := s.axes(s.q.Dimensions)
	if err != nil {
		return err
	}
	if s.whole && s.onlyVisitors() {
		return s.visitors(s.maskE, m, one(axes), into)
	}
	h := s.hits(s.maskE, m)
	t := newTally(axes)
	defer s.settle(t)
	for i, r := range h.rows {
		if i%pauseRows == 0 {
			if err := s.pauseAt(t); err != nil {
				return err
			}
		}
		hour := uint8(0)
		if s.wallHour != nil {
			hour = s.wallHour[s.times[r]/900]
		}
		visit := h.of[i]
		g := t.group(visit, r, hour)
		newVisit, newVisitor := t.distinct(g, visit, s.visitorOf[visit])
		c := &t.counts[g]
		c.fromE = true
		c.eVisits += newVisit
		c.eVisitors += newVisitor
		c.eEvents++
		if s.names[r] == s.pageview {
			c.ePageviews++
		}
	}
	t.flush(into)
	return nil
}

func (s *scanner) visits(into *groups) error {
	m, err := s.filtered(s.maskS)
	if err != nil || m.none {
		return err
	}
	if err := s.columns(); err != nil {
		return err
	}
	bounce := mask{}
	if s.bouncePage != nil {
		if bounce, err = s.all(s.conditions.ready[s.maskBounce]); err != nil {
			return err
		}
	}
	axes, err := s.axes(s.dimsS)
	if err != nil {
		return err
	}
	byRow := m.rows != nil || m.events && !s.whole
	if byRow {
		if err := s.rows(); err != nil {
			return err
		}
	}
	if s.whole && s.onlyVisitors() && m.rows == nil {
		return s.visitors(s.maskS, m, one(axes), into)
	}
	var some []uint32 // visits to look at, if not all
	if byRow {
		some = s.hits(s.maskS, m).visits
	}
	ends, present := newTally(axes), newTally(axes)
	if !s.smear {
		present = ends // one group for all metrics of a visit
	}
	defer s.settle(ends, present)
	n := s.v.Visits
	if byRow {
		n = len(some)
	}
	for i := range uint32(n) {
		if i%pauseRows == 0 {
			if err := s.pauseAt(ends, present); err != nil {
				return err
			}
		}
		visit := i
		if byRow {
			visit = some[i]
		}
		if m.visits != nil && !m.visits[visit] || !s.overlaps(visit) {
			continue
		}
		from, end := s.span(visit)
		if s.sessions {
			c := &ends.counts[ends.group(visit, 0, s.hourAt(end))]
			c.fromS = true
			c.sEnds++
			c.sPageviews += uint64(s.views[visit])
			c.sDurations += uint64(s.duration[visit])
			if bounce.visits == nil || bounce.visits[visit] {
				c.bounceVisits++
				c.bounces += uint64(s.bounce[visit])
			}
		}
		if !s.smear {
			from = end
		}
		for q := from / 900; q <= end/900; q++ {
			g := present.group(visit, 0, s.hourAt(q*900))
			newVisit, newVisitor := present.distinct(g, visit, s.visitorOf[visit])
			c := &present.counts[g]
			c.fromS = true
			c.sVisits += newVisit
			c.sVisitors += newVisitor
		}
	}
	ends.flush(into)
	if s.smear {
		present.flush(into)
	}
	return nil
}

// overlaps reports whether some of the visit lies in the range.
func (s *scanner) overlaps(visit uint32) bool {
	if s.whole {
		return true
	}
	begin := int64(s.begin[visit])
	return begin <= s.last && begin+int64(s.duration[visit]) >= s.first
}

// span returns the part of the visit that lies in the range, 0 and 0 where nobody asks for times.
func (s *scanner) span(visit uint32) (from, end int64) {
	if s.begin == nil {
		return 0, 0
	}
	begin := int64(s.begin[visit])
	return max(begin, s.first), min(begin+int64(s.duration[visit]), s.last)
}

// whole reports whether the range covers all of the view's day. Of the days it touches only the first and the last may be cut.
func (p *plan) whole(v *day.View) bool {
	r, c := p.q.Range, p.q.Calendar
	return (v.Date > p.first || r.First <= c.Start(v.Date).Unix()) && (v.Date < p.last || r.Last >= c.Start(v.Date+1).Unix()-1)
}
