package shield_test

import (
	"testing"

	"footfall/ingest/shield"
)

func TestReasonsAreExplained(t *testing.T) {
	for i, r := range shield.Reasons {
		if r.Reason == "" || r.Help == "" || r.Reason.Help() != r.Help || r.Reason.Index() != i {
			t.Errorf("reason %d %q is not listed once with a help line", i, r.Reason)
		}
	}
	if r := shield.Reason("no such"); r.Help() != "" || r.Index() != -1 {
		t.Error("an unknown reason has a place")
	}
}

func TestCheck(t *testing.T) {
	if got := shield.Check(shield.Hit{Bot: true}); got != shield.Bot {
		t.Errorf("got %q, want bot", got)
	}
	if got := shield.Check(shield.Hit{}); got != "" {
		t.Errorf("got %q, want none", got)
	}
}
