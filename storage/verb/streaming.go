package verb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"footfall/storage"
	"footfall/storage/objstore"
	"footfall/storage/snapshot"
)

// Streaming is the snapshots of a running server: the bucket, what is known of it, and how much was asked of it.
type Streaming struct {
	To      string // address of the bucket
	Traffic Traffic

	log    *slog.Logger
	bucket objstore.Bucket
	store  *storage.Store
	stream *snapshot.Stream
	began  time.Time
	stop   context.CancelFunc
	tasks  sync.WaitGroup

	refused atomic.Pointer[string] // why the bucket cannot be used, nil if it can or nobody knows
}

// Traffic counts what was asked of a bucket.
type Traffic struct {
	Puts, Gets, Lists, Deletes atomic.Int64
	Failures                   atomic.Int64
	Received                   atomic.Int64 // bytes
}

// Start begins to stream a store's snapshots; it returns nil if no bucket is named. Only an address that cannot be meant is an error: counting visits must
// not hang on a bucket, nor on credentials that are not there.
func (f *BucketFlags) Start(ctx context.Context, store *storage.Store, log *slog.Logger) (*Streaming, error) {
	if f.SnapshotTo == "" {
		return nil, nil
	}
	if _, err := objstore.ParseLocation(f.SnapshotTo); err != nil {
		return nil, Exit(ExitUsage, err)
	}
	s := &Streaming{To: f.SnapshotTo, store: store, log: log, began: time.Now()}
	ctx, s.stop = context.WithCancel(context.WithoutCancel(ctx)) // it ends after the last event was taken, not before
	s.bucket = &counted{&late{open: func() (objstore.Bucket, error) { return f.open(log) }}, &s.Traffic}
	s.stream = store.StartStream(objstore.Retry(s.bucket, objstore.RetryConfig{Attempts: writeAttempts, Cap: lastRetry}), storage.Streaming{NoDelete: f.SnapshotNoPrune})
	s.tasks.Go(func() { s.probe(ctx) })
	s.remind(store)
	return s, nil
}

// Close ends what runs beside the stream. The stream itself ends with the store.
func (s *Streaming) Close() {
	if s != nil {
		s.stop()
		s.tasks.Wait()
	}
}

// Refused says what the bucket cannot do, empty if it can all or nobody knows.
func (s *Streaming) Refused() string {
	if why := s.refused.Load(); why != nil {
		return *why
	}
	return ""
}

// Late says why somebody should look after the snapshots, empty if all is well. A bucket that is away for some minutes is no reason.
func (s *Streaming) Late() string {
	st := s.stream.Status()
	since := st.Restorable
	if since.IsZero() {
		since = s.began
	}
	silent := time.Since(since)
	switch {
	case st.State == snapshot.Fenced:
		return st.Error
	case st.State == snapshot.Copying || silent < silentFor:
		return ""
	case st.Error != "":
		return fmt.Sprintf("no snapshot for %s: %s", ago(silent), st.Error)
	}
	return fmt.Sprintf("no snapshot for %s", ago(silent))
}

// Summary is how the snapshots are doing, for people.
type Summary struct {
	State      snapshot.State
	Restorable time.Time // zero: nothing yet
	Settled    bool      // nothing has changed since
	Late       string    // why somebody should look, empty if all is well
	Proven     time.Time // when the last drill began that succeeded, zero: none
	Failed     time.Time // the last drill, if it failed
	Took       time.Duration
}

// Fenced reports whether another instance streams in this one's place.
func (s *Summary) Fenced() bool { return s.State == snapshot.Fenced }

// Summary tells how the snapshots are doing.
func (s *Streaming) Summary() Summary {
	st := s.stream.Status()
	sum := Summary{State: st.State, Restorable: st.Restorable, Settled: st.Settled, Late: s.Late()}
	if last := s.store.DrillStatus().Last; last != nil {
		if sum.Proven, sum.Took = last.Proven, last.Took; !last.OK {
			sum.Failed = last.Time
		}
	}
	return sum
}

// Word returns what says in a word how the snapshots are doing: ok, late or fenced. It is nil where there are none.
func (s *Streaming) Word() func() string {
	if s == nil {
		return nil
	}
	return s.word
}

