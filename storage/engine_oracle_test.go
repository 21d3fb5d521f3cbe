package storage_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"footfall/storage"
	"footfall/storage/day"
	"footfall/storage/query"
	"footfall/storage/query/naive"
	"footfall/storage/query/naive/script"
	"footfall/storage/schema"
)

// TestLanguage puts the hand-written tests to the engine, with the days open, sealed and imported.
func TestLanguage(t *testing.T) {
	files, err := filepath.Glob("query/testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no tests found: %v", err)
	}
	for _, file := range files {
		cases, err := script.Read(file)
		if err != nil {
			t.Fatal(err)
		}
		for state, fill := range fills {
			t.Run(filepath.Base(file)+"/"+state, func(t *testing.T) {
				var w *world
				for i, c := range cases {
					if i == 0 || c.Load != cases[i-1].Load {
						if w != nil {
							w.close(t)
						}
						w = newWorld(t, filepath.Join(t.TempDir(), "data"), time.Unix(1_760_000_000, 0), c.Calendar)
						fill(t, w, c.Events)
					}
					q := c.Query
					q.Site = w.site
					got, err := w.store.Query(t.Context(), q)
					if err != nil {
						t.Errorf("%s: %v", c.Name, err)
						continue
					}
					if diff := cmp.Diff(c.Want, got, cmpopts.EquateEmpty()); diff != "" {
						t.Errorf("%s: want -, got +:\n%s", c.Name, diff)
					}
				}
				w.close(t)
			})
		}
	}
}

// fills are ways to bring events into a world.
var fills = map[string]func(*testing.T, *world, []naive.Event){
	"open": func(t *testing.T, w *world, events []naive.Event) {
		for _, e := range inOrder(events) {
			w.live(t, e)
		}
	},
	"sealed": func(t *testing.T, w *world, events []naive.Event) {
		for _, e := range inOrder(events) {
			w.live(t, e)
		}
		w.set(w.now.AddDate(0, 0, 2))
		w.maintain(t)
		w.reopen(t)
	},
	"imported": func(t *testing.T, w *world, events []naive.Event) {
		w.set(time.Unix(1_900_000_000, 0))
		w.load(t, events, true)
	},
}

func inOrder(events []naive.Event) []naive.Event {
	sorted := slices.Clone(events)
	slices.SortStableFunc(sorted, func(a, b naive.Event) int { return int(a.Time - b.Time) })
	return sorted
}

// TestQuery imports a few events and asks for more than TestStore can, in cases that shrink well.
func TestQuery(t *testing.T) {
	root := t.TempDir()
	imports := 0
	check(t, 100, func(t *rapid.T) {
		p := drawPlace(t)
		events := drawEvents(t, p)
		imports++
		w := newWorld(t, filepath.Join(root, fmt.Sprint(imports)), p.days.Start(p.day+10), p.days)
		defer func() { w.store.Close() }()
		w.load(t, events, true)
		for range 20 {
			w.compare(t, drawQuery(t, p, w.site))
		}
	})
}

// TestQueryMany asks about days that are large enough for several chunks, long dictionaries and dense sets.
func TestQueryMany(t *testing.T) {
	date, _ := schema.ParseDate("2026-03-28")
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	days := schema.NewCalendar(zone)
	w := newWorld(t, filepath.Join(t.TempDir(), "data"), days.Start(date+10), days)
	defer w.close(t)
	random := rand.New(rand.NewPCG(2, 2026))
	for range 2 {
		w.load(t, manyEvents(random, date.Start(zone).Unix(), 40_000), true)
	}
	visits := naive.Derive(w.events, days)
	check(t, 60, func(t *rapid.T) {
		q := drawQuery(t, place{days, date}, w.site)
		want, err := visits.Answer(q)
		if err != nil {
			t.Fatalf("model: %v", err)
		}
		got, err := w.store.Query(context.Background(), q)
		if err != nil {
			t.Fatalf("engine: %v", err)
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("%s\nmodel -, engine +:\n%s", describe(q), diff)
		}
	})
}

