package day

import (
	"slices"
	"time"

	"footfall/storage/column"
	"footfall/storage/schema"
)

// Totals are a day's metrics by value of one dimension, without a filter. The lists run along Words. Pages, hosts and names of
// events are counted from events and have no Bounces and Duration; all others are counted from visits.
type Totals struct {
	Words                                        []string
	Visitors, Visits, Pageviews, Events, Bounces []uint32
	Durations                                    []uint64 // seconds
}

func newTotals(words []string) *Totals {
	t := &Totals{Words: words, Durations: make([]uint64, len(words))}
	block := make([]uint32, 5*len(words))
	for i, l := range t.lists() {
		*l = block[i*len(words) : (i+1)*len(words)]
	}
	return t
}

func (t *Totals) lists() []*[]uint32 {
	return []*[]uint32{&t.Visitors, &t.Visits, &t.Pageviews, &t.Events, &t.Bounces}
}

// Hours are a day's metrics by hour of the wall clock, 24 values a list. A visit counts by its end in End…, and in every hour it
// touches in Present….
type Hours struct {
	Visitors, Visits, Pageviews, Events []uint32 // by time of the event
	EndVisits, EndPageviews, EndBounces []uint32
	PresentVisitors, PresentVisits      []uint32
	EndDurations                        []uint64 // seconds
}

func (h *Hours) lists() []*[]uint32 {
	return []*[]uint32{&h.Visitors, &h.Visits, &h.Pageviews, &h.Events, &h.EndVisits, &h.EndPageviews, &h.EndBounces, &h.PresentVisitors, &h.PresentVisits}
}

// isVisitTotal reports whether a dimension is counted from visits.
func isVisitTotal(id schema.ID) bool {
	return schema.Columns[id].Level == schema.Visit && schema.Columns[id].API != ""
}

// Totals returns the totals of a column that is a dimension, or nil if the view keeps none (an open day).
func (v *View) Totals(id schema.ID) (*Totals, error) { return v.storedTotals(columnKey{id: id}) }

// PropTotals returns the totals of a custom property; events without it count under "".
func (v *View) PropTotals(key string) (*Totals, error) { return v.storedTotals(propKey(key)) }

func (v *View) storedTotals(key columnKey) (*Totals, error) {
	s, err := v.lists(key, nil)
	if err != nil || s == nil {
		return nil, err
	}
	t := newTotals(s.Words)
	for list, into := range t.lists() {
		if *into, err = s.List(TotalList(list), nil); err != nil {
			return nil, err
		}
	}
	t.Durations, err = s.Durations(nil)
	return t, err
}

// countTotals computes the totals of a dimension from the columns.
func (v *View) countTotals(id schema.ID) (*Totals, error) {
	text, err := v.Text(id)
	if err != nil {
		return nil, err
	}
	if isVisitTotal(id) {
		return v.countVisits(text)
	}
	return v.countRows(text)
}

// Dense returns the column with a code for each of n rows; rows without a value have the word "".
func (s *SparseText) Dense(n int) *Text {
	return s.dense(make([]uint32, n))
}

// dense is Dense with the memory for the codes, whose words may be numbered.
func (s *SparseText) dense(codes []uint32) *Text {
	clear(codes)
	for i, row := range s.Rows {
		codes[row] = s.Codes[i] + 1
	}
	return &Text{codes, s.afterEmpty()}
}

func (v *View) countVisits(text *Text) (*Totals, error) {
	of, err := v.VisitorOf()
	if err != nil {
		return nil, err
	}
	var n [4][]uint32
	for i, id := range []schema.ID{schema.VisitPageviews, schema.VisitEvents, schema.VisitBounce, schema.VisitDuration} {
		if n[i], err = v.Numbers(id); err != nil {
			return nil, err
		}
	}
	t := newTotals(text.Words)
	seen := make([]uint32, len(text.Words)) // 1 + the last visitor counted
	for visit, c := range text.Codes {
		if seen[c] != of[visit]+1 {
			seen[c] = of[visit] + 1
			t.Visitors[c]++
		}
		t.Visits[c]++
		t.Pageviews[c] += n[0][visit]
		t.Events[c] += n[1][visit]
		t.Bounces[c] += n[2][visit]
		t.Durations[c] += uint64(n[3][visit])
	}
	return t, nil
}

