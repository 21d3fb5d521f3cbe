package shield_test

import (
	"strings"
	"testing"

	"footfall/ingest/shield"
)

// FuzzIgnoreToken reads the query of any page.
func FuzzIgnoreToken(f *testing.F) {
	f.Add("a=b&footfall_ignore=AbC-_1&c")
	f.Add("footfall_ignore&footfall_ignore=&xfootfall_ignore=1&footfall_ignore==")
	f.Fuzz(func(t *testing.T, query string) {
		token := shield.IgnoreToken(query, "footfall_ignore")
		if token != "" && !strings.Contains("&"+query+"&", "&footfall_ignore="+token+"&") {
			t.Fatalf("got %q of %q", token, query)
		}
		if token == "" && strings.HasPrefix(query, "footfall_ignore=") && len(query) > len("footfall_ignore=") && query[len("footfall_ignore=")] != '&' {
			t.Fatalf("nothing found in %q", query)
		}
	})
}
