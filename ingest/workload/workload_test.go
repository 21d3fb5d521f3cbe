package workload_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"testing"
	"time"

	"footfall/ingest/source"
	"footfall/ingest/wire"
	"footfall/ingest/workload"
	"footfall/storage/day"
	"footfall/storage/schema"
)

// TestStream pins the stream, every value of every event. The sums were taken from the reference model; measurements made
// before and after a change here would not compare.
func TestStream(t *testing.T) {
	for _, c := range []struct {
		total  int
		seed   uint64
		day    schema.Date
		events int
		sum    string
	}{
		{365_000, 1, 0, 1075, "b790915b9a46c00cd1ec21c5f51e9b6a1e2a55e8dce7738c6eca29bab17ee978"},
		{365_000, 1, 100, 942, "318706d70654e3ee41f9ad10db31341900c8b8f505c18dccf9e32a2f8f717160"},
		{1_000_000, 42, 364, 2924, "f04c1f285615488105f78a7a29811be92d25e6dbf9b4c604ee52deb139ddad70"},
		{365_000, 1, 400, 889, "2fcd3ce78343f3dd76175ad908aacad76db3aebe4ea5843a396290e8b29dbbe1"},
		{365_000, 1, -3, 1061, "febc0c47e5732bd2865f3f4640324920551876229468b7420267711ffc256373"},
	} {
		g := workload.New(c.total, c.seed)
		d := g.Dictionary
		h := sha256.New()
		events := g.Day(workload.Epoch + c.day)
		for _, e := range events {
			referrer, campaign := "", workload.Campaign{}
			if e.Referrer != workload.None {
				referrer = d.Referrers[e.Referrer]
			}
			if e.Campaign != workload.None {
				campaign = d.Campaigns[e.Campaign]
			}
			fmt.Fprintln(h, e.Time, e.Visitor, e.Session, d.Paths[e.Path], referrer, campaign, d.Places[e.Place], d.Agents[e.Agent],
				d.Names[e.Name], d.Hosts[e.Host], e.First)
		}
		if got := hex.EncodeToString(h.Sum(nil)); len(events) != c.events || got != c.sum {
			t.Errorf("day %d of %d events, seed %d: %d events, sum %s, want %d, %s", c.day, c.total, c.seed, len(events), got, c.events, c.sum)
		}
	}
}

func TestRowsFillADay(t *testing.T) {
	g := workload.New(365_000, 1)
	const date = workload.Epoch + 10
	o := day.NewOpen(1, date, date.Start(time.UTC))
	rows := g.Rows(date, table(t))
	if err := o.Apply(rows); err != nil {
		t.Fatal(err)
	}
	if n := o.Rows(); n != len(rows) || n < 900 {
		t.Errorf("the day holds %d rows of %d", n, len(rows))
	}
	for _, r := range rows {
		if r.New != nil && r.New.Attributes[schema.Channel] == "" {
			t.Fatalf("a visit without a channel: %v", r.New.Attributes)
		}
	}
}

func table(t *testing.T) *source.Table {
	t.Helper()
	names, err := source.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestLinesAreRecords(t *testing.T) {
	g := workload.New(365_000, 1)
	lines := g.AppendLines(nil, workload.Epoch, table(t))
	n := 0
	for line := range bytes.Lines(lines) {
		var l wire.Line
		if err := l.Decode(line); err != nil {
			t.Fatalf("line %d: %v: %s", n, err, line)
		}
		n++
	}
	if n != len(g.Day(workload.Epoch)) {
		t.Errorf("%d lines for %d events", n, len(g.Day(workload.Epoch)))
	}
}

func BenchmarkDay(b *testing.B) {
	g := workload.New(10_000_000, 1)
	for i := 0; b.Loop(); i++ {
		g.Day(workload.Epoch + schema.Date(i%workload.Days))
	}
}
