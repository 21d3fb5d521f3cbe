package day

import (
	"fmt"
	"slices"
	"time"

	"footfall/storage/column"
	"footfall/storage/schema"
)

// Verify decodes every column of the day and counts again what the day says it has counted: totals, hours, sets and the summary. It
// returns the first difference.
func (v *View) Verify() error {
	zone, err := time.LoadLocation(v.Zone)
	if err != nil {
		return fmt.Errorf("verify %s: %w", v.Date, err)
	}
	rows := 0
	counting := 0
	err = v.Each(func(_ uint32, _ *schema.Attributes, e *Event) error {
		rows++
		if e.Name != Engagement {
			counting++
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("verify %s: %w", v.Date, err)
	}
	if rows != v.Rows || counting != v.Counting {
		return v.differs("events", [2]int{v.Rows, v.Counting}, [2]int{rows, counting})
	}
	for _, check := range []func(*time.Location) error{v.verifySummary, v.verifyHours, v.verifyTotals, v.verifySets} {
		if err := check(zone); err != nil {
			return err
		}
	}
	return nil
}

func (v *View) differs(what string, stored, counted any) error {
	return fmt.Errorf("verify %s: %w: %s: stored %v, counted %v", v.Date, column.ErrCorrupt, what, stored, counted)
}

func (v *View) verifySummary(*time.Location) error {
	stored, err := v.Summary()
	if err != nil {
		return err
	}
	counted := Summary{Visitors: uint64(v.Visitors), Visits: uint64(v.Visits), Events: uint64(v.Counting)}
	for id, sum := range map[schema.ID]*uint64{schema.VisitPageviews: &counted.Pageviews, schema.VisitBounce: &counted.Bounces, schema.VisitDuration: &counted.Duration} {
		n, err := v.Numbers(id)
		if err != nil {
			return err
		}
		for _, x := range n {
			*sum += uint64(x)
		}
	}
	if stored != counted {
		return v.differs("summary", stored, counted)
	}
	return nil
}

func (v *View) verifyHours(zone *time.Location) error {
	stored, err := v.Hours()
	if err != nil || stored == nil {
		return err
	}
	counted, err := v.countHours(zone)
	if err != nil {
		return err
	}
	for i, l := range counted.lists() {
		if s := *stored.lists()[i]; !slices.Equal(s, *l) {
			return v.differs("hours", s, *l)
		}
	}
	if !slices.Equal(stored.EndDurations, counted.EndDurations) {
		return v.differs("hours", stored.EndDurations, counted.EndDurations)
	}
	return nil
}

func (v *View) verifyTotals(*time.Location) error {
	for i := range schema.Columns {
		id := schema.ID(i)
		if schema.Columns[id].API == "" || id == schema.EventProps {
			continue
		}
		stored, err := v.Totals(id)
		if err != nil {
			return err
		}
		counted, err := v.countTotals(id)
		if err != nil {
			return err
		}
		if err := v.compareTotals(schema.Columns[id].Name, stored, counted, isVisitTotal(id)); err != nil {
			return err
		}
	}
	for _, key := range v.Props {
		stored, err := v.PropTotals(key)
		if err != nil {
			return err
		}
		s, err := v.Prop(key)
		if err != nil {
			return err
		}
		counted, err := v.countRows(s.Dense(v.Rows))
		if err != nil {
			return err
		}
		if err := v.compareTotals("a property", stored, counted, false); err != nil {
			return err
		}
	}
	return nil
}

func (v *View) compareTotals(name string, stored, counted *Totals, ofVisits bool) error {
	if stored == nil {
		return nil
	}
	if !slices.Equal(stored.Words, counted.Words) {
		return v.differs("words of "+name, len(stored.Words), len(counted.Words))
	}
	lists := stored.lists()
	if !ofVisits {
		lists = lists[:rowLists]
	}
	for i, l := range lists {
		if !slices.Equal(*l, *counted.lists()[i]) {
			return v.differs("totals of "+name, *l, *counted.lists()[i])
		}
	}
	if ofVisits && !slices.Equal(stored.Durations, counted.Durations) {
		return v.differs("durations of "+name, stored.Durations, counted.Durations)
	}
	return nil
}

func (v *View) verifySets(*time.Location) error {
	names, err := v.Text(schema.EventName)
	if err != nil {
		return err
	}
	counted, err := v.visitorsByName()
	if err != nil {
		return err
	}
	for code, name := range names.Words {
		stored, ok, err := v.VisitorsWith(name)
		if err != nil {
			return err
		}
		if ok && !slices.Equal(stored.Slice(), counted[code]) {
			return v.differs("visitors of an event", stored.Len(), len(counted[code]))
		}
	}
	return nil
}
