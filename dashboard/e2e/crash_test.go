package e2e_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

const (
	crashSite     = "example.org"
	crashVisitors = 40
	crashSenders  = 32
)

// ledger knows of every event whether it was sent and whether it was acknowledged. Events are numbers from 0; each is sent
// once, whatever becomes of it.
type ledger struct {
	sent, acked []atomic.Bool
	next        atomic.Int64
	odd         atomic.Pointer[string] // an answer that should not have been
}

func newLedger(events int) *ledger {
	return &ledger{sent: make([]atomic.Bool, events), acked: make([]atomic.Bool, events)}
}

// What the event of a number is made of.
func eventName(n int) string {
	if n%5 == 4 {
		return "signup"
	}
	return "pageview"
}

func eventPath(n int) string { return "/e/" + strconv.Itoa(n) }

func eventBody(n int) string {
	return fmt.Sprintf(`{"n":%q,"u":"https://%s%s","d":%q,"p":{"seq":"%d"}}`, eventName(n), crashSite, eventPath(n), crashSite, n)
}

func eventAddress(n int) string { return fmt.Sprintf("198.51.100.%d", n%crashVisitors) }

func eventAgent(n int) string { return browsers[n%crashVisitors%len(browsers)] }

// flood sends events over many connections until there are none or the server is gone. before is called with each number
// before it is sent.
func (l *ledger) flood(url string, before func(n int)) {
	var senders sync.WaitGroup
	for range crashSenders {
		senders.Go(func() {
			client := oneConnection()
			defer client.CloseIdleConnections()
			for {
				n := int(l.next.Add(1)) - 1
				if n >= len(l.sent) {
					return
				}
				before(n)
				l.sent[n].Store(true)
				status, err := postEvent(client, url, eventAddress(n), eventAgent(n), eventBody(n))
				switch {
				case err != nil:
					return
				case status == http.StatusAccepted:
					l.acked[n].Store(true)
				default:
					answer := fmt.Sprintf("event %d was answered %d", n, status)
					l.odd.Store(&answer)
				}
			}
		})
	}
	senders.Wait()
}

// count returns how many events were sent and acknowledged.
func (l *ledger) count() (sent, acked int) {
	for n := range l.sent {
		if l.sent[n].Load() {
			sent++
		}
		if l.acked[n].Load() {
			acked++
		}
	}
	return sent, acked
}

// recount holds an export against the ledger, and returns which events are there.
func (l *ledger) recount(t *testing.T, events []exported) map[int]bool {
	t.Helper()
	there := map[int]bool{}
	visitors, back := map[string]int{}, map[int]string{}
	for _, e := range events {
		n, err := strconv.Atoi(e.Props["seq"])
		if err != nil || n < 0 || n >= len(l.sent) || !l.sent[n].Load() {
			t.Fatalf("an event was never sent: %+v", e)
		}
		if there[n] {
			t.Errorf("event %d is there twice", n)
		}
		there[n] = true
		if e.Pathname != eventPath(n) || e.Name != eventName(n) || e.Hostname != crashSite || e.Browser == "" || e.OS == "" {
			t.Errorf("event %d is not what was sent: %+v", n, e)
		}
		v := n % crashVisitors
		if old, known := visitors[e.Visitor]; known && old != v || back[v] != "" && back[v] != e.Visitor {
			t.Errorf("event %d: visitors are mixed up: %s was %d, is %d", n, e.Visitor, old, v)
		}
		visitors[e.Visitor], back[v] = v, e.Visitor
	}
	for n := range l.acked {
		if l.acked[n].Load() && !there[n] {
			t.Errorf("event %d was acknowledged and is gone", n)
		}
	}
	if odd := l.odd.Load(); odd != nil {
		t.Error(*odd)
	}
	return there
}

