package snapshot

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"footfall/storage/objstore"
	"footfall/storage/seal"
)

// DrillReport tells what became of a drill: of restoring the newest point beside the running store, and comparing the two.
type DrillReport struct {
	Time     time.Time     `json:"time"` // when it began
	Took     time.Duration `json:"took_ns"`
	Point    Point         `json:"point"`
	Bytes    int64         `json:"bytes"` // that were read from the bucket
	Sites    int           `json:"sites"`
	Days     int           `json:"days"`
	Events   int64         `json:"events"`   // of the days, those that are open with their engagement
	Compared int64         `json:"compared"` // bytes of sealed values that were the same
	Changed  int           `json:"changed"`  // days that changed in the running store meanwhile, so that they were only opened
	OK       bool          `json:"ok"`
	Differs  []string      `json:"differs,omitempty"` // what was not as it is in the running store: sites by their number, and the day
	Error    string        `json:"error,omitempty"`   // why there was nothing to compare

	// Proven is when the last drill began that was OK, this one included; zero if there was none.
	Proven time.Time `json:"proven,omitzero"`
}

// OpenWith opens the snapshots of a store whose vault is open. It fails with ErrDamaged where the bucket has not the keyring that the vault has: no key
// that opens the store is then sure to open its snapshots.
func OpenWith(ctx context.Context, bucket objstore.Bucket, vault *seal.Vault) (*Reader, error) {
	image, err := (&source{bucket: bucket}).read(ctx, nameKeyring, 0, -1)
	if errors.Is(err, objstore.ErrNotFound) {
		return nil, fmt.Errorf("%w: nothing was streamed to this bucket and prefix", ErrNothing)
	} else if err != nil {
		return nil, err
	}
	want, err := vault.Keyring()
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(image, want) {
		return nil, damaged(nameKeyring, "it has not the keys of this store as they are: a stream to this place writes it anew")
	}
	ring, err := vault.OpenKeyring()
	if err != nil {
		return nil, err
	}
	return &Reader{&source{bucket, ring.Snapshots()}, ring}, nil
}

// LastDrill returns what the last drill found. It fails with ErrNothing if there was none.
func (r *Reader) LastDrill(ctx context.Context) (DrillReport, error) {
	return r.src.drill(ctx)
}

// ReadDrill is [Reader.LastDrill] for who has the vault open.
func ReadDrill(ctx context.Context, bucket objstore.Bucket, vault *seal.Vault) (DrillReport, error) {
	return (&source{bucket, vault.Snapshots()}).drill(ctx)
}

// WriteDrill puts down what a drill found.
func WriteDrill(ctx context.Context, bucket objstore.Bucket, vault *seal.Vault, rep DrillReport) error {
	plain, err := json.Marshal(rep)
	if err != nil {
		panic("snapshot: internal error: " + err.Error()) // words and numbers
	}
	body := vault.Snapshots().Seal([]byte{'F', 'F', 'D', version}, plain, place(nameDrill, typeDrill))
	return bucket.Put(ctx, nameDrill, body, objstore.Overwrite)
}

func (s *source) drill(ctx context.Context) (rep DrillReport, err error) {
	b, err := s.read(ctx, nameDrill, 0, -1)
	if errors.Is(err, objstore.ErrNotFound) {
		return rep, fmt.Errorf("%w: there was no drill yet", ErrNothing)
	} else if err != nil {
		return rep, err
	}
	return decodeDrill(b, s.sealer)
}

func decodeDrill(b []byte, sealer *seal.Sealer) (rep DrillReport, err error) {
	if err := checkMagic(nameDrill, b, "FFD"); err != nil {
		return rep, err
	}
	plain, err := sealer.Open(nil, b[magicSize:], place(nameDrill, typeDrill))
	if err != nil {
		return rep, damaged(nameDrill, "it does not open with this key")
	}
	if err := json.Unmarshal(plain, &rep); err != nil {
		return rep, damaged(nameDrill, "it cannot be read")
	}
	return rep, nil
}
