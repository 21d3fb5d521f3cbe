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
	c, err := v.cells()
	if err != nil {
		return err
	}
	for _, r := range c.inTime(starts) {
		a, e := c.attributes(r.visit), c.event(r.row)
		if err := fn(of[r.visit], &a, &e); err != nil {
			return err
		}
	}
	return nil
}

// placedRow is a row and its visit.
type placedRow struct{ row, visit uint32 }

// inTime returns all rows in the order of time; those of the same second in that of the view.
func (c *cells) inTime(starts []uint32) []placedRow {
	times := c.numbers[schema.EventTime]
	out := make([]placedRow, len(times))
	for visit := range len(starts) - 1 {
		for r := starts[visit]; r < starts[visit+1]; r++ {
			out[r] = placedRow{r, uint32(visit)}
		}
	}
	slices.SortStableFunc(out, func(a, b placedRow) int { return cmp.Compare(times[a.row], times[b.row]) })
	return out
}

// cells are all columns of a view, to read visits and rows one by one.
type cells struct {
	begin            int64
	texts            [schema.NumColumns]*Text
	numbers          [schema.NumColumns][]uint32
	props            map[uint32][]Prop
	amount, currency *SparseText
}

func (v *View) cells() (c *cells, err error) {
	c = &cells{begin: v.Begin}
	for _, id := range storedTexts {
		if c.texts[id], err = v.Text(id); err != nil {
			return nil, err
		}
	}
	for _, id := range storedNumbers {
		if c.numbers[id], err = v.Numbers(id); err != nil {
			return nil, err
		}
	}
	if c.props, err = v.propsByRow(); err != nil {
		return nil, err
	}
	c.amount, c.currency, err = v.Revenue()
	return c, err
}

func (c *cells) word(id schema.ID, at uint32) string { return c.texts[id].Words[c.texts[id].Codes[at]] }

func (c *cells) attributes(visit uint32) (a schema.Attributes) {
	for id := range a {
		a[id] = c.word(schema.ID(id), visit)
	}
	return a
}

func (c *cells) event(r uint32) Event {
	e := Event{
		Time: c.begin + int64(c.numbers[schema.EventTime][r]), Name: c.word(schema.EventName, r),
		Hostname: c.word(schema.EventHostname, r), Pathname: c.word(schema.EventPage, r),
		Interactive: c.numbers[schema.EventInteractive][r] != 0, ScrollDepth: NoScroll,
		EngagementMS: c.numbers[schema.EventEngagement][r], Props: c.props[r],
	}
	if d := c.numbers[schema.EventScrollDepth][r]; d > 0 {
		e.ScrollDepth = uint8(d - 1)
	}
	if i, ok := slices.BinarySearch(c.amount.Rows, r); ok {
		e.Revenue = Revenue{c.amount.Words[c.amount.Codes[i]], c.currency.Words[c.currency.Codes[i]]}
	}
	return e
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
