package query

import (
	"context"
	"encoding/binary"
	"fmt"
	"runtime"
	"slices"
	"sync"

	"footfall/storage/day"
	"footfall/storage/schema"
)

// Day gives the parts of one local day: the sealed one, the open one, or both. Visitors of different parts are different.
// The engine calls release when it no longer reads them.
type Day struct {
	Date  schema.Date
	Views func() (views []*day.View, release func(), err error)
}

// Source lists the days of a site that hold anything, first and last included, in ascending order.
type Source interface {
	Days(site schema.Site, first, last schema.Date) ([]Day, error)
}

// Engine answers queries from days as they are stored. It is safe for concurrent use.
type Engine struct {
	source Source
	room   *room
}

// NewEngine returns an engine whose queries, two at once, hold about so many bytes of memory at most.
func NewEngine(source Source, memory int64) *Engine { return &Engine{source, newRoom(memory)} }

// Query answers q. It stops early when ctx ends.
func (e *Engine) Query(ctx context.Context, q Query) (Result, error) {
	r, err := e.QueryAll(ctx, q)
	if err != nil {
		return Result{}, err
	}
	return r[0], nil
}

// QueryAll answers several queries about one site. It goes through the days once, so that a column is decoded once for all of
// them: a dashboard costs little more than its dearest query.
func (e *Engine) QueryAll(ctx context.Context, queries ...Query) ([]Result, error) {
	var plans []*plan
	totals := make([]*plan, len(queries))
	for i := range queries {
		q := &queries[i]
		if err := q.Validate(); err != nil {
			return nil, err
		}
		if q.Site != queries[0].Site {
			return nil, invalid("The queries of one batch ask about one site.")
		}
		plans = append(plans, newPlan(q))
	}
	for i, p := range plans[:len(queries):len(queries)] {
		if slices.Contains(queries[i].Metrics, Percentage) {
			totals[i] = p.totalPlan()
			plans = append(plans, totals[i])
		}
	}
	found, err := e.run(ctx, plans)
	if err != nil {
		return nil, err
	}
	results := make([]Result, len(queries))
	next := len(queries)
	for i := range results {
		total := uint64(0)
		if totals[i] != nil {
			for _, c := range found[next] {
				total += c.eVisitors
			}
			next++
		}
		results[i] = plans[i].result(found[i], total)
	}
	return results, nil
}

// run scans the days of the plans, several at a time, and returns the groups of each plan.
func (e *Engine) run(ctx context.Context, plans []*plan) ([]groups, error) {
	if len(plans) == 0 {
		return nil, nil
	}
	first, last := plans[0].first, plans[0].last
	for _, p := range plans {
		first, last = min(first, p.first), max(last, p.last)
	}
	days, err := e.source.Days(plans[0].q.Site, first, last)
	if err != nil {
		return nil, fmt.Errorf("query: %w", err)
	}
	days = slices.DeleteFunc(days, func(d Day) bool {
		return !slices.ContainsFunc(plans, func(p *plan) bool { return p.touches(d.Date) })
	})
	workers := max(1, min(runtime.GOMAXPROCS(0), len(days)))
	partial, errs := make([][]groups, workers), make([]error, workers)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	m := &meter{ctx: ctx, room: e.room}
	defer m.end()
	var wait sync.WaitGroup
	for w := range workers {
		partial[w] = make([]groups, len(plans))
		for i := range plans {
			partial[w][i] = groups{}
		}
		wait.Go(func() {
			// Neighbouring days lie together in the file, so each worker takes one run of them.
			for i := w * len(days) / workers; i < (w+1)*len(days)/workers; i++ {
				if errs[w] = ctx.Err(); errs[w] != nil {
					return
				}
				if errs[w] = scanDay(m, plans, days[i], partial[w]); errs[w] != nil {
					cancel()
					return
				}
			}
		})
	}
	wait.Wait()
	for _, err := range errs {
		if err != nil && err != context.Canceled {
			return nil, fmt.Errorf("query: %w", err)
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("query: %w", err)
	}
	for _, other := range partial[1:] {
		for i := range plans {
			partial[0][i] = partial[0][i].merge(other[i])
		}
	}
	return partial[0], nil
}

// scanDay adds one day to the groups of each plan that asks for it.
func scanDay(m *meter, plans []*plan, d Day, into []groups) error {
	views, release, err := d.Views()
	if err != nil {
		return err
	}
	defer release()
	for i, p := range plans {
		if !p.touches(d.Date) {
			continue
		}
		for _, v := range views {
			before := len(into[i])
			done, err := p.fromTotals(v, into[i])
			if err == nil && !done {
				err = p.scan(m, v, into[i])
			}
			if err == nil {
				err = m.pause()
			}
			if err == nil {
				err = m.take(int64(len(into[i])-before) * groupBytes)
			}
			if err != nil {
				return err
			}
			if len(into[i]) > MaxGroups {
				return invalid("The query has more than %d groups. Ask for fewer dimensions, fewer days, or filter.", MaxGroups)
			}
		}
	}
	return nil
}

// counts is what a group adds up. Names starting with e are counted from events, with s from visits.
type counts struct {
	labels                                  []string
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

// groups are the groups of a result by the bytes of their labels.
type groups map[string]*counts

// at returns the group with these labels; key is scratch space.
func (g groups) at(labels []string, key *[]byte) *counts {
	b := (*key)[:0]
	for _, l := range labels {
		b = binary.AppendUvarint(b, uint64(len(l)))
		b = append(b, l...)
	}
	*key = b
	c := g[string(b)]
	if c == nil {
		c = &counts{labels: slices.Clone(labels)}
		g[string(b)] = c
	}
	return c
}

// merge returns the groups of both; it may change either.
func (g groups) merge(o groups) groups {
	if len(g) < len(o) {
		g, o = o, g
	}
	for k, c := range o {
		if have := g[k]; have != nil {
			have.add(c)
		} else {
			g[k] = c
		}
	}
	return g
}
