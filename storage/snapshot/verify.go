package snapshot

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"footfall/storage/objstore"
)

// Verifying says how much is verified.
type Verifying struct {
	// ReadData is the share of packs that are read whole, chosen at random: 0 none, 1 all, and at least one of what is above 0. Everything else is
	// looked at in any case: keys, claims and manifests are opened, packs must be there with their sizes, and where no manifest names
	// them yet their beginnings are read.
	ReadData float64
	Progress func(done, total int64) // bytes of the packs that are read; may be nil
}

// Bad is an object that is not what it should be.
type Bad struct {
	Object string  `json:"object"`
	What   string  `json:"what"`
	Points []Point `json:"points"` // that cannot be restored whole because of it
}

// Verified is what was looked at, and what is wrong.
type Verified struct {
	Points    int   `json:"points"`
	Packs     int   `json:"packs"` // that points need
	Bytes     int64 `json:"bytes"` // of them
	Read      int   `json:"packs_read"`
	ReadBytes int64 `json:"bytes_read"`
	Bad       []Bad `json:"bad"`
}

// Err returns nil if all is well, else an error that is [ErrDamaged].
func (v *Verified) Err() error {
	if len(v.Bad) == 0 {
		return nil
	}
	if len(v.Bad) == 1 {
		return fmt.Errorf("%w: %s: %s", ErrDamaged, v.Bad[0].Object, v.Bad[0].What)
	}
	return fmt.Errorf("%w: %s: %s; and %d more", ErrDamaged, v.Bad[0].Object, v.Bad[0].What, len(v.Bad)-1)
}

// Verify looks whether what is in the bucket can be restored. What is wrong is in the result; the error is for what kept it from looking. What
// nobody can see from the bucket alone is that the very last packs of the stream are missing: a drill does.
func (r *Reader) Verify(ctx context.Context, how Verifying) (Verified, error) {
	if how.Progress == nil {
		how.Progress = func(int64, int64) {}
	}
	for try := 1; ; try++ {
		v := &verification{Reader: r, how: how, bad: map[string]*Bad{}, sizes: map[ID]int64{}, needs: map[ID]*listed{}, users: map[ID][]Point{}}
		if err := v.run(ctx); err != nil {
			return Verified{}, fmt.Errorf("verify: %w", err)
		}
		if len(v.bad) > 0 && try < maxPlans { // or was something pruned meanwhile?
			if pruned, err := v.pruned(ctx); err != nil {
				return Verified{}, fmt.Errorf("verify: %w", err)
			} else if pruned {
				continue
			}
		}
		return v.report(), nil
	}
}

// verification is one look.
type verification struct {
	*Reader
	how    Verifying
	low    *low
	points []Point
	newest ID
	sizes  map[ID]int64    // of packs that are there
	needs  map[ID]*listed  // packs that are needed, with what is known of them
	users  map[ID][]Point  // and by which points
	order  []ID            // of needs
	bad    map[string]*Bad // by name
	rep    Verified
}

// wrong notes that an object is bad.
func (v *verification) wrong(name string, points []Point, format string, args ...any) {
	if v.bad[name] == nil {
		v.bad[name] = &Bad{Object: name, What: fmt.Sprintf(format, args...), Points: append([]Point{}, points...)}
	}
}

// judge notes an error that says that an object is bad, and returns all others.
func (v *verification) judge(name string, points []Point, err error) error {
	if !broken(err) {
		return err
	}
	what := strings.TrimPrefix(strings.TrimPrefix(err.Error(), ErrDamaged.Error()+": "), name+": ")
	if errors.Is(err, objstore.ErrNotFound) {
		what = "it is missing"
	}
	v.wrong(name, points, "%s", what)
	return nil
}

