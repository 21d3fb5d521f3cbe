package api

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"time"

	"footfall/storage/account"
	"footfall/storage/query"
	"footfall/storage/schema"
)

// filteredAnswer says how much of what came is not counted.
type filteredAnswer struct {
	Counted int64          `json:"counted"` // events of the period
	Reasons []reasonAnswer `json:"reasons"` // the commonest first
	Watched []reasonAnswer `json:"watched"` // counted although a rule in watch mode is about them; in its order
	Other   []foldedAnswer `json:"other"`
}

// reasonAnswer is what is not counted for one reason.
type reasonAnswer struct {
	Reason string                `json:"reason"`
	Help   string                `json:"help"` // empty for a reason that this version does not know
	Count  int64                 `json:"count"`
	Days   map[schema.Date]int64 `json:"days,omitempty"` // those with any
}

// foldedAnswer is how many values of a dimension are counted as day.Other.
type foldedAnswer struct {
	Dimension string `json:"dimension"`
	Count     int64  `json:"count"`
}

// sitelessAnswer is what came since the start and belongs to no site. The names that were sent are not kept.
type sitelessAnswer struct {
	Since   time.Time      `json:"since"`
	Reasons []reasonAnswer `json:"reasons"`
}

// filtered tells how much was not counted and why, and which values are not told apart.
func (a *API) filtered(_ http.ResponseWriter, r *http.Request, site account.Site) (any, error) {
	values := r.URL.Query()
	from, err1 := schema.ParseDate(values.Get("from"))
	to, err2 := schema.ParseDate(values.Get("to"))
	if err1 != nil || err2 != nil {
		return nil, refuse("The parameters `from` and `to` must be dates written YYYY-MM-DD.")
	}
	from, to = min(from, to), max(from, to)
	calendar, err := site.Calendar()
	if err != nil {
		return nil, err
	}
	counted, err := a.store.Query(r.Context(), query.Query{Site: site.ID, Calendar: calendar, Range: query.Days(from, to, calendar), Metrics: []query.Metric{query.Events}})
	if err != nil {
		return nil, fmt.Errorf("count events: %w", err)
	}
	answer := filteredAnswer{Counted: eventsOf(counted), Reasons: reasons(a.store.DropCounts(site.ID, from, to)), Watched: reasons(a.store.WatchCounts(site.ID, from, to)), Other: []foldedAnswer{}}
	for dimension, n := range a.store.Folded(site.ID, from, to) {
		answer.Other = append(answer.Other, foldedAnswer{dimension, n})
	}
	slices.SortFunc(answer.Other, func(x, y foldedAnswer) int { return cmp.Compare(x.Dimension, y.Dimension) })
	return answer, nil
}

// reasons puts counts by reason and day into order.
func reasons(counts map[string]map[schema.Date]int64) []reasonAnswer {
	list := []reasonAnswer{}
	for reason, days := range counts {
		one := describeReason(reason, 0)
		one.Days = days
		for _, n := range days {
			one.Count += n
		}
		list = append(list, one)
	}
	return inOrder(list)
}

func describeReason(reason string, count int64) reasonAnswer {
	return reasonAnswer{Reason: reason, Help: schema.Reason(reason).Help(), Count: count}
}

// inOrder leaves out what did not happen, and puts the commonest first.
func inOrder(list []reasonAnswer) []reasonAnswer {
	list = slices.DeleteFunc(list, func(r reasonAnswer) bool { return r.Count <= 0 })
	slices.SortFunc(list, func(x, y reasonAnswer) int {
		return cmp.Or(cmp.Compare(y.Count, x.Count), cmp.Compare(x.Reason, y.Reason))
	})
	return list
}

// describeSiteless tells what belongs to no site.
func (a *API) describeSiteless() sitelessAnswer {
	list := []reasonAnswer{}
	if a.siteless != nil {
		for reason, n := range a.siteless() {
			list = append(list, describeReason(reason, n))
		}
	}
	return sitelessAnswer{Since: a.started.UTC().Truncate(time.Second), Reasons: inOrder(list)}
}
