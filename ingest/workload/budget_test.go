//go:build linux

package workload_test

import (
	"compress/gzip"
	"fmt"
	"os"
	"testing"

	"footfall/assets/tracker"
)

// BenchmarkBudgets drives the built binary and prints where it stands against each budget, as ratios where the machine would
// otherwise decide. It is what `make bench` shows last; run it alone with `make bench BENCH=Budgets`, and with other data with
// BENCH_EVENTS, see dataSets.
func BenchmarkBudgets(b *testing.B) {
	binary := builtBinary(b)
	sets := chosenSets()
	if err := os.MkdirAll(benchDir, 0o700); err != nil {
		b.Fatal(err)
	}
	for range b.N {
		fmt.Printf("\nMeasured on: %s\n", machine())
		t := newSheet("### Budgets", "what", "measured", "budget")
		t.files(b, binary)
		t.ingestion(b, binary)
		t.sealing(b, binary)
		t.print()
		measureSets(b, binary, sets)
	}
}

// BenchmarkIngestion is the part of BenchmarkBudgets that is about the acceptance of events.
func BenchmarkIngestion(b *testing.B) {
	binary := builtBinary(b)
	if err := os.MkdirAll(benchDir, 0o700); err != nil {
		b.Fatal(err)
	}
	for range b.N {
		fmt.Printf("\nMeasured on: %s\n", machine())
		t := newSheet("### Ingestion", "what", "measured", "budget")
		t.ingestion(b, binary)
		t.print()
	}
}

func (t *sheet) files(b *testing.B, binary string) {
	info, err := os.Stat(binary)
	if err != nil {
		b.Fatal(err)
	}
	t.add("binary", fmt.Sprintf("%.1f MB", float64(info.Size())/1e6), "≤ 30 MB")
	dist := "../../assets/dist/"
	scripts, err := tracker.Load(os.DirFS(dist))
	if err != nil || scripts == nil {
		b.Fatalf("run make assets: %v", err)
	}
	small, err := scripts.Shared(0, tracker.Endpoint)
	if err != nil {
		b.Fatal(err)
	}
	own := scripts.Own(tracker.Site{Domain: "example.org", Endpoint: tracker.Endpoint, Outbound: true, Downloads: true, Forms: true})
	t.add("tracking script, pageviews only, gzip", fmt.Sprintf("%d B", gzipped(small)), "≤ 1,000 B")
	t.add("tracking script, every automatic event, gzip", fmt.Sprintf("%d B", gzipped(own)), "≤ 2,000 B")
	page := 0
	for _, f := range []string{"index.html", "app.js", "app.css"} {
		data, err := os.ReadFile(dist + "app/" + f)
		if err != nil {
			b.Fatalf("%v: run make assets", err)
		}
		page += gzipped(data)
	}
	t.add("dashboard, first load, gzip", fmt.Sprintf("%.1f kB", float64(page)/1000), "≤ 90 kB")
}

func gzipped(data []byte) int {
	var n counter
	w, _ := gzip.NewWriterLevel(&n, gzip.BestCompression)
	_, _ = w.Write(data)
	_ = w.Close()
	return int(n)
}

type counter int

func (c *counter) Write(p []byte) (int, error) { *c += counter(len(p)); return len(p), nil }
