package storage

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"footfall/storage/file"
	"footfall/storage/objstore"
	"footfall/storage/snapshot"
)

// What a drill may be refused for, or find.
var (
	ErrDrilling = errors.New("a drill is under way already")
	ErrDiffers  = errors.New("what was restored is not what is here")
)

// drillName is the directory beside the data file that a drill restores into. A start removes what a crash left of it.
const drillName = "footfall-drill"

// drills are those of a store.
type drills struct {
	one sync.Mutex // held by the one that is under way

	mu      sync.Mutex // guards all below
	running bool
	asked   bool // the bucket knows of no other than last
	last    *snapshot.DrillReport
}

// DrillStatus tells how drills are doing.
type DrillStatus struct {
	Running bool                  `json:"running"`
	Last    *snapshot.DrillReport `json:"last,omitempty"` // nil: there was none, or the bucket was not asked yet
}

// DrillStatus returns what the last drill found, whichever process has done it.
func (s *Store) DrillStatus() DrillStatus {
	s.drills.mu.Lock()
	defer s.drills.mu.Unlock()
	st := DrillStatus{Running: s.drills.running}
	if s.drills.last != nil {
		last := *s.drills.last
		st.Last = &last
	}
	return st
}

// Drill restores the newest point of a bucket, that of the stream if it is nil, beside the data, compares each site and day with what is here, and removes it
// again. What it finds is put down in the bucket, unless it was called off; the error is nil if the report is OK. Events come in meanwhile. progress,
// which may be nil, is given bytes. Errors: ErrDrilling, ErrDiffers, ErrFull, snapshot.ErrDamaged, snapshot.ErrFenced, snapshot.ErrNothing, and those of the bucket.
func (s *Store) Drill(ctx context.Context, bucket objstore.Bucket, progress func(done, total int64)) (rep snapshot.DrillReport, err error) {
	if !s.drills.one.TryLock() {
		return rep, ErrDrilling
	}
	defer s.drills.one.Unlock()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(s.streaming.life, func() { cancel(ErrClosed) })()
	s.drills.set(func(d *drills) { d.running = true })
	defer s.drills.set(func(d *drills) { d.running = false })

	stream := s.Snapshots()
	now := s.cfg.Now
	switch {
	case bucket != nil:
		stream = nil
	case stream == nil:
		return rep, errors.New("drill: snapshots are not streamed: say from where to restore")
	default:
		bucket, now = s.streaming.bucket, s.streaming.now
	}
	began := time.Now()
	d := &drill{s: s, ctx: ctx, bucket: bucket, stream: stream, progress: progress, dir: filepath.Join(s.cfg.Dir, drillName)}
	d.rep.Time = now().UTC().Truncate(time.Second)
	err = errors.Join(d.run(), removeDrill(s.cfg.Dir))
	d.rep.Took = time.Since(began)
	if ctx.Err() != nil {
		return d.rep, fmt.Errorf("drill: %w", context.Cause(ctx))
	}
	if errors.Is(err, snapshot.ErrFenced) { // the place is another's
		return d.rep, fmt.Errorf("drill: %w", err)
	}
	return d.rep, d.record(err)
}

func (d *drills) set(change func(*drills)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	change(d)
}

// record puts down what a drill found, and returns that as an error.
func (d *drill) record(err error) error {
	rep := &d.rep
	if err == nil && len(rep.Differs) > 0 {
		err = fmt.Errorf("%w: %s", ErrDiffers, rep.Differs[0])
	}
	if rep.OK = err == nil; rep.OK {
		rep.Proven = rep.Time
	} else if before, err := snapshot.ReadDrill(d.ctx, d.bucket, d.s.vault); err == nil {
		rep.Proven = before.Proven
	}
	if err != nil && len(rep.Differs) == 0 {
		rep.Error = err.Error()
	}
	d.s.drills.set(func(of *drills) {
		last := *rep
		of.last, of.asked = &last, true
	})
	if err != nil {
		err = fmt.Errorf("drill: %w", err)
	}
	if errPut := snapshot.WriteDrill(d.ctx, d.bucket, d.s.vault, *rep); errPut != nil {
		err = errors.Join(err, fmt.Errorf("put down what the drill found: %w", errPut))
	}
	return err
}

// removeDrill removes what a drill has restored.
func removeDrill(dir string) error {
	return errors.Join(os.RemoveAll(filepath.Join(dir, drillName)), os.RemoveAll(filepath.Join(dir, drillName+".restoring")))
}

