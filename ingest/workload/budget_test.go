package workload_test

import (
	"bufio"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"footfall/ingest/workload"
)

// BenchmarkBudgets drives the built binary and prints where it stands against each budget, as ratios where the machine would
// otherwise decide. It is what `make bench` shows last; run it alone with `make bench BENCH=Budgets`.
func BenchmarkBudgets(b *testing.B) {
	binary, err := filepath.Abs("../../footfall")
	if err == nil {
		_, err = os.Stat(binary)
	}
	if err != nil {
		b.Fatalf("%v: run make build", err)
	}
	t := &sheet{}
	for range b.N {
		t.rows = nil
		t.files(b, binary)
		t.ingestion(b, binary)
		for _, size := range sizes {
			if wanted(size.name) {
				t.atRest(b, binary, size.name, size.events)
			}
		}
	}
	t.print()
}

// sheet collects one line a budget.
type sheet struct{ rows [][3]string }

func (t *sheet) add(what, value, budget string) {
	t.rows = append(t.rows, [3]string{what, value, budget})
}

func (t *sheet) print() {
	var width [3]int
	rows := append([][3]string{{"what", "measured", "budget"}}, t.rows...)
	for _, r := range rows {
		for i, c := range r {
			width[i] = max(width[i], len([]rune(c)))
		}
	}
	fmt.Println()
	for i, r := range rows {
		fmt.Printf("| %-*s | %-*s | %-*s |\n", width[0], r[0], width[1], r[1], width[2], r[2])
		if i == 0 {
			fmt.Printf("|%s|%s|%s|\n", strings.Repeat("-", width[0]+2), strings.Repeat("-", width[1]+2), strings.Repeat("-", width[2]+2))
		}
	}
}

func (t *sheet) files(b *testing.B, binary string) {
	info, err := os.Stat(binary)
	if err != nil {
		b.Fatal(err)
	}
	t.add("binary", fmt.Sprintf("%.1f MB", float64(info.Size())/1e6), "≤ 30 MB")
	dist := "../../assets/dist/"
	t.add("tracking script, gzip", fmt.Sprintf("%d B", gzipped(b, dist+"tracker/script.js")), "≤ 1,000 B")
	page := 0
	for _, f := range []string{"index.html", "app.js", "app.css"} {
		page += gzipped(b, dist+"app/"+f)
	}
	t.add("dashboard, first load, gzip", fmt.Sprintf("%.1f kB", float64(page)/1000), "≤ 90 kB")
}

func gzipped(b *testing.B, path string) int {
	data, err := os.ReadFile(path)
	if err != nil {
		b.Fatalf("%v: run make assets", err)
	}
	var n counter
	w, _ := gzip.NewWriterLevel(&n, gzip.BestCompression)
	_, _ = w.Write(data)
	_ = w.Close()
	return int(n)
}

type counter int

func (c *counter) Write(p []byte) (int, error) { *c += counter(len(p)); return len(p), nil }

// noopEnv makes the test binary the server that the ratios are measured against: it reads the body and answers 202.
const noopEnv = "FOOTFALL_BENCH_NOOP"

func TestMain(m *testing.M) {
	if os.Getenv(noopEnv) != "" {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			panic(err)
		}
		fmt.Println(l.Addr())
		_ = http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.WriteHeader(http.StatusAccepted)
			_, _ = io.WriteString(w, "ok")
		}))
		return
	}
	os.Exit(m.Run())
}

// server is a process that listens.
type server struct {
	cmd     *exec.Cmd
	addr    string
	started time.Duration
}

func (s *server) stop() {
	_ = s.cmd.Process.Signal(os.Interrupt)
	_ = s.cmd.Wait()
}

// cpu returns the processor time the process has taken, in seconds.
func (s *server) cpu(b *testing.B) float64 {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.cmd.Process.Pid))
	if err != nil {
		b.Skip("no /proc on this system")
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	user, _ := strconv.ParseFloat(fields[11], 64)
	system, _ := strconv.ParseFloat(fields[12], 64)
	const ticks = 100 // a second, on every Linux that Go supports
	return (user + system) / ticks
}

// rss returns the resident memory of the process in MiB.
func (s *server) rss(b *testing.B) float64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	kb, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64)
	return kb / 1024
}

func startNoop(b *testing.B) *server {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), noopEnv+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	return &server{cmd: cmd, addr: strings.TrimSpace(line)}
}

