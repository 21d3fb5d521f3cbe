package snapshot

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"footfall/storage/file"
	"footfall/storage/objstore"
	"footfall/storage/seal"
)

// ErrFenced means that another instance streams to the bucket. Nothing is written until [Stream.Adopt].
var ErrFenced = errors.New("another instance streams its snapshots to this place")

// ErrForeign means that the bucket holds the snapshots of another store, which would be lost if we went on.
var ErrForeign = errors.New("the bucket holds snapshots of another store: choose another prefix")

// ErrUndeleted means that the bucket has keys of sites that were destroyed here.
var ErrUndeleted = errors.New("the bucket has not deleted keys that are to be no more")

// ErrStopped means that the stream has ended.
var ErrStopped = errors.New("snapshots are not streamed any more")

// Config says what is streamed, and where to.
type Config struct {
	Bucket objstore.Bucket
	DB     *file.DB
	Vault  *seal.Vault
	Dir    string // data directory, which holds the file that names the instance
	Log    *slog.Logger
	Now    func() time.Time
	Pause  time.Duration // between packs, 0 for what is right; for tests

	Keep     Keeping // what daily pruning keeps
	NoDelete bool    // the credentials do not allow to delete: nothing is pruned
}

// Stream uploads what changes in a data file. Its methods may be called by many at once.
type Stream struct {
	cfg    Config
	sealer *seal.Sealer
	asks   chan *ask
	done   chan struct{} // closed when Run has returned

	adopt    chan struct{}
	adopting atomic.Bool // the next claim may follow that of another instance

	mu     sync.Mutex // guards status
	status Status
}

// State is what a stream is doing.
type State string

// The states.
const (
	Starting  State = "starting"  // looking at what the bucket has
	Copying   State = "copying"   // much is to be uploaded
	Streaming State = "streaming" // what changes is uploaded within seconds
	Waiting   State = "waiting"   // the bucket cannot be reached: see Error
	Fenced    State = "fenced"    // another instance streams there
	Stopped   State = "stopped"
)

// Status is how a stream is doing.
type Status struct {
	State      State     `json:"state"`
	Error      string    `json:"error,omitempty"` // why it waits, or what it could not delete
	Epoch      uint32    `json:"epoch,omitempty"`
	Restorable time.Time `json:"restorable_to"` // zero if nothing can be restored yet
	Settled    bool      `json:"settled"`       // nothing has changed since Restorable, and keys that were destroyed are gone
	Objects    int       `json:"packs"`         // that the newest stand is made of
	Uploaded   int64     `json:"uploaded_bytes"`
	Requests   int64     `json:"requests"`              // that wrote
	Kept       []string  `json:"kept,omitempty"`        // keys of removed sites that the bucket will not delete yet, and until when
	Pruned     time.Time `json:"pruned,omitzero"`       // when pruning last did its work
	PruneError string    `json:"prune_error,omitempty"` // why it did not since

	commit    uint64 // of the last settled pack
	keys      uint64 // generation of the vault that the bucket has the keys of
	undeleted string // why the bucket has keys of removed sites too
}

// Point is a stand that was given a name, or the newest.
type Point struct {
	ID   ID        `json:"id"`
	Time time.Time `json:"time"`
	Name string    `json:"name,omitempty"`
	Size int64     `json:"bytes"` // of the packs it is made of
	New  int64     `json:"new"`   // bytes of those that the point before does not need; only in a list
}

// ask is what a caller wants done between two packs. An error ends the session.
type ask struct {
	do   func(ctx context.Context, w *session) error
	err  error
	done chan struct{}
}

// New returns a stream that has not begun: see [Stream.Run].
func New(cfg Config) *Stream {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Stream{cfg: cfg, sealer: cfg.Vault.Snapshots(), asks: make(chan *ask), done: make(chan struct{}), adopt: make(chan struct{}, 1), status: Status{State: Starting}}
}

