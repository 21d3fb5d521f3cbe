package snapshot

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"footfall/storage/objstore"
)

// ErrNoDelete means that a stream was told never to delete: see [Config.NoDelete].
var ErrNoDelete = errors.New("this server may not delete snapshots: prune from another machine, with the key and with credentials that may")

// Keeping says which points pruning keeps. Points with a name and the newest two are always kept. The zero value is what is right.
type Keeping struct {
	All     time.Duration // all points as old as this, and every second of that time; 0 for 24 hours
	Hourly  time.Duration // the last point of each hour; 0 for 7 days
	Daily   time.Duration // the last of each day in UTC; 0 for 30 days
	Monthly int           // the last of each month, for so many months; 0 for 12
	Grace   time.Duration // between finding that an object is not needed and deleting it; 0 for 24 hours
}

// Pile is some objects.
type Pile struct {
	Manifests int   `json:"manifests"`
	Packs     int   `json:"packs"`
	Claims    int   `json:"claims"` // of epochs
	Bytes     int64 `json:"bytes"`
}

// Objects returns how many there are.
func (p Pile) Objects() int { return p.Manifests + p.Packs + p.Claims }

func (p *Pile) add(t thing, size int64) {
	switch t.kind {
	case aClaim:
		p.Claims++
	case aManifest:
		p.Manifests++
	default:
		p.Packs++
	}
	p.Bytes += size
}

// Pruned is what pruning did, or would do.
type Pruned struct {
	Dry      bool     `json:"dry_run,omitempty"`
	Kept     int      `json:"kept"`               // points
	Going    []Point  `json:"going"`              // points that are not kept, deleted now or later
	Deleted  Pile     `json:"deleted"`            // or what would be, if Dry
	Waiting  Pile     `json:"waiting"`            // what is not needed, and is deleted by the first run after Grace if it is not needed then
	Damaged  []string `json:"damaged,omitempty"`  // manifests that cannot be read, and that count as if they were not there
	Retained []string `json:"retained,omitempty"` // what the bucket keeps although it was deleted, and until when
}

func (k Keeping) orDefaults() Keeping {
	k.All, k.Hourly, k.Daily = cmp.Or(k.All, keepAll), cmp.Or(k.Hourly, keepHourly), cmp.Or(k.Daily, keepDaily)
	k.Monthly, k.Grace = cmp.Or(k.Monthly, keepMonthly), cmp.Or(k.Grace, grace)
	return k
}

// choose tells which points to keep, oldest first. whole is the first behind which all packs are kept, so that every second since can be restored.
//
// Order is by ID. Ages are by the points' own times and count from the newest point, so that a clock that is ahead while nothing happens ages none. Of an
// hour, a day and a month the last point is kept: what is the last of a month was the last of its day and hour before.
func (k Keeping) choose(points []Point, now time.Time) (keep []bool, whole ID) {
	keep = make([]bool, len(points))
	if len(points) == 0 {
		return keep, whole
	}
	newest := points[len(points)-1]
	whole = newest.ID
	from := now
	if newest.Time.Before(from) {
		from = newest.Time
	}
	type slot struct {
		layout string
		since  time.Time
	}
	slots := []slot{{"2006-01-02 15", from.Add(-k.Hourly)}, {"2006-01-02", from.Add(-k.Daily)}, {"2006-01", from.AddDate(0, -k.Monthly, 0)}}
	taken := map[string]bool{}
	day, begun := from.Add(-k.All), false
	for i := len(points) - 1; i >= 0; i-- {
		p := points[i]
		keep[i] = p.Name != "" || i >= len(points)-2
		if p.Time.After(day) || !begun { // the point before the day too: its first seconds begin from there
			keep[i] = true
		}
		if !begun && !p.Time.After(now) {
			whole, begun = p.ID, !p.Time.After(day)
		}
		for _, s := range slots {
			at := p.Time.UTC().Format(s.layout)
			if p.Time.After(s.since) && !taken[at] {
				keep[i] = true
			}
			taken[at] = true
		}
	}
	return keep, whole
}

// Prune deletes what no point needs that is kept, and that was not needed a day ago either. With dry it only says what it would do. It may be called
// by anybody with the key, whatever streams there: see DESIGN.md.
func (r *Reader) Prune(ctx context.Context, keep Keeping, now time.Time, dry bool) (Pruned, error) {
	p := &pruning{src: r.src, keep: keep, now: now, log: slog.New(slog.DiscardHandler), dry: dry}
	return p.run(ctx)
}

// Prune does the same now, as the stream does every day by itself. A stream that is fenced does not.
func (s *Stream) Prune(ctx context.Context, dry bool) (Pruned, error) {
	if s.cfg.NoDelete && !dry {
		return Pruned{}, ErrNoDelete
	}
	var result <-chan prunedOr
	err := s.ask(ctx, func(ctx context.Context, w *session) error {
		result = w.prune(ctx, dry)
		return nil
	})
	if err != nil {
		return Pruned{}, err
	}
	select {
	case r := <-result:
		return r.Pruned, r.err
	case <-ctx.Done():
		return Pruned{}, ctx.Err()
	}
}

