package e2e_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// sockets returns how many sockets a process has open.
func sockets(t *testing.T, pid int) (n int) {
	t.Helper()
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range list {
		if to, _ := os.Readlink(filepath.Join(dir, f.Name())); strings.HasPrefix(to, "socket:") {
			n++
		}
	}
	return n
}

// mustFree waits until a server holds no more sockets than before, or a few that clients of this test keep.
func mustFree(t *testing.T, s *server, before int) {
	t.Helper()
	n := 0
	for deadline := time.Now().Add(startTime); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if n = sockets(t, s.Pid()); n <= before+4 {
			return
		}
	}
	t.Errorf("%d sockets are open, %d were before", n, before)
}

// newcomer asks as one who has no connection yet. As a browser does, it asks again when the connection is closed without an answer, which a server that is
// flooded may do to one that a busy machine keeps from speaking.
func newcomer(method, url, body string, header http.Header) (status int, answer string, err error) {
	client := &http.Client{Timeout: stopTime, Transport: &http.Transport{DisableKeepAlives: true}}
	for range 3 {
		var req *http.Request
		if req, err = http.NewRequest(method, url, strings.NewReader(body)); err != nil {
			return 0, "", err
		}
		for name, values := range header {
			req.Header[name] = values
		}
		var res *http.Response
		if res, err = client.Do(req); err != nil {
			continue
		}
		b, err := io.ReadAll(res.Body)
		res.Body.Close()
		return res.StatusCode, string(b), err
	}
	return 0, "", err
}

// TestSlowClients lets slowhttptest hold more connections than the server has places for: heads that do not end, bodies that do not end, and answers that
// are not read. Meanwhile everyone who comes is served, and afterwards nothing is left of it.
func TestSlowClients(t *testing.T) {
	tool, err := exec.LookPath("slowhttptest")
	if err != nil {
		t.Skip("slowhttptest is not installed: install the package slowhttptest")
	}
	dir := t.TempDir()
	mustFootfall(t, nil, "site", "add", "example.org", "--data", dir)
	s := start(t, "serve", dir, "--quiet")
	before := sockets(t, s.Pid())
	var attacks sync.WaitGroup
	for _, args := range [][]string{
		{"-H", "-c", "900", "-u", s.URL + "/"},
		{"-B", "-c", "900", "-u", s.URL + "/api/event", "-s", "8192", "-x", "10"},
		{"-X", "-c", "300", "-u", s.URL + "/app/app.js", "-w", "10", "-y", "20", "-n", "5", "-z", "32", "-k", "3"},
	} {
		attacks.Go(func() {
			limit := "22" // seconds, for attacks whose connections all are to be cut before
			if args[0] == "-X" {
				limit = "10" // what is left of an answer waits in the kernel, and the connection is an idle one
			}
			out, err := exec.CommandContext(t.Context(), tool, append(args, "-r", "900", "-i", "1", "-p", "3", "-l", limit)...).CombinedOutput()
			if err != nil || args[0] != "-X" && !bytes.Contains(out, []byte("No open connections left")) {
				t.Errorf("slowhttptest %v: %v\n%s", args, err, out[max(0, len(out)-1000):])
			}
		})
	}
	ended := make(chan struct{})
	go func() {
		attacks.Wait()
		close(ended)
	}()
	served := 0
	for under := true; under; {
		for _, c := range []struct {
			method, path, body string
			want               int
		}{{"GET", "/api/health", "", 200}, {"GET", "/", "", 200}, {"POST", "/api/event", `{"n":"pageview","u":"https://example.org/","d":"example.org"}`, 202}} {
			status, answer, err := newcomer(c.method, s.URL+c.path, c.body, http.Header{"User-Agent": {browsers[0]}})
			if err != nil || status != c.want {
				t.Errorf("%s %s during the attacks: %d %s, %v", c.method, c.path, status, answer, err)
			}
			served++
		}
		select {
		case <-ended:
			under = false
		case <-time.After(50 * time.Millisecond):
		}
	}
	t.Logf("%d requests were served meanwhile", served)
	mustFree(t, s, before)
	if code := s.Stop(); code != 0 {
		t.Errorf("the server ended with code %d:\n%s", code, s.Log())
	}
}

// flood is many who send events as fast as they are answered, each on a connection of their own.
type flood struct {
	addr string
	stop atomic.Bool
	sent, acknowledged,
	refused, cut atomic.Int64
}

