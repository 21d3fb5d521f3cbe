package file_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"footfall/storage/file"
)

// mirror is what somebody holds who applies all that a feed hands out: values by bucket and key.
type mirror map[string]string

// take applies one Take, or none of it where fn says so, and checks what is promised of each.
func (m mirror) take(t testing.TB, f *file.Feed, limit int64, fail error) (file.Stand, bool) {
	t.Helper()
	next := maps.Clone(m)
	last, seen, bytes := "", map[string]bool{}, int64(0)
	at, settled, err := f.Take(context.Background(), limit, func(c file.Change) error {
		name := string(byte(c.Bucket)) + string(c.Key)
		if c.Key == nil {
			name = string(byte(c.Bucket) + 1)
		}
		if name < last || seen[name] && c.Key != nil {
			t.Errorf("%q after %q", name, last)
		}
		last, seen[name] = name, true
		if c.Walked {
			from := string(byte(c.Bucket)) + string(c.From)
			maps.DeleteFunc(next, func(k, _ string) bool { return k >= from && k < name })
		}
		if fail != nil && len(seen) > 2 {
			return fail
		}
		switch {
		case c.Key == nil:
		case c.Value == nil:
			delete(next, name)
		default:
			next[name] = string(c.Value)
		}
		if bytes += int64(len(c.Key) + len(c.Value)); bytes > limit && len(seen) > 1 {
			t.Errorf("%d bytes where %d are allowed", bytes, limit)
		}
		return nil
	})
	if fail != nil && errors.Is(err, fail) {
		return at, false
	}
	if err != nil {
		t.Fatal(err)
	}
	clear(m)
	maps.Copy(m, next)
	return at, settled
}

// settle takes until there is nothing left.
func (m mirror) settle(t testing.TB, f *file.Feed, limit int64) file.Stand {
	t.Helper()
	for range 100_000 {
		if at, settled := m.take(t, f, limit, nil); settled {
			return at
		}
	}
	t.Fatal("no end of changes")
	return file.Stand{}
}

// restored writes what the mirror holds into a new file.
func (m mirror) restored(t testing.TB, like *file.DB, format int) *file.DB {
	t.Helper()
	path := filepath.Join(t.TempDir(), "restored.db")
	db, err := file.Restore(file.Config{Path: path}, like.ID(), format)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close(); mustCheck(t, path) })
	mustCommit(t, db, func(tx *file.Tx) error {
		for k, v := range m {
			if err := tx.Put(file.Bucket(k[0]), []byte(k[1:]), []byte(v)); err != nil {
				return err
			}
		}
		return nil
	})
	return db
}

// TestFeed draws programs of commits, compactions, and Takes that are short, fail, or come late, against a history of the file: at each settled
// Take the mirror is what the file was at that commit.
func TestFeed(t *testing.T) {
	programs, settledOften, walks := uint64(25), 0, 0
	if testing.Short() {
		programs = 8
	}
	for seed := range programs {
		r := rand.New(rand.NewPCG(seed, 7))
		db := mustCreate(t, file.Config{})
		state, history := mirror{}, map[uint64]mirror{0: {}}
		write := func() {
			next := maps.Clone(state)
			mustCommit(t, db, func(tx *file.Tx) error {
				for range 1 + r.IntN(12) {
					b := file.Meta + file.Bucket(r.IntN(6))
					key := fmt.Sprintf("k%03d", r.IntN(120))
					if r.IntN(3) == 0 {
						delete(next, string(byte(b))+key)
						if err := tx.Delete(b, []byte(key)); err != nil {
							return err
						}
						continue
					}
					value := strings.Repeat(string(rune('a'+r.IntN(26))), r.IntN(300))
					next[string(byte(b))+key] = value
					if err := tx.Put(b, []byte(key), []byte(value)); err != nil {
						return err
					}
				}
				return nil
			})
			state = next
			history[db.Stats().Commits] = state
		}
		for range r.IntN(40) {
			write()
		}
		f := db.Follow(true)
		if r.IntN(3) > 0 {
			file.LimitFeed(f, 5+r.IntN(60))
		}
		got := mirror{}
		for range 150 {
			switch r.IntN(12) {
			case 0:
				if r.IntN(4) == 0 {
					mustCompact(t, db)
				}
			case 1:
				got.take(t, f, 1000, errors.New("not now"))
			case 2, 3, 4:
				at, settled := got.take(t, f, int64(r.IntN(8000)), nil)
				if !settled {
					walks++
					break
				}
				settledOften++
				if want, ok := history[at.Commit]; !ok || !maps.Equal(got, want) || at.Commit != db.Stats().Commits {
					t.Fatalf("seed %d: at commit %d of %d there are %d keys, want %d", seed, at.Commit, db.Stats().Commits, len(got), len(want))
				}
			default:
				write()
			}
		}
		at := got.settle(t, f, 1500)
		if !maps.Equal(got, state) {
			t.Fatalf("seed %d: at the end there are %d keys, want %d", seed, len(got), len(state))
		}
		if sums, err := got.restored(t, db, at.Format).Sums(); err != nil || sums != at.Sums {
			t.Errorf("seed %d: sums of the restored file: %v, %v, want %v", seed, sums, err, at.Sums)
		}
		f.Stop()
	}
	t.Logf("%d settled, %d not", settledOften, walks)
	if settledOften == 0 || walks == 0 {
		t.Error("the test tests little")
	}
}

