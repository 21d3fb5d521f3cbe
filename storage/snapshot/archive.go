package snapshot

import (
	"archive/tar"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"

	"footfall/storage/file"
	"footfall/storage/objstore"
	"footfall/storage/seal"
)

// Archiving says what a single file is made of.
type Archiving struct {
	DB       *file.DB
	Vault    *seal.Vault
	Name     string           // of the point, may be empty
	Now      func() time.Time // nil for the clock
	Progress func(done int64) // bytes that were written; may be nil
}

// WriteArchive writes a snapshot of what is stored now as one stream: a tar of the very objects that a bucket would hold, of epoch 1 and with one manifest. It is
// written in one pass, with a few packs in memory, while the store goes on. [OpenArchive] opens the file.
func WriteArchive(ctx context.Context, out io.Writer, job Archiving) (Point, error) {
	if len(job.Name) > maxName {
		return Point{}, errLongName(job.Name)
	}
	if job.Now == nil {
		job.Now = time.Now
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	bucket := &writing{out: tar.NewWriter(out), job: &job, stop: stop}
	w := &session{Stream: New(Config{Bucket: bucket, DB: job.DB, Vault: job.Vault, Now: job.Now}), epoch: 1, index: newIndex()}
	point, err := w.archive(ctx, job.Name)
	if err == nil {
		err = bucket.out.Close()
	} else if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	if err != nil {
		return Point{}, fmt.Errorf("write archive: %w", err)
	}
	return point, nil
}

// archive streams once, from an empty bucket to the first manifest.
func (w *session) archive(ctx context.Context, name string) (Point, error) {
	mine := claimed{time: w.cfg.Now()}
	rand.Read(mine.run[:])
	if err := w.put(ctx, epochName(w.epoch), w.sealer.Seal(nil, mine.encode(), place(epochName(w.epoch), typeClaim)), objstore.Create); err != nil {
		return Point{}, err
	}
	if err := w.putKeys(ctx); err != nil {
		return Point{}, err
	}
	w.feed = w.cfg.DB.Follow(true)
	defer w.feed.Stop()
	if err := w.flush(ctx); err != nil {
		return Point{}, err
	}
	return w.list(ctx, name)
}

// writing is a bucket that is written into a tar, each object behind the other. What fails ends all: there is nothing that could be tried again.
type writing struct {
	out  *tar.Writer
	job  *Archiving
	done int64
	stop context.CancelCauseFunc
}

func (b *writing) Put(_ context.Context, name string, body []byte, _ objstore.Mode) error {
	err := b.out.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(body)), Mode: 0o600, ModTime: b.job.Now().Truncate(time.Second), Format: tar.FormatUSTAR})
	if err == nil {
		_, err = b.out.Write(body)
	}
	if err == nil {
		err = b.out.Flush()
	}
	if err != nil {
		b.stop(err)
		return err
	}
	if b.done += int64(len(body)); b.job.Progress != nil {
		b.job.Progress(b.done)
	}
	return nil
}

// Delete is called where a site was removed after its key was written.
func (b *writing) Delete(context.Context, ...string) error {
	err := errors.New("a site was removed meanwhile, and its key is in what was written already: delete that, and begin again")
	b.stop(err)
	return err
}

func (b *writing) Get(_ context.Context, name string, _, _ int64) (io.ReadCloser, error) {
	return nil, &objstore.Error{Op: "get", Name: name, Kind: objstore.ErrNotFound}
}

func (b *writing) List(context.Context, string, string, func(objstore.Object) error) error {
	return nil
}

func (b *writing) Conditional(context.Context) (bool, error) { return true, nil }

// Archive is the bucket in a file that [WriteArchive] wrote. Nothing can be written to it. Methods may be called by many at once.
type Archive struct {
	objects []packed // by name

	mu     sync.RWMutex // held while the file is read, and by Close
	file   io.ReaderAt
	closer io.Closer
}

// packed is an object in an archive.
type packed struct {
	objstore.Object
	at int64
}

// OpenArchive opens a file, and finds out what is in it by going through it once.
func OpenArchive(path string) (*Archive, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open archive: %w", err)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is no file: write what comes out of a pipe into one first", path)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open archive: %w", err), f.Close())
	}
	a, err := readArchive(f, info.Size())
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open archive %s: %w", path, err), f.Close())
	}
	a.closer = f
	return a, nil
}

// errNoArchive is the beginning of what is said of a file that is none.
var errNoArchive = errors.New("this is no snapshot that was written to a file")

