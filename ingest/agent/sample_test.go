package agent_test

import (
	"encoding/json"
	"os"
	"testing"

	"footfall/ingest/agent"
)

// packaged reads a file of an npm package that only tests need.
func packaged(t testing.TB, name string, v any) {
	t.Helper()
	b, err := os.ReadFile("../../assets/node_modules/" + name)
	if err != nil {
		t.Fatalf("run make assets: %v", err)
	}
	if err := json.Unmarshal(b, v); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

type person struct {
	UserAgent      string
	DeviceCategory string
}

// The package user-agents holds headers of real visits, weighted by how often they come. Nobody of them may be lost.
func TestPeopleAreNoBots(t *testing.T) {
	var people []person
	packaged(t, "user-agents/dist/user-agents.json", &people)
	if len(people) < 5000 {
		t.Fatalf("%d people", len(people))
	}
	p := mustParser(t)
	named, placed := 0, 0
	for _, who := range people {
		a := p.Parse(who.UserAgent)
		if a.Bot != "" {
			t.Errorf("a person is a bot (%s): %s", a.Bot, who.UserAgent)
		}
		if a.Browser != "" && a.OS != "" {
			named++
		}
		want := map[string]string{"desktop": agent.Desktop, "mobile": agent.Mobile, "tablet": agent.Tablet}[who.DeviceCategory]
		if a.Device == want {
			placed++
		}
	}
	t.Logf("%d people: %.2f %% with browser and system, %.2f %% with the device that the sample says", len(people),
		100*float64(named)/float64(len(people)), 100*float64(placed)/float64(len(people)))
	if 1000*named < 995*len(people) {
		t.Errorf("%d of %d have a browser and a system", named, len(people))
	}
	if 100*placed < 97*len(people) {
		t.Errorf("%d of %d have the device that the sample says", placed, len(people))
	}
}

// The package crawler-user-agents gives examples of each crawler. HTTP libraries are among them, which we allow.
func TestCrawlersAreBots(t *testing.T) {
	var crawlers []struct {
		Pattern   string
		Instances []string
	}
	packaged(t, "crawler-user-agents/crawler-user-agents.json", &crawlers)
	p := mustParser(t)
	all, bots := 0, 0
	for _, c := range crawlers {
		for _, header := range c.Instances {
			a := p.Parse(header)
			if a.Bot == "" && a.Browser != "" && a.Device == "" {
				continue // an HTTP library
			}
			all++
			if a.Bot != "" {
				bots++
			} else {
				t.Logf("%s is taken for %s: %s", c.Pattern, a.Browser, header)
			}
		}
	}
	t.Logf("%d of %d crawlers are bots (%.2f %%)", bots, all, 100*float64(bots)/float64(all))
	if 100*bots < 99*all {
		t.Errorf("%d of %d crawlers are bots, want 99 %%", bots, all)
	}
}