func (s *Streaming) word() string {
	switch {
	case s.stream.Status().State == snapshot.Fenced:
		return "fenced"
	case s.Late() != "":
		return "late"
	}
	return "ok"
}

// probe finds out whether the bucket can do what is needed, and says so; again after a while where it cannot.
func (s *Streaming) probe(ctx context.Context) {
	for said := ""; ; {
		report := probe(ctx, s.bucket)
		if ctx.Err() != nil {
			return
		}
		err := report.Err()
		if err == nil {
			s.refused.Store(nil)
			s.log.Info("the bucket of the snapshots does what is needed", "to", s.To, "conditional_create", report.Conditional)
			return
		}
		text := err.Error()
		if s.refused.Store(&text); text != said {
			s.log.Error("the bucket of the snapshots does not do what is needed; counting goes on", "to", s.To, "error", err)
		}
		said = text
		select {
		case <-ctx.Done():
			return
		case <-time.After(probeAgain):
		}
	}
}

// remind says that a bucket is of no use without a key that is elsewhere.
func (s *Streaming) remind(store *storage.Store) {
	status := store.KeyStatus()
	for _, slot := range status.Slots {
		if slot.Kind != storage.KeyFile {
			return
		}
	}
	if len(status.Slots) == 1 {
		s.log.Warn("one key file is all that opens the snapshots: if it is lost with this machine, so are they. Keep a copy elsewhere, or make a recovery key: footfall key recovery")
	}
}

// late is a bucket that is opened when it is first used, and again until that succeeds.
type late struct {
	open func() (objstore.Bucket, error)

	mu     sync.Mutex // guards bucket
	bucket objstore.Bucket
}

func (l *late) get(op string) (objstore.Bucket, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.bucket == nil {
		b, err := l.open()
		if err != nil {
			return nil, &objstore.Error{Op: op, Kind: objstore.ErrDenied, Err: err}
		}
		l.bucket = b
	}
	return l.bucket, nil
}

func (l *late) Put(ctx context.Context, name string, body []byte, mode objstore.Mode) error {
	b, err := l.get("put")
	if err != nil {
		return err
	}
	return b.Put(ctx, name, body, mode)
}

func (l *late) Get(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error) {
	b, err := l.get("get")
	if err != nil {
		return nil, err
	}
	return b.Get(ctx, name, offset, length)
}

func (l *late) List(ctx context.Context, prefix, after string, fn func(objstore.Object) error) error {
	b, err := l.get("list")
	if err != nil {
		return err
	}
	return b.List(ctx, prefix, after, fn)
}

func (l *late) Delete(ctx context.Context, names ...string) error {
	b, err := l.get("delete")
	if err != nil {
		return err
	}
	return b.Delete(ctx, names...)
}

func (l *late) Conditional(ctx context.Context) (bool, error) {
	b, err := l.get("probe")
	if err != nil {
		return false, err
	}
	return b.Conditional(ctx)
}

// counted counts what is asked of a bucket.
type counted struct {
	objstore.Bucket
	traffic *Traffic
}

// failed counts an error that says something of the bucket.
func (c *counted) failed(err error) error {
	if err != nil && !errors.Is(err, objstore.ErrNotFound) && !errors.Is(err, context.Canceled) {
		c.traffic.Failures.Add(1)
	}
	return err
}

func (c *counted) Put(ctx context.Context, name string, body []byte, mode objstore.Mode) error {
	c.traffic.Puts.Add(1)
	return c.failed(c.Bucket.Put(ctx, name, body, mode))
}

func (c *counted) Get(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error) {
	c.traffic.Gets.Add(1)
	r, err := c.Bucket.Get(ctx, name, offset, length)
	if err != nil {
		return nil, c.failed(err)
	}
	return &countedReader{r, &c.traffic.Received}, nil
}

func (c *counted) List(ctx context.Context, prefix, after string, fn func(objstore.Object) error) error {
	c.traffic.Lists.Add(1)
	return c.failed(c.Bucket.List(ctx, prefix, after, fn))
}

func (c *counted) Delete(ctx context.Context, names ...string) error {
	c.traffic.Deletes.Add(int64(len(names)))
	return c.failed(c.Bucket.Delete(ctx, names...))
}

type countedReader struct {
	io.ReadCloser
	received *atomic.Int64
}

func (r *countedReader) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	r.received.Add(int64(n))
	return n, err
}