// readArchive goes through a tar of size bytes.
func readArchive(from io.ReaderAt, size int64) (*Archive, error) {
	a := &Archive{file: from}
	section := io.NewSectionReader(from, 0, size)
	r := tar.NewReader(section) // it reads header by header, and seeks beyond what is between them
	names := map[string]int{}
	end := int64(0) // of the last object, with what fills its last block
	for {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, damaged("the file", "it is cut off: it has %d bytes, and the object that begins before byte %d is not whole", size, max(end, 1))
		}
		at, seekErr := section.Seek(0, io.SeekCurrent)
		switch {
		case seekErr != nil:
			return nil, seekErr
		case err != nil && end == 0:
			return nil, fmt.Errorf("%w: %w", errNoArchive, err)
		case err != nil:
			return nil, damaged("the file", "after byte %d it cannot be read: %v", end, err)
		case h.Typeflag != tar.TypeReg || h.Format != tar.FormatUSTAR || !strings.HasPrefix(h.Name, "v1/") || objstore.CheckName(h.Name) != nil:
			return nil, fmt.Errorf("%w: there is something else in it", errNoArchive)
		case h.Size > objstore.MaxObject:
			return nil, damaged(h.Name, "it has %d bytes, at most %d are possible", h.Size, objstore.MaxObject)
		case at+h.Size > size:
			return nil, damaged("the file", "it is cut off: it has %d bytes, and %s would end at byte %d", size, h.Name, at+h.Size)
		case len(a.objects) == maxArchived:
			return nil, fmt.Errorf("%w: it holds more than %d objects", errNoArchive, maxArchived)
		}
		end = at + (h.Size+tarBlock-1)/tarBlock*tarBlock
		o := packed{objstore.Object{Name: h.Name, Size: h.Size, Modified: h.ModTime}, at}
		if i, ok := names[h.Name]; ok { // it was replaced
			a.objects[i] = o
			continue
		}
		names[h.Name] = len(a.objects)
		a.objects = append(a.objects, o)
	}
	if size < end+2*tarBlock {
		return nil, damaged("the file", "it is cut off after %d bytes: its end is missing", size)
	}
	if len(a.objects) == 0 {
		return nil, fmt.Errorf("%w: it is empty", errNoArchive)
	}
	slices.SortFunc(a.objects, func(a, b packed) int { return strings.Compare(a.Name, b.Name) })
	return a, nil
}

// Close closes the file. What is being read ends with an error.
func (a *Archive) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.file == nil || a.closer == nil {
		return nil
	}
	a.file = nil
	return a.closer.Close()
}

// find returns where name is, or would be.
func (a *Archive) find(name string) (i int, ok bool) {
	return sort.Find(len(a.objects), func(i int) int { return strings.Compare(name, a.objects[i].Name) })
}

// Get implements [objstore.Bucket].
func (a *Archive) Get(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error) {
	if err := objstore.CheckRange(name, offset); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	i, ok := a.find(name)
	if !ok {
		return nil, &objstore.Error{Op: "get", Name: name, Kind: objstore.ErrNotFound}
	}
	o := a.objects[i]
	if err := objstore.CheckSize(name, offset, length, o.Size); err != nil {
		return nil, err
	}
	if length < 0 {
		length = o.Size - offset
	}
	return &archived{ctx: ctx, archive: a, name: name, at: o.at + offset, left: length}, nil
}

// archived reads an object.
type archived struct {
	ctx     context.Context
	archive *Archive
	name    string
	at      int64
	left    int64
}

func (r *archived) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	if r.left == 0 {
		return 0, io.EOF
	}
	r.archive.mu.RLock()
	defer r.archive.mu.RUnlock()
	if r.archive.file == nil {
		return 0, &objstore.Error{Op: "get", Name: r.name, Kind: objstore.ErrTemporary, Err: os.ErrClosed}
	}
	n, err := r.archive.file.ReadAt(p[:min(int64(len(p)), r.left)], r.at)
	r.at += int64(n)
	r.left -= int64(n)
	switch {
	case n > 0:
		return n, nil
	case err == io.EOF:
		err = &objstore.Error{Op: "get", Name: r.name, Kind: objstore.ErrShort}
	case err != nil:
		err = &objstore.Error{Op: "get", Name: r.name, Kind: objstore.ErrTemporary, Err: err}
	}
	return 0, err
}

func (r *archived) Close() error { return nil }

// List implements [objstore.Bucket].
func (a *Archive) List(ctx context.Context, prefix, after string, fn func(objstore.Object) error) error {
	if err := objstore.CheckList(prefix, after); err != nil {
		return err
	}
	i, _ := a.find(prefix)
	for ; i < len(a.objects) && strings.HasPrefix(a.objects[i].Name, prefix); i++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		if a.objects[i].Name > after {
			if err := fn(a.objects[i].Object); err != nil {
				return err
			}
		}
	}
	return nil
}

var errReadOnly = errors.New("an archive is written once")

// Put implements [objstore.Bucket]: it fails.
func (a *Archive) Put(_ context.Context, name string, _ []byte, _ objstore.Mode) error {
	return &objstore.Error{Op: "put", Name: name, Kind: objstore.ErrRefused, Err: errReadOnly}
}

// Delete implements [objstore.Bucket]: it fails.
func (a *Archive) Delete(context.Context, ...string) error {
	return &objstore.Error{Op: "delete", Kind: objstore.ErrRefused, Err: errReadOnly}
}

// Conditional implements [objstore.Bucket].
func (a *Archive) Conditional(context.Context) (bool, error) { return false, nil }
