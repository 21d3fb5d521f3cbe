package day_test

import (
	"bytes"
	"testing"
	"time"

	"footfall/storage/day"
	"footfall/storage/schema"

	"pgregory.net/rapid"
)

// build hands rows to a Builder as an import does, words given in any order.
func build(t *rapid.T, begin time.Time, rows []day.Row) *day.View {
	b := day.NewBuilder(date, begin, len(rows))
	visitors, of := map[uint64]uint32{}, []uint32{}
	if rapid.Bool().Draw(t, "words of no row") {
		b.Word(schema.Country, "XX")
		b.Word(schema.EventName, day.Engagement)
		b.Prop("unused")
	}
	for i := range rows {
		r := &rows[i]
		e := &r.Event
		c := day.CodedRow{
			Visit: r.Visit, Time: e.Time, Name: b.Word(schema.EventName, e.Name), Host: b.Word(schema.EventHostname, e.Hostname), Page: b.Word(schema.EventPage, e.Pathname),
			Interactive: e.Interactive, ScrollDepth: e.ScrollDepth, EngagementMS: e.EngagementMS,
		}
		if r.New != nil {
			n, known := visitors[r.New.Visitor]
			if !known {
				n = uint32(len(visitors))
				visitors[r.New.Visitor] = n
			}
			of = append(of, n)
			c.Attributes = new([schema.NumAttributes]uint32)
			for id, word := range r.New.Attributes {
				c.Attributes[id] = b.Word(schema.ID(id), word)
			}
		}
		c.Visitor = of[r.Visit]
		for _, p := range e.Props {
			column, ok := b.Prop(p.Key)
			if !ok {
				t.Fatal("no room for a property")
			}
			c.Props = append(c.Props, day.CodedProp{Column: column, Value: b.PropValue(column, p.Value)})
		}
		if e.Revenue != (day.Revenue{}) {
			c.HasRevenue = true
			c.Amount, c.Currency = b.Word(schema.EventRevenueAmount, e.Revenue.Amount), b.Word(schema.EventRevenueCurrency, e.Revenue.Currency)
		}
		if err := b.Add(&c); err != nil {
			t.Fatal(err)
		}
	}
	return b.View()
}

// A day made at once is, byte for byte, the day that the same rows make one by one.
func TestBuilderAgreesWithOpen(t *testing.T) {
	begin := date.Start(zone(t))
	rapid.Check(t, func(t *rapid.T) {
		rows := drawRows(t, begin.Unix())
		o := day.NewOpen(1, date, begin)
		if err := o.Apply(rows); err != nil {
			t.Fatal(err)
		}
		header, chunks, err := day.Seal(o.View())
		if err != nil {
			t.Fatal(err)
		}
		gotHeader, gotChunks, err := day.Seal(build(t, begin, rows))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(header, gotHeader) || !bytes.Equal(bytes.Join(chunks, nil), bytes.Join(gotChunks, nil)) {
			t.Fatal("the days differ")
		}
	})
}

func TestBuilderRefuses(t *testing.T) {
	first := date.Start(zone(t))
	begin := first.Unix()
	fresh := new([schema.NumAttributes]uint32)
	for name, row := range map[string]day.CodedRow{
		"a visit that did not begin": {Time: begin},
		"a visit beyond the next":    {Time: begin, Visit: 1, Attributes: fresh},
		"a visitor beyond the next":  {Time: begin, Visitor: 1, Attributes: fresh},
		"the day before":             {Time: begin - 1, Attributes: fresh},
		"beyond the longest day":     {Time: begin + 53*3600, Attributes: fresh},
	} {
		if err := day.NewBuilder(date, first, 1).Add(&row); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}
