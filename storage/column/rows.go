package column

import (
	"bytes"

	"github.com/RoaringBitmap/roaring/v2"
)

// Rows is a set of row or visitor numbers. The zero value is not usable; see NewRows.
type Rows struct{ set *roaring.Bitmap }

// NewRows returns the set of the given numbers.
func NewRows(numbers ...uint32) Rows { return Rows{roaring.BitmapOf(numbers...)} }

// Add puts n into the set.
func (r Rows) Add(n uint32) { r.set.Add(n) }

// Len returns how many numbers the set has.
func (r Rows) Len() int { return int(r.set.GetCardinality()) }

// Slice returns the numbers in ascending order.
func (r Rows) Slice() []uint32 { return r.set.ToArray() }

// Or returns the numbers that are in one of the sets.
func (r Rows) Or(o Rows) Rows { return Rows{roaring.Or(r.set, o.set)} }

// Equal reports whether both sets hold the same numbers.
func (r Rows) Equal(o Rows) bool { return r.set.Equals(o.set) }

// AppendRows encodes r.
func AppendRows(dst []byte, r Rows) []byte {
	c := r.set.Clone()
	c.RunOptimize()
	plain, err := c.ToBytes()
	if err != nil {
		panic("column: internal error: " + err.Error()) // writing to memory
	}
	if z := compress(nil, plain); len(z) < len(plain)-len(plain)/16 {
		return append(append(dst, encZstd), z...)
	}
	return append(append(dst, encPlain), plain...)
}

// DecodeRows decodes a set whose numbers are below n.
func DecodeRows(src []byte, n int) (Rows, error) {
	if len(src) < 2 {
		return Rows{}, corrupt("short rows")
	}
	plain := src[1:]
	switch src[0] {
	case encPlain:
	case encZstd:
		var err error
		if plain, err = decompress(nil, plain, maxPlain); err != nil {
			return Rows{}, err
		}
	default:
		return Rows{}, corrupt("unknown encoding of rows")
	}
	set := roaring.New()
	read, err := set.ReadFrom(bytes.NewReader(plain))
	if err != nil || read != int64(len(plain)) || set.Validate() != nil {
		return Rows{}, corrupt("rows")
	}
	if !set.IsEmpty() && set.Maximum() >= uint32(n) {
		return Rows{}, corrupt("row beyond the end")
	}
	return Rows{set}, nil
}
