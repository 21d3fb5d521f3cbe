package query

import (
	"footfall/storage/column"
	"footfall/storage/day"
)

// worker goes through days for a batch of queries.
type worker struct {
	*batch
	found    []*groups // by plan
	taken    []int     // by plan: groups accounted for
	verdicts [][]byte  // by leaf of the conditions and number of the word
	memory   column.Decoder

	v     *day.View // the part under way
	masks []*mask   // of v, by number of the list of filters
	hit   []*hits   // likewise
}

func newWorker(b *batch) *worker {
	w := &worker{batch: b, taken: make([]int, len(b.plans)), verdicts: make([][]byte, b.conditions.leaves), masks: make([]*mask, len(b.conditions.lists)), hit: make([]*hits, len(b.conditions.lists))}
	for _, p := range b.plans {
		w.found = append(w.found, newGroups(len(p.q.Dimensions)))
	}
	return w
}

// day adds one day to the groups of each plan that asks for it.
func (w *worker) day(d Day) error {
	views, release, err := d.Views()
	if err != nil {
		return err
	}
	defer release()
	for _, v := range views {
		if err := w.view(d, v); err != nil {
			return err
		}
	}
	for i, g := range w.found {
		if len(g.counts) > MaxGroups {
			return invalid("The query has more than %d groups. Ask for fewer dimensions, fewer days, or filter.", MaxGroups)
		}
		if err := w.take(int64(len(g.counts)-w.taken[i]) * groupBytes); err != nil {
			return err
		}
		w.taken[i] = len(g.counts)
	}
	return w.pause()
}

// view answers what it can from the totals of a view and scans its parts for the rest.
func (w *worker) view(d Day, v *day.View) error {
	var scans []int
	w.memory.Reset()
	for i, p := range w.plans {
		if !p.touches(d.Date) {
			continue
		}
		done, err := w.fromTotals(p, v, w.found[i])
		if err != nil {
			return err
		}
		if !done {
			scans = append(scans, i)
		}
	}
	if len(scans) == 0 {
		return nil
	}
	for part := range v.Parts() {
		if err := w.pause(); err != nil {
			return err
		}
		w.memory.Reset()
		clear(w.masks)
		clear(w.hit)
		w.v = v.Part(part, w.lexicon, &w.memory)
		for _, i := range scans {
			if err := w.scan(w.plans[i], w.found[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// scan adds the rows and visits of the part under way to the groups of a plan.
func (w *worker) scan(p *plan, into *groups) error {
	weight := p.weight(w.v)
	if err := w.take(weight); err != nil {
		return err
	}
	defer w.give(weight)
	s := scanner{plan: p, worker: w, whole: p.whole(w.v), first: p.q.Range.First - w.v.Begin, last: p.q.Range.Last - w.v.Begin}
	if p.useE {
		if err := s.events(into); err != nil {
			return err
		}
	}
	if p.useS {
		return s.visits(into)
	}
	return nil
}
