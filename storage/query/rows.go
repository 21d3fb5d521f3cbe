package query

import (
	"slices"

	"footfall/storage/day"
	"footfall/storage/schema"
)

// Rows returns which rows of a view, engagement included, lie in the range and satisfy all filters, or nil if none does. Unlike in E,
// engagement is an event like any other here: it has a page, a visit and a name.
func Rows(v *day.View, r Range, filters []Filter) ([]bool, error) {
	if r.Last < v.Begin || r.First > v.Begin+3*24*3600 { // no day lasts that long
		return nil, nil
	}
	b := batch{lexicon: day.NewLexicon()}
	list := b.conditions.number(filters)
	s := scanner{worker: newWorker(&b)}
	s.v = v
	m, err := s.all(b.conditions.ready[list])
	if err != nil {
		return nil, err
	}
	starts, err := v.RowStarts()
	if err != nil {
		return nil, err
	}
	times, err := v.Numbers(schema.EventTime)
	if err != nil {
		return nil, err
	}
	out := make([]bool, v.Rows)
	for visit := range v.Visits {
		for i := starts[visit]; i < starts[visit+1]; i++ {
			at := v.Begin + int64(times[i])
			out[i] = r.First <= at && at <= r.Last && (m.visits == nil || m.visits[visit]) && (m.rows == nil || m.rows[i])
		}
	}
	if !slices.Contains(out, true) {
		return nil, nil
	}
	return out, nil
}

// ValidateFilters says what is wrong with filters in words for the person who wrote them, or nil.
func ValidateFilters(filters []Filter) error {
	var seen filterCounts
	for i := range filters {
		if err := filters[i].validate(1, &seen); err != nil {
			return err
		}
	}
	return nil
}
