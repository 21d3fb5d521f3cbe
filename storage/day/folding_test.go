package day_test

import (
	"fmt"
	"maps"
	"testing"

	"footfall/storage/day"
	"footfall/storage/schema"
)

// TestBuilderFolds builds a day of more pages, amounts and values of a property than it keeps.
func TestBuilderFolds(t *testing.T) {
	begin := date.Start(zone(t))
	b := day.NewBuilder(date, begin, day.MaxWords)
	var attributes [schema.NumAttributes]uint32
	for id := range attributes {
		attributes[id] = b.Word(schema.ID(id), "")
	}
	plan, _ := b.Prop("plan")
	const beyond = 7
	for i := range uint32(day.MaxWords + beyond) {
		r := day.CodedRow{Visit: i, Visitor: i, Attributes: &attributes, Time: begin.Unix(), Name: b.Word(schema.EventName, day.Pageview),
			Host: b.Word(schema.EventHostname, "x"), Page: b.Word(schema.EventPage, fmt.Sprint("/", i)), HasRevenue: true,
			Amount: b.Word(schema.EventRevenueAmount, fmt.Sprint(i)), Currency: b.Word(schema.EventRevenueCurrency, "EUR"),
			Props: []day.CodedProp{{Column: plan, Value: b.PropValue(plan, fmt.Sprint(i))}}}
		if err := b.Add(&r); err != nil {
			t.Fatal(err)
		}
	}
	v := b.View()
	if want := map[schema.ID]int64{schema.EventPage: beyond, schema.EventProps: beyond, schema.EventRevenueAmount: beyond}; !maps.Equal(v.Folded, want) {
		t.Errorf("folded %v, want %v", v.Folded, want)
	}
	other, paid := 0, 0
	err := v.Each(func(_ uint32, _ *schema.Attributes, e *day.Event) error {
		if (e.Pathname == day.Other) != (e.Props[0].Value == day.Other) || (e.Pathname == day.Other) != (e.Revenue == day.Revenue{}) {
			return fmt.Errorf("%+v", e)
		}
		if e.Pathname == day.Other {
			other++
		}
		if e.Revenue != (day.Revenue{}) {
			paid++
		}
		return nil
	})
	if err != nil || other != beyond || paid != day.MaxWords {
		t.Errorf("%d other pages, %d amounts, %v", other, paid, err)
	}
}