// TestFeedUnderLoad takes beside writers and compactions. Each commit raises a number in two buckets, so a settled Take has the same in both.
func TestFeedUnderLoad(t *testing.T) {
	db := holey(t, file.Config{})
	f := db.Follow(true)
	defer f.Stop()
	file.LimitFeed(f, 300)
	stop := make(chan struct{})
	var workers sync.WaitGroup
	for w := range uint64(4) {
		workers.Go(func() {
			for n := uint64(1); ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				err := db.Commit(context.Background(), func(tx *file.Tx) error {
					return errors.Join(tx.Put(file.Journal, number(w), number(n)), tx.Put(file.Accounts, number(w), number(n)),
						tx.Put(file.Days, append(number(w), number(n%200)...), bytes.Repeat([]byte{1}, int(n%2000))))
				})
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	workers.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				if _, err := db.Compact(context.Background(), nil); err != nil {
					t.Error(err)
					return
				}
			}
		}
	})
	got, settled := mirror{}, 0
	for takes := 0; settled < 50 && takes < 20_000; takes++ {
		<-f.Changed()
		if at, ok := got.take(t, f, 1<<20, nil); ok {
			settled++
			for w := range uint64(4) {
				a, b := got[string(byte(file.Journal))+string(number(w))], got[string(byte(file.Accounts))+string(number(w))]
				if a != b {
					t.Errorf("at commit %d: %x and %x", at.Commit, a, b)
				}
			}
			if n := at.Sums[file.Days-file.Meta].Count; n != got.count(file.Days) {
				t.Errorf("at commit %d: %d days, want %d", at.Commit, got.count(file.Days), n)
			}
		}
	}
	close(stop)
	workers.Wait()
	if settled == 0 {
		t.Error("never settled")
	}
	at := got.settle(t, f, 1<<20)
	if sums, err := db.Sums(); err != nil || sums != at.Sums {
		t.Errorf("sums %v, %v", sums, err)
	}
	err := db.Fingerprints(t.Context(), func(b file.Bucket, key []byte, fp file.Fingerprint, size int) error {
		name := string(byte(b)) + string(key)
		if v, ok := got[name]; !ok || len(v) != size || file.FingerprintOf([]byte(v)) != fp {
			t.Errorf("%x: %d bytes, there are %d", name, len(v), size)
		}
		delete(got, name)
		return nil
	})
	if err != nil || len(got) > 0 {
		t.Errorf("%v; %d keys too many", err, len(got))
	}
}

func (m mirror) count(b file.Bucket) (n uint64) {
	for k := range m {
		if k[0] == byte(b) {
			n++
		}
	}
	return n
}