func startFootfall(b *testing.B, binary, dir string) *server {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	s := &server{addr: l.Addr().String()}
	_ = l.Close()
	s.cmd = exec.Command(binary, "serve", "--data", dir, "--listen", s.addr, "--quiet")
	s.cmd.Stderr = os.Stderr
	began := time.Now()
	if err := s.cmd.Start(); err != nil {
		b.Fatal(err)
	}
	for {
		r, err := http.Get("http://" + s.addr + "/api/system/health/ready")
		if err == nil {
			_ = r.Body.Close()
			if r.StatusCode == http.StatusOK {
				s.started = time.Since(began)
				return s
			}
		}
		if time.Since(began) > time.Minute {
			b.Fatalf("footfall does not become ready: %v", err)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// ingestion sends the same requests to the no-op server and to Footfall, in turn, three times each: medians.
func (t *sheet) ingestion(b *testing.B, binary string) {
	dir := b.TempDir()
	if out, err := exec.Command(binary, "site", "add", "example.com", "--timezone", "UTC", "--data", dir).CombinedOutput(); err != nil {
		b.Fatalf("site add: %v: %s", err, out)
	}
	noop, footfall := startNoop(b), startFootfall(b, binary, dir)
	defer noop.stop()
	defer footfall.stop()
	t.add("memory at rest, empty", fmt.Sprintf("%.0f MiB", footfall.rss(b)), "≤ 32 MiB")
	for _, c := range []struct {
		connections int
		budget      string
	}{{32, "≥ 0.50"}, {256, "≥ 0.70"}} {
		var rates [2][]float64
		var cpu [2][]float64
		for range 3 {
			for i, s := range []*server{noop, footfall} {
				before := s.cpu(b)
				n, took := load(b, s.addr, c.connections, 3*time.Second)
				rates[i] = append(rates[i], float64(n)/took.Seconds())
				cpu[i] = append(cpu[i], (s.cpu(b)-before)/float64(n)*1e6)
			}
		}
		for i := range rates {
			slices.Sort(rates[i])
			slices.Sort(cpu[i])
		}
		t.add(fmt.Sprintf("acknowledged events/s, %d connections", c.connections),
			fmt.Sprintf("%.2f of no-op (%.0f of %.0f)", rates[1][1]/rates[0][1], rates[1][1], rates[0][1]), c.budget)
		t.add(fmt.Sprintf("server CPU per 1 M events, %d connections", c.connections),
			fmt.Sprintf("%.1f × no-op (%.0f s, %.0f s)", cpu[1][1]/cpu[0][1], cpu[1][1], cpu[0][1]), "≤ 3 ×")
	}
}

// load sends events for a while over so many connections and returns how many were acknowledged.
func load(b *testing.B, addr string, connections int, during time.Duration) (acknowledged int64, took time.Duration) {
	g := workload.New(1_000_000, 7)
	events := g.Day(workload.Epoch)
	requests := make([][]byte, 0, 2000)
	for i := range min(cap(requests), len(events)) {
		e := &events[i]
		body := fmt.Sprintf(`{"n":%q,"u":"https://example.com%s","d":"example.com","r":"https://www.google.com/"}`, g.Dictionary.Names[e.Name], g.Dictionary.Paths[e.Path])
		requests = append(requests, fmt.Appendf(nil, "POST /api/event HTTP/1.1\r\nHost: %s\r\nUser-Agent: %s\r\nX-Forwarded-For: 84.%d.%d.%d\r\nContent-Type: text/plain\r\nAccept-Language: de-DE,de;q=0.9\r\nContent-Length: %d\r\n\r\n%s",
			addr, g.Dictionary.Agents[e.Agent].UserAgent, e.Visitor>>16&255, e.Visitor>>8&255, e.Visitor&255, len(body), body))
	}
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
				if _, err := c.Write(requests[int(next.Add(1))%len(requests)]); err != nil {
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

// atRest measures what a year of events costs: bytes, memory, start and the dashboard.
func (t *sheet) atRest(b *testing.B, binary, name string, events int) {
	s, site := dataset(b, name, events)
	stats := s.Stats()
	t.add("bytes an event, "+name, fmt.Sprintf("%.1f", float64(stats.Size-stats.Free)/float64(s.Count(site.ID))), "≤ 12, goal 8")
	for _, c := range []struct{ span, filter, budget string }{
		{"30d", "none", ""}, {"12mo", "none", "≤ 50 ms at 10M"}, {"30d", "country", ""}, {"12mo", "country", "≤ 250 ms at 10M"},
	} {
		ask(b, s, site, c.span, c.filter)
		var took []time.Duration
		for range 3 {
			began := time.Now()
			ask(b, s, site, c.span, c.filter)
			took = append(took, time.Since(began))
		}
		slices.Sort(took)
		t.add(fmt.Sprintf("ten queries, %s, %s, filter %s, warm", name, c.span, c.filter), fmt.Sprintf("%.0f ms", took[1].Seconds()*1000), c.budget)
	}
	dir := filepath.Join("..", "..", ".bench", name)
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	p := startFootfall(b, binary, dir)
	defer p.stop()
	t.add("start with "+name, fmt.Sprintf("%.0f ms", p.started.Seconds()*1000), "≤ 2 s at 100M")
	t.add("memory at rest with "+name, fmt.Sprintf("%.0f MiB", p.rss(b)), "≤ 128 MiB at 100M")
}
