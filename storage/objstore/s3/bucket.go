// Package s3 keeps objects in a bucket of any store that speaks S3. It alone imports minio-go.
//
// # What is sent
//
// Only what all stores understand: version 4 signatures over the SHA-256 of the body, its length and its MD5, in one request. No chunked
// signatures, no trailing checksums, no x-amz-checksum headers, no multipart uploads, which R2, B2 and others refuse or do differently. Creating once is If-None-Match: *;
// where the store does not know that, an object is looked for before it is written and read again afterwards.
//
// An answer that is lost leaves open whether an object was stored. Putting it again finds out: a name that is taken is read and compared.
//
// # Credentials
//
// They are given, or read from a file that is read again when it changes, or from the environment; see [Credentials]. They appear in no error.
package s3

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"footfall/storage/objstore"
)

// Bucket is an [objstore.Bucket] on S3.
type Bucket struct {
	core    *minio.Core
	keys    *credentials.Credentials
	source  *source
	skew    *atomic.Int64 // by how many nanoseconds our clock is ahead of the store's
	bucket  string
	prefix  string // empty, or ends with a slash
	timeout time.Duration

	conditional fact // whether If-None-Match is known
	versioned   fact // whether the bucket says that it keeps versions
}

// Put implements [objstore.Bucket].
func (b *Bucket) Put(ctx context.Context, name string, body []byte, mode objstore.Mode) error {
	if err := objstore.Check("put", name, body); err != nil {
		return err
	}
	if mode == objstore.Overwrite {
		return b.failed(ctx, "put", name, b.send(ctx, name, body, false))
	}
	can, err := b.Conditional(ctx)
	if err != nil {
		return err
	}
	if !can {
		return b.createUnasked(ctx, name, body)
	}
	err = b.send(ctx, name, body, true)
	if !taken(err) {
		return b.failed(ctx, "put", name, err)
	}
	same, err := b.holds(ctx, name, body)
	if errors.Is(err, objstore.ErrNotFound) {
		return &objstore.Error{Op: "put", Name: name, Kind: objstore.ErrTemporary, Err: errors.New("the name was taken a moment ago, and is free now")}
	}
	if err == nil && !same {
		err = &objstore.Error{Op: "put", Name: name, Kind: objstore.ErrExists}
	}
	return err
}

// createUnasked creates an object where the store cannot be asked to do so only if the name is free.
func (b *Bucket) createUnasked(ctx context.Context, name string, body []byte) error {
	same, err := b.holds(ctx, name, body)
	if err == nil && same {
		return nil
	}
	if errors.Is(err, objstore.ErrNotFound) {
		if err := b.send(ctx, name, body, false); err != nil {
			return b.failed(ctx, "put", name, err)
		}
		same, err = b.holds(ctx, name, body)
	}
	if err == nil && !same {
		err = &objstore.Error{Op: "put", Name: name, Kind: objstore.ErrExists}
	}
	return err
}

func (b *Bucket) send(ctx context.Context, name string, body []byte, create bool) error {
	ctx, cancel := context.WithTimeout(ctx, b.timeout+time.Duration(len(body))*time.Second/slowestLine)
	defer cancel()
	options := minio.PutObjectOptions{DisableContentSha256: true, DisableMultipart: true} // the sum is given instead of computed on the way
	if create {
		options.SetMatchETagExcept("*")
	}
	sum, guard := sha256.Sum256(body), md5.Sum(body)
	_, err := b.core.PutObject(ctx, b.bucket, b.prefix+name, bytes.NewReader(body), int64(len(body)),
		base64.StdEncoding.EncodeToString(guard[:]), hex.EncodeToString(sum[:]), options)
	return err
}

// holds reports whether an object has these bytes.
func (b *Bucket) holds(ctx context.Context, name string, body []byte) (bool, error) {
	have, err := objstore.ReadAll(ctx, b, name, 0, -1)
	if errors.Is(err, objstore.ErrRefused) {
		return false, nil // larger than any object of ours
	}
	return err == nil && bytes.Equal(have, body), err
}

// Conditional implements [objstore.Bucket]: it creates an object that is left there, so that the next one to ask learns it with one request.
func (b *Bucket) Conditional(ctx context.Context) (bool, error) {
	return b.conditional.ask(ctx, func() (bool, error) {
		const name = "probe/create"
		for range 2 {
			err := b.send(ctx, name, []byte("footfall"), true)
			switch {
			case taken(err):
				return true, nil
			case unknown(err):
				return false, nil
			case err != nil:
				return false, b.failed(ctx, "probe", name, err)
			}
		}
		return false, nil // the second was let in as well
	})
}

