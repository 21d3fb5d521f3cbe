package e2e_test

import (
	"bytes"
	encoding "encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// siege is a store that is killed again and again while all that changes a store is under way, and what is known of it.
type siege struct {
	t          *testing.T
	dir, token string
	zones      string // directory of made-up time zones
	rng        *rand.Rand

	mu      sync.Mutex // guards all below
	events  []siegeEvent
	imports map[string]bool       // acknowledged
	sites   map[string]*siegeSite // besides crashSite
}

// siegeEvent is an event by its number.
type siegeEvent struct {
	site  string
	acked bool
	gone  fateOf
}

type siegeSite struct {
	offset int // of its zone, seconds east of Greenwich
	added  bool
	gone   fateOf
}

// fateOf says whether something was destroyed.
type fateOf int

const (
	stays fateOf = iota
	mayGo        // its destruction has begun
	gone         // it was said to be destroyed
)

// midnightZone makes a time zone whose next midnight comes after a while, and returns its name and offset.
func (s *siege) midnightZone(number int, after time.Duration) (name string, offset int) {
	const day = 24 * 60 * 60
	now := time.Now().Add(after).UTC()
	offset = day - (now.Hour()*60+now.Minute())*60 - now.Second()
	if offset > day/2 {
		offset -= day
	}
	name = fmt.Sprintf("Test/Zone%d", number)
	// RFC 8536, version 1: one type of local time and no transitions.
	var b bytes.Buffer
	b.WriteString("TZif")
	b.Write(make([]byte, 16))
	for _, n := range []int32{0, 0, 0, 0, 1, 4, int32(offset)} {
		_ = encoding.Write(&b, encoding.BigEndian, n)
	}
	b.WriteString("\x00\x00TST\x00")
	if err := os.MkdirAll(filepath.Join(s.zones, "Test"), 0o700); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.zones, name), b.Bytes(), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return name, offset
}

// send sends events to one of the sites, some hundred in a second, until the server is gone.
func (s *siege) send(url string, sites []string) {
	client := oneConnection()
	defer client.CloseIdleConnections()
	for {
		s.mu.Lock()
		pause := time.Duration(s.rng.IntN(40)) * time.Millisecond
		s.mu.Unlock()
		time.Sleep(pause)
		s.mu.Lock()
		site := sites[s.rng.IntN(len(sites))]
		n := len(s.events)
		s.events = append(s.events, siegeEvent{site: site})
		s.mu.Unlock()
		body := fmt.Sprintf(`{"n":%q,"u":"https://%s%s","d":%q,"p":{"seq":"%d"}}`, eventName(n), site, eventPath(n), site, n)
		status, header, err := offerEvent(client, url, eventAddress(n), eventAgent(n), body)
		if err != nil {
			return
		}
		s.mu.Lock()
		switch {
		case status == http.StatusAccepted:
			// An event for a site that is being removed is dropped with 202: nobody asks who is counted here.
			s.events[n].acked = s.sites[site] == nil || s.sites[site].gone == stays && s.sites[site].added
		case status != http.StatusServiceUnavailable || header.Get("Retry-After") == "":
			s.t.Errorf("event %d was answered %d, Retry-After %q", n, status, header.Get("Retry-After"))
		}
		s.mu.Unlock()
	}
}

// verb runs a verb in the running server and returns whether it said that all is done. The server may be killed meanwhile.
func (s *siege) verb(stdin string, args ...string) bool {
	cmd := exec.Command(binary, append(args, "--data", s.dir)...)
	cmd.Env, cmd.Stdin = environment(), strings.NewReader(stdin)
	return cmd.Run() == nil
}

