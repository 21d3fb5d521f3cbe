//go:build linux

package workload_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// builtBinary returns the path of the built program.
func builtBinary(b *testing.B) string {
	b.Helper()
	binary, err := filepath.Abs("../../footfall")
	if err == nil {
		_, err = os.Stat(binary)
	}
	if err != nil {
		b.Fatalf("%v: run make build", err)
	}
	return binary
}

// server is a process that listens.
type server struct {
	cmd     *exec.Cmd
	addr    string
	started time.Duration
	client  *http.Client // with a login, after login
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

// memoryOf returns the resident memory of a process, now and at most so far, in MiB.
func memoryOf(pid int) (now, peak float64) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, 0 // it has just ended
	}
	mib := func(name string) float64 {
		kib, _ := strconv.ParseFloat(strings.TrimSuffix(field(string(status), name), " kB"), 64)
		return kib / 1024
	}
	return mib("VmRSS"), mib("VmHWM")
}

// startFootfall starts the server on dir, in a control group if there is one, and waits until it is ready.
func startFootfall(b *testing.B, binary, dir string, in *group, args ...string) *server {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	s := &server{addr: l.Addr().String()}
	_ = l.Close()
	s.cmd = in.command(binary, append([]string{"serve", "--data", dir, "--listen", s.addr, "--quiet"}, args...)...)
	var said bytes.Buffer
	s.cmd.Stderr = &said
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
			s.stop()
			b.Fatalf("footfall does not become ready: %v: %s", err, said.Bytes())
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// The person who looks at the data sets.
const (
	viewer         = "bench@example.com"
	viewerPassword = "correct horse battery staple bench"
)

// addViewer lets the viewer into a data directory that is idle.
func addViewer(b *testing.B, binary, dir string) {
	b.Helper()
	list, err := exec.Command(binary, "user", "list", "--data", dir).Output()
	if err != nil {
		b.Fatalf("user list: %v", err)
	}
	if bytes.Contains(list, []byte(viewer)) {
		return
	}
	cmd := exec.Command(binary, "user", "add", viewer, "--data", dir)
	cmd.Stdin = strings.NewReader(viewerPassword + "\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("user add: %v: %s", err, out)
	}
}

// login opens a session for ask.
func (s *server) login(b *testing.B) {
	b.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		b.Fatal(err)
	}
	s.client = &http.Client{Jar: jar}
	if _, err := s.post("login", map[string]string{"email": viewer, "password": viewerPassword}); err != nil {
		b.Fatal(err)
	}
}

func (s *server) post(path string, body any) ([]byte, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	r, err := s.client.Post("http://"+s.addr+"/api/app/"+path, "application/json", bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	defer r.Body.Close()
	answer, err := io.ReadAll(r.Body)
	if err == nil && r.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", path, r.Status, answer)
	}
	return answer, err
}

// group is a control group that limits the memory of what runs in it, page cache included. A nil group limits nothing. One without a
// directory only tells the program how much it may use, so that all that is left is to watch it.
type group struct {
	dir  string
	v2   bool
	what string // the limit in words
}

// limitMiB is the memory of the small machine that Footfall is made for.
const limitMiB = 512

// limitedGroup makes a group of limitMiB. Where the system does not let us, what it returns says why.
func limitedGroup() *group {
	const v2, v1 = "/sys/fs/cgroup", "/sys/fs/cgroup/memory"
	name, limit := fmt.Sprintf("footfall-bench-%d", os.Getpid()), strconv.Itoa(limitMiB<<20)
	set := func(dir, file, value string) error {
		return os.WriteFile(filepath.Join(dir, file), []byte(value), 0o600)
	}
	g, file := &group{dir: filepath.Join(v1, name)}, "memory.limit_in_bytes"
	if text, err := os.ReadFile(v2 + "/cgroup.controllers"); err == nil && strings.Contains(string(text), "memory") {
		g, file = &group{dir: filepath.Join(v2, name), v2: true}, "memory.max"
		_ = set(v2, "cgroup.subtree_control", "+memory")
	}
	err := os.Mkdir(g.dir, 0o700)
	if err == nil {
		_ = set(g.dir, "memory.swap.max", "0")
		err = set(g.dir, file, limit)
	}
	if err != nil {
		return &group{what: fmt.Sprintf("no control group (%v): GOMEMLIMIT=384MiB, as the program would choose in one of %d MiB, and its peak watched", err, limitMiB)}
	}
	g.what = fmt.Sprintf("a control group of %d MiB (%s), page cache included, no swap", limitMiB, file)
	return g
}

