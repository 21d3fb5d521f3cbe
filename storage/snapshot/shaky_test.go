package snapshot_test

import (
	"context"
	"sync/atomic"

	"footfall/storage/objstore"
)

// shaky is a bucket that is down at times, and that counts what is written.
type shaky struct {
	objstore.Bucket
	down     atomic.Bool
	failures atomic.Int64 // writes that fail from now on
	bytes    atomic.Int64
}

func (s *shaky) Put(ctx context.Context, name string, body []byte, mode objstore.Mode) error {
	if s.down.Load() || s.failures.Add(-1) >= 0 {
		return &objstore.Error{Op: "put", Name: name, Kind: objstore.ErrTemporary}
	}
	s.bytes.Add(int64(len(body)))
	return s.Bucket.Put(ctx, name, body, mode)
}
