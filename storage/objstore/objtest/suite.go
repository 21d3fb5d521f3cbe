// Package objtest is what tests need of buckets: the promises of [objstore.Bucket] as tests that every kind of bucket must pass ([Conform]),
// real S3 servers ([StartVersity], [StartFake]), and a proxy that makes the network between fail ([StartProxy]). It is part of no binary.
package objtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"footfall/storage/objstore"
)

// Conform tests that buckets keep what [objstore.Bucket] promises. open makes a new, empty one.
func Conform(t *testing.T, open func(t *testing.T) objstore.Bucket) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, objstore.Bucket)
	}{
		{"whole", wholeObjects},
		{"ranges", ranges},
		{"create", create},
		{"race to create", raceToCreate},
		{"overwrite is whole", overwriteIsWhole},
		{"list", list},
		{"many", many},
		{"delete", deleting},
		{"bad names", badNames},
		{"contexts", contexts},
		{"probe", probe},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, open(t)) })
	}
}

// Bytes returns n random bytes that are the same each time.
func Bytes(n int) []byte {
	var seed [32]byte
	seed[0] = byte(n)
	b := make([]byte, n)
	rand.NewChaCha8(seed).Read(b)
	return b
}

func mustPut(t *testing.T, b objstore.Bucket, name string, body []byte, mode objstore.Mode) {
	t.Helper()
	if err := b.Put(t.Context(), name, body, mode); err != nil {
		t.Fatal(err)
	}
}

func mustHold(t *testing.T, b objstore.Bucket, name string, want []byte) {
	t.Helper()
	have, err := objstore.ReadAll(t.Context(), b, name, 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(have, want) {
		t.Fatalf("%s holds %d bytes that are not the %d written", name, len(have), len(want))
	}
}

func mustFail(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("got error %v, want %v", err, want)
	}
}

// Names returns what a listing gives, but what buckets themselves keep below probe/.
func Names(t *testing.T, b objstore.Bucket, prefix, after string) []string {
	t.Helper()
	names := []string{}
	if err := b.List(t.Context(), prefix, after, func(o objstore.Object) error { names = append(names, o.Name); return nil }); err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(names, func(name string) bool { return strings.HasPrefix(name, "probe/") })
}

