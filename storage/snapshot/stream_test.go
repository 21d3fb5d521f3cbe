package snapshot_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	mathrand "math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"footfall/storage/file"
	"footfall/storage/objstore"
	"footfall/storage/schema"
	"footfall/storage/seal"
	"footfall/storage/snapshot"
)

// appliance is a data file with its vault, and the content of the file at every commit.
type appliance struct {
	dir     string
	key     seal.KeySource
	db      *file.DB
	vault   *seal.Vault
	content map[string]string            // by bucket and key
	history map[string]map[string]string // by sums
	when    map[string]int               // sums to number of commit
	commits int
	rng     *mathrand.Rand
}

func newAppliance(t *testing.T, seed uint64) *appliance {
	t.Helper()
	a := &appliance{dir: t.TempDir(), content: map[string]string{}, history: map[string]map[string]string{}, when: map[string]int{}, rng: mathrand.New(mathrand.NewPCG(seed, 1))}
	keyFile := filepath.Join(t.TempDir(), "key")
	if err := seal.NewKeyFile(keyFile); err != nil {
		t.Fatal(err)
	}
	a.key = seal.KeySource{File: keyFile}
	var err error
	if a.db, err = file.Create(file.Config{Path: filepath.Join(a.dir, "footfall.db")}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.db.Close() })
	if a.vault, err = seal.CreateVault(filepath.Join(a.dir, "footfall.vault"), a.db.ID(), a.key, time.Now()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.vault.Close() })
	a.remember(t)
	return a
}

func (a *appliance) remember(t *testing.T) {
	t.Helper()
	sums, err := a.db.Sums()
	if err != nil {
		t.Fatal(err)
	}
	a.history[string(sums.Encode())] = maps.Clone(a.content)
	a.when[string(sums.Encode())] = a.commits
}

