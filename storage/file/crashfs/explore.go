package crashfs

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Exploration has children judge all states of a log.
type Exploration struct {
	Log  *Log
	Plan Plan
	// Child returns a command that calls Judge. The program under test may die of a bad state, or hang, so it is opened in a process of its own.
	Child    func() *exec.Cmd
	Children int           // at once
	Limit    time.Duration // for one state; longer is a hang
}

// Verdict is what became of an exploration.
type Verdict struct {
	States int   // judged
	Bad    []Bad // at most maxBad of them
}

// Bad is a state that must not be.
type Bad struct {
	State  int
	Reason string
}

func (b Bad) String() string { return fmt.Sprintf("state %d: %s", b.State, b.Reason) }

// maxBad states are enough to know that something is wrong.
const maxBad = 20

// Environment of a child.
const (
	envDir   = "CRASHFS_DIR"
	envPlan  = "CRASHFS_PLAN"  // from, draws, seed
	envShare = "CRASHFS_SHARE" // which of how many shares, and the first state
)

// logName is the log in the directory that children work in.
const logName = "crash.log"

// Explore runs children over all states, each over its share, and starts a child again behind a state that it died of.
func Explore(e Exploration) (Verdict, error) {
	// In memory where there is such a place, for speed: these files are not what is tested.
	dir := "/dev/shm"
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		dir = ""
	}
	dir, err := os.MkdirTemp(dir, "crashfs-")
	if err != nil {
		return Verdict{}, err
	}
	defer os.RemoveAll(dir)
	if err := e.Log.Save(filepath.Join(dir, logName)); err != nil {
		return Verdict{}, err
	}
	var (
		all  sync.WaitGroup
		mu   sync.Mutex // guards sum and errs
		sum  Verdict
		errs []error
	)
	for share := range e.Children {
		all.Go(func() {
			for first, done := 0, false; !done; {
				states, bad, next, err := e.child(dir, share, first)
				mu.Lock()
				sum.States += states
				sum.Bad = append(sum.Bad, bad...)
				errs = append(errs, err)
				done = err != nil || next < 0 || len(sum.Bad) >= maxBad
				mu.Unlock()
				first = next
			}
		})
	}
	all.Wait()
	return sum, errors.Join(errs...)
}

// child runs one child until it has done its share (next < 0) or has died (next is behind the state it died of).
func (e *Exploration) child(dir string, share, first int) (states int, bad []Bad, next int, err error) {
	cmd := e.Child()
	if cmd.Env == nil {
		cmd.Env = os.Environ()
	}
	// A state is small and is thrown away: collecting it costs more than keeping it.
	cmd.Env = append(cmd.Env, "GOGC=800", envDir+"="+dir, fmt.Sprintf("%s=%d %d %d", envPlan, e.Plan.From, e.Plan.Draws, e.Plan.Seed),
		fmt.Sprintf("%s=%d %d %d", envShare, share, e.Children, first))
	var remarks tail
	cmd.Stderr = &remarks
	out, err := cmd.StdoutPipe()
	if err != nil {
		return 0, nil, 0, err
	}
	if err := cmd.Start(); err != nil {
		return 0, nil, 0, err
	}
	var hung atomic.Bool
	watch := time.AfterFunc(e.Limit, func() { hung.Store(true); _ = cmd.Process.Kill() })
	at, finished := -1, false
	for lines := bufio.NewScanner(out); lines.Scan(); watch.Reset(e.Limit) {
		// A test binary prints lines of its own.
		word, rest, _ := strings.Cut(lines.Text(), " ")
		switch word {
		case "crashfs-state":
			at, _ = strconv.Atoi(rest)
			states++
		case "crashfs-bad":
			reason, _ := strconv.Unquote(rest)
			bad = append(bad, Bad{at, reason})
		case "crashfs-end":
			finished = true
		}
	}
	watch.Stop()
	err = cmd.Wait()
	switch {
	case finished:
		return states, bad, -1, nil
	case at < 0:
		return 0, nil, 0, fmt.Errorf("the child judged nothing: %v\n%s", err, &remarks)
	case hung.Load():
		bad = append(bad, Bad{at, fmt.Sprintf("no end after %v", e.Limit)})
	default:
		bad = append(bad, Bad{at, fmt.Sprintf("the process died: %v\n%s", err, &remarks)})
	}
	return states, bad, at + 1, nil
}

// tail keeps the last that was written to it, and the first, which says why a Go program died.
type tail struct{ first, last []byte }

const tailSize = 4 << 10

func (t *tail) Write(p []byte) (int, error) {
	if room := tailSize - len(t.first); room > 0 {
		t.first = append(t.first, p[:min(room, len(p))]...)
	} else {
		t.last = append(t.last, p...)
		t.last = t.last[max(0, len(t.last)-tailSize):]
	}
	return len(p), nil
}

func (t *tail) String() string { return string(t.first) + string(t.last) }

// IsChild tells whether this process was started by Explore, so that it has to call Judge.
func IsChild() bool { return os.Getenv(envDir) != "" }

// Judge goes through a child's share of the states. check is called with each state, laid out in dir, and the answer that is wrong with it is an
// error. dir is gone afterwards.
func Judge(check func(s *State, dir string) error) error {
	top := os.Getenv(envDir)
	l, err := Load(filepath.Join(top, logName))
	if err != nil {
		return err
	}
	var plan Plan
	var share, shares, first int
	if _, err := fmt.Sscan(os.Getenv(envPlan), &plan.From, &plan.Draws, &plan.Seed); err != nil {
		return fmt.Errorf("judge: plan: %w", err)
	}
	if _, err := fmt.Sscan(os.Getenv(envShare), &share, &shares, &first); err != nil {
		return fmt.Errorf("judge: share: %w", err)
	}
	dir := filepath.Join(top, strconv.Itoa(share))
	if err := os.RemoveAll(dir); err != nil { // of a child that died
		return err
	}
	for s := range l.States(plan) {
		if s.Number < first || s.Hash%uint64(shares) != uint64(share) {
			continue
		}
		fmt.Printf("crashfs-state %d\n", s.Number)
		err := os.Mkdir(dir, 0o700)
		if err == nil {
			err = s.Write(dir)
		}
		if err != nil {
			return err
		}
		if err := check(s, dir); err != nil {
			text := bytes.TrimSpace([]byte(fmt.Sprintf("%v: %v", s, err)))
			fmt.Printf("crashfs-bad %q\n", text)
		}
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	}
	fmt.Println("crashfs-end")
	return nil
}
