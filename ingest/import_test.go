package ingest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"footfall/ingest"
	"footfall/ingest/wire"
	"footfall/storage"
	"footfall/storage/day"
	shares "footfall/storage/memory"
	"footfall/storage/verb"
)

// An import that has to put down what it read, again and again, stores what one stores that holds all of it in memory. Lines are as long
// as they may be, so that few of them fill a block.
func TestImportBeyondMemory(t *testing.T) {
	zone, _ := time.LoadLocation("Europe/Berlin")
	rapid.Check(t, func(t *rapid.T) {
		var in []byte
		pad := strings.Repeat(" ", wire.MaxLine/3)
		for range rapid.IntRange(1, 7).Draw(t, "lines") {
			r := drawLine(t)
			in = append(append(in, pad...), wire.AppendLine(nil, &r)...)
			r = drawLine(t)
			in = wire.AppendLine(in, &r)
		}
		imported := func(work int64) (sum string, lines []string) {
			dir, err := os.MkdirTemp("", "footfall")
			if err != nil {
				t.Fatal(err)
			}
			defer os.RemoveAll(dir)
			parts := shares.Divide(256 << 20)
			if work > 0 {
				parts.Work = work
			}
			s, err := storage.Open(context.Background(), storage.Config{Dir: dir, Create: true, Memory: parts})
			if err != nil {
				t.Fatal(err)
			}
			defer mustClose(t, s)
			mustSite(t, s, "example.com", "Europe/Berlin")
			var r, out run
			if err := r.do(s, bytes.NewReader(in), &ingest.Import{Site: "example.com"}); err != nil && verb.Code(err) != verb.ExitPartial {
				t.Fatal(err)
			}
			if err := out.do(s, nil, &ingest.Export{Site: "example.com"}); err != nil {
				t.Fatal(err)
			}
			if names, err := os.ReadDir(dir); err != nil || len(names) != 3 {
				t.Fatalf("left in the data directory: %v, %v", names, err)
			}
			return r.out.String() + r.err.String(), groups(t, out.out.String(), zone)
		}
		wantSum, want := imported(0)
		gotSum, got := imported(1)
		if gotSum != wantSum {
			t.Fatalf("got %s, want %s", gotSum, wantSum)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Fatal(d)
		}
	})
}

