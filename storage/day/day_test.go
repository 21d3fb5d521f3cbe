package day_test

import (
	"cmp"
	"fmt"
	"slices"
	"testing"
	"time"

	"footfall/storage/column"
	"footfall/storage/day"
	"footfall/storage/schema"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

const date = schema.Date(20400)

func zone(t testing.TB) *time.Location {
	z, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	return z
}

// drawRows draws a lawful day: visits numbered as they begin, times of one visit ascending.
func drawRows(t *rapid.T, begin int64) []day.Row {
	word := rapid.SampledFrom([]string{"", "a", "b", "grün", "/blog/x"})
	var rows []day.Row
	var last []int64
	now := begin
	for range rapid.IntRange(1, 40).Draw(t, "rows") {
		now += rapid.Int64Range(0, 900).Draw(t, "step")
		r := day.Row{Event: day.Event{
			Time: now, Name: rapid.SampledFrom([]string{day.Pageview, day.Pageview, "signup", day.Engagement}).Draw(t, "name"),
			Hostname: word.Draw(t, "host"), Pathname: word.Draw(t, "page"), Interactive: rapid.Bool().Draw(t, "interactive"),
			ScrollDepth: rapid.SampledFrom([]uint8{0, 40, 100, day.NoScroll}).Draw(t, "scroll"), EngagementMS: rapid.Uint32Range(0, 5000).Draw(t, "ms"),
		}}
		if rapid.Bool().Draw(t, "has props") {
			for _, k := range []string{"\x00amount", "plan", "theme"} {
				if v := word.Draw(t, k); v != "" {
					r.Event.Props = append(r.Event.Props, day.Prop{Key: k, Value: v})
				}
			}
		}
		if rapid.IntRange(0, 5).Draw(t, "revenue") == 0 {
			r.Event.Revenue = day.Revenue{Amount: "12.50", Currency: "EUR"}
		}
		if len(last) > 0 && (r.Event.Name == day.Engagement || rapid.Bool().Draw(t, "continue")) {
			r.Visit = uint32(rapid.IntRange(0, len(last)-1).Draw(t, "visit"))
		} else {
			if r.Event.Name == day.Engagement {
				r.Event.Name = day.Pageview
			}
			r.Visit = uint32(len(last))
			r.New = &day.NewVisit{Visitor: rapid.Uint64Range(1, 5).Draw(t, "visitor")}
			r.New.Attributes[schema.Country] = rapid.SampledFrom([]string{"", "DE", "US"}).Draw(t, "country")
			r.New.Attributes[schema.Source] = word.Draw(t, "source")
			last = append(last, 0)
		}
		last[r.Visit] = now
		rows = append(rows, r)
	}
	return rows
}

type flat struct {
	Attributes schema.Attributes
	Event      day.Event
}

// flatten lists a view's events; visitors keep apart what belongs together but have no number that would survive sealing.
func flatten(t testing.TB, v *day.View) [][]flat {
	t.Helper()
	by := map[uint32][]flat{}
	err := v.Each(func(visitor uint32, a *schema.Attributes, e *day.Event) error {
		by[visitor] = append(by[visitor], flat{*a, *e})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var out [][]flat
	for _, f := range by {
		out = append(out, f)
	}
	slices.SortFunc(out, func(a, b []flat) int { return cmp.Compare(fmt.Sprintf("%#v", a), fmt.Sprintf("%#v", b)) })
	return out
}

func sealView(t testing.TB, views ...*day.View) *day.View {
	t.Helper()
	header, chunks, err := day.SealParts(10, views...)
	if err != nil {
		t.Fatal(err)
	}
	v, err := day.OpenSealed(date, header, func(dst []byte, i int) ([]byte, error) { return append(dst, chunks[i]...), nil })
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestOpenSealedAndReplayedDaysHoldTheSame(t *testing.T) {
	z := zone(t)
	rapid.Check(t, func(rt *rapid.T) {
		rows := drawRows(rt, date.Start(z).Unix())
		applied, live, replayed := day.NewOpen(1, date, date.Start(z)), day.NewOpen(1, date, date.Start(z)), day.NewOpen(1, date, date.Start(z))
		if err := applied.Apply(rows); err != nil {
			rt.Fatal(err)
		}
		for len(rows) > 0 {
			n := rapid.IntRange(1, len(rows)).Draw(rt, "batch")
			value := live.Encode(rows[:n])
			rows = rows[n:]
			for _, o := range []*day.Open{live, replayed} {
				if err := o.Replay(value); err != nil {
					rt.Fatal(err)
				}
			}
			if rapid.Bool().Draw(rt, "look") {
				live.View()
			}
		}
		want := flatten(t, applied.View())
		for name, v := range map[string]*day.View{"live": live.View(), "replayed": replayed.View(), "sealed": sealView(t, live.View()), "sealed again": sealView(t, sealView(t, live.View()))} {
			if err := v.Verify(); err != nil {
				rt.Fatalf("%s: %v", name, err)
			}
			if diff := gocmp.Diff(want, flatten(t, v)); diff != "" {
				rt.Fatalf("%s: (-want +got)\n%s", name, diff)
			}
		}
		if diff := gocmp.Diff(applied.Resume(), replayed.Resume()); diff != "" {
			rt.Fatal(diff)
		}
	})
}

func TestSealMerges(t *testing.T) {
	z := zone(t)
	rapid.Check(t, func(rt *rapid.T) {
		var views []*day.View
		var want [][]flat
		for range 2 {
			o := day.NewOpen(1, date, date.Start(z))
			if err := o.Apply(drawRows(rt, date.Start(z).Unix())); err != nil {
				rt.Fatal(err)
			}
			views = append(views, o.View())
			want = append(want, flatten(t, o.View())...)
		}
		slices.SortFunc(want, func(a, b []flat) int { return cmp.Compare(fmt.Sprintf("%#v", a), fmt.Sprintf("%#v", b)) })
		if diff := gocmp.Diff(want, flatten(t, sealView(t, sealView(t, views[0]), views[1]))); diff != "" {
			rt.Fatal(diff)
		}
	})
}

func TestApplyRefusesRowsOutOfOrder(t *testing.T) {
	z := zone(t)
	begin := date.Start(z).Unix()
	first := day.Row{New: &day.NewVisit{Visitor: 1}, Event: day.Event{Time: begin + 60, Name: day.Pageview}}
	for name, r := range map[string]day.Row{
		"skipped visit":      {Visit: 2, New: &day.NewVisit{}, Event: day.Event{Time: begin + 61, Name: day.Pageview}},
		"known visit as new": {Visit: 0, New: &day.NewVisit{}, Event: day.Event{Time: begin + 61, Name: day.Pageview}},
		"unknown visit":      {Visit: 1, Event: day.Event{Time: begin + 61, Name: day.Pageview}},
		"back in time":       {Visit: 0, Event: day.Event{Time: begin + 59, Name: day.Pageview}},
		"before the day":     {Visit: 1, New: &day.NewVisit{}, Event: day.Event{Time: begin - 1, Name: day.Pageview}},
		"engagement first":   {Visit: 1, New: &day.NewVisit{}, Event: day.Event{Time: begin + 61, Name: day.Engagement}},
	} {
		o := day.NewOpen(1, date, date.Start(z))
		if err := o.Apply([]day.Row{first}); err != nil {
			t.Fatal(err)
		}
		if err := o.Apply([]day.Row{r}); err == nil {
			t.Errorf("%s: got no error", name)
		}
	}
}

func TestCurrent(t *testing.T) {
	z := zone(t)
	begin := date.Start(z).Unix()
	o := day.NewOpen(1, date, date.Start(z))
	rows := []day.Row{
		{Visit: 0, New: &day.NewVisit{Visitor: 1}, Event: day.Event{Time: begin + 100, Name: day.Pageview}},
		{Visit: 1, New: &day.NewVisit{Visitor: 2}, Event: day.Event{Time: begin + 300, Name: day.Pageview}},
		{Visit: 0, Event: day.Event{Time: begin + 400, Name: day.Engagement}},
	}
	if err := o.Apply(rows); err != nil {
		t.Fatal(err)
	}
	for since, want := range map[int64]int{100: 2, 101: 1, 301: 0} {
		if got := o.Current(begin + since); got != want {
			t.Errorf("since %d: got %d, want %d", since, got, want)
		}
	}
}

func FuzzReplay(f *testing.F) {
	z := zone(f)
	o := day.NewOpen(1, date, date.Start(z))
	f.Add(o.Encode([]day.Row{{New: &day.NewVisit{Visitor: 7}, Event: day.Event{Time: date.Start(z).Unix() + 5, Name: day.Pageview, Pathname: "/", ScrollDepth: 20,
		Props: []day.Prop{{Key: "plan", Value: "pro"}}, Revenue: day.Revenue{Amount: "1", Currency: "EUR"}}}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		o := day.NewOpen(1, date, date.Start(z))
		if o.Replay(b) == nil {
			flatten(t, o.View())
		}
	})
}

func FuzzOpenSealed(f *testing.F) {
	z := zone(f)
	o := day.NewOpen(1, date, date.Start(z))
	if err := o.Apply([]day.Row{{New: &day.NewVisit{Visitor: 7}, Event: day.Event{Time: date.Start(z).Unix() + 5, Name: "buy", Pathname: "/", ScrollDepth: 20,
		Props: []day.Prop{{Key: "plan", Value: "pro"}}, Revenue: day.Revenue{Amount: "1", Currency: "EUR"}}}}); err != nil {
		f.Fatal(err)
	}
	for _, rows := range []int{1, day.PartRows} { // with totals and without
		header, chunks, err := day.SealParts(rows, o.View())
		if err != nil || len(chunks) != 1 {
			f.Fatal(err, len(chunks))
		}
		f.Add(header, chunks[0])
	}
	f.Fuzz(func(t *testing.T, header, chunk []byte) {
		v, err := day.OpenSealed(date, header, func([]byte, int) ([]byte, error) { return chunk, nil })
		if err != nil || v.Rows > 1<<20 {
			return
		}
		_ = v.Each(func(uint32, *schema.Attributes, *day.Event) error { return nil })
		for id := range schema.Columns {
			_, _ = v.Totals(schema.ID(id))
		}
		_, _ = v.Hours()
		_, _, _ = v.VisitorsWith("buy")
		l, memory := day.NewLexicon(), &column.Decoder{}
		for i := range min(v.Parts(), 8) {
			p := v.Part(i, l, memory)
			for id := range schema.Columns {
				if schema.Columns[id].API != "" && schema.ID(id) != schema.EventProps {
					_, _ = p.Numbered(schema.ID(id), l)
					_, _, _ = p.Range(schema.ID(id))
					_, _ = v.Lists(schema.ID(id), l)
				}
			}
			_, _ = p.NumberedProp("plan", l)
			_, _ = p.Numbers(schema.VisitDuration)
			memory.Reset()
		}
	})
}