// run sends events until the flood is to stop. A connection that the server has closed for others is opened again.
func (f *flood) run(t *testing.T, number int) {
	var r *bufio.Reader
	var c net.Conn
	defer func() {
		if c != nil {
			c.Close()
		}
	}()
	for n := 0; !f.stop.Load(); n++ {
		if c == nil {
			var err error
			if c, err = net.Dial("tcp", f.addr); err != nil {
				t.Errorf("connect: %v", err)
				return
			}
			r = bufio.NewReader(c)
		}
		body := fmt.Sprintf(`{"n":"pageview","u":"https://example.org/%d","d":"example.org"}`, n%50)
		f.sent.Add(1)
		_, err := fmt.Fprintf(c, "POST /api/event HTTP/1.1\r\nHost: a\r\nUser-Agent: %s\r\nX-Forwarded-For: 84.%d.%d.%d\r\nContent-Length: %d\r\n\r\n%s",
			browsers[number%len(browsers)], number>>8, number&255, 1+n%200, len(body), body)
		var answer *http.Response
		if err == nil {
			answer, err = http.ReadResponse(r, nil)
		}
		if err != nil {
			f.cut.Add(1)
			c.Close()
			c = nil
			continue
		}
		_, _ = io.Copy(io.Discard, answer.Body)
		switch dropped := answer.Header.Get("X-Plausible-Dropped"); {
		case answer.StatusCode == http.StatusAccepted && dropped == "":
			f.acknowledged.Add(1)
		case answer.StatusCode == http.StatusServiceUnavailable && answer.Header.Get("Retry-After") != "":
			f.refused.Add(1)
		default:
			t.Errorf("an event was answered %s, dropped %q, Retry-After %q", answer.Status, dropped, answer.Header.Get("Retry-After"))
			return
		}
	}
}

// TestFlood has more senders than the server has places, on a machine's worth of memory, and some who hold a place and say nothing. Who looks at the numbers
// meanwhile gets them, what was acknowledged is there, and afterwards all is as before.
func TestFlood(t *testing.T) {
	const senders, silent, memoryMiB = 2_400, 300, 512
	dir := t.TempDir()
	zone, date := noon()
	mustFootfall(t, nil, "site", "add", "example.org", "--timezone", zone, "--data", dir)
	token := addToken(t, dir, "viewer")
	s := start(t, "serve", dir, "--quiet", "--memory", "192M")
	before := sockets(t, s.Pid())
	f := &flood{addr: strings.TrimPrefix(s.URL, "http://")}
	var running sync.WaitGroup
	stop := sync.OnceFunc(func() { f.stop.Store(true); running.Wait() })
	defer stop()
	for range silent {
		c, err := net.Dial("tcp", f.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	for i := range senders {
		running.Go(func() { f.run(t, i) })
	}
	query := fmt.Sprintf(`{"site_id":"example.org","date_range":[%q,%q],"metrics":["events"]}`, date, date)
	asked := 0
	for ; asked < 8 || f.acknowledged.Load() < 20_000 && !t.Failed(); asked++ {
		status, answer, err := newcomer("POST", s.URL+"/api/v2/query", query, http.Header{"Authorization": {"Bearer " + token}, "Content-Type": {"application/json"}})
		if err != nil || status != http.StatusOK {
			t.Fatalf("a query during the flood: %d %s, %v", status, answer, err)
		}
		if status, _, err := newcomer("GET", s.URL+"/", "", nil); err != nil || status != http.StatusOK {
			t.Fatalf("the dashboard during the flood: %d, %v", status, err)
		}
	}
	stop()
	t.Logf("%d sent, %d acknowledged, %d refused, %d cut off; %d queries were answered", f.sent.Load(), f.acknowledged.Load(), f.refused.Load(), f.cut.Load(), asked)
	if rows := ask(t, s.URL, token, query); len(rows) != 1 || rows[0].Metrics[0] < float64(f.acknowledged.Load()) || rows[0].Metrics[0] > float64(f.sent.Load()) {
		t.Errorf("%v events are there, %d were acknowledged of %d", rows, f.acknowledged.Load(), f.sent.Load())
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.Pid()))
	if err != nil {
		t.Fatal(err)
	}
	peak := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(status)
	if kib, _ := strconv.Atoi(string(peak[1])); kib == 0 || kib > memoryMiB<<10 {
		t.Errorf("the server took %d KiB", kib)
	} else {
		t.Logf("the server took %d MiB at most", kib>>10)
	}
	if status, err := postEvent(oneConnection(), s.URL, "84.99.1.1", browsers[0], `{"n":"pageview","u":"https://example.org/","d":"example.org"}`); err != nil || status != http.StatusAccepted {
		t.Errorf("after the flood an event is answered %d, %v", status, err)
	}
	http.DefaultClient.CloseIdleConnections()
	mustFree(t, s, before+silent)
	if code := s.Stop(); code != 0 {
		t.Errorf("the server ended with code %d:\n%s", code, s.Log())
	}
	mustCheck(t, dir)
}
