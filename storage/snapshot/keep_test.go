package snapshot

import (
	"errors"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"footfall/storage/seal"
)

// restorable returns the point that a restore to a time begins from, as choose of [Reader] does.
func restorable(points []Point, at time.Time) (ID, bool) {
	for _, p := range slices.Backward(points) {
		if !p.Time.After(at) {
			return p.ID, true
		}
	}
	return ID{}, false
}

// Whatever points there are, also of clocks that jumped: the newest two are kept, and those with names, and those of the last day, and every second of it is restored from the
// same point, behind which all packs are; of each hour, day and month of its time there is one.
func TestKeeping(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := time.Date(2026, 3, 17, 12, 0, 0, 0, time.UTC)
		var points []Point
		at, id := now.Add(-time.Duration(rapid.IntRange(0, 500*24).Draw(t, "hours"))*time.Hour), ID{1, 1}
		for range rapid.IntRange(0, 60).Draw(t, "points") {
			step := time.Duration(rapid.OneOf(rapid.IntRange(0, 120), rapid.IntRange(0, 3000), rapid.IntRange(0, 60000)).Draw(t, "minutes")) * time.Minute
			if rapid.IntRange(0, 30).Draw(t, "jump") == 0 {
				step = -step
			}
			if at = at.Add(step); at.After(now) && rapid.IntRange(0, 20).Draw(t, "ahead") > 0 {
				break
			}
			if id.Seq += uint64(rapid.IntRange(1, 50).Draw(t, "packs")); rapid.IntRange(0, 9).Draw(t, "restart") == 0 {
				id = ID{id.Epoch + 1, 1}
			}
			points = append(points, Point{ID: id, Time: at, Name: rapid.SampledFrom([]string{"", "", "", "", "a name"}).Draw(t, "name")})
		}
		keeping := Keeping{}.orDefaults()
		keep, whole := keeping.choose(points, now)
		var kept []Point
		for i, p := range points {
			if keep[i] {
				kept = append(kept, p)
			} else if p.Name != "" || i >= len(points)-2 || !p.Time.After(now) && now.Sub(p.Time) < 24*time.Hour {
				t.Fatalf("%+v is not kept", p)
			}
		}
		for at := now.Add(-24 * time.Hour); !at.After(now); at = at.Add(7 * time.Minute) {
			want, ok := restorable(points, at)
			if got, _ := restorable(kept, at); got != want || ok && got.Less(whole) {
				t.Fatalf("%v is restored from %v, was from %v; packs are whole behind %v", at, got, want, whole)
			}
		}
		for i, p := range points {
			for _, rule := range []struct {
				layout string
				since  time.Time
			}{{"2006-01-02 15", now.Add(-keepHourly)}, {"2006-01-02", now.Add(-keepDaily)}, {"2006-01", now.AddDate(0, -keepMonthly, 0)}} {
				same := func(q Point) bool { return q.Time.Format(rule.layout) == p.Time.Format(rule.layout) }
				if last := !slices.ContainsFunc(points[i+1:], same); last && p.Time.After(rule.since) && !keep[i] {
					t.Fatalf("%+v is the last of its %s and not kept", p, rule.layout)
				}
			}
		}
		// What is pruned now, later and later than that: never more than keeping at once would leave out.
		again, _ := keeping.choose(kept, now)
		if slices.Contains(again, false) {
			t.Fatalf("pruning twice leaves others: %+v", kept)
		}
		if len(points) > 2 && points[0].Name == "" && slices.IsSortedFunc(points, func(a, b Point) int { return a.Time.Compare(b.Time) }) {
			newest := points[len(points)-1].Time
			if now.Before(newest) {
				newest = now
			}
			if newest.Sub(points[0].Time) > 400*24*time.Hour && points[1].Time.Before(newest.Add(-25*time.Hour)) && keep[0] {
				t.Fatalf("%+v is kept beside %+v", points[0], newest)
			}
		}
	})
}

func drawLow(t *rapid.T) *low {
	l := newLow()
	l.whole = ID{rapid.Uint32().Draw(t, "epoch"), rapid.Uint64().Draw(t, "number")}
	for range rapid.IntRange(0, 3).Draw(t, "names") {
		l.forgotten = append(l.forgotten, ID{rapid.Uint32().Draw(t, "epoch"), rapid.Uint64().Draw(t, "number")})
	}
	for range rapid.IntRange(0, 20).Draw(t, "marks") {
		th := thing{byte(rapid.IntRange(aClaim, aPack).Draw(t, "kind")), ID{rapid.Uint32().Draw(t, "epoch"), rapid.Uint64().Draw(t, "number")}}
		l.marks[th] = time.UnixMilli(rapid.Int64Range(0, 1<<42).Draw(t, "time")).UTC()
	}
	return l
}

func TestLowRoundTrip(t *testing.T) {
	sealer := seal.Ephemeral()
	rapid.Check(t, func(t *rapid.T) {
		l := drawLow(t)
		b := l.encode(sealer)
		if got, err := decodeLow(b, sealer); err != nil || !reflect.DeepEqual(got, l) {
			t.Fatalf("got %+v, %v\nwant %+v", got, err, l)
		}
		b[rapid.IntRange(0, len(b)-1).Draw(t, "at")] ^= 1
		if _, err := decodeLow(b, sealer); err == nil {
			t.Fatal("a flipped bit: no error")
		}
	})
}

// FuzzLow reads what a thief of the key may have written.
func FuzzLow(f *testing.F) {
	sealer := seal.Ephemeral()
	f.Add([]byte{1, 2, 1, 1, 1, 1, 3, 1, 9, 200, 1})
	f.Fuzz(func(t *testing.T, plain []byte) {
		got, err := decodeLow(sealer.Seal([]byte("FFL\x01"), plain, place(nameLow, typeLow)), sealer)
		if err != nil {
			return
		}
		if again, err := decodeLow(got.encode(sealer), sealer); err != nil || !reflect.DeepEqual(got, again) {
			t.Fatalf("%+v is read back as %+v, %v", got, again, err)
		}
	})
}

// FuzzRoll does the same with the roll of site keys.
func FuzzRoll(f *testing.F) {
	sealer := seal.Ephemeral()
	f.Add(append([]byte{1}, make([]byte, 16)...))
	f.Fuzz(func(t *testing.T, plain []byte) {
		names, generation, err := decodeRoll(sealer.Seal([]byte("FFR\x01"), plain, place(nameRoll, typeRoll)), sealer)
		if err != nil {
			return
		}
		if again, _, err := decodeRoll(encodeRoll(names, generation, sealer), sealer); err != nil || !slices.Equal(names, again) {
			t.Fatalf("%v is read back as %v, %v", names, again, err)
		}
	})
}

// FuzzDrill does the same with the report of a drill.
func FuzzDrill(f *testing.F) {
	sealer := seal.Ephemeral()
	f.Add([]byte(`{"ok":true,"at":"2026-01-02T03:04:05Z","differs":["a"]}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, plain []byte) {
		if _, err := decodeDrill(sealer.Seal([]byte("FFD\x01"), plain, place(nameDrill, typeDrill)), sealer); err != nil && !errors.Is(err, ErrDamaged) {
			t.Fatalf("got %v", err)
		}
		if _, err := decodeDrill(plain, sealer); err == nil {
			t.Fatal("what nobody sealed is read")
		}
	})
}
