package e2e_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"footfall/storage/objstore/objtest"
)

// diary knows of every event when it was sent and when it was acknowledged, in Unix nanoseconds.
type diary struct {
	sent, acked []atomic.Int64
	next        atomic.Int64

	mu     sync.Mutex
	broken [][2]time.Time // when server or bucket were away
}

// siegeBody has the number of the event in two properties: a day keeps only so many values of one.
func siegeBody(n int) string {
	return fmt.Sprintf(`{"n":"pageview","u":"https://%s/%d","d":%q,"p":{"high":"%d","low":"%d"}}`, crashSite, n%100, crashSite, n/2000, n%2000)
}

// flood sends events as fast as they are taken, until the server is gone or it is told to end.
func (d *diary) flood(url string, end <-chan struct{}) {
	var senders sync.WaitGroup
	for range crashSenders {
		senders.Go(func() {
			client := oneConnection()
			defer client.CloseIdleConnections()
			for {
				n := int(d.next.Add(1)) - 1
				if n >= len(d.sent) {
					return
				}
				select {
				case <-end:
					return
				default:
				}
				d.sent[n].Store(time.Now().UnixNano())
				status, err := postEvent(client, url, eventAddress(n), eventAgent(n), siegeBody(n))
				if err != nil {
					return
				} else if status == http.StatusAccepted {
					d.acked[n].Store(time.Now().UnixNano())
				}
			}
		})
	}
	senders.Wait()
}

// away notes that something was not there for a while.
func (d *diary) away(from time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.broken = append(d.broken, [2]time.Time{from, time.Now()})
}

// whole tells whether server and bucket were there all the time.
func (d *diary) whole(from, to time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return !slices.ContainsFunc(d.broken, func(b [2]time.Time) bool { return b[0].Before(to) && b[1].After(from) })
}

// snapshotSiege is a server that streams to a bucket, while both are killed.
type snapshotSiege struct {
	*diary
	t       *testing.T
	dir     string
	bucket  *objtest.Server
	env     []string
	flags   []string
	keyFile string // holds the recovery key
}

// run runs the binary with the credentials of the bucket.
func (s *snapshotSiege) run(args ...string) string {
	s.t.Helper()
	stdout, stderr, code := footfallWith(s.t, s.env, nil, append(args, s.flags...)...)
	if code != 0 {
		s.t.Fatalf("footfall %v: exit code %d\n%s", args, code, stderr)
	}
	return stdout
}

