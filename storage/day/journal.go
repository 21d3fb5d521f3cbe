package day

import (
	"encoding/binary"
	"errors"
	"fmt"

	"footfall/storage/schema"
)

// A journal value holds the rows of one site's day that one commit made durable. Values are read back in their order; a word
// is written out once a day, in the value that first uses it.
//
//	byte     version, 1
//	uvarint  number of dictionaries with new words, then for each
//	           byte     column (schema.ID); for a property column schema.EventProps
//	           string   property key, only for a property column
//	           uvarint  code of the first new word
//	           uvarint  number of new words, then each as string
//	uvarint  number of property columns this value uses, then the key of each as string
//	uvarint  number of rows, then for each
//	           byte     flags: 1 begins a visit, 2 interactive, 4 scroll depth, 8 engaged time, 16 revenue, 32 properties
//	           uvarint  visit
//	           if it begins a visit: visitor, 8 bytes big-endian; a uvarint code for each attribute
//	           varint   seconds since the row before (the first: since the day began)
//	           uvarint  name, uvarint hostname, uvarint page
//	           byte scroll depth · uvarint milliseconds · uvarint amount, uvarint currency ·
//	           uvarint number of properties, then uvarint column, uvarint word: as the flags say
//
// A string is a uvarint length and its bytes.
const journalVersion = 1

const (
	flagFresh = 1 << iota
	flagInteractive
	flagScroll
	flagEngagement
	flagRevenue
	flagProps
	flagsEnd
)

// ErrJournal is wrapped by errors about a journal value that cannot be read.
var ErrJournal = errors.New("journal value is damaged")

// Encode returns the journal value of rows. The caller makes it durable and then calls Replay with it, or Retract; values are replayed in the
// order they were encoded.
func (o *Open) Encode(rows []Row) []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	codes := make([]coded, len(rows))
	var keys []string
	place := map[string]int{} // of each key in keys
	for i := range rows {
		codes[i] = o.codeLocked(&rows[i])
		for _, p := range codes[i].sparse {
			if _, ok := place[p.key]; !ok {
				place[p.key] = len(keys)
				keys = append(keys, p.key)
			}
		}
	}
	b := []byte{journalVersion}
	b = o.appendNewWordsLocked(b)
	b = binary.AppendUvarint(b, uint64(len(keys)))
	for _, k := range keys {
		b = appendString(b, k)
	}
	b = binary.AppendUvarint(b, uint64(len(codes)))
	previous := o.begin
	for i := range codes {
		b = codes[i].append(b, previous, place)
		previous = codes[i].time
	}
	return b
}

func (c *coded) append(b []byte, previous int64, place map[string]int) []byte {
	flags := byte(0)
	for _, f := range []struct {
		on  bool
		bit byte
	}{{c.fresh, flagFresh}, {c.interactive, flagInteractive}, {c.hasScroll, flagScroll}, {c.engagement > 0, flagEngagement}, {c.hasRevenue, flagRevenue}, {len(c.sparse) > 0, flagProps}} {
		if f.on {
			flags |= f.bit
		}
	}
	b = append(b, flags)
	b = binary.AppendUvarint(b, uint64(c.visit))
	if c.fresh {
		b = binary.BigEndian.AppendUint64(b, c.visitor)
		for _, code := range c.attrs {
			b = binary.AppendUvarint(b, uint64(code))
		}
	}
	b = binary.AppendVarint(b, c.time-previous)
	b = binary.AppendUvarint(b, uint64(c.name))
	b = binary.AppendUvarint(b, uint64(c.host))
	b = binary.AppendUvarint(b, uint64(c.page))
	if c.hasScroll {
		b = append(b, c.scroll)
	}
	if c.engagement > 0 {
		b = binary.AppendUvarint(b, uint64(c.engagement))
	}
	if c.hasRevenue {
		b = binary.AppendUvarint(b, uint64(c.amountCode))
		b = binary.AppendUvarint(b, uint64(c.currency))
	}
	if len(c.sparse) > 0 {
		b = binary.AppendUvarint(b, uint64(len(c.sparse)))
		for _, p := range c.sparse {
			b = binary.AppendUvarint(b, uint64(place[p.key]))
			b = binary.AppendUvarint(b, uint64(p.code))
		}
	}
	return b
}

// namedDictionary is a dictionary with what names it in a journal value.
type namedDictionary struct {
	id  schema.ID
	key string
	*growing
}

func (o *Open) appendNewWordsLocked(b []byte) []byte {
	var fresh []namedDictionary
	for _, d := range o.dictionaries {
		if d.journaled < len(d.words) {
			fresh = append(fresh, d)
		}
	}
	b = binary.AppendUvarint(b, uint64(len(fresh)))
	for _, d := range fresh {
		b = appendWords(b, d.id, d.key, d.journaled, d.words[d.journaled:])
		d.journaled = len(d.words)
	}
	return b
}

// appendWords appends the new words of a dictionary, of which the first has the given code.
func appendWords(b []byte, id schema.ID, key string, first int, words []string) []byte {
	b = append(b, byte(id))
	if id == schema.EventProps {
		b = appendString(b, key)
	}
	b = binary.AppendUvarint(b, uint64(first))
	b = binary.AppendUvarint(b, uint64(len(words)))
	for _, w := range words {
		b = appendString(b, w)
	}
	return b
}