// Run streams until ctx ends, and uploads then, for up to ten seconds, what is left. It is called once, and must have returned before the file is closed.
func (s *Stream) Run(ctx context.Context) {
	defer close(s.done)
	defer s.set(func(st *Status) { st.State = Stopped })
	said := "" // in the log, once for as long as it is the same
	for pause := firstPause; ctx.Err() == nil; {
		before := s.Status().Epoch
		err := s.session(ctx)
		if ctx.Err() != nil {
			return
		}
		state, wait := Waiting, time.After(pause)
		if pause *= 2; s.Status().Epoch == before {
			pause = min(pause, lastPause)
		} else {
			pause, said = min(pause, lastEpoch), "" // the bucket was there: what failed is on this side
		}
		if errors.Is(err, ErrFenced) || errors.Is(err, ErrForeign) {
			state, wait, pause = Fenced, nil, firstPause
		}
		s.set(func(st *Status) { st.State, st.Error = state, err.Error() })
		if text := err.Error(); text != said {
			s.cfg.Log.Error("snapshots are not streamed; counting goes on", "error", err)
			said = text
		}
		for waiting := true; waiting; {
			select {
			case <-ctx.Done():
				return
			case <-s.adopt:
				waiting = false
			case <-wait:
				waiting = false
			case a := <-s.asks:
				a.err = err
				close(a.done)
			}
		}
	}
}

// Status returns how the stream is doing.
func (s *Stream) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.status
	now := s.cfg.Now().UTC() // before the count: a commit after it is not in the bucket yet
	if st.State == Streaming && st.commit == s.cfg.DB.Stats().Commits && st.keys == s.cfg.Vault.Generation() {
		st.Restorable, st.Settled = now, st.undeleted == ""
	}
	st.Kept = slices.Clone(st.Kept)
	return st
}

func (s *Stream) set(change func(*Status)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.status)
}

// Snapshot uploads all there is and makes it a point, with a name or without. It returns when the point can be restored.
func (s *Stream) Snapshot(ctx context.Context, name string) (Point, error) {
	if len(name) > maxName {
		return Point{}, errLongName(name)
	}
	var point Point
	err := s.ask(ctx, func(ctx context.Context, w *session) (err error) {
		if err = w.flush(ctx); err == nil {
			point, err = w.putManifest(ctx, name)
		}
		return err
	})
	if err != nil {
		return Point{}, err
	}
	return point, nil
}

func errLongName(name string) error {
	return fmt.Errorf("snapshot: the name of a point has %d bytes, at most %d are possible", len(name), maxName)
}

// Flush returns when all that was committed before the call can be restored.
func (s *Stream) Flush(ctx context.Context) error {
	return s.ask(ctx, func(ctx context.Context, w *session) error { return w.flush(ctx) })
}

// SyncKeys returns when the bucket holds the keys of the vault as they are, so that what was destroyed there can be restored no more. kept are keys that
// the bucket will not delete yet, and until when.
func (s *Stream) SyncKeys(ctx context.Context) (kept []string, err error) {
	synced := true
	err = s.ask(ctx, func(ctx context.Context, w *session) error {
		w.shredAt = time.Time{}
		err := w.syncKeys(ctx)
		synced = len(w.undeleted) == 0
		return err
	})
	st := s.Status()
	if err == nil && !synced {
		err = fmt.Errorf("%w, and is asked again: %s", ErrUndeleted, st.Error)
	}
	return st.Kept, err
}

// ask has something done by the session that streams, as soon as there is one.
func (s *Stream) ask(ctx context.Context, do func(context.Context, *session) error) error {
	a := &ask{do: do, done: make(chan struct{})}
	select {
	case s.asks <- a:
	case <-ctx.Done():
		return ctx.Err()
	case <-s.done:
		return ErrStopped
	}
	select {
	case <-a.done:
		return a.err
	case <-ctx.Done():
		return ctx.Err()
	case <-s.done: // which may have come just after the answer
		select {
		case <-a.done:
			return a.err
		default:
			return ErrStopped
		}
	}
}

// Adopt makes a fenced stream take over: whoever streamed there before stops. It is an error if nobody else does.
func (s *Stream) Adopt() error {
	st := s.Status()
	if st.State != Fenced {
		return fmt.Errorf("snapshot: there is nothing to adopt: the stream is %s", st.State)
	}
	s.adopting.Store(true)
	select {
	case s.adopt <- struct{}{}:
	default:
	}
	return nil
}

