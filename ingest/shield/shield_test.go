package shield_test

import (
	"testing"

	"footfall/ingest/shield"
)

func TestCheck(t *testing.T) {
	if got := shield.Check(shield.Hit{Bot: true}); got != shield.Bot {
		t.Errorf("got %q, want bot", got)
	}
	if got := shield.Check(shield.Hit{}); got != "" {
		t.Errorf("got %q, want none", got)
	}
}