func wholeObjects(t *testing.T, b objstore.Bucket) {
	for _, size := range []int{0, 1, 4096, 1<<20 + 1, objstore.MaxObject} {
		name := fmt.Sprintf("dir/object-%d", size)
		mustPut(t, b, name, Bytes(size), objstore.Create)
		mustHold(t, b, name, Bytes(size))
		err := b.List(t.Context(), name, "", func(o objstore.Object) error {
			if o.Name != name || o.Size != int64(size) || o.Modified.IsZero() {
				t.Errorf("%d bytes are listed as %+v", size, o)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	err := b.Put(t.Context(), "dir/large", make([]byte, objstore.MaxObject+1), objstore.Overwrite)
	mustFail(t, err, objstore.ErrRefused)
}

func ranges(t *testing.T, b objstore.Bucket) {
	body := Bytes(100_000)
	mustPut(t, b, "object", body, objstore.Create)
	for _, r := range [][2]int64{{0, 1}, {0, 100_000}, {99_999, 1}, {50_000, 10_000}, {7, -1}, {99_999, -1}, {0, -1}, {5, 0}, {0, 0}} {
		have, err := objstore.ReadAll(t.Context(), b, "object", r[0], r[1])
		if err != nil {
			t.Fatalf("%v: %v", r, err)
		}
		want := body[r[0]:]
		if r[1] >= 0 {
			want = want[:r[1]]
		}
		if !bytes.Equal(have, want) {
			t.Errorf("%v: got %d other bytes than the %d that are there", r, len(have), len(want))
		}
	}
	for _, r := range [][2]int64{{0, 100_001}, {99_999, 2}, {100_000, 1}, {100_000, -1}, {200_000, -1}, {200_000, 5}, {200_000, 0}} {
		_, err := objstore.ReadAll(t.Context(), b, "object", r[0], r[1])
		mustFail(t, err, objstore.ErrShort)
	}
	for _, r := range [][2]int64{{0, -1}, {0, 0}, {3, 4}} {
		_, err := b.Get(t.Context(), "objec", r[0], r[1])
		mustFail(t, err, objstore.ErrNotFound)
		_, err = b.Get(t.Context(), "object/below", r[0], r[1])
		mustFail(t, err, objstore.ErrNotFound)
	}
	_, err := b.Get(t.Context(), "object", -1, 1)
	mustFail(t, err, objstore.ErrRefused)
}

func create(t *testing.T, b objstore.Bucket) {
	mustPut(t, b, "a", []byte("first"), objstore.Create)
	mustPut(t, b, "a", []byte("first"), objstore.Create)
	for _, other := range []string{"", "second", "secon", "First"} {
		mustFail(t, b.Put(t.Context(), "a", []byte(other), objstore.Create), objstore.ErrExists)
		mustHold(t, b, "a", []byte("first"))
	}
	mustPut(t, b, "empty", nil, objstore.Create)
	mustPut(t, b, "empty", nil, objstore.Create)
	mustFail(t, b.Put(t.Context(), "empty", []byte("x"), objstore.Create), objstore.ErrExists)
	mustPut(t, b, "a", []byte("second"), objstore.Overwrite)
	mustHold(t, b, "a", []byte("second"))
	if err := b.Delete(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	mustPut(t, b, "a", []byte("third"), objstore.Create)
	mustHold(t, b, "a", []byte("third"))
}

// raceToCreate holds that of many who create one name one wins and knows it, and all others know that they lost.
func raceToCreate(t *testing.T, b objstore.Bucket) {
	if can, err := b.Conditional(t.Context()); err != nil {
		t.Fatal(err)
	} else if !can {
		t.Skip("this bucket does not promise it")
	}
	for round := range 10 {
		name := fmt.Sprintf("epoch/%d", round)
		errs := make([]error, 8)
		var all sync.WaitGroup
		for i := range errs {
			all.Go(func() { errs[i] = b.Put(t.Context(), name, fmt.Appendf(nil, "claimed by %d", i), objstore.Create) })
		}
		all.Wait()
		winner := slices.Index(errs, nil)
		if winner < 0 {
			t.Fatalf("nobody won: %v", errs)
		}
		mustHold(t, b, name, fmt.Appendf(nil, "claimed by %d", winner))
		for i, err := range errs {
			if i != winner {
				mustFail(t, err, objstore.ErrExists)
			}
		}
	}
}

// overwriteIsWhole holds that who reads while others overwrite gets one of the bodies, never a mixture or a part.
func overwriteIsWhole(t *testing.T, b objstore.Bucket) {
	body := func(i int) []byte { return bytes.Repeat([]byte{byte(i)}, 1000+i*1000) }
	mustPut(t, b, "keyring", body(0), objstore.Overwrite)
	var writers sync.WaitGroup
	for w := range 2 {
		writers.Go(func() {
			for i := w; i < 40; i += 2 {
				if err := b.Put(t.Context(), "keyring", body(i), objstore.Overwrite); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 40 {
		have, err := objstore.ReadAll(t.Context(), b, "keyring", 0, -1)
		if err != nil {
			t.Error(err)
		} else if len(have) == 0 || !bytes.Equal(have, body(int(have[0]))) {
			t.Errorf("read %d bytes that nobody wrote", len(have))
		}
	}
	writers.Wait()
}

func list(t *testing.T, b objstore.Bucket) {
	if have := Names(t, b, "", ""); len(have) != 0 {
		t.Fatalf("a new bucket has %v", have)
	}
	all := []string{"a", "a-b", "a.b", "a0/z", "ab/c", "ab/c-d/e", "ab/cd", "ab/d/e/f/g", "ab/d0", "abc", "b/1", "b/10", "b/2", "z_z"}
	for _, i := range rand.Perm(len(all)) {
		mustPut(t, b, all[i], []byte(all[i]), objstore.Create)
	}
	for _, prefix := range []string{"", "a", "ab", "ab/", "ab/c", "ab/c-", "ab/d/", "ab/d/e/f", "b/1", "c", "z_z", "z_zz", "b/1/"} {
		for _, after := range append([]string{"", "0", "ab/", "ab/c-d", "ab/d/e/f/g/h", "zz"}, all...) {
			want := []string{}
			for _, name := range all {
				if strings.HasPrefix(name, prefix) && name > after {
					want = append(want, name)
				}
			}
			if have := Names(t, b, prefix, after); !slices.Equal(have, want) {
				t.Errorf("list %q after %q: got %v, want %v", prefix, after, have, want)
			}
		}
	}
	enough, calls := errors.New("enough"), 0
	err := b.List(t.Context(), "ab", "", func(objstore.Object) error {
		if calls++; calls == 2 {
			return enough
		}
		return nil
	})
	if err != enough || calls != 2 {
		t.Errorf("got error %v after %d calls, want the caller's own after 2", err, calls)
	}
}

// many holds that listing and deleting work beyond the thousand that S3 takes at a time.
func many(t *testing.T, b objstore.Bucket) {
	const n = 1100
	want := make([]string, n)
	var all sync.WaitGroup
	for w := range 8 {
		all.Go(func() {
			for i := w; i < n; i += 8 {
				want[i] = fmt.Sprintf("wal/%06d", i)
				if err := b.Put(t.Context(), want[i], []byte{1}, objstore.Create); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if have := Names(t, b, "wal/", ""); !slices.Equal(have, want) {
		t.Fatalf("got %d names, want %d", len(have), n)
	}
	if have := Names(t, b, "", want[49]); !slices.Equal(have, want[50:]) {
		t.Fatalf("after the 50th got %d names, want %d", len(have), n-50)
	}
	if err := b.Delete(t.Context(), want[:n-1]...); err != nil {
		t.Fatal(err)
	}
	if have := Names(t, b, "", ""); !slices.Equal(have, want[n-1:]) {
		t.Fatalf("%d names are left, want 1", len(have))
	}
}

func deleting(t *testing.T, b objstore.Bucket) {
	for _, name := range []string{"a", "dir/a", "dir/b", "dir/bc"} {
		mustPut(t, b, name, []byte(name), objstore.Create)
	}
	if err := b.Delete(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := b.Delete(t.Context(), "nothing", "no/dir", "a", "dir/b", "a"); err != nil {
		t.Fatal(err)
	}
	if have := Names(t, b, "", ""); !slices.Equal(have, []string{"dir/a", "dir/bc"}) {
		t.Errorf("left are %v", have)
	}
	_, err := b.Get(t.Context(), "dir/b", 0, -1)
	mustFail(t, err, objstore.ErrNotFound)
	mustHold(t, b, "dir/bc", []byte("dir/bc"))
}

func badNames(t *testing.T, b objstore.Bucket) {
	for _, name := range []string{"", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/../b", ".tmp/a", "a/.b", "A", "a b", "ä", "a\x00", "a\\b", "a%2f", strings.Repeat("a", 256), strings.Repeat("a/", 256) + "b"} {
		mustFail(t, b.Put(t.Context(), name, nil, objstore.Create), objstore.ErrRefused)
		_, err := b.Get(t.Context(), name, 0, -1)
		mustFail(t, err, objstore.ErrRefused)
		mustFail(t, b.Delete(t.Context(), name), objstore.ErrRefused)
	}
	mustFail(t, b.List(t.Context(), "../", "", func(objstore.Object) error { return nil }), objstore.ErrRefused)
	mustFail(t, b.List(t.Context(), "", "..", func(objstore.Object) error { return nil }), objstore.ErrRefused)
}

func contexts(t *testing.T, b objstore.Bucket) {
	mustPut(t, b, "a", Bytes(1<<20), objstore.Create)
	ended, end := context.WithCancel(t.Context())
	body, err := b.Get(ended, "a", 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	end()
	_, err = io.Copy(io.Discard, body)
	body.Close()
	mustFail(t, err, context.Canceled)

	mustFail(t, b.Put(ended, "b", nil, objstore.Create), context.Canceled)
	mustFail(t, b.Delete(ended, "a"), context.Canceled)
	mustFail(t, b.List(ended, "", "", func(objstore.Object) error { return nil }), context.Canceled)
	_, err = b.Get(ended, "a", 0, -1)
	mustFail(t, err, context.Canceled)
	if have := Names(t, b, "", ""); !slices.Equal(have, []string{"a"}) {
		t.Errorf("there is %v", have)
	}
}

func probe(t *testing.T, b objstore.Bucket) {
	r := objstore.Probe(t.Context(), b)
	if err := r.Err(); err != nil {
		t.Error(err)
	}
	for _, a := range []objstore.Ability{objstore.CanWrite, objstore.CanRead, objstore.CanRange, objstore.CanList, objstore.CanReplace, objstore.CanCreate, objstore.CanDelete} {
		if !r.Can(a) {
			t.Errorf("the bucket cannot %s", a)
		}
	}
	if can, err := b.Conditional(t.Context()); err != nil || can != r.Conditional {
		t.Errorf("conditional: got %v, %v; the probe says %v", can, err, r.Conditional)
	}
}
