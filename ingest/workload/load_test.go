//go:build linux

package workload_test

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"footfall/ingest/workload"
)

// loader sends events of a site for a while over so many connections and returns how many were acknowledged.
type loader struct {
	name string
	run  func(b *testing.B, addr, site string, connections int, during time.Duration) (acknowledged int64, took time.Duration)
}

// loaders are the clients that the acknowledgements are measured with. A ratio to the no-op handler hangs on what the client itself costs, as all
// of them share the machine: the cheaper it is, the faster the no-op handler, and the harder the ratio is to reach. The first is our own,
// about as cheap as can be. The second is wrk, with which the figures of other programs and the budgets were measured; it is used
// where it is installed.
func loaders() []loader {
	list := []loader{{"own client", load}}
	if _, err := exec.LookPath("wrk"); err == nil {
		list = append(list, loader{"wrk", loadByWrk})
	}
	return list
}

// ingestion sends the same requests to the no-op server, to one that only appends, and to Footfall, in turn, three times each: medians. What the
// appending server reaches is what this machine and this client let anybody reach who answers when an event is on disk. Footfall is also sent events of a
// site that it does not know, which anybody can do.
func (t *sheet) ingestion(b *testing.B, binary string) {
	dir := b.TempDir()
	if out, err := exec.Command(binary, "site", "add", "example.com", "--timezone", "UTC", "--data", dir).CombinedOutput(); err != nil {
		b.Fatalf("site add: %v: %s", err, out)
	}
	noop, appending, footfall := startHelper(b, "noop"), startHelper(b, "append", filepath.Join(dir, "appended")), startFootfall(b, binary, dir, nil)
	defer noop.stop()
	defer appending.stop()
	defer footfall.stop()
	now, _ := memoryOf(footfall.cmd.Process.Pid)
	t.add("memory at rest, empty", fmt.Sprintf("%.0f MiB", now), "≤ 32 MiB")
	servers := []*server{noop, appending, footfall, footfall}
	sites := []string{"example.com", "example.com", "example.com", "unknown.example"}
	for _, l := range loaders() {
		for _, c := range []struct {
			connections int
			budget      string
		}{{32, "≥ 0.50, goal 0.65"}, {256, "≥ 0.70, goal 0.85"}} {
			var rates, cpu [4][]float64
			for range 3 {
				for i, s := range servers {
					before := s.cpu(b)
					n, took := l.run(b, s.addr, sites[i], c.connections, 3*time.Second)
					rates[i] = append(rates[i], float64(n)/took.Seconds())
					cpu[i] = append(cpu[i], (s.cpu(b)-before)/float64(n)*1e6)
				}
			}
			for i := range rates {
				slices.Sort(rates[i])
				slices.Sort(cpu[i])
			}
			with := fmt.Sprintf(", %d connections, %s", c.connections, l.name)
			rate := func(i int) string {
				return fmt.Sprintf("%.2f of no-op (%.0f of %.0f)", rates[i][1]/rates[0][1], rates[i][1], rates[0][1])
			}
			seconds := func(i int) string {
				return fmt.Sprintf("%.1f × no-op (%.0f s, %.0f s)", cpu[i][1]/cpu[0][1], cpu[i][1], cpu[0][1])
			}
			t.add("acknowledged events/s"+with, rate(2), c.budget)
			t.add("the same of a bare append", rate(1), "")
			t.add("server CPU per 1 M events"+with, seconds(2), "≤ 3 ×, goal 2.3 ×")
			t.add("the same of a bare append", seconds(1), "")
			t.add("the same of an unknown site", seconds(3), "≤ 1.5 ×")
		}
	}
}

// sent is a request that the loaders send.
type sent struct{ agent, addr, body string }

