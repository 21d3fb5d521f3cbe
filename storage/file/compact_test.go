//go:build unix

package file_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"footfall/storage/file"
)

func TestCompact(t *testing.T) {
	path := filepath.Join(t.TempDir(), "footfall.db")
	db := holey(t, file.Config{Path: path})
	before := db.Stats()
	old, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	var last, total int64
	done, err := db.Compact(t.Context(), func(d, all int64) {
		if d < last || d > all {
			t.Errorf("progress %d after %d of %d", d, last, all)
		}
		last, total = d, all
	})
	if err != nil || last < 200*20_000 || total < last {
		t.Fatalf("%v; progress %d of %d", err, last, total)
	}
	info, err := os.Stat(path)
	if err != nil || os.SameFile(old, info) || info.Mode().Perm() != 0o600 || done.Before != before.Size || done.After != info.Size() || 2*done.After > done.Before {
		t.Errorf("%+v, %v", done, err)
	}
	if s := db.Stats(); s.Free > 256<<10 || s.Size != info.Size() {
		t.Errorf("%+v", s)
	}
	if n := len(keys(t, db, file.Days, "")); n != 200 {
		t.Errorf("%d values", n)
	}
	if _, err := file.Open(file.Config{Path: path}); !errors.Is(err, file.ErrRunning) {
		t.Errorf("second open: %v", err)
	}
	mustCommit(t, db, put(file.Audit, "after", "1"))
	mustCompact(t, db)
	mustCommit(t, db, put(file.Audit, "again", "1"))
	if err := db.Check(t.Context(), nil); err != nil {
		t.Error(err)
	}
	db.Close()
	if left, _ := filepath.Glob(path + ".*"); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
	db = mustOpen(t, path)
	if n, m := len(keys(t, db, file.Days, "")), len(keys(t, db, file.Audit, "")); n != 200 || m != 2 {
		t.Errorf("after reopen: %d and %d values", n, m)
	}
}

// TestCompactUnderLoad compares the file with what writers, who set and remove keys all the time, have had acknowledged, while readers
// find every key that is never touched.
func TestCompactUnderLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "footfall.db")
	db := holey(t, file.Config{Path: path})
	stop := make(chan struct{})
	var workers sync.WaitGroup
	models := make([]map[string]string, 4)
	for w := range models {
		models[w] = map[string]string{}
		workers.Go(func() {
			r := rand.New(rand.NewPCG(uint64(w), 1))
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				bucket := []file.Bucket{file.Journal, file.Days, file.Meta}[r.IntN(3)]
				key, value := fmt.Sprintf("w%d %d", w, r.IntN(300)), strings.Repeat("v", r.IntN(3000))
				err := db.Commit(context.Background(), func(tx *file.Tx) error {
					if r.IntN(3) == 0 {
						value = ""
						return tx.Delete(bucket, []byte(key))
					}
					return tx.Put(bucket, []byte(key), []byte(value))
				})
				if err != nil {
					t.Error(err)
					return
				}
				if name := fmt.Sprint(bucket, key); value == "" {
					delete(models[w], name)
				} else {
					models[w][name] = value
				}
			}
		})
	}
	for range 2 {
		workers.Go(func() {
			for i := uint64(0); ; i = (i + 3) % 600 {
				select {
				case <-stop:
					return
				default:
				}
				if v, err := db.Get(file.Days, number(i)); err != nil || len(v) != 20_000 || v[0] != byte(i/15) {
					t.Errorf("value %d: %d bytes, %v", i, len(v), err)
					return
				}
			}
		})
	}
	rounds := 12
	if testing.Short() {
		rounds = 4
	}
	for range rounds {
		mustCompact(t, db)
	}
	close(stop)
	workers.Wait()
	check := func(db *file.DB) {
		t.Helper()
		want := map[string]string{}
		for _, m := range models {
			for k, v := range m {
				want[k] = v
			}
		}
		for _, b := range []file.Bucket{file.Journal, file.Days, file.Meta} {
			err := db.Scan(t.Context(), b, []byte("w"), func(k, v []byte) error {
				name := fmt.Sprint(b, string(k))
				if want[name] != string(v) && !(len(v) == 0 && want[name] == "") {
					t.Errorf("%s has %d bytes, want %d", name, len(v), len(want[name]))
				}
				delete(want, name)
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		}
		if len(want) > 0 {
			t.Errorf("%d keys are gone", len(want))
		}
	}
	check(db)
	if err := db.Check(t.Context(), nil); err != nil {
		t.Error(err)
	}
	db.Close()
	check(mustOpen(t, path))
}

// TestCompactRefuses: one at a time, not without room, not after a failed commit, and no longer than its context or the file is open.
func TestCompactRefuses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "footfall.db")
	db := holey(t, file.Config{Path: path})
	var once sync.Once
	_, err := db.Compact(t.Context(), func(int64, int64) {
		once.Do(func() {
			if _, err := db.Compact(t.Context(), nil); !errors.Is(err, file.ErrCompacting) {
				t.Errorf("a second one: %v", err)
			}
		})
	})
	if err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := db.Compact(ctx, func(int64, int64) { cancel() }); !errors.Is(err, context.Canceled) {
		t.Errorf("given up: %v", err)
	}
	if _, err := os.Stat(path + ".copy"); err == nil {
		t.Error("the copy was left behind")
	}
	mustCommit(t, db, put(file.Audit, "k", "v"))
	_, err = db.Compact(t.Context(), func(int64, int64) { once.Do(func() {}); go db.Close() })
	if !errors.Is(err, file.ErrClosed) && err != nil {
		t.Errorf("closed: %v", err)
	}
	db.Close()
	if _, err := db.Compact(t.Context(), nil); !errors.Is(err, file.ErrClosed) {
		t.Errorf("after the close: %v", err)
	}

	db = mustOpen(t, path)
	_ = db.Commit(t.Context(), func(*file.Tx) error { panic("no") })
	if _, err := db.Compact(t.Context(), nil); !errors.Is(err, file.ErrPoisoned) {
		t.Errorf("poisoned: %v", err)
	}
	db.Close()
}

