package snapshot

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"footfall/storage/file"
	"footfall/storage/objstore"
)

// Restoring says what to restore, and where to.
type Restoring struct {
	Dir   string    // must not exist, or be empty
	At    time.Time // the newest stand not after this; zero for the newest
	Point string    // or the point of this name
	// Salvage goes on where an object is missing or damaged, and lists in the report what is lost.
	Salvage bool
	// Finish is called with the directory beside Dir in which the files lie, whole and closed, before it is given its name. May be nil.
	Finish   func(dir string) error
	Progress func(done, total int64) // bytes of packs; may be nil
	Log      *slog.Logger
	// Dry only looks for what would be restored.
	Dry bool
	// NoVault makes the data file alone. For a copy that is soon removed: what a vault holds must not lie about on a disk.
	NoVault bool
}

// Restored is what was restored, or would be.
type Restored struct {
	Point Point    `json:"point"`
	Packs int      `json:"packs"`
	Bytes int64    `json:"bytes"`          // of the packs
	Keys  int      `json:"values"`         // that were written
	Lost  []string `json:"lost,omitempty"` // what Salvage went on without: an object, and how many values it held
}

// Restore makes a data directory out of the bucket. Nothing has its name before everything is there, verified and on the disk. The error names the object that is
// missing or damaged.
func (r *Reader) Restore(ctx context.Context, job Restoring) (rep Restored, err error) {
	if job.Progress == nil {
		job.Progress = func(int64, int64) {}
	}
	if job.Dir, err = target(job.Dir, job.Dry); err != nil {
		return rep, err
	}
	err = again(func() error {
		rep, err = r.restore(ctx, &job)
		return err
	})
	return rep, err
}

// restore tries once.
func (r *Reader) restore(ctx context.Context, job *Restoring) (rep Restored, err error) {
	w, err := r.plan(ctx, job)
	if err != nil {
		return rep, err
	}
	if job.Dry {
		return w.rep, nil
	}
	err = r.sites(ctx, func(name string, err error) error {
		if job.Salvage {
			w.lose("%v", err)
			return nil
		}
		return err
	})
	if err != nil {
		return rep, err
	}
	w.dir = job.Dir + workSuffix
	if err := os.RemoveAll(w.dir); err != nil {
		return rep, err
	}
	if err := os.MkdirAll(w.dir, 0o700); err != nil {
		return rep, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(w.dir))
		}
	}()
	if err := w.write(ctx); err != nil {
		return rep, err
	}
	if job.Finish != nil {
		if err := job.Finish(w.dir); err != nil {
			return rep, err
		}
	}
	if err := os.Remove(job.Dir); err != nil && !errors.Is(err, os.ErrNotExist) {
		return rep, err
	}
	if err := errors.Join(file.SyncDir(w.dir), os.Rename(w.dir, job.Dir), file.SyncDir(filepath.Dir(job.Dir))); err != nil {
		return rep, err
	}
	return w.rep, nil
}

// workSuffix ends the name of the directory beside the target in which a restore works.
const workSuffix = ".restoring"

// target returns where a directory really is, which does not exist or is empty. Unless it is only to be looked at, what an earlier restore has left beside it is
// removed, and it is seen to that the new directory can take its name: better now than after hours.
func target(dir string, look bool) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if there, err := filepath.EvalSymlinks(dir); err == nil {
		dir = there // what a link leads to is replaced, on the disk that it is on, and not the link
	} else if !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	list, err := os.ReadDir(dir)
	if err == nil && len(list) > 0 {
		return "", fmt.Errorf("restore: %s is not empty: name a directory that does not exist, or move what is in it away", dir)
	}
	missing := errors.Is(err, os.ErrNotExist)
	if err != nil && !missing || look {
		return dir, notMissing(err)
	}
	work := dir + workSuffix
	left, err := os.ReadDir(work)
	if err := notMissing(err); err != nil {
		return "", err
	}
	for _, e := range left {
		if !strings.HasPrefix(e.Name(), "footfall") {
			return "", fmt.Errorf("restore: %s is needed to work in, and holds something else: move it away", work)
		}
	}
	if err := os.RemoveAll(work); err != nil || missing {
		return dir, err
	}
	if err := os.Rename(dir, work); err != nil {
		return "", fmt.Errorf("restore: %s cannot be replaced by what is restored, as where a disk is mounted: name a directory in it, which need not exist: %w", dir, err)
	}
	return dir, os.Rename(work, dir)
}

