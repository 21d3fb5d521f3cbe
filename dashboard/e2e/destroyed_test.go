package e2e_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What the destroyed site was about, as text of its pages and properties.
var destroyedTexts = []string{"destroyed-path-Wn7c", "destroyed-value-Lk2v", "destroyed-live-Rz9p"}

// TestDestroyedStaysDestroyed removes or resets a site and then puts a copy of the data file from before beside the vault of after: nothing
// of the site's data can be read from it, whatever is tried, and the vault has no trace of the key. The same copy beside the vault of
// before tells everything, so it is the key that is missing.
func TestDestroyedStaysDestroyed(t *testing.T) {
	zone, _ := noon()
	for name, destroy := range map[string][]string{"remove": {"site", "remove", "gone.example", "--yes"}, "reset": {"site", "reset", "gone.example", "--yes"}} {
		for _, running := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, server running: %v", name, running), func(t *testing.T) {
				dir := t.TempDir()
				var lines strings.Builder
				for n := range 40 {
					fmt.Fprintf(&lines, `{"time":"2026-02-0%dT10:00:00Z","name":"pageview","visitor":"v%d","pathname":"/%s/%d","props":{"mark":%q}}`+"\n", 1+n%3, n, destroyedTexts[0], n, destroyedTexts[1])
				}
				for _, site := range []string{"gone.example", "stays.example"} {
					mustFootfall(t, nil, "site", "add", site, "--timezone", zone, "--data", dir)
				}
				mustFootfall(t, strings.NewReader(lines.String()), "import", "--site", "gone.example", "--format", "ndjson", "-", "--data", dir)
				mustFootfall(t, strings.NewReader(`{"time":"2026-02-01T10:00:00Z","name":"pageview","pathname":"/stays"}`), "import", "--site", "stays.example", "--format", "ndjson", "-", "--data", dir)
				s := start(t, "serve", dir)
				body := fmt.Sprintf(`{"n":"pageview","u":"https://gone.example/%s","d":"gone.example"}`, destroyedTexts[2])
				if status, err := postEvent(oneConnection(), s.URL, "203.0.113.5", browsers[0], body); err != nil || status != 202 {
					t.Fatalf("event: %d, %v", status, err)
				}
				s.Kill() // its event is in the journal of the open day
				before := destroyedCopy(t, dir)
				if running {
					s = start(t, "serve", dir)
				}
				mustFootfall(t, nil, append(destroy, "--data", dir)...)
				if running && s.Stop() != 0 {
					t.Errorf("the server said\n%s", s.Log())
				}
				after := destroyedCopy(t, dir)
				noKeyLeft(t, before["footfall.vault"], after["footfall.vault"])

				if kept := destroyedTry(t, before["footfall.db"], before["footfall.vault"], before["footfall.key"]); len(kept) != len(destroyedTexts) {
					t.Errorf("the copy beside the vault of its time tells only %q", kept)
				}
				if told := destroyedTry(t, before["footfall.db"], after["footfall.vault"], before["footfall.key"]); len(told) > 0 {
					t.Errorf("the copy beside the vault of now tells %q", told)
				}
				if told := destroyedTry(t, after["footfall.db"], after["footfall.vault"], before["footfall.key"]); len(told) > 0 {
					t.Errorf("the store of now tells %q", told)
				}
				if out := mustFootfall(t, nil, "export", "--site", "stays.example", "--format", "ndjson", "--data", dir); !strings.Contains(out, "/stays") {
					t.Errorf("the other site's export is %q", out)
				}
				mustFootfall(t, nil, "check", "--data", dir)
			})
		}
	}
}

func destroyedCopy(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	for _, name := range []string{"footfall.db", "footfall.vault", "footfall.key"} {
		content, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		all[name] = content
	}
	return all
}

// destroyedTry lays out a data directory, asks it everything, serves it, and returns which of the texts were told or are in its files.
func destroyedTry(t *testing.T, data, vault, key []byte) (told []string) {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string][]byte{"footfall.db": data, "footfall.vault": vault, "footfall.key": key} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var all bytes.Buffer
	for _, args := range [][]string{
		{"export", "--site", "gone.example", "--format", "ndjson"}, {"export", "--site", "stays.example", "--format", "ndjson"}, {"check"}, {"check", "--json"},
		{"inspect", "--columns"}, {"site", "list"}, {"audit", "--json"},
	} {
		out, remarks, _ := footfall(t, nil, append(args, "--data", dir)...)
		all.WriteString(out + remarks)
	}
	question := `{"metrics":["events"],"date_range":"all","dimensions":["event:page","event:props:mark"]}`
	out, remarks, _ := footfall(t, strings.NewReader(question), "query", "--site", "gone.example", "-", "--data", dir)
	all.WriteString(out + remarks)
	if s, err := launch(environment(), "serve", dir); err == nil {
		s.Stop()
		all.WriteString(s.Log())
	} else {
		all.WriteString(err.Error())
	}
	for _, content := range files(t, dir) {
		all.Write(content)
	}
	for _, text := range destroyedTexts {
		n := &needles{}
		n.text(text)
		if len(n.find(all.Bytes())) > 0 {
			told = append(told, text)
		}
	}
	return told
}

// noKeyLeft fails if a page of the vault was overwritten and some of what it held is still anywhere in the vault.
func noKeyLeft(t *testing.T, before, after []byte) {
	t.Helper()
	const page, head, nonce, sealedKey = 4096, 8, 25, 36
	overwritten := 0
	for at := 2 * page; at+page <= len(before); at += page { // the two headers come first
		was := before[at : at+page]
		if bytes.Equal(was, after[at:at+page]) {
			continue
		}
		overwritten++
		for from := head; from < head+nonce+sealedKey; from++ {
			if bytes.Contains(after, was[from:from+16]) {
				t.Errorf("bytes %d to %d of what page %d of the vault held are still there", from, from+16, at/page)
				break
			}
		}
	}
	if overwritten == 0 {
		t.Error("no page of the vault was overwritten")
	}
}
