//go:build linux

package file_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"footfall/storage/file"
	"footfall/storage/file/crashfs"
)

// The program whose crashes are looked at: workers that change keys of their own, each its script, one step after the other. So after a
// crash what a worker has is its script up to one step: not before the last that was acknowledged, not behind the first that was never begun.
const (
	crashWorkers = 3
	crashSteps   = 400 // that are known; none is reached
)

// crashChange is a part of a step: a value, or where it is nil the removal of all keys with a prefix.
type crashChange struct {
	bucket file.Bucket
	key    []byte
	value  []byte
}

// crashStep returns what a worker does in a step, and whether it takes that back at the end.
func crashStep(worker, n int) (changes []crashChange, back bool) {
	rng := rand.New(rand.NewPCG(uint64(worker), uint64(n)))
	value := func(size int) []byte {
		b := make([]byte, size)
		seed := [32]byte{byte(worker), byte(n), byte(n >> 8), byte(len(changes))}
		rand.NewChaCha8(seed).Read(b)
		return b
	}
	key := func(block, i int) []byte { return []byte{byte(worker), byte(block >> 8), byte(block), byte(i)} }
	block := n / 8
	switch n % 8 {
	case 4:
		changes = append(changes, crashChange{file.Days, key(n%3, 0), value(3000 + rng.IntN(30_000))})
	case 5:
		changes = append(changes, crashChange{file.Journal, key(block, 0), value(rng.IntN(2000))}, crashChange{file.Catalog, key(0, 0), value(40)})
	case 6:
		changes = append(changes, crashChange{file.Journal, key(block-2, 0)[:3], nil}, crashChange{file.Days, key(n%3, 0), nil})
	default:
		for i := range 1 + rng.IntN(3) {
			changes = append(changes, crashChange{file.Journal, key(block, n%8*4+i), value(1 + rng.IntN(900))})
		}
	}
	return changes, n%8 == 7
}

// crashPrints returns what a worker's keys are after each number of steps, as one hash.
func crashPrints(worker int) (prints [][32]byte) {
	have := map[string][]byte{}
	for n := range crashSteps {
		prints = append(prints, crashPrint(have))
		changes, back := crashStep(worker, n)
		if back {
			continue
		}
		for _, c := range changes {
			at := string(rune(c.bucket)) + string(c.key)
			if c.value != nil {
				have[at] = c.value
				continue
			}
			for k := range have {
				if strings.HasPrefix(k, at) {
					delete(have, k)
				}
			}
		}
	}
	return prints
}

func crashPrint(have map[string][]byte) (sum [32]byte) {
	for k, v := range have { // in any order
		h := sha256.New()
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(k))))
		h.Write([]byte(k))
		h.Write(v)
		for i, b := range h.Sum(nil) {
			sum[i] ^= b
		}
	}
	return sum
}

// crashFound returns the prints of what is in an open file.
func crashFound(db *file.DB) (found [crashWorkers][32]byte, err error) {
	var have [crashWorkers]map[string][]byte
	for w := range have {
		have[w] = map[string][]byte{}
	}
	for _, b := range []file.Bucket{file.Journal, file.Catalog, file.Days} {
		err := db.Scan(context.Background(), b, nil, func(k, v []byte) error {
			if len(k) != 4 || int(k[0]) >= crashWorkers {
				return fmt.Errorf("a key that nobody wrote: %x", k)
			}
			have[k[0]][string(rune(b))+string(k)] = v
			return nil
		})
		if err != nil {
			return found, err
		}
	}
	for w := range have {
		found[w] = crashPrint(have[w])
	}
	return found, nil
}

const crashName = "footfall.db"

// crashProgram is the program: it opens or makes the file in dir, goes on with each script for some steps and ends as it is told to.
func crashProgram(t *testing.T, dir, end string, steps int) {
	say, err := crashfs.OpenMarker(dir)
	if err != nil {
		t.Fatal(err)
	}
	cfg := file.Config{Path: filepath.Join(dir, crashName)}
	db, err := file.Open(cfg)
	if errors.Is(err, fs.ErrNotExist) {
		if db, err = file.Create(cfg); err == nil {
			say.Say("made")
		}
	}
	if err != nil {
		say.Say("refused") // right where a sync fails
		return
	}
	found, err := crashFound(db)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for w := range crashWorkers {
		first := 0
		for prints := crashPrints(w); prints[first] != found[w]; {
			if first++; first == crashSteps {
				t.Fatalf("what worker %d has is no state of its script", w)
			}
		}
		say.Say("at %d %d", w, first)
		all.Go(func() {
			for n := first; n < first+steps; n++ {
				if end == "kill" && w == 0 && n == first+steps/2 {
					_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
				}
				say.Say("begin %d %d", w, n+1)
				err := db.Commit(context.Background(), func(tx *file.Tx) error { return crashWrite(tx, w, n) })
				if err != nil && !errors.Is(err, errBack) {
					return
				}
				say.Say("ack %d %d", w, n+1)
			}
		})
	}
	if end == "compact" {
		all.Go(func() {
			for range 3 {
				_, _ = db.Compact(context.Background(), nil) // fails where a sync fails
			}
		})
	}
	all.Wait()
	_ = db.Close() // fails where a sync fails
}