func TestCompactOnAFullDisk(t *testing.T) {
	dir := smallDisk(t, "ext4", 104)
	db := holey(t, file.Config{Path: filepath.Join(dir, "footfall.db")})
	fill := filepath.Join(dir, "other")
	fillWith(t, fill)
	if _, err := db.Compact(t.Context(), nil); !errors.Is(err, file.ErrFull) || !strings.Contains(err.Error(), "MB") {
		t.Errorf("got %v", err)
	}
	mustCommit(t, db, put(file.Audit, "k", "v"))
	if err := os.Remove(fill); err != nil {
		t.Fatal(err)
	}
	mustCompact(t, db)
}

// TestCompactionGivesWay: where others fill the disk while a copy is made, the copy goes and events come.
func TestCompactionGivesWay(t *testing.T) {
	dir := smallDisk(t, "ext4", 112)
	path := filepath.Join(dir, "footfall.db")
	log := make(lines, 100)
	db := mustCreate(t, file.Config{Path: path, Logger: logTo(log)})
	for i := range uint64(400) {
		mustCommit(t, db, func(tx *file.Tx) error { return tx.Put(file.Days, number(i), make([]byte, 50_000)) })
	}
	var once sync.Once
	_, err := db.Compact(t.Context(), func(int64, int64) {
		once.Do(func() {
			fillWith(t, filepath.Join(dir, "other"))
			for n, err := uint64(1000), error(nil); err == nil; n++ {
				err = db.Submit(file.Op{Bulk: true, Write: func(tx *file.Tx) error { return tx.Put(file.Days, number(n), make([]byte, 50_000)) }}).Wait(t.Context())
			}
			log.await(t, "the disk is full")
		})
	})
	if !errors.Is(err, file.ErrFull) {
		t.Errorf("got %v", err)
	}
	log.await(t, "there is room on the disk again")
	if _, err := os.Stat(path + ".copy"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the copy is still there: %v", err)
	}
}

// TestCompactHoldsShort changes much, behind the copy and in few keys: that must not wait for its last round, which holds up everybody.
func TestCompactHoldsShort(t *testing.T) {
	db := holey(t, file.Config{})
	var once sync.Once
	done, err := db.Compact(t.Context(), func(int64, int64) {
		once.Do(func() {
			mustCommit(t, db, func(tx *file.Tx) error {
				for i := range uint64(500) {
					if err := tx.Put(file.Journal, number(i), make([]byte, 60_000)); err != nil {
						return err
					}
				}
				return nil
			})
		})
	})
	if err != nil || done.Late > 2*file.MaxBatchBytes {
		t.Errorf("%+v, %v", done, err)
	}
	if n := len(keys(t, db, file.Journal, "")); n != 500 {
		t.Errorf("%d values, want 500", n)
	}
}