// Forget takes its name from each point that has it, so that it is pruned as others are. It returns how many had it.
func (s *Stream) Forget(ctx context.Context, name string) (points int, err error) {
	type forgotten struct {
		points int
		err    error
	}
	result := make(chan forgotten, 1)
	err = s.ask(ctx, func(ctx context.Context, w *session) error {
		w.beside(func() {
			points, err := w.forget(ctx, name)
			result <- forgotten{points, err}
		})
		return nil
	})
	if err != nil {
		return 0, err
	}
	select {
	case r := <-result:
		return r.points, r.err
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

func (w *session) forget(ctx context.Context, name string) (points int, err error) {
	src := &source{w.cfg.Bucket, w.sealer}
	l, err := src.low(ctx)
	if err != nil {
		return 0, err
	}
	ids, _, err := src.ids(ctx, prefixManifest, ID{})
	if err != nil {
		return 0, err
	}
	err = inOrder(ctx, ids, src.manifestOf, func(id ID, m opened) error {
		if m.err == nil && m.point == name && name != "" && !slices.Contains(l.forgotten, id) {
			l.forgotten = append(l.forgotten, id)
			points++
		}
		return nil
	})
	if err != nil || points == 0 {
		return 0, err
	}
	if err := w.unfenced(ctx); err != nil {
		return 0, err
	}
	return points, w.cfg.Bucket.Put(ctx, nameLow, l.encode(w.sealer), objstore.Overwrite)
}

// prunedOr is the result of a run.
type prunedOr struct {
	Pruned
	err error
}

// prune prunes beside the stream, which goes on meanwhile.
func (w *session) prune(ctx context.Context, dry bool) <-chan prunedOr {
	result := make(chan prunedOr, 1)
	p := &pruning{src: &source{w.cfg.Bucket, w.sealer}, keep: w.cfg.Keep, now: w.cfg.Now(), log: w.cfg.Log, dry: dry, named: map[ID]bool{}, fence: w.unfenced}
	for _, l := range w.index.packs {
		p.named[l.ID] = true
	}
	w.beside(func() {
		rep, err := p.run(ctx)
		result <- prunedOr{rep, err}
	})
	return result
}

// beside does what has to do with pruning while the stream goes on: one after the other, as they share an object.
func (w *session) beside(do func()) {
	w.tasks.Go(func() {
		w.pruner.Lock()
		defer w.pruner.Unlock()
		do()
	})
}

// pruneDaily prunes if it is time to.
func (w *session) pruneDaily(ctx context.Context) {
	if w.cfg.NoDelete || w.cfg.Now().Before(w.pruneAt) {
		return
	}
	w.pruneAt = w.cfg.Now().Add(pruneEvery)
	result := w.prune(ctx, false)
	w.tasks.Go(func() {
		switch r := <-result; {
		case ctx.Err() != nil:
		case r.err != nil:
			w.cfg.Log.Error("snapshots are not pruned, and take ever more room", "error", r.err)
			w.set(func(st *Status) { st.PruneError = r.err.Error() })
		default:
			w.cfg.Log.Info("snapshots were pruned", "points", r.Kept, "deleted", r.Deleted.Objects(), "bytes", r.Deleted.Bytes, "waiting", r.Waiting.Objects())
			w.set(func(st *Status) { st.Pruned, st.PruneError = w.cfg.Now().UTC(), "" })
		}
	})
}

// pruning is one run.
type pruning struct {
	src   *source
	keep  Keeping
	now   time.Time
	log   *slog.Logger
	dry   bool
	named map[ID]bool                     // packs that are needed
	fence func(ctx context.Context) error // fails if somebody else streams there now; nil where nobody needs to know

	rep   Pruned
	low   *low
	lists map[ID][]ID // manifests that can be read, and the packs that they name
	gone  []thing     // what is not needed
	sizes map[thing]int64
}

func (p *pruning) run(ctx context.Context) (Pruned, error) {
	if p.named == nil {
		p.named = map[ID]bool{}
	}
	p.keep, p.lists, p.sizes, p.rep = p.keep.orDefaults(), map[ID][]ID{}, map[thing]int64{}, Pruned{Dry: p.dry, Going: []Point{}}
	var err error
	if p.low, err = p.src.low(ctx); errors.Is(err, ErrDamaged) {
		p.log.Error("what was to be deleted from the snapshots is not known any more: it is looked for anew", "error", err)
		p.low, err = newLow(), nil
	}
	if err != nil {
		return p.rep, fmt.Errorf("prune: %w", err)
	}
	if err := p.mark(ctx); err != nil {
		return p.rep, fmt.Errorf("prune: %w", err)
	}
	if err := p.sweep(ctx); err != nil {
		return p.rep, fmt.Errorf("prune: %w", err)
	}
	return p.rep, nil
}

// mark finds out what is not needed.
func (p *pruning) mark(ctx context.Context) error {
	points, listed, err := p.manifests(ctx)
	if err != nil {
		return err
	}
	if len(points) == 0 {
		return nil // it is not known what packs are for
	}
	keep, whole := p.keep.choose(points, p.now)
	if p.low.whole.Less(whole) {
		p.low.whole = whole
	}
	tails := map[uint32]uint64{} // epoch to number: the packs behind are needed
	for i, point := range points {
		if !keep[i] {
			p.rep.Going = append(p.rep.Going, point)
			continue
		}
		p.rep.Kept++
		if i == len(points)-1 || points[i+1].ID.Epoch != point.ID.Epoch {
			tails[point.ID.Epoch] = point.ID.Seq
		}
		delete(listed, point.ID)
		for _, id := range p.lists[point.ID] {
			p.named[id] = true
		}
	}
	for id := range listed { // a damaged one among the newest stays: somebody may want to look at it
		if n := len(points); n == 1 || points[n-2].ID.Less(id) {
			continue
		}
		p.gone = append(p.gone, thing{aManifest, id})
	}
	ids, sizes, err := p.src.ids(ctx, prefixPack, ID{})
	if err != nil {
		return err
	}
	for i, id := range ids {
		t := thing{aPack, id}
		p.sizes[t] = sizes[i]
		if behind, ok := tails[id.Epoch]; !p.named[id] && !whole.Less(id) && !(ok && id.Seq > behind) {
			p.gone = append(p.gone, t)
		}
	}
	return p.claims(ctx)
}

// manifests returns the points there are, oldest first, and the IDs of all manifests, readable or not.
func (p *pruning) manifests(ctx context.Context) (points []Point, listed map[ID]bool, err error) {
	ids, sizes, err := p.src.ids(ctx, prefixManifest, ID{})
	if err != nil {
		return nil, nil, err
	}
	listed = map[ID]bool{}
	for i, id := range ids {
		listed[id], p.sizes[thing{aManifest, id}] = true, sizes[i]
	}
	err = inOrder(ctx, ids, p.src.manifestOf, func(id ID, m opened) error {
		switch {
		case errors.Is(m.err, objstore.ErrNotFound): // deleted just now
			delete(listed, id)
			return nil
		case errors.Is(m.err, ErrDamaged):
			p.rep.Damaged = append(p.rep.Damaged, m.err.Error())
			return nil
		case m.err != nil:
			return m.err
		}
		for _, l := range m.packs {
			p.lists[id] = append(p.lists[id], l.ID)
		}
		point := m.summary(id)
		if slices.Contains(p.low.forgotten, id) {
			point.Name = ""
		}
		points = append(points, point)
		return nil
	})
	p.low.forgotten = slices.DeleteFunc(p.low.forgotten, func(id ID) bool { return !listed[id] })
	return points, listed, err
}

// claims marks all claims but the newest two.
func (p *pruning) claims(ctx context.Context) error {
	var claims []thing
	err := listClaims(ctx, p.src.bucket, func(epoch uint32, size int64) {
		t := thing{aClaim, ID{Epoch: epoch}}
		claims, p.sizes[t] = append(claims, t), size
	})
	p.gone = append(p.gone, claims[:max(len(claims)-2, 0)]...)
	return err
}

// sweep deletes what was not needed long ago either, and writes down the rest.
func (p *pruning) sweep(ctx context.Context) error {
	slices.SortFunc(p.gone, compareThings)
	marks := map[thing]time.Time{}
	var now []thing
	for _, t := range p.gone {
		since, ok := p.low.marks[t]
		if ok && !p.now.Before(since.Add(p.keep.Grace)) {
			now = append(now, t)
			p.rep.Deleted.add(t, p.sizes[t])
			continue
		}
		if !ok || since.After(p.now) {
			since = p.now
		}
		marks[t] = since
		p.rep.Waiting.add(t, p.sizes[t])
	}
	if p.dry {
		return nil
	}
	if p.fence != nil {
		if err := p.fence(ctx); err != nil {
			return err
		}
	}
	p.rep.Deleted = Pile{}
	for len(now) > 0 { // one kind after the other: no manifest that is there names a pack that is not
		n := 1
		for n < len(now) && n < deleteAtOnce && now[n].kind == now[0].kind {
			n++
		}
		if err := p.delete(ctx, now[:n]); err != nil {
			return err
		}
		now = now[n:]
	}
	p.low.marks = marks
	return p.src.bucket.Put(ctx, nameLow, p.low.encode(p.src.sealer), objstore.Overwrite)
}

func (p *pruning) delete(ctx context.Context, things []thing) error {
	names := make([]string, len(things))
	for i, t := range things {
		names[i] = t.name()
	}
	kept, err := retained(p.src.bucket.Delete(ctx, names...))
	p.rep.Retained = append(p.rep.Retained, kept...)
	if err != nil {
		return err
	}
	for _, t := range things {
		p.rep.Deleted.add(t, p.sizes[t])
	}
	return nil
}
