package naive_test

import (
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"footfall/storage/query/naive"
	"footfall/storage/query/naive/script"
)

// TestLanguage holds the model to the numbers people worked out by hand.
func TestLanguage(t *testing.T) {
	files, err := filepath.Glob("../testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no tests found: %v", err)
	}
	for _, file := range files {
		cases, err := script.Read(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range cases {
			t.Run(filepath.Base(file)+"/"+c.Name, func(t *testing.T) {
				if err := c.Query.Validate(); err != nil {
					t.Errorf("Validate: %v", err)
				}
				got, err := naive.Answer(c.Events, c.Query)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(c.Want, got, cmpopts.EquateEmpty()); diff != "" {
					t.Errorf("want -, got +:\n%s", diff)
				}
			})
		}
	}
}
