//go:build linux

package e2e_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// smallDisk mounts an ext4 file system of so many MB for the time of the test.
func smallDisk(t *testing.T, mb int64) (dir string) {
	t.Helper()
	return mountDisk(t, "mkfs.ext4", mb)
}

// mountDisk mounts a file system, made by a program, for the time of the test.
func mountDisk(t *testing.T, mkfs string, mb int64) (dir string) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("only root can mount a small disk")
	}
	dir = t.TempDir()
	image := filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, mb<<20); err != nil {
		t.Fatal(err)
	}
	for _, run := range [][]string{{mkfs, "-q", image}, {"mount", "-o", "loop", image, dir}} {
		if out, err := exec.Command(run[0], run[1:]...).CombinedOutput(); err != nil {
			t.Skipf("%s: %v\n%s", strings.Join(run, " "), err, out)
		}
	}
	t.Cleanup(func() {
		var out []byte
		var err error
		for range 100 { // a process that was killed may not have let go yet
			if out, err = exec.Command("umount", dir).CombinedOutput(); err == nil {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
		t.Errorf("umount: %v\n%s", err, out)
	})
	return dir
}

// fill writes a file until the disk has nothing left.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size > 0; size /= 2 {
		for piece := bytes.Repeat([]byte("x"), size); err == nil; {
			_, err = f.Write(piece)
		}
		err = nil
	}
	_ = f.Sync()
}

// sender sends events with long paths, one after the other, and knows which were acknowledged.
type sender struct {
	*ledger
	client *http.Client
}

// send sends one event and returns status and Retry-After.
func (s *sender) send(t *testing.T, url string) (status int, retry string) {
	t.Helper()
	n := int(s.next.Add(1)) - 1
	body := strings.Replace(eventBody(n), `"p":{`, fmt.Sprintf(`"p":{"long":"%01500d",`, n), 1)
	s.sent[n].Store(true)
	status, header, err := offerEvent(s.client, url, eventAddress(n), eventAgent(n), body)
	if err != nil {
		t.Fatal(err)
	}
	s.acked[n].Store(status == http.StatusAccepted)
	return status, header.Get("Retry-After")
}

// until sends events until one is answered with status, and returns the answer's Retry-After.
func (s *sender) until(t *testing.T, url string, status int) (retry string) {
	t.Helper()
	for {
		switch got, retry := s.send(t, url); got {
		case status:
			return retry
		case http.StatusAccepted:
		case http.StatusServiceUnavailable:
			time.Sleep(20 * time.Millisecond) // as a client that comes again
		default:
			t.Fatalf("an event was answered %d", got)
		}
	}
}

func newSender() *sender { return &sender{newLedger(200_000), oneConnection()} }

// finish stops the server and holds what is stored against what was acknowledged: neither more nor less.
func (s *sender) finish(t *testing.T, server *server, dir string) {
	t.Helper()
	if code := server.Stop(); code != 0 {
		t.Errorf("the server ended with code %d:\n%s", code, server.Log())
	}
	mustCheck(t, dir)
	there := s.recount(t, exportOf(t, dir, crashSite))
	if _, acked := s.count(); len(there) != acked {
		t.Errorf("%d events are there, %d were acknowledged", len(there), acked)
	}
}

