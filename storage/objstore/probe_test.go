package objstore_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"footfall/storage/objstore"
)

// lame is a bucket that lacks one ability.
type lame struct {
	objstore.Bucket
	lacks objstore.Ability
}

var errLame = &objstore.Error{Op: "test", Kind: objstore.ErrDenied, Advice: "do something"}

func (l *lame) Put(ctx context.Context, name string, body []byte, mode objstore.Mode) error {
	switch {
	case l.lacks == objstore.CanWrite:
		return errLame
	case l.lacks == objstore.CanReplace && strings.Contains(string(body), "again"):
		return nil // and keeps the old one
	case l.lacks == objstore.CanCreate:
		mode = objstore.Overwrite
	}
	return l.Bucket.Put(ctx, name, body, mode)
}

func (l *lame) Get(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error) {
	switch {
	case l.lacks == objstore.CanRead && length < 0, l.lacks == objstore.CanRange && length > 0:
		return nil, errLame
	}
	return l.Bucket.Get(ctx, name, offset, length)
}

func (l *lame) List(ctx context.Context, prefix, after string, fn func(objstore.Object) error) error {
	if l.lacks == objstore.CanList {
		return nil
	}
	return l.Bucket.List(ctx, prefix, after, fn)
}

func (l *lame) Delete(ctx context.Context, names ...string) error {
	if l.lacks == objstore.CanDelete {
		return errLame
	}
	return l.Bucket.Delete(ctx, names...)
}

func TestProbe(t *testing.T) {
	for _, lacks := range []objstore.Ability{objstore.CanWrite, objstore.CanRead, objstore.CanRange, objstore.CanList, objstore.CanReplace, objstore.CanCreate, objstore.CanDelete} {
		dir, _ := openDir(t)
		r := objstore.Probe(t.Context(), &lame{dir, lacks})
		if r.Can(lacks) || r.Err() == nil || !strings.Contains(r.Err().Error(), "the bucket cannot "+string(lacks)+": ") {
			t.Errorf("without %s: %v", lacks, r.Err())
		}
		if lacks == objstore.CanCreate && r.Conditional {
			t.Error("a bucket that creates twice counts as conditional")
		}
		if lacks == objstore.CanDelete && !errors.Is(r.Err(), objstore.ErrDenied) {
			t.Errorf("the reason is lost: %v", r.Err())
		}
		for _, other := range []objstore.Ability{objstore.CanWrite, objstore.CanRange, objstore.CanList} {
			if other != lacks && lacks != objstore.CanWrite && !r.Can(other) {
				t.Errorf("without %s, it cannot %s: %v", lacks, other, r.Err())
			}
		}
	}
}
