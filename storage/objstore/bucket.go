// Package objstore keeps objects, which are whole runs of bytes with a name, in a bucket: a directory ([OpenDir]) or, in package
// objstore/s3, any store that speaks S3. It knows nothing of what the bytes mean and adds none of its own: an object is stored as it was given.
//
// Most callers want [Open], [Bucket], and round it [Retry] and [Limit]: Retry(Limit(bucket)), so that who waits to try again
// holds no place. [Probe] says at set-up whether a bucket can do what is needed, and what to do where it cannot.
//
// # Names
//
// A name is some parts with slashes between them. A part is made of a-z, 0-9, dot, hyphen and underscore and does not begin with a dot: names
// that every store and every file system takes as they are. See [CheckName]. No name may be the directory of another: a directory
// cannot keep both "a" and "a/b". What is below probe/ is for finding out what a bucket can do, and nobody else's.
//
// # What is created once
//
// Objects are small enough ([MaxObject]) to be sent whole, with their length and their sum: there are no parts that could be left over, and a
// name either holds all bytes or does not exist. Creating is idempotent: who creates an object again with the very same bytes, because the
// answer to the first time was lost, succeeds. So an object that must tell its maker from others holds something random.
package objstore

import (
	"context"
	"io"
	"time"
)

// Bucket is a place for objects. Its methods may be called by many at once. All errors of methods are [*Error] or join such, but for
// errors of the caller's own: those of fn and of the context. None contains credentials.
//
// What is written is seen at once: after Put returned, each Get and List that begins sees the object, after Delete returned none does.
type Bucket interface {
	// Put stores an object of at most MaxObject bytes. It is durable when Put returns nil, and body may be changed again then. When Put returns an
	// error, nothing of it or all of it may be there: put it again. With [Create], Put fails with ErrExists where the name
	// holds other bytes, and leaves them; see [Bucket.Conditional] for what that is worth. With [Overwrite] it replaces the object whole.
	Put(ctx context.Context, name string, body []byte, mode Mode) error

	// Get streams length bytes from offset, or all from offset on if length is negative. It fails with ErrNotFound, and with ErrShort
	// where the object ends before offset+length, or not after an offset above 0. The reader gives exactly what was asked for or fails: it never ends early
	// without an error. It must be closed, and fails once ctx has ended.
	Get(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error)

	// List calls fn for each object whose name begins with prefix and comes after the name after, in the byte order of names. prefix may end anywhere in a
	// name and may be empty, as may after. Objects that are put or deleted meanwhile may be listed or not. An error of fn ends it and is returned as it is.
	List(ctx context.Context, prefix, after string, fn func(Object) error) error

	// Delete removes objects, durably when it returns nil; names that are not there are no error. Where the store keeps versions of objects, all of
	// them are removed. One that the store will not let go yet (object lock) is reported as [*Retained], and no longer listed. All names are tried,
	// and the errors joined.
	Delete(ctx context.Context, names ...string) error

	// Conditional reports whether Create is decided by the store itself, so that of many who create one name at once one wins. Where it
	// is not, Put looks before it writes and reads afterwards: of two within the same second both may then believe that they won, and the later one's
	// bytes stay. The store may have to be asked, by writing an object below probe/; the answer is kept.
	Conditional(ctx context.Context) (bool, error)
}

// Mode says what Put does when the name is taken.
type Mode byte

// The modes.
const (
	Create    Mode = iota // fail, unless the bytes are the same
	Overwrite             // replace it
)

// Object is what List says of an object.
type Object struct {
	Name     string
	Size     int64     // bytes
	Modified time.Time // when it was put, by the clock of the store
}
