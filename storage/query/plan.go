package query

import (
	"cmp"
	"slices"

	"footfall/storage/day"
	"footfall/storage/schema"
)

// plan says which of the row sets E and S answer a query; see the package comment.
type plan struct {
	q           *Query
	first, last schema.Date // days the range touches
	useE, useS  bool
	eitherS     bool // visitors and visits come from S
	sessions    bool // some session metric is asked for
	smear       bool // they are asked for, and count in every hour a visit touches
	hour        int  // place of time:hour among the dimensions, or -1
	dimsS       []Dimension
	filtersS    []Filter
	bouncePage  *Filter // only visits with such an entry page count for bounce_rate

	maskE, maskS, maskBounce int // numbers of the lists of filters
}

func newPlan(q *Query) *plan {
	p := &plan{q: q, dimsS: q.Dimensions, filtersS: q.Filters, hour: slices.Index(q.Dimensions, TimeHour)}
	p.first, p.last = q.Range.Dates(q.Calendar)
	events := slices.ContainsFunc(q.Metrics, Metric.isEvent)
	p.sessions = slices.ContainsFunc(q.Metrics, Metric.isSession)
	eventDims := slices.ContainsFunc(q.Dimensions, Dimension.IsEvent)
	sessionDims := slices.ContainsFunc(q.Dimensions, Dimension.IsSession)
	filters := func(is func(Dimension) bool) bool {
		return slices.ContainsFunc(q.Filters, func(f Filter) bool { return f.any(is) })
	}
	switch {
	case !events && !eventDims && !filters(Dimension.IsEvent):
		p.useS = true
	case !p.sessions && !sessionDims && !filters(Dimension.IsSession):
		p.useE = true
	case !events && !eventDims:
		p.useS = true
	case !p.sessions && !sessionDims:
		p.useE = true
	default:
		p.useE, p.useS = true, p.sessions
		p.readPagesAsEntries()
	}
	p.eitherS = !p.useE
	p.smear = p.eitherS && p.hour >= 0 && slices.ContainsFunc(q.Metrics, func(m Metric) bool { return !m.isSession() })
	for i := range q.Filters {
		if f := &q.Filters[i]; len(f.Args) == 0 && f.Dimension == "event:page" {
			entry := *f
			entry.Dimension = "visit:entry_page"
			p.bouncePage = &entry
			break
		}
	}
	return p
}

// entryOf maps the event dimensions that the S half of a joined query reads at the visit's entry.
var entryOf = map[Dimension]Dimension{"event:page": "visit:entry_page", "event:hostname": "visit:entry_page_hostname"}

func (p *plan) readPagesAsEntries() {
	p.dimsS = slices.Clone(p.dimsS)
	asked := map[Dimension]Dimension{}
	for i, d := range p.dimsS {
		if entry, ok := entryOf[d]; ok {
			p.dimsS[i] = entry
			asked[d] = entry
		}
	}
	p.filtersS = rename(p.filtersS, asked)
}

func rename(filters []Filter, to map[Dimension]Dimension) []Filter {
	if len(to) == 0 || len(filters) == 0 {
		return filters
	}
	out := slices.Clone(filters)
	for i := range out {
		if d, ok := to[out[i].Dimension]; ok {
			out[i].Dimension = d
		}
		out[i].Args = rename(out[i].Args, to)
	}
	return out
}

// totalPlan counts the visitors that percentage is a percentage of.
func (p *plan) totalPlan() *plan {
	q := *p.q
	q.Dimensions, q.Metrics, q.Order, q.Limit, q.Offset = nil, []Metric{Visitors}, nil, 0, 0
	return &plan{q: &q, first: p.first, last: p.last, useE: true, hour: -1}
}

func (p *plan) touches(d schema.Date) bool { return d >= p.first && d <= p.last }

// prepare gives the plan's filters their numbers in the batch.
func (p *plan) prepare(c *conditions) {
	p.maskE, p.maskS = c.number(p.q.Filters), c.number(p.filtersS)
	if p.bouncePage != nil {
		p.maskBounce = c.number([]Filter{*p.bouncePage})
	}
}