// TestSnapshotSiege sends events at full rate to a server that streams to a real S3 server, kills both at random, and restores at random times with
// nothing but the bucket and the recovery key. What was acknowledged before the time of the point is there, nothing later is, and nothing is there twice.
func TestSnapshotSiege(t *testing.T) {
	events, rounds, restores := 400_000, 4, 20
	if os.Getenv("SOAK") != "" {
		events, rounds = 4_000_000, 60
	}
	dir, _, _ := crashStore(t)
	bucket := objtest.StartVersity(t, objtest.VersityConfig{})
	s := &snapshotSiege{
		diary: &diary{sent: make([]atomic.Int64, events), acked: make([]atomic.Int64, events)}, t: t, dir: dir, bucket: bucket,
		env:   append(environment(), "FOOTFALL_S3_ACCESS_KEY="+bucket.AccessKey, "FOOTFALL_S3_SECRET_KEY="+bucket.SecretKey),
		flags: []string{"--snapshot-to", "s3://" + bucket.Bucket + "/siege", "--snapshot-endpoint", bucket.Endpoint, "--snapshot-region", "us-east-1"},
	}
	key := strings.TrimSpace(mustFootfall(t, nil, "key", "recovery", "--data", dir))
	s.keyFile = filepath.Join(t.TempDir(), "recovery.key")
	if err := os.WriteFile(s.keyFile, []byte(key+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	for round := range rounds {
		away := time.Now()
		server, err := launch(s.env, "serve", dir, append([]string{"--quiet"}, s.flags...)...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(server.Kill)
		if round > 0 {
			s.away(away)
		}
		end := make(chan struct{})
		var flood sync.WaitGroup
		flood.Go(func() { s.flood(server.URL, end) })
		time.Sleep(time.Duration(2000+rand.IntN(2000)) * time.Millisecond)
		if round%2 == 1 {
			from := time.Now()
			bucket.Kill()
			time.Sleep(time.Duration(rand.IntN(1500)) * time.Millisecond)
			bucket.Start()
			s.away(from)
		}
		if round == rounds-1 {
			time.Sleep(12 * time.Second) // for the stream to catch up, and then to show how far behind it is
		}
		time.Sleep(time.Duration(2000+rand.IntN(2000)) * time.Millisecond)
		server.Kill()
		close(end)
		flood.Wait()
	}
	ended := time.Now()
	s.restoredAt(time.Time{}, ended)
	for range restores {
		s.restoredAt(began.Add(3*time.Second+rand.N(ended.Sub(began)-3*time.Second)), ended)
	}
	n := 0
	for i := range s.acked {
		if s.acked[i].Load() > 0 {
			n++
		}
	}
	t.Logf("%d events acknowledged in %v", n, ended.Sub(began).Round(time.Second))
}

// restoredAt restores the newest state that is not after a time, or the newest there is, and holds it against the diary.
func (s *snapshotSiege) restoredAt(at, ended time.Time) {
	t := s.t
	t.Helper()
	to := filepath.Join(t.TempDir(), "restored")
	args := []string{"snapshot", "restore", "--json", "--to", to, "--key-file", s.keyFile}
	asked := ended
	if !at.IsZero() {
		args, asked = append(args, "--at", at.UTC().Format(time.RFC3339Nano)), at
	}
	var point time.Time
	for lines := bufio.NewScanner(strings.NewReader(s.run(args...))); lines.Scan(); {
		var line struct {
			Event    string
			Restored struct{ Point struct{ Time time.Time } }
		}
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			t.Fatalf("%v in %s", err, lines.Bytes())
		}
		if line.Event == "done" {
			point = line.Restored.Point.Time
		}
	}
	if point.IsZero() || point.After(asked) {
		t.Fatalf("asked for %v, got %v", asked, point)
	}
	safe := point // what was acknowledged before must be there
	if s.whole(asked.Add(-12*time.Second), asked) && safe.Before(asked.Add(-5*time.Second)) {
		safe = asked.Add(-5 * time.Second) // the point may be older where nothing has happened since
	}
	mustFootfall(t, nil, "check", "--data", to, "--key-file", s.keyFile)
	there := map[int]bool{}
	text := mustFootfall(t, nil, "export", "--site", crashSite, "--format", "ndjson", "--data", to, "--key-file", s.keyFile)
	for lines := bufio.NewScanner(strings.NewReader(text)); lines.Scan(); {
		var e exported
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			t.Fatal(err)
		}
		high, err1 := strconv.Atoi(e.Props["high"])
		low, err2 := strconv.Atoi(e.Props["low"])
		n := high*2000 + low
		if err := errors.Join(err1, err2); err != nil || there[n] {
			t.Fatalf("event %v is there twice, or was never sent", e.Props)
		}
		there[n] = true
	}
	const slack = 2 * time.Second // between the time that a point is given and the moment it stands for
	for n := range s.sent {
		sent, acked := s.sent[n].Load(), s.acked[n].Load()
		if acked > 0 && acked < safe.UnixNano() && !there[n] {
			t.Fatalf("event %d, acknowledged %v before %v, is not in the point of %v", n, asked.Sub(time.Unix(0, acked)), asked, point)
		}
		if there[n] && (sent == 0 || sent > point.Add(slack).UnixNano()) {
			t.Fatalf("event %d, sent %v after the point of %v, is there", n, time.Unix(0, sent).Sub(point), point)
		}
	}
	if err := os.RemoveAll(to); err != nil {
		t.Fatal(err)
	}
	t.Logf("restored %v before what was asked for, with %d events", asked.Sub(point).Round(time.Millisecond), len(there))
}
