package query

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"footfall/storage/day"
	"footfall/storage/schema"
)

// Day gives the parts of one local day: the sealed one, the open one, or both. Visitors of different parts are different.
// The engine calls release when it no longer reads them.
type Day struct {
	Date  schema.Date
	Views func() (views []*day.View, release func(), err error)
}

// Source lists the days of a site that hold anything, first and last included, in ascending order, and gives the lexicon to number their
// words with.
type Source interface {
	Days(site schema.Site, first, last schema.Date) ([]Day, error)
	Lexicon(site schema.Site) *day.Lexicon
}

// Engine answers queries from days as they are stored. It is safe for concurrent use.
type Engine struct {
	source Source
	room   *room
	cores  cores
}

// NewEngine returns an engine whose queries, two at once, hold about so many bytes of memory at most.
func NewEngine(source Source, memory int64) *Engine {
	return &Engine{source, newRoom(memory), newCores()}
}

// Query answers q. It stops early when ctx ends.
func (e *Engine) Query(ctx context.Context, q Query) (Result, error) {
	r, err := e.QueryAll(ctx, q)
	if err != nil {
		return Result{}, err
	}
	return r[0], nil
}

// QueryAll answers several queries about one site. It goes through the days once, so that a column is decoded once for all of
// them: a dashboard costs little more than its dearest query. Where they need too much memory together, they are answered one by one.
func (e *Engine) QueryAll(ctx context.Context, queries ...Query) ([]Result, error) {
	results, err := e.together(ctx, queries)
	if !errors.As(err, new(tooLargeError)) || len(queries) < 2 {
		return results, err
	}
	results = results[:0]
	for i := range queries {
		r, err := e.together(ctx, queries[i:i+1])
		if err != nil {
			return nil, err
		}
		results = append(results, r...)
	}
	return results, nil
}

// together answers queries in one pass over the days.
func (e *Engine) together(ctx context.Context, queries []Query) ([]Result, error) {
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
	b := batch{plans: plans}
	if len(plans) > 0 {
		b.lexicon = e.source.Lexicon(queries[0].Site)
	}
	for _, p := range plans {
		p.prepare(&b.conditions)
	}
	found, err := e.run(ctx, &b)
	if err != nil {
		return nil, err
	}
	results := make([]Result, len(queries))
	next := len(queries)
	for i := range results {
		total := uint64(0)
		if totals[i] != nil {
			for i := range found[next].counts {
				total += found[next].counts[i].eVisitors
			}
			next++
		}
		results[i] = plans[i].result(found[i], b.lexicon, total)
	}
	return results, nil
}

// batch is what the workers of one QueryAll share.
type batch struct {
	plans      []*plan
	conditions conditions
	lexicon    *day.Lexicon
	*meter
}

// run scans the days of the plans, several at a time, and returns the groups of each plan.
func (e *Engine) run(ctx context.Context, b *batch) ([]*groups, error) {
	if len(b.plans) == 0 {
		return nil, nil
	}
	first, last := b.plans[0].first, b.plans[0].last
	for _, p := range b.plans {
		first, last = min(first, p.first), max(last, p.last)
	}
	days, err := e.source.Days(b.plans[0].q.Site, first, last)
	if err != nil {
		return nil, fmt.Errorf("query: %w", err)
	}
	days = slices.DeleteFunc(days, func(d Day) bool {
		return !slices.ContainsFunc(b.plans, func(p *plan) bool { return p.touches(d.Date) })
	})
	workers := make([]*worker, max(1, min(runtime.GOMAXPROCS(0), len(days))))
	errs := make([]error, len(workers))
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	b.meter = &meter{ctx: ctx, room: e.room}
	defer b.meter.end()
	var next atomic.Int64
	var wait sync.WaitGroup
	for i := range workers {
		w := newWorker(b)
		workers[i] = w
		wait.Go(func() {
			// Neighbouring days lie together in the file, so a worker takes some of them at a time.
			const run = 4
			for from := int(next.Add(run)) - run; from < len(days); from = int(next.Add(run)) - run {
				for _, d := range days[from:min(from+run, len(days))] {
					if errs[i] = e.cores.enter(ctx); errs[i] != nil {
						return
					}
					errs[i] = w.day(d)
					e.cores.leave()
					if errs[i] != nil {
						cancel()
						return
					}
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
	found := workers[0].found
	for _, other := range workers[1:] {
		for i := range found {
			found[i].merge(other.found[i])
		}
	}
	return found, nil
}