// agree holds the answers of the Stats API against the events of an export.
func agree(t *testing.T, url, token, date string, there map[int]bool) {
	t.Helper()
	var events, pageviews float64
	visitors := map[int]bool{}
	for n := range there {
		events++
		if eventName(n) == "pageview" {
			pageviews++
		}
		visitors[n%crashVisitors] = true
	}
	people := float64(len(visitors))
	query := func(metrics, rest string) []row {
		return ask(t, url, token, fmt.Sprintf(`{"site_id":%q,"date_range":[%q,%q],"metrics":%s%s}`, crashSite, date, date, metrics, rest))
	}
	got := query(`["visitors","visits","pageviews","events"]`, "")[0].Metrics
	// The zone's day is long enough and visits have no gap of 30 minutes: each visitor has one visit.
	if want := []float64{people, people, pageviews, events}; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("totals are %v, the export says %v", got, want)
	}
	for dimension, word := range map[string]func(int) string{"event:page": eventPath, "event:props:seq": strconv.Itoa} {
		rows := query(`["events"]`, fmt.Sprintf(`,"dimensions":[%q],"pagination":{"limit":10000}`, dimension))
		counts := map[string]float64{}
		for _, r := range rows {
			counts[r.Dimensions[0]] += r.Metrics[0]
		}
		if len(counts) != len(there) {
			t.Errorf("%s has %d values, the export has %d", dimension, len(counts), len(there))
		}
		for n := range there {
			if counts[word(n)] != 1 {
				t.Errorf("%s %s has %v events, want 1", dimension, word(n), counts[word(n)])
			}
		}
	}
}

// crashStore makes a data directory with the site that events are sent to.
func crashStore(t *testing.T) (dir, token, date string) {
	t.Helper()
	zone, date := noon()
	dir = t.TempDir()
	mustFootfall(t, nil, "site", "add", crashSite, "--timezone", zone, "--data", dir)
	return dir, addToken(t, dir, "recount"), date
}

func mustCheck(t *testing.T, dir string) {
	t.Helper()
	if out := mustFootfall(t, nil, "check", "--data", dir); out != "ok\n" {
		t.Errorf("check says %q", out)
	}
}

// TestKill sends 10,000 events and kills the server again and again while they come. What was acknowledged is counted
// once, nothing is counted twice.
func TestKill(t *testing.T) {
	const events, rounds = 10_000, 20
	dir, token, date := crashStore(t)
	l := newLedger(events)
	for round := range rounds {
		if round%3 == 2 {
			killStarting(t, dir)
		}
		s := start(t, "serve", dir, "--quiet")
		at := round*(events/rounds) + 50 + rand.IntN(events/rounds-100)
		pause := time.Duration(rand.IntN(3000)) * time.Microsecond
		l.flood(s.URL, func(n int) {
			if n == at {
				time.AfterFunc(pause, s.Kill)
			}
		})
		s.Kill()
		if strings.Contains(s.Log(), "panic") || strings.Contains(s.Log(), "level=ERROR") {
			t.Errorf("round %d: the server said:\n%s", round, s.Log())
		}
	}
	// The last events meet a server that is not killed, but it is not stopped either before they are counted.
	s := start(t, "serve", dir, "--quiet")
	l.flood(s.URL, func(int) {})
	there := l.recount(t, exportOf(t, dir, crashSite))
	agree(t, s.URL, token, date, there)
	mustCheck(t, dir)
	s.Kill()

	mustCheck(t, dir)
	if idle := l.recount(t, exportOf(t, dir, crashSite)); len(idle) != len(there) {
		t.Errorf("%d events in the server, %d after it was killed", len(there), len(idle))
	}
	sent, acked := l.count()
	t.Logf("%d events sent, %d acknowledged, %d there, %d kills", sent, acked, len(there), rounds+1)
	if sent != events || acked < events*9/10 {
		t.Errorf("%d of %d events were sent and %d acknowledged: the test tests little", sent, events, acked)
	}
}

// killStarting kills a server in the midst of its start.
func killStarting(t *testing.T, dir string) {
	t.Helper()
	cmd := exec.Command(binary, "serve", "--data", dir, "--listen", "127.0.0.1:0", "--quiet")
	cmd.Env = environment()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Duration(rand.IntN(40)) * time.Millisecond) // the random point, not a wait for something
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
}

// TestStopUnderLoad asks the server to stop while events come: it answers those it has begun to read, ends well, and
// has lost nothing.
func TestStopUnderLoad(t *testing.T) {
	const events = 3000
	dir, token, date := crashStore(t)
	l := newLedger(events)
	for range 3 {
		s := start(t, "serve", dir, "--quiet")
		last := int(l.next.Load())
		stopped := make(chan int, 1)
		l.flood(s.URL, func(n int) {
			if n == last+500 {
				go func() { stopped <- s.Stop() }()
			}
		})
		if code := <-stopped; code != 0 {
			t.Errorf("SIGTERM under load: exit code %d\n%s", code, s.Log())
		}
		if strings.Contains(s.Log(), "level=ERROR") {
			t.Errorf("the server said:\n%s", s.Log())
		}
	}
	there := l.recount(t, exportOf(t, dir, crashSite))
	mustCheck(t, dir)
	s := start(t, "serve", dir, "--quiet")
	agree(t, s.URL, token, date, there)
	sent, acked := l.count()
	t.Logf("%d events sent, %d acknowledged, %d there", sent, acked, len(there))
}

