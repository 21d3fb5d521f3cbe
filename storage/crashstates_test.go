//go:build linux

package storage_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"footfall/storage/file/crashfs"
)

// TestCrashStates looks at what a power cut may leave of a data directory, after each write of a program that makes it, takes events, imports,
// seals at midnight, adds and removes sites, ends well, is killed and starts again; then of a program that was started after a
// crash, and of one that had an fsync fail. In every state everything acknowledged is there, nothing is there twice, and dead salts are dead.
func TestCrashStates(t *testing.T) {
	if crashfs.IsChild() {
		if err := crashfs.Judge(crashJudge); err != nil {
			t.Fatal(err)
		}
		return
	}
	if s := os.Getenv("STORAGE_TEST_CRASH"); s != "" {
		r := &crashRun{}
		var strict bool
		if _, err := fmt.Sscan(s, &r.round, &r.kill, &strict, &r.dir); err != nil {
			t.Fatal(err)
		}
		if err := r.do(); err != nil && (strict || errors.Is(err, errUnreadable)) {
			t.Fatal(err)
		}
		return
	}
	seed := uint64(time.Now().UnixNano())
	rng := rand.New(rand.NewPCG(seed, 0))
	again, failures, draws := 2, 5, 2
	if os.Getenv("SOAK") != "" {
		again, failures, draws = 40, 1<<20, 20
	}
	t.Run("crash", func(t *testing.T) {
		log := recordCrash(t, nil, crashfs.Faults{}, "0 false true", "1 true true", "2 false true")
		mustKeepAll(t, log, crashfs.Plan{Draws: draws, Seed: seed})
		for range again {
			mustKeepAll(t, recordCrash(t, crashed(log, rng), crashfs.Faults{}, "3 false true"), crashfs.Plan{Draws: draws, Seed: seed})
		}
	})
	t.Run("failed sync", func(t *testing.T) {
		syncs := recordCrash(t, nil, crashfs.Faults{}, "0 false true", "1 false true").Syncs()
		for _, n := range rng.Perm(syncs)[:min(syncs, failures)] {
			log := recordCrash(t, nil, crashfs.Faults{Sync: n + 1}, "0 false false", "1 false false")
			mustKeepAll(t, log, crashfs.Plan{From: log.Failure(), Draws: draws, Seed: seed})
		}
	})
}

// emptyMachine is a machine with a directory for keys and nothing else.
func emptyMachine() *crashfs.Log {
	return &crashfs.Log{First: 2, Ops: []crashfs.Op{
		{Kind: crashfs.Names, Entries: []crashfs.Entry{{Dir: 1, Name: filepath.Dir(crashKey), Node: 2, IsDir: true}}}, {Kind: crashfs.SyncAll},
	}}
}

// recordCrash records runs of the program, one after the other; a run may be killed, but not fail.
func recordCrash(t *testing.T, start *crashfs.Log, faults crashfs.Faults, runs ...string) *crashfs.Log {
	t.Helper()
	if start == nil {
		start = emptyMachine()
	}
	mount := t.TempDir()
	log, err := crashfs.Record(mount, start, faults, func() error {
		for _, run := range runs {
			cmd := exec.Command(os.Args[0], "-test.run=^TestCrashStates$")
			cmd.Env = append(os.Environ(), "STORAGE_TEST_CRASH="+run+" "+mount)
			if out, err := cmd.CombinedOutput(); err != nil && cmd.ProcessState.ExitCode() >= 0 {
				return fmt.Errorf("%w\n%s", err, out)
			}
		}
		return nil
	})
	if errors.Is(err, crashfs.ErrUnsupported) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return log
}

// crashed returns a log that begins with a random state of another.
func crashed(log *crashfs.Log, rng *rand.Rand) *crashfs.Log {
	plan, n := crashfs.Plan{Draws: 1, Seed: rng.Uint64()}, 0
	for range log.States(plan) {
		n++
	}
	n = rng.IntN(n)
	for s := range log.States(plan) {
		if s.Number == n {
			return s.Prelude()
		}
	}
	return nil
}

func mustKeepAll(t *testing.T, log *crashfs.Log, plan crashfs.Plan) {
	t.Helper()
	began := time.Now()
	verdict, err := crashfs.Explore(crashfs.Exploration{Log: log, Plan: plan, Children: 2, Limit: time.Minute,
		Child: func() *exec.Cmd { return exec.Command(os.Args[0], "-test.run=^TestCrashStates$") }})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d operations, %d syncs, %d states in %v, seed %d", len(log.Ops)-log.First, log.Syncs(), verdict.States, time.Since(began).Round(time.Millisecond), plan.Seed)
	for _, b := range verdict.Bad {
		t.Error(b)
	}
	if len(verdict.Bad) > 0 {
		path := filepath.Join(os.TempDir(), fmt.Sprintf("footfall-crash-%d.log", plan.Seed))
		t.Logf("the log is kept as %s (%v), plan %+v", path, log.Save(path), plan)
	}
}
