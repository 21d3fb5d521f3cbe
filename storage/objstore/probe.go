package objstore

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
)

// Ability is one of the things that Footfall needs of a bucket.
type Ability string

// The abilities, in the order in which they are tried.
const (
	CanWrite   Ability = "write"
	CanRead    Ability = "read"
	CanRange   Ability = "read a part"
	CanList    Ability = "list"
	CanReplace Ability = "replace"
	CanCreate  Ability = "create only"
	CanDelete  Ability = "delete"
)

// Step is what became of one ability.
type Step struct {
	Ability Ability
	Err     error // nil: it works
}

// Report is what [Probe] found out.
type Report struct {
	Steps       []Step // those that were tried
	Conditional bool   // see Bucket.Conditional; true only if it works
}

// Can reports whether an ability was tried and works.
func (r Report) Can(a Ability) bool {
	for _, s := range r.Steps {
		if s.Ability == a {
			return s.Err == nil
		}
	}
	return false
}

// Err returns all that does not work, or nil.
func (r Report) Err() error {
	var errs []error
	for _, s := range r.Steps {
		if s.Err != nil {
			errs = append(errs, fmt.Errorf("the bucket cannot %s: %w", s.Ability, s.Err))
		}
	}
	return errors.Join(errs...)
}

// Probe tries with an object of its own below probe/ what the bucket can do. Give it a bucket that does not try again for ever. Where nothing can be written it
// stops; an object that cannot be deleted stays, of a few bytes.
func Probe(ctx context.Context, b Bucket) Report {
	var r Report
	random := make([]byte, 8)
	rand.Read(random)
	name := "probe/" + hex.EncodeToString(random)
	first, second := []byte("footfall was here: "+name), []byte("footfall was here again: "+name)

	try := func(a Ability, f func() error) bool {
		err := f()
		r.Steps = append(r.Steps, Step{a, err})
		return err == nil
	}
	if !try(CanWrite, func() error { return b.Put(ctx, name, first, Overwrite) }) {
		return r
	}
	try(CanRead, func() error { return expect(ctx, b, name, 0, -1, first) })
	try(CanRange, func() error { return expect(ctx, b, name, 9, 3, first[9:12]) })
	try(CanList, func() error { return listed(ctx, b, name, int64(len(first))) })
	try(CanReplace, func() error {
		if err := b.Put(ctx, name, second, Overwrite); err != nil {
			return err
		}
		return expect(ctx, b, name, 0, -1, second)
	})
	try(CanCreate, func() error {
		if err := b.Put(ctx, name, first, Create); err == nil {
			return odd(name, "a second object of the same name was let in")
		} else if !errors.Is(err, ErrExists) {
			return err
		}
		can, err := b.Conditional(ctx)
		r.Conditional = can && err == nil
		return err
	})
	try(CanDelete, func() error {
		if err := b.Delete(ctx, name); err != nil {
			return err
		}
		body, err := b.Get(ctx, name, 0, -1)
		if err == nil {
			body.Close()
			return odd(name, "it is there still after it was deleted")
		}
		if !errors.Is(err, ErrNotFound) {
			return err
		}
		return nil
	})
	return r
}

func expect(ctx context.Context, b Bucket, name string, offset, length int64, want []byte) error {
	have, err := ReadAll(ctx, b, name, offset, length)
	if err != nil {
		return err
	}
	if !bytes.Equal(have, want) {
		return odd(name, "other bytes came back than were written")
	}
	return nil
}

func listed(ctx context.Context, b Bucket, name string, size int64) error {
	var found []Object
	if err := b.List(ctx, name, "", func(o Object) error { found = append(found, o); return nil }); err != nil {
		return err
	}
	if len(found) != 1 || found[0].Name != name || found[0].Size != size {
		return odd(name, "it is not listed as it was written")
	}
	return nil
}

func odd(name, what string) error {
	return &Error{Op: "probe", Name: name, Kind: ErrRefused, Err: errors.New(what), Advice: "this store does not do what S3 promises: use another, or a newer version of it"}
}

// ReadAll returns what Get streams: at most [MaxObject] bytes.
func ReadAll(ctx context.Context, b Bucket, name string, offset, length int64) ([]byte, error) {
	body, err := b.Get(ctx, name, offset, length)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	have, err := io.ReadAll(io.LimitReader(body, MaxObject+1))
	if err != nil {
		return nil, err
	}
	if len(have) > MaxObject {
		return nil, &Error{Op: "get", Name: name, Kind: ErrRefused, Err: fmt.Errorf("it has more than %d bytes: it is none of ours", MaxObject)}
	}
	return have, nil
}