// shape returns what every count of events needs: the visitor of each visit, where its rows begin, and the names of events.
func (v *View) shape() (of, starts []uint32, names *Text, err error) {
	if of, err = v.VisitorOf(); err != nil {
		return nil, nil, nil, err
	}
	if starts, err = v.RowStarts(); err != nil {
		return nil, nil, nil, err
	}
	names, err = v.Text(schema.EventName)
	return of, starts, names, err
}

// countRows counts rows by their code, engagement left out.
func (v *View) countRows(text *Text) (*Totals, error) {
	of, starts, names, err := v.shape()
	if err != nil {
		return nil, err
	}
	pageview, engagement := names.Code(Pageview), names.Code(Engagement)
	t := newTotals(text.Words)
	visitor, last := make([]uint32, len(text.Words)), make([]uint32, len(text.Words))
	for visit := range uint32(v.Visits) {
		for row := starts[visit]; row < starts[visit+1]; row++ {
			name, c := names.Codes[row], text.Codes[row]
			if name == engagement {
				continue
			}
			t.Events[c]++
			if name == pageview {
				t.Pageviews[c]++
			}
			if last[c] != visit+1 {
				last[c] = visit + 1
				t.Visits[c]++
				if visitor[c] != of[visit]+1 {
					visitor[c] = of[visit] + 1
					t.Visitors[c]++
				}
			}
		}
	}
	return t, nil
}

// countSparse is countRows of the dense column, by way of the rows that have a value: a day may have a thousand properties that few of
// its rows have. What has none is what is left of the day.
func (v *View) countSparse(s *SparseText) (*Totals, error) {
	of, starts, names, err := v.shape()
	if err != nil {
		return nil, err
	}
	whole, err := v.Summary()
	if err != nil {
		return nil, err
	}
	events, err := v.Numbers(schema.VisitEvents)
	if err != nil {
		return nil, err
	}
	visitsOf, err := v.Numbers(schema.VisitVisitor)
	if err != nil {
		return nil, err
	}
	pageview, engagement := names.Code(Pageview), names.Code(Engagement)
	t := newTotals(append([]string{""}, s.Words...))
	t.Visitors[0], t.Visits[0], t.Pageviews[0], t.Events[0] = uint32(whole.Visitors), uint32(whole.Visits), uint32(whole.Pageviews), uint32(whole.Events)
	last, visitor := make([]uint32, len(t.Words)), make([]uint32, len(t.Words)) // 1 + the last visit and visitor counted
	visit, with, full := 0, uint32(0), uint32(0)                                // events of the visit that have a value; visits of its visitor without any other
	for i, row := range s.Rows {
		if int(row) >= int(starts[visit+1]) {
			before := of[visit]
			n, found := slices.BinarySearch(starts[visit+1:], row)
			visit += n + int(bit(found))
			with = 0
			if of[visit] != before {
				full = 0
			}
		}
		name, c := names.Codes[row], s.Codes[i]+1
		if name == engagement {
			continue
		}
		t.Events[c]++
		t.Events[0]--
		if name == pageview {
			t.Pageviews[c]++
			t.Pageviews[0]--
		}
		if last[c] != uint32(visit)+1 {
			last[c] = uint32(visit) + 1
			t.Visits[c]++
			if visitor[c] != of[visit]+1 {
				visitor[c] = of[visit] + 1
				t.Visitors[c]++
			}
		}
		if with++; with == events[visit] {
			t.Visits[0]--
			if full++; full == visitsOf[of[visit]] {
				t.Visitors[0]--
			}
		}
	}
	return t, nil
}

