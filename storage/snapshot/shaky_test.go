package snapshot_test

import (
	"context"
	"io"
	"sync/atomic"

	"footfall/storage/objstore"
)

// shaky is a bucket that is down at times, and that counts what is written.
type shaky struct {
	objstore.Bucket
	down     atomic.Bool
	denied   atomic.Bool  // nothing may be deleted
	failures atomic.Int64 // writes that fail from now on
	bytes    atomic.Int64
	puts     atomic.Int64
}

func (s *shaky) Put(ctx context.Context, name string, body []byte, mode objstore.Mode) error {
	if s.down.Load() || s.failures.Add(-1) >= 0 {
		return &objstore.Error{Op: "put", Name: name, Kind: objstore.ErrTemporary}
	}
	s.bytes.Add(int64(len(body)))
	s.puts.Add(1)
	return s.Bucket.Put(ctx, name, body, mode)
}

func (s *shaky) Get(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error) {
	if s.down.Load() {
		return nil, &objstore.Error{Op: "get", Name: name, Kind: objstore.ErrTemporary}
	}
	return s.Bucket.Get(ctx, name, offset, length)
}

func (s *shaky) List(ctx context.Context, prefix, after string, fn func(objstore.Object) error) error {
	if s.down.Load() {
		return &objstore.Error{Op: "list", Name: prefix, Kind: objstore.ErrTemporary}
	}
	return s.Bucket.List(ctx, prefix, after, fn)
}

func (s *shaky) Delete(ctx context.Context, names ...string) error {
	if s.denied.Load() {
		return &objstore.Error{Op: "delete", Name: names[0], Kind: objstore.ErrDenied}
	}
	if s.down.Load() {
		return &objstore.Error{Op: "delete", Name: names[0], Kind: objstore.ErrTemporary}
	}
	return s.Bucket.Delete(ctx, names...)
}
