package file

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	bolt "go.etcd.io/bbolt"
)

// Feed remembers which keys change, for those who keep a copy elsewhere. It holds keys, not values: a key that changes often is one key.
// When too many wait, it forgets those of the bucket that has most, and walks through that whole bucket instead, in order and a piece a
// Take. That is also how a first copy is made.
//
// A feed goes on through compactions. It knows nothing of what was before it: after a start, see [DB.Fingerprints] and [Feed.Add].
type Feed struct {
	db    *DB
	limit int // keys that may wait
	ready chan struct{}
	one   sync.Mutex // held by Take

	mu     sync.Mutex // guards what follows
	keys   keySet
	from   [numBuckets][]byte // where the walk through a bucket goes on, nil where there is none
	lost   [numBuckets]bool   // the bucket is to be walked through from its beginning
	taking bool
}

// Change is a key that has changed, or that a walk has come to, and what it holds.
type Change struct {
	Bucket Bucket
	Key    []byte // nil at the end of a walk
	Value  []byte // nil where there is none

	// Walked tells that the change is a step of a walk: the bucket holds nothing from From up to Key, or from From on where Key is nil. What
	// a copy has there is to be removed.
	Walked bool
	From   []byte // empty at the beginning of a bucket
}

// Stand is what a file is at a commit.
type Stand struct {
	Commit uint64 // how many commits there were since Open
	Format int
	Sums   Sums // of all keys
}

// keySet is keys by bucket.
type keySet struct {
	of [numBuckets]map[string]struct{}
	n  int
}

func (s *keySet) has(b Bucket, key []byte) bool {
	_, ok := s.of[b-Meta][string(key)]
	return ok
}

func (s *keySet) put(b Bucket, key string) {
	of := &s.of[b-Meta]
	if *of == nil {
		*of = map[string]struct{}{}
	}
	s.n -= len(*of)
	(*of)[key] = struct{}{}
	s.n += len(*of)
}

func (s *keySet) remove(b Bucket, key string) {
	delete(s.of[b-Meta], key)
	s.n--
}

// clear forgets a bucket.
func (s *keySet) clear(b Bucket) {
	s.n -= len(s.of[b-Meta])
	s.of[b-Meta] = nil
}

// merge adds the keys of other.
func (s *keySet) merge(other *keySet) {
	for i := range s.of {
		if s.of[i] == nil {
			s.of[i], other.of[i] = other.of[i], nil
			s.n += len(s.of[i])
		}
		for k := range other.of[i] {
			s.put(Meta+Bucket(i), k)
		}
	}
}

// Follow makes the DB remember which keys change from now on, until Stop; with all, as if every key had just changed.
func (db *DB) Follow(all bool) *Feed {
	f := &Feed{db: db, limit: maxFollowed, ready: make(chan struct{}, 1)}
	if all {
		for i := range f.lost {
			f.lost[i] = true
		}
		f.wake()
	}
	db.watchers.join(f)
	return f
}

// Stop ends the feed. A Take under way goes on.
func (f *Feed) Stop() { f.db.watchers.leave(f) }

// Changed returns a channel that gives a value when there is something to take: at the latest when the commit is acknowledged, and once for
// all that comes until the next Take. It may give one too many.
func (f *Feed) Changed() <-chan struct{} { return f.ready }

func (f *Feed) wake() {
	select {
	case f.ready <- struct{}{}:
	default:
	}
}

// Add makes the feed hand out a key as if it had changed, whether it exists or not.
func (f *Feed) Add(b Bucket, key []byte) {
	if b.valid() && len(key) > 0 {
		f.add([]change{{bucket: b, key: key}})
	}
}

// add is called by the committing goroutine after a commit.
func (f *Feed) add(changes []change) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range changes {
		from := f.from[c.bucket-Meta]
		switch {
		case c.bucket == Meta && c.key[0] == 0: // in the Stand
		case f.lost[c.bucket-Meta]:
		case from != nil && !f.taking && bytes.Compare(c.key, from) >= 0: // the walk will come to it
		case !f.keys.has(c.bucket, c.key):
			f.keys.put(c.bucket, string(c.key))
		}
	}
	f.bound()
	f.wake()
}

// bound keeps the memory of the feed in bounds. The caller holds mu.
func (f *Feed) bound() {
	for f.keys.n > f.limit {
		most := Meta
		for b := Meta; b <= Audit; b++ {
			if len(f.keys.of[b-Meta]) > len(f.keys.of[most-Meta]) {
				most = b
			}
		}
		f.keys.clear(most)
		f.lost[most-Meta] = true
	}
}

