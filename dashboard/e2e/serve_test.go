package e2e_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// send posts one pageview and reports whether it was acknowledged.
func send(url, domain, path, userAgent string) bool {
	body := fmt.Sprintf(`{"n":"pageview","d":%q,"u":"https://%s%s"}`, domain, domain, path)
	status, header, err := offerEvent(http.DefaultClient, url, "", userAgent, body)
	return err == nil && status == http.StatusAccepted && header.Get("X-Plausible-Dropped") == ""
}

const firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"

// pageviews asks the idle or running store for all pageviews of a site.
func pageviews(t *testing.T, dir, domain string) string {
	t.Helper()
	return mustFootfall(t, strings.NewReader(`{"metrics":["pageviews"],"date_range":"all"}`), "query", "--data", dir, "--site", domain, "-")
}

func TestStopLosesNothing(t *testing.T) {
	dir := t.TempDir()
	mustFootfall(t, nil, "site", "add", "example.org", "--data", dir)
	s := start(t, "serve", dir)
	var acknowledged atomic.Int64
	var senders sync.WaitGroup
	for range 8 {
		senders.Go(func() {
			for send(s.URL, "example.org", "/", firefox) {
				acknowledged.Add(1)
			}
		})
	}
	for acknowledged.Load() < 200 {
		select {
		case <-s.done:
			t.Fatalf("the server ended:\n%s", s.Log())
		case <-time.After(time.Millisecond):
		}
	}
	if code := s.Stop(); code != 0 {
		t.Errorf("exit code %d\n%s", code, s.Log())
	}
	senders.Wait()
	// A request may have been counted whose answer was cut off; none whose answer came may be missing.
	var counted int64
	answer := pageviews(t, dir, "example.org")
	if _, err := fmt.Sscanf(answer, `{"results":[{"metrics":[%d]`, &counted); err != nil || counted < acknowledged.Load() || counted > acknowledged.Load()+8 {
		t.Errorf("%d acknowledged, the store says %s (%v)", acknowledged.Load(), answer, err)
	}
}

func TestSecondSignalEndsAtOnce(t *testing.T) {
	s := start(t, "serve", t.TempDir())
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	// A request that never ends keeps the server draining. It asks for the body: the handler runs.
	fmt.Fprintf(conn, "POST /api/event HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 100\r\n\r\n")
	if _, err := conn.Read(make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for { // until the listener is closed
		probe, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
		if err != nil {
			break
		}
		probe.Close()
	}
	// The process takes the second signal for what it is a moment after the first has closed the listener.
	for ended := false; !ended; {
		_ = s.cmd.Process.Signal(syscall.SIGTERM) // fails only where it has ended
		select {
		case <-s.done:
			ended = true
		case <-time.After(10 * time.Millisecond):
		}
	}
	if status := s.cmd.ProcessState.Sys().(syscall.WaitStatus); !status.Signaled() {
		t.Errorf("the process ended with %v, not by the signal", s.cmd.ProcessState)
	}
}

func TestDemo(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "demo")
	s := start(t, "demo", dir)
	get := func(path string) string {
		res, err := http.Get(s.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != http.StatusOK {
			t.Errorf("GET %s: %d %v", path, res.StatusCode, err)
		}
		return string(body)
	}
	if state := get("/api/app/state"); !strings.Contains(state, `"demo":true`) || !strings.Contains(state, `"setup":false`) || !strings.Contains(state, "demo.example") {
		t.Errorf("state %s", state)
	}
	status := get("/api/app/sites/demo.example/status")
	var events int
	if _, err := fmt.Sscanf(status, `{"events":%d`, &events); err != nil || events < 300_000 || events > 1_000_000 {
		t.Errorf("status %s", status)
	}
	// On its own machine a demo may be tried out with a site of one's own.
	if got := addSite(t, s.URL); got != http.StatusCreated {
		t.Errorf("adding a site to a demo on loopback: status %d", got)
	}
	if !strings.Contains(s.Log(), "demo") || strings.Contains(s.Log(), "Recovery key") {
		t.Errorf("the demo said:\n%s", s.Log())
	}
	if code := s.Stop(); code != 0 {
		t.Errorf("exit code %d\n%s", code, s.Log())
	}
	// The second start finds its year, and strangers change nothing where others come by.
	public := start(t, "demo", dir, "--base-url", "https://demo.example")
	if got := addSite(t, public.URL); got < 400 {
		t.Errorf("a public demo let a stranger add a site: status %d", got)
	}
	if _, err := os.Stat(filepath.Join(dir, "footfall.demo")); err != nil {
		t.Error(err)
	}
}

func addSite(t *testing.T, url string) (status int) {
	t.Helper()
	res, err := http.Post(url+"/api/app/sites", "application/json", strings.NewReader(`{"domain":"new.example","timezone":"UTC"}`))
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	return res.StatusCode
}

func TestMetricsAreApart(t *testing.T) {
	s := start(t, "serve", t.TempDir(), "--metrics-listen", "127.0.0.1:0")
	_, after, ok := strings.Cut(s.Log(), "metrics ")
	if !ok {
		t.Fatalf("no metrics address:\n%s", s.Log())
	}
	for url, want := range map[string]bool{strings.Fields(after)[0]: true, s.URL + "/metrics": false} {
		res, err := http.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		if got := strings.Contains(string(body), "footfall_events_accepted_total"); err != nil || got != want {
			t.Errorf("%s shows metrics: %v (%v), want %v", url, got, err, want)
		}
	}
}