// result turns groups into sorted rows of metrics.
func (p *plan) result(g *groups, l *day.Lexicon, total uint64) Result {
	if len(p.q.Dimensions) == 0 {
		c := g.at(nil)
		c.fromE, c.fromS = true, true
	}
	spell := make([]func(uint32) string, len(p.q.Dimensions))
	for i, d := range p.q.Dimensions {
		spell[i] = p.speller(d, l)
	}
	rows := make([]Row, 0, len(g.counts))
	for i := range g.counts {
		c := &g.counts[i]
		// Joined, E decides which rows there are; by the hour S has a say too.
		if p.useE && p.useS && !c.fromE && p.hour < 0 && len(p.q.Dimensions) > 0 {
			continue
		}
		row := Row{Dimensions: make([]string, len(p.q.Dimensions)), Metrics: make([]Value, len(p.q.Metrics))}
		for k, label := range g.labelsOf(i) {
			row.Dimensions[k] = spell[k](label)
		}
		for i, m := range p.q.Metrics {
			row.Metrics[i] = p.value(m, c, total)
		}
		rows = append(rows, row)
	}
	p.sort(rows)
	r := Result{Total: len(rows)}
	from := min(p.q.Offset, len(rows))
	to := len(rows)
	if p.q.Limit > 0 {
		to = from + min(p.q.Limit, to-from)
	}
	r.Rows = rows[from:to:to]
	return r
}

func (p *plan) value(m Metric, c *counts, total uint64) Value {
	visitors, visits := c.eVisitors, c.eVisits
	if p.eitherS {
		visitors, visits = c.sVisitors, c.sVisits
	}
	switch m {
	case Visitors:
		return Value{Number: float64(visitors)}
	case Visits:
		return Value{Number: float64(visits)}
	case Pageviews:
		return Value{Number: float64(c.ePageviews)}
	case Events:
		return Value{Number: float64(c.eEvents)}
	case ViewsPerVisit:
		return Value{Number: ratio(c.sPageviews, c.sEnds, 100) / 100}
	case VisitDuration:
		return Value{Number: ratio(c.sDurations, c.sEnds, 1)}
	case BounceRate:
		return Value{Number: ratio(c.bounces, c.bounceVisits, 100)}
	case Percentage:
		if total == 0 {
			return Value{Null: true}
		}
		return Value{Number: ratio(visitors, total, 10000) / 100}
	}
	panic("query: internal error: metric " + string(m) + " passed validation")
}

// ratio returns a·scale/b rounded half to even, 0 where b is 0. It divides whole numbers, so that a tie is a tie.
func ratio(a, b, scale uint64) float64 {
	if b == 0 {
		return 0
	}
	q, rest := a*scale/b, a*scale%b
	if 2*rest > b || 2*rest == b && q%2 == 1 {
		q++
	}
	return float64(q)
}

// sort orders rows as the query says, ties by the dimensions.
func (p *plan) sort(rows []Row) {
	type key struct {
		metric, dimension int
		desc              bool
	}
	var keys []key
	for _, o := range p.q.DefaultOrder() {
		keys = append(keys, key{slices.Index(p.q.Metrics, Metric(o.By)), slices.Index(p.q.Dimensions, Dimension(o.By)), o.Desc})
	}
	slices.SortFunc(rows, func(a, b Row) int {
		for _, k := range keys {
			var c int
			if k.metric >= 0 {
				c = compareValues(a.Metrics[k.metric], b.Metrics[k.metric])
			} else {
				c = cmp.Compare(a.Dimensions[k.dimension], b.Dimensions[k.dimension])
			}
			if k.desc {
				c = -c
			}
			if c != 0 {
				return c
			}
		}
		return slices.Compare(a.Dimensions, b.Dimensions)
	})
}

func compareValues(a, b Value) int {
	if a.Null || b.Null {
		return cmp.Compare(bit(b.Null), bit(a.Null))
	}
	return cmp.Compare(a.Number, b.Number)
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

// DefaultOrder returns Order, or where that is empty what is used instead.
func (q *Query) DefaultOrder() []Order {
	if len(q.Order) > 0 {
		return q.Order
	}
	var out []Order
	if i := slices.IndexFunc(q.Dimensions, Dimension.IsTime); i >= 0 {
		out = append(out, Order{By: string(q.Dimensions[i])})
	}
	return append(out, Order{By: string(q.Metrics[0]), Desc: true})
}

// column returns the schema column of a dimension that is neither time nor property.
func (d Dimension) column() schema.ID {
	id, ok := schema.ByAPI(string(d))
	if !ok {
		panic("query: internal error: dimension " + string(d) + " passed validation")
	}
	return id
}
