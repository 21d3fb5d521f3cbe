//go:build linux

package workload_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"footfall/ingest/workload"
)

// BenchmarkIngestionUnderQueries sends an event every five milliseconds while ten clients ask the heaviest query of a year without a
// pause, on all processors and on one, and prints how long the acknowledgements took. An event is sent when its time has come, however late
// the ones before are: nobody waits for an answer before the next visitor comes.
func BenchmarkIngestionUnderQueries(b *testing.B) {
	binary := builtBinary(b)
	sets := chosenSets()
	set := sets[len(sets)-1]
	for range b.N {
		t := newSheet("### Acknowledgements while others ask", "what", "measured", "budget")
		for _, cores := range []string{"all", "1"} {
			for _, clients := range []int{0, 10} {
				contend(b, t, binary, set, cores, clients)
			}
		}
		t.print()
	}
}

// contend measures one line of the table.
func contend(b *testing.B, t *sheet, binary string, set *dataSet, cores string, clients int) {
	dir := filepath.Join(b.TempDir(), "data")
	if err := copyDir(dir, set.dir(b)); err != nil {
		b.Fatal(err)
	}
	out, err := exec.Command(binary, "token", "add", "--name", "bench", "--scope", "stats:read", "--data", dir).Output()
	if err != nil {
		b.Fatal(err)
	}
	token := strings.TrimSpace(string(out))
	if cores == "1" { // the Go runtime counts what it may run on
		script := filepath.Join(b.TempDir(), "footfall")
		if err := os.WriteFile(script, fmt.Appendf(nil, "#!/bin/sh\nexec taskset -c 0 %s \"$@\"\n", binary), 0o700); err != nil {
			b.Fatal(err)
		}
		binary = script
	}
	p := startFootfall(b, binary, dir, nil)
	defer p.stop()
	ctx, cancel := context.WithCancel(b.Context())
	var asking sync.WaitGroup
	var answered atomic.Int64
	for range clients {
		asking.Go(func() {
			for ctx.Err() == nil {
				if askHeaviest(ctx, p.addr, token) {
					answered.Add(1)
				}
			}
		})
	}
	time.Sleep(time.Second)
	took := drip(b, p.addr, 6*time.Second, 5*time.Millisecond)
	cancel()
	asking.Wait()
	slices.Sort(took)
	at := func(part float64) float64 { return took[int(part*float64(len(took)-1))].Seconds() * 1000 }
	t.add(fmt.Sprintf("acknowledgement, %s, %d asking, cores: %s (%d answers)", set.name, clients, cores, answered.Load()),
		fmt.Sprintf("p50 %.1f, p99 %.1f, most %.1f ms", at(.5), at(.99), at(1)), "p99 < 50 ms")
}

// heaviest reads every event of the year: nothing of it is in the totals.
const heaviest = `{"site_id":"example.com","date_range":["2025-11-14","2026-11-13"],"metrics":["visitors","pageviews","visit_duration","bounce_rate"],
	"dimensions":["visit:country","visit:browser","visit:source"],"filters":[["contains","event:page",["a"]]],"pagination":{"limit":10}}`

func askHeaviest(ctx context.Context, addr, token string) bool {
	r, err := http.NewRequestWithContext(ctx, "POST", "http://"+addr+"/api/v2/query", strings.NewReader(heaviest))
	if err != nil {
		return false
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return false
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body)
	if res.StatusCode != http.StatusOK {
		fmt.Fprintf(os.Stderr, "query: %s: %s\n", res.Status, body)
		time.Sleep(100 * time.Millisecond)
	}
	return res.StatusCode == http.StatusOK
}

// drip sends an event at every tick and returns the times from the tick to the acknowledgement.
func drip(b *testing.B, addr string, during, tick time.Duration) []time.Duration {
	events := workload.New(1_000_000, 7).Day(workload.Epoch)
	var mu sync.Mutex // guards took and idle
	var took []time.Duration
	var idle []net.Conn
	var wait sync.WaitGroup
	began := time.Now()
	for i := range int(during / tick) {
		due := began.Add(time.Duration(i) * tick)
		time.Sleep(time.Until(due))
		e := &events[i%len(events)]
		wait.Go(func() {
			mu.Lock()
			var c net.Conn
			if n := len(idle); n > 0 {
				c, idle = idle[n-1], idle[:n-1]
			}
			mu.Unlock()
			if c == nil {
				var err error
				if c, err = net.Dial("tcp", addr); err != nil {
					b.Error(err)
					return
				}
			}
			body := `{"n":"pageview","u":"https://example.com/","d":"example.com"}`
			_, err := fmt.Fprintf(c, "POST /api/event HTTP/1.1\r\nHost: %s\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\nX-Forwarded-For: 84.%d.%d.%d\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s",
				addr, e.Visitor>>16&255, e.Visitor>>8&255, e.Visitor&255, len(body), body)
			status := ""
			if err == nil {
				status, err = answer(bufio.NewReader(c))
			}
			if err != nil || status != "202" {
				b.Errorf("answer %q, %v", status, err)
				return
			}
			mu.Lock()
			took, idle = append(took, time.Since(due)), append(idle, c)
			mu.Unlock()
		})
	}
	wait.Wait()
	for _, c := range idle {
		_ = c.Close()
	}
	return took
}
