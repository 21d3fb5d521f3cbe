package objstore_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"footfall/storage/file/crashfs"
	"footfall/storage/objstore"
	"footfall/storage/objstore/objtest"
)

// crashStep is a step of the program whose crashes are looked at: an object gets a body, or none where it is nil.
type crashStep struct {
	name string
	body []byte
	mode objstore.Mode
}

// crashSteps creates, overwrites and deletes, in new directories and old ones.
func crashSteps() (steps []crashStep) {
	for i := range 4 {
		steps = append(steps,
			crashStep{fmt.Sprintf("blk/%02d/pack", i), objtest.Bytes(5000 + i), objstore.Create},
			crashStep{"keyring", objtest.Bytes(700 + i), objstore.Overwrite},
			crashStep{fmt.Sprintf("man/%04d", i), objtest.Bytes(100 * i), objstore.Create},
			crashStep{"drill/last", objtest.Bytes(9 + i), objstore.Overwrite})
		if i%2 == 1 {
			steps = append(steps, crashStep{fmt.Sprintf("blk/%02d/pack", i-1), nil, 0}, crashStep{"drill/last", nil, 0})
		}
	}
	return steps
}

const crashDir = "FOOTFALL_CRASH_DIR"

// crashProgram takes the steps and says of each when it begins and when it is done. What fails is tried once more, as Retry does.
func crashProgram(t *testing.T, dir string) {
	say, err := crashfs.OpenMarker(dir)
	if err != nil {
		t.Fatal(err)
	}
	b, err := objstore.OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range crashSteps() {
		say.Say("begin %d", i)
		for range 2 {
			if s.body == nil {
				err = b.Delete(t.Context(), s.name)
			} else {
				err = b.Put(t.Context(), s.name, s.body, s.mode)
			}
			if err == nil {
				say.Say("done %d", i)
				break
			}
			if !errors.Is(err, objstore.ErrTemporary) {
				t.Errorf("step %d: %v", i, err)
			}
		}
	}
}

// crashJudge says what a state has that must not be: an object is what the last step that was done made it, or a later one that had begun.
func crashJudge(t *testing.T, s *crashfs.State) error {
	dir, err := os.MkdirTemp("", "objstore-state-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) // and not all of them at the end
	if err := s.Write(dir); err != nil {
		return err
	}
	const absent = "absent"
	content := func(body []byte) string {
		if body == nil {
			return absent
		}
		return "body " + string(body)
	}
	allowed := map[string][]string{}
	for _, step := range crashSteps() {
		allowed[step.name] = []string{absent}
	}
	for _, mark := range s.Marks {
		var what string
		var i int
		if _, err := fmt.Sscan(mark, &what, &i); err != nil {
			return err
		}
		step := crashSteps()[i]
		if what == "done" {
			allowed[step.name] = nil
		}
		allowed[step.name] = append(allowed[step.name], content(step.body))
	}
	b, err := objstore.OpenDir(dir)
	if err != nil {
		return err
	}
	for name, contents := range allowed {
		have := absent
		body, err := objstore.ReadAll(t.Context(), b, name, 0, -1)
		if err == nil {
			have = "body " + string(body)
		} else if !errors.Is(err, objstore.ErrNotFound) {
			return err
		}
		if !slices.Contains(contents, have) {
			return fmt.Errorf("%v: %s is %.40q", s, name, have)
		}
	}
	return b.List(t.Context(), "", "", func(o objstore.Object) error {
		if allowed[o.Name] == nil {
			return fmt.Errorf("%v: nobody has put %s", s, o.Name)
		}
		return nil
	})
}

// TestCrashStates goes through what power cuts may leave of a directory, with and without an fsync that fails: what was acknowledged is there,
// and all that is there is whole.
func TestCrashStates(t *testing.T) {
	if dir := os.Getenv(crashDir); dir != "" {
		crashProgram(t, dir)
		return
	}
	record := func(faults crashfs.Faults) *crashfs.Log {
		t.Helper()
		dir := t.TempDir()
		log, err := crashfs.Record(dir, nil, faults, func() error {
			cmd := exec.Command(os.Args[0], "-test.run", "^TestCrashStates$")
			cmd.Env = append(os.Environ(), crashDir+"="+dir)
			if out, err := cmd.CombinedOutput(); err != nil {
				return fmt.Errorf("%w: %s", err, out)
			}
			return nil
		})
		if errors.Is(err, crashfs.ErrUnsupported) {
			t.Skip(err)
		}
		if err != nil {
			t.Fatal(err)
		}
		if marks := strings.Join(log.Marks(), " "); !strings.HasSuffix(marks, fmt.Sprintf("done %d", len(crashSteps())-1)) {
			t.Fatalf("the program got no further than %s", marks)
		}
		return log
	}
	explore := func(log *crashfs.Log, plan crashfs.Plan) (states int) {
		t.Helper()
		for s := range log.States(plan) {
			states++
			if err := crashJudge(t, s); err != nil {
				kept := filepath.Join(os.TempDir(), "objstore-crash.log")
				t.Fatalf("%v (the log is kept as %s: %v)", err, kept, log.Save(kept))
			}
		}
		return states
	}
	draws, every := 1, 3
	if os.Getenv("SOAK") != "" {
		draws, every = 20, 1
	}
	whole := record(crashfs.Faults{})
	states := explore(whole, crashfs.Plan{Draws: 6 * draws, Seed: 1})
	syncs := whole.Syncs()
	for n := 1; n <= syncs; n += every {
		log := record(crashfs.Faults{Sync: n})
		states += explore(log, crashfs.Plan{From: log.Failure(), Draws: draws, Seed: uint64(n)})
	}
	t.Logf("%d states, %d syncs", states, syncs)
}