// TestStopAnswersWhatItBegan holds a request open over SIGTERM: the event in it is still taken, acknowledged and kept.
func TestStopAnswersWhatItBegan(t *testing.T) {
	dir, _, _ := crashStore(t)
	s := start(t, "serve", dir, "--quiet")
	address := strings.TrimPrefix(s.URL, "http://")
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(startTime))
	body := eventBody(0)
	fmt.Fprintf(conn, "POST /api/event HTTP/1.1\r\nHost: x\r\nUser-Agent: %s\r\nX-Forwarded-For: %s\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n",
		eventAgent(0), eventAddress(0), len(body))
	r := bufio.NewReader(conn)
	if line, err := r.ReadString('\n'); err != nil || !strings.Contains(line, "100") {
		t.Fatalf("the server said %q, %v instead of asking for the body", line, err)
	}
	_, _ = r.ReadString('\n')
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(startTime); ; time.Sleep(5 * time.Millisecond) {
		probe, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", address)
		if errors.Is(err, syscall.ECONNREFUSED) {
			break
		}
		if err == nil {
			probe.Close()
		}
		if time.Now().After(deadline) {
			t.Fatal("the server goes on listening after SIGTERM")
		}
	}
	_, _ = io.WriteString(conn, body)
	res, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatalf("no answer: %v\n%s", err, s.Log())
	}
	if res.StatusCode != http.StatusAccepted {
		t.Errorf("the event was answered %s", res.Status)
	}
	select { // Stop would send a second signal, which ends the process at once
	case <-s.done:
	case <-time.After(stopTime):
		t.Fatal("the server does not end")
	}
	if code := s.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit code %d\n%s", code, s.Log())
	}
	if n := len(exportOf(t, dir, crashSite)); n != 1 {
		t.Errorf("%d events are there, want 1", n)
	}
}

// TestKillImport kills imports at random points, in a process of their own and with the server they run in. Each import is there as a whole or
// not at all.
func TestKillImport(t *testing.T) {
	const rounds, days, events = 14, 4, 2000
	dir, _, _ := crashStore(t)
	var lines strings.Builder
	for n := range events {
		fmt.Fprintf(&lines, `{"time":"2026-03-0%dT%02d:00:%02dZ","name":"pageview","visitor":"v%d","pathname":"/i/%d","props":{"seq":"%d"}}`+"\n",
			1+n%days, n%12, n%60, n%300, n, n)
	}
	args := []string{"import", "--site", crashSite, "--format", "ndjson", "-", "--data", dir}
	whole, done := 0, 0
	for round := range rounds {
		var victim *os.Process
		if round%2 == 1 {
			s := start(t, "serve", dir, "--quiet")
			victim = s.cmd.Process
		}
		cmd := exec.Command(binary, args...)
		cmd.Env, cmd.Stdin = environment(), strings.NewReader(lines.String())
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if victim == nil {
			victim = cmd.Process
		}
		kill := time.AfterFunc(time.Duration(rand.IntN(100))*time.Millisecond, func() { _ = victim.Kill() })
		if err := cmd.Wait(); err == nil {
			done++ // it said that all is in
		}
		kill.Stop()
		_ = victim.Kill()
		if round%2 == 1 {
			awaitUnlocked(t, dir)
		}
		seen := map[string]int{}
		for _, e := range exportOf(t, dir, crashSite) {
			seen[e.Pathname]++
		}
		times := seen[eventPathImported(0)]
		for n := range events {
			if got := seen[eventPathImported(n)]; got != times {
				t.Fatalf("round %d: event %d is there %d times, event 0 %d times", round, n, got, times)
			}
		}
		if times < done || times > round+1 {
			t.Errorf("round %d: %d imports are there, %d have ended", round, times, done)
		}
		whole = times
	}
	mustCheck(t, dir)
	t.Logf("%d of %d imports are there, %d ended before they were killed", whole, rounds, done)
}

func eventPathImported(n int) string { return "/i/" + strconv.Itoa(n) }

// awaitUnlocked waits until a killed process has let go of the data directory.
func awaitUnlocked(t *testing.T, dir string) {
	t.Helper()
	for deadline := time.Now().Add(stopTime); time.Now().Before(deadline); {
		if _, _, code := footfall(t, nil, "site", "list", "--data", dir); code == 0 {
			return
		}
	}
	t.Fatal("the data directory stays locked")
}
