package snapshot

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"maps"
	"slices"
	"strings"

	"footfall/storage/objstore"
	"footfall/storage/seal"
)

// The roll names the objects with the keys of all sites, so that one that is missing is told from one that was removed, and one that was removed from one that is
// still there because the bucket would not delete it. A key is put there after its object was written and before a value it opens, and is taken from
// it before the object is deleted. Its generation is that of the vault: one that is behind it is an older copy, which knows neither newer keys nor
// what was destroyed since.

func encodeRoll(names []string, generation uint64, sealer *seal.Sealer) []byte {
	b := binary.AppendUvarint(nil, generation)
	b = binary.AppendUvarint(b, uint64(len(names)))
	for _, name := range names {
		id, _ := siteID(name)
		b = append(b, id[:]...)
	}
	return sealer.Seal([]byte{'F', 'F', 'R', version}, b, place(nameRoll, typeRoll))
}

func decodeRoll(b []byte, sealer *seal.Sealer) (names []string, generation uint64, err error) {
	if err := checkMagic(nameRoll, b, "FFR"); err != nil {
		return nil, 0, err
	}
	plain, err := sealer.Open(nil, b[magicSize:], place(nameRoll, typeRoll))
	if err != nil {
		return nil, 0, damaged(nameRoll, "it does not open with this key")
	}
	r := reader{b: plain}
	generation = r.uvarint()
	for range r.count(16) {
		var id [16]byte
		copy(id[:], r.take(16))
		names = append(names, siteName(id))
	}
	if !r.ended() {
		return nil, 0, damaged(nameRoll, "it cannot be read")
	}
	return names, generation, nil
}

func (s *source) roll(ctx context.Context) (names []string, generation uint64, err error) {
	b, err := s.read(ctx, nameRoll, 0, -1)
	if err != nil {
		return nil, 0, err
	}
	return decodeRoll(b, s.sealer)
}

// siteID returns what siteName was made of.
func siteID(name string) (id [16]byte, ok bool) {
	text, ok := strings.CutPrefix(name, prefixSites)
	b, err := hex.DecodeString(text)
	if !ok || err != nil || len(b) != 16 {
		return id, false
	}
	return [16]byte(b), true
}

// sites adds the key of every site to the keyring, and calls fn for each that is missing or damaged. An error of fn ends it.
func (r *Reader) sites(ctx context.Context, fn func(name string, err error) error) error {
	var found map[string]error
	for range 2 { // if one is missing, it may have come or gone meanwhile
		names, _, errRoll := r.src.roll(ctx)
		if errors.Is(errRoll, objstore.ErrNotFound) {
			errRoll = damaged(nameRoll, "it is missing")
		}
		listed := make(map[string]bool, len(names))
		for _, name := range names {
			listed[name] = true
		}
		var err error
		if found, err = r.openSites(ctx, func(name string) bool { return errRoll != nil || listed[name] }); err != nil {
			return err
		}
		if errRoll != nil {
			found[nameRoll] = errRoll
		}
		whole := true
		for _, name := range names {
			if _, ok := found[name]; !ok {
				found[name], whole = damaged(name, "it is missing: what was counted for its site cannot be read"), false
			}
		}
		if whole {
			break
		}
	}
	for _, name := range slices.Sorted(maps.Keys(found)) {
		if found[name] == nil {
			continue
		}
		if err := fn(name, found[name]); err != nil {
			return err
		}
	}
	return nil
}

// openSites opens the keys that are there and that count, and returns what came of each. Of two keys of a site, where nobody knows which counts, the newer one is right.
func (r *Reader) openSites(ctx context.Context, counts func(name string) bool) (map[string]error, error) {
	var objects []objstore.Object
	err := r.src.bucket.List(ctx, prefixSites, "", func(o objstore.Object) error {
		if counts(o.Name) {
			objects = append(objects, o)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(objects, func(a, b objstore.Object) int { return b.Modified.Compare(a.Modified) })
	found := map[string]error{}
	return found, inOrder(ctx, objects, r.src.object, func(o objstore.Object, b body) error {
		id, ok := siteID(o.Name)
		if !ok || errors.Is(b.err, objstore.ErrNotFound) {
			return nil // none of ours, or removed just now
		}
		if b.err == nil && r.ring != nil {
			if _, err := r.ring.OpenSite(id, b.bytes); err != nil && !errors.Is(err, seal.ErrHasKey) {
				b.err = damaged(o.Name, "%v", err)
			}
		} else if b.err != nil && !broken(b.err) {
			return b.err
		}
		found[o.Name] = b.err
		return nil
	})
}

// body is an object, or why it could not be read.
type body struct {
	bytes []byte
	err   error
}

func (s *source) object(ctx context.Context, o objstore.Object) (b body) {
	b.bytes, b.err = s.read(ctx, o.Name, 0, -1)
	return b
}
