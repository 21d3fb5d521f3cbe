package snapshot

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"time"

	"footfall/storage/objstore"
	"footfall/storage/seal"
)

// low is what pruning knows from one run to the next.
type low struct {
	whole     ID   // from this manifest on no pack was deleted; behind older ones packs may be gone
	forgotten []ID // manifests whose names do not count any more
	marks     map[thing]time.Time
}

func newLow() *low { return &low{marks: map[thing]time.Time{}} }

// thing is an object that can be pruned.
type thing struct {
	kind byte
	ID
}

// Kinds of things, in the order in which they are deleted: what names others goes first.
const (
	aClaim = 1 + iota // its number is 0
	aManifest
	aPack
)

func (t thing) name() string {
	switch t.kind {
	case aClaim:
		return epochName(t.Epoch)
	case aManifest:
		return t.manifest()
	}
	return t.pack()
}

func compareThings(a, b thing) int {
	return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.Epoch, b.Epoch), cmp.Compare(a.Seq, b.Seq))
}

func (l *low) encode(sealer *seal.Sealer) []byte {
	b := appendID(nil, l.whole)
	b = binary.AppendUvarint(b, uint64(len(l.forgotten)))
	for _, id := range l.forgotten {
		b = appendID(b, id)
	}
	things := make([]thing, 0, len(l.marks))
	for t := range l.marks {
		things = append(things, t)
	}
	slices.SortFunc(things, compareThings)
	things = things[:min(len(things), maxMarks)]
	b = binary.AppendUvarint(b, uint64(len(things)))
	for _, t := range things {
		b = appendID(append(b, t.kind), t.ID)
		b = binary.AppendUvarint(b, uint64(max(l.marks[t].UnixMilli(), 0)))
	}
	return sealer.Seal([]byte{'F', 'F', 'L', version}, b, place(nameLow, typeLow))
}

func appendID(b []byte, id ID) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(b, uint64(id.Epoch)), id.Seq)
}

func decodeLow(b []byte, sealer *seal.Sealer) (*low, error) {
	if err := checkMagic(nameLow, b, "FFL"); err != nil {
		return nil, err
	}
	plain, err := sealer.Open(nil, b[magicSize:], place(nameLow, typeLow))
	if err != nil {
		return nil, damaged(nameLow, "it does not open with this key")
	}
	r := reader{b: plain}
	l := newLow()
	l.whole = r.id()
	for range r.count(2) {
		l.forgotten = append(l.forgotten, r.id())
	}
	for range r.count(4) {
		t := thing{r.byte(), r.id()}
		if t.kind < aClaim || t.kind > aPack {
			r.bad = true
		}
		l.marks[t] = r.millis()
	}
	if !r.ended() {
		return nil, damaged(nameLow, "it cannot be read")
	}
	return l, nil
}

// low reads what pruning has written, which is nothing where nothing was ever pruned.
func (s *source) low(ctx context.Context) (*low, error) {
	b, err := s.read(ctx, nameLow, 0, -1)
	if errors.Is(err, objstore.ErrNotFound) {
		return newLow(), nil
	} else if err != nil {
		return nil, err
	}
	return decodeLow(b, s.sealer)
}
