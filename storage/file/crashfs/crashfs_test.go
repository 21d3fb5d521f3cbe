package crashfs_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"footfall/storage/file/crashfs"
)

const sector = 512

// letters is one page of which each sector holds one letter.
func letters(s string) []byte {
	var b []byte
	for _, c := range s {
		b = append(b, bytes.Repeat([]byte{byte(c)}, sector)...)
	}
	return b
}

// look describes what is in a directory: for each file a letter a sector, . for zeros.
func look(t *testing.T, dir string) string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		if e.IsDir() {
			all = append(all, name+"/")
			return nil
		}
		b, err := os.ReadFile(path)
		text := name + ":"
		for at := 0; at < len(b); at += sector {
			c := b[at]
			if c == 0 {
				c = '.'
			}
			text += string(c)
		}
		all = append(all, text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(all, " ")
}

// outcomes returns all that a crash after the last operation may leave, with many draws.
func outcomes(t *testing.T, ops []crashfs.Op) map[string]bool {
	t.Helper()
	log := &crashfs.Log{Ops: ops}
	all, n := map[string]bool{}, 0
	for s := range log.States(crashfs.Plan{From: len(ops), Draws: 400, Seed: 7}) {
		dir := filepath.Join(t.TempDir(), fmt.Sprint(n))
		n++
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := s.Write(dir); err != nil {
			t.Fatal(err)
		}
		all[look(t, dir)] = true

		// What a program would find after the crash is the same, and cannot get lost any more.
		after := s.Prelude()
		again := 0
		for s := range after.States(crashfs.Plan{Draws: 5}) {
			again++
			dir := dir + "-again"
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := s.Write(dir); err != nil {
				t.Fatal(err)
			}
			if !all[look(t, dir)] {
				t.Errorf("the prelude of %v holds %s", s, look(t, dir))
			}
		}
		if again != 1 {
			t.Errorf("a prelude has %d states", again)
		}
	}
	return all
}

func TestModel(t *testing.T) {
	entry := func(name string, node int) crashfs.Op {
		return crashfs.Op{Kind: crashfs.Names, Entries: []crashfs.Entry{{Dir: 1, Name: name, Node: node}}}
	}
	write := func(at int, s string) crashfs.Op {
		return crashfs.Op{Kind: crashfs.Write, Node: 2, Off: int64(at * sector), Data: letters(s)}
	}
	resize := func(n int) crashfs.Op { return crashfs.Op{Kind: crashfs.Resize, Node: 2, Off: int64(n * sector)} }
	rename := crashfs.Op{Kind: crashfs.Names, Entries: []crashfs.Entry{{Dir: 1, Name: "f"}, {Dir: 1, Name: "g", Node: 2}}}
	sync, syncDir := crashfs.Op{Kind: crashfs.Sync, Node: 2}, crashfs.Op{Kind: crashfs.Sync, Node: 1}
	failed := crashfs.Op{Kind: crashfs.Sync, Node: 2, Failed: true}
	for _, c := range []struct {
		name       string
		ops        []crashfs.Op
		must, mays string // all that are possible: must are, mays hold a few of many
		never      string
	}{
		{name: "a synced file without a name", ops: []crashfs.Op{entry("f", 2), write(0, "a"), sync}, must: "|f:a"},
		{name: "a name without content", ops: []crashfs.Op{entry("f", 2), syncDir, write(0, "a")}, must: "f:|f:a|f:."},
		{name: "all synced", ops: []crashfs.Op{entry("f", 2), write(0, "ab"), sync, syncDir}, must: "f:ab"},
		{name: "a synced write over a synced one", ops: []crashfs.Op{entry("f", 2), write(0, "ab"), sync, syncDir, write(1, "c"), sync}, must: "f:ac"},
		{name: "versions", ops: []crashfs.Op{entry("f", 2), write(0, "a"), sync, syncDir, write(0, "b"), write(0, "c")}, must: "f:a|f:b|f:c"},
		{name: "sectors", ops: []crashfs.Op{entry("f", 2), write(0, "ab"), sync, syncDir, write(0, "cd")}, must: "f:ab|f:cd|f:ad|f:cb"},
		{name: "a failed sync", ops: []crashfs.Op{entry("f", 2), write(0, "a"), sync, syncDir, write(0, "b"), failed}, must: "f:a|f:b"},
		{name: "a failed sync and a good one", ops: []crashfs.Op{entry("f", 2), write(0, "a"), sync, syncDir, write(0, "b"), failed, sync}, must: "f:a|f:b"},
		{name: "written again after a failed sync", ops: []crashfs.Op{entry("f", 2), write(0, "a"), sync, syncDir, write(0, "b"), failed, write(0, "b"), sync}, must: "f:b"},
		{name: "its page written again after a failed sync", ops: []crashfs.Op{entry("f", 2), write(0, "ax"), sync, syncDir, write(0, "b"), failed, write(1, "y"), sync}, must: "f:by"},
		{name: "another page written after a failed sync", mays: "f:axxxxxxxz|f:bxxxxxxxz", never: "f:axxxxxxxx|f:bxxxxxxxx",
			ops: []crashfs.Op{entry("f", 2), write(0, "axxxxxxxx"), sync, syncDir, write(0, "b"), failed, write(8, "z"), sync}},
		{name: "rename", ops: []crashfs.Op{entry("f", 2), write(0, "a"), sync, syncDir, rename}, must: "f:a|g:a"},
		{name: "a durable rename", ops: []crashfs.Op{entry("f", 2), write(0, "a"), sync, rename, syncDir}, must: "g:a"},
		{name: "remove", ops: []crashfs.Op{entry("f", 2), write(0, "a"), sync, syncDir, entry("f", 0)}, must: "f:a|"},
		{name: "shorter", ops: []crashfs.Op{entry("f", 2), write(0, "ab"), sync, syncDir, resize(1)}, must: "f:ab|f:a|f:a."},
		{name: "shorter and longer", ops: []crashfs.Op{entry("f", 2), write(0, "ab"), sync, syncDir, resize(1), resize(2), sync}, must: "f:a."},
		{name: "two files", mays: "f:a g:|f: g:a|f:a g:a|f: g:", ops: []crashfs.Op{entry("f", 2), entry("g", 3), syncDir, write(0, "a"),
			{Kind: crashfs.Write, Node: 3, Data: letters("a")}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := outcomes(t, c.ops)
			list := slices.Sorted(maps.Keys(got))
			if want := slices.Sorted(slices.Values(strings.Split(c.must, "|"))); c.mays == "" && !slices.Equal(list, want) {
				t.Errorf("got %q, want %q", list, want)
			}
			for _, w := range strings.Split(c.mays, "|") {
				if c.mays != "" && !got[w] {
					t.Errorf("%q is missing of %q", w, list)
				}
			}
			for _, w := range strings.Split(c.never, "|") {
				if c.never != "" && got[w] {
					t.Errorf("%q cannot be", w)
				}
			}
		})
	}
}

