// Package e2e tests the built binary as its users meet it: at the command line, over HTTP and in a browser. The binary
// is built once for all tests; each test has its own data directory.
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
	"sync"
	"syscall"
	"testing"
	"time"
)

// binary is the path of the built binary, set once by TestMain.
var binary string

// Limits of waiting. They are long because a busy machine must not fail a test; nothing waits longer than it has to.
const (
	startTime = 60 * time.Second
	stopTime  = 60 * time.Second
)

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "footfall-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	binary = filepath.Join(dir, "footfall")
	build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -X main.version=v0.0.0-test", "-o", binary, "footfall")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	code := 1
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "build footfall:", err)
	} else {
		code = m.Run()
	}
	os.RemoveAll(dir)
	os.Exit(code)
}

// environment is that of this process without what would set Footfall's flags.
func environment() []string {
	var env []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "FOOTFALL_") && !strings.HasPrefix(v, "CREDENTIALS_DIRECTORY=") {
			env = append(env, v)
		}
	}
	return env
}

// footfall runs the binary to its end and returns what it printed.
func footfall(t *testing.T, stdin io.Reader, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	return footfallWith(t, environment(), stdin, args...)
}

// footfallWith is footfall in an environment of its own.
func footfallWith(t *testing.T, env []string, stdin io.Reader, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), binary, args...)
	var out, remarks bytes.Buffer
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = env, stdin, &out, &remarks
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatalf("run footfall %v: %v", args, err)
	}
	return out.String(), remarks.String(), cmd.ProcessState.ExitCode()
}

// mustFootfall is footfall that has to succeed; it returns standard output.
func mustFootfall(t *testing.T, stdin io.Reader, args ...string) string {
	t.Helper()
	stdout, stderr, code := footfall(t, stdin, args...)
	if code != 0 {
		t.Fatalf("footfall %v: exit code %d\n%s", args, code, stderr)
	}
	return stdout
}

// server is a running `footfall serve` or `footfall demo`.
type server struct {
	URL string // without a slash at its end
	Dir string // data directory

	cmd  *exec.Cmd
	log  *transcript
	done chan struct{} // closed when the process has ended
}

// start starts the binary with verb "serve" or "demo" on a free port of loopback, and waits until it answers. It is killed
// at the end of the test.
func start(t *testing.T, verb, dir string, args ...string) *server {
	t.Helper()
	s, err := launch(environment(), verb, dir, args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Kill)
	return s
}

var listening = regexp.MustCompile(`http://127\.0\.0\.1:\d+`)

func launch(env []string, verb, dir string, args ...string) (*server, error) {
	cmd := exec.Command(binary, append([]string{verb, "--data", dir, "--listen", "127.0.0.1:0"}, args...)...)
	cmd.Env = env
	s, err := begin(cmd, dir)
	if err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(startTime); s.URL != "" && time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if res, err := http.Get(s.URL + "/api/health"); err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return s, nil
			}
		}
	}
	s.Kill()
	return nil, fmt.Errorf("footfall %s does not answer; it said:\n%s", verb, s.log)
}

// begin starts a server and waits until it says where it listens, or has ended.
func begin(cmd *exec.Cmd, dir string) (*server, error) {
	s := &server{Dir: dir, log: &transcript{}, cmd: cmd, done: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = s.log, s.log
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = cmd.Wait() // how it ended is in ProcessState
		close(s.done)
	}()
	s.URL = s.log.await(listening, s.done, startTime)
	return s, nil
}

var setupLink = regexp.MustCompile(`https?://\S+/setup\?token=\S+`)

// SetupLink returns the link that makes the first account, from the terminal.
func (s *server) SetupLink() string { return s.log.await(setupLink, s.done, startTime) }

// Log returns what the server has printed.
func (s *server) Log() string { return s.log.String() }

// Kill ends the process as a power cut would, kill -9. It may be called twice.
func (s *server) Kill() {
	_ = s.cmd.Process.Kill() // fails only where it has ended
	<-s.done
}

// Stop asks the process to end and returns its exit code, -1 if it had to be killed.
func (s *server) Stop() int {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.done:
	case <-time.After(stopTime):
		s.Kill()
	}
	return s.cmd.ProcessState.ExitCode()
}

// Pid returns the number of the process.
func (s *server) Pid() int { return s.cmd.Process.Pid }

// transcript collects what a process prints and lets others wait for a part of it.
type transcript struct {
	mu   sync.Mutex // guards text
	text bytes.Buffer
}

func (l *transcript) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *transcript) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// await returns the first match, or "" once the process has ended without one or time is up.
func (l *transcript) await(re *regexp.Regexp, done <-chan struct{}, limit time.Duration) string {
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); {
		ended := false
		select {
		case <-done:
			ended = true
		case <-time.After(5 * time.Millisecond):
		}
		if match := re.FindString(l.String()); match != "" || ended {
			return match
		}
	}
	return ""
}
