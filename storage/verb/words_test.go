package verb_test

import (
	"testing"
	"time"

	"footfall/storage/snapshot"
	"footfall/storage/verb"
)

func TestParseMoment(t *testing.T) {
	now := time.Date(2026, 11, 22, 15, 0, 0, 0, time.Local)
	for text, want := range map[string]time.Time{
		"":                          {},
		"2026-11-20 14:00":          time.Date(2026, 11, 20, 14, 0, 0, 0, time.Local),
		"2026-11-20T14:00:05":       time.Date(2026, 11, 20, 14, 0, 5, 0, time.Local),
		"2026-11-20T14:00:00+05:00": time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC),
		"14:30":                     time.Date(2026, 11, 22, 14, 30, 0, 0, time.Local),
		"90m":                       now.Add(-90 * time.Minute),
		"-90m":                      now.Add(-90 * time.Minute),
	} {
		if got, err := verb.ParseMoment(text, now); err != nil || !got.Equal(want) {
			t.Errorf("%q is %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"yesterday", "2026-11-20", "25:00", "14", "2026-11-31 10:00"} {
		if got, err := verb.ParseMoment(text, now); err == nil {
			t.Errorf("%q is %v, want an error", text, got)
		}
	}
}

func TestPortion(t *testing.T) {
	for text, want := range map[string]float64{"true": 1, "all": 1, "false": 0, "5%": 0.05, "0.25": 0.25, "100%": 1} {
		var p verb.Portion
		if err := p.UnmarshalText([]byte(text)); err != nil || float64(p) != want {
			t.Errorf("%q is %v, %v, want %v", text, p, err, want)
		}
	}
	for _, text := range []string{"", "5", "-1%", "101%", "NaN", "much"} {
		if err := new(verb.Portion).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

// TestStatusSentence holds the two halves of the sentence that everybody looks at.
func TestStatusSentence(t *testing.T) {
	now := time.Date(2026, 11, 23, 14, 3, 26, 0, time.Local)
	sunday := time.Date(2026, 11, 22, 3, 12, 0, 0, time.Local)
	if got, want := verb.Restorable(now.Add(-4*time.Second), now), "restorable up to 14:03:22, 4 s ago"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	for want, last := range map[string]*snapshot.DrillReport{
		"never proven yet":                                                    nil,
		"last proven Sunday 03:12 in 41 s":                                    {Time: sunday, Took: 41 * time.Second, OK: true, Proven: sunday},
		"not proven: the drill of Sunday 03:12 failed":                        {Time: sunday},
		"last proven 1 November 2026 03:12; the drill of Sunday 03:12 failed": {Time: sunday, Proven: sunday.AddDate(0, 0, -21)},
	} {
		if got := verb.Proven(last, now); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
