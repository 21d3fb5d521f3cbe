package snapshot

import (
	"slices"

	"footfall/storage/file"
)

// walks remembers which ranges of keys a Take has walked through, and what it found there.
type walks struct {
	spans []span
	found map[string]bool
}

// span is the keys of a bucket from from up to to, or all from from on if to is nil.
type span struct {
	bucket   file.Bucket
	from, to string
	open     bool
}

func (s *span) holds(b file.Bucket, key string) bool {
	return s.bucket == b && s.from <= key && (s.open || key < s.to)
}

func (w *walks) see(c file.Change) {
	if !c.Walked {
		return
	}
	if w.found == nil {
		w.found = map[string]bool{}
	}
	if c.Key != nil {
		w.found[mapKey(c.Bucket, c.Key)] = true
	}
	if n := len(w.spans); n > 0 && w.spans[n-1].bucket == c.Bucket {
		w.spans[n-1].to, w.spans[n-1].open = string(c.Key), c.Key == nil
		return
	}
	w.spans = append(w.spans, span{c.Bucket, string(c.From), string(c.Key), c.Key == nil})
}

// removed calls fn for each key that the index has in those ranges and that was not there.
func (w *walks) removed(x *index, fn func(b file.Bucket, key []byte) error) error {
	if len(w.spans) == 0 {
		return nil
	}
	var keys []string
	for k := range x.where {
		in := func(s span) bool { return s.holds(file.Bucket(k[0]), k[1:]) }
		if !w.found[k] && slices.ContainsFunc(w.spans, in) {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	for _, k := range keys {
		if err := fn(file.Bucket(k[0]), []byte(k[1:])); err != nil {
			return err
		}
	}
	return nil
}
