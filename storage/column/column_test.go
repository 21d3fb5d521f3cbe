package column_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"footfall/storage/column"

	"pgregory.net/rapid"
)

func TestNumbersRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		hi := rapid.SampledFrom([]uint32{0, 1, 3, 255, 256, 70000, 1<<32 - 1}).Draw(t, "hi")
		base := rapid.Uint32Range(0, 1<<32-1-hi).Draw(t, "base")
		n := rapid.IntRange(0, 300).Draw(t, "n")
		repeat := rapid.IntRange(1, 40).Draw(t, "repeat")
		v := make([]uint32, 0, n)
		for len(v) < n {
			x := base + rapid.Uint32Range(0, hi).Draw(t, "x")
			for range min(repeat, n-len(v)) {
				v = append(v, x)
			}
		}
		got, err := column.Numbers(column.AppendNumbers(nil, v), n)
		if err != nil || !slices.Equal(got, v) {
			t.Fatalf("got %v, %v, want %v", got, err, v)
		}
	})
}

// Each shape must end in the encoding made for it, or the chooser is broken.
func TestNumbersChoosesEncoding(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	uniform, skewed, runs := make([]uint32, 4000), make([]uint32, 4000), make([]uint32, 4000)
	for i := range uniform {
		uniform[i] = r.Uint32N(1 << 11)
		skewed[i] = uint32(r.ExpFloat64() * 20)
		runs[i] = uint32(i / 900)
	}
	for _, c := range []struct {
		name string
		v    []uint32
		enc  byte
		max  int
	}{
		{"same", make([]uint32, 4000), 1, 2},
		{"uniform", uniform, 2, 5510},
		{"runs", runs, 3, 20},
		{"skewed", skewed, 4, 3300},
	} {
		b := column.AppendNumbers(nil, c.v)
		if b[0] != c.enc || len(b) > c.max {
			t.Errorf("%s: got encoding %d in %d bytes, want %d in at most %d", c.name, b[0], len(b), c.enc, c.max)
		}
	}
}

func TestWordsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		words := rapid.SliceOf(rapid.String()).Draw(t, "words")
		got, err := column.Words(column.AppendWords(nil, words))
		if err != nil || !slices.Equal(got, words) {
			t.Fatalf("got %q, %v, want %q", got, err, words)
		}
	})
}

func TestRowsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows := rapid.SliceOf(rapid.Uint32Range(0, 200000)).Draw(t, "rows")
		set := column.NewRows(rows...)
		b := column.AppendRows(nil, set)
		got, err := column.DecodeRows(b, 200001)
		if err != nil || !got.Equal(set) {
			t.Fatalf("got %v, %v, want %v", got, err, set)
		}
		if len(rows) > 0 {
			if _, err := column.DecodeRows(b, int(slices.Max(rows))); !errors.Is(err, column.ErrCorrupt) {
				t.Fatalf("rows beyond the end: got %v", err)
			}
		}
	})
}

func FuzzNumbers(f *testing.F) {
	for _, v := range [][]uint32{{}, {7, 7}, {1, 2, 3, 1 << 31}, make([]uint32, 100)} {
		f.Add(column.AppendNumbers(nil, v), uint16(len(v)))
	}
	f.Add([]byte{2, 32, 0}, uint16(0))
	f.Fuzz(func(t *testing.T, b []byte, n uint16) {
		v, err := column.Numbers(b, int(n))
		if err != nil {
			if !errors.Is(err, column.ErrCorrupt) {
				t.Fatalf("got untyped error %v", err)
			}
			return
		}
		again, err := column.Numbers(column.AppendNumbers(nil, v), len(v))
		if err != nil || !slices.Equal(v, again) {
			t.Fatalf("decoded numbers do not survive: %v", err)
		}
	})
}

func FuzzWords(f *testing.F) {
	f.Add(column.AppendWords(nil, []string{"", "/", "/blog/a"}))
	f.Add([]byte{1, 255, 255, 255, 255, 15})
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := column.Words(b); err != nil && !errors.Is(err, column.ErrCorrupt) {
			t.Fatalf("got untyped error %v", err)
		}
	})
}

func FuzzRows(f *testing.F) {
	f.Add(column.AppendRows(nil, column.NewRows(1, 2, 3, 70000)))
	f.Add(column.AppendRows(nil, column.NewRows()))
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := column.DecodeRows(b, 1<<20); err == nil {
			_ = r.Slice()
		} else if !errors.Is(err, column.ErrCorrupt) {
			t.Fatalf("got untyped error %v", err)
		}
	})
}

func Example() {
	b := column.AppendNumbers(nil, []uint32{5, 6, 7, 5})
	fmt.Printf("encoding %d, width %d, base %d, bits %08b\n", b[0], b[1], b[2], b[3])
	b = column.AppendWords(nil, []string{"", "DE"})
	fmt.Printf("encoding %d, count %d, lengths %v, text %q\n", b[0], b[1], b[2:4], b[4:])
	// Output:
	// encoding 2, width 2, base 5, bits 00100100
	// encoding 1, count 2, lengths [0 2], text "DE"
}

func BenchmarkNumbers(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	v := make([]uint32, 1<<16)
	for name, draw := range map[string]func() uint32{
		"packed": func() uint32 { return r.Uint32N(1 << 11) },
		"planes": func() uint32 { return uint32(r.ExpFloat64() * 20) },
	} {
		for i := range v {
			v[i] = draw()
		}
		enc := column.AppendNumbers(nil, v)
		b.Run("decode/"+name, func(b *testing.B) {
			b.SetBytes(int64(len(v)))
			for b.Loop() {
				if _, err := column.Numbers(enc, len(v)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
