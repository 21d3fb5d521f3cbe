package snapshot

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"footfall/storage/objstore"
	"footfall/storage/seal"
)

// ErrNothing means that the bucket holds no snapshot, or none that fits what was asked for.
var ErrNothing = errors.New("there is no such snapshot")

// Reader reads the snapshots in a bucket. It writes nothing there.
type Reader struct {
	src  *source
	ring *seal.Keyring
}

// Open opens the snapshots in a bucket with a key: that of a key file, a passphrase or the recovery key. Errors: ErrNothing, and those of
// [seal.OpenKeyring] and of the bucket.
func Open(ctx context.Context, bucket objstore.Bucket, key seal.KeySource) (*Reader, error) {
	image, err := (&source{bucket: bucket}).read(ctx, nameKeyring, 0, -1)
	if errors.Is(err, objstore.ErrNotFound) {
		return nil, fmt.Errorf("%w: nothing was streamed to this bucket and prefix", ErrNothing)
	} else if err != nil {
		return nil, err
	}
	ring, err := seal.OpenKeyring(image, key)
	if errors.Is(err, seal.ErrKeyringDamaged) {
		return nil, fmt.Errorf("%w: %w", damaged(nameKeyring, "a running server writes it anew when it starts"), err)
	} else if err != nil {
		return nil, err
	}
	return &Reader{&source{bucket, ring.Snapshots()}, ring}, nil
}

// Reader returns what reads the stream's bucket. It has no keyring, and cannot restore.
func (s *Stream) Reader() *Reader { return &Reader{src: &source{s.cfg.Bucket, s.sealer}} }

// Close forgets the keys.
func (r *Reader) Close() {
	if r.ring != nil {
		r.ring.Close()
	}
}

// Keyring returns the keys, which open the values of a restored file.
func (r *Reader) Keyring() *seal.Keyring { return r.ring }

// Points lists what can be restored, oldest first: all manifests, and behind the newest the stand that the stream has reached.
func (r *Reader) Points(ctx context.Context) (points []Point, err error) {
	err = again(func() error {
		points, err = r.points(ctx)
		return err
	})
	return points, err
}

// again does what may find that objects were pruned since it looked for them.
func again(do func() error) error {
	for try := 1; ; try++ {
		if err := do(); try == maxPlans || !errors.Is(err, objstore.ErrNotFound) {
			return err
		}
	}
}

func (r *Reader) points(ctx context.Context) ([]Point, error) {
	low, err := r.src.low(ctx)
	if errors.Is(err, ErrDamaged) {
		low, err = newLow(), nil // the worst is that names are shown that were forgotten
	}
	if err != nil {
		return nil, err
	}
	ids, _, err := r.src.ids(ctx, prefixManifest, ID{})
	if err != nil {
		return nil, err
	}
	var points []Point
	before := map[ID]bool{} // packs of the point before
	err = inOrder(ctx, ids, r.src.manifestOf, func(id ID, m opened) error {
		if m.err != nil {
			return m.err
		}
		p, packs := m.summary(id), map[ID]bool{}
		for _, l := range m.packs {
			if packs[l.ID] = true; !before[l.ID] {
				p.New += l.size
			}
		}
		if slices.Contains(low.forgotten, id) {
			p.Name = ""
		}
		points, before = append(points, p), packs
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(points) == 0 {
		return nil, ErrNothing
	}
	tail, err := r.tail(ctx, ids[len(ids)-1], time.Time{})
	if err != nil {
		return nil, err
	}
	if p := points[len(points)-1]; len(tail.packs) > 0 {
		fresh := int64(0)
		for _, l := range tail.packs {
			fresh += l.size
		}
		points = append(points, Point{ID: tail.packs[len(tail.packs)-1].ID, Time: tail.at, Size: p.Size + fresh, New: fresh})
	}
	return points, nil
}

// tail is the packs behind a manifest that lead to a stand.
type tail struct {
	packs []listed // gathered ones too
	at    time.Time
	sums  []byte
}

// tail looks for the last stand behind a manifest, in its epoch, not after a time unless that is zero. Where a pack is missing or damaged on the way there, the
// error names it, and t is what comes before. Packs that were pruned end the tail and are no error.
func (r *Reader) tail(ctx context.Context, from ID, until time.Time) (t tail, err error) {
	ids, sizes, err := r.src.ids(ctx, prefixPack, from)
	if err != nil {
		return t, err
	}
	var list []listed
	var gap error
	next := ID{from.Epoch, from.Seq + 1}
	for i, id := range ids {
		if id.Epoch != from.Epoch {
			break
		}
		if id != next {
			gap = damaged(next.pack(), "it is missing, and %s follows", id)
			break
		}
		next.Seq++
		list = append(list, listed{ID: id, size: sizes[i]})
	}
	n := 0
	err = inOrder(ctx, list, r.src.headOf, func(l listed, h headed) error {
		if h.err != nil {
			return h.err
		}
		if !until.IsZero() && h.time.After(until) {
			return errEnough
		}
		list[n].entries, list[n].live = len(h.entries), len(h.entries)
		if n++; h.settled && !h.gathered {
			t = tail{packs: list[:n:n], at: h.time, sums: h.sums}
		}
		return nil
	})
	switch {
	case err == errEnough:
		return t, nil
	case err != nil || gap == nil:
		return t, err
	}
	low, err := r.src.low(ctx) // after the gap was seen: pruning writes first, and deletes then
	if err == nil && !from.Less(low.whole) {
		err = gap
	}
	return t, err
}

var errEnough = errors.New("enough")

// headed is the head of a pack, or why there is none.
type headed struct {
	*head
	err error
}

func (s *source) headOf(ctx context.Context, l listed) (h headed) {
	h.head, h.err = s.head(ctx, l.ID, l.size)
	return h
}

// choose returns the newest manifest that has this name, or is not after this time; both may be empty. With skip it goes on where a manifest is damaged, and tells skip
// of it.
//
// A machine that starts with its clock years behind writes manifests that are not after anything. So where the one before is after the time asked for, the search
// goes on, and the one nearest to that time is right.
func (r *Reader) choose(ctx context.Context, name string, until time.Time, skip func(error)) (ID, *manifest, error) {
	ids, _, err := r.src.ids(ctx, prefixManifest, ID{})
	if err != nil {
		return ID{}, nil, err
	}
	if len(ids) == 0 {
		return ID{}, nil, ErrNothing
	}
	var at ID
	var found *manifest
	for _, id := range slices.Backward(ids) {
		m, err := r.src.manifest(ctx, id)
		switch {
		case spoilt(err) && found != nil:
			return at, found, nil
		case spoilt(err) && skip != nil:
			skip(err)
		case err != nil:
			return id, nil, err
		case name == "" && until.IsZero(), name != "" && m.point == name:
			return id, m, nil
		case name != "" || m.time.After(until):
		case found == nil:
			at, found = id, m
		default:
			if m.time.After(found.time) {
				at, found = id, m
			}
			return at, found, nil
		}
	}
	if found != nil {
		return at, found, nil
	}
	if name != "" {
		return ID{}, nil, fmt.Errorf("%w: no point has the name %q", ErrNothing, name)
	}
	return ID{}, nil, fmt.Errorf("%w: the oldest is of a later time than %s", ErrNothing, until.UTC().Format(time.RFC3339))
}
