package storage

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"footfall/storage/objstore"
	"footfall/storage/snapshot"
)

// Streaming says how snapshots are streamed. The zero value is what is right.
type Streaming struct {
	Pause  time.Duration    // between two packs, 0 for what is right. Tests set less
	Drills time.Duration    // between two drills that nobody asked for, 0 for a week; less than 0 for none
	Now    func() time.Time // of points and drills, nil for the store's. Tests that turn its clock leave this one alone

	Keep     snapshot.Keeping // what daily pruning keeps
	NoDelete bool             // the credentials do not allow to delete: nothing is pruned
}

// streaming is the stream of a store, and what goes with it.
type streaming struct {
	stream atomic.Pointer[snapshot.Stream]
	bucket objstore.Bucket
	now    func() time.Time
	tasks  sync.WaitGroup
	life   context.Context // of the store, for what goes on in it
	end    context.CancelFunc
}

// StartStream streams what is stored to a bucket until Close, which uploads, for up to ten seconds, what is left. It is called once. What goes wrong
// with the bucket is in [snapshot.Stream.Status], and does not keep the store from its work.
func (s *Store) StartStream(bucket objstore.Bucket, how Streaming) *snapshot.Stream {
	st := &s.streaming
	if st.bucket != nil {
		panic("storage: internal error: snapshots are streamed already")
	}
	if how.Now == nil {
		how.Now = s.cfg.Now
	}
	stream := snapshot.New(snapshot.Config{Bucket: bucket, DB: s.db, Vault: s.vault, Dir: s.cfg.Dir, Log: s.cfg.Logger, Now: how.Now, Pause: how.Pause,
		Keep: how.Keep, NoDelete: how.NoDelete})
	st.bucket, st.now = bucket, how.Now
	st.stream.Store(stream)
	st.tasks.Go(func() { stream.Run(st.life) })
	if how.Drills == 0 {
		how.Drills = drillEvery
	}
	if how.Drills > 0 {
		st.tasks.Go(func() { s.drillRegularly(st.life, how.Drills) })
	}
	return stream
}

// Archive writes a snapshot of what is stored now to out, in one pass, while the store goes on: see [snapshot.WriteArchive]. progress, which may be nil, is given
// the bytes that were written.
func (s *Store) Archive(ctx context.Context, out io.Writer, name string, progress func(done int64)) (snapshot.Point, error) {
	return snapshot.WriteArchive(ctx, out, snapshot.Archiving{DB: s.db, Vault: s.vault, Name: name, Now: s.cfg.Now, Progress: progress})
}

// Snapshots returns the stream of snapshots, or nil if they are not streamed.
func (s *Store) Snapshots() *snapshot.Stream { return s.streaming.stream.Load() }

// stopStream ends the stream and a drill. Nobody may write to the file any more.
func (s *Store) stopStream() {
	s.streaming.end()
	s.streaming.tasks.Wait()
	s.drills.one.Lock() // whoever asked for it
	defer s.drills.one.Unlock()
}

// Shredding says what the snapshots still hold of keys that RemoveSite or ResetSite has destroyed.
type Shredding struct {
	// Waits says why the bucket has them yet: they are deleted there as soon as it can be reached. Empty: they are deleted.
	Waits string `json:"waits,omitempty"`
	// Kept are keys whose bytes the bucket keeps although they were deleted, and until when: whoever reads older versions of objects finds them.
	Kept []string `json:"kept,omitempty"`
}

// Shred sees to it that destroyed keys are gone from the snapshots too, and says what of them is not. It waits a while for the bucket. Where nothing is streamed
// there is nothing to tell.
func (s *Store) Shred(ctx context.Context) (left Shredding) {
	stream := s.Snapshots()
	if stream == nil {
		if snapshot.Streamed(s.cfg.Dir) {
			left.Waits = "nothing is streamed now; the next server that streams them does it"
		}
		return left
	}
	ctx, cancel := context.WithTimeout(ctx, shredWait)
	defer cancel()
	kept, err := stream.SyncKeys(ctx)
	left.Kept = kept
	switch status := stream.Status(); {
	case errors.Is(err, context.DeadlineExceeded) && status.Error == "":
		left.Waits = "much is being uploaded"
	case errors.Is(err, context.DeadlineExceeded):
		left.Waits = status.Error
	case err != nil:
		left.Waits = err.Error()
	}
	return left
}
