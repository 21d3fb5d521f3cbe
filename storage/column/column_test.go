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

// A list of numbers in each of the encodings. What zstd makes of it begins with zstd's own magic.
func ExampleAppendNumbers() {
	var skewed, long []uint32
	for i := range uint32(400) {
		skewed = append(skewed, i%7/6*i)
		for range 9 + i%3 {
			long = append(long, i%5)
		}
	}
	for _, v := range [][]uint32{{7, 7, 7, 7}, {5, 6, 7, 5}, {1, 1, 1, 1, 1, 1, 1, 1, 1, 300, 300, 300, 300, 300, 300, 300}, skewed, long} {
		b := column.AppendNumbers(nil, v)
		shown := b[:min(len(b), 6)]
		if b[0] == 5 {
			shown = b[:5]
		}
		fmt.Printf("%-7s% x", column.NumbersEncoding(b), shown)
		switch b[0] {
		case 1:
			fmt.Println("  value", b[1])
		case 2:
			fmt.Printf("  width %d, base %d, bits %08b\n", b[1], b[2], b[3])
		case 3:
			fmt.Println("  value 1, nine times; value 300, seven times")
		case 4:
			fmt.Printf("…  width %d bytes, zstd of %d values in planes\n", b[1], len(v))
		case 5:
			fmt.Println("…  zstd of pairs of value and length")
		}
	}
	// Output:
	// same   01 07  value 7
	// packed 02 02 05 24  width 2, base 5, bits 00100100
	// runs   03 01 09 ac 02 07  value 1, nine times; value 300, seven times
	// planes 04 02 28 b5 2f fd…  width 2 bytes, zstd of 400 values in planes
	// zruns  05 28 b5 2f fd…  zstd of pairs of value and length
}

func ExampleAppendWords() {
	b := column.AppendWords(nil, []string{"", "DE"})
	fmt.Printf("%s % x: count %d, lengths %v, text %q\n", column.WordsEncoding(b), b, b[1], b[2:4], b[4:])
	// Output:
	// plain 01 02 00 02 44 45: count 2, lengths [0 2], text "DE"
}

// A set of rows: encoding, then the portable form of a roaring bitmap.
func ExampleAppendRows() {
	b := column.AppendRows(nil, column.NewRows(3, 5, 70000))
	fmt.Printf("%s %x\n", column.RowsEncoding(b), b[0])
	fmt.Printf("cookie, containers   % x\n", b[1:9])
	fmt.Printf("keys, cardinalities  % x\n", b[9:17])
	fmt.Printf("offsets              % x\n", b[17:25])
	fmt.Printf("rows 3, 5            % x\n", b[25:29])
	fmt.Printf("row 70000            % x\n", b[29:])
	// Output:
	// plain 1
	// cookie, containers   3a 30 00 00 02 00 00 00
	// keys, cardinalities  00 00 01 00 01 00 00 00
	// offsets              18 00 00 00 1c 00 00 00
	// rows 3, 5            03 00 05 00
	// row 70000            70 11
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
