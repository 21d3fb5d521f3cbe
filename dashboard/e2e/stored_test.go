package e2e_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// String tells an event in short: "Signup /pricing plan=pro 12.50 EUR (not interactive)".
func (e exported) String() string {
	parts := []string{e.Name, e.Pathname}
	for _, key := range slices.Sorted(maps.Keys(e.Props)) {
		parts = append(parts, key+"="+e.Props[key])
	}
	if e.Revenue.Amount != "" {
		parts = append(parts, e.Revenue.Amount, e.Revenue.Currency)
	}
	if e.Interactive != nil && !*e.Interactive {
		parts = append(parts, "(not interactive)")
	}
	return strings.Join(parts, " ")
}

// untilStored waits until a site has these events and no others, in any order: requests overtake each other. Engagement is
// left out, for when it is sent depends on the window's luck; attention asks for it.
func untilStored(t *testing.T, s *server, site string, want ...string) []exported {
	t.Helper()
	slices.Sort(want)
	for deadline := time.Now().Add(changeTime); ; time.Sleep(lookEvery) {
		events := slices.DeleteFunc(exportOf(t, s.Dir, site), func(e exported) bool { return e.Name == "engagement" })
		var got []string
		for _, e := range events {
			got = append(got, e.String())
		}
		slices.Sort(got)
		if slices.Equal(got, want) {
			return events
		}
		if len(got) > len(want) || time.Now().After(deadline) {
			t.Fatalf("stored of %s\n got %q\nwant %q", site, got, want)
		}
	}
}

// attention waits until engagement with a page was stored, and returns how deep it was seen, in percent, and for how many
// milliseconds.
func attention(t *testing.T, s *server, site, path string, enough func(depth int, engaged int64) bool) (depth int, engaged int64) {
	t.Helper()
	for deadline := time.Now().Add(changeTime); ; time.Sleep(lookEvery) {
		depth, engaged = 0, 0
		for _, e := range exportOf(t, s.Dir, site) {
			if e.Name == "engagement" && e.Pathname == path {
				depth, engaged = max(depth, e.Scroll), engaged+e.Engaged
			}
		}
		if enough(depth, engaged) {
			return depth, engaged
		}
		if time.Now().After(deadline) {
			t.Fatalf("engagement of %s%s: %d %%, %d ms", site, path, depth, engaged)
		}
	}
}