// TestQueryBusy asks about a day that is open, with visitors for two blocks, in many layers and rows behind them, and then about what a deletion
// leaves of it.
func TestQueryBusy(t *testing.T) {
	date, _ := schema.ParseDate("2026-03-28")
	days := schema.NewCalendar(time.UTC)
	w := newWorld(t, filepath.Join(t.TempDir(), "data"), days.Start(date+1).Add(-time.Second), days)
	defer w.close(t)
	o, err := w.store.OpenDay(w.site, date)
	if err != nil {
		t.Fatal(err)
	}
	seats := newSeating()
	var last storage.Commit
	for batch := range slices.Chunk(inOrder(manyEvents(rand.New(rand.NewPCG(3, 2026)), days.Start(date).Unix(), 120_000)), 500) {
		var rows []day.Row
		for _, e := range batch {
			if row, ok := seats.row(e); ok && days.Date(e.Time) == date {
				rows, w.events = append(rows, row), append(w.events, e)
			}
		}
		if len(rows) == 0 {
			break // of the next day
		}
		if last, err = w.store.Append(o, rows...); err == nil {
			err = last.Wait(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if visitors, _ := o.Counts(); o.Layers() < 10 || visitors < 8500 { // a block has 8192
		t.Fatalf("%d layers, %d visitors", o.Layers(), visitors)
	}
	ask := func(n int) {
		visits := naive.Derive(w.events, days)
		check(t, n, func(t *rapid.T) {
			q := drawQuery(t, place{days, date}, w.site)
			want, err := visits.Answer(q)
			if err != nil {
				t.Fatalf("model: %v", err)
			}
			got, err := w.store.Query(context.Background(), q)
			if err != nil {
				t.Fatalf("engine: %v", err)
			}
			if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Fatalf("%s\nmodel -, engine +:\n%s", describe(q), diff)
			}
		})
	}
	ask(20)
	d := storage.Deletion{Site: w.site, Range: query.Days(date, date, days), Filters: onPage("/a"), By: "test"}
	remaining, model, err := naive.Derive(w.events, days).Delete(d.Range, d.Filters)
	if err != nil {
		t.Fatal(err)
	}
	sum, err := w.store.Delete(t.Context(), d, "", nil)
	if err != nil || sum.Events != int64(model.Events) || sum.Events == 0 {
		t.Fatalf("%+v, %v, want %+v", sum, err, model)
	}
	w.events = remaining
	ask(20)
	w.reopen(t)
	ask(20)
	if err := w.store.Check(t.Context(), nil); err != nil {
		t.Error(err)
	}
}

// manyEvents makes events of three days from start on. Some values are frequent and many are rare.
func manyEvents(random *rand.Rand, start int64, n int) []naive.Event {
	some := func(words []string, kind string) string {
		if random.IntN(4) > 0 {
			return words[random.IntN(len(words))]
		}
		return fmt.Sprintf("%s%d", kind, int(random.ExpFloat64()*300))
	}
	var events []naive.Event
	for len(events) < n {
		who, at := fmt.Sprint("visitor ", int(random.ExpFloat64()*float64(n)/10)), start+random.Int64N(3*86400)
		var a schema.Attributes
		for id := range a {
			a[id] = some(attributes, schema.Columns[id].Name)
		}
		for range 1 + random.IntN(6) {
			e := naive.Event{Visitor: who, Attributes: a, Event: day.Event{
				Time: at, Name: eventNames[random.IntN(len(eventNames))], Hostname: hostnames[random.IntN(len(hostnames))],
				Pathname: some(pathnames, "/page/"), Interactive: random.IntN(2) == 0, ScrollDepth: day.NoScroll,
			}}
			if random.IntN(3) == 0 {
				e.Props = []day.Prop{{Key: "plan", Value: some(propValues, "plan ")}}
			}
			events = append(events, e)
			at += durations[random.IntN(len(durations))]
		}
	}
	return events
}

// TestEngineLaws holds the engine to the laws of counting.
func TestEngineLaws(t *testing.T) {
	for name, law := range laws {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			sites := 0
			check(t, 20, func(t *rapid.T) {
				p := drawPlace(t)
				sites++
				w := newWorld(t, filepath.Join(root, fmt.Sprint(sites)), p.days.Start(p.day+10), p.days)
				defer func() { w.store.Close() }()
				w.load(t, drawEvents(t, p), true)
				law(t, site{p, w.site, func(q query.Query) (query.Result, error) {
					return w.store.Query(context.Background(), q)
				}})
			})
		})
	}
}