// requests are what a few thousand visitors send.
func requests(site string) (list []sent) {
	g := workload.New(1_000_000, 7)
	for _, e := range g.Day(workload.Epoch)[:2000] {
		list = append(list, sent{
			g.Dictionary.Agents[e.Agent].UserAgent, fmt.Sprintf("84.%d.%d.%d", e.Visitor>>16&255, e.Visitor>>8&255, e.Visitor&255),
			fmt.Sprintf(`{"n":%q,"u":"https://%s%s","d":%q,"r":"https://www.google.com/"}`, g.Dictionary.Names[e.Name], site, g.Dictionary.Paths[e.Path], site),
		})
	}
	return list
}

// wireRequests are the requests as bytes.
func wireRequests(addr, site string) (list [][]byte) {
	for _, r := range requests(site) {
		list = append(list, fmt.Appendf(nil, "POST /api/event HTTP/1.1\r\nHost: %s\r\nUser-Agent: %s\r\nX-Forwarded-For: %s\r\nContent-Type: text/plain\r\nAccept-Language: de-DE,de;q=0.9\r\nContent-Length: %d\r\n\r\n%s",
			addr, r.agent, r.addr, len(r.body), r.body))
	}
	return list
}

// load is our own client.
func load(b *testing.B, addr, site string, connections int, during time.Duration) (acknowledged int64, took time.Duration) {
	list := wireRequests(addr, site)
	var n, next atomic.Int64
	var wait sync.WaitGroup
	began := time.Now()
	for range connections {
		wait.Go(func() {
			c, err := net.Dial("tcp", addr)
			if err != nil {
				b.Error(err)
				return
			}
			defer c.Close()
			r := bufio.NewReader(c)
			for time.Since(began) < during {
				if _, err := c.Write(list[int(next.Add(1))%len(list)]); err != nil {
					b.Error(err)
					return
				}
				if status, err := answer(r); err != nil || status != "202" {
					b.Errorf("answer %q, %v", status, err)
					return
				}
				n.Add(1)
			}
		})
	}
	wait.Wait()
	return n.Load(), time.Since(began)
}

var wrkTotal = regexp.MustCompile(`(\d+) requests in`)

// loadByWrk lets wrk send the same requests from two threads.
func loadByWrk(b *testing.B, addr, site string, connections int, during time.Duration) (acknowledged int64, took time.Duration) {
	var script bytes.Buffer
	script.WriteString("local list, at = {}, 0\nfunction init()\n")
	for _, r := range requests(site) {
		fmt.Fprintf(&script, "list[#list+1] = wrk.format('POST', '/api/event', {['User-Agent']=%q, ['X-Forwarded-For']=%q, ['Content-Type']='text/plain', ['Accept-Language']='de-DE,de;q=0.9'}, %q)\n",
			r.agent, r.addr, r.body)
	}
	script.WriteString("end\nfunction request()\nat = at % #list + 1\nreturn list[at]\nend\n")
	path := filepath.Join(b.TempDir(), "events.lua")
	if err := os.WriteFile(path, script.Bytes(), 0o600); err != nil {
		b.Fatal(err)
	}
	out, err := exec.Command("wrk", "-t", "2", "-c", strconv.Itoa(connections), "-d", during.String(), "-s", path, "http://"+addr).CombinedOutput()
	total := wrkTotal.FindSubmatch(out)
	if err != nil || total == nil || strings.Contains(string(out), "Non-2xx") || strings.Contains(string(out), "Socket errors") {
		b.Fatalf("wrk: %v: %s", err, out)
	}
	acknowledged, _ = strconv.ParseInt(string(total[1]), 10, 64)
	return acknowledged, during
}

// answer reads one response; it knows just as much HTTP as these servers speak.
func answer(r *bufio.Reader) (status string, err error) {
	line, err := r.ReadSlice('\n')
	if err != nil || len(line) < 12 {
		return "", fmt.Errorf("status line %q: %w", line, err)
	}
	status = string(line[9:12])
	length := 0
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return "", err
		}
		if len(line) <= 2 {
			break
		}
		if name, value, ok := strings.Cut(string(line), ":"); ok && strings.EqualFold(name, "Content-Length") {
			if length, err = strconv.Atoi(strings.TrimSpace(value)); err != nil {
				return "", err
			}
		}
	}
	_, err = r.Discard(length)
	return status, err
}
