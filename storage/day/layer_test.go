package day_test

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"footfall/storage/column"
	"footfall/storage/day"
	"footfall/storage/schema"
)

// stack is an open day with its journal and its layers, as storage keeps them.
type stack struct {
	open    *day.Open
	layers  [][]byte
	journal [][]byte
	next    uint64 // number of the next journal value
}

func newStack(t testing.TB) *stack {
	return &stack{open: day.NewOpen(1, date, date.Start(zone(t)))}
}

func (s *stack) append(t testing.TB, rows []day.Row) {
	t.Helper()
	if err := s.open.Fits(rows); err != nil {
		t.Fatal(err)
	}
	value := s.open.Encode(rows)
	if err := s.open.Replay(value); err != nil {
		t.Fatal(err)
	}
	s.journal = append(s.journal, value)
	s.next++
}

// putDown makes a layer of all rows in memory; more come in before the day adopts it.
func (s *stack) putDown(t testing.TB, meanwhile []day.Row) {
	t.Helper()
	y, next := s.open.Layer(s.next), s.next
	if y.Rows() == 0 {
		return
	}
	done := len(s.journal)
	if len(meanwhile) > 0 {
		s.append(t, meanwhile)
	}
	b := y.Encode()
	s.layers = append(s.layers, b)
	s.journal = s.journal[done:]
	s.open.Adopt(y, chunks(b))
	if next != y.Next() {
		t.Fatalf("the layer is followed by value %d, want %d", y.Next(), next)
	}
}

func chunks(b []byte) day.Fetch {
	return func(dst []byte, i int) ([]byte, error) {
		return append(dst, b[i*day.MaxChunk:min(len(b), (i+1)*day.MaxChunk)]...), nil
	}
}

// again is the day as a restart makes it, for good or as a rehearsal.
func (s *stack) again(t testing.TB, rehearse bool) *day.Open {
	t.Helper()
	o := day.NewOpen(1, date, s.open.Begin)
	if rehearse {
		o = s.open.Rehearse()
	}
	for i, b := range s.layers {
		next, err := o.Load(b, chunks(b))
		if err != nil {
			t.Fatalf("layer %d: %v", i, err)
		}
		if i == len(s.layers)-1 && next != s.next-uint64(len(s.journal)) {
			t.Fatalf("behind the last layer comes value %d, want %d", next, s.next-uint64(len(s.journal)))
		}
	}
	for i, value := range s.journal {
		if err := o.Replay(value); err != nil {
			t.Fatalf("value %d: %v", i, err)
		}
	}
	return o
}

// like holds that two open days are the same to everyone who asks.
func like(t testing.TB, what string, want, got *day.Open) {
	t.Helper()
	v := got.View()
	if err := v.Verify(); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	sameColumns(t, what, want.View(), v)
	if diff := gocmp.Diff(want.Resume(), got.Resume()); diff != "" {
		t.Fatalf("%s: visits to go on with, want -, got +:\n%s", what, diff)
	}
	begin := want.Begin.Unix()
	for _, since := range []int64{begin, begin + 600, begin + 7200, begin + 40000} {
		if a, b := want.Current(since), got.Current(since); a != b {
			t.Fatalf("%s: %d visitors since %d, want %d", what, b, since-begin, a)
		}
	}
	if want.Rows() != got.Rows() || want.Counting() != got.Counting() {
		t.Fatalf("%s: %d rows, %d count; want %d, %d", what, got.Rows(), got.Counting(), want.Rows(), want.Counting())
	}
}

// sameColumns holds that two views of the same rows have the same columns.
func sameColumns(t testing.TB, what string, want, got *day.View) {
	t.Helper()
	same := func(column string, a, b []uint32, words, others []string) {
		t.Helper()
		if !slices.Equal(a, b) || !slices.Equal(words, others) {
			t.Fatalf("%s: column %s differs", what, column)
		}
	}
	for id, c := range schema.Columns {
		switch id := schema.ID(id); {
		case c.Kind == schema.Number || c.Kind == schema.Derived && c.API == "":
			a, err1 := want.Numbers(id)
			b, err2 := got.Numbers(id)
			if err := cmp.Or(err1, err2); err != nil {
				t.Fatal(err)
			}
			same(c.Name, a, b, nil, nil)
		case c.Kind != schema.Sparse:
			a, err1 := want.Text(id)
			b, err2 := got.Text(id)
			if err := cmp.Or(err1, err2); err != nil {
				t.Fatal(err)
			}
			same(c.Name, a.Codes, b.Codes, a.Words, b.Words)
		}
	}
	if !slices.Equal(want.Props, got.Props) {
		t.Fatalf("%s: properties %q, want %q", what, got.Props, want.Props)
	}
	for _, key := range want.Props {
		a, err1 := want.Prop(key)
		b, err2 := got.Prop(key)
		if err := cmp.Or(err1, err2); err != nil {
			t.Fatal(err)
		}
		same(key, a.Rows, b.Rows, a.Words, b.Words)
		same(key, a.Codes, b.Codes, nil, nil)
	}
	a, _, err1 := want.Revenue()
	b, _, err2 := got.Revenue()
	if err := cmp.Or(err1, err2); err != nil {
		t.Fatal(err)
	}
	same("revenue", a.Rows, b.Rows, a.Words, b.Words)
}

