package query

import (
	"footfall/storage/day"
	"footfall/storage/schema"
)

// counts is what a group adds up. Names starting with e are counted from events, with s from visits.
type counts struct {
	fromE, fromS                            bool
	eVisitors, eVisits, ePageviews, eEvents uint64
	sVisitors, sVisits                      uint64 // smeared over hours where the plan says so
	sEnds, sPageviews, sDurations           uint64
	bounceVisits, bounces                   uint64
}

func (c *counts) add(o *counts) {
	c.fromE, c.fromS = c.fromE || o.fromE, c.fromS || o.fromS
	c.eVisitors += o.eVisitors
	c.eVisits += o.eVisits
	c.ePageviews += o.ePageviews
	c.eEvents += o.eEvents
	c.sVisitors += o.sVisitors
	c.sVisits += o.sVisits
	c.sEnds += o.sEnds
	c.sPageviews += o.sPageviews
	c.sDurations += o.sDurations
	c.bounceVisits += o.bounceVisits
	c.bounces += o.bounces
}

// groups are the groups of a result under way. A group is known by one label number for each dimension: for a time dimension those
// of the plan, for others the word's number in the lexicon.
type groups struct {
	dimensions int
	first      []uint32            // by label of the first dimension: 1 + the number of the group, or of the prefix of groups
	prefixes   uint32              // numbers given to labels of the first dimension
	next       []map[uint64]uint32 // next[k-1] joins the number of a prefix of k labels with one label more
	labels     []uint32            // of each group, one after the other
	counts     []counts
}

func newGroups(dimensions int) *groups {
	g := &groups{dimensions: dimensions}
	for range dimensions - 1 {
		g.next = append(g.next, map[uint64]uint32{})
	}
	return g
}

// at returns the group with these labels. The pointer is valid until the next call.
func (g *groups) at(labels []uint32) *counts {
	id := uint32(0)
	if len(labels) > 0 {
		if n := int(labels[0]); n >= len(g.first) {
			g.first = append(g.first, make([]uint32, n+1-len(g.first)+n/2)...)
		}
		slot := &g.first[labels[0]]
		if *slot == 0 {
			g.prefixes++
			*slot = g.prefixes
		}
		id = *slot - 1
	}
	for k := 1; k < len(labels); k++ {
		key := uint64(id)<<32 | uint64(labels[k])
		next, ok := g.next[k-1][key]
		if !ok {
			next = uint32(len(g.next[k-1]))
			g.next[k-1][key] = next
		}
		id = next
	}
	if int(id) == len(g.counts) {
		g.counts = append(g.counts, counts{})
		g.labels = append(g.labels, labels...)
	}
	return &g.counts[id]
}

func (g *groups) labelsOf(i int) []uint32 { return g.labels[i*g.dimensions:][:g.dimensions] }

// merge adds the groups of o.
func (g *groups) merge(o *groups) {
	for i := range o.counts {
		g.at(o.labelsOf(i)).add(&o.counts[i])
	}
}

// monthBack is how far before the first day of a range the label of one of its days may lie: a month begins before.
const monthBack = 31

// dayNumber numbers the days that may be labels.
func (p *plan) dayNumber(d schema.Date) uint32 { return uint32(int(d) - int(p.first) + monthBack) }

// dayLabel returns the label of a time dimension that is one for the whole day.
func (p *plan) dayLabel(d Dimension, date schema.Date) uint32 {
	switch d {
	case TimeWeek:
		date = max(date.Monday(), p.first)
	case TimeMonth:
		date = date.FirstOfMonth()
	}
	return p.dayNumber(date)
}

func (p *plan) hourLabel(date schema.Date, hour int) uint32 {
	return 24*p.dayNumber(date) + uint32(hour)
}

// speller returns what writes a dimension's label in words.
func (p *plan) speller(d Dimension, l *day.Lexicon) func(label uint32) string {
	date := func(n uint32) string { return schema.Date(int(p.first) + int(n) - monthBack).String() }
	if d == TimeHour {
		return func(label uint32) string {
			hour := label % 24
			return date(label/24) + " " + string([]byte{'0' + byte(hour/10), '0' + byte(hour%10)}) + ":00:00"
		}
	}
	if d.IsTime() {
		return date
	}
	words := vocabulary(d, l).Words()
	return func(label uint32) string { return words[label] }
}

// vocabulary returns the words of a dimension that is not time.
func vocabulary(d Dimension, l *day.Lexicon) *day.Vocabulary {
	if key, ok := d.Prop(); ok {
		return l.Prop(key)
	}
	return l.Column(d.column())
}