// Retract forgets the values encoded since the last Replay: they did not become durable. The next value brings their words again.
func (o *Open) Retract() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, d := range o.dictionaries {
		d.journaled = d.durable
	}
}

// Replay adds the rows of a journal value.
func (o *Open) Replay(value []byte) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	r := &reader{b: value}
	if v := r.byte(); v != journalVersion {
		return fmt.Errorf("%w: version %d", ErrJournal, v)
	}
	for range r.count() {
		if err := o.replayWordsLocked(r); err != nil {
			return err
		}
	}
	keys := make([]*growingSparse, 0, 8)
	for range r.count() {
		keys = append(keys, o.sparseLocked(propKey(r.string())))
	}
	previous := o.begin
	for range r.count() {
		c, err := o.readRow(r, previous, keys)
		if err != nil {
			return err
		}
		if err := o.addLocked(c); err != nil {
			return fmt.Errorf("%w: %w", ErrJournal, err)
		}
		previous = c.time
	}
	if r.bad || len(r.b) > 0 {
		return fmt.Errorf("%w: wrong length", ErrJournal)
	}
	return nil
}

func (o *Open) replayWordsLocked(r *reader) error {
	var d *growing
	switch id := schema.ID(r.byte()); {
	case id < schema.NumAttributes:
		d = &o.attrs[id]
	case id == schema.EventName:
		d = &o.name
	case id == schema.EventHostname:
		d = &o.host
	case id == schema.EventPage:
		d = &o.page
	case id == schema.EventRevenueAmount:
		d = &o.sparseLocked(amountKey).growing
	case id == schema.EventRevenueCurrency:
		d = &o.sparseLocked(currencyKey).growing
	case id == schema.EventProps:
		d = &o.sparseLocked(propKey(r.string())).growing
	default:
		return fmt.Errorf("%w: words of unknown column %d", ErrJournal, id)
	}
	first, n := int(r.uvarint()), r.count()
	for i := range n {
		word := r.string()
		if r.bad || int(o.room.code(d, word)) != first+i {
			return fmt.Errorf("%w: dictionary out of order", ErrJournal)
		}
	}
	// Live, later words may be known by now but not journaled.
	d.journaled = max(d.journaled, first+n)
	d.durable = max(d.durable, first+n)
	return nil
}

func (o *Open) readRow(r *reader, previous int64, keys []*growingSparse) (coded, error) {
	flags := r.byte()
	c := coded{
		fresh: flags&flagFresh != 0, interactive: flags&flagInteractive != 0, hasScroll: flags&flagScroll != 0,
		hasRevenue: flags&flagRevenue != 0, visit: uint32(r.uvarint()), scroll: NoScroll,
	}
	if c.fresh {
		c.visitor = r.uint64()
		for id := range c.attrs {
			c.attrs[id] = r.code(&o.attrs[id])
		}
	}
	c.time = previous + r.varint()
	c.name, c.host, c.page = r.code(&o.name), r.code(&o.host), r.code(&o.page)
	if c.hasScroll {
		if c.scroll = r.byte(); c.scroll > 100 {
			r.bad = true
		}
	}
	if flags&flagEngagement != 0 {
		c.engagement = uint32(r.uvarint())
	}
	if c.hasRevenue {
		c.amountCode, c.currency = r.code(&o.sparseLocked(amountKey).growing), r.code(&o.sparseLocked(currencyKey).growing)
	}
	if flags&flagProps != 0 {
		for range r.count() {
			k := r.uvarint()
			if k >= uint64(len(keys)) {
				return c, fmt.Errorf("%w: unknown property column", ErrJournal)
			}
			c.sparse = append(c.sparse, codedProp{column: keys[k], code: r.code(&keys[k].growing)})
		}
	}
	if r.bad || flags >= flagsEnd {
		return c, fmt.Errorf("%w: bad row", ErrJournal)
	}
	c.countsAsEvent = o.name.words[c.name] != Engagement
	return c, nil
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// reader takes values from the front of b. After the first one that is not there, bad is set and all values are zero.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) take(n uint64) []byte {
	if r.bad || n > uint64(len(r.b)) {
		r.bad, r.b = true, nil
		return nil
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out
}

func (r *reader) byte() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) uint64() uint64 {
	if b := r.take(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

func (r *reader) uvarint() uint64 {
	x, n := binary.Uvarint(r.b)
	if n <= 0 || r.bad || x > 1<<32-1 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return x
}

func (r *reader) varint() int64 {
	x, n := binary.Varint(r.b)
	if n <= 0 || r.bad {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return x
}

// count reads how many things follow; each takes a byte at least, so more than the bytes left is a lie.
func (r *reader) count() int {
	n := r.uvarint()
	if n > uint64(len(r.b)) {
		r.bad, r.b = true, nil
		return 0
	}
	return int(n)
}

func (r *reader) string() string { return string(r.take(uint64(r.count()))) }

func (r *reader) code(g *growing) uint32 {
	c := r.uvarint()
	if c >= uint64(len(g.words)) {
		r.bad = true
		return 0
	}
	return uint32(c)
}