// session is one epoch of a stream.
type session struct {
	*Stream
	doing    State // when it does not wait
	epoch    uint32
	seq      uint64 // of the last pack
	last     hash   // of it
	index    *index
	feed     *file.Feed
	stand    file.Stand // of the last settled pack
	at       time.Time  // when the file was read for it
	settled  bool       // what is in the bucket is one stand
	manifest ID         // the newest of this epoch
	due      time.Time  // the next manifest
	fenced   time.Time  // when the next claim was last looked for

	keys    map[string]bool // names of wrapped site keys in the bucket, nil if not known
	keysGen uint64

	undeleted  map[string]bool // of keys that are to be no more
	shredAt    time.Time       // when to try again to delete them
	shredPause time.Duration   // after that

	tasks   sync.WaitGroup // of prunings
	pruner  sync.Mutex     // held by the one that runs
	pruneAt time.Time      // the next one
}

// session claims an epoch and streams until something fails for good or ctx ends.
func (s *Stream) session(ctx context.Context) error {
	s.set(func(st *Status) { st.undeleted, st.Error = "", "" })
	w := &session{Stream: s, pruneAt: s.cfg.Now().Add(firstPrune)}
	w.do(Starting)
	ctx, cancel := context.WithCancel(ctx)
	defer w.tasks.Wait()
	defer cancel()
	var err error
	if w.epoch, err = s.claim(ctx); err != nil {
		return err
	}
	s.set(func(st *Status) { st.Epoch = w.epoch })
	if err := w.putKeys(ctx); err != nil {
		return err
	}
	if w.index, err = s.load(ctx); err != nil {
		return err
	}
	w.feed = s.cfg.DB.Follow(len(w.index.where) == 0)
	defer w.feed.Stop()
	w.do(Copying)
	if len(w.index.where) > 0 {
		if err := w.compare(ctx); err != nil {
			return err
		}
	}
	if err := w.flush(ctx); err != nil {
		return err
	}
	if err := w.number(ctx); err != nil {
		return err
	}
	if _, err := w.list(ctx, ""); err != nil { // nothing of this epoch can be restored before: what is to be gathered can wait
		return err
	}
	if len(w.index.scattered()) > 0 {
		w.due = w.cfg.Now()
	}
	w.do(Streaming)
	return w.loop(ctx)
}

// do tells what the session does from now on.
func (w *session) do(what State) {
	w.doing = what
	w.set(func(st *Status) { st.State = what })
}

// compare makes the feed hand out every key of which the bucket has another version.
func (w *session) compare(ctx context.Context) error {
	where := w.index.where
	err := w.cfg.DB.Fingerprints(ctx, func(b file.Bucket, key []byte, print file.Fingerprint, _ int) error {
		k := mapKey(b, key)
		have, ok := where[k]
		if !ok || have.print != print {
			w.feed.Add(b, key)
		}
		if ok {
			have.seen = true
			where[k] = have
		}
		return nil
	})
	for k, have := range where {
		if !have.seen {
			w.feed.Add(file.Bucket(k[0]), []byte(k[1:]))
		}
		have.seen = false
		where[k] = have
	}
	return err
}

// outlast returns a context that ends lastUpload after ctx.
func outlast(ctx context.Context) (context.Context, context.CancelFunc) {
	last, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		select {
		case <-time.After(lastUpload):
			cancel()
		case <-last.Done():
		}
	})
	return last, func() {
		stop()
		cancel()
	}
}

