package wire_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"footfall/ingest/wire"
	"footfall/storage/day"
	"footfall/storage/schema"
)

func decodeLine(b []byte, r *wire.Record) error {
	var l wire.Line
	err := l.Decode(b)
	*r = l.Record()
	return err
}

func TestDecodeLine(t *testing.T) {
	var got wire.Record
	line := `{"time":"2026-01-02T03:04:05.999+01:00","visitor":"v 1","name":"buy","hostname":"x.org","pathname":"/p","source":"Google",` +
		`"utm_medium":"cpc","click_id":"gclid","country":"DE","browser_version":"138.0","language":"en-GB","props":{"z":"1","a":"2","b":" "},` +
		`"revenue":{"amount":"9.90","currency":"EUR"},"scroll_depth":0,"engagement_ms":12,"interactive":false,"city":null}`
	if err := decodeLine([]byte(line), &got); err != nil {
		t.Fatal(err)
	}
	want := wire.Record{Visitor: "v 1", Event: day.Event{Time: 1767319445, Name: "buy", Hostname: "x.org", Pathname: "/p",
		ScrollDepth: 0, EngagementMS: 12, Props: []day.Prop{{Key: "a", Value: "2"}, {Key: "z", Value: "1"}}, Revenue: day.Revenue{Amount: "9.90", Currency: "EUR"}}}
	want.Attributes[schema.Source] = "Google"
	want.Attributes[schema.UTMMedium] = "cpc"
	want.Attributes[schema.ClickID] = "gclid"
	want.Attributes[schema.Country] = "DE"
	want.Attributes[schema.BrowserVersion] = "138.0"
	want.Attributes[schema.Language] = "en-GB"
	if d := cmp.Diff(got, want); d != "" {
		t.Error(d)
	}
	if err := decodeLine([]byte(`{"time":"2026-01-02T03:04:05Z","name":"pageview"}`), &got); err != nil {
		t.Fatal(err)
	}
	want = wire.Record{Event: day.Event{Time: 1767323045, Name: "pageview", Interactive: true, ScrollDepth: day.NoScroll}}
	if d := cmp.Diff(got, want); d != "" {
		t.Error(d)
	}
}