// destroy marks what a verb destroys, runs it and marks that it has.
func (s *siege) destroy(doomed func(n int, e *siegeEvent) bool, site string, args ...string) {
	s.mu.Lock()
	var begun []int // acknowledged before: of others the order is not known
	for n := range s.events {
		if e := &s.events[n]; doomed(n, e) && e.gone == stays {
			e.gone = mayGo
			if e.acked {
				begun = append(begun, n)
			}
		}
	}
	if site != "" {
		s.sites[site].gone = mayGo
	}
	s.mu.Unlock()
	if !s.verb("", args...) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range begun {
		s.events[n].gone = gone
	}
	if site != "" {
		s.sites[site].gone = gone
	}
}

// round starts the server, has everything happen at once, around a midnight, and kills it at a random moment.
func (s *siege) round(number int) {
	midnight := time.Duration(300+s.rng.IntN(2500)) * time.Millisecond
	zone, offset := s.midnightZone(number, midnight)
	mine, before := fmt.Sprintf("m%d.example", number), fmt.Sprintf("m%d.example", number-1)
	pick, length := s.rng.IntN(3), time.Duration(200+s.rng.IntN(3000))*time.Millisecond
	server, err := launch(environment(), "serve", s.dir, "--quiet")
	if err != nil {
		s.t.Fatal(err)
	}
	defer server.Kill()
	s.mu.Lock()
	s.sites[mine] = &siegeSite{offset: offset}
	s.mu.Unlock()
	if s.verb("", "site", "add", mine, "--timezone", zone) {
		s.mu.Lock()
		s.sites[mine].added = true
		s.mu.Unlock()
	}
	var work sync.WaitGroup
	for range 6 {
		work.Go(func() { s.send(server.URL, []string{crashSite, mine, mine}) })
	}
	work.Go(func() {
		name := fmt.Sprintf("i%d", number)
		acked := s.verb(importLines(name, faultImported), "import", "--site", crashSite, "--format", "ndjson", "-")
		s.mu.Lock()
		s.imports[name] = acked
		s.mu.Unlock()
		s.deleteSome()
		s.verb("", "compact")
	})
	work.Go(func() {
		s.mu.Lock()
		old := s.sites[before]
		s.mu.Unlock()
		if old == nil || !old.added {
			return
		}
		switch of := func(_ int, e *siegeEvent) bool { return e.site == before }; pick {
		case 0:
			s.destroy(of, before, "site", "remove", before, "--yes")
		case 1:
			s.destroy(of, "", "site", "reset", before, "--yes")
		}
	})
	time.AfterFunc(length, server.Kill)
	<-server.done
	work.Wait()
	if strings.Contains(server.Log(), "goroutine ") || strings.Contains(server.Log(), "level=ERROR") {
		s.t.Errorf("round %d: the server said:\n%s", number, server.Log())
	}
}

// deleteSome deletes a few events by their page.
func (s *siege) deleteSome() {
	doomed, pages := map[int]bool{}, []string{}
	s.mu.Lock()
	for range 10 {
		if len(s.events) > 0 {
			n := s.rng.IntN(len(s.events))
			if e := s.events[n]; e.site == crashSite && e.acked && !doomed[n] {
				doomed[n] = true
				pages = append(pages, eventPath(n))
			}
		}
	}
	s.mu.Unlock()
	if len(pages) == 0 {
		return
	}
	filter, _ := json.Marshal([]any{"is", "event:page", pages})
	s.destroy(func(n int, _ *siegeEvent) bool { return doomed[n] }, "", "delete", "--site", crashSite, "--filter", string(filter), "--yes")
}