func (v *verification) run(ctx context.Context) (err error) {
	if v.low, err = v.src.low(ctx); err != nil {
		if err := v.judge(nameLow, nil, err); err != nil {
			return err
		}
		v.low = nil
	}
	for _, step := range []func(context.Context) error{v.keyring, v.manifests, v.packs, v.chains, v.siteKeys, v.claims, v.lastDrill, v.heads, v.data} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// keyring looks whether it is there; it was opened with the Reader, if that has a key.
func (v *verification) keyring(ctx context.Context) error {
	_, err := v.src.read(ctx, nameKeyring, 0, -1)
	return v.judge(nameKeyring, nil, err)
}

// manifests opens all of them.
func (v *verification) manifests(ctx context.Context) error {
	ids, _, err := v.src.ids(ctx, prefixManifest, ID{})
	if err != nil {
		return err
	}
	if len(ids) == 0 {
		return ErrNothing
	}
	v.newest = ids[len(ids)-1]
	return inOrder(ctx, ids, v.src.manifestOf, func(id ID, m opened) error {
		if m.err != nil {
			return v.judge(id.manifest(), []Point{{ID: id}}, m.err)
		}
		point := m.summary(id)
		v.points = append(v.points, point)
		for _, l := range m.packs {
			l.bits = nil
			if v.needs[l.ID] == nil {
				v.needs[l.ID] = &l
			}
			v.users[l.ID] = append(v.users[l.ID], point)
		}
		return nil
	})
}

// packs looks for all that are named, with their sizes.
func (v *verification) packs(ctx context.Context) error {
	ids, sizes, err := v.src.ids(ctx, prefixPack, ID{})
	if err != nil {
		return err
	}
	for i, id := range ids {
		v.sizes[id] = sizes[i]
	}
	for id, l := range v.needs {
		if size, ok := v.sizes[id]; !ok {
			v.wrong(id.pack(), v.users[id], "it is missing")
		} else if size != l.size {
			v.wrong(id.pack(), v.users[id], "it has %d bytes and should have %d", size, l.size)
		}
	}
	return nil
}

// chains looks for gaps among the packs of the time of which every second can be restored. Of these, no more is known than their numbers.
func (v *verification) chains(context.Context) error {
	var from ID
	if v.low == nil {
		from = v.newest
	} else {
		from = v.low.whole
	}
	last := map[uint32]uint64{} // in an epoch, as packs or manifests tell
	for id := range v.sizes {
		last[id.Epoch] = max(last[id.Epoch], id.Seq)
	}
	for _, p := range v.points {
		last[p.ID.Epoch] = max(last[p.ID.Epoch], p.ID.Seq)
	}
	for epoch, end := range last {
		at := ID{epoch, 1}
		if epoch == from.Epoch {
			at.Seq = from.Seq + 1
		} else if epoch < from.Epoch {
			continue
		}
		for ; at.Seq <= end; at.Seq++ {
			size, ok := v.sizes[at]
			switch points := append(v.before(at), v.users[at]...); {
			case !ok:
				v.wrong(at.pack(), points, "it is missing, and others follow")
			case v.needs[at] == nil:
				v.needs[at], v.users[at] = &listed{ID: at, size: size}, points
			}
			if len(v.bad) > maxBad {
				return nil
			}
		}
	}
	for id, l := range v.needs {
		v.order = append(v.order, id)
		v.rep.Bytes += l.size
	}
	slices.SortFunc(v.order, compareIDs)
	v.rep.Packs = len(v.order)
	return nil
}

// before returns the point behind which a pack comes.
func (v *verification) before(id ID) []Point {
	for _, p := range slices.Backward(v.points) {
		if p.ID.Less(id) && p.ID.Epoch == id.Epoch {
			return []Point{p}
		}
	}
	return nil
}

// siteKeys opens the key of every site.
func (v *verification) siteKeys(ctx context.Context) error {
	return v.sites(ctx, func(name string, err error) error { return v.judge(name, v.points, err) })
}

// claims opens all, and looks for the newest two, which are never pruned.
func (v *verification) claims(ctx context.Context) error {
	newest, claims := v.newest.Epoch, map[uint32]bool{}
	if err := listClaims(ctx, v.src.bucket, func(epoch uint32, _ int64) { newest, claims[epoch] = max(newest, epoch), true }); err != nil {
		return err
	}
	for epoch := range claims {
		if _, err := v.src.claim(ctx, epoch); err != nil {
			if errors.Is(err, ErrForeign) {
				err = damaged(epochName(epoch), "it does not open with this key, at this name")
			}
			if err := v.judge(epochName(epoch), nil, err); err != nil {
				return err
			}
		}
	}
	for epoch := newest; epoch > 0 && epoch+1 >= newest; epoch-- {
		if !claims[epoch] {
			v.wrong(epochName(epoch), nil, "it is missing: no other instance would notice that this one streams here")
		}
	}
	return nil
}

// lastDrill looks whether what it found can be read. There need not have been one.
func (v *verification) lastDrill(ctx context.Context) error {
	if _, err := v.src.drill(ctx); !errors.Is(err, ErrNothing) {
		return v.judge(nameDrill, nil, err)
	}
	return nil
}

// heads reads the beginnings of packs that no manifest names yet.
func (v *verification) heads(ctx context.Context) error {
	var news []listed
	for _, id := range v.order {
		if l := v.needs[id]; v.newest.Less(id) && v.bad[id.pack()] == nil {
			news = append(news, *l)
		}
	}
	return inOrder(ctx, news, v.src.headOf, func(l listed, h headed) error {
		return v.judge(l.ID.pack(), v.users[l.ID], h.err)
	})
}

// data reads a share of the packs whole.
func (v *verification) data(ctx context.Context) error {
	var packs []listed
	var total, done int64
	for _, i := range rand.Perm(len(v.order)) {
		id := v.order[i]
		if float64(len(packs)) >= math.Ceil(v.how.ReadData*float64(len(v.order))) {
			break
		}
		if v.bad[id.pack()] == nil {
			packs = append(packs, *v.needs[id])
			total += v.needs[id].size
		}
	}
	slices.SortFunc(packs, func(a, b listed) int { return compareIDs(a.ID, b.ID) })
	sums := map[ID]hash{}
	return inOrder(ctx, packs, v.src.whole, func(l listed, p whole) error {
		known := l.hash != hash{}
		switch {
		case p.err == nil && known && p.sum != l.hash:
			p.err = damaged(l.ID.pack(), "it is not what the manifest names")
		case p.err == nil && known && len(p.entries) != l.entries:
			p.err = damaged(l.ID.pack(), "it has %d entries and should have %d", len(p.entries), l.entries)
		case p.err == nil:
			sums[l.ID] = p.sum
			if prev, ok := sums[ID{l.ID.Epoch, l.ID.Seq - 1}]; ok && prev != p.prev || l.ID.Seq == 1 && p.prev != (hash{}) {
				p.err = unlinked(l.ID)
			}
		}
		v.rep.Read++
		v.rep.ReadBytes += l.size
		done += l.size
		v.how.Progress(done, total)
		return v.judge(l.ID.pack(), v.users[l.ID], p.err)
	})
}

// pruned tells whether manifests are gone that were there, or may have been.
func (v *verification) pruned(ctx context.Context) (bool, error) {
	ids, _, err := v.src.ids(ctx, prefixManifest, ID{})
	if err != nil {
		return false, err
	}
	there := map[ID]bool{}
	for _, id := range ids {
		there[id] = true
	}
	for _, p := range v.points {
		if !there[p.ID] {
			return true, nil
		}
	}
	l, err := v.src.low(ctx)
	return err == nil && v.low != nil && l.whole != v.low.whole, nil
}

func (v *verification) report() Verified {
	v.rep.Points, v.rep.Bad = len(v.points), []Bad{}
	for _, b := range v.bad {
		v.rep.Bad = append(v.rep.Bad, *b)
	}
	slices.SortFunc(v.rep.Bad, func(a, b Bad) int { return strings.Compare(a.Object, b.Object) })
	return v.rep
}

func compareIDs(a, b ID) int {
	return cmp.Or(cmp.Compare(a.Epoch, b.Epoch), cmp.Compare(a.Seq, b.Seq))
}
