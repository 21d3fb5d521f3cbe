package wire_test

import (
	"testing"

	"footfall/ingest/wire"
)

func BenchmarkDecodeLog(b *testing.B) {
	for _, c := range logCases {
		b.Run(string(c.format)+"/"+c.name, func(b *testing.B) {
			var l wire.LogLine
			line := []byte(c.line)
			b.SetBytes(int64(len(line)))
			b.ReportAllocs()
			for b.Loop() {
				if err := l.Decode(c.format, line); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