// TestStore draws a life of a store with two sites in different zones: events come in, days end, files are imported, events are deleted
// and days dropped, sites reset, the process starts anew. At every moment the engine answers as the model does.
func TestStore(t *testing.T) {
	root := t.TempDir()
	lives := 0
	check(t, 60, func(t *rapid.T) {
		p, q := drawPlace(t), drawPlace(t)
		lives++
		begin := p.days.Start(p.day).Add(time.Hour * time.Duration(even(t, 4, "start hour")))
		w := newWorld(t, filepath.Join(root, fmt.Sprint(lives)), begin, p.days, q.days)
		defer func() { w.store.Close() }()
		t.Repeat(map[string]func(*rapid.T){
			"Live": func(t *rapid.T) {
				w.choose(t)
				attributes := drawAttributes(t)
				for range 1 + even(t, 2, "length") {
					e := drawEvent(t)
					e.Visitor, e.Attributes = visitorNames[even(t, 2, "visitor")], attributes
					e.Time = w.now.Unix() + rapid.SampledFrom(durations).Draw(t, "gap")
					w.live(t, e)
				}
			},
			"Busy": func(t *rapid.T) { // enough for layers, with visits that go on from one to the next
				w.choose(t)
				attributes := drawAttributes(t)
				for range 4 + even(t, 4, "length") {
					e := drawEvent(t)
					e.Visitor, e.Attributes = visitorNames[even(t, 2, "visitor")], attributes
					e.Time = w.now.Unix() + rapid.SampledFrom(durations[:4]).Draw(t, "gap")
					w.live(t, e)
				}
			},
			"Import": func(t *rapid.T) {
				w.choose(t)
				back := rapid.SampledFrom([]schema.Date{1, 2, 2, 12, 40}).Draw(t, "back")
				ahead := schema.Date(even(t, 2, "ahead") / 3) // most files are of the past
				events := slices.DeleteFunc(drawEvents(t, place{w.days, w.today() - back}), func(e naive.Event) bool {
					return w.days.Date(e.Time) > w.today()+ahead
				})
				w.load(t, events, even(t, 2, "commit") > 0)
			},
			"Midnight": func(t *rapid.T) {
				w.choose(t)
				after := rapid.SampledFrom(durations).Draw(t, "after")
				w.set(w.days.Start(w.today() + 1).Add(time.Second * time.Duration(after)))
				if rapid.Bool().Draw(t, "maintain") {
					w.maintain(t)
				}
			},
			"Maintain": func(t *rapid.T) { w.maintain(t) },
			"Reopen":   func(t *rapid.T) { w.reopen(t) },
			"Move": func(t *rapid.T) {
				w.choose(t)
				w.move(t, drawZone(t))
			},
			"Delete": func(t *rapid.T) {
				w.choose(t)
				w.delete(t)
			},
			"Retain": func(t *rapid.T) {
				w.choose(t)
				w.retain(t)
			},
			"Reset": func(t *rapid.T) {
				if even(t, 2, "really") == 0 {
					w.choose(t)
					w.reset(t)
					w.empty(t)
				}
			},
			"": func(t *rapid.T) {
				w.choose(t)
				around := place{w.days, w.today() - schema.Date(even(t, 2, "days ago"))}
				for range 2 {
					w.compare(t, drawQuery(t, around, w.site))
				}
			},
		})
		for _, w.tenant = range w.all {
			w.books(t)
			w.export(t)
		}
	})
}

// TestQueryWhileSealing asks while events come in and their day is sealed: an event that is acknowledged is counted, once.
func TestQueryWhileSealing(t *testing.T) {
	date, _ := schema.ParseDate("2026-03-02")
	w := newWorld(t, filepath.Join(t.TempDir(), "data"), date.Start(time.UTC).Add(23*time.Hour), schema.NewCalendar(time.UTC))
	defer w.close(t)
	q := query.Query{Site: w.site, Calendar: w.days, Range: query.Days(date, date+3, w.days), Metrics: []query.Metric{query.Events}}
	var sent, acknowledged atomic.Int64
	var readers sync.WaitGroup
	done := make(chan struct{})
	for range 2 {
		readers.Go(func() {
			for {
				least := acknowledged.Load()
				result, err := w.store.Query(context.Background(), q)
				most := sent.Load()
				if err != nil {
					t.Errorf("query: %v", err)
					return
				} else if n := int64(result.Rows[0].Metrics[0].Number); n < least || n > most {
					t.Errorf("%d events, want %d to %d", n, least, most)
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	for i := range 3 {
		at := w.now.Unix()
		for n := range int64(100) {
			sent.Add(1)
			w.live(t, naive.Event{Visitor: visitorNames[n%4], Event: day.Event{Time: at + n, Name: day.Pageview, Pathname: "/"}})
			acknowledged.Add(1)
		}
		old := []naive.Event{{Visitor: "old", Event: day.Event{Time: w.days.Start(date).Unix(), Name: day.Pageview, Pathname: "/"}}}
		sent.Add(1)
		w.load(t, old, true)
		acknowledged.Add(1)
		w.set(w.days.Start(date + schema.Date(i) + 1))
		w.maintain(t)
	}
	close(done)
	readers.Wait()
}

// TestExportIsInOrder exports a day of which one part is open and another one imported.
func TestExportIsInOrder(t *testing.T) {
	noon := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	w := newWorld(t, filepath.Join(t.TempDir(), "data"), noon, schema.NewCalendar(time.UTC))
	defer w.close(t)
	view := func(at time.Time) naive.Event {
		return naive.Event{Visitor: "ann", Event: day.Event{Time: at.Unix(), Name: day.Pageview, Pathname: "/"}}
	}
	w.live(t, view(noon))
	w.load(t, []naive.Event{view(noon.Add(-time.Hour)), view(noon.Add(time.Hour))}, true)
	today := w.today()
	var times []int64
	err := w.store.Export(t.Context(), w.site, today, today, func(_ uint32, _ *schema.Attributes, e *day.Event) error {
		times = append(times, e.Time)
		return nil
	})
	if err != nil || len(times) != 3 || !slices.IsSorted(times) {
		t.Fatalf("times %v, %v", times, err)
	}
}
