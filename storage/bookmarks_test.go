package storage_test

import (
	"maps"
	"testing"
	"time"

	"footfall/storage"
	"footfall/storage/schema"
)

// A bookmark is there when the import that set it is, and goes with the site's data.
func TestBookmarks(t *testing.T) {
	dir, c := t.TempDir(), &clock{now: time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)}
	s := mustOpen(t, dir, c)
	defer func() { s.Close() }()
	site := mustSite(t, s)
	begin := func() *storage.Import {
		im, err := s.Import(site.ID)
		if err != nil {
			t.Fatal(err)
		}
		return im
	}
	want := func(step string, id schema.Site, want map[uint32]string) {
		t.Helper()
		kept, err := s.Bookmarks(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		got := map[uint32]string{}
		for number, value := range kept {
			got[number] = string(value)
		}
		if !maps.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", step, got, want)
		}
	}
	keep := func(im *storage.Import, number uint32, value string) {
		if err := im.Keep(number, []byte(value)); err != nil {
			t.Fatal(err)
		}
	}
	im := begin()
	keep(im, 0, "zero")
	if err := im.Abort(); err != nil {
		t.Fatal(err)
	}
	want("after an abort", site.ID, nil)
	im = begin()
	keep(im, 0, "zero")
	keep(im, 7, "")
	if err := im.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	im = begin()
	keep(im, 0, "new")
	if err := im.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := im.Keep(1, nil); err == nil {
		t.Error("kept after the end")
	}
	all := map[uint32]string{0: "new", 7: ""}
	want("after a commit", site.ID, all)
	if _, err := s.Compact(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if err := s.Check(t.Context(), nil); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = mustOpen(t, dir, c)
	want("after a start", site.ID, all)
	if err := s.ResetSite(t.Context(), site.ID, "test"); err != nil {
		t.Fatal(err)
	}
	want("after a reset", site.ID, nil)
}