// TestLayers draws a day whose rows are put down now and then, and a restart: nobody can tell.
func TestLayers(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		rows := drawRows(rt, date.Start(zone(t)).Unix())
		plain, s := day.NewOpen(1, date, date.Start(zone(t))), newStack(t)
		if err := plain.Apply(rows); err != nil {
			rt.Fatal(err)
		}
		for len(rows) > 0 {
			n := rapid.IntRange(1, len(rows)).Draw(rt, "batch")
			s.append(t, rows[:n])
			rows = rows[n:]
			if rapid.Bool().Draw(rt, "put down") {
				n := rapid.IntRange(0, min(3, len(rows))).Draw(rt, "meanwhile")
				s.putDown(t, rows[:n])
				rows = rows[n:]
			}
		}
		like(t, "with layers", plain, s.open)
		like(t, "loaded", plain, s.again(t, false))
		if r := s.again(t, true); r.Rehearsed() != plain.Rows() {
			rt.Fatalf("rehearsed %d rows, want %d", r.Rehearsed(), plain.Rows())
		}
		if diff := gocmp.Diff(unordered(flatten(t, plain.View())), unordered(flatten(t, sealView(t, s.open.View())))); diff != "" {
			rt.Fatalf("sealed: want -, got +:\n%s", diff)
		}
	})
}

// busyDay makes rows of a day of many visitors, some of whom come again.
func busyDay(visitors int) (rows []day.Row) {
	r := rand.New(rand.NewPCG(3, 9))
	begin := date.Start(time.UTC).Unix()
	visit := map[uint64]uint32{}
	visits := uint32(0)
	for at := range 3 * visitors {
		who := uint64(at/3) + 1
		if r.IntN(4) == 0 {
			who = uint64(r.IntN(int(who))) + 1
		}
		e := day.Event{Time: begin + int64(at)*80_000/int64(3*visitors), Name: day.Pageview, Hostname: "x", Pathname: fmt.Sprint("/", int(r.ExpFloat64()*300)), ScrollDepth: uint8(r.IntN(101)), EngagementMS: r.Uint32N(3) * 40_000}
		if r.IntN(5) == 0 {
			e.Props = []day.Prop{{Key: "plan", Value: fmt.Sprint(r.IntN(300))}}
		}
		n, known := visit[who]
		row := day.Row{Visit: n, Event: e}
		if !known || r.IntN(3) == 0 {
			row.Visit, row.New = visits, &day.NewVisit{Visitor: who}
			row.New.Attributes[schema.Country] = []string{"DE", "US", ""}[r.IntN(3)]
			row.New.Attributes[schema.Referrer] = fmt.Sprint("r", r.IntN(1000))
			visit[who] = visits
			visits++
		}
		rows = append(rows, row)
	}
	return rows
}

