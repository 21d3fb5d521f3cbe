package query

import (
	"context"
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
type Engine struct{ Source Source }

// Query answers q. It stops early when ctx ends.
func (e *Engine) Query(ctx context.Context, q Query) (Result, error) {
	if err := q.Validate(); err != nil {
		return Result{}, err
	}
	p := newPlan(&q)
	groups, err := e.run(ctx, p)
	if err != nil {
		return Result{}, err
	}
	total := uint64(0)
	if slices.Contains(q.Metrics, Percentage) {
		all, err := e.run(ctx, p.totalPlan())
		if err != nil {
			return Result{}, err
		}
		for _, a := range all {
			total += a.eVisitors
		}
	}
	return p.result(groups, total), nil
}

// run scans the days of the plan, several at a time.
func (e *Engine) run(ctx context.Context, p *plan) (groups, error) {
	first, last := p.q.Range.Dates(p.q.Zone)
	days, err := e.Source.Days(p.q.Site, first, last)
	if err != nil {
		return nil, fmt.Errorf("query: %w", err)
	}
	workers := min(runtime.GOMAXPROCS(0), len(days))
	partial, errs := make([]groups, workers), make([]error, workers)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wait sync.WaitGroup
	for w := range workers {
		wait.Go(func() {
			partial[w] = groups{}
			// Neighbouring days lie together in the file, so each worker takes one run of them.
			for i := w * len(days) / workers; i < (w+1)*len(days)/workers; i++ {
				if errs[w] = ctx.Err(); errs[w] != nil {
					return
				}
				if errs[w] = p.day(days[i], partial[w]); errs[w] != nil {
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
	all := groups{}
	for _, g := range partial {
		all.merge(g)
	}
	return all, nil
}

func (p *plan) day(d Day, into groups) error {
	views, release, err := d.Views()
	if err != nil {
		return err
	}
	defer release()
	for _, v := range views {
		done, err := p.fromTotals(v, into)
		if err == nil && !done {
			err = p.scan(v, into)
		}
		if err != nil {
			return err
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
	for i, l := range labels {
		if i > 0 {
			b = append(b, 0xff) // no byte of UTF-8 text; labels that are not UTF-8 only share a group if they are the same
			b = append(b, byte(len(l)>>24), byte(len(l)>>16), byte(len(l)>>8), byte(len(l)))
		}
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

func (g groups) merge(o groups) {
	if len(g) == 0 {
		for k, c := range o {
			g[k] = c
		}
		return
	}
	for k, c := range o {
		if have := g[k]; have != nil {
			have.add(c)
		} else {
			g[k] = c
		}
	}
}
