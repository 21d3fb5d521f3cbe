package day_test

import (
	"cmp"
	"fmt"
	"slices"
	"testing"

	"footfall/storage/day"
	"footfall/storage/schema"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// doomed is the rule by which the test deletes: one page, and one event of each seven seconds of another.
func doomed(page string, second int64) bool { return page == "a" || page == "b" && second%7 == 0 }

func drop(t testing.TB, v *day.View) []bool {
	t.Helper()
	pages, err := v.Text(schema.EventPage)
	if err != nil {
		t.Fatal(err)
	}
	times, err := v.Numbers(schema.EventTime)
	if err != nil {
		t.Fatal(err)
	}
	out := make([]bool, v.Rows)
	for r := range out {
		out[r] = doomed(pages.Words[pages.Codes[r]], int64(times[r]))
	}
	return out
}

// without is the plain way to delete: row by row, visits numbered anew as they begin.
func without(rows []day.Row, begin int64) (left []day.Row, cut [2]int) {
	births, number := map[uint32]*day.NewVisit{}, map[uint32]uint32{}
	for _, r := range rows {
		if r.New != nil {
			births[r.Visit] = r.New
		}
		n, begun := number[r.Visit]
		engagement := r.Event.Name == day.Engagement
		switch {
		case doomed(r.Event.Pathname, r.Event.Time-begin) || engagement && !begun:
			if engagement {
				cut[1]++
			} else {
				cut[0]++
			}
		case begun:
			left = append(left, day.Row{Visit: n, Event: r.Event})
		default:
			n = uint32(len(number))
			number[r.Visit] = n
			left = append(left, day.Row{Visit: n, New: births[r.Visit], Event: r.Event})
		}
	}
	return left, cut
}

func TestCut(t *testing.T) {
	z := zone(t)
	begin := date.Start(z).Unix()
	rapid.Check(t, func(rt *rapid.T) {
		rows := drawRows(rt, begin)
		open := day.NewOpen(1, date, date.Start(z))
		if err := open.Apply(rows); err != nil {
			rt.Fatal(err)
		}
		left, cut := without(rows, begin)
		want := day.NewOpen(1, date, date.Start(z))
		if err := want.Apply(left); err != nil {
			rt.Fatal(err)
		}
		for state, v := range map[string]*day.View{"open": open.View(), "sealed": sealView(t, open.View())} {
			c, err := v.Cut(drop(t, v))
			if err != nil {
				rt.Fatal(err)
			}
			w := want.View()
			got := [6]int{c.Events, c.Engagement, c.Visits, c.Visitors, btoi(c.Nothing()), btoi(c.Everything())}
			if exp := [6]int{cut[0], cut[1], v.Visits - w.Visits, v.Visitors - w.Visitors, btoi(cut == [2]int{}), btoi(w.Rows == 0)}; got != exp {
				rt.Fatalf("%s: events, engagement, visits, visitors, nothing, everything: got %v, want %v", state, got, exp)
			}
			if c.Everything() {
				continue
			}
			r := reopen(rt)(c.Seal(3))
			if err := r.Verify(); err != nil {
				rt.Fatalf("%s: %v", state, err)
			}
			if diff := gocmp.Diff(unordered(flatten(t, w)), unordered(flatten(t, r))); diff != "" {
				rt.Fatalf("%s: want -, got +:\n%s", state, diff)
			}
			if state == "sealed" {
				continue
			}
			var kept []day.Row
			if err := open.Kept(c, func(r day.Row) error { kept = append(kept, r); return nil }); err != nil {
				rt.Fatal(err)
			}
			again := day.NewOpen(1, date, date.Start(z))
			if err := again.Apply(kept); err != nil {
				rt.Fatalf("rows kept: %v", err)
			}
			if diff := gocmp.Diff(unordered(flatten(t, w)), unordered(flatten(t, again.View()))); diff != "" {
				rt.Fatalf("rows kept: want -, got +:\n%s", diff)
			}
			if got, exp := visitorIDs(kept), visitorIDs(left); !slices.Equal(got, exp) {
				rt.Fatalf("visitors kept: %v, want %v", got, exp)
			}
		}
	})
}

// unordered puts the events of each visitor into an order that hangs on nothing but themselves: two visits of a visitor may have an
// event in the same second, and which visit is first is another matter after a deletion.
func unordered(visitors [][]flat) [][]flat {
	less := func(a, b flat) int { return cmp.Compare(fmt.Sprintf("%#v", a), fmt.Sprintf("%#v", b)) }
	for _, v := range visitors {
		slices.SortFunc(v, less)
	}
	slices.SortFunc(visitors, func(a, b []flat) int { return slices.CompareFunc(a, b, less) })
	return visitors
}

// reopen opens a day that was just sealed.
func reopen(t interface{ Fatal(...any) }) func(header []byte, chunks [][]byte, err error) *day.View {
	return func(header []byte, chunks [][]byte, err error) *day.View {
		if err != nil {
			t.Fatal(err)
		}
		v, err := day.OpenSealed(date, header, func(dst []byte, i int) ([]byte, error) { return append(dst, chunks[i]...), nil })
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// visitorIDs lists the visitor of each visit that begins in rows, ascending.
func visitorIDs(rows []day.Row) (ids []uint64) {
	for i := range rows {
		if rows[i].New != nil {
			ids = append(ids, rows[i].New.Visitor)
		}
	}
	slices.Sort(ids)
	return ids
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// TestCutLeavesNoWord looks for what was deleted in the bytes of the day that is sealed anew.
func TestCutLeavesNoWord(t *testing.T) {
	z := zone(t)
	at := date.Start(z).Unix()
	open := day.NewOpen(1, date, date.Start(z))
	secret := day.NewVisit{Visitor: 1}
	secret.Attributes[schema.Source] = "secret source"
	err := open.Apply([]day.Row{
		{Visit: 0, New: &secret, Event: day.Event{Time: at, Name: "secret event", Pathname: "a", Props: []day.Prop{{Key: "secret key", Value: "secret value"}}, Revenue: day.Revenue{Amount: "1", Currency: "EUR"}}},
		{Visit: 1, New: &day.NewVisit{Visitor: 2}, Event: day.Event{Time: at, Name: day.Pageview, Pathname: "c"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	c, err := open.View().Cut(drop(t, open.View()))
	if err != nil {
		t.Fatal(err)
	}
	v := reopen(t)(c.Seal(day.PartRows))
	if len(v.Props) != 0 {
		t.Errorf("property keys %q are left", v.Props)
	}
	if amount, _, err := v.Revenue(); err != nil || len(amount.Words) != 0 {
		t.Errorf("revenue is left: %v, %v", amount, err)
	}
	for _, id := range []schema.ID{schema.Source, schema.EventName, schema.EventPage} {
		text, err := v.Text(id)
		if err != nil || len(text.Words) != 1 {
			t.Errorf("%s: words %q, %v", schema.Columns[id].Name, text.Words, err)
		}
	}
}
