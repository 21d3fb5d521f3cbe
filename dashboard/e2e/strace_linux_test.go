package e2e_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"footfall/storage"
	"footfall/storage/day"
	"footfall/storage/schema"
)

// fault is what strace does to one system call of the program: to the one of a number, counted in each thread. With one processor the
// program's calls come from few threads, so that numbers from 1 to where nothing happens any more reach about every call.
type fault struct {
	call string
	how  string // an error, or KILL
	n    int    // 0: none
	open bool   // that one and all after it
}

func (f fault) String() string {
	if f.open {
		return fmt.Sprintf("%s %s from %d on", f.call, f.how, f.n)
	}
	return fmt.Sprintf("%s %s at %d", f.call, f.how, f.n)
}

// How calls fail: a disk that fails once, a disk that is full from then on, a kill.
var faultWays = []fault{{how: "EIO"}, {how: "ENOSPC", open: true}, {how: "KILL"}}

// traced returns a command that runs the binary under strace and writes what was traced into a file.
func (f fault) traced(log, dir string, args ...string) *exec.Cmd {
	trace := []string{"-D", "-f", "-qq", "-o", log, "-e", "trace=" + f.call}
	if f.call == "openat" || f.call == "pread64" { // the others are used for the data alone
		for _, name := range []string{"", "footfall.db", "footfall.vault", "footfall.key"} {
			trace = append(trace, "-P", filepath.Join(dir, name))
		}
	}
	if f.n > 0 {
		what, when := "error="+f.how, strconv.Itoa(f.n)
		if f.how == "KILL" {
			what = "signal=KILL"
		}
		if f.open {
			when += "+"
		}
		trace = append(trace, "-e", fmt.Sprintf("inject=%s:%s:when=%s", f.call, what, when))
	}
	cmd := exec.Command("strace", append(append(trace, binary), args...)...)
	cmd.Env = append(environment(), "GOMAXPROCS=1")
	return cmd
}

var tracedCall = regexp.MustCompile(`(?m)^(\d+) +\w+\(`)

// fired tells from the log whether the fault came to be, and how many calls of one thread there were at most.
func fired(t *testing.T, log string) (was bool, most int) {
	t.Helper()
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	calls := map[string]int{}
	for _, m := range tracedCall.FindAllSubmatch(text, -1) {
		calls[string(m[1])]++
		most = max(most, calls[string(m[1])])
	}
	return bytes.Contains(text, []byte("(INJECTED)")) || bytes.Contains(text, []byte("killed by SIGKILL")), most
}

// mustStrace skips the test where calls cannot be traced.
func mustStrace(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("strace"); err != nil {
		t.Skip("strace is not installed: install the package strace")
	}
	if out, err := exec.Command("strace", "-D", "-f", "-qq", "-o", os.DevNull, "-e", "inject=fsync:error=EIO", "true").CombinedOutput(); err != nil {
		t.Skipf("strace does not work here: %v\n%s", err, out)
	}
}

// tryFaults calls run with faults of each of the calls: in the long form every number until the fault does not come to be, in the
// short form a few random ones. run returns the log of strace.
func tryFaults(t *testing.T, few int, calls []string, run func(t *testing.T, f fault) (log string)) {
	mustStrace(t)
	type count struct{ tried, fired int }
	var mu sync.Mutex // guards sum
	var sum count
	attempt := func(t *testing.T, f fault) bool {
		log := run(t, f)
		was, _ := fired(t, log)
		mu.Lock()
		defer mu.Unlock()
		sum.tried++
		if was {
			sum.fired++
		}
		return was
	}
	t.Run("each", func(t *testing.T) {
		var short []fault
		for _, call := range calls {
			_, most := fired(t, run(t, fault{call: call}))
			for _, way := range faultWays {
				f := way
				f.call = call
				if os.Getenv("SOAK") == "" {
					for n := range most {
						f.n = n + 1
						short = append(short, f)
					}
					continue
				}
				t.Run(call+" "+way.how, func(t *testing.T) {
					t.Parallel()
					for misses := 0; misses < 3 && !t.Failed(); {
						if f.n++; attempt(t, f) {
							misses = 0
						} else {
							misses++
						}
					}
				})
			}
		}
		// Not in proportion: there are a hundred writes for one call that makes the file longer.
		rand.Shuffle(len(short), func(i, j int) { short[i], short[j] = short[j], short[i] })
		rank := map[string]int{}
		ranks := map[fault]int{}
		for _, f := range short {
			rank[f.call+f.how]++
			ranks[f] = rank[f.call+f.how]
		}
		slices.SortStableFunc(short, func(a, b fault) int { return ranks[a] - ranks[b] })
		for _, f := range short[:min(few, len(short))] {
			t.Run(f.String(), func(t *testing.T) {
				t.Parallel()
				attempt(t, f)
			})
		}
	})
	t.Logf("%d faults tried, %d came to be", sum.tried, sum.fired)
}

