package day

import (
	"strings"
	"sync"
	"sync/atomic"

	"footfall/storage/schema"
)

// Lexicon numbers the words of a site: a word has the same number in every day that is read with the same Lexicon, so that groups of
// different days meet as numbers, and a day in memory need not keep its words. It only grows. It is safe for concurrent use.
type Lexicon struct {
	bytes atomic.Int64

	mu      sync.RWMutex // guards columns
	columns map[columnKey]*Vocabulary
}

// Vocabulary is a Lexicon's words of one column. The first word has the number 0. It is safe for concurrent use.
type Vocabulary struct {
	bytes *atomic.Int64 // the lexicon's

	mu    sync.RWMutex // guards both below
	index map[string]uint32
	words []string
}

// NewLexicon returns a lexicon without words.
func NewLexicon() *Lexicon { return &Lexicon{columns: map[columnKey]*Vocabulary{}} }

// Bytes returns about how much memory the lexicon takes.
func (l *Lexicon) Bytes() int { return int(l.bytes.Load()) }

// Column returns the vocabulary of a text column. Columns that show the same words share one.
func (l *Lexicon) Column(id schema.ID) *Vocabulary { return l.vocabulary(columnKey{id: wordsOf(id)}) }

// Prop returns the vocabulary of a custom property.
func (l *Lexicon) Prop(key string) *Vocabulary { return l.vocabulary(propKey(key)) }

// wordsOf returns the column whose dictionary a column uses: entry and exit pages are pages.
func wordsOf(id schema.ID) schema.ID {
	switch id {
	case schema.EntryPage, schema.ExitPage:
		return schema.EventPage
	case schema.EntryHostname, schema.ExitHostname:
		return schema.EventHostname
	}
	return id
}

func (l *Lexicon) vocabulary(key columnKey) *Vocabulary {
	l.mu.RLock()
	v := l.columns[key]
	l.mu.RUnlock()
	if v != nil {
		return v
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if v = l.columns[key]; v == nil {
		v = &Vocabulary{index: map[string]uint32{}, bytes: &l.bytes}
		l.columns[key] = v
		l.bytes.Add(256)
	}
	return v
}

// Len returns how many words there are.
func (v *Vocabulary) Len() int {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return len(v.words)
}

// Words returns the words by their numbers, all that there are now. The slice must not be changed.
func (v *Vocabulary) Words() []string {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.words
}

// Find returns the number of a word.
func (v *Vocabulary) Find(word string) (number uint32, ok bool) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	number, ok = v.index[word]
	return number, ok
}

// Numbers returns the numbers of words, giving new ones to those that have none. It keeps copies: the words may be part of a larger text.
func (v *Vocabulary) Numbers(words []string) []uint32 {
	out := make([]uint32, len(words))
	unknown := false
	v.mu.RLock()
	for i, w := range words {
		n, ok := v.index[w]
		unknown = unknown || !ok
		out[i] = n
	}
	v.mu.RUnlock()
	if !unknown {
		return out
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	bytes := 0
	for i, w := range words {
		n, ok := v.index[w]
		if !ok {
			n = uint32(len(v.words))
			w = strings.Clone(w)
			v.words = append(v.words, w)
			v.index[w] = n
			bytes += len(w) + wordBytes
		}
		out[i] = n
	}
	v.bytes.Add(int64(bytes))
	return out
}

// wordBytes is about what a word takes beside its text: its place in the list and in the index, and the slack of both.
const wordBytes = 16 + 40