func TestDecodeLineErrors(t *testing.T) {
	const ok = `"time":"2026-01-02T03:04:05Z","name":"x"`
	long := strings.Repeat("é", 2001)
	var many []string
	for i := range 31 {
		many = append(many, `"`+string(rune('a'+i))+`":"v"`)
	}
	for line, want := range map[string]string{
		``:                                "not a JSON object, see byte 1",
		`[]`:                              "not a JSON object, see byte 1",
		`{` + ok + `} x`:                  "not a JSON object, see byte 44",
		`{"name":"x"}`:                    "time: missing",
		`{"time":"2026-01-02T03:04:05Z"}`: "name: missing",
		`{"time":null,"name":"x"}`:        "time: missing",
		`{"time":"2026-01-02 03:04:05","name":"x"}`:                   "time: want RFC 3339, such as 2026-01-02T15:04:05Z",
		`{"time":1767323045,"name":"x"}`:                              "time: want RFC 3339, such as 2026-01-02T15:04:05Z",
		`{"time":"0001-01-02T03:04:05Z","name":"x"}`:                  "time: year before 1990 or after 9998",
		`{"time":"2026-01-02T03:04:05Z","name":" "}`:                  "name: is blank",
		`{"time":"2026-01-02T03:04:05Z","name":12}`:                   "name: want a string",
		`{"time":"2026-01-02T03:04:05Z","name":"` + long[:300] + `"}`: "name: longer than 120 characters",
		`{` + ok + `,"colour":"red"}`:                                 `unknown field "colour"`,
		`{` + ok + `,"channel":"Direct"}`:                             `unknown field "channel"`,
		`{` + ok + `,"name":"y"}`:                                     "name: given twice",
		`{` + ok + `,"hostname":{}}`:                                  "hostname: want a string",
		`{` + ok + `,"pathname":"` + long + `"}`:                      "pathname: longer than 2000 bytes",
		`{` + ok + `,"source":"` + long + `"}`:                        "source: longer than 2000 characters",
		`{` + ok + `,"visitor":7}`:                                    "visitor: want a string",
		`{` + ok + `,"props":"{}"}`:                                   "props: want an object of strings",
		`{` + ok + `,"props":{"a":1}}`:                                "props: want an object of strings",
		`{` + ok + `,"props":{` + strings.Join(many, ",") + `}}`:      "props: more than 30",
		`{` + ok + `,"props":{"a":"` + long + `"}}`:                   "props: keys should have at most 300 bytes and values 2000 bytes",
		`{` + ok + `,"revenue":{"amount":1,"currency":"EUR"}}`:        "revenue: amount: want a decimal number of at most 40 digits as a string",
		`{` + ok + `,"revenue":{"amount":"x","currency":"EUR"}}`:      "revenue: amount: want a decimal number of at most 40 digits as a string",
		`{` + ok + `,"revenue":{"amount":"1","currency":"X"}}`:        "revenue: currency: want a code of ISO 4217",
		`{` + ok + `,"revenue":{"amount":"1"}}`:                       "revenue: want both amount and currency",
		`{` + ok + `,"revenue":{"amount":"1","tax":"1"}}`:             "revenue: unknown field inside",
		`{` + ok + `,"revenue":"1"}`:                                  "revenue: want an object with amount and currency",
		`{` + ok + `,"scroll_depth":101}`:                             "scroll_depth: want an integer from 0 to 100",
		`{` + ok + `,"scroll_depth":"50"}`:                            "scroll_depth: want an integer from 0 to 100",
		`{` + ok + `,"engagement_ms":-1}`:                             "engagement_ms: want an integer from 0 to 2591999999",
		`{` + ok + `,"engagement_ms":1.5}`:                            "engagement_ms: want an integer from 0 to 2591999999",
		`{` + ok + `,"interactive":"no"}`:                             "interactive: want true or false",
		"{" + ok + ",\"city\":\"\xff\"}":                              "not valid UTF-8",
		strings.Repeat(" ", wire.MaxLine+1):                           "longer than 1048576 bytes",
	} {
		var r wire.Record
		if err := decodeLine([]byte(line), &r); err == nil || err.Error() != want {
			t.Errorf("%.120s: got %v, want %s", line, err, want)
		}
	}
}

// DrawRecord draws what a store can hold.
func drawRecord(t *rapid.T) wire.Record {
	text := func(limit int, label string) string { return rapid.StringN(0, -1, limit).Draw(t, label) }
	notBlank := func(limit int) *rapid.Generator[string] {
		return rapid.StringN(1, -1, limit).Filter(func(s string) bool { return strings.TrimSpace(s) != "" })
	}
	r := wire.Record{
		Visitor: text(100, "visitor"),
		Event: day.Event{
			Time:         rapid.Int64Range(631152000, 4102444800).Draw(t, "time"),
			Name:         notBlank(120).Draw(t, "name"),
			Hostname:     text(100, "hostname"),
			Pathname:     text(200, "pathname"),
			Interactive:  rapid.Bool().Draw(t, "interactive"),
			ScrollDepth:  rapid.OneOf(rapid.Uint8Range(0, 100), rapid.Just(uint8(day.NoScroll))).Draw(t, "scroll"),
			EngagementMS: rapid.Uint32Range(0, 2_591_999_999).Draw(t, "ms"),
		},
	}
	for id := range r.Attributes {
		if id != int(schema.Channel) && rapid.Bool().Draw(t, "has") {
			r.Attributes[id] = text(100, schema.Columns[id].Name)
		}
	}
	keys := rapid.SliceOfNDistinct(notBlank(300), 0, 30, rapid.ID).Draw(t, "keys")
	for _, k := range keys {
		r.Event.Props = append(r.Event.Props, day.Prop{Key: k, Value: notBlank(200).Draw(t, "value")})
	}
	sortProps(r.Event.Props)
	if rapid.Bool().Draw(t, "paid") {
		r.Event.Revenue = day.Revenue{Amount: rapid.StringMatching(`-?[1-9][0-9]{0,17}(\.[0-9]{1,5})?`).Draw(t, "amount"), Currency: "EUR"}
	}
	return r
}

