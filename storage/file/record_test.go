package file_test

import (
	"bytes"
	"errors"
	"testing"

	"footfall/storage/file"
)

// FuzzSums reads what may stand in the place of the sums record.
func FuzzSums(f *testing.F) {
	var empty file.Sums
	f.Add(empty.Encode())
	f.Add([]byte{1, 2})
	f.Fuzz(func(t *testing.T, b []byte) {
		sums, err := file.DecodeSums(b)
		if err != nil {
			if !errors.Is(err, file.ErrDamaged) {
				t.Fatalf("got %v", err)
			}
			return
		}
		if again := sums.Encode(); !bytes.Equal(again, b) {
			t.Fatalf("%x is written back as %x", b, again)
		}
	})
}
