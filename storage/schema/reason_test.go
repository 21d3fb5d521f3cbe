package schema_test

import (
	"testing"

	"footfall/storage/schema"
)

func TestReasonsAreExplained(t *testing.T) {
	for i, r := range schema.Reasons {
		if r.Reason == "" || r.Help == "" || r.Reason.Help() != r.Help || r.Reason.Index() != i {
			t.Errorf("reason %d %q is not listed once with a help line", i, r.Reason)
		}
	}
	if r := schema.Reason("no such"); r.Help() != "" || r.Index() != -1 {
		t.Error("an unknown reason has a place")
	}
}