// TestFullDisk fills the disk below a running server, twice: once the ballast helps, once something else goes.
func TestFullDisk(t *testing.T) {
	dir := filepath.Join(smallDisk(t, 512), "data")
	other := filepath.Join(filepath.Dir(dir), "other")
	zone, date := noon()
	mustFootfall(t, nil, "site", "add", crashSite, "--timezone", zone, "--data", dir)
	token := addToken(t, dir, "recount")
	server := start(t, "serve", dir, "--quiet")
	s := newSender()
	if status, _ := s.send(t, server.URL); status != http.StatusAccepted {
		t.Fatalf("on an empty disk: %d", status)
	}

	fill(t, other)
	if retry := s.until(t, server.URL, http.StatusServiceUnavailable); retry != "5" {
		t.Errorf("Retry-After is %q", retry)
	}
	for range 50 {
		s.send(t, server.URL)
	}
	_, acked := s.count()
	query := fmt.Sprintf(`{"site_id":%q,"date_range":[%q,%q],"metrics":["events"]}`, crashSite, date, date)
	if rows := ask(t, server.URL, token, query); len(rows) != 1 || rows[0].Metrics[0] != float64(acked) {
		t.Errorf("on a full disk a query says %v, want %d", rows, acked)
	}
	for path, want := range map[string]int{"/": http.StatusOK, "/api/health": http.StatusInternalServerError} {
		res, err := http.Get(server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if res.StatusCode != want || want != http.StatusOK && !strings.HasPrefix(string(text), `{"storage":"full",`) {
			t.Errorf("%s: %d %s", path, res.StatusCode, text)
		}
	}
	if _, remarks, code := footfall(t, nil, "healthcheck", "--data", dir); code != 1 || !strings.Contains(remarks, "disk is full") {
		t.Errorf("healthcheck: %d %s", code, remarks)
	}
	mustFootfall(t, strings.NewReader("a long enough password\n"), "user", "add", "ana@example.org", "--data", dir)
	if _, remarks, code := footfall(t, nil, "compact", "--data", dir); code != 1 || !strings.Contains(remarks, "the copy needs") {
		t.Errorf("compact: %d %s", code, remarks)
	}

	began := time.Now()
	if out := mustFootfall(t, nil, "reclaim", "--data", dir); !strings.Contains(out, "64 MiB") {
		t.Errorf("reclaim says %s", out)
	}
	s.until(t, server.URL, http.StatusAccepted)
	t.Logf("events were accepted %s after reclaim", time.Since(began).Round(time.Millisecond))

	fill(t, other+"2")
	s.until(t, server.URL, http.StatusServiceUnavailable)
	if err := os.Remove(other); err != nil {
		t.Fatal(err)
	}
	began = time.Now()
	s.until(t, server.URL, http.StatusAccepted)
	t.Logf("events were accepted %s after there was room", time.Since(began).Round(time.Millisecond))
	if log := server.Log(); strings.Count(log, "events are refused until there is room") != 2 || strings.Count(log, "room on the disk again") != 2 {
		t.Errorf("the log says:\n%s", log)
	}
	s.finish(t, server, dir)
}

// TestFailedCommit lets every fdatasync of a running server fail: events are refused, reading goes on, and the next start goes on in
// another file with all that was acknowledged.
func TestFailedCommit(t *testing.T) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("strace is not installed")
	}
	dir, token, date := crashStore(t)
	server := start(t, "serve", dir, "--quiet")
	s := newSender()
	for range 300 {
		if status, _ := s.send(t, server.URL); status != http.StatusAccepted {
			t.Fatalf("answered %d", status)
		}
	}
	before, err := os.Stat(filepath.Join(dir, "footfall.db"))
	if err != nil {
		t.Fatal(err)
	}
	var trace transcript
	attach := exec.CommandContext(t.Context(), strace, "-f", "-p", fmt.Sprint(server.Pid()), "-e", "trace=fdatasync", "-e", "inject=fdatasync:error=EIO")
	attach.Stderr = &trace
	if err := attach.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = attach.Wait(); close(ended) }()
	if trace.await(regexp.MustCompile("attached"), ended, startTime) == "" {
		t.Skipf("strace cannot attach here:\n%s", trace.String())
	}
	_, acked := s.count()
	if retry := s.until(t, server.URL, http.StatusServiceUnavailable); retry != "30" {
		t.Errorf("Retry-After is %q", retry)
	}
	if status, _ := s.send(t, server.URL); status != http.StatusServiceUnavailable {
		t.Errorf("after a failed commit an event is answered %d", status)
	}
	query := fmt.Sprintf(`{"site_id":%q,"date_range":[%q,%q],"metrics":["events"]}`, crashSite, date, date)
	if rows := ask(t, server.URL, token, query); rows[0].Metrics[0] != float64(acked) {
		t.Errorf("a query says %v, want %d", rows, acked)
	}
	_ = attach.Process.Kill()
	<-ended
	server.Stop()
	if _, err := os.Stat(filepath.Join(dir, "footfall.db.rebuild")); err != nil {
		t.Error(err)
	}

	server = start(t, "serve", dir, "--quiet")
	if !strings.Contains(server.Log(), "copied into a new one") {
		t.Errorf("the log says:\n%s", server.Log())
	}
	if after, err := os.Stat(filepath.Join(dir, "footfall.db")); err != nil || os.SameFile(before, after) {
		t.Errorf("it goes on in the same file: %v", err)
	}
	s.until(t, server.URL, http.StatusAccepted)
	if code := server.Stop(); code != 0 {
		t.Errorf("the server ended with code %d", code)
	}
	mustCheck(t, dir)
	there := s.recount(t, exportOf(t, dir, crashSite))
	if _, acked := s.count(); len(there) > acked+1 { // the event of the commit that failed may be there
		t.Errorf("%d events are there, %d were acknowledged", len(there), acked)
	}
}