// TestLayersOfManyVisitors has a day of several blocks of visitors, each in several layers of several chunks, and reads it part by part.
func TestLayersOfManyVisitors(t *testing.T) {
	rows := busyDay(20_000)
	plain, s := day.NewOpen(1, date, date.Start(time.UTC)), newStack(t)
	s.open = day.NewOpen(1, date, plain.Begin)
	if err := plain.Apply(rows); err != nil {
		t.Fatal(err)
	}
	for i := 0; len(rows) > 0; i++ {
		n := min(len(rows), 3000)
		s.append(t, rows[:n])
		if rows = rows[n:]; i%7 == 6 {
			s.putDown(t, nil)
		}
	}
	if len(s.layers) < 2 || len(s.layers[0]) < 2*day.MaxChunk || len(s.journal) == 0 {
		t.Fatalf("%d layers, the first of %d bytes, %d values behind", len(s.layers), len(s.layers[0]), len(s.journal))
	}
	bytes, least := s.open.Bytes(), plain.Bytes()
	t.Logf("%d bytes in memory, %d without layers; %.1f bytes a row in layers", bytes, least, float64(len(s.layers[0])+len(s.layers[1]))/float64(2*7*3000))
	if bytes > least*2/3 {
		t.Errorf("%d bytes in memory, %d without layers", bytes, least)
	}
	for what, o := range map[string]*day.Open{"plain": plain, "with layers": s.open, "loaded": s.again(t, false)} {
		sameParts(t, what, plain.View(), o.View())
	}
	like(t, "with layers", plain, s.open)
}

// sameParts holds that the parts of a view, read one after the other, are the whole of another.
func sameParts(t *testing.T, what string, whole, v *day.View) {
	t.Helper()
	l, memory := day.NewLexicon(), &column.Decoder{}
	if v.Parts() < 3 {
		t.Fatalf("%s: %d parts", what, v.Parts())
	}
	var rows, visits, visitors int
	sums := map[schema.ID]map[string]int{}
	for i := range v.Parts() {
		memory.Reset()
		p := v.Part(i, l, memory)
		rows, visits, visitors = rows+p.Rows, visits+p.Visits, visitors+p.Visitors
		for _, id := range []schema.ID{schema.EventPage, schema.Referrer, schema.EntryPage} {
			text, err := p.Numbered(id, l)
			if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			if sums[id] == nil {
				sums[id] = map[string]int{}
			}
			for _, c := range text.Codes {
				sums[id][text.Vocabulary.Words()[text.Numbers[c]]]++
			}
		}
		text, err := p.NumberedProp("plan", l)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if sums[schema.EventProps] == nil {
			sums[schema.EventProps] = map[string]int{}
		}
		for _, c := range text.Codes {
			sums[schema.EventProps][text.Vocabulary.Words()[text.Numbers[c]]]++
		}
	}
	if rows != whole.Rows || visits != whole.Visits || visitors != whole.Visitors {
		t.Errorf("%s: parts have %d rows, %d visits, %d visitors", what, rows, visits, visitors)
	}
	for id, got := range sums {
		want := map[string]int{}
		var text *day.Text
		var err error
		if id == schema.EventProps {
			s, propErr := whole.Prop("plan")
			text, err = s.Dense(whole.Rows), propErr
		} else {
			text, err = whole.Text(id)
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range text.Codes {
			want[text.Words[c]]++
		}
		if !maps.Equal(got, want) {
			t.Errorf("%s: %s differs", what, schema.Columns[id].Name)
		}
	}
}

// FuzzLayer loads bytes that nobody wrote.
func FuzzLayer(f *testing.F) {
	s := newStack(f)
	rows := busyDay(40)
	s.open = day.NewOpen(1, date, date.Start(time.UTC))
	s.append(f, rows[:50])
	s.putDown(f, nil)
	s.append(f, rows[50:])
	s.putDown(f, nil)
	for _, b := range s.layers {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, before := range [][][]byte{nil, s.layers[:1]} {
			o := day.NewOpen(1, date, date.Start(time.UTC))
			for _, y := range before {
				if _, err := o.Load(y, chunks(y)); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := o.Load(b, chunks(b)); err != nil {
				continue
			}
			_ = o.View().Verify() // what it finds wrong does not matter
		}
	})
}

// TestLayerIsRefused changes each byte of a layer: it is refused, or loads, and never panics.
func TestLayerIsRefused(t *testing.T) {
	s := newStack(t)
	s.open = day.NewOpen(1, date, date.Start(time.UTC))
	s.append(t, busyDay(30))
	s.putDown(t, nil)
	whole := s.layers[0]
	for i := range whole {
		b := bytes.Clone(whole)
		b[i] ^= 1 << (i % 8)
		o := day.NewOpen(1, date, date.Start(time.UTC))
		if _, err := o.Load(b, chunks(b)); err == nil {
			_ = o.View().Verify()
		}
		if _, err := day.NewOpen(1, date, date.Start(time.UTC)).Load(slices.Clone(whole[:i]), nil); err == nil {
			t.Fatalf("the first %d bytes of a layer are taken for one", i)
		}
	}
}
