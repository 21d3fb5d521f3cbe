package wire_test

import (
	"fmt"
	"strings"
	"testing"

	"footfall/ingest/wire"
)

// The names of each field in their order, what a name says, and what a hit then has.
var aliases = map[string]struct {
	names  []string
	values [2]string                // JSON
	read   func(h *wire.Hit) string // what came of it
	want   [2]string
}{
	"name":     {[]string{"n", "name"}, [2]string{`"one"`, `"two"`}, func(h *wire.Hit) string { return h.Event.Name }, [2]string{"one", "two"}},
	"url":      {[]string{"u", "url"}, [2]string{`"https://x.org/1"`, `"https://x.org/2"`}, func(h *wire.Hit) string { return h.Event.Pathname }, [2]string{"/1", "/2"}},
	"domain":   {[]string{"d", "domain"}, [2]string{`"one.org"`, `"two.org"`}, func(h *wire.Hit) string { return strings.Join(h.Domains, " ") }, [2]string{"one.org", "two.org"}},
	"referrer": {[]string{"r", "referrer"}, [2]string{`"https://1.org"`, `"https://2.org"`}, func(h *wire.Hit) string { return h.Referrer }, [2]string{"https://1.org", "https://2.org"}},
	"props": {[]string{"m", "meta", "p", "props"}, [2]string{`{"k":1}`, `"{\"k\":2}"`}, func(h *wire.Hit) string { return fmt.Sprint(h.Event.Props) },
		[2]string{"[{k 1}]", "[{k 2}]"}},
	"revenue": {[]string{"revenue", "$"}, [2]string{`{"amount":1,"currency":"EUR"}`, `"{\"amount\":\"2\",\"currency\":\"USD\"}"`},
		func(h *wire.Hit) string { return h.Event.Revenue.Amount + h.Event.Revenue.Currency }, [2]string{"1EUR", "2USD"}},
	"hash mode": {[]string{"h", "hashMode"}, [2]string{`1`, `"1"`}, func(h *wire.Hit) string { return h.Event.Pathname }, [2]string{"/x#f", "/x#f"}},
}

// The first name that says something counts; null and false say nothing.
func TestAliases(t *testing.T) {
	for field, a := range aliases {
		decode := func(members ...string) string {
			t.Helper()
			all := []string{`"n":"a"`, `"u":"https://x.org/x#f"`, `"d":"x.org"`}
			if field == "name" || field == "url" || field == "domain" {
				all = append(all[:0], map[string][]string{"name": all[1:], "url": {all[0], all[2]}, "domain": all[:2]}[field]...)
			}
			h := mustDecode(t, "{"+strings.Join(append(all, members...), ",")+"}")
			return a.read(&h)
		}
		say := func(name, value string) string { return fmt.Sprintf("%q:%s", name, value) }
		for i, name := range a.names {
			for k, want := range a.want {
				if got := decode(say(name, a.values[k])); got != want {
					t.Errorf("%s as %s: got %q, want %q", field, name, got, want)
				}
			}
			for _, later := range a.names[i+1:] {
				for _, members := range [][]string{{say(name, a.values[0]), say(later, a.values[1])}, {say(later, a.values[1]), say(name, a.values[0])}} {
					if got := decode(members...); got != a.want[0] {
						t.Errorf("%s as %s before %s: got %q, want %q", field, name, later, got, a.want[0])
					}
				}
				for _, nothing := range []string{"null", "false"} {
					if got := decode(say(name, nothing), say(later, a.values[1])); got != a.want[1] {
						t.Errorf("%s as %s after %s of %s: got %q, want %q", field, later, nothing, name, got, a.want[1])
					}
				}
			}
		}
	}
}