// faultHouse is a data directory that faults are tried on: a site with sealed days and with an open day that is over, so that a start seals it.
type faultHouse struct{ dir, token string }

const (
	faultBefore   = 30 // events of yesterday
	faultImported = 40
)

func newFaultHouse(t *testing.T) faultHouse {
	t.Helper()
	dir, token, _ := crashStore(t)
	mustFootfall(t, strings.NewReader(importLines("old", faultImported)), "import", "--site", crashSite, "--format", "ndjson", "-", "--data", dir)
	yesterday := func() time.Time { return time.Now().AddDate(0, 0, -1) }
	s, err := storage.Open(t.Context(), storage.Config{Dir: dir, Now: yesterday})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	site, _ := s.Accounts().SiteByDomain(crashSite)
	days, err := site.Calendar()
	if err != nil {
		t.Fatal(err)
	}
	date := days.Date(yesterday().Unix())
	if _, err := s.Salt(site, date); err != nil {
		t.Fatal(err)
	}
	o, err := s.OpenDay(site.ID, date)
	if err != nil {
		t.Fatal(err)
	}
	for n := range faultBefore {
		row := day.Row{Visit: uint32(n), New: &day.NewVisit{Visitor: uint64(n%7 + 1)}, Event: day.Event{Time: yesterday().Unix(), Name: day.Pageview,
			Hostname: crashSite, Pathname: fmt.Sprintf("/y/%d", n), Interactive: true, ScrollDepth: day.NoScroll}}
		row.New.Attributes[schema.Browser] = "Firefox"
		c, err := s.Append(o, row)
		if err == nil {
			err = c.Wait(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return faultHouse{dir, token}
}

// importLines are events of long ago, for `footfall import`.
func importLines(name string, events int) string {
	var lines strings.Builder
	for n := range events {
		fmt.Fprintf(&lines, `{"time":"2026-02-0%dT%02d:00:%02dZ","name":"pageview","visitor":"v%d","pathname":"/%s/%d"}`+"\n", 1+n%3, 10+n%9, n%60, n%11, name, n)
	}
	return lines.String()
}

// copied returns a copy of the directory to try something on.
func (h faultHouse) copied(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	if err := os.CopyFS(dir, os.DirFS(h.dir)); err != nil {
		t.Fatal(err)
	}
	return dir
}

// recount holds what is in a directory after a fault against what must be: what was there before, and all or nothing of each import.
// Live events, those of the ledger, are returned.
func (h faultHouse) recount(t *testing.T, dir string, imports map[string]bool) (live []exported) {
	t.Helper()
	mustCheck(t, dir)
	seen, kinds := map[string]bool{}, map[string]int{}
	for _, e := range exportOf(t, dir, crashSite) {
		kind, _, _ := strings.Cut(e.Pathname[1:], "/")
		if seen[e.Pathname] {
			t.Errorf("event %s is there twice", e.Pathname)
		}
		seen[e.Pathname] = true
		kinds[kind]++
		if kind == "e" {
			live = append(live, e)
		}
	}
	if kinds["y"] != faultBefore || kinds["old"] != faultImported {
		t.Errorf("%d of %d events of yesterday are there, and %d of %d that were imported", kinds["y"], faultBefore, kinds["old"], faultImported)
	}
	for name, acked := range imports {
		if n := kinds[name]; n != faultImported && (n != 0 || acked) {
			t.Errorf("%d of %d events of the import %s are there, acknowledged %v", n, faultImported, name, acked)
		}
	}
	return live
}

// runTraced runs a verb to its end under a fault and returns its exit code, -1 where it was killed.
func runTraced(t *testing.T, f fault, dir, stdin string, args ...string) (code int, log string) {
	t.Helper()
	log = filepath.Join(t.TempDir(), "strace.log")
	cmd := f.traced(log, dir, append(args, "--data", dir)...)
	var said bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	hang := time.AfterFunc(stopTime, func() { _ = cmd.Process.Kill(); t.Errorf("%v: %v does not end", f, args) })
	_ = cmd.Wait() // how it ended is in ProcessState
	hang.Stop()
	if text := said.String(); strings.Contains(text, "goroutine ") || strings.Contains(text, "fatal error") {
		t.Errorf("%v: %v said:\n%s", f, args, text)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%v: exit code %d; it said:\n%s", f, cmd.ProcessState.ExitCode(), &said)
		}
	})
	return cmd.ProcessState.ExitCode(), log
}

// TestFaultsInTheFirstStart has the making of a data directory fail, or killed. The next start makes it, or finds it whole.
func TestFaultsInTheFirstStart(t *testing.T) {
	calls := []string{"mkdirat", "openat", "write", "pwrite64", "ftruncate", "fallocate", "fsync", "fdatasync", "fchmod", "linkat", "unlinkat"}
	tryFaults(t, 20, calls, func(t *testing.T, f fault) string {
		dir := filepath.Join(t.TempDir(), "a", "data")
		code, log := runTraced(t, f, dir, "", "site", "add", crashSite)
		_, said, again := footfall(t, nil, "site", "add", crashSite, "--data", dir)
		if there := strings.Contains(said, "already"); again != 0 && !there || code == 0 && !there {
			t.Errorf("%v: the first start ended with %d, the second with %d and said:\n%s", f, code, again, said)
		}
		if sites := mustFootfall(t, nil, "site", "list", "--data", dir); !strings.Contains(sites, crashSite) {
			t.Errorf("%v: the sites are:\n%s", f, sites)
		}
		mustCheck(t, dir)
		return log
	})
}

// TestFaultsUnderImport has an import into an idle directory fail, or killed. It is there whole or not at all, whole if it ended well.
func TestFaultsUnderImport(t *testing.T) {
	house := newFaultHouse(t)
	calls := []string{"pwrite64", "fdatasync", "fsync", "ftruncate", "fallocate", "openat", "unlinkat", "pread64"}
	tryFaults(t, 20, calls, func(t *testing.T, f fault) string {
		dir := house.copied(t)
		code, log := runTraced(t, f, dir, importLines("new", faultImported), "import", "--site", crashSite, "--format", "ndjson", "-")
		house.recount(t, dir, map[string]bool{"new": code == 0})
		return log
	})
}

// TestFaultsUnderRebuild has the copying of the data file, which follows a commit that failed on the disk, fail or killed. The next start
// does it; nothing is lost.
func TestFaultsUnderRebuild(t *testing.T) {
	house := newFaultHouse(t)
	calls := []string{"openat", "pwrite64", "fdatasync", "fsync", "ftruncate", "fallocate", "renameat", "unlinkat", "pread64"}
	tryFaults(t, 20, calls, func(t *testing.T, f fault) string {
		dir := house.copied(t)
		mark := filepath.Join(dir, "footfall.db.rebuild")
		if err := os.WriteFile(mark, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		_, log := runTraced(t, f, dir, "", "check")
		house.recount(t, dir, nil)
		if _, err := os.Stat(mark); err == nil {
			t.Errorf("%v: the mark is still there", f)
		}
		return log
	})
}

// TestFaultsUnderCompact has a compaction fail, or killed. Nothing is lost, and the next one works and leaves nothing beside the file.
func TestFaultsUnderCompact(t *testing.T) {
	house := newFaultHouse(t)
	calls := []string{"openat", "pwrite64", "fdatasync", "fsync", "ftruncate", "fallocate", "renameat", "unlinkat", "pread64"}
	tryFaults(t, 20, calls, func(t *testing.T, f fault) string {
		dir := house.copied(t)
		_, log := runTraced(t, f, dir, "", "compact")
		house.recount(t, dir, nil)
		mustFootfall(t, nil, "compact", "--data", dir)
		house.recount(t, dir, nil)
		if left, _ := filepath.Glob(filepath.Join(dir, "footfall.db?*")); len(left) > 0 {
			t.Errorf("%v: left behind: %q", f, left)
		}
		return log
	})
}

// TestFaultsUnderServe has one system call of a server fail, or the server killed there, while it starts and seals yesterday, takes events,
// adds a site and imports. What it acknowledges is there after the next start, what it refuses it refuses with 503 and
// Retry-After, and it answers queries for as long as it lives.
func TestFaultsUnderServe(t *testing.T) {
	house := newFaultHouse(t)
	tryFaults(t, 40, []string{"pwrite64", "fdatasync", "fsync", "ftruncate", "fallocate", "openat", "pread64"}, func(t *testing.T, f fault) string {
		dir, log := house.copied(t), filepath.Join(t.TempDir(), "strace.log")
		s, err := begin(f.traced(log, dir, "serve", "--data", dir, "--listen", "127.0.0.1:0", "--quiet"), dir)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Kill()
		l := newLedger(36)
		imports := map[string]bool{}
		second := false
		if s.URL != "" {
			l.offer(t, f, s.URL, 16)
			_, _, code := footfall(t, nil, "site", "add", "second.example", "--data", dir)
			second = code == 0
			l.offer(t, f, s.URL, 4)
			_, _, code = footfall(t, strings.NewReader(importLines("new", faultImported)), "import", "--site", crashSite, "--format", "ndjson", "-", "--data", dir)
			imports["new"] = code == 0
			l.offer(t, f, s.URL, 16)
			house.mustAnswer(t, f, s)
		} else {
			select {
			case <-s.done:
			default:
				t.Errorf("%v: the server neither listens nor ends; it said:\n%s", f, s.Log())
			}
		}
		if code := s.Stop(); code < 0 && f.how != "KILL" {
			t.Errorf("%v: the server does not stop; it said:\n%s", f, s.Log())
		}
		if strings.Contains(s.Log(), "goroutine ") || strings.Contains(s.Log(), "fatal error") {
			t.Errorf("%v: the server said:\n%s", f, s.Log())
		}
		l.recount(t, house.recount(t, dir, imports))
		if sites := mustFootfall(t, nil, "site", "list", "--data", dir); second && !strings.Contains(sites, "second.example") {
			t.Errorf("a site was added and is gone:\n%s", sites)
		}
		if t.Failed() {
			t.Logf("%v; the server said:\n%s", f, s.Log())
		}
		return log
	})
}

// offer sends some events, few at a time, each once.
func (l *ledger) offer(t *testing.T, f fault, url string, events int) {
	t.Helper()
	var senders sync.WaitGroup
	last := l.next.Add(int64(events))
	var next sync.Mutex
	n := int(last) - events
	for range 3 {
		senders.Go(func() {
			client := oneConnection()
			defer client.CloseIdleConnections()
			for {
				next.Lock()
				mine := n
				n++
				next.Unlock()
				if mine >= int(last) {
					return
				}
				l.sent[mine].Store(true)
				status, header, err := offerEvent(client, url, eventAddress(mine), eventAgent(mine), eventBody(mine))
				switch {
				case err != nil && f.how != "KILL":
					t.Errorf("%v: event %d: %v", f, mine, err)
				case err != nil:
					return
				case status == http.StatusAccepted:
					l.acked[mine].Store(true)
				case status != http.StatusServiceUnavailable || header.Get("Retry-After") == "":
					t.Errorf("%v: event %d was answered %d, Retry-After %q", f, mine, status, header.Get("Retry-After"))
				}
			}
		})
	}
	senders.Wait()
}

// mustAnswer holds that a server that lives answers queries, whatever became of its disk.
func (h faultHouse) mustAnswer(t *testing.T, f fault, s *server) {
	t.Helper()
	if f.how == "KILL" {
		return
	}
	for range 2 { // reading may be what fails, once
		status, answer := post(t, s.URL, h.token, fmt.Sprintf(`{"site_id":%q,"date_range":["2026-01-01","2099-12-31"],"metrics":["visitors","events"]}`, crashSite))
		if status == http.StatusOK {
			return
		}
		if f.call != "pread64" {
			t.Errorf("%v: a query was answered %d\n%s", f, status, answer)
			return
		}
	}
}
