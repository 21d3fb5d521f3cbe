package snapshot

import (
	"slices"
	"sort"

	"footfall/storage/file"
)

// index knows where in the bucket the newest version of every key is. It takes some hundred bytes a key of the data file, which are a few hundred thousand on
// a server of 500 sites.
type index struct {
	packs []listed // oldest first
	where map[string]where
}

// where is the place of a value.
type where struct {
	pack  ID
	entry int32
	seen  bool // by compare
	print file.Fingerprint
}

func newIndex() *index { return &index{where: map[string]where{}} }

// mapKey is the key of a map: the bucket and the key.
func mapKey(b file.Bucket, key []byte) string { return string(append([]byte{byte(b)}, key...)) }

// find returns the pack of that number.
func (x *index) find(id ID) *listed {
	i := sort.Search(len(x.packs), func(i int) bool { return !x.packs[i].Less(id) })
	if i < len(x.packs) && x.packs[i].ID == id {
		return &x.packs[i]
	}
	return nil
}

// add takes a pack's entries as the newest. If only is not nil, only the entries that it counts are.
func (x *index) add(p listed, entries []entry, only *listed) {
	p.entries, p.live, p.bits = len(entries), 0, make([]byte, (len(entries)+7)/8)
	x.packs = append(x.packs, p)
	for i, e := range entries {
		if only != nil && !only.counts(i) {
			continue
		}
		key := mapKey(e.bucket, e.key)
		if old, ok := x.where[key]; ok {
			x.find(old.pack).drop(int(old.entry))
		}
		if e.size == gone {
			delete(x.where, key)
			continue
		}
		x.where[key] = where{pack: p.ID, entry: int32(i), print: e.print}
		own := &x.packs[len(x.packs)-1]
		own.bits[i/8] |= 1 << (i % 8)
		own.live++
	}
}

// drop makes an entry count no more.
func (l *listed) drop(i int) {
	l.bits[i/8] &^= 1 << (i % 8)
	l.live--
}

// prune forgets packs in which nothing counts.
func (x *index) prune() {
	x.packs = slices.DeleteFunc(x.packs, func(p listed) bool { return p.live == 0 })
}

// list returns the packs as a manifest names them.
func (x *index) list() []listed {
	packs := slices.Clone(x.packs)
	for i := range packs {
		p := &packs[i]
		if p.live == p.entries {
			p.bits = nil
		} else {
			p.bits = slices.Clone(p.bits)
		}
	}
	return packs
}

// scattered returns the packs that are worth gathering: those with most of their entries dead, and small ones where there are many.
func (x *index) scattered() map[ID]bool {
	ids := map[ID]bool{}
	var small []ID
	for _, p := range x.packs {
		switch {
		case p.live*2 < p.entries:
			ids[p.ID] = true
		case p.size <= smallPack:
			small = append(small, p.ID)
		}
	}
	if len(small) > fewSmall {
		for _, id := range small {
			ids[id] = true
		}
	}
	return ids
}