var errBack = errors.New("taken back")

func crashWrite(tx *file.Tx, worker, n int) error {
	changes, back := crashStep(worker, n)
	for _, c := range changes {
		err := error(nil)
		if c.value != nil {
			err = tx.Put(c.bucket, c.key, c.value)
		} else {
			err = tx.DeletePrefix(c.bucket, c.key)
		}
		if err != nil {
			return err
		}
	}
	if back {
		return errBack
	}
	return nil
}

// crashPromise is what marks say must be there: of each worker at least and at most so many steps.
type crashPromise struct {
	made        bool
	least, most [crashWorkers]int
}

func crashPromised(marks []string) (p crashPromise, err error) {
	for _, m := range marks {
		var w, n int
		word, rest, _ := strings.Cut(m, " ")
		if rest != "" {
			if _, err := fmt.Sscan(rest, &w, &n); err != nil {
				return p, fmt.Errorf("mark %q: %w", m, err)
			}
		}
		switch word {
		case "made":
			p.made = true
		case "at": // seen by a program that was started on it: nothing else was ever there
			p.made = true
			p.least[w], p.most[w] = n, n
		case "begin":
			p.most[w] = n
		case "ack":
			p.least[w] = n
		}
	}
	return p, nil
}

// crashJudge opens what a crash left and holds it against what was promised; then it goes on with it.
func crashJudge(prints [][][32]byte) func(*crashfs.State, string) error {
	return func(s *crashfs.State, dir string) error {
		promise, err := crashPromised(s.Marks)
		if err != nil {
			return err
		}
		cfg := file.Config{Path: filepath.Join(dir, crashName)}
		db, err := file.Open(cfg)
		if errors.Is(err, fs.ErrNotExist) && !promise.made {
			return nil
		}
		if err != nil {
			return err
		}
		defer db.Close()
		if err := promise.kept(db, prints); err != nil {
			return err
		}
		if err := db.Check(context.Background(), nil); err != nil {
			return err
		}
		if s.Hash%4 != 0 {
			return nil
		}
		if err := db.Commit(context.Background(), func(tx *file.Tx) error { return tx.Put(file.Audit, []byte("on"), bytes.Repeat([]byte("on"), 5000)) }); err != nil {
			return fmt.Errorf("go on: %w", err)
		}
		if err := db.Close(); err != nil {
			return fmt.Errorf("go on: %w", err)
		}
		if db, err = file.Open(cfg); err != nil {
			return fmt.Errorf("open again: %w", err)
		}
		defer db.Close()
		if v, err := db.Get(file.Audit, []byte("on")); err != nil || len(v) != 10_000 {
			return fmt.Errorf("what came after the crash is gone: %d bytes, %v", len(v), err)
		}
		return promise.kept(db, prints)
	}
}

func (p *crashPromise) kept(db *file.DB, prints [][][32]byte) error {
	found, err := crashFound(db)
	if err != nil {
		return err
	}
	for w := range found {
		ok := false
		for n := p.least[w]; n <= p.most[w]; n++ {
			ok = ok || prints[w][n] == found[w]
		}
		if !ok {
			return fmt.Errorf("worker %d was promised %d to %d steps and has something else", w, p.least[w], p.most[w])
		}
	}
	return nil
}

// recordCrash records the program, run once for each end: "close" ends it well, "kill" with SIGKILL in the midst of its work,
// "compact" well after it was compacted while it worked.
func recordCrash(t *testing.T, start *crashfs.Log, faults crashfs.Faults, steps int, ends ...string) *crashfs.Log {
	t.Helper()
	var runs []string
	for _, end := range ends {
		runs = append(runs, fmt.Sprintf("FILE_TEST_CRASH=%s %d", end, steps))
	}
	return recordProgram(t, start, faults, "TestCrashStates", runs...)
}

