package e2e_test

import (
	"fmt"
	"io"
	"math/rand/v2"
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

// stream sends events without end, a few hundred in a second, whatever becomes of them.
type stream struct {
	*ledger
	t              *testing.T
	url            atomic.Value // string; "" while there is no server
	taken, refused atomic.Int64
	stop           chan struct{}
	senders        sync.WaitGroup
}

func (s *stream) run() {
	for range 4 {
		s.senders.Go(func() {
			client := oneConnection()
			defer client.CloseIdleConnections()
			for {
				select {
				case <-s.stop:
					return
				case <-time.After(10 * time.Millisecond): // the pace
				}
				url := s.url.Load().(string)
				n := int(s.next.Load())
				if url == "" || n >= len(s.sent) {
					continue
				}
				n = int(s.next.Add(1)) - 1
				s.sent[n].Store(true)
				status, header, err := offerEvent(client, url, eventAddress(n), eventAgent(n), largeBody(n))
				switch {
				case err != nil && s.url.Load() == url:
					s.t.Errorf("event %d: %v", n, err)
				case err != nil: // the server was killed
				case status == http.StatusAccepted:
					s.acked[n].Store(true)
					s.taken.Add(1)
				case status == http.StatusServiceUnavailable && header.Get("Retry-After") != "":
					s.refused.Add(1)
				default:
					s.t.Errorf("event %d was answered %d, Retry-After %q", n, status, header.Get("Retry-After"))
				}
			}
		})
	}
}

// largeBody is eventBody with properties that no encoding makes small.
func largeBody(n int) string {
	var pads strings.Builder
	for i := range 12 {
		var b [900]byte
		rand.NewChaCha8([32]byte{byte(n), byte(n >> 8), byte(i)}).Read(b[:])
		fmt.Fprintf(&pads, `"pad%d":"%x",`, i, b)
	}
	return strings.Replace(eventBody(n), `"seq":`, pads.String()+`"seq":`, 1)
}

// await waits until a counter has grown by n, and returns how long that took.
func (s *stream) await(counter *atomic.Int64, n int64, what string) time.Duration {
	s.t.Helper()
	began, goal := time.Now(), counter.Load()+n
	for counter.Load() < goal {
		if time.Since(began) > startTime {
			s.t.Fatalf("%s: not in %v; %d taken, %d refused", what, startTime, s.taken.Load(), s.refused.Load())
		}
		time.Sleep(10 * time.Millisecond)
	}
	return time.Since(began)
}

// TestFullDisks fills the disk while events come from many sides. Events are refused with 503 and Retry-After, everything that reads goes on, a
// server that is killed starts on the full disk, and when room comes back events are taken again without a restart. What was acknowledged is there.
func TestFullDisks(t *testing.T) {
	for _, disk := range []struct {
		make string
		mb   int64
	}{{"mkfs.ext4", 64}, {"mkfs.xfs", 320}, {"mkfs.btrfs", 128}} {
		t.Run(disk.make, func(t *testing.T) {
			if disk.make != "mkfs.ext4" && os.Getenv("SOAK") == "" {
				t.Skip("only in the long form, see docs/testing.md")
			}
			fullDisk(t, mountDisk(t, disk.make, disk.mb))
		})
	}
}

func fullDisk(t *testing.T, disk string) {
	zone, date := noon()
	dir := filepath.Join(disk, "data")
	mustFootfall(t, nil, "site", "add", crashSite, "--timezone", zone, "--data", dir)
	token := addToken(t, dir, "recount")
	server := start(t, "serve", dir, "--quiet")
	s := &stream{ledger: newLedger(9000), t: t, stop: make(chan struct{})}
	s.url.Store(server.URL)
	s.run()
	ended := false
	end := func() {
		if !ended {
			ended = true
			close(s.stop)
			s.senders.Wait()
		}
	}
	defer end()
	s.await(&s.taken, 100, "events are taken on an empty disk")

	filler := filepath.Join(disk, "filler")
	free := func() {
		if err := os.Remove(filler); err != nil {
			t.Error(err)
		}
		syscall.Sync() // some file systems give room back with their next transaction
	}
	fill(t, filler)
	s.await(&s.refused, 50, "events are refused on a full disk")
	reading(t, server, dir, token)
	if _, said, code := footfall(t, strings.NewReader(importLines("new", faultImported)), "import", "--site", crashSite, "--format", "ndjson", "-", "--data", dir); code == 0 {
		t.Log("an import found room on the full disk")
	} else if !strings.Contains(said, "full") {
		t.Errorf("an import on a full disk: exit code %d, %s", code, said)
	}
	free()
	if promised := keepsPromises(t, disk); !promised && strings.Contains(server.Log(), "a commit failed") {
		t.Log("a commit failed for want of room: a restart is needed, which is said to happen here")
		s.url.Store("")
		server.Kill()
		server = start(t, "serve", dir, "--quiet")
		s.url.Store(server.URL)
	}
	took := s.await(&s.taken, 20, "events are taken again without a restart")
	t.Logf("events were taken again %v after there was room", took.Round(time.Millisecond))
	if took > 15*time.Second { // 5 are promised; a busy machine must not fail a test
		t.Errorf("events were taken again only %v after there was room", took)
	}

	// Killed while the disk is full, and started on it.
	fill(t, filler)
	s.await(&s.refused, 50, "events are refused on a disk that is full again")
	s.url.Store("")
	server.Kill()
	server = start(t, "serve", dir, "--quiet")
	s.url.Store(server.URL)
	reading(t, server, dir, token)
	free()
	s.await(&s.taken, 20, "events are taken after a start on a full disk")
	end()

	if strings.Contains(server.Log(), "goroutine ") {
		t.Errorf("the server said:\n%s", server.Log())
	}
	var live []exported
	imported := 0
	for _, e := range exportOf(t, dir, crashSite) {
		if strings.HasPrefix(e.Pathname, "/new/") {
			imported++
		} else {
			live = append(live, e)
		}
	}
	if imported != 0 && imported != faultImported {
		t.Errorf("%d of %d events of an import are there", imported, faultImported)
	}
	agree(t, server.URL, token, date, s.recount(t, live))
	if code := server.Stop(); code != 0 {
		t.Errorf("exit code %d\n%s", code, server.Log())
	}
	mustCheck(t, dir)
	sent, acked := s.count()
	t.Logf("%d events sent, %d acknowledged, %d there, %d refused", sent, acked, len(live), s.refused.Load())
}

// keepsPromises tells whether blocks that a file was given stay its own: file systems that write every block to a new place cannot say.
func keepsPromises(t *testing.T, dir string) bool {
	t.Helper()
	const btrfs = 0x9123683e
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		t.Fatal(err)
	}
	return s.Type != btrfs
}

// reading holds that all that reads works.
func reading(t *testing.T, server *server, dir, token string) {
	t.Helper()
	for range 5 {
		ask(t, server.URL, token, fmt.Sprintf(`{"site_id":%q,"date_range":"all","metrics":["visitors","events"],"dimensions":["event:page"]}`, crashSite))
		for _, path := range []string{"/", "/js/script.js"} {
			res, err := http.Get(server.URL + path)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, res.Body)
			res.Body.Close()
			if res.StatusCode != http.StatusOK {
				t.Errorf("GET %s on a full disk: %s", path, res.Status)
			}
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "footfall.sock")); err != nil {
		t.Logf("commands do not reach the server: there was no room for its socket")
		return
	}
	mustFootfall(t, nil, "site", "list", "--data", dir)
	if len(exportOf(t, dir, crashSite)) == 0 {
		t.Error("an export on a full disk is empty")
	}
	mustCheck(t, dir)
}