// The first bad lines are shown, in their order, whoever of the readers found them.
func TestImportBadLinesInOrder(t *testing.T) {
	s := mustOpen(t, t.TempDir(), func() time.Time { return noon })
	defer mustClose(t, s)
	mustSite(t, s, "example.com", "Etc/UTC")
	const good = `{"time":"2026-06-01T00:00:00Z","name":"pageview"}`
	var in strings.Builder
	n := 0
	line := func(format string, a ...any) {
		n++
		fmt.Fprintf(&in, format+"\n", a...)
	}
	var want []string
	for i := range 60 {
		line("%s%s", strings.Repeat(" ", wire.MaxLine/2), good)
		if i%5 == 4 {
			line("bad")
			want = append(want, fmt.Sprintf("line %d: not a JSON object, see byte 1", n))
		}
		if i%10 == 9 {
			line(`%s{"x":1}`, strings.Repeat(" ", wire.MaxLine+1))
			want = append(want, fmt.Sprintf("line %d: longer than 1048576 bytes", n))
		}
	}
	var r run
	err := r.do(s, strings.NewReader(in.String()), &ingest.Import{Site: "example.com"})
	if verb.Code(err) != verb.ExitPartial || err.Error() != fmt.Sprintf("import: 18 of %d lines were left out, the rest is stored", n) {
		t.Errorf("got %v", err)
	}
	if got := strings.Split(strings.TrimSpace(r.err.String()), "\n"); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// However the input comes, in whatever pieces, its lines are the same.
func TestImportPieces(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	var in bytes.Buffer
	sum := ingest.Summary{}
	for i := range 40 {
		pad := 0
		switch r.IntN(4) {
		case 0:
			pad = r.IntN(wire.MaxLine)
		case 1:
			pad = wire.MaxLine - 60 + r.IntN(120)
		case 2:
			pad = r.IntN(3 * wire.MaxLine)
		}
		line := fmt.Sprintf(`{"time":"2026-06-01T00:00:%02dZ","name":"pageview"%s}`, i, strings.Repeat(" ", pad))
		end := []string{"\n", "\r\n", "\n\n", "\n\r\n"}[r.IntN(4)]
		if i == 39 {
			end = ""
		}
		in.WriteString(line + end)
		sum.Lines++
		if len(line) > wire.MaxLine {
			sum.Rejected++
		} else {
			sum.Events++
		}
	}
	sum.Visits, sum.Visitors, sum.Days = sum.Events, sum.Events, 1
	for name, reader := range map[string]func(io.Reader) io.Reader{
		"whole": func(r io.Reader) io.Reader { return r }, "halves": iotest.HalfReader, "end with the data": iotest.DataErrReader,
		"small": func(r io.Reader) io.Reader { return small{r} },
	} {
		t.Run(name, func(t *testing.T) {
			s := mustOpen(t, t.TempDir(), func() time.Time { return noon })
			defer mustClose(t, s)
			mustSite(t, s, "example.com", "Etc/UTC")
			var r run
			if err := r.do(s, reader(bytes.NewReader(in.Bytes())), &ingest.Import{Site: "example.com"}); verb.Code(err) != verb.ExitPartial {
				t.Fatal(err)
			}
			want := fmt.Sprintf("lines     %d\nevents    %d\nvisits    %d\nvisitors  %d\ndays      1\nrejected  %d\n", sum.Lines, sum.Events, sum.Visits, sum.Visitors, sum.Rejected)
			if got := r.out.String(); got != want {
				t.Errorf("got\n%swant\n%s", got, want)
			}
		})
	}
}

// small reads a prime number of bytes at a time.
type small struct{ r io.Reader }

func (s small) Read(b []byte) (int, error) { return s.r.Read(b[:min(len(b), 4099)]) }

// An import that fails while blocks are under way stores nothing and ends.
func TestImportFailsMidway(t *testing.T) {
	s := mustOpen(t, t.TempDir(), func() time.Time { return noon })
	defer mustClose(t, s)
	site := mustSite(t, s, "example.com", "Etc/UTC")
	line := strings.Repeat(" ", wire.MaxLine/2) + `{"time":"2026-06-01T00:00:00Z","name":"pageview"}` + "\n"
	var r run
	err := r.do(s, io.MultiReader(strings.NewReader(strings.Repeat(line, 9)), strings.NewReader(line[:1000]), failing{}), &ingest.Import{Site: "example.com"})
	if err == nil || err.Error() != "import: read line 10: cable pulled" {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r = run{ctx: ctx}
	calls := 0
	err = r.do(s, reading(func(b []byte) (int, error) {
		if calls++; calls == 5 {
			cancel()
		}
		return copy(b, line), nil
	}), &ingest.Import{Site: "example.com"})
	if !errors.Is(err, context.Canceled) || s.Count(site) != 0 {
		t.Errorf("got %v, %d events", err, s.Count(site))
	}
}

type reading func([]byte) (int, error)

func (r reading) Read(b []byte) (int, error) { return r(b) }

// Many properties, some of them too many, come out as they went in.
func TestImportManyProps(t *testing.T) {
	s := mustOpen(t, t.TempDir(), func() time.Time { return noon })
	defer mustClose(t, s)
	mustSite(t, s, "example.com", "Etc/UTC")
	var in []byte
	for i := range day.MaxPropKeys + 20 {
		e := day.Event{Time: noon.Unix() + int64(i), Name: "buy", Interactive: true, ScrollDepth: day.NoScroll}
		e.Props = []day.Prop{{Key: fmt.Sprintf("key%05d", i), Value: "v"}, {Key: "last", Value: fmt.Sprint(i % 7)}}
		in = wire.AppendLine(in, &wire.Record{Visitor: fmt.Sprint(i), Event: e})
	}
	var r, out run
	if err := r.do(s, bytes.NewReader(in), &ingest.Import{Site: "example.com"}); err != nil {
		t.Fatal(err)
	}
	if err := out.do(s, nil, &ingest.Export{Site: "example.com"}); err != nil {
		t.Fatal(err)
	}
	keys, last := 0, 0
	for line := range strings.Lines(out.out.String()) {
		keys += strings.Count(line, `"key`)
		last += strings.Count(line, `"last"`)
	}
	if keys != day.MaxPropKeys-1 || last != day.MaxPropKeys+20 {
		t.Errorf("got %d keys, %d events with the last", keys, last)
	}
}

// Imports at the same time, of one site or of many, share one memory: they come one after the other, whatever they wait for, and one that
// waits can be called off.
func TestImportsTakeTurns(t *testing.T) {
	s := mustOpen(t, t.TempDir(), func() time.Time { return noon })
	defer mustClose(t, s)
	mustSite(t, s, "example.com", "Etc/UTC")
	site := mustSite(t, s, "second.example.com", "Etc/UTC")
	line := `{"time":"2026-06-01T00:00:00Z","name":"pageview"}` + "\n"
	in, feed := io.Pipe()
	ended := make(chan error, 3)
	go func() { ended <- new(run).do(s, in, &ingest.Import{Site: "example.com"}) }()
	if _, err := io.WriteString(feed, line); err != nil { // it has begun when it reads
		t.Fatal(err)
	}
	begin := func(ctx context.Context) {
		told := make(chan struct{})
		go func() {
			c := run{ctx: ctx, told: func([]byte) { close(told) }}
			ended <- c.do(s, strings.NewReader(line), &ingest.Import{Site: "second.example.com"})
		}()
		<-told
	}
	ctx, cancel := context.WithCancel(t.Context())
	begin(ctx)
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("one that was called off: %v", err)
	}
	begin(t.Context())
	if used, all := s.Memory().WorkUsed, s.Memory().Work; used != all || s.Count(site) != 0 {
		t.Errorf("%d bytes of %d are in use", used, all)
	}
	if err := feed.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	if used := s.Memory().WorkUsed; used != 0 || s.Count(site) != 1 {
		t.Errorf("%d bytes are in use, %d events", used, s.Count(site))
	}
}
