package storage_test

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"footfall/storage/day"
	"footfall/storage/query/naive"
	"footfall/storage/schema"
)

// TestStreamedLives draws a life of a store as TestStore does, with sites that come and go, compactions and changes of keys, while it is streamed. Whatever
// moment of it is restored at the end, with the keys of the end, is the store of then, without what was destroyed since.
func TestStreamedLives(t *testing.T) {
	root := t.TempDir()
	lives := 0
	check(t, 12, func(t *rapid.T) {
		ctx := context.Background()
		p, q, r := drawPlace(t), drawPlace(t), drawPlace(t)
		lives++
		dir := filepath.Join(root, fmt.Sprint(lives))
		begin := p.days.Start(p.day).Add(time.Hour * time.Duration(even(t, 4, "start hour")))
		w := newWorld(t, filepath.Join(dir, "data"), begin, p.days, q.days, r.days)
		defer func() { w.store.Close() }()
		b := mustBucketAt(t, filepath.Join(dir, "bucket"))
		stream := w.stream(b)
		var moments []moment
		removed, resets := map[schema.Site]bool{}, map[schema.Site]int{}
		resetBy := []map[schema.Site]int{} // what resets was at each moment
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
			"Import": func(t *rapid.T) {
				w.choose(t)
				events := slices.DeleteFunc(drawEvents(t, place{w.days, w.today() - rapid.SampledFrom([]schema.Date{1, 2, 12}).Draw(t, "back")}), func(e naive.Event) bool {
					return w.days.Date(e.Time) > w.today()
				})
				w.load(t, events, even(t, 2, "commit") > 0)
			},
			"Midnight": func(t *rapid.T) {
				w.choose(t)
				w.set(w.days.Start(w.today() + 1).Add(time.Second * time.Duration(rapid.SampledFrom(durations).Draw(t, "after"))))
				w.maintain(t)
			},
			"Reopen": func(t *rapid.T) {
				w.reopen(t)
				stream = w.stream(b)
			},
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
				w.choose(t)
				w.reset(t)
				resets[w.site]++
			},
			"Remove": func(t *rapid.T) {
				if w.choose(t); len(w.all) == 1 {
					return
				}
				if err := w.store.RemoveSite(ctx, w.site, "test"); err != nil {
					t.Fatalf("remove site: %v", err)
				}
				removed[w.site] = true
				w.all = slices.DeleteFunc(w.all, func(one *tenant) bool { return one == w.tenant })
				w.tenant = w.all[0]
			},
			"Compact": func(t *rapid.T) {
				if _, err := w.store.Compact(ctx, nil); err != nil {
					t.Fatalf("compact: %v", err)
				}
			},
			"Keys": func(t *rapid.T) {
				if err := w.store.RotateKeys(ctx, "test", ""); err != nil {
					t.Fatalf("rotate keys: %v", err)
				}
			},
			"Point": func(t *rapid.T) {
				if _, err := stream.Snapshot(ctx, ""); err != nil {
					t.Fatalf("snapshot: %v", err)
				}
			},
			"Moment": func(t *rapid.T) {
				moments = append(moments, w.moment(t))
				resetBy = append(resetBy, maps.Clone(resets))
			},
			"": func(*rapid.T) {},
		})
		if rep, err := w.store.Drill(ctx, nil, nil); err != nil || !rep.OK {
			t.Fatalf("drill: %+v, %v", rep, err)
		}
		if left := w.store.Shred(ctx); left.Waits != "" {
			t.Fatalf("%+v", left)
		}
		moments, resetBy = append(moments, w.moment(t)), append(resetBy, maps.Clone(resets))
		for i := max(0, len(moments)-4); i < len(moments); i++ {
			m := moments[i]
			for _, one := range m.tenants {
				if resets[one.site] > resetBy[i][one.site] {
					one.events, one.rows, one.seats = nil, nil, map[schema.Date]*seating{}
				}
			}
			m.tenants = slices.DeleteFunc(m.tenants, func(one *tenant) bool { return removed[one.site] })
			back, rep := m.restored(t, b, w.key(), filepath.Join(dir, fmt.Sprint("restored ", i)))
			if len(rep.Sites) != len(m.tenants) {
				t.Fatalf("%d sites, want %d: %+v", len(rep.Sites), len(m.tenants), rep)
			}
			for _, back.tenant = range back.all {
				back.books(t)
				back.export(t)
				for range 2 {
					back.compare(t, drawQuery(t, place{back.days, back.today() - schema.Date(even(t, 2, "days ago"))}, back.site))
				}
			}
			back.tenant = back.all[0]
			back.live(t, naive.Event{Visitor: "new", Event: day.Event{Time: back.now.Unix() + 1, Name: day.Pageview, Pathname: "/"}})
			back.maintain(t)
			back.books(t)
			back.close(t)
		}
	})
}