// loop uploads what changes. What is under way when ctx ends is not broken off: what is left goes up behind it.
func (w *session) loop(ctx context.Context) error {
	work, cancel := outlast(ctx)
	defer cancel()
	var wake <-chan time.Time // set while something waits to be uploaded
	var before time.Time      // of the last pack
	keys := time.NewTicker(keysEvery)
	defer keys.Stop()
	for {
		select {
		case <-ctx.Done():
			return errors.Join(w.flush(work), ctx.Err())
		case <-w.feed.Changed():
			if wake == nil {
				wake = time.After(time.Until(before.Add(w.pause())))
			}
			continue
		case <-keys.C:
			if err := w.syncKeys(work); err != nil {
				return err
			}
			if err := w.idle(work); err != nil {
				return err
			}
			w.pruneDaily(ctx)
			continue
		case a := <-w.asks:
			a.err = a.do(work, w)
			close(a.done)
			if a.err != nil {
				return a.err
			}
			continue // what waits to be uploaded may still do so
		case <-wake:
			if err := w.flush(work); err != nil {
				return err
			}
			if !w.cfg.Now().Before(w.due) {
				if _, err := w.putManifest(work, ""); err != nil {
					return err
				}
			}
		}
		wake, before = nil, time.Now()
	}
}

// idle asks the bucket now and then where nothing else does: somebody may have taken over, or it may be gone.
func (w *session) idle(ctx context.Context) error {
	every := idleGlance
	if w.cfg.Pause > 0 {
		every = w.cfg.Pause
	}
	if time.Since(w.fenced) < every {
		return nil
	}
	if err := w.fence(ctx); err != nil {
		return err
	}
	return w.flush(ctx)
}

// pause returns how long to wait after a pack.
func (w *session) pause() time.Duration {
	if w.cfg.Pause > 0 {
		return w.cfg.Pause
	}
	return packPause
}

// flush uploads all that has changed.
func (w *session) flush(ctx context.Context) error {
	for {
		p := &builder{head: head{prev: w.last}}
		walks := &walks{}
		now := w.cfg.Now()
		at, settled, err := w.feed.Take(ctx, packTarget, func(c file.Change) error {
			walks.see(c)
			if c.Key != nil && !w.has(c) {
				p.add(c.Bucket, c.Key, c.Value)
			}
			return nil
		})
		if err != nil {
			return err
		}
		p.commit, p.time = at.Commit, now
		err = walks.removed(w.index, func(b file.Bucket, key []byte) error {
			if p.full() {
				if err := w.putPack(ctx, p); err != nil {
					return err
				}
				w.settled = false
				p = &builder{head: head{prev: w.last, commit: at.Commit, time: now}}
			}
			p.add(b, key, nil)
			return nil
		})
		if err != nil {
			return err
		}
		if len(p.entries) > 0 || settled && !w.settled {
			if p.settled = settled; settled {
				p.sums = at.Sums.Encode()
			}
			if err := w.putPack(ctx, p); err != nil {
				return err
			}
		}
		if w.settled = settled; settled {
			w.stand, w.at = at, now
			w.set(func(st *Status) {
				st.commit = at.Commit
				if !w.manifest.Less(ID{w.epoch, 0}) { // before the first manifest of the epoch there is nothing to begin from
					st.Restorable = now.UTC()
				}
			})
			return nil
		}
	}
}

// has tells whether the bucket has what a key holds.
func (w *session) has(c file.Change) bool {
	have, ok := w.index.where[mapKey(c.Bucket, c.Key)]
	return ok && c.Value != nil && have.print == file.FingerprintOf(c.Value) || !ok && c.Value == nil
}

// putPack uploads a pack and takes its entries into the index.
func (w *session) putPack(ctx context.Context, p *builder) error {
	if err := w.syncKeys(ctx); err != nil { // what is in the pack can then be opened
		return err
	}
	if err := w.glance(ctx); err != nil {
		return err
	}
	id := ID{w.epoch, w.seq + 1}
	body := p.finish(id.pack(), w.sealer)
	if err := w.put(ctx, id.pack(), body, objstore.Create); err != nil {
		return err
	}
	w.seq, w.last = id.Seq, hashOf(body)
	w.index.add(listed{ID: id, size: int64(len(body)), hash: w.last}, p.entries, nil)
	return nil
}

