package day

import (
	"cmp"
	"slices"

	"footfall/storage/schema"
)

// Each calls fn for every event, engagement included, in the order of time; events of one visit in the same second keep
// their order. The visitor is a number within the view. What fn is given is valid until it returns.
func (v *View) Each(fn func(visitor uint32, a *schema.Attributes, e *Event) error) error {
	of, err := v.VisitorOf()
	if err != nil {
		return err
	}
	starts, err := v.RowStarts()
	if err != nil {
		return err
	}
	var texts [schema.NumColumns]*Text
	for _, id := range storedTexts {
		if texts[id], err = v.Text(id); err != nil {
			return err
		}
	}
	var numbers [schema.NumColumns][]uint32
	for _, id := range storedNumbers {
		if numbers[id], err = v.Numbers(id); err != nil {
			return err
		}
	}
	props, err := v.propsByRow()
	if err != nil {
		return err
	}
	amount, currency, err := v.Revenue()
	if err != nil {
		return err
	}
	visitOf := make([]uint32, v.Rows)
	order := make([]uint32, v.Rows)
	for visit := range v.Visits {
		for r := starts[visit]; r < starts[visit+1]; r++ {
			visitOf[r], order[r] = uint32(visit), r
		}
	}
	times := numbers[schema.EventTime]
	slices.SortStableFunc(order, func(a, b uint32) int { return cmp.Compare(times[a], times[b]) })
	word := func(id schema.ID, at uint32) string { return texts[id].Words[texts[id].Codes[at]] }
	for _, r := range order {
		visit := visitOf[r]
		var a schema.Attributes
		for id := range a {
			a[id] = word(schema.ID(id), visit)
		}
		e := Event{
			Time: v.Begin + int64(times[r]), Name: word(schema.EventName, r), Hostname: word(schema.EventHostname, r), Pathname: word(schema.EventPage, r),
			Interactive: numbers[schema.EventInteractive][r] != 0, ScrollDepth: NoScroll, EngagementMS: numbers[schema.EventEngagement][r], Props: props[r],
		}
		if d := numbers[schema.EventScrollDepth][r]; d > 0 {
			e.ScrollDepth = uint8(d - 1)
		}
		if i, ok := slices.BinarySearch(amount.Rows, r); ok {
			e.Revenue = Revenue{amount.Words[amount.Codes[i]], currency.Words[currency.Codes[i]]}
		}
		if err := fn(of[visit], &a, &e); err != nil {
			return err
		}
	}
	return nil
}

// propsByRow gathers the properties of each row that has some, sorted by key as v.Props is.
func (v *View) propsByRow() (map[uint32][]Prop, error) {
	out := map[uint32][]Prop{}
	for _, key := range v.Props {
		s, err := v.Prop(key)
		if err != nil {
			return nil, err
		}
		for i, r := range s.Rows {
			out[r] = append(out[r], Prop{key, s.Words[s.Codes[i]]})
		}
	}
	return out, nil
}
