package file_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"footfall/storage/file"
)

// mustCreate makes a data file whose structure is checked, by us and by bbolt, when the test ends.
func mustCreate(t testing.TB, cfg file.Config) *file.DB {
	t.Helper()
	if cfg.Path == "" {
		cfg.Path = filepath.Join(t.TempDir(), "footfall.db")
	}
	db, err := file.Create(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close(); mustCheck(t, cfg.Path) })
	return db
}

func mustOpen(t testing.TB, path string) *file.DB {
	t.Helper()
	db, err := file.Open(file.Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// mustCheck opens a closed file and checks it with our walk and with bbolt's own check.
func mustCheck(t testing.TB, path string) {
	t.Helper()
	db, err := file.Open(file.Config{Path: path, Format: file.Format + 2})
	if err != nil {
		t.Errorf("open for check: %v", err)
		return
	}
	if err := db.Check(context.Background(), nil); err != nil {
		t.Error(err)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	b, err := bolt.Open(path, 0o600, &bolt.Options{ReadOnly: true, Timeout: time.Second})
	if err != nil {
		t.Errorf("bbolt: %v", err)
		return
	}
	defer b.Close()
	b.View(func(tx *bolt.Tx) error {
		for err := range tx.Check() {
			t.Errorf("bbolt: %v", err)
		}
		return nil
	})
}

func mustCommit(t testing.TB, db *file.DB, write func(*file.Tx) error) {
	t.Helper()
	if err := db.Commit(context.Background(), write); err != nil {
		t.Fatal(err)
	}
}

// holey makes a file of which about two thirds are free.
func holey(t testing.TB, cfg file.Config) *file.DB {
	t.Helper()
	db := mustCreate(t, cfg)
	for i := range uint64(40) {
		mustCommit(t, db, func(tx *file.Tx) error {
			for j := range uint64(15) {
				if err := tx.Put(file.Days, number(15*i+j), bytes.Repeat([]byte{byte(i)}, 20_000)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	mustCommit(t, db, func(tx *file.Tx) error {
		for i := range uint64(600) {
			if err := tx.Put(file.Accounts, number(i), number(i)); err != nil {
				return err
			}
			if i%3 > 0 {
				if err := tx.Delete(file.Days, number(i)); err != nil {
					return err
				}
			}
		}
		return nil
	})
	return db
}

func mustCompact(t testing.TB, db *file.DB) file.Compacted {
	t.Helper()
	done, err := db.Compact(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return done
}

func put(b file.Bucket, key string, value string) func(*file.Tx) error {
	return func(tx *file.Tx) error { return tx.Put(b, []byte(key), []byte(value)) }
}

func number(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

func keys(t testing.TB, db *file.DB, b file.Bucket, prefix string) (out []string) {
	t.Helper()
	err := db.Scan(context.Background(), b, []byte(prefix), func(k, v []byte) error {
		out = append(out, string(k)+"="+string(v))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestPutGetReopen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "footfall.db")
	db := mustCreate(t, file.Config{Path: path})
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v, %v", info.Mode(), err)
	}
	mustCommit(t, db, func(tx *file.Tx) error {
		for _, k := range []string{"a1", "a2", "b1"} {
			if err := tx.Put(file.Days, []byte(k), []byte("v"+k)); err != nil {
				return err
			}
		}
		if got := tx.Get(file.Days, []byte("a2")); string(got) != "va2" {
			t.Errorf("a transaction does not see its own write: %q", got)
		}
		return tx.Put(file.Audit, []byte("empty"), nil)
	})
	mustCommit(t, db, func(tx *file.Tx) error { return tx.DeletePrefix(file.Days, []byte("a")) })
	mustCommit(t, db, func(tx *file.Tx) error { return tx.Delete(file.Days, []byte("never there")) })
	id := db.ID()
	if err := errors.Join(db.Close(), db.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Get(file.Days, []byte("b1")); !errors.Is(err, file.ErrClosed) {
		t.Errorf("get after close: %v", err)
	}
	if err := db.Commit(context.Background(), put(file.Days, "x", "y")); !errors.Is(err, file.ErrClosed) {
		t.Errorf("commit after close: %v", err)
	}

	db = mustOpen(t, path)
	if db.ID() != id || id == [16]byte{} {
		t.Errorf("id %x, was %x", db.ID(), id)
	}
	if got := keys(t, db, file.Days, ""); len(got) != 1 || got[0] != "b1=vb1" {
		t.Errorf("got %q", got)
	}
	if v, err := db.Get(file.Audit, []byte("empty")); v == nil || len(v) != 0 || err != nil {
		t.Errorf("empty value: %v, %v", v, err)
	}
	if v, err := db.Get(file.Audit, []byte("none")); v != nil || err != nil {
		t.Errorf("absent value: %v, %v", v, err)
	}
}

func TestRefusals(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "footfall.db")
	if _, err := file.Open(file.Config{Path: path}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("open of nothing: %v", err)
	}
	db := mustCreate(t, file.Config{Path: path})
	if _, err := file.Create(file.Config{Path: path}); !errors.Is(err, fs.ErrExist) {
		t.Errorf("create over a file: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*.new-*")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
	start := time.Now()
	if _, err := file.Open(file.Config{Path: path}); !errors.Is(err, file.ErrRunning) {
		t.Errorf("second open: %v", err)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("the second open was refused after %v", took)
	}
	for name, write := range map[string]func(*file.Tx) error{
		"no key":      func(tx *file.Tx) error { return tx.Put(file.Days, nil, []byte("v")) },
		"long key":    func(tx *file.Tx) error { return tx.Put(file.Days, make([]byte, file.MaxKey+1), nil) },
		"long value":  func(tx *file.Tx) error { return tx.Put(file.Days, []byte("k"), make([]byte, file.MaxValue+1)) },
		"no bucket":   func(tx *file.Tx) error { return tx.Put(77, []byte("k"), nil) },
		"reserved":    func(tx *file.Tx) error { return tx.Put(file.Meta, []byte{0, 1}, nil) },
		"reserved 2":  func(tx *file.Tx) error { return tx.DeletePrefix(file.Meta, []byte{0}) },
		"every day":   func(tx *file.Tx) error { return tx.DeletePrefix(file.Days, nil) },
		"own problem": func(tx *file.Tx) error { return errors.New("no") },
	} {
		if err := db.Commit(context.Background(), write); err == nil || db.Poisoned() != nil {
			t.Errorf("%s: error %v, poisoned %v", name, err, db.Poisoned())
		}
	}
	mustCommit(t, db, put(file.Meta, "mine", "1"))
	if got := keys(t, db, file.Meta, ""); len(got) != 1 {
		t.Errorf("meta holds %q", got)
	}
}

func TestNotADataFile(t *testing.T) {
	for name, content := range map[string][]byte{
		"empty": nil, "text": []byte("hello"), "zeros": make([]byte, 64<<10), "long text": bytes.Repeat([]byte("footfall"), 9999),
	} {
		path := filepath.Join(t.TempDir(), "footfall.db")
		os.WriteFile(path, content, 0o600)
		if _, err := file.Open(file.Config{Path: path}); !errors.Is(err, file.ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
		if got, _ := os.ReadFile(path); !bytes.Equal(got, content) {
			t.Errorf("%s: the file was changed", name)
		}
	}
}

func TestNewerFormat(t *testing.T) {
	path := filepath.Join(t.TempDir(), "footfall.db")
	db := mustCreate(t, file.Config{Path: path})
	db.Close()
	file.SetFormat(t, path, 9)
	_, err := file.Open(file.Config{Path: path})
	var newer file.ErrNewer
	if !errors.As(err, &newer) || newer != (file.ErrNewer{Have: 9, Knows: file.Format}) {
		t.Errorf("got %v", err)
	}
	file.SetFormat(t, path, file.Format)
}

func TestRaise(t *testing.T) {
	ctx := context.Background()
	cfg := file.Config{Path: filepath.Join(t.TempDir(), "footfall.db")}
	db := mustCreate(t, cfg)
	id := db.ID()
	if err := db.Raise(ctx, file.Format+1, put(file.Meta, "k", "v")); err == nil || db.Format() != file.Format {
		t.Errorf("format %d, which nobody knows: %v", db.Format(), err)
	}
	db.Close()

	cfg.Format = file.Format + 2
	open := func() *file.DB {
		db, err := file.Open(cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		return db
	}
	db = open()
	stop := errors.New("stop")
	err := db.Raise(ctx, file.Format+1, func(tx *file.Tx) error { return errors.Join(tx.Put(file.Meta, []byte("k"), []byte("v")), stop) })
	if !errors.Is(err, stop) || db.Format() != file.Format {
		t.Errorf("a step that fails: format %d, %v", db.Format(), err)
	}
	if err := db.Raise(ctx, file.Format+1, put(file.Meta, "k", "v")); err != nil || db.Format() != file.Format+1 {
		t.Errorf("format %d, %v", db.Format(), err)
	}
	if err := db.Raise(ctx, file.Format+1, put(file.Meta, "k", "w")); err == nil {
		t.Error("a step was taken twice")
	}
	if err := db.Check(ctx, nil); err != nil {
		t.Error(err)
	}
	db.Close()
	if db = open(); db.Format() != file.Format+1 || db.ID() != id {
		t.Errorf("format %d after a restart", db.Format())
	}
	if v, err := db.Get(file.Meta, []byte("k")); string(v) != "v" {
		t.Errorf("%q, %v", v, err)
	}
	db.Close()
	cfg.Format = 0
	if _, err := file.Open(cfg); !errors.As(err, new(file.ErrNewer)) {
		t.Errorf("an older program: %v", err)
	}
}

// TestAFailingOp is taken back and does not disturb the ops it shares a commit with.
func TestAFailingOp(t *testing.T) {
	db := mustCreate(t, file.Config{})
	mustCommit(t, db, func(tx *file.Tx) error {
		return errors.Join(put(file.Days, "old", "1")(tx), put(file.Days, "gone", "1")(tx))
	})
	hold := stall(db)
	good := db.Submit(file.Op{Write: put(file.Days, "old", "2")})
	bad := db.Submit(file.Op{Write: func(tx *file.Tx) error {
		put(file.Days, "old", "3")(tx)
		put(file.Days, "new", "3")(tx)
		put(file.Days, "new", "4")(tx)
		tx.DeletePrefix(file.Days, []byte("gone"))
		put(file.Days, "gone", "3")(tx)
		tx.Delete(file.Days, []byte("gone"))
		return errors.New("no")
	}})
	also := db.Submit(file.Op{Write: put(file.Days, "also", "1")})
	hold()
	ctx := context.Background()
	if err := errors.Join(good.Wait(ctx), also.Wait(ctx)); err != nil {
		t.Error(err)
	}
	if err := bad.Wait(ctx); err == nil || err.Error() != "no" {
		t.Errorf("the failing op: %v", err)
	}
	if got := fmt.Sprint(keys(t, db, file.Days, "")); got != "[also=1 gone=1 old=2]" {
		t.Error(got)
	}
}

// stall keeps the committing goroutine busy until the returned function is called.
func stall(db *file.DB) (release func()) {
	started, free := make(chan struct{}), make(chan struct{})
	db.Submit(file.Op{Write: func(tx *file.Tx) error { close(started); <-free; return nil }})
	<-started
	return func() { close(free) }
}

func TestGroupCommit(t *testing.T) {
	db := mustCreate(t, file.Config{})
	release := stall(db)
	before := db.Stats()
	var pending []*file.Pending
	var order []uint64
	for i := range uint64(100) {
		pending = append(pending, db.Submit(file.Op{
			Write: func(tx *file.Tx) error { return tx.Put(file.Journal, number(i), []byte("x")) },
			Done: func(err error) {
				if err == nil {
					order = append(order, i)
				}
			},
		}))
	}
	if pending[0].Started() || db.Stats().Queued != 100 {
		t.Error("an op started while another commit was under way")
	}
	release()
	for _, p := range pending {
		if err := p.Wait(context.Background()); err != nil {
			t.Fatal(err)
		}
		if !p.Started() {
			t.Error("an op ended that did not start")
		}
		if len(order) != 100 {
			t.Fatalf("a waiter woke up when %d Dones had run", len(order))
		}
	}
	for i, n := range order {
		if uint64(i) != n {
			t.Fatalf("op %d was done at place %d", n, i)
		}
	}
	after := db.Stats()
	if commits := after.Commits - before.Commits; commits != 1 || after.Ops-before.Ops != 100 {
		t.Errorf("%d ops in %d commits, want 100 in one", after.Ops-before.Ops, commits)
	}
}

func TestBatchesAreBounded(t *testing.T) {
	db := mustCreate(t, file.Config{})
	release := stall(db)
	before := db.Stats().Commits
	var last *file.Pending
	for i := range uint64(12) {
		last = db.Submit(file.Op{Write: func(tx *file.Tx) error {
			return tx.Put(file.Days, number(i), make([]byte, file.MaxBatchBytes/4))
		}})
	}
	release()
	if err := last.Wait(context.Background()); err != nil {
		t.Fatal(err)
	}
	if got := db.Stats().Commits - before; got != 3 {
		t.Errorf("%d commits, want 3", got)
	}
}

func TestQueueIsBounded(t *testing.T) {
	db := mustCreate(t, file.Config{})
	release := stall(db)
	var done atomic.Int64
	op := file.Op{Write: func(*file.Tx) error { return nil }, Done: func(error) { done.Add(1) }}
	bulk := op
	bulk.Bulk = true
	for i := range file.MaxQueued {
		next := op // a flood of events leaves room for others
		if i < file.MaxQueued-file.SpareQueued {
			next = bulk
		} else if p := db.Submit(bulk); !errors.Is(p.Refused(), file.ErrBusy) {
			t.Fatalf("a bulk op behind %d: %v", i, p.Refused())
		}
		if p := db.Submit(next); p.Refused() != nil {
			t.Fatal(p.Refused())
		}
	}
	p := db.Submit(op)
	if !errors.Is(p.Refused(), file.ErrBusy) || !errors.Is(p.Wait(context.Background()), file.ErrBusy) || p.Started() {
		t.Errorf("one too many: %v", p.Refused())
	}
	canceled, cancel := context.WithCancel(context.Background())
	cancel()
	release()
	if err := db.Close(); err != nil { // drains
		t.Fatal(err)
	}
	if done.Load() != file.MaxQueued {
		t.Errorf("%d of %d ops were done by Close", done.Load(), file.MaxQueued)
	}
	if err := p.Wait(canceled); !errors.Is(err, file.ErrBusy) {
		t.Errorf("an op that ended: %v", err)
	}
}

func TestWaitEndsWithItsContext(t *testing.T) {
	db := mustCreate(t, file.Config{})
	release := stall(db)
	p := db.Submit(file.Op{Write: put(file.Days, "k", "v")})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := p.Wait(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	release()
	if err := p.Wait(context.Background()); err != nil {
		t.Error(err)
	}
}

// TestConcurrentWriters must be run with -race now and then.
func TestConcurrentWriters(t *testing.T) {
	db := mustCreate(t, file.Config{})
	const writers, each = 16, 50
	stop := make(chan struct{})
	var readers sync.WaitGroup
	readers.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			// Writer 0 appends rising numbers: a scan sees a prefix of them, without holes.
			next := uint64(0)
			db.Scan(context.Background(), file.Journal, []byte{0}, func(k, _ []byte) error {
				if n := binary.BigEndian.Uint64(k[1:]); n != next {
					t.Errorf("a scan saw %d where %d was due", n, next)
				}
				next++
				return nil
			})
			if err := db.Check(context.Background(), nil); err != nil {
				t.Error(err)
			}
			db.Stats()
		}
	})
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range uint64(each) {
				key := append([]byte{byte(w)}, number(i)...)
				err := db.Commit(context.Background(), func(tx *file.Tx) error {
					return tx.Put(file.Journal, key, bytes.Repeat(key, 30))
				})
				if err != nil {
					t.Error(err)
				}
				if v, err := db.Get(file.Journal, key); err != nil || len(v) != 270 {
					t.Errorf("a committed value is not there: %d bytes, %v", len(v), err)
				}
			}
		})
	}
	wg.Wait()
	close(stop)
	readers.Wait()
	if n := len(keys(t, db, file.Journal, "")); n != writers*each {
		t.Errorf("%d of %d keys", n, writers*each)
	}
	t.Logf("%d ops in %d commits", db.Stats().Ops, db.Stats().Commits)
}

// TestScanMayWrite: fn runs outside of transactions, so it can commit and wait.
func TestScanMayWrite(t *testing.T) {
	db := mustCreate(t, file.Config{})
	mustCommit(t, db, func(tx *file.Tx) error {
		for i := range uint64(1000) {
			if err := tx.Put(file.Days, number(2*i), make([]byte, 5000)); err != nil {
				return err
			}
		}
		return nil
	})
	seen, last := 0, int64(-1)
	var kept [][]byte
	err := db.Scan(context.Background(), file.Days, nil, func(k, v []byte) error {
		n := binary.BigEndian.Uint64(k)
		if int64(n) <= last {
			t.Fatalf("%d after %d", n, last)
		}
		last = int64(n)
		if n%2 == 0 {
			seen++
		}
		kept = append(kept, k)
		if n%100 == 0 {
			mustCommit(t, db, func(tx *file.Tx) error {
				return errors.Join(tx.Delete(file.Days, k), tx.Put(file.Days, number(n+1), []byte("new")))
			})
		}
		return nil
	})
	if err != nil || seen != 1000 {
		t.Errorf("saw %d of 1000: %v", seen, err)
	}
	if binary.BigEndian.Uint64(kept[1]) != 2 {
		t.Error("a key that was kept has changed")
	}
	bytes, keys := 0, 0
	err = db.Sizes(context.Background(), file.Days, nil, func(k []byte, size int) error {
		keys++
		bytes += len(k) + size
		return nil
	})
	if want := 980*(8+5000) + 20*(8+3); err != nil || keys != 1000 || bytes != want {
		t.Errorf("%d keys with %d bytes, want %d: %v", keys, bytes, want, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	err = db.Scan(ctx, file.Days, nil, func(k, v []byte) error { cancel(); return nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("a canceled scan: %v", err)
	}
	stop := errors.New("stop")
	if err := db.Scan(context.Background(), file.Days, nil, func(k, v []byte) error { return stop }); err != stop {
		t.Error(err)
	}
}

func TestCheckShowsProgress(t *testing.T) {
	db := mustCreate(t, file.Config{})
	mustCommit(t, db, func(tx *file.Tx) error { return tx.Put(file.Days, []byte("k"), make([]byte, 8<<20)) })
	calls, last := 0, int64(0)
	err := db.Check(context.Background(), func(done, total int64) {
		if done < last || done > total {
			t.Errorf("%d of %d after %d", done, total, last)
		}
		calls, last = calls+1, done
	})
	if err != nil || calls == 0 {
		t.Errorf("%d calls, %v", calls, err)
	}
}

// TestSecondName: a process that died just after it had made the file has left it a second name, under which a compaction would leave it on the disk.
func TestSecondName(t *testing.T) {
	path := filepath.Join(t.TempDir(), "footfall.db")
	mustCreate(t, file.Config{Path: path}).Close()
	if err := os.Link(path, path+".new-1234"); err != nil {
		t.Skip(err)
	}
	mustOpen(t, path).Close()
	if left, _ := filepath.Glob(path + ".*"); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}