// TestCopyBelongs: a copy has the owner and the rights of the file, whoever makes it, and takes the place of the file where a name only leads to it.
func TestCopyBelongs(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can give files away")
	}
	disk, dir := t.TempDir(), t.TempDir()
	path, name := filepath.Join(disk, "data"), filepath.Join(dir, "footfall.db")
	holey(t, file.Config{Path: path}).Close()
	if err := errors.Join(os.Symlink(path, name), os.Chown(path, 1234, 1235), os.Chmod(path, 0o640)); err != nil {
		t.Fatal(err)
	}
	check := func(what string, before os.FileInfo) os.FileInfo {
		t.Helper()
		info, err := os.Lstat(path)
		if err != nil {
			t.Fatal(err)
		}
		if s := info.Sys().(*syscall.Stat_t); s.Uid != 1234 || s.Gid != 1235 || info.Mode() != 0o640 || before != nil && os.SameFile(info, before) {
			t.Errorf("%s: it belongs to %d:%d, %v", what, s.Uid, s.Gid, info.Mode())
		}
		if link, err := os.Readlink(name); err != nil || link != path {
			t.Errorf("%s: the name leads to %q: %v", what, link, err)
		}
		return info
	}
	first := check("before", nil)
	db := mustOpen(t, name)
	mustCompact(t, db)
	db.Close()
	second := check("compacted", first)
	if err := os.WriteFile(path+".rebuild", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	mustOpen(t, name).Close()
	check("rebuilt", second)
	if left, _ := filepath.Glob(filepath.Join(disk, "*.*")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// TestCompactKeepsAnothersFile: somebody has moved the file away and put another one in its place.
func TestCompactKeepsAnothersFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "footfall.db")
	db := holey(t, file.Config{Path: path})
	var once sync.Once
	_, err := db.Compact(t.Context(), func(int64, int64) {
		once.Do(func() {
			if err := errors.Join(os.Rename(path, path+".old"), os.WriteFile(path, []byte("restored"), 0o600)); err != nil {
				t.Error(err)
			}
		})
	})
	if err == nil || !strings.Contains(err.Error(), "another file") {
		t.Errorf("got %v", err)
	}
	if got, err := os.ReadFile(path); string(got) != "restored" {
		t.Errorf("it has %d bytes: %v", len(got), err)
	}
	mustCommit(t, db, put(file.Audit, "k", "v"))
	if err := os.Rename(path+".old", path); err != nil {
		t.Fatal(err)
	}
	mustCompact(t, db)
}

// TestStatsBesideCompactions: numbers are never those of a file that is closed already.
func TestStatsBesideCompactions(t *testing.T) {
	db := holey(t, file.Config{})
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if s := db.Stats(); s.Size < 4<<20 || s.Free > s.Size {
					t.Errorf("%+v", s)
					return
				}
			}
		})
	}
	for range 20 {
		mustCompact(t, db)
	}
	close(stop)
	readers.Wait()
}

// TestKilledCompaction kills a process that writes and compacts all the time, and looks for what it had acknowledged.
func TestKilledCompaction(t *testing.T) {
	if path := os.Getenv("FILE_TEST_KILL"); path != "" {
		writeUntilKilled(path, true)
		return
	}
	path := filepath.Join(t.TempDir(), "footfall.db")
	holey(t, file.Config{Path: path}).Close()
	rounds := 10
	if testing.Short() {
		rounds = 4
	}
	acked := map[uint64]bool{}
	compacted := 0
	for range rounds {
		before, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		for n := range killedChild(t, "TestKilledCompaction", path) {
			acked[n] = true
		}
		if after, err := os.Stat(path); err != nil {
			t.Fatal(err)
		} else if !os.SameFile(before, after) {
			compacted++
		}
		db := mustOpen(t, path)
		found := map[uint64]bool{}
		err = db.Scan(t.Context(), file.Journal, nil, func(k, v []byte) error { found[binary.BigEndian.Uint64(k)] = true; return nil })
		if err != nil {
			t.Fatal(err)
		}
		for n := range acked {
			if !found[n] {
				t.Fatalf("number %d was acknowledged and is gone", n)
			}
		}
		if n := len(keys(t, db, file.Days, "")); n != 200 {
			t.Errorf("%d values that nobody touched, want 200", n)
		}
		db.Close()
		if _, err := os.Stat(path + ".copy"); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the copy is still there after a start: %v", err)
		}
	}
	t.Logf("%d kills, %d numbers, %d times the file was another one", rounds, len(acked), compacted)
	if compacted == 0 || len(acked) == 0 {
		t.Error("the test tests little")
	}
}