// drill is one drill under way.
type drill struct {
	s        *Store
	ctx      context.Context // of the one Drill that made it
	bucket   objstore.Bucket
	stream   *snapshot.Stream // nil if it is not this store that streams there
	progress func(done, total int64)
	dir      string
	rep      snapshot.DrillReport
}

func (d *drill) run() error {
	var before *standing
	if d.stream != nil { // what is here now is in the bucket then
		now, err := d.s.standing(d.ctx)
		if err == nil {
			err = d.stream.Flush(d.ctx)
		}
		if err == nil {
			_, err = d.stream.SyncKeys(d.ctx)
		}
		if err != nil && !errors.Is(err, snapshot.ErrUndeleted) {
			return err
		}
		before = now
	}
	r, err := snapshot.OpenWith(d.ctx, d.bucket, d.s.vault)
	if err != nil {
		return err
	}
	defer r.Close()
	if err := removeDrill(d.s.cfg.Dir); err != nil {
		return err
	}
	job := snapshot.Restoring{Dir: d.dir, Dry: true, NoVault: true, Progress: d.progress, Log: d.s.cfg.Logger}
	plan, err := r.Restore(d.ctx, job)
	if err != nil {
		return err
	}
	if err := roomToDrill(d.s.cfg.Dir, plan.Bytes); err != nil {
		return err
	}
	job.Dry = false
	got, err := r.Restore(d.ctx, job)
	if err != nil {
		return err
	}
	d.rep.Point, d.rep.Bytes = got.Point, got.Bytes
	db, err := file.Open(file.Config{Path: filepath.Join(d.dir, dataName), Logger: d.s.cfg.Logger})
	if err != nil {
		return err
	}
	after, err := d.s.standing(d.ctx)
	if err == nil {
		c := &comparison{s: d.s, ctx: d.ctx, rep: &d.rep, db: db, ring: r.Keyring(), before: before, after: after}
		err = c.run()
	}
	return errors.Join(err, db.Close())
}

// roomToDrill returns ErrFull where the disk has no room for a copy of so many bytes of values.
func roomToDrill(dir string, values int64) error {
	need := values + values/2 + drillSpare
	if free, ok := file.DiskFree(dir); ok && free < need {
		return fmt.Errorf("%w: a drill needs up to %d MiB beside the data and %d MiB are left: make room, or restore on another machine to prove the snapshots", ErrFull, need>>20, free>>20)
	}
	return nil
}

// drillRegularly drills when the last drill is too long ago, whoever did it.
func (s *Store) drillRegularly(ctx context.Context, every time.Duration) {
	began := time.Now()
	look := min(drillLook, every)
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(look):
		}
		stream := s.Snapshots()
		if st := stream.Status(); st.State != snapshot.Streaming || !s.drillDue(ctx, time.Since(began), every) {
			continue
		}
		rep, err := s.Drill(ctx, nil, nil)
		switch {
		case errors.Is(err, ErrDrilling), ctx.Err() != nil:
		case err != nil:
			s.cfg.Logger.Error("a drill failed: the snapshots could not be proven", "error", err)
		default:
			s.cfg.Logger.Info("snapshots proven by restoring them", "days", rep.Days, "events", rep.Events, "took", rep.Took)
		}
	}
}

// drillDue tells whether a drill is due, running being how long the stream has been there.
func (s *Store) drillDue(ctx context.Context, running, every time.Duration) bool {
	d := &s.drills
	d.mu.Lock()
	asked := d.asked
	d.mu.Unlock()
	if !asked {
		rep, err := snapshot.ReadDrill(ctx, s.streaming.bucket, s.vault)
		switch {
		case err == nil:
			d.set(func(d *drills) {
				if !d.asked {
					d.last, d.asked = &rep, true
				}
			})
		case errors.Is(err, snapshot.ErrNothing), errors.Is(err, snapshot.ErrDamaged): // the next one will be there
			d.set(func(d *drills) { d.asked = true })
		default:
			return false
		}
	}
	last := s.DrillStatus().Last
	if last == nil {
		return running >= min(firstDrill, every)
	}
	if !last.OK {
		every = min(every, drillAgain)
	}
	age := s.streaming.now().Sub(last.Time)
	return age >= every || age < 0 // the clock was wrong
}
