package day

import (
	"maps"

	"footfall/storage/schema"
)

// room is what a day has for the words that visitors choose. It bounds how many there are of a column, and what all of them take in memory.
type room struct {
	words  int                 // bytes that all dictionaries take, about
	folded map[schema.ID]int64 // values for which there was none
}

// has reports whether a dictionary holds a word or may take it. What the store itself gives a meaning to it may always take; tight
// leaves room for few others.
func (r *room) has(id schema.ID, g *growing, word string, tight bool) bool {
	if _, known := g.index[word]; known || word == "" || word == Other || id == schema.EventName && (word == Pageview || word == Engagement) {
		return true
	}
	most := MaxWords
	if id == schema.EventName {
		most = MaxNames
	}
	return len(g.words) < most && r.words+len(word)+wordBytes <= MaxWordBytes && (!tight || r.words < fewWordBytes)
}

// fold counts values that become Other, or are left off.
func (r *room) fold(id schema.ID, values int64) {
	if r.folded == nil {
		r.folded = map[schema.ID]int64{}
	}
	r.folded[id] += values
}

// code returns the code of word, giving it the next one if it has none.
func (r *room) code(g *growing, word string) uint32 {
	known := len(g.words)
	c := g.code(word)
	if len(g.words) > known {
		r.words += len(word) + wordBytes
	}
	return c
}

// wordLocked returns the code of a word that a visitor chose, or of Other where the day has no room for another word. What the journal holds
// is replayed whatever these bounds are.
func (o *Open) wordLocked(id schema.ID, g *growing, word string) uint32 {
	if !o.room.has(id, g, word, o.tight()) {
		o.room.fold(id, 1)
		word = Other
	}
	return o.room.code(g, word)
}

func (o *Open) tight() bool { return o.Tight != nil && o.Tight.Load() }

// Bytes returns about how much memory the day takes, views of it aside.
func (o *Open) Bytes() int {
	o.mu.RLock()
	defer o.mu.RUnlock()
	n := openBytes + 3*4*len(o.visitor) + o.visitors.bytes() + o.room.words + o.tailBytesLocked()
	for _, y := range o.layers {
		n += layerBytes + 12*len(y.pieces)
	}
	return n
}

// TailRows returns how many rows are in memory, and not in a layer.
func (o *Open) TailRows() int {
	o.mu.RLock()
	defer o.mu.RUnlock()
	return len(o.tail.visit)
}

// TailBytes returns how much of it a Layer would free.
func (o *Open) TailBytes() int {
	o.mu.RLock()
	defer o.mu.RUnlock()
	return o.tailBytesLocked()
}

func (o *Open) tailBytesLocked() int {
	n := 4 * len(o.tail.visit)
	for i := range o.tail.rows {
		n += o.tail.rows[i].bytes()
	}
	for i := range o.tail.begun {
		n += o.tail.begun[i].bytes()
	}
	for _, s := range o.sparse {
		n += 8 * len(s.rows)
	}
	return n
}

// What an open day and a layer take beside.
const (
	openBytes  = 6 << 10
	layerBytes = 256
)

// TakeFolded returns how many values were counted as Other since the last call, by column; among properties and amounts of money also
// those that were left off.
func (o *Open) TakeFolded() map[schema.ID]int64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	folded := maps.Clone(o.room.folded)
	clear(o.room.folded)
	return folded
}