// TestFeedEnds: with its context, with the DB, after a failed commit; and what was not taken then is still there.
func TestFeedEnds(t *testing.T) {
	db := mustCreate(t, file.Config{})
	f := db.Follow(false)
	nothing := func(file.Change) error { t.Error("a change"); return nil }
	if _, settled, err := f.Take(t.Context(), 1, nothing); !settled || err != nil {
		t.Errorf("new: %v, %v", settled, err)
	}
	select {
	case <-f.Changed():
		t.Error("nothing has changed")
	default:
	}
	mustCommit(t, db, put(file.Journal, "k", "v"))
	<-f.Changed()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	held, release := make(chan struct{}), make(chan struct{})
	long := db.Submit(file.Op{Write: func(*file.Tx) error { close(held); <-release; return nil }})
	<-held
	if _, _, err := f.Take(ctx, 1, nothing); !errors.Is(err, context.Canceled) {
		t.Errorf("given up: %v", err)
	}
	<-f.Changed()
	close(release)
	long.Wait(t.Context())
	f.Add(file.Audit, []byte("gone"))
	f.Add(file.Meta, []byte{0, 1})
	got := mirror{string(byte(file.Audit)) + "gone": "v"}
	if at := got.settle(t, f, 1<<20); at.Commit != 1 || !maps.Equal(got, mirror{string(byte(file.Journal)) + "k": "v"}) {
		t.Errorf("%v %q", at, got)
	}
	_ = db.Commit(t.Context(), func(*file.Tx) error { panic("no") })
	if _, _, err := f.Take(t.Context(), 1, nothing); !errors.Is(err, file.ErrPoisoned) {
		t.Errorf("poisoned: %v", err)
	}
	db.Close()
	if _, _, err := f.Take(t.Context(), 1, nothing); !errors.Is(err, file.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
	f.Stop()
}

// TestFeedForgets: beyond its limit it walks through the bucket that had most keys, and not through the others.
func TestFeedForgets(t *testing.T) {
	db := mustCreate(t, file.Config{})
	for i := range uint64(50) {
		mustCommit(t, db, func(tx *file.Tx) error {
			return errors.Join(tx.Put(file.Journal, number(i), number(i)), tx.Put(file.Days, number(i), number(i)))
		})
	}
	f := db.Follow(false)
	file.LimitFeed(f, 10)
	for i := range uint64(12) {
		mustCommit(t, db, func(tx *file.Tx) error {
			if i == 5 {
				return tx.Put(file.Days, number(i), nil)
			}
			return tx.Delete(file.Journal, number(i))
		})
	}
	var got []string
	for settled := false; !settled; {
		var err error
		_, settled, err = f.Take(t.Context(), 300, func(c file.Change) error {
			got = append(got, fmt.Sprintf("%d %x %x %v", c.Bucket, c.From, c.Key, c.Walked))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(got) != 39+1+1 || !slices.Contains(got, "4  0000000000000005 false") || !slices.Contains(got, "2  0000000000000005 true") ||
		!slices.Contains(got, "2 000000000000000500 000000000000000c true") || !slices.Contains(got, "2 000000000000003100  true") {
		t.Errorf("%d changes: %q", len(got), got)
	}
}

// TestFeedBesideATake changes keys behind and ahead of a walk while a Take is under way.
func TestFeedBesideATake(t *testing.T) {
	db := mustCreate(t, file.Config{})
	for i := range uint64(50) {
		mustCommit(t, db, func(tx *file.Tx) error { return tx.Put(file.Journal, number(i), number(i)) })
	}
	f := db.Follow(true)
	got, steps := mirror{}, 0
	for settled := false; !settled; {
		var err error
		_, settled, err = f.Take(t.Context(), 800, func(c file.Change) error {
			if c.Key == nil {
				return nil
			}
			if steps++; steps == 5 {
				mustCommit(t, db, func(tx *file.Tx) error {
					return errors.Join(tx.Delete(file.Journal, number(2)), tx.Delete(file.Journal, number(40)))
				})
			}
			if got[string(c.Key)] = string(c.Value); c.Value == nil {
				delete(got, string(c.Key))
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, behind := got[string(number(2))]; behind || len(got) != 48 || steps != 49+1 {
		t.Errorf("%d keys by %d changes; the one behind is there: %v", len(got), steps, behind)
	}
}

func TestRestore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "footfall.db")
	id := [16]byte{1, 2, 3}
	db, err := file.Restore(file.Config{Path: path}, id, 1)
	if err != nil || db.ID() != id || db.Format() != 1 {
		t.Fatal(err)
	}
	db.Close()
	if _, err := file.Restore(file.Config{Path: path}, id, 1); err == nil {
		t.Error("over a file that is there")
	}
	var newer file.ErrNewer
	for _, format := range []int{0, file.Format + 1} {
		if _, err := file.Restore(file.Config{Path: path + "2"}, id, format); err == nil || errors.As(err, &newer) != (format > file.Format) {
			t.Errorf("format %d: %v", format, err)
		}
	}
}