// recordProgram records a test of this binary, run once for each setting in its environment; a run may be killed, but not fail.
func recordProgram(t *testing.T, start *crashfs.Log, faults crashfs.Faults, test string, runs ...string) *crashfs.Log {
	t.Helper()
	mount := t.TempDir()
	log, err := crashfs.Record(mount, start, faults, func() error {
		for _, run := range runs {
			cmd := exec.Command(os.Args[0], "-test.run=^"+test+"$")
			cmd.Env = append(os.Environ(), run+" "+mount)
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

func exploreCrash(t *testing.T, log *crashfs.Log, plan crashfs.Plan, test string) crashfs.Verdict {
	t.Helper()
	verdict, err := crashfs.Explore(crashfs.Exploration{Log: log, Plan: plan, Children: 2, Limit: time.Minute,
		Child: func() *exec.Cmd { return exec.Command(os.Args[0], "-test.run=^"+test+"$") }})
	if err != nil {
		t.Fatal(err)
	}
	return verdict
}

// TestCrashStates looks at what a power cut may leave of the file, after each write of a program that makes it, works in it, ends well, is killed
// and starts again; then of a program that was started after a crash, and of one that had an fsync fail. In every state is what was acknowledged.
func TestCrashStates(t *testing.T) {
	if crashfs.IsChild() {
		var prints [][][32]byte
		for w := range crashWorkers {
			prints = append(prints, crashPrints(w))
		}
		if err := crashfs.Judge(crashJudge(prints)); err != nil {
			t.Fatal(err)
		}
		return
	}
	if s := os.Getenv("FILE_TEST_CRASH"); s != "" {
		var end, dir string
		var steps int
		if _, err := fmt.Sscan(s, &end, &steps, &dir); err != nil {
			t.Fatal(err)
		}
		crashProgram(t, dir, end, steps)
		return
	}
	seed := uint64(time.Now().UnixNano())
	rng := rand.New(rand.NewPCG(seed, 0))
	again, failures, draws := 6, 6, 8
	if os.Getenv("SOAK") != "" {
		again, failures, draws = 60, 1<<20, 40
	}
	t.Run("crash", func(t *testing.T) {
		log := recordCrash(t, nil, crashfs.Faults{}, 24, "close", "kill", "close")
		mustKeepAll(t, log, crashfs.Plan{Draws: draws, Seed: seed})
		for range again {
			mustKeepAll(t, recordCrash(t, crashed(log, rng), crashfs.Faults{}, 8, "close"), crashfs.Plan{Draws: draws / 2, Seed: seed})
		}
	})
	t.Run("compaction", func(t *testing.T) {
		log := recordCrash(t, nil, crashfs.Faults{}, 10, "close", "compact", "close")
		mustKeepAll(t, log, crashfs.Plan{Draws: draws / 2, Seed: seed})
		for _, n := range rng.Perm(log.Syncs())[:min(log.Syncs(), failures/3)] {
			log := recordCrash(t, nil, crashfs.Faults{Sync: n + 1}, 10, "close", "compact", "close")
			mustKeepAll(t, log, crashfs.Plan{From: log.Failure(), Draws: draws, Seed: seed})
		}
	})
	t.Run("failed sync", func(t *testing.T) {
		syncs := recordCrash(t, nil, crashfs.Faults{}, 8, "close", "close").Syncs()
		for _, n := range rng.Perm(syncs)[:min(syncs, failures)] {
			log := recordCrash(t, nil, crashfs.Faults{Sync: n + 1}, 8, "close", "close")
			mustKeepAll(t, log, crashfs.Plan{From: log.Failure(), Draws: draws, Seed: seed})
		}
	})
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
	verdict := exploreCrash(t, log, plan, "TestCrashStates")
	t.Logf("%d operations, %d syncs, %d states in %v, seed %d", len(log.Ops)-log.First, log.Syncs(), verdict.States, time.Since(began).Round(time.Millisecond), plan.Seed)
	for _, b := range verdict.Bad {
		t.Error(b)
	}
	if len(verdict.Bad) > 0 {
		path := filepath.Join(os.TempDir(), fmt.Sprintf("footfall-crash-%d.log", plan.Seed))
		t.Logf("the log is kept as %s (%v), plan %+v", path, log.Save(path), plan)
	}
}