// recount exports all sites and holds them against what is known.
func (s *siege) recount() {
	s.t.Helper()
	mustCheck(s.t, s.dir)
	s.mu.Lock()
	defer s.mu.Unlock()
	there := map[int]bool{}
	imported := map[string]int{}
	list := mustFootfall(s.t, nil, "site", "list", "--data", s.dir, "--json")
	zone := s.sites[crashSite]
	for name, site := range s.sites {
		listed := strings.Contains(list, strconv.Quote(name))
		if site.gone == gone && listed || site.gone == stays && site.added && !listed {
			s.t.Errorf("site %s: added %v, removed %v, listed %v", name, site.added, site.gone == gone, listed)
		}
		if listed && s.siteRecount(name, site, there, imported) == 0 && site == zone {
			s.t.Error("the export is empty")
		}
	}
	sent, acked := 0, 0
	for n, e := range s.events {
		sent++
		if e.acked {
			acked++
		}
		if e.acked && e.gone == stays && !there[n] {
			s.t.Errorf("event %d of %s was acknowledged and is gone", n, e.site)
		}
		if e.gone == gone && there[n] {
			s.t.Errorf("event %d of %s was deleted and is there", n, e.site)
		}
	}
	for name, acked := range s.imports {
		if n := imported[name]; n != faultImported && (n != 0 || acked) {
			s.t.Errorf("%d of %d events of import %s are there, acknowledged %v", n, faultImported, name, acked)
		}
	}
	s.t.Logf("%d events sent, %d acknowledged, %d there", sent, acked, len(there))
}

func (s *siege) siteRecount(name string, site *siegeSite, there map[int]bool, imported map[string]int) (events int) {
	type who struct{ date, visitor string }
	visitors, back := map[who]int{}, map[string]string{}
	seen := map[string]bool{}
	for _, e := range exportOf(s.t, s.dir, name) {
		events++
		if seen[e.Pathname] {
			s.t.Errorf("event %s of %s is there twice", e.Pathname, name)
		}
		seen[e.Pathname] = true
		n, err := strconv.Atoi(e.Props["seq"])
		if err != nil {
			group, _, _ := strings.Cut(e.Pathname[1:], "/")
			imported[group]++
			continue
		}
		if n >= len(s.events) || s.events[n].site != name || e.Pathname != eventPath(n) || e.Name != eventName(n) || e.Hostname != name {
			s.t.Fatalf("event %d of %s is not what was sent: %+v", n, name, e)
		}
		there[n] = true
		at, err := time.Parse(time.RFC3339, e.Time)
		if err != nil {
			s.t.Fatal(err)
		}
		date, v := at.UTC().Add(time.Duration(site.offset)*time.Second).Format(time.DateOnly), n%crashVisitors
		key := who{date, e.Visitor}
		if old, known := visitors[key]; known && old != v {
			s.t.Errorf("event %d of %s: visitor %s of %s was %d, is %d", n, name, e.Visitor, date, old, v)
		}
		visitors[key] = v
		person := date + " " + strconv.Itoa(v)
		if old, known := back[person]; known && old != e.Visitor {
			s.t.Errorf("event %d of %s: visitor %d of %s was %s, is %s", n, name, v, date, old, e.Visitor)
		}
		back[person] = e.Visitor
	}
	return events
}

// TestKillEverything kills the server again and again while events come, days are sealed at midnight, files are imported, events are deleted and sites
// removed and reset. Nothing acknowledged is lost, nothing is there twice or in part, nobody becomes another visitor.
func TestKillEverything(t *testing.T) {
	rounds := 6
	if os.Getenv("SOAK") != "" {
		rounds = 200
	}
	s := &siege{t: t, zones: t.TempDir(), rng: rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 0)), imports: map[string]bool{}}
	t.Setenv("ZONEINFO", s.zones)
	zone, _ := noon()
	location, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	_, offset := time.Now().In(location).Zone()
	s.sites = map[string]*siegeSite{crashSite: {offset: offset, added: true}}
	s.dir, s.token, _ = crashStore(t)
	for number := range rounds {
		if number%3 == 2 {
			killStarting(t, s.dir)
		}
		s.round(number)
		if t.Failed() {
			t.Fatalf("in round %d", number)
		}
		if number%10 == 9 {
			s.recount()
		}
	}
	server := start(t, "serve", s.dir, "--quiet") // which seals all that is over
	s.recount()
	if code := server.Stop(); code != 0 {
		t.Errorf("exit code %d\n%s", code, server.Log())
	}
	s.recount()
}