// put uploads an object, however long it takes, and counts it. That somebody else has written there means that we are fenced.
func (w *session) put(ctx context.Context, name string, body []byte, mode objstore.Mode) error {
	err := w.insist(ctx, func() error { return w.cfg.Bucket.Put(ctx, name, body, mode) })
	switch {
	case err == nil:
		w.set(func(st *Status) {
			st.Requests++
			st.Uploaded += int64(len(body))
		})
	case errors.Is(err, objstore.ErrExists):
		return fmt.Errorf("%w: %w", ErrFenced, err)
	}
	return err
}

// insist tries until it succeeds, finds another object in its place, or ctx ends.
func (w *session) insist(ctx context.Context, try func() error) error {
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		err := try()
		switch {
		case err == nil:
			w.set(func(st *Status) {
				if st.State == Waiting {
					st.State, st.Error = w.doing, st.undeleted
				}
			})
			return nil
		case errors.Is(err, objstore.ErrExists), ctx.Err() != nil:
			return err
		}
		w.trouble(err)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// trouble says that the bucket cannot be written to, once for as long as it lasts.
func (w *session) trouble(err error) {
	if st := w.Status(); st.State != Waiting {
		w.cfg.Log.Error("snapshots wait for the bucket; counting goes on", "error", err)
	}
	w.set(func(st *Status) { st.State, st.Error = Waiting, err.Error() })
}

// gather uploads anew what counts in packs that are hardly worth reading.
func (w *session) gather(ctx context.Context) error {
	ids := w.index.scattered()
	var keys []string
	for k, at := range w.index.where {
		if ids[at.pack] {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	for len(keys) > 0 {
		p := &builder{head: head{prev: w.last, commit: w.stand.Commit, time: w.at, gathered: true}}
		for len(keys) > 0 && !p.full() {
			k := keys[0]
			keys = keys[1:]
			if !ids[w.index.where[k].pack] {
				continue // it has changed since
			}
			b, key := file.Bucket(k[0]), []byte(k[1:])
			value, err := w.cfg.DB.Get(b, key)
			if err != nil {
				return err
			}
			if value != nil && file.FingerprintOf(value) == w.index.where[k].print { // else the feed has it
				p.add(b, key, value)
			}
		}
		if len(p.entries) > 0 {
			if err := w.putPack(ctx, p); err != nil {
				return err
			}
		}
		if err := w.flush(ctx); err != nil { // what comes in meanwhile does not wait
			return err
		}
	}
	return nil
}

// number sees to it that the next manifest has a number of its own.
func (w *session) number(ctx context.Context) error {
	if w.seq > 0 && (w.seq != w.manifest.Seq || w.manifest.Epoch != w.epoch) {
		return nil
	}
	return w.putPack(ctx, &builder{head: head{prev: w.last, commit: w.stand.Commit, time: w.at, settled: true, sums: w.stand.Sums.Encode()}})
}

// putManifest makes the last settled stand a point.
func (w *session) putManifest(ctx context.Context, name string) (Point, error) {
	if err := w.number(ctx); err != nil {
		return Point{}, err
	}
	if err := w.gather(ctx); err != nil {
		return Point{}, err
	}
	return w.list(ctx, name)
}

// list writes the manifest.
func (w *session) list(ctx context.Context, name string) (Point, error) {
	w.index.prune()
	if err := w.fence(ctx); err != nil { // the packs may have been deleted since, if we slept
		return Point{}, err
	}
	id := ID{w.epoch, w.seq}
	m := &manifest{commit: w.stand.Commit, time: w.at, sums: w.stand.Sums.Encode(), format: w.stand.Format, last: w.last, point: name, packs: w.index.list()}
	if err := w.put(ctx, id.manifest(), m.encode(id.manifest(), w.sealer), objstore.Create); err != nil {
		return Point{}, err
	}
	w.manifest, w.due = id, w.cfg.Now().Add(manifestEvery)
	w.set(func(st *Status) { st.Objects, st.Restorable = len(m.packs), w.at.UTC() })
	return m.summary(id), nil
}

func (m *manifest) summary(id ID) Point {
	p := Point{ID: id, Time: m.time, Name: m.point}
	for _, l := range m.packs {
		p.Size += l.size
	}
	return p
}