// command returns a command that runs in the group.
func (g *group) command(name string, args ...string) *exec.Cmd {
	if g == nil {
		return exec.Command(name, args...)
	}
	if g.dir == "" {
		cmd := exec.Command(name, args...)
		cmd.Env = append(os.Environ(), "GOMEMLIMIT=384MiB")
		return cmd
	}
	script := fmt.Sprintf(`echo $$ > %s/cgroup.procs && exec "$@"`, g.dir)
	return exec.Command("/bin/sh", append([]string{"-c", script, "sh", name}, args...)...)
}

// used says how much memory was charged to the group at most, page cache included, and what was killed for want of it.
func (g *group) used() string {
	if g.dir == "" {
		return g.what
	}
	peak, events := "memory.max_usage_in_bytes", "memory.oom_control"
	if g.v2 {
		peak, events = "memory.peak", "memory.events"
	}
	text, _ := os.ReadFile(filepath.Join(g.dir, peak))
	bytes, _ := strconv.ParseFloat(strings.TrimSpace(string(text)), 64)
	text, _ = os.ReadFile(filepath.Join(g.dir, events))
	kills := "nobody knows what was killed"
	for line := range strings.Lines(string(text)) {
		if n, ok := strings.CutPrefix(line, "oom_kill "); ok {
			kills = strings.TrimSpace(n) + " processes killed"
		}
	}
	return fmt.Sprintf("%s: %.0f MiB charged at most, %s", g.what, bytes/(1<<20), kills)
}

func (g *group) remove() {
	for range 50 { // the last process may still be leaving
		if g.dir == "" || syscall.Rmdir(g.dir) == nil {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// spent is what a command that ran to its end took.
type spent struct {
	out       string
	took, cpu time.Duration
	peak      float64 // resident memory in MiB
}

// run runs a command to its end. Its memory is looked at while it runs: what wait4 tells includes the memory of the process it was forked from.
func run(cmd *exec.Cmd) (s spent, err error) {
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return spent{}, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for running := true; running; {
		select {
		case err = <-ended:
			running = false
		case <-time.After(5 * time.Millisecond):
			_, peak := memoryOf(cmd.Process.Pid)
			s.peak = max(s.peak, peak)
		}
	}
	if err != nil {
		return spent{}, fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args, " "), err, stderr.Bytes())
	}
	s.out, s.took = stdout.String(), time.Since(began)
	s.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	return s, nil
}

// A helper is the test binary itself, which does what helperEnv names and ends.
const helperEnv = "FOOTFALL_BENCH_HELPER"

func helper(in *group, what string, args ...string) *exec.Cmd {
	cmd := in.command(os.Args[0], args...)
	cmd.Env = append(cmd.Environ(), helperEnv+"="+what)
	return cmd
}

func TestMain(m *testing.M) {
	var err error
	switch os.Getenv(helperEnv) {
	case "":
		os.Exit(m.Run())
	case "noop":
		err = serve(nothing)
	case "append":
		err = serveAppending(os.Args[1])
	case "lines":
		err = writeLines(os.Stdout, os.Args[1])
	case "seal":
		err = sealTomorrow(os.Args[1])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// serve answers 202 to every request when handle has returned.
func serve(handle func(body io.Reader)) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	return http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handle(r.Body)
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.WriteString(w, "ok")
	}))
}

// nothing makes the server that the ratios are measured against: it reads the body.
func nothing(body io.Reader) { _, _ = io.Copy(io.Discard, body) }

// serveAppending is the least that a server can do which answers when the body is on disk: it appends whole blocks to the file at path, which
// was written once before, and those that wait share a write and an fdatasync.
func serveAppending(path string) error {
	const size, block = 64 << 20, 4096
	f, err := os.Create(path)
	if err == nil {
		_, err = f.Write(make([]byte, size))
	}
	if err == nil {
		err = f.Sync()
	}
	if err != nil {
		return err
	}
	var mu sync.Mutex
	wake := sync.NewCond(&mu)
	var waiting []byte
	done := make(chan struct{})
	go func() {
		var spare []byte
		for at := 0; ; {
			mu.Lock()
			for len(waiting) == 0 {
				wake.Wait()
			}
			batch, ready := waiting, done
			waiting, done = spare[:0], make(chan struct{})
			mu.Unlock()
			batch = append(batch, make([]byte, -len(batch)&(block-1))...)
			if at+len(batch) > size {
				at = 0
			}
			_, err := f.WriteAt(batch, int64(at))
			if err = errors.Join(err, syscall.Fdatasync(int(f.Fd()))); err != nil {
				panic(err)
			}
			at += len(batch)
			spare = batch
			close(ready)
		}
	}()
	return serve(func(body io.Reader) {
		b, _ := io.ReadAll(body)
		mu.Lock()
		waiting = append(waiting, b...)
		ready := done
		wake.Signal()
		mu.Unlock()
		<-ready
	})
}

// startHelper starts a server that is a helper.
func startHelper(b *testing.B, what string, args ...string) *server {
	cmd := helper(nil, what, args...)
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
