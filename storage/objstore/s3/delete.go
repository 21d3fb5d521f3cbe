package s3

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"

	"footfall/storage/objstore"
)

// Delete implements [objstore.Bucket]. A bucket that keeps versions answers a deletion with a marker, below which the old bytes stay; then all versions
// are listed and removed one by one, and the markers last.
func (b *Bucket) Delete(ctx context.Context, names ...string) error {
	var errs []error
	var good []string
	for _, name := range names {
		if err := objstore.Check("delete", name, nil); err != nil {
			errs = append(errs, err)
		} else {
			good = append(good, name)
		}
	}
	if len(good) == 0 {
		return errors.Join(errs...)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	slices.Sort(good)
	good = slices.Compact(good)
	objects := make([]minio.ObjectInfo, len(good))
	for i, name := range good {
		objects[i] = minio.ObjectInfo{Key: b.prefix + name}
	}
	marked := map[string]bool{} // names of which versions stay
	for _, r := range b.remove(ctx, objects) {
		name := strings.TrimPrefix(r.ObjectName, b.prefix)
		if err := b.failed(ctx, "delete", name, r.Err); err != nil && !errors.Is(err, objstore.ErrNotFound) {
			errs = append(errs, err)
		} else if r.DeleteMarker {
			marked[name] = true
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if says, err := b.keepsVersions(ctx); err != nil {
		errs = append(errs, err)
	} else if says {
		for _, name := range good {
			marked[name] = true
		}
	}
	errs = append(errs, b.removeVersions(ctx, good, marked)...)
	return errors.Join(errs...)
}

// keepsVersions asks once whether the bucket keeps versions. Who may not ask goes by the markers alone.
func (b *Bucket) keepsVersions(ctx context.Context) (bool, error) {
	return b.versioned.ask(ctx, func() (bool, error) {
		asked, cancel := context.WithTimeout(ctx, b.timeout)
		defer cancel()
		config, err := b.core.GetBucketVersioning(asked, b.bucket)
		if err := b.failed(ctx, "delete", "", err); err != nil {
			if errors.Is(err, objstore.ErrTemporary) || ctx.Err() != nil {
				return false, err
			}
			return false, nil
		}
		return config.Status != "", nil
	})
}

// remove deletes objects, or versions of them, and returns what the store said of each.
func (b *Bucket) remove(ctx context.Context, objects []minio.ObjectInfo) []minio.RemoveObjectResult {
	var all []minio.RemoveObjectResult
	for chunk := range slices.Chunk(objects, pageSize) {
		all = append(all, b.removeChunk(ctx, chunk)...)
	}
	return all
}

func (b *Bucket) removeChunk(ctx context.Context, chunk []minio.ObjectInfo) []minio.RemoveObjectResult {
	ctx, cancel := context.WithTimeout(ctx, 2*b.timeout)
	defer cancel()
	results, err := b.core.RemoveObjectsWithIter(ctx, b.bucket, slices.Values(chunk), minio.RemoveObjectsOptions{})
	if err != nil {
		return []minio.RemoveObjectResult{{Err: err}}
	}
	return slices.Collect(results)
}

// removeVersions removes all versions of the marked ones of names, which are sorted, directory by directory.
func (b *Bucket) removeVersions(ctx context.Context, names []string, marked map[string]bool) []error {
	var errs []error
	for len(names) > 0 {
		n := 1
		for n < len(names) && path.Dir(names[n]) == path.Dir(names[0]) {
			n++
		}
		group := slices.DeleteFunc(slices.Clone(names[:n]), func(name string) bool { return !marked[name] })
		names = names[n:]
		for len(group) > 0 {
			more, groupErrs := b.removeGroup(ctx, group)
			errs = append(errs, groupErrs...)
			if !more || len(groupErrs) > 0 {
				break
			}
		}
	}
	return errs
}

// removeGroup removes at most maxVersions versions of objects in one directory, and reports whether there may be more.
func (b *Bucket) removeGroup(ctx context.Context, group []string) (more bool, errs []error) {
	versions, markers, more, err := b.versions(ctx, group)
	if err := b.failed(ctx, "delete", group[0], err); err != nil {
		var e *objstore.Error
		if errors.As(err, &e) && errors.Is(err, objstore.ErrDenied) {
			e.Advice = "the bucket keeps versions: let these credentials list and delete them (s3:ListBucketVersions, s3:DeleteObjectVersion)"
		}
		return false, []error{err}
	}
	kept := map[string]bool{}
	for _, r := range b.remove(ctx, versions) {
		if r.Err == nil {
			continue
		}
		name := strings.TrimPrefix(r.ObjectName, b.prefix)
		err := b.why(ctx, name, r)
		if errors.Is(err, objstore.ErrNotFound) {
			continue
		}
		if !kept[name] {
			errs = append(errs, err)
		}
		kept[name] = true
	}
	markers = slices.DeleteFunc(markers, func(o minio.ObjectInfo) bool { return kept[strings.TrimPrefix(o.Key, b.prefix)] })
	for _, r := range b.remove(ctx, markers) {
		if err := b.failed(ctx, "delete", strings.TrimPrefix(r.ObjectName, b.prefix), r.Err); err != nil && !errors.Is(err, objstore.ErrNotFound) {
			errs = append(errs, err)
		}
	}
	return more, errs
}

// versions lists the versions of objects in one directory, and apart from them the markers of deletions.
func (b *Bucket) versions(ctx context.Context, group []string) (versions, markers []minio.ObjectInfo, more bool, err error) {
	first, last := group[0], group[len(group)-1]
	common := 0
	for common < min(len(first), len(last)) && first[common] == last[common] {
		common++
	}
	watched, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watch := time.AfterFunc(2*b.timeout, func() { cancel(errStalled) })
	defer watch.Stop()
	options := minio.ListObjectsOptions{WithVersions: true, Recursive: true, Prefix: b.prefix + first[:common], MaxKeys: pageSize}
	for o := range b.core.ListObjectsIter(watched, b.bucket, options) {
		watch.Reset(2 * b.timeout)
		if o.Err != nil {
			return nil, nil, false, stalled(watched, o.Err)
		}
		if _, ok := slices.BinarySearch(group, strings.TrimPrefix(o.Key, b.prefix)); !ok {
			continue
		}
		if len(versions)+len(markers) == maxVersions {
			return versions, markers, true, nil
		}
		object := minio.ObjectInfo{Key: o.Key, VersionID: o.VersionID}
		if o.IsDeleteMarker {
			markers = append(markers, object)
		} else {
			versions = append(versions, object)
		}
	}
	return versions, markers, false, stalled(watched, watched.Err())
}

// why says why a version could not be removed: a lock of the bucket's, or something else.
func (b *Bucket) why(ctx context.Context, name string, r minio.RemoveObjectResult) error {
	asked, cancel := context.WithTimeout(ctx, b.timeout)
	defer cancel()
	_, until, err := b.core.GetObjectRetention(asked, b.bucket, r.ObjectName, r.ObjectVersionID)
	if err == nil && until != nil && time.Until(*until) > 0 {
		return &objstore.Retained{Name: name, Until: *until}
	}
	hold, err := b.core.GetObjectLegalHold(asked, b.bucket, r.ObjectName, minio.GetObjectLegalHoldOptions{VersionID: r.ObjectVersionID})
	if err == nil && hold != nil && *hold == minio.LegalHoldEnabled {
		return &objstore.Retained{Name: name}
	}
	err = b.failed(ctx, "delete", name, r.Err)
	var e *objstore.Error
	if errors.As(err, &e) && errors.Is(err, objstore.ErrDenied) {
		e.Advice = fmt.Sprintf("version %s of it stays: let these credentials delete versions (s3:DeleteObjectVersion)", r.ObjectVersionID)
	}
	return err
}
