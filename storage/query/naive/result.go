package naive

import (
	"cmp"
	"slices"

	"footfall/storage/day"
	"footfall/storage/query"
)

// result turns the groups into sorted rows.
func (t *table) result() query.Result {
	everybody := map[person]bool{}
	if slices.Contains(t.q.Metrics, query.Percentage) {
		t.e(t.q.Filters, func(v *visit, _ *day.Event) { everybody[v.visitor] = true })
	}
	var rows []query.Row
	for _, g := range t.groups {
		row := query.Row{Dimensions: g.dimensions}
		for _, m := range t.q.Metrics {
			row.Metrics = append(row.Metrics, t.metric(m, g, int64(len(everybody))))
		}
		rows = append(rows, row)
	}
	slices.SortFunc(rows, t.compare)

	total := len(rows)
	rows = rows[min(t.q.Offset, total):]
	if t.q.Limit > 0 && t.q.Limit < len(rows) {
		rows = rows[:t.q.Limit]
	}
	return query.Result{Rows: rows, Total: total}
}

func (t *table) metric(m query.Metric, g *group, everybody int64) query.Value {
	var views, seconds int64
	for _, v := range g.sessions {
		views += int64(len(v.views()))
		seconds += v.duration()
	}
	sessions := int64(len(g.sessions))
	switch m {
	case query.Visitors:
		return number(int64(len(g.visitors)))
	case query.Visits:
		return number(int64(len(g.visits)))
	case query.Pageviews:
		return number(g.pageviews)
	case query.Events:
		return number(g.events)
	case query.ViewsPerVisit:
		return query.Value{Number: float64(quotient(100*views, sessions)) / 100}
	case query.VisitDuration:
		return number(quotient(seconds, sessions))
	case query.BounceRate:
		return number(t.bounceRate(g))
	default: // query.Percentage
		if everybody == 0 {
			return query.Value{Null: true}
		}
		return query.Value{Number: float64(quotient(10000*int64(len(g.visitors)), everybody)) / 100}
	}
}

// bounceRate looks, under a page filter, only at visits that entered on such a page.
func (t *table) bounceRate(g *group) int64 {
	var visits, bounces int64
	first := slices.IndexFunc(t.q.Filters, func(f query.Filter) bool { return f.Dimension == "event:page" })
	for _, v := range g.sessions {
		if first >= 0 && !t.patterns.accepts(t.q.Filters[first], v.entry().Pathname) {
			continue
		}
		visits++
		if v.bounces() {
			bounces++
		}
	}
	return quotient(100*bounces, visits)
}

func number(n int64) query.Value { return query.Value{Number: float64(n)} }

// quotient returns a/b rounded to a whole number, a half to the even one, and 0 if b is 0. Neither is negative.
func quotient(a, b int64) int64 {
	if b == 0 {
		return 0
	}
	whole, rest := a/b, a%b
	if 2*rest > b || 2*rest == b && whole%2 == 1 {
		whole++
	}
	return whole
}

// compare orders two rows.
func (t *table) compare(a, b query.Row) int {
	for _, o := range t.order() {
		var c int
		if i := slices.Index(t.q.Metrics, query.Metric(o.By)); i >= 0 {
			c = compareValues(a.Metrics[i], b.Metrics[i])
		} else {
			i := slices.Index(t.q.Dimensions, query.Dimension(o.By))
			c = cmp.Compare(a.Dimensions[i], b.Dimensions[i])
		}
		if o.Desc {
			c = -c
		}
		if c != 0 {
			return c
		}
	}
	return slices.Compare(a.Dimensions, b.Dimensions)
}

func compareValues(a, b query.Value) int {
	switch {
	case a.Null && b.Null:
		return 0
	case a.Null:
		return -1
	case b.Null:
		return 1
	}
	return cmp.Compare(a.Number, b.Number)
}

// order returns the order asked for, or the usual one.
func (t *table) order() []query.Order {
	if len(t.q.Order) > 0 {
		return t.q.Order
	}
	var usual []query.Order
	if i := slices.IndexFunc(t.q.Dimensions, query.Dimension.IsTime); i >= 0 {
		usual = append(usual, query.Order{By: string(t.q.Dimensions[i])})
	}
	return append(usual, query.Order{By: string(t.q.Metrics[0]), Desc: true})
}
