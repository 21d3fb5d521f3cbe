package agent_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// least is the share of uap-core's cases, in per cent, whose family we must name as it does.
const least = 97

// robotic finds the families that must be known as bots, whatever their name.
var robotic = regexp.MustCompile(`(?i)bot\b|_bot|crawl|spider`)

const isBot = "(bot)"

// rows reads a table of testdata/uap-core. Lines that begin with "#" say what is in it.
func rows(t *testing.T, name string, columns int) [][]string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "uap-core", name))
	if err != nil {
		t.Fatal(err)
	}
	var out [][]string
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSuffix(line, "\n")
		if strings.HasPrefix(line, "#") {
			continue
		}
		row := strings.SplitN(line, "\t", columns)
		if len(row) != columns {
			t.Fatalf("%s: %q: want %d columns", name, line, columns)
		}
		out = append(out, row)
	}
	return out
}

// The cases that the project uap-core tests itself with: what it calls a browser or a system we call so too, in our words.
// Where we do not, testdata/uap-core/disagreements.tsv says why, and nothing else disagrees.
func TestTruth(t *testing.T) {
	words := map[string][]string{} // kind and family -> our names
	for _, row := range rows(t, "vocabulary.tsv", 3) {
		for _, family := range strings.Split(row[2], ", ") {
			words[row[0]+" "+family] = append(words[row[0]+" "+family], row[1])
		}
	}
	type wrong struct{ kind, header string }
	listed := map[wrong]string{}
	for _, row := range rows(t, "disagreements.tsv", 4) {
		listed[wrong{row[0], row[3]}] = row[1]
	}
	p := mustParser(t)
	for kind, file := range map[string]string{"browser": "browsers.tsv", "system": "systems.tsv"} {
		right, all, bots, foreign := 0, 0, 0, 0
		for _, row := range rows(t, file, 2) {
			family, header := row[0], row[1]
			a := p.Parse(header)
			got := a.Browser
			if kind == "system" {
				got = a.OS
			}
			if a.Bot != "" {
				got = isBot
			}
			want := words[kind+" "+family]
			switch {
			case want == nil && kind == "browser" && robotic.MatchString(family):
				bots++
				want = []string{isBot}
			case want == nil, kind == "system" && got == isBot:
				foreign++
				continue
			}
			all++
			if slices.Contains(want, got) {
				right++
				continue
			}
			because, ok := listed[wrong{kind, header}]
			if !ok || because != got {
				t.Errorf("%s %q: got %q, want %q: %s", kind, family, got, want, header)
			}
			delete(listed, wrong{kind, header})
		}
		t.Logf("%s: %d of %d right (%.2f %%), of them %d bots; %d not in our vocabulary", kind, right, all, 100*float64(right)/float64(all), bots, foreign)
		if 100*right < least*all {
			t.Errorf("%s: %d of %d right, want %d %%", kind, right, all, least)
		}
	}
	for w := range listed {
		t.Errorf("disagreements.tsv: %s is agreed upon, or no case: %s", w.kind, w.header)
	}
}