// TestFailedCompaction makes each system call of a compaction fail, with strace where there is one: nothing that was acknowledged is lost, and
// the file is open for writing, or poisoned where it is not certain which file will be there after a power cut.
func TestFailedCompaction(t *testing.T) {
	if path := os.Getenv("FILE_TEST_FAILS"); path != "" {
		db := mustOpen(t, path)
		_, err := db.Compact(context.Background(), nil)
		commit := db.Commit(context.Background(), put(file.Audit, "after", "1"))
		fmt.Printf("compact %v; commit %v; poisoned %v\n", err, commit, db.Poisoned() != nil)
		if err := db.Check(context.Background(), nil); err != nil {
			t.Error(err)
		}
		return
	}
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("strace is not installed")
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "footfall.db")
	holey(t, file.Config{Path: path}).Close()
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	outcomes := map[string]int{}
	for _, call := range []string{"pwrite64", "fdatasync", "fsync", "rename", "renameat", "fallocate", "openat"} {
		step := 1
		if call == "pwrite64" {
			step = 37 // there are hundreds
		}
		for when := 1; when < 40*step; when += step {
			for _, p := range []string{path, path + ".copy", path + ".rebuild"} {
				os.Remove(p)
			}
			if err := os.WriteFile(path, whole, 0o600); err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), strace, "-f", "-qq", "-o", filepath.Join(dir, "trace"), "-e", "trace="+call,
				"-e", fmt.Sprintf("inject=%s:error=EIO:when=%d", call, when), os.Args[0], "-test.run=^TestFailedCompaction$", "-test.v")
			cmd.Env = append(os.Environ(), "FILE_TEST_FAILS="+path, "GOMAXPROCS=1")
			out, err := cmd.CombinedOutput()
			trace, _ := os.ReadFile(filepath.Join(dir, "trace"))
			if !bytes.Contains(trace, []byte("INJECTED")) {
				break
			}
			i := bytes.Index(out, []byte("compact "))
			if i < 0 {
				continue // it failed before the file was open
			}
			if err != nil {
				t.Errorf("%s %d: %v\n%s", call, when, err, out)
			}
			said := string(out[i : i+bytes.IndexByte(out[i:], '\n')])
			db := mustOpen(t, path)
			if n, m := len(keys(t, db, file.Days, "")), len(keys(t, db, file.Audit, "")); n != 200 || strings.Contains(said, "commit <nil>") && m != 1 {
				t.Errorf("%s %d: %s: %d values and %d", call, when, said, n, m)
			}
			mustCommit(t, db, put(file.Audit, "k", "v"))
			db.Close()
			outcomes[fmt.Sprintf("%s failed=%v poisoned=%v", call, !strings.Contains(said, "compact <nil>"), strings.Contains(said, "poisoned true"))]++
		}
	}
	t.Log(outcomes)
	for _, want := range []string{"pwrite64 failed=true poisoned=false", "failed=true poisoned=true"} { // strace counts by thread, so not every call is met
		if !slices.ContainsFunc(slices.Collect(maps.Keys(outcomes)), func(got string) bool { return strings.Contains(got, want) }) {
			t.Errorf("never: %s", want)
		}
	}
}

func TestWasteful(t *testing.T) {
	for _, c := range []struct {
		s    file.Stats
		want bool
	}{
		{file.Stats{Size: 100 << 20, Free: 63 << 20}, false},
		{file.Stats{Size: 100 << 20, Free: 64 << 20}, true},
		{file.Stats{Size: 1000 << 20, Free: 390 << 20}, false},
		{file.Stats{Size: 1000 << 20, Free: 390 << 20, Tail: 50 << 20}, true},
		{file.Stats{Size: 1000 << 20, Free: 410 << 20}, true},
		{file.Stats{}, false},
	} {
		if got := c.s.Wasteful(); got != c.want {
			t.Errorf("%+v: %v", c.s, got)
		}
	}
}
