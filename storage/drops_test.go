package storage_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"footfall/storage/schema"
)

// TestCountsOfRules holds that what rules have done, or would have, is kept apart from what was not counted, and survives a restart.
func TestCountsOfRules(t *testing.T) {
	dir := t.TempDir()
	c := &clock{time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)}
	s := mustOpen(t, dir, c)
	site := mustSite(t, s)
	date := schema.DateOf(c.now)
	for range 2 {
		s.Ruled(site.ID, date, "site_ip_blocklist", 7, false, 1)
		s.Ruled(site.ID, date, "site_ip_blocklist", 8, true, 2)
		s.Ruled(site.ID, date, "spam_referrer", 0, false, 3)
		_ = s.Close()
		s = mustOpen(t, dir, c)
	}
	days := func(n int64) map[schema.Date]int64 { return map[schema.Date]int64{date: n} }
	want := []any{
		map[string]map[schema.Date]int64{"site_ip_blocklist": days(2), "spam_referrer": days(6)},
		map[string]map[schema.Date]int64{"site_ip_blocklist": days(4)},
		map[uint64]map[schema.Date]int64{7: days(2), 8: days(4)},
	}
	got := []any{s.DropCounts(site.ID, date, date), s.WatchCounts(site.ID, date, date), s.RuleCounts(site.ID, date, date)}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for i := range uint64(20_000) { // more rules than have counts of their own leave the reasons their room
		s.Ruled(site.ID, date, "site_page_blocklist", 100+i, false, 1)
	}
	s.Dropped(site.ID, date, "bot", 1)
	counts := s.DropCounts(site.ID, date, date)
	if counts["site_page_blocklist"][date] != 20_000 || counts["bot"][date] != 1 || len(s.RuleCounts(site.ID, date, date)) != 10_000 {
		t.Errorf("got %v and %d rules", counts, len(s.RuleCounts(site.ID, date, date)))
	}
}