func sortProps(list []day.Prop) {
	for i := range list {
		for j := i; j > 0 && list[j].Key < list[j-1].Key; j-- {
			list[j], list[j-1] = list[j-1], list[j]
		}
	}
}

func TestLineRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawRecord(t)
		line := wire.AppendLine(nil, &in)
		if strings.Count(string(line), "\n") != 1 || line[len(line)-1] != '\n' {
			t.Fatalf("not one line: %q", line)
		}
		var out wire.Record
		if err := decodeLine(line, &out); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if d := cmp.Diff(in, out); d != "" {
			t.Fatal(d)
		}
	})
}

// A Line keeps nothing of the lines before, whatever they were.
func TestLineIsUsedAgain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var l wire.Line
		for range 4 {
			in := drawRecord(t)
			line := wire.AppendLine(nil, &in)
			if rapid.Bool().Draw(t, "cut") {
				line = line[:rapid.IntRange(0, len(line)).Draw(t, "at")]
			}
			var want wire.Record
			fresh := decodeLine(line, &want)
			err := l.Decode(line)
			if (err == nil) != (fresh == nil) || err != nil && err.Error() != fresh.Error() {
				t.Fatalf("%q: got %v, a new Line %v", line, err, fresh)
			}
			if got := l.Record(); err == nil && !cmp.Equal(got, want) {
				t.Fatal(cmp.Diff(want, got))
			}
		}
	})
}

// Millions of lines are decoded in one import: what is allocated for one must not hang on it.
func TestLineAllocatesNothing(t *testing.T) {
	var l wire.Line
	with := []byte(`{"time":"2026-01-02T03:04:05Z","visitor":"\u00e9","name":"buy","props":{"a":"1","b":"\n"},"scroll_depth":50,"interactive":false}`)
	if n := testing.AllocsPerRun(100, func() {
		for _, line := range [][]byte{exported, with} {
			if err := l.Decode(line); err != nil {
				t.Fatal(err)
			}
		}
	}); n != 0 {
		t.Errorf("got %v allocations", n)
	}
}

func FuzzDecodeLine(f *testing.F) {
	f.Add([]byte(`{"time":"2026-01-02T03:04:05Z","name":"x","props":{"a":"b"},"revenue":{"amount":"1","currency":"EUR"}}`))
	f.Add([]byte(`{"time":"2026-01-02T03:04:05Z","name":"\ud800\u0000","visitor":"\u2028"}`))
	f.Add([]byte(`{"time":"2026-01-02T03:04:05Z","name":"x","revenue":{"amount":"1e39","currency":"EUR"}}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		var first, second wire.Record
		err := decodeLine(line, &first)
		var used wire.Line
		if err := used.Decode(exported); err != nil {
			t.Fatal(err)
		}
		if again := used.Decode(line); (again == nil) != (err == nil) || err == nil && !cmp.Equal(used.Record(), first) {
			t.Fatalf("a Line that was used before: %v, %v", again, err)
		}
		if err != nil {
			return
		}
		if err := decodeLine(wire.AppendLine(nil, &first), &second); err != nil {
			t.Fatalf("decode what was encoded: %v", err)
		}
		if d := cmp.Diff(first, second); d != "" {
			t.Fatal(d)
		}
	})
}

var exported = []byte(`{"time":"2026-01-02T03:04:05Z","visitor":"1234","name":"pageview","hostname":"example.com","pathname":"/blog/a-post","source":"Google","referrer":"google.com","country":"DE","region":"DE-BE","city":"2950159","device":"Desktop","browser":"Chrome","browser_version":"138.0","os":"Windows","os_version":"10.0","language":"en-GB"}`)

func BenchmarkDecodeLine(b *testing.B) {
	b.SetBytes(int64(len(exported)))
	b.ReportAllocs()
	var l wire.Line
	for b.Loop() {
		if err := l.Decode(exported); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendLine(b *testing.B) {
	var r wire.Record
	if err := decodeLine(exported, &r); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	var buf []byte
	for b.Loop() {
		buf = wire.AppendLine(buf[:0], &r)
	}
}