// Get implements [objstore.Bucket].
func (b *Bucket) Get(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error) {
	if err := objstore.CheckRange(name, offset); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var options minio.GetObjectOptions
	ranged := offset > 0 || length > 0
	switch {
	case length > 0:
		options.Set("Range", fmt.Sprintf("bytes=%d-%d", offset, offset+length-1))
	case offset > 0:
		options.Set("Range", fmt.Sprintf("bytes=%d-", offset))
	}
	watched, cancel := context.WithCancelCause(ctx)
	watch := time.AfterFunc(b.timeout, func() { cancel(errStalled) })
	body, info, header, err := b.core.GetObject(watched, b.bucket, b.prefix+name, options)
	watch.Stop()
	if err != nil {
		err = b.failed(ctx, "get", name, stalled(watched, err))
		cancel(nil)
		return nil, err
	}
	r := &reader{bucket: b, name: name, body: body, ctx: ctx, watched: watched, cancel: cancel, watch: watch, left: info.Size}
	size, part := info.Size, header.Get("Content-Range")
	if ranged {
		size, err = wholeSize(part)
		if err != nil {
			r.Close()
			return nil, &objstore.Error{Op: "get", Name: name, Kind: objstore.ErrRefused, Err: err, Advice: "the store does not read parts of objects: use another"}
		}
	}
	if err := objstore.CheckSize(name, offset, length, size); err != nil {
		r.Close()
		return nil, err
	}
	if length == 0 {
		r.Close()
		return http.NoBody, nil
	}
	return r, nil
}

// wholeSize reads the size of an object from the Content-Range of a part of it: bytes 5-9/100.
func wholeSize(part string) (int64, error) {
	_, size, ok := strings.Cut(part, "/")
	n, err := strconv.ParseInt(size, 10, 64)
	if !ok || err != nil || n < 0 {
		return 0, errors.New("a part was asked for, and the answer does not say which part it is")
	}
	return n, nil
}

var errStalled = errors.New("nothing came for too long")

// stalled returns the error with which the watch ended a request, instead of that it was ended.
func stalled(watched context.Context, err error) error {
	if errors.Is(context.Cause(watched), errStalled) {
		return errStalled
	}
	return err
}

// reader is the body of an answer. A read that takes too long ends the request.
type reader struct {
	bucket  *Bucket
	name    string
	body    io.ReadCloser
	ctx     context.Context
	watched context.Context
	cancel  context.CancelCauseFunc
	watch   *time.Timer
	left    int64 // negative: unknown
}

func (r *reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	r.watch.Reset(r.bucket.timeout)
	n, err := r.body.Read(p)
	r.watch.Stop()
	if r.left >= 0 {
		r.left -= int64(n)
	}
	if err == io.EOF && r.left > 0 {
		err = io.ErrUnexpectedEOF
	}
	if err != nil && err != io.EOF {
		err = r.bucket.failed(r.ctx, "get", r.name, &lost{stalled(r.watched, err)})
	}
	return n, err
}

func (r *reader) Close() error {
	r.watch.Stop()
	r.cancel(nil)
	return r.body.Close()
}

// List implements [objstore.Bucket].
func (b *Bucket) List(ctx context.Context, prefix, after string, fn func(objstore.Object) error) error {
	if err := objstore.CheckList(prefix, after); err != nil {
		return err
	}
	for {
		page, next, err := b.page(ctx, prefix, after)
		if err != nil {
			return b.failed(ctx, "list", prefix, err)
		}
		for _, o := range page {
			if err := fn(o); err != nil {
				return err
			}
		}
		if next == "" {
			return nil
		}
		after = next
	}
}

var errDisorder = errors.New("the store does not list objects in the order of their names, or not after the name it was given")

// page returns about a thousand objects and after which name the next ones are, which is empty at the end.
func (b *Bucket) page(ctx context.Context, prefix, after string) (page []objstore.Object, next string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*b.timeout) // a listing is more work than an object
	defer cancel()
	options := minio.ListObjectsOptions{Prefix: b.prefix + prefix, Recursive: true, MaxKeys: pageSize, FetchOwner: new(bool)}
	if after != "" {
		options.StartAfter = b.prefix + after
	}
	last, seen := after, 0
	for o := range b.core.ListObjectsIter(ctx, b.bucket, options) {
		if o.Err != nil {
			return nil, "", o.Err
		}
		name := strings.TrimPrefix(o.Key, b.prefix)
		if name <= last && (seen > 0 || after != "") { // else this could go on for ever
			return nil, "", errDisorder
		}
		last = name
		if objstore.CheckName(name) == nil { // others are none of ours
			page = append(page, objstore.Object{Name: name, Size: o.Size, Modified: o.LastModified})
		}
		if seen++; seen == pageSize {
			return page, last, nil
		}
	}
	return page, "", ctx.Err() // the iterator just stops when the context has ended
}

// fact is something that the store is asked once. An error is not kept.
type fact struct {
	asking chan struct{} // holds one token; who took it may ask
	known  atomic.Pointer[bool]
}

func newFact() fact { return fact{asking: make(chan struct{}, 1)} }

func (f *fact) ask(ctx context.Context, question func() (bool, error)) (bool, error) {
	if known := f.known.Load(); known != nil {
		return *known, ctx.Err()
	}
	select {
	case f.asking <- struct{}{}:
		defer func() { <-f.asking }()
	case <-ctx.Done():
		return false, ctx.Err()
	}
	if known := f.known.Load(); known != nil {
		return *known, nil
	}
	answer, err := question()
	if err == nil {
		f.known.Store(&answer)
	}
	return answer, err
}