// Hours returns the day by hour, or nil if the view keeps no totals.
func (v *View) Hours() (*Hours, error) {
	if v.source == nil {
		return nil, nil
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.source.hours(v)
}

// WallHours returns the hour of the wall clock, 0–23, for each quarter hour since the day began. Clocks differ from each other, and are
// changed, by whole quarters and at them; in Newfoundland, until 2011, they were changed at one minute past, and that quarter is not exact.
func (v *View) WallHours(zone *time.Location) []uint8 {
	const quarter, step = 900, 6 * 3600 // no zone changes its clock twice within six hours
	out := make([]uint8, maxSecond/quarter+1)
	offset := func(i int) int64 {
		_, seconds := time.Unix(v.Begin+int64(i)*quarter, 0).In(zone).Zone()
		return int64(seconds)
	}
	after := offset(0)
	for i := 0; i < len(out); i += step / quarter {
		before := after
		after = offset(i + step/quarter)
		for j := i; j < min(len(out), i+step/quarter); j++ {
			shift := before
			if before != after {
				shift = offset(j)
			}
			out[j] = uint8(((v.Begin+int64(j)*quarter+shift)%86400 + 86400) % 86400 / 3600)
		}
	}
	return out
}

// countHours computes Hours from the columns.
func (v *View) countHours(zone *time.Location) (*Hours, error) {
	h := &Hours{}
	for _, l := range h.lists() {
		*l = make([]uint32, 24)
	}
	h.EndDurations = make([]uint64, 24)
	of, starts, names, err := v.shape()
	if err != nil {
		return nil, err
	}
	var n [5][]uint32
	for i, id := range []schema.ID{schema.EventTime, schema.VisitStart, schema.VisitDuration, schema.VisitPageviews, schema.VisitBounce} {
		if n[i], err = v.Numbers(id); err != nil {
			return nil, err
		}
	}
	times, begins, durations, pageviews, bounces := n[0], n[1], n[2], n[3], n[4]
	pageview, engagement := names.Code(Pageview), names.Code(Engagement)
	hour := v.WallHours(zone)
	var byRow, present distinctHours
	for visit := range v.Visits {
		byRow.visit(of[visit])
		present.visit(of[visit])
		for r := starts[visit]; r < starts[visit+1]; r++ {
			if names.Codes[r] == engagement {
				continue
			}
			at := hour[times[r]/900]
			h.Events[at]++
			if names.Codes[r] == pageview {
				h.Pageviews[at]++
			}
			byRow.add(at, h.Visitors, h.Visits)
		}
		end := begins[visit] + durations[visit]
		at := hour[end/900]
		h.EndVisits[at]++
		h.EndPageviews[at] += pageviews[visit]
		h.EndBounces[at] += bounces[visit]
		h.EndDurations[at] += uint64(durations[visit])
		for q := begins[visit] / 900; q <= end/900; q++ {
			present.add(hour[q], h.PresentVisitors, h.PresentVisits)
		}
	}
	return h, nil
}

// distinctHours counts a visit, and a visitor, once an hour.
type distinctHours struct {
	visitor          uint32
	any              bool
	ofVisitor, ofVis uint32 // a bit an hour
}

func (d *distinctHours) visit(visitor uint32) {
	if !d.any || visitor != d.visitor {
		d.any, d.visitor, d.ofVisitor = true, visitor, 0
	}
	d.ofVis = 0
}

func (d *distinctHours) add(hour uint8, visitors, visits []uint32) {
	bit := uint32(1) << hour
	if d.ofVis&bit == 0 {
		d.ofVis |= bit
		visits[hour]++
	}
	if d.ofVisitor&bit == 0 {
		d.ofVisitor |= bit
		visitors[hour]++
	}
}

// VisitorsWith returns the stored set of visitors that have an event of the given name, or ok = false if the view keeps none.
func (v *View) VisitorsWith(name string) (rows column.Rows, ok bool, err error) {
	if v.source == nil {
		return rows, false, nil
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.source.visitorsWith(v, name)
}

// visitorsByName returns, by code of the event name, the visitors that have such an event, ascending. One pass: a day may have as
// many names as rows.
func (v *View) visitorsByName() ([][]uint32, error) {
	of, starts, names, err := v.shape()
	if err != nil {
		return nil, err
	}
	out := make([][]uint32, len(names.Words))
	for visit := range v.Visits {
		for _, c := range names.Codes[starts[visit]:starts[visit+1]] {
			if n := len(out[c]); n == 0 || out[c][n-1] != of[visit] {
				out[c] = append(out[c], of[visit])
			}
		}
	}
	return out, nil
}
