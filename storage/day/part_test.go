package day_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"footfall/storage/column"
	"footfall/storage/day"
	"footfall/storage/schema"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// spell writes out a column whose words are numbered.
func spell(codes []uint32, d day.Dictionary) []string {
	var all []string
	if d.Vocabulary != nil {
		all = d.Vocabulary.Words()
	}
	out := make([]string, len(codes))
	for i, c := range codes {
		if d.Vocabulary != nil {
			out[i] = all[d.Numbers[c]]
		} else {
			out[i] = d.Words[c]
		}
	}
	return out
}

// TestPartsMakeUpTheDay reads a sealed day part by part, with memory that is used again, and compares it with the day read whole.
func TestPartsMakeUpTheDay(t *testing.T) {
	z := zone(t)
	rapid.Check(t, func(rt *rapid.T) {
		o := day.NewOpen(1, date, date.Start(z))
		if err := o.Apply(drawRows(rt, date.Start(z).Unix())); err != nil {
			rt.Fatal(err)
		}
		header, chunks, err := day.SealParts(rapid.IntRange(1, 50).Draw(rt, "rows of a part"), o.View())
		if err != nil {
			rt.Fatal(err)
		}
		v, err := day.OpenSealed(date, header, func(dst []byte, i int) ([]byte, error) { return append(dst, chunks[i]...), nil })
		if err != nil {
			rt.Fatal(err)
		}
		got, l, memory := map[string][]string{}, day.NewLexicon(), &column.Decoder{}
		visitors, visits, rows := 0, 0, 0
		for i := range v.Parts() {
			memory.Reset()
			p := v.Part(i, l, memory)
			for _, c := range columns(rt, p, l) {
				got[c.name] = append(got[c.name], c.values...)
				if low, high, ok := p.Range(c.id); ok && c.prop == "" && (slices.Min(c.codes) < low || slices.Max(c.codes) > high) {
					rt.Fatalf("%s: codes from %d to %d, Range says %d to %d", c.name, slices.Min(c.codes), slices.Max(c.codes), low, high)
				}
			}
			visitors, visits, rows = visitors+p.Visitors, visits+p.Visits, rows+p.Rows
		}
		want := map[string][]string{}
		for _, c := range columns(rt, v, l) {
			want[c.name] = c.values
		}
		if diff := gocmp.Diff(want, got); diff != "" || visitors != v.Visitors || visits != v.Visits || rows != v.Rows {
			rt.Fatalf("%d of %d visitors, %d of %d visits, %d of %d rows; (-whole +parts)\n%s", visitors, v.Visitors, visits, v.Visits, rows, v.Rows, diff)
		}
	})
}

type shown struct {
	name, prop string
	id         schema.ID
	codes      []uint32
	values     []string
}

// columns returns every column of a view that a query can name.
func columns(t *rapid.T, v *day.View, l *day.Lexicon) (out []shown) {
	for i := range schema.Columns {
		c := &schema.Columns[i]
		if c.API == "" || c.ID == schema.EventProps {
			continue
		}
		text, err := v.Numbered(c.ID, l)
		if err != nil {
			t.Fatalf("%s: %v", c.Name, err)
		}
		out = append(out, shown{c.Name, "", c.ID, text.Codes, spell(text.Codes, text.Dictionary)})
	}
	for _, key := range []string{"plan", "theme", "none has it"} {
		text, err := v.NumberedProp(key, l)
		if err != nil {
			t.Fatalf("property %s: %v", key, err)
		}
		out = append(out, shown{"props." + key, key, schema.EventProps, text.Codes, spell(text.Codes, text.Dictionary)})
	}
	for _, id := range []schema.ID{schema.EventTime, schema.VisitStart, schema.VisitDuration, schema.VisitPageviews, schema.VisitBounce} {
		n, err := v.Numbers(id)
		if err != nil {
			t.Fatalf("%s: %v", schema.Columns[id].Name, err)
		}
		s := shown{name: schema.Columns[id].Name, prop: "a number"}
		for _, x := range n {
			s.values = append(s.values, fmt.Sprint(x))
		}
		out = append(out, s)
	}
	return out
}

// TestVocabulary gives words numbers from several goroutines: each word has one number, and the number its word.
func TestVocabulary(t *testing.T) {
	v := day.NewLexicon().Column(schema.EventPage)
	var wait sync.WaitGroup
	found := make([][]uint32, 8)
	words := func(i int) []string {
		return []string{"/", fmt.Sprint("/", i%3), fmt.Sprint("/", i), "/a", ""}
	}
	for i := range found {
		wait.Go(func() { found[i] = v.Numbers(words(i)) })
	}
	wait.Wait()
	all := v.Words()
	for i, numbers := range found {
		for k, n := range numbers {
			if all[n] != words(i)[k] {
				t.Errorf("%q has the number of %q", words(i)[k], all[n])
			}
		}
	}
	if want := 8 + 3; v.Len() != want {
		t.Errorf("%d words, want %d", v.Len(), want)
	}
	if _, ok := v.Find("/none"); ok {
		t.Error("found a word that nobody gave")
	}
}

// TestMappings seals a day in which cities decide regions, and one in which they nearly do.
func TestMappings(t *testing.T) {
	z := zone(t)
	for exceptions := range 2 {
		o := day.NewOpen(1, date, date.Start(z))
		var rows []day.Row
		for i := range 3000 {
			r := day.Row{Visit: uint32(i), New: &day.NewVisit{Visitor: uint64(i)}, Event: day.Event{Time: date.Start(z).Unix() + int64(i), Name: day.Pageview, Pathname: "/", ScrollDepth: day.NoScroll}}
			city := i * i % 97
			r.New.Attributes[schema.City], r.New.Attributes[schema.Region] = fmt.Sprint("c", city), fmt.Sprint("r", city%10)
			r.New.Attributes[schema.OSVersion] = fmt.Sprint(i * 7919 % 2999) // visitors are sorted by it: their cities are not
			if i < exceptions {
				r.New.Attributes[schema.Region] = "r11"
			}
			rows = append(rows, r)
		}
		if err := o.Apply(rows); err != nil {
			t.Fatal(err)
		}
		v := sealView(t, o.View())
		streams, err := v.Streams()
		if err != nil {
			t.Fatal(err)
		}
		mapped := slices.ContainsFunc(streams, func(s day.Stream) bool { return s.Kind == "map" && s.Column == schema.Region })
		if mapped != (exceptions == 0) {
			t.Errorf("%d exceptions: mapped is %v", exceptions, mapped)
		}
		if diff := gocmp.Diff(flatten(t, o.View()), flatten(t, v)); diff != "" {
			t.Errorf("%d exceptions: (-open +sealed)\n%s", exceptions, diff)
		}
	}
}
