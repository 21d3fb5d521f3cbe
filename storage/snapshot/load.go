package snapshot

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"footfall/storage/objstore"
	"footfall/storage/seal"
)

// source reads what a bucket has.
type source struct {
	bucket objstore.Bucket
	sealer *seal.Sealer
}

// read returns a part of an object, or all of it where length is negative. Where the answer breaks off it goes on from there.
func (s *source) read(ctx context.Context, name string, offset, length int64) (b []byte, err error) {
	for try := 0; ; try++ {
		rest := length
		if length >= 0 {
			rest -= int64(len(b))
		}
		at := len(b)
		b, err = s.more(ctx, b, name, offset+int64(at), rest)
		switch {
		case len(b) > objstore.MaxObject:
			return nil, damaged(name, "it has more than %d bytes", objstore.MaxObject)
		case err == nil:
			return b, nil
		case len(b) == at || ctx.Err() != nil || try == maxResumed:
			return nil, err
		}
	}
}

// more appends what the bucket gives of an object to b.
func (s *source) more(ctx context.Context, b []byte, name string, offset, length int64) ([]byte, error) {
	r, err := s.bucket.Get(ctx, name, offset, length)
	if err != nil {
		return b, err
	}
	defer r.Close()
	w := bytes.NewBuffer(b)
	_, err = io.Copy(w, io.LimitReader(r, objstore.MaxObject+1-int64(len(b))))
	return w.Bytes(), err
}

// ids lists the manifests or packs behind a number, oldest first, with their sizes.
func (s *source) ids(ctx context.Context, prefix string, after ID) (ids []ID, sizes []int64, err error) {
	from := ""
	if after != (ID{}) {
		from = prefix + after.String()
	}
	err = s.bucket.List(ctx, prefix, from, func(o objstore.Object) error {
		if id, ok := parseID(prefix, o.Name); ok {
			ids, sizes = append(ids, id), append(sizes, o.Size)
		}
		return nil
	})
	return ids, sizes, err
}

func (s *source) manifest(ctx context.Context, id ID) (*manifest, error) {
	b, err := s.read(ctx, id.manifest(), 0, -1)
	if err != nil {
		return nil, err
	}
	return decodeManifest(id.manifest(), b, s.sealer)
}

// opened is a manifest, or why there is none.
type opened struct {
	*manifest
	err error
}

func (s *source) manifestOf(ctx context.Context, id ID) (m opened) {
	m.manifest, m.err = s.manifest(ctx, id)
	return m
}

// head reads only the beginning of a pack of that size.
func (s *source) head(ctx context.Context, id ID, size int64) (*head, error) {
	b, err := s.read(ctx, id.pack(), 0, min(size, firstRead))
	if err != nil {
		return nil, err
	}
	end, err := headSize(id.pack(), b)
	if err != nil {
		return nil, err
	}
	if end > int64(len(b)) {
		if end > size {
			return nil, damaged(id.pack(), "it ends within its head")
		}
		rest, err := s.read(ctx, id.pack(), int64(len(b)), end-int64(len(b)))
		if err != nil {
			return nil, err
		}
		b = append(b, rest...)
	}
	return decodeHead(id.pack(), b, size, s.sealer)
}

// load finds out what the bucket has. Whatever it says is true of the objects there, in whatever order runs have written them: that a version is in the
// bucket is known by its nonce. An object that is missing or damaged is left out, so that what it held is uploaded again.
func (s *Stream) load(ctx context.Context) (*index, error) {
	src := &source{s.cfg.Bucket, s.sealer}
	x := newIndex()
	manifests, _, err := src.ids(ctx, prefixManifest, ID{})
	if err != nil {
		return nil, fmt.Errorf("look at what is there: %w", err)
	}
	sizes := map[ID]int64{}
	packs, of, err := src.ids(ctx, prefixPack, ID{})
	if err != nil {
		return nil, fmt.Errorf("look at what is there: %w", err)
	}
	for i, id := range packs {
		sizes[id] = of[i]
	}
	var from ID
	for i := len(manifests) - 1; i >= 0; i-- {
		m, err := src.manifest(ctx, manifests[i])
		if s.unsound(err) {
			continue
		} else if err != nil {
			return nil, err
		}
		from = manifests[i]
		var there []listed
		for _, l := range m.packs {
			if size, ok := sizes[l.ID]; ok && size == l.size {
				there = append(there, l)
				continue
			}
			s.cfg.Log.Error("a pack of a snapshot is missing or has another size: what it held is uploaded again", "pack", l.ID.String())
		}
		err = inOrder(ctx, there, src.headOf, func(l listed, h headed) error {
			switch {
			case s.unsound(h.err) || h.err == nil && len(h.entries) != l.entries:
				return nil
			case h.err != nil:
				return h.err
			}
			x.add(l, h.entries, &l)
			return nil
		})
		if err != nil {
			return nil, err
		}
		break
	}
	var news []listed // whose hashes nobody has written down yet
	for _, id := range packs {
		if from.Less(id) {
			news = append(news, listed{ID: id, size: sizes[id]})
		}
	}
	return x, inOrder(ctx, news, src.whole, func(l listed, p whole) error {
		if s.unsound(p.err) {
			return nil
		} else if p.err != nil {
			return p.err
		}
		l.hash = p.sum
		x.add(l, p.entries, nil)
		return nil
	})
}

// whole is a pack that was read and found sound, but for its values.
type whole struct {
	*head
	sum hash
	err error
}

func (s *source) whole(ctx context.Context, l listed) (p whole) {
	b, err := s.read(ctx, l.ID.pack(), 0, -1)
	if err == nil {
		p.head, _, err = openPack(l.ID.pack(), b, s.sealer)
	}
	p.sum, p.err = hashOf(b), err
	return p
}

// unsound tells whether an object is not what it should be, and says so.
func (s *Stream) unsound(err error) bool {
	if broken(err) {
		s.cfg.Log.Error("an object of a snapshot is damaged: what it held is uploaded again", "error", err)
		return true
	}
	return false
}
