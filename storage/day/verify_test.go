package day_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"footfall/storage/day"
	"footfall/storage/schema"
)

// TestVerifyFindsWrongCounts flips every bit of what a day has counted. Either Verify finds it, or the bit means nothing.
func TestVerifyFindsWrongCounts(t *testing.T) {
	o := day.NewOpen(1, date, date.Start(time.UTC))
	begin := date.Start(time.UTC).Unix()
	var rows []day.Row
	for i := range uint32(40) {
		e := day.Event{Time: begin + int64(i)*1700, Name: []string{day.Pageview, day.Pageview, "Signup", day.Engagement}[i%4], Hostname: "a.org",
			Pathname: fmt.Sprint("/", i%7), Interactive: true, ScrollDepth: day.NoScroll}
		r := day.Row{Visit: i / 4, Event: e}
		if i%4 == 0 {
			r.New = &day.NewVisit{Visitor: uint64(i / 8)}
			r.New.Attributes[schema.Country] = []string{"DE", "FR", ""}[i/4%3]
		}
		if i%5 == 0 {
			r.Event.Props = []day.Prop{{Key: "plan", Value: fmt.Sprint(i % 3)}}
		}
		rows = append(rows, r)
	}
	if err := o.Apply(rows); err != nil {
		t.Fatal(err)
	}
	header, chunks, err := day.SealParts(8, o.View())
	if err != nil {
		t.Fatal(err)
	}
	whole := slices.Concat(chunks...)
	fetch := func(run []byte) day.Fetch {
		return func(_ []byte, i int) ([]byte, error) {
			at := 0
			for _, c := range chunks[:i] {
				at += len(c)
			}
			return run[at : at+len(chunks[i])], nil
		}
	}
	open := func(run []byte) *day.View {
		v, err := day.OpenSealed(date, header, fetch(run))
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	want, err := counts(open(whole))
	if err != nil {
		t.Fatal(err)
	}
	if v := open(whole); v.Parts() < 3 || v.Verify() != nil {
		t.Fatalf("%d parts, %v", v.Parts(), v.Verify())
	}
	streams, err := open(whole).Streams()
	if err != nil {
		t.Fatal(err)
	}
	var undetected []int
	at, tried := 0, 0
	for _, s := range streams {
		if s.Kind == "totals" || s.Kind == "hours" || s.Kind == "visitors" {
			for i := at * 8; i < (at+s.Bytes)*8; i++ {
				run := slices.Clone(whole)
				run[i/8] ^= 1 << (i % 8)
				tried++
				if open(run).Verify() != nil {
					continue
				}
				if got, err := counts(open(run)); err != nil || got != want {
					t.Errorf("%s of %s: bit %d is wrong and nobody says so: %v", s.Kind, schema.Columns[s.Column].Name, i-at*8, err)
				}
			}
		}
		at += s.Bytes
	}
	if at != len(whole) || tried < 1000 {
		t.Errorf("%d bits of %d of %d bytes were tried", tried, at, len(whole))
	}
	// In the header, from the parts on: behind a name of a property that no count can tell from another.
	for i := (bytes.Index(header, []byte("plan")) + 4) * 8; i < len(header)*8; i++ {
		b := slices.Clone(header)
		b[i/8] ^= 1 << (i % 8)
		v, err := day.OpenSealed(date, b, fetch(whole))
		if err == nil && v.Verify() == nil {
			if got, err := counts(v); err != nil || got != want {
				t.Errorf("header: bit %d is wrong and nobody says so: %v", i, err)
			}
			undetected = append(undetected, i)
		}
	}
	if len(undetected) > 0 {
		t.Errorf("header: bits %v of %d are wrong and nobody says so", undetected, len(header)*8)
	}
}

// counts is all that a day has counted.
func counts(v *day.View) (text string, err error) {
	for id := range schema.Columns {
		if schema.Columns[id].API == "" || schema.ID(id) == schema.EventProps {
			continue
		}
		totals, err := v.Totals(schema.ID(id))
		if err != nil {
			return "", err
		}
		text += fmt.Sprintf("%d %v\n", id, *totals)
	}
	totals, err := v.PropTotals("plan")
	if err != nil {
		return "", err
	}
	hours, err := v.Hours()
	if err != nil {
		return "", err
	}
	visitors, _, err := v.VisitorsWith("Signup")
	if err != nil {
		return "", err
	}
	return text + fmt.Sprintln(*totals, *hours, visitors.Slice()), nil
}
