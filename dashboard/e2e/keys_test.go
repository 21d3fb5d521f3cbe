package e2e_test

import (
	"bytes"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// keyHouse is a data directory with a site, a key file and a recovery key.
func keyHouse(t *testing.T) (dir, recovery string) {
	t.Helper()
	dir = t.TempDir()
	mustFootfall(t, nil, "site", "add", "example.org", "--data", dir)
	return dir, strings.TrimSpace(mustFootfall(t, nil, "key", "recovery", "--data", dir))
}

// opensWith reports whether a recovery key opens the directory. Nothing but a right or a wrong key may come of it.
func opensWith(t *testing.T, dir, recovery string) bool {
	t.Helper()
	file := filepath.Join(t.TempDir(), "recovery")
	if err := os.WriteFile(file, []byte(recovery+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, remarks, code := footfall(t, nil, "key", "status", "--data", dir, "--key-file", file, "--json")
	if code != 0 {
		t.Fatalf("key status: exit code %d\n%s", code, remarks)
	}
	return strings.Contains(out, `"proven": true`)
}

// TestKillRotate kills a rotation at each of its writes and syncs of the vault. Afterwards all is as before or all is rotated, the
// next start mends what is left, and of what was rotated nothing old is in the file.
func TestKillRotate(t *testing.T) {
	if _, err := exec.LookPath("strace"); err != nil {
		t.Skip("no strace here")
	}
	house, old := keyHouse(t)
	before, err := os.ReadFile(filepath.Join(house, "footfall.vault"))
	if err != nil {
		t.Fatal(err)
	}
	kills, changed := 0, 0
	for _, call := range []string{"pwrite64", "fdatasync"} {
		for n, through := 1, 0; through < 3; n++ {
			dir := filepath.Join(t.TempDir(), "data")
			if err := os.CopyFS(dir, os.DirFS(house)); err != nil {
				t.Fatal(err)
			}
			vault := filepath.Join(dir, "footfall.vault")
			cmd := exec.Command("strace", "-f", "-qqq", "-o", "/dev/null", "-P", vault, "-e", "trace=pwrite64,fdatasync",
				"-e", "inject="+call+":signal=KILL:when="+strconv.Itoa(n), binary, "key", "rotate", "--yes", "--data", dir)
			var out, remarks bytes.Buffer
			// strace counts the calls of each thread for itself; with one processor few threads share them.
			cmd.Env, cmd.Stdout, cmd.Stderr = append(environment(), "GOMAXPROCS=1"), &out, &remarks
			err := cmd.Run()
			if err != nil && strings.Contains(remarks.String(), "ptrace") {
				t.Skipf("strace may not trace here: %s", &remarks)
			}
			// What was killed before it printed a new recovery key has changed nothing.
			fresh := strings.TrimSpace(out.String())
			withOld, withNew := opensWith(t, dir, old), fresh != "" && opensWith(t, dir, fresh)
			if withOld == withNew || err == nil && !withNew {
				t.Fatalf("%s %d: the old recovery key opens: %v, the new one: %v", call, n, withOld, withNew)
			}
			mustCheck(t, dir)
			if opensWith(t, dir, old) != withOld {
				t.Errorf("%s %d: the next start has changed which keys open", call, n)
			}
			if withNew {
				noneOf(t, vault, before)
			}
			switch {
			case err == nil:
				through++ // three in a row have made no more calls than that, on whichever thread
			case withNew:
				changed++
				fallthrough
			default:
				kills, through = kills+1, 0
			}
		}
	}
	t.Logf("%d kills, %d of them after the moment of change", kills, changed)
	if kills < 8 || changed == 0 || changed == kills {
		t.Error("the test tests little")
	}
}

// noneOf holds that nothing secret of an older vault is in a file.
func noneOf(t *testing.T, path string, before []byte) {
	t.Helper()
	after, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for what, at := range map[string]int{"a wrapped master key": 64 + 56, "another": 64 + 128 + 56, "a data key": 2*4096 + 40, "the site's": 3*4096 + 40} {
		if bytes.Contains(after, before[at:at+16]) {
			t.Errorf("%s of before is in the vault", what)
		}
	}
}

// TestRotateUnderLoad rotates the keys of a server again and again while events come, and kills it now and then in the midst of it. No
// acknowledged event is lost, and the visitors of the day stay the same: the salts came through.
func TestRotateUnderLoad(t *testing.T) {
	const events, rounds = 4000, 6
	dir, token, date := crashStore(t)
	l := newLedger(events)
	rotations := 0
	for round := range rounds {
		s := start(t, "serve", dir, "--quiet")
		var done atomic.Bool
		rotating := make(chan int)
		go func() {
			n := 0
			for !done.Load() {
				cmd := exec.Command(binary, "key", "rotate", "--yes", "--data", dir)
				cmd.Env = environment()
				if cmd.Run() == nil {
					n++
				}
			}
			rotating <- n
		}()
		at, pause := events, time.Duration(rand.IntN(20))*time.Millisecond
		if round < rounds-1 {
			at = (round + 1) * events / rounds
		}
		l.flood(s.URL, func(n int) {
			if n == at {
				time.AfterFunc(pause, s.Kill)
			}
		})
		if round == rounds-1 {
			done.Store(true)
			rotations += <-rotating
			agree(t, s.URL, token, date, l.recount(t, exportOf(t, dir, crashSite)))
		}
		s.Kill()
		if round < rounds-1 {
			done.Store(true) // a rotation that meets no server works on the directory itself
			rotations += <-rotating
		}
		if strings.Contains(s.Log(), "panic") || strings.Contains(s.Log(), "level=ERROR") {
			t.Errorf("round %d: the server said:\n%s", round, s.Log())
		}
		mustCheck(t, dir)
	}
	l.recount(t, exportOf(t, dir, crashSite))
	sent, acked := l.count()
	t.Logf("%d events sent, %d acknowledged, %d rotations", sent, acked, rotations)
	if acked < events*8/10 || rotations < rounds {
		t.Error("the test tests little")
	}
}
