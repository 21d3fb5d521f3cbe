//go:build linux

package workload_test

import (
	"compress/gzip"
	"fmt"
	"os"
	"testing"
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

func (t *sheet) files(b *testing.B, binary string) {
	info, err := os.Stat(binary)
	if err != nil {
		b.Fatal(err)
	}
	t.add("binary", fmt.Sprintf("%.1f MB", float64(info.Size())/1e6), "≤ 30 MB")
	dist := "../../assets/dist/"
	t.add("tracking script, gzip", fmt.Sprintf("%d B", gzipped(b, dist+"tracker/script.js")), "≤ 1,000 B")
	page := 0
	for _, f := range []string{"index.html", "app.js", "app.css"} {
		page += gzipped(b, dist+"app/"+f)
	}
	t.add("dashboard, first load, gzip", fmt.Sprintf("%.1f kB", float64(page)/1000), "≤ 90 kB")
}

func gzipped(b *testing.B, path string) int {
	data, err := os.ReadFile(path)
	if err != nil {
		b.Fatalf("%v: run make assets", err)
	}
	var n counter
	w, _ := gzip.NewWriterLevel(&n, gzip.BestCompression)
	_, _ = w.Write(data)
	_ = w.Close()
	return int(n)
}

type counter int

func (c *counter) Write(p []byte) (int, error) { *c += counter(len(p)); return len(p), nil }
