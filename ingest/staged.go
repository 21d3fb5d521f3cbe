package ingest

import (
	"encoding/binary"
	"math/bits"

	"footfall/ingest/wire"
	"footfall/storage/day"
	"footfall/storage/schema"
)

// staged is one event of an import with codes in the place of words. Most of an import's memory is events in this form:
//
//	byte     flags: 1 interactive, 2 scroll depth, 4 engaged time, 8 revenue, 16 properties
//	8 bytes  visitor
//	uvarint  name, uvarint hostname, uvarint pathname
//	uvarint  a bit for each attribute that is given, then the uvarint code of each of them
//	byte scroll depth · uvarint milliseconds · uvarint amount, uvarint currency ·
//	uvarint number of properties, then uvarint key, uvarint value: as the flags say
//
// The form lives as long as the import: it has no version.
type staged struct {
	flags            byte
	scroll           uint8
	visitor          uint64
	name, host, page uint32
	given            uint32 // a bit for each attribute
	attributes       [schema.NumAttributes]uint32
	ms               uint32
	amount, currency uint32
	props            []stagedProp
}

type stagedProp struct{ key, value uint32 }

const (
	stagedInteractive = 1 << iota
	stagedScroll
	stagedEngaged
	stagedRevenue
	stagedProps
)

// flagsOf says which parts the event of a line has.
func flagsOf(l *wire.Line) (flags byte) {
	for _, f := range []struct {
		on   bool
		flag byte
	}{
		{l.Interactive, stagedInteractive}, {l.ScrollDepth != day.NoScroll, stagedScroll}, {l.EngagementMS != 0, stagedEngaged},
		{l.Revenue != (day.Revenue{}), stagedRevenue}, {len(l.Props) > 0, stagedProps},
	} {
		if f.on {
			flags |= f.flag
		}
	}
	return flags
}

// append writes the event behind b.
func (e *staged) append(b []byte) []byte {
	b = append(b, e.flags)
	b = binary.LittleEndian.AppendUint64(b, e.visitor)
	b = appendCode(b, e.name)
	b = appendCode(b, e.host)
	b = appendCode(b, e.page)
	b = appendCode(b, e.given)
	for m := e.given; m != 0; m &= m - 1 {
		b = appendCode(b, e.attributes[bits.TrailingZeros32(m)])
	}
	if e.flags&stagedScroll != 0 {
		b = append(b, e.scroll)
	}
	if e.flags&stagedEngaged != 0 {
		b = appendCode(b, e.ms)
	}
	if e.flags&stagedRevenue != 0 {
		b = appendCode(appendCode(b, e.amount), e.currency)
	}
	if e.flags&stagedProps != 0 {
		b = appendCode(b, uint32(len(e.props)))
		for _, p := range e.props {
			b = appendCode(appendCode(b, p.key), p.value)
		}
	}
	return b
}

// appendCode is binary.AppendUvarint with the common case in line.
func appendCode(b []byte, x uint32) []byte {
	if x < 0x80 {
		return append(b, byte(x))
	}
	return binary.AppendUvarint(b, uint64(x))
}

// stagedReader takes events from the front of b. After the first thing that is not there, bad is set.
type stagedReader struct {
	b   []byte
	bad bool
}

func (r *stagedReader) byte() byte {
	if len(r.b) == 0 {
		r.bad = true
		return 0
	}
	c := r.b[0]
	r.b = r.b[1:]
	return c
}

func (r *stagedReader) code() uint32 {
	if len(r.b) > 0 && r.b[0] < 0x80 {
		c := r.b[0]
		r.b = r.b[1:]
		return uint32(c)
	}
	return uint32(r.wide())
}

func (r *stagedReader) wide() uint64 {
	x, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.b, r.bad = nil, true
		return 0
	}
	r.b = r.b[n:]
	return x
}

func (r *stagedReader) signed() int64 {
	x := r.wide()
	return int64(x>>1) ^ -int64(x&1)
}

// event reads one event into e, whose list of properties is used again. Attributes that are not given keep what e had.
func (r *stagedReader) event(e *staged) {
	e.flags = r.byte()
	if len(r.b) < 8 {
		r.b, r.bad = nil, true
		return
	}
	e.visitor = binary.LittleEndian.Uint64(r.b)
	r.b = r.b[8:]
	e.name, e.host, e.page = r.code(), r.code(), r.code()
	e.given = r.code() & (1<<schema.NumAttributes - 1)
	for m := e.given; m != 0; m &= m - 1 {
		e.attributes[bits.TrailingZeros32(m)] = r.code()
	}
	e.scroll, e.ms, e.props = day.NoScroll, 0, e.props[:0]
	if e.flags&stagedScroll != 0 {
		e.scroll = r.byte()
	}
	if e.flags&stagedEngaged != 0 {
		e.ms = r.code()
	}
	if e.flags&stagedRevenue != 0 {
		e.amount, e.currency = r.code(), r.code()
	}
	if e.flags&stagedProps != 0 {
		for n := r.code(); n > 0 && !r.bad; n-- {
			e.props = append(e.props, stagedProp{r.code(), r.code()})
		}
	}
}