// work commits some random changes. One key is new in every commit, so that no two stands have the same sums.
func (a *appliance) work(t *testing.T, commits int) {
	t.Helper()
	for range commits {
		changed := map[string]string{}
		set := func(b file.Bucket, key string, size int) {
			value := make([]byte, 30+size)
			rand.Read(value)
			changed[string(rune(b))+key] = string(value)
		}
		for range a.rng.IntN(6) {
			b, key := file.Bucket(file.Journal+file.Bucket(a.rng.IntN(5))), fmt.Sprintf("key %d", a.rng.IntN(60))
			switch a.rng.IntN(4) {
			case 0:
				changed[string(rune(b))+key] = ""
			case 1:
				set(b, key, a.rng.IntN(60000))
			default:
				set(b, key, a.rng.IntN(100))
			}
		}
		a.commits++
		changed[string(rune(file.Meta))+"last"] = ""
		set(file.Audit, fmt.Sprintf("commit %d", a.commits), 0)
		changed[string(rune(file.Audit))+fmt.Sprintf("commit %d", a.commits-40)] = ""
		err := a.db.Commit(t.Context(), func(tx *file.Tx) error {
			for k, v := range changed {
				var err error
				if v == "" {
					err = tx.Delete(file.Bucket(k[0]), []byte(k[1:]))
				} else {
					err = tx.Put(file.Bucket(k[0]), []byte(k[1:]), []byte(v))
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		for k, v := range changed {
			if delete(a.content, k); v != "" {
				a.content[k] = v
			}
		}
		a.remember(t)
	}
}

// stream starts a stream and returns what ends it.
func (a *appliance) stream(t *testing.T, b objstore.Bucket) (s *snapshot.Stream, stop func()) {
	t.Helper()
	s = snapshot.New(snapshot.Config{Bucket: b, DB: a.db, Vault: a.vault, Dir: a.dir, Pause: time.Millisecond})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { s.Run(ctx); close(done) }()
	return s, func() { cancel(); <-done }
}

// restore restores from the bucket alone and returns the number of the commit that the result is exactly.
func (a *appliance) restore(t *testing.T, b objstore.Bucket, job snapshot.Restoring) int {
	t.Helper()
	n, err := a.tryRestore(t, b, job)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func (a *appliance) tryRestore(t *testing.T, b objstore.Bucket, job snapshot.Restoring) (int, error) {
	t.Helper()
	job.Dir = filepath.Join(t.TempDir(), "restored")
	r, err := snapshot.Open(t.Context(), b, a.key)
	if err != nil {
		return 0, err
	}
	defer r.Close()
	if _, err := r.Restore(t.Context(), job); err != nil {
		return 0, err
	}
	db, err := file.Open(file.Config{Path: filepath.Join(job.Dir, "footfall.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	sums, err := db.Sums()
	if err != nil {
		t.Fatal(err)
	}
	want, ok := a.history[string(sums.Encode())]
	if !ok {
		t.Fatal("what was restored never was")
	}
	got := map[string]string{}
	for bucket := file.Meta; bucket <= file.Audit; bucket++ {
		err := db.Scan(t.Context(), bucket, nil, func(key, value []byte) error {
			got[string(rune(bucket))+string(key)] = string(value)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if !maps.Equal(got, want) {
		t.Fatalf("%d values were restored that are not those of commit %d with %d", len(got), a.when[string(sums.Encode())], len(want))
	}
	v, err := seal.OpenVault(filepath.Join(job.Dir, "footfall.vault"), a.key)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	if v.StoreID() != a.vault.StoreID() {
		t.Error("the vault is of another store")
	}
	return a.when[string(sums.Encode())], nil
}

func mustDir(t *testing.T) objstore.Bucket {
	t.Helper()
	b, err := objstore.OpenDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// await waits until the stream has nothing left to upload.
func await(t *testing.T, s *snapshot.Stream) snapshot.Status {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		if st := s.Status(); st.Settled {
			return st
		} else if time.Now().After(deadline) {
			t.Fatalf("the stream does not get anywhere: %+v", st)
		}
	}
}

// What was streamed is restored exactly, whenever streams begin and end, manifests are written and the bucket is away.
func TestStreamAndRestore(t *testing.T) {
	a := newAppliance(t, 1)
	bucket := &shaky{Bucket: mustDir(t)}
	a.work(t, 30)
	for round := range 12 {
		s, stop := a.stream(t, bucket)
		await(t, s)
		if got := a.restore(t, bucket, snapshot.Restoring{}); got != a.commits {
			t.Fatalf("round %d: restored commit %d of %d", round, got, a.commits)
		}
		before := a.commits
		for range a.rng.IntN(5) {
			a.work(t, a.rng.IntN(30))
			switch a.rng.IntN(4) {
			case 0:
				if _, err := s.Snapshot(t.Context(), ""); err != nil {
					t.Fatal(err)
				}
			case 1:
				bucket.failures.Store(int64(a.rng.IntN(2)))
			case 2:
				if _, err := a.db.Compact(t.Context(), nil); err != nil {
					t.Fatal(err)
				}
			}
			if got := a.restore(t, bucket, snapshot.Restoring{}); got < before {
				t.Fatalf("round %d: restored commit %d, was at %d", round, got, before)
			}
		}
		if round%3 == 0 {
			bucket.down.Store(true) // nothing of the end is uploaded
		}
		stop()
		bucket.down.Store(false)
		a.work(t, a.rng.IntN(50)) // with nobody watching
	}
}

// A point with a name and a time of the past are restored as they were.
func TestPoints(t *testing.T) {
	a := newAppliance(t, 2)
	b := mustDir(t)
	s, stop := a.stream(t, b)
	defer stop()
	type at struct {
		commit int
		time   time.Time
	}
	var times []at
	for range 5 {
		a.work(t, 10)
		await(t, s)
		times = append(times, at{a.commits, time.Now()})
		time.Sleep(5 * time.Millisecond) // times in packs are in milliseconds
	}
	p, err := s.Snapshot(t.Context(), "before the move")
	if err != nil || p.Name != "before the move" {
		t.Fatalf("%+v, %v", p, err)
	}
	a.work(t, 10)
	await(t, s)
	for _, at := range times[1:] {
		if got := a.restore(t, b, snapshot.Restoring{At: at.time}); got != at.commit {
			t.Errorf("at %v: restored commit %d, want %d", at.time, got, at.commit)
		}
	}
	if got := a.restore(t, b, snapshot.Restoring{Point: "before the move"}); got != times[4].commit {
		t.Errorf("restored commit %d, want %d", got, times[4].commit)
	}
	for _, job := range []snapshot.Restoring{{Point: "never made"}, {At: time.Now().Add(-time.Hour)}} {
		if _, err := a.tryRestore(t, b, job); !errors.Is(err, snapshot.ErrNothing) {
			t.Errorf("%+v: %v", job, err)
		}
	}
	r, err := snapshot.Open(t.Context(), b, a.key)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	points, err := r.Points(t.Context())
	if err != nil || len(points) < 3 || points[len(points)-2].Name != "before the move" {
		t.Errorf("%+v, %v", points, err)
	}
}

// Nothing is uploaded again that is there, after a restart too.
func TestEachByteOnce(t *testing.T) {
	a := newAppliance(t, 3)
	b := &shaky{Bucket: mustDir(t)}
	a.work(t, 200)
	s, stop := a.stream(t, b)
	await(t, s)
	stop()
	size := 0
	for _, v := range a.content {
		size += len(v)
	}
	if n := b.bytes.Load(); n < int64(size) || n > int64(size)*11/10+20_000 {
		t.Errorf("%d bytes for %d of values", n, size)
	}
	b.bytes.Store(0)
	s, stop = a.stream(t, b)
	await(t, s)
	stop()
	if n := b.bytes.Load(); n > 40_000 {
		t.Errorf("%d bytes after a restart in which nothing happened", n)
	}
}

// While the bucket is away the stream waits and says so; what changes meanwhile goes up once when it is back, however often it changed.
func TestOutage(t *testing.T) {
	a := newAppliance(t, 7)
	b := &shaky{Bucket: mustDir(t)}
	if err := a.vault.CreateSite(1); err != nil {
		t.Fatal(err)
	}
	a.work(t, 50)
	s, stop := a.stream(t, b)
	defer stop()
	await(t, s)
	b.down.Store(true)
	before := a.commits
	if err := a.vault.DestroySite(1); err != nil {
		t.Fatal(err)
	}
	a.work(t, 300)
	state(t, s, snapshot.Waiting)
	if st := s.Status(); st.Error == "" || st.Settled {
		t.Errorf("%+v", st)
	}
	b.bytes.Store(0)
	b.down.Store(false)
	await(t, s)
	size := 0
	for _, v := range a.content {
		size += len(v)
	}
	if n := b.bytes.Load(); n > int64(size)*11/10+20_000 {
		t.Errorf("%d bytes went up for %d that there are", n, size)
	}
	if got := a.restore(t, b, snapshot.Restoring{}); got != a.commits || got == before {
		t.Errorf("restored commit %d of %d", got, a.commits)
	}
	keys := 0
	if err := b.List(t.Context(), "v1/sites/", "", func(objstore.Object) error { keys++; return nil }); err != nil || keys != 0 {
		t.Errorf("%d keys of removed sites, %v", keys, err)
	}
}

// A copy of the directory does not write where the first one does, until it is told to; then the first one stops.
func TestFencing(t *testing.T) {
	a := newAppliance(t, 4)
	b := mustDir(t)
	a.work(t, 10)
	first, stop := a.stream(t, b)
	defer stop()
	await(t, first)

	other := *a
	other.dir = t.TempDir() // as if restored there: the same keys, no name of an instance
	second, stopSecond := other.stream(t, b)
	defer stopSecond()
	state(t, second, snapshot.Fenced)
	if _, err := second.Snapshot(t.Context(), ""); !errors.Is(err, snapshot.ErrFenced) {
		t.Errorf("a snapshot of the fenced one: %v", err)
	}
	if epoch, err := snapshot.NewestEpoch(t.Context(), b); epoch != 1 || err != nil {
		t.Errorf("epoch %d, %v", epoch, err)
	}
	if err := first.Adopt(); err == nil {
		t.Error("the first one adopts what it has")
	}
	if err := second.Adopt(); err != nil {
		t.Fatal(err)
	}
	await(t, second)
	for deadline := time.Now().Add(time.Minute); first.Status().State != snapshot.Fenced; a.work(t, 1) {
		if time.Now().After(deadline) {
			t.Fatalf("the first one goes on: %+v", first.Status())
		}
	}
	await(t, second)
	if got := a.restore(t, b, snapshot.Restoring{}); got != a.commits {
		t.Errorf("restored commit %d of %d", got, a.commits)
	}

	foreign := newAppliance(t, 5)
	third, stopThird := foreign.stream(t, b)
	defer stopThird()
	state(t, third, snapshot.Fenced)
	if err := third.Adopt(); err != nil {
		t.Fatal(err)
	}
	state(t, third, snapshot.Fenced)
	if err := third.Adopt(); err != nil {
		t.Fatal(err)
	}
	if _, err := snapshot.Open(t.Context(), b, foreign.key); !errors.Is(err, seal.ErrWrongKey) {
		t.Errorf("the keyring was replaced: %v", err)
	}
}

func state(t *testing.T, s *snapshot.Stream, want snapshot.State) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); s.Status().State != want; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("state %+v, want %s", s.Status(), want)
		}
	}
}

// A site that is removed has no key in the bucket, and none after a restore of any point.
func TestRemovedSite(t *testing.T) {
	a := newAppliance(t, 6)
	b := mustDir(t)
	for site := schema.Site(1); site <= 3; site++ {
		if err := a.vault.CreateSite(site); err != nil {
			t.Fatal(err)
		}
	}
	s, stop := a.stream(t, b)
	a.work(t, 5)
	await(t, s)
	keys := func() (n int) {
		if err := b.List(t.Context(), "v1/sites/", "", func(objstore.Object) error { n++; return nil }); err != nil {
			t.Fatal(err)
		}
		return n
	}
	if keys() != 3 {
		t.Fatalf("%d keys", keys())
	}
	if err := a.vault.DestroySite(2); err != nil {
		t.Fatal(err)
	}
	a.work(t, 1)
	await(t, s)
	if keys() != 2 {
		t.Errorf("%d keys after one was destroyed", keys())
	}
	if err := a.vault.ReplaceSite(3); err != nil { // with nothing else happening
		t.Fatal(err)
	}
	await(t, s)
	if keys() != 2 {
		t.Errorf("%d keys after one was replaced", keys())
	}
	stop()
	dir := filepath.Join(t.TempDir(), "restored")
	r, err := snapshot.Open(t.Context(), b, a.key)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := r.Restore(t.Context(), snapshot.Restoring{Dir: dir}); err != nil {
		t.Fatal(err)
	}
	v, err := seal.OpenVault(filepath.Join(dir, "footfall.vault"), a.key)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	if _, err := v.Site(2); !errors.Is(err, seal.ErrNoKey) {
		t.Errorf("site 2: %v", err)
	}
	want, _ := a.vault.Site(3)
	got, err := v.Site(3)
	if err != nil {
		t.Fatal(err)
	}
	at := seal.Place{Bucket: 2, Key: []byte("k"), Type: 1, Version: 1}
	if plain, err := got.Open(nil, want.Seal(nil, []byte("text"), at), at); err != nil || !bytes.Equal(plain, []byte("text")) {
		t.Errorf("site 3 has another key: %v", err)
	}
}