func notMissing(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// restoring is one restore under way.
type restoring struct {
	*Reader
	job    *Restoring
	rep    Restored
	dir    string
	plan   *manifest
	tail   tail
	sums   []byte       // of the stand
	absent map[ID]error // packs that are missing, or have another size
	db     *file.DB
	done   int64
}

// lose notes what Salvage goes on without.
func (w *restoring) lose(format string, args ...any) {
	w.rep.Lost = append(w.rep.Lost, fmt.Sprintf(format, args...))
}

// plan finds the stand to restore.
func (r *Reader) plan(ctx context.Context, job *Restoring) (*restoring, error) {
	w := &restoring{Reader: r, job: job, absent: map[ID]error{}}
	var skip func(error)
	if job.Salvage {
		skip = func(err error) {
			w.lose("%v: an older point is restored, and what was uploaded after it as far as it leads", err)
		}
	}
	id, m, err := r.choose(ctx, job.Point, job.At, skip)
	if err != nil {
		return nil, err
	}
	w.plan, w.sums, w.rep.Point = m, m.sums, m.summary(id)
	if job.Point == "" {
		w.tail, err = r.tail(ctx, id, job.At)
		if err != nil && (!job.Salvage || !spoilt(err)) {
			return nil, err
		}
		if job.Salvage {
			if err := w.shorten(ctx); err != nil {
				return nil, err
			}
		}
		if len(w.tail.packs) > 0 {
			w.sums = w.tail.sums
			w.rep.Point = Point{ID: w.tail.packs[len(w.tail.packs)-1].ID, Time: w.tail.at}
		}
		if err != nil {
			w.lose("what was uploaded after %s: %v", w.rep.Point.Time.Format(time.RFC3339), err)
		}
	}
	for _, l := range append(m.packs[:len(m.packs):len(m.packs)], w.tail.packs...) {
		w.rep.Packs++
		w.rep.Bytes += l.size
	}
	w.rep.Point.Size = w.rep.Bytes
	return w, w.present(ctx, id)
}

// shorten ends the tail with the last stand before the first pack that is damaged. A change that went up in two packs must not be restored by half: a day that
// is there sealed, and in the journal still, would count twice.
func (w *restoring) shorten(ctx context.Context) error {
	var whole tail
	last := w.plan.last
	for i, l := range w.tail.packs {
		f := w.fetch(ctx, part{l, true})
		if f.err == nil && f.head.prev != last {
			f.err = unlinked(l.ID)
		}
		if f.err != nil && (!broken(f.err) || errors.Is(f.err, objstore.ErrNotFound)) { // it was pruned: all begins anew
			return f.err
		} else if f.err != nil {
			w.lose("what was uploaded last, in %d packs: %v", len(w.tail.packs)-len(whole.packs), f.err)
			w.tail = whole
			return nil
		}
		last = f.sum
		if f.head.settled && !f.head.gathered {
			whole = tail{packs: w.tail.packs[: i+1 : i+1], at: f.head.time, sums: f.head.sums}
		}
	}
	return nil
}

// present sees to it that all packs of the manifest are there.
func (w *restoring) present(ctx context.Context, id ID) error {
	ids, sizes, err := w.src.ids(ctx, prefixPack, ID{})
	if err != nil {
		return err
	}
	have := make(map[ID]int64, len(ids))
	for i, id := range ids {
		have[id] = sizes[i]
	}
	var first error
	for _, l := range w.plan.packs {
		if size, ok := have[l.ID]; !ok {
			err = damaged(l.ID.pack(), "it is missing")
		} else if size != l.size {
			err = damaged(l.ID.pack(), "it has %d bytes and should have %d", size, l.size)
		} else {
			continue
		}
		w.absent[l.ID] = err
		if first == nil {
			first = fmt.Errorf("%w: choose an earlier time, or restore what is left with --salvage", err)
		}
	}
	if first == nil {
		return nil
	}
	if _, err := w.src.manifest(ctx, id); err != nil { // it may have been pruned, and goes before its packs
		return err
	}
	if w.job.Salvage {
		return nil
	}
	return first
}

// write makes the files in dir.
func (w *restoring) write(ctx context.Context) error {
	if !w.job.NoVault {
		if err := w.ring.CreateVault(filepath.Join(w.dir, "footfall.vault")); err != nil {
			return err
		}
	}
	db, err := file.Restore(file.Config{Path: filepath.Join(w.dir, "footfall.db"), Logger: w.job.Log}, w.ring.StoreID(), w.plan.format)
	if err != nil {
		return err
	}
	w.db = db
	err = w.apply(ctx)
	if err == nil && len(w.rep.Lost) == 0 {
		var sums file.Sums
		if sums, err = db.Sums(); err == nil && string(sums.Encode()) != string(w.sums) {
			err = fmt.Errorf("%w: what was restored is not what was in the data file then, although every object is whole", ErrDamaged)
		}
	}
	return errors.Join(err, db.Close())
}

// fetched is a pack that was read, or why it was not.
type fetched struct {
	part
	head   *head
	values [][]byte
	sum    hash // of what was read
	err    error
}

// part is a pack to be read.
type part struct {
	listed
	tail bool
}

// apply writes all packs, in their order; some are read ahead.
func (w *restoring) apply(ctx context.Context) error {
	var parts []part
	for _, l := range w.plan.packs {
		parts = append(parts, part{l, false})
	}
	for _, l := range w.tail.packs {
		parts = append(parts, part{l, true})
	}
	last := w.plan.last
	err := inOrder(ctx, parts, w.fetch, func(p part, f *fetched) error {
		if f.err == nil && p.tail {
			if f.head.prev != last {
				f.err = unlinked(p.ID)
			}
			last = f.sum
		}
		if err := w.one(ctx, f); err != nil {
			return err
		}
		w.done += p.size
		w.job.Progress(w.done, w.rep.Bytes)
		return nil
	})
	if err == errEnough {
		return nil
	}
	return err
}

// fetch reads a pack.
func (w *restoring) fetch(ctx context.Context, l part) *fetched {
	f := &fetched{part: l}
	if f.err = w.absent[l.ID]; f.err != nil {
		return f
	}
	b, err := w.src.read(ctx, l.ID.pack(), 0, -1)
	if err != nil {
		f.err = err
		return f
	}
	f.sum = hashOf(b)
	if !l.tail && f.sum != l.hash {
		f.err = damaged(l.ID.pack(), "it is not what the manifest names")
		return f
	}
	if f.head, f.values, f.err = openPack(l.ID.pack(), b, w.src.sealer); f.err == nil && len(f.head.entries) != l.entries {
		f.err = damaged(l.ID.pack(), "it has %d entries and should have %d", len(f.head.entries), l.entries)
	}
	return f
}

// one writes the entries of a pack that count.
func (w *restoring) one(ctx context.Context, f *fetched) error {
	if f.err != nil {
		if !w.job.Salvage || !spoilt(f.err) {
			return f.err // a pack that was there a moment ago was pruned: all begins anew
		}
		if f.tail { // what changed later may rest on it
			w.lose("what was uploaded from then on: %v", f.err)
			return errEnough
		}
		w.lose("%d values: %v", f.live, f.err)
		return nil
	}
	if f.tail && f.head.gathered {
		return nil
	}
	for from := 0; from < len(f.head.entries); {
		to, bytes := from, 0
		for to < len(f.head.entries) && bytes < writeAtOnce && to-from < entriesAtOnce {
			bytes += len(f.values[to])
			to++
		}
		err := w.db.Commit(ctx, func(tx *file.Tx) error {
			for i := from; i < to; i++ {
				e := &f.head.entries[i]
				switch {
				case !f.tail && !f.counts(i):
				case e.size == gone:
					if err := tx.Delete(e.bucket, e.key); err != nil {
						return err
					}
				default:
					if err := tx.Put(e.bucket, e.key, f.values[i]); err != nil {
						return err
					}
					w.rep.Keys++
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("restore: write %s: %w", f.ID.pack(), err)
		}
		from = to
	}
	return nil
}
