package api

import (
	"slices"

	"footfall/storage/query"
)

// finish turns a well-formed body into a query, or says why it cannot be answered.
func (p *parser) finish() error {
	a := p.asked
	if p.first == nil {
		p.orderEntries()
	}
	if p.first == nil {
		p.available()
	}
	if p.first != nil {
		return p.first
	}
	q, e := &a.Query, &a.Echo
	if e.Include.Trim {
		q.Range = p.clock.trim(p.ranged, q.Range)
	}
	for _, s := range p.dims {
		d := p.resolve(s)
		q.Dimensions = append(q.Dimensions, d)
		e.Dimensions = append(e.Dimensions, string(d))
	}
	p.order()
	q.Limit, q.Offset = e.Pagination.Limit, e.Pagination.Offset
	e.DateRange = [2]string{p.clock.instant(q.Range.First), p.clock.instant(q.Range.Last)}
	if err := q.Validate(); err != nil {
		return err
	}
	if err := p.timeLabels(); err != nil {
		return err
	}
	if p.compare && p.ranged != "all" {
		p.before()
	}
	return nil
}

// resolve returns the dimension meant by its name; `time` depends on the length of the range.
func (p *parser) resolve(name string) query.Dimension {
	if name == "time" {
		return bucket(p.asked.Query.Range)
	}
	return query.Dimension(name)
}

// orderEntries refuses to sort by what is not asked for.
func (p *parser) orderEntries() {
	for _, o := range p.orders {
		direction := "asc"
		if o.desc {
			direction = "desc"
		}
		switch {
		case slices.Contains(p.asked.Echo.Metrics, o.by) || slices.Contains(p.dims, o.by):
		case isMetric(o.by):
			p.later("Invalid order_by entry '{:%s, :%s}'. Entry is not a queried metric or dimension.", o.by, direction)
		default:
			p.later("Invalid order_by entry '{%s, :%s}'. Entry is not a queried metric or dimension.", inspect(o.by), direction)
		}
	}
}

// available refuses the words of the language that this server cannot answer yet.
func (p *parser) available() {
	goals := slices.Contains(p.dims, goalDimension)
	for _, d := range p.dims {
		if text := unavailable[d]; text != "" {
			p.later("%s", text)
		}
	}
	for _, m := range p.asked.Echo.Metrics {
		if (m == string(conversionRate) || m == "group_"+string(conversionRate)) && !goals {
			p.later("Metric `%s` can only be queried with event:goal filters or dimensions.", m)
		}
		if text := unavailable[m]; text != "" {
			p.later("%s", text)
		}
	}
}

// order fills the order of the query: what was asked, or time first, then the first metric downwards.
func (p *parser) order() {
	q := &p.asked.Query
	for _, o := range p.orders {
		q.Order = append(q.Order, query.Order{By: string(p.resolve(o.by)), Desc: o.desc})
	}
	if len(q.Order) == 0 {
		if i := slices.IndexFunc(q.Dimensions, query.Dimension.IsTime); i >= 0 {
			q.Order = append(q.Order, query.Order{By: string(q.Dimensions[i])})
		}
		q.Order = append(q.Order, query.Order{By: string(q.Metrics[0]), Desc: true})
	}
	p.asked.Echo.OrderBy = [][2]string{}
	for _, o := range q.Order {
		direction := "asc"
		if o.Desc {
			direction = "desc"
		}
		p.asked.Echo.OrderBy = append(p.asked.Echo.OrderBy, [2]string{o.By, direction})
	}
}

func (p *parser) timeLabels() error {
	a := p.asked
	if !a.Echo.Include.TimeLabels {
		return nil
	}
	i := slices.IndexFunc(a.Query.Dimensions, query.Dimension.IsTime)
	if i < 0 {
		return refuse("Invalid include.time_labels: requires a time dimension.")
	}
	d, r, now := a.Query.Dimensions[i], a.Query.Range, p.clock.now.Unix()
	var ok bool
	if a.Labels, ok = p.clock.labels(d, r); !ok {
		return refuse("Invalid include.time_labels: the date range has more than %d labels. Use a longer time dimension.", MaxTimeLabels)
	}
	if !p.clock.calendar.Zoned(p.clock.today) && d == query.TimeHour {
		return nil // the hours of a day that began at another zone's midnight do not come in their order
	}
	if r.First <= now && now <= r.Last {
		a.Present = slices.Index(a.Labels, p.clock.label(d, r, now))
	}
	return nil
}

// before adds the query for the period before. A chart shows that period whole; a number is compared with the same part of it.
func (p *parser) before() {
	a := p.asked
	q := a.Query
	hasTime := slices.ContainsFunc(q.Dimensions, query.Dimension.IsTime)
	q.Range = p.clock.before(q.Range, !hasTime)
	if len(q.Dimensions) > 0 && !hasTime {
		q.Limit, q.Offset = 0, 0 // the rows that match the page of the present are picked afterwards
	}
	e := a.Echo
	e.DateRange = [2]string{p.clock.instant(q.Range.First), p.clock.instant(q.Range.Last)}
	a.Before, a.BeforeEcho = &q, &e
	if i := slices.IndexFunc(q.Dimensions, query.Dimension.IsTime); i >= 0 && e.Include.TimeLabels {
		a.BeforeLabels, _ = p.clock.labels(q.Dimensions[i], q.Range)
	}
}