// TestStatesComeAgain holds that a state is known by its log, plan and number.
func TestStatesComeAgain(t *testing.T) {
	log := &crashfs.Log{}
	for i := range 40 {
		log.Ops = append(log.Ops, crashfs.Op{Kind: crashfs.Names, Entries: []crashfs.Entry{{Dir: 1, Name: fmt.Sprint(i), Node: 2 + i}}},
			crashfs.Op{Kind: crashfs.Write, Node: 2 + i, Data: letters("abcdefgh")})
	}
	list := func(seed uint64) (hashes []uint64) {
		for s := range log.States(crashfs.Plan{Draws: 3, Seed: seed}) {
			hashes = append(hashes, s.Hash)
		}
		return hashes
	}
	if a, b := list(1), list(1); !slices.Equal(a, b) || len(a) < 150 {
		t.Errorf("%d states and %d states, equal %v", len(a), len(b), slices.Equal(a, b))
	}
	if slices.Equal(list(1), list(2)) {
		t.Error("another seed makes no difference")
	}
}

// TestFileSystem does random things to the recorded file system and, in step, to a plain directory: both look the same, while it is mounted
// and in the record of it.
func TestFileSystem(t *testing.T) {
	if s := os.Getenv("CRASHFS_TEST_MIRROR"); s != "" {
		one, two, _ := strings.Cut(s, "|")
		mirror(t, one, two)
		return
	}
	mount, plain := t.TempDir(), t.TempDir()
	run := func() error {
		cmd := exec.Command(os.Args[0], "-test.run=^TestFileSystem$")
		cmd.Env = append(os.Environ(), "CRASHFS_TEST_MIRROR="+mount+"|"+plain)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%w\n%s", err, out)
		}
		return nil
	}
	log := (*crashfs.Log)(nil)
	for range 2 { // the second time on what the first has left
		var err error
		if log, err = crashfs.Record(mount, log, crashfs.Faults{}, run); errors.Is(err, crashfs.ErrUnsupported) {
			t.Skip(err)
		} else if err != nil {
			t.Fatal(err)
		}
		end := &crashfs.Log{First: len(log.Ops), Ops: append(log.Ops, crashfs.Op{Kind: crashfs.SyncAll})}
		end.First++
		n := 0
		for s := range end.States(crashfs.Plan{Draws: 3}) {
			n++
			dir := t.TempDir()
			if err := s.Write(dir); err != nil {
				t.Fatal(err)
			}
			if got, want := look(t, dir), look(t, plain); got != want {
				t.Errorf("the record has\n%s\nthe plain directory has\n%s", got, want)
			}
			log = s.Prelude()
		}
		if n != 1 {
			t.Errorf("%d states after a sync of everything", n)
		}
	}
	if marks := log.Marks(); len(marks) != 2 || marks[0] != "done 1" {
		t.Errorf("marks: %q", marks)
	}
}

// mirror does the same random things to two directories and compares what it reads.
func mirror(t *testing.T, dirs ...string) {
	say, err := crashfs.OpenMarker(dirs[0])
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 0))
	names := []string{"a", "b", "c", "d/e", "d/f"}
	for range 400 {
		name, other := names[rng.IntN(len(names))], names[rng.IntN(len(names))]
		size, at, what, letter := rng.IntN(12*sector), rng.Int64N(20*sector), rng.IntN(8), byte('a'+rng.IntN(26))
		var said [2]string
		for i, dir := range dirs {
			path := filepath.Join(dir, name)
			var err error
			switch what {
			case 0:
				err = os.Mkdir(filepath.Join(dir, "d"), 0o700)
			case 1:
				err = os.Remove(path)
			case 2:
				err = os.Rename(path, filepath.Join(dir, other))
			case 3:
				err = os.Truncate(path, at)
			case 4:
				var b []byte
				b, err = os.ReadFile(path)
				said[i] = string(b)
			case 5:
				err = os.Link(path, filepath.Join(dir, other))
			default:
				var f *os.File
				if f, err = os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600); err == nil {
					_, err = f.WriteAt(bytes.Repeat([]byte{letter}, size), at)
					err = errors.Join(err, f.Sync(), f.Close())
				}
			}
			if err != nil {
				said[i] = strings.ReplaceAll(err.Error(), dir, "")
			}
		}
		if said[0] != said[1] {
			t.Fatalf("%d %s %s: %.200q, plain %.200q", what, name, other, said[0], said[1])
		}
	}
	say.Say("done %d", 1)
}
