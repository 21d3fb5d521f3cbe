package ingest_test

import (
	"bytes"
	"fmt"
	"net/http/httptest"
	"net/netip"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"footfall/ingest"
	"footfall/ingest/wire"
	"footfall/storage/day"
	"footfall/storage/schema"
)

// BenchmarkDurable is what a busy server does: 64 requests at a time, each answered when it is on disk.
func BenchmarkDurable(b *testing.B) {
	s := mustOpen(b, b.TempDir(), time.Now)
	defer mustClose(b, s)
	mustSite(b, s, "example.com", "Etc/UTC")
	h, err := ingest.New(ingest.Config{Store: s, Trusted: netip.MustParsePrefix("127.0.0.0/8").Contains})
	if err != nil {
		b.Fatal(err)
	}
	var n atomic.Uint32
	b.SetParallelism(64 / runtime.GOMAXPROCS(0))
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			i := n.Add(1) % 50_000
			rec := httptest.NewRecorder()
			h.ServeHTTP(rec, request(pageview, "X-Forwarded-For", fmt.Sprintf("203.%d.%d.9", i>>8, i&255)))
			if rec.Code != 202 {
				b.Fatal(rec.Code, rec.Body)
			}
		}
	})
}

// BenchmarkImport is one import of 100,000 lines over 30 days.
func BenchmarkImport(b *testing.B) {
	const events = 100_000
	var in []byte
	for i := range events {
		r := wire.Record{Visitor: fmt.Sprint(i / 3), Event: day.Event{Time: noon.Unix() - int64(i)*26, Name: day.Pageview, Hostname: "example.com",
			Pathname: fmt.Sprintf("/page-%d", i*i%2003), Interactive: true, ScrollDepth: day.NoScroll}}
		r.Attributes[schema.Source] = fmt.Sprintf("source-%d", i%101)
		r.Attributes[schema.Country] = string([]byte{'A' + byte(i%26), 'A' + byte(i/7%26)})
		r.Attributes[schema.Browser], r.Attributes[schema.OS], r.Attributes[schema.Device] = "Chrome", "Windows", "Desktop"
		in = wire.AppendLine(in, &r)
	}
	s := mustOpen(b, b.TempDir(), func() time.Time { return noon })
	defer mustClose(b, s)
	n := 0
	b.SetBytes(int64(len(in)))
	for b.Loop() {
		n++
		domain := fmt.Sprintf("site%d.example", n)
		mustSite(b, s, domain, "Europe/Berlin")
		var r run
		if err := r.do(s, bytes.NewReader(in), &ingest.Import{Site: domain}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n*events), "ns/event")
}