// Take calls fn with what has changed since the last Take, each key once, in order of bucket and key, inside one read transaction that
// stands at a commit that is on the disk. It ends after limit bytes of keys and values, or one change, and the rest stays for the next Take.
// settled tells that there is no rest: whoever has applied all changes of all Takes has what the file has at this commit.
//
// What fn gets is gone when it returns. It must be quick, and must not come back to the DB: see [DB.Read]. When it fails, or Take does, all
// changes of this Take will come again. One Take runs at a time. Errors are those of fn, [ErrPoisoned], [ErrClosed], [ErrDamaged] and that
// of ctx, which is asked before the transaction begins.
func (f *Feed) Take(ctx context.Context, limit int64, fn func(Change) error) (at Stand, settled bool, err error) {
	f.one.Lock()
	defer f.one.Unlock()
	t := take{feed: f, left: limit, fn: fn}
	err = f.db.viewAt(ctx, t.begin, func(_ *handle, tx *bolt.Tx) error { return t.run(tx, &at) })
	if t.began {
		t.end(err == nil)
	}
	if err != nil {
		f.wake()
		return Stand{}, false, fmt.Errorf("take changes: %w", err)
	}
	return at, !t.rest, nil
}

// take is one Take.
type take struct {
	feed   *Feed
	fn     func(Change) error
	left   int64 // bytes that may be handed out
	some   bool  // something was
	rest   bool  // something was not
	began  bool
	commit uint64
	keys   keySet             // not handed out
	picked keySet             // handed out
	from   [numBuckets][]byte // as in Feed
}

// begin takes over what waits. It runs on the committing goroutine, so the set is what was changed up to the last commit.
func (t *take) begin() {
	f := t.feed
	f.mu.Lock()
	defer f.mu.Unlock()
	t.began, t.commit, f.taking = true, f.db.commits.Load(), true
	for i := range f.lost {
		if f.lost[i] {
			f.lost[i], f.from[i] = false, []byte{}
		}
	}
	t.keys, f.keys, t.from = f.keys, keySet{}, f.from
}

// end gives back what was not handed out, or everything.
func (t *take) end(ok bool) {
	f := t.feed
	f.mu.Lock()
	defer f.mu.Unlock()
	news := f.keys
	f.keys, f.taking = t.keys, false
	if ok {
		f.from = t.from
	} else {
		f.keys.merge(&t.picked)
	}
	for b := Meta; b <= Audit; b++ {
		if f.lost[b-Meta] { // more changed meanwhile than can be remembered
			f.keys.clear(b)
			news.clear(b)
			continue
		}
		if from := f.from[b-Meta]; from != nil {
			for k := range news.of[b-Meta] {
				if k >= string(from) {
					news.remove(b, k)
				}
			}
		}
	}
	f.keys.merge(&news)
	f.bound()
	if t.rest {
		f.wake()
	}
}

func (t *take) run(tx *bolt.Tx, at *Stand) (err error) {
	at.Commit = t.commit
	own := tx.Bucket([]byte{byte(Meta)})
	if _, at.Format, err = decodeFormat(own.Get(keyFormat), t.feed.db.newest); err != nil {
		return err
	}
	if at.Sums, err = DecodeSums(own.Get(keySums)); err != nil {
		return err
	}
	for b := Meta; b <= Audit && !t.rest; b++ {
		bucket := tx.Bucket([]byte{byte(b)})
		if err := t.changed(b, bucket); err != nil {
			return err
		}
		if t.from[b-Meta] != nil && !t.rest {
			if err := t.walk(b, bucket); err != nil {
				return err
			}
		}
	}
	return nil
}

// fits tells whether a change may still be handed out, and counts it.
func (t *take) fits(key string, value []byte) bool {
	cost := int64(len(key)+len(value)) + changeCost
	if t.some && cost > t.left {
		t.rest = true
		return false
	}
	t.some = true
	t.left -= cost
	return true
}

// changed hands out keys of a bucket that have changed.
func (t *take) changed(b Bucket, bucket *bolt.Bucket) error {
	type pair struct {
		key   string
		value []byte
	}
	var pairs []pair
	for k := range t.keys.of[b-Meta] {
		value := bucket.Get([]byte(k))
		if !t.fits(k, value) {
			break
		}
		pairs = append(pairs, pair{k, value})
	}
	slices.SortFunc(pairs, func(a, b pair) int { return strings.Compare(a.key, b.key) })
	for _, p := range pairs {
		t.keys.remove(b, p.key)
		t.picked.put(b, p.key)
		if err := t.fn(Change{Bucket: b, Key: []byte(p.key), Value: p.value}); err != nil {
			return err
		}
	}
	return nil
}

// walk hands out the keys of a bucket from where the last Take has stopped.
func (t *take) walk(b Bucket, bucket *bolt.Bucket) error {
	from := &t.from[b-Meta]
	c := bucket.Cursor()
	for k, v := c.Seek(*from); k != nil; k, v = c.Next() {
		if b == Meta && k[0] == 0 {
			continue
		}
		if !t.fits(string(k), v) {
			return nil
		}
		if err := t.fn(Change{Bucket: b, Key: k, Value: v, Walked: true, From: *from}); err != nil {
			return err
		}
		*from = append(bytes.Clone(k), 0) // the next key there can be
	}
	err := t.fn(Change{Bucket: b, Walked: true, From: *from})
	*from = nil
	return err
}
