package objstore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"footfall/storage/objstore"
)

// scripted fails as its errors say, in order, and then passes everything on.
type scripted struct {
	objstore.Bucket
	errs  []error
	calls int
}

func (s *scripted) next() error {
	s.calls++
	if len(s.errs) == 0 {
		return nil
	}
	err := s.errs[0]
	s.errs = s.errs[1:]
	return err
}

func (s *scripted) Put(ctx context.Context, name string, body []byte, mode objstore.Mode) error {
	if err := s.next(); err != nil {
		return err
	}
	return s.Bucket.Put(ctx, name, body, mode)
}

func (s *scripted) Get(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error) {
	if err := s.next(); err != nil {
		return nil, err
	}
	return s.Bucket.Get(ctx, name, offset, length)
}

// List gives two names and then fails as the script says.
func (s *scripted) List(ctx context.Context, prefix, after string, fn func(objstore.Object) error) error {
	err, given := s.next(), 0
	return s.Bucket.List(ctx, prefix, after, func(o objstore.Object) error {
		if given++; err != nil && given > 2 {
			return err
		}
		return fn(o)
	})
}

func busy(after time.Duration) error {
	return &objstore.Error{Op: "put", Name: "a", Kind: objstore.ErrTemporary, After: after}
}

func denied() error { return &objstore.Error{Op: "put", Name: "a", Kind: objstore.ErrDenied} }

// paused runs a Put that fails as errs say, with chance for random, and returns how long it waited before each other try.
func paused(t *testing.T, cfg objstore.RetryConfig, chance float64, errs ...error) (pauses []time.Duration, err error) {
	t.Helper()
	dir, _ := openDir(t)
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{Bucket: dir, errs: errs}
		cfg.Rand = func() float64 { return chance }
		last := time.Now()
		cfg.Failed = func(_ error, p time.Duration) {
			pauses = append(pauses, p)
			if len(pauses) > 1 && time.Since(last) != pauses[len(pauses)-2] {
				t.Errorf("it waited %v, not the %v it said", time.Since(last), pauses[len(pauses)-2])
			}
			last = time.Now()
		}
		err = objstore.Retry(s, cfg).Put(t.Context(), "a", nil, objstore.Create)
	})
	return pauses, err
}

func TestRetryPauses(t *testing.T) {
	many := slices.Repeat([]error{busy(0)}, 12)
	s := time.Second
	full := []time.Duration{s / 2, s, 2 * s, 4 * s, 8 * s, 16 * s, 32 * s, 60 * s, 60 * s, 60 * s, 60 * s, 60 * s}
	if have, err := paused(t, objstore.RetryConfig{}, 1, many...); err != nil || !slices.Equal(have, full) {
		t.Errorf("at most: %v, %v", have, err)
	}
	half := make([]time.Duration, len(full))
	for i := range full {
		half[i] = full[i] / 2
	}
	if have, err := paused(t, objstore.RetryConfig{}, 0.5, many...); err != nil || !slices.Equal(have, half) {
		t.Errorf("half: %v, %v", have, err)
	}
	if have, err := paused(t, objstore.RetryConfig{Base: 3 * s, Cap: 5 * s}, 1, many[:3]...); err != nil || !slices.Equal(have, []time.Duration{3 * s, 5 * s, 5 * s}) {
		t.Errorf("of our own: %v, %v", have, err)
	}
	// What the store asks for counts where it is longer, but not for ever; what asks for nothing goes on where it was.
	if have, err := paused(t, objstore.RetryConfig{}, 1, busy(7*s), busy(0), busy(time.Hour), fmt.Errorf("around: %w", busy(9*s))); err != nil || !slices.Equal(have, []time.Duration{7 * s, s, 600 * s, 9 * s}) {
		t.Errorf("asked for: %v, %v", have, err)
	}
	if have, err := paused(t, objstore.RetryConfig{Denied: true}, 0.1, denied(), busy(0), denied()); err != nil || !slices.Equal(have, []time.Duration{60 * s, s / 10, 60 * s}) {
		t.Errorf("denied: %v, %v", have, err)
	}
}

func TestRetryEnds(t *testing.T) {
	have, err := paused(t, objstore.RetryConfig{Attempts: 3}, 1, busy(0), busy(0), busy(0))
	if !errors.Is(err, objstore.ErrTemporary) || !strings.Contains(err.Error(), "tried 3 times") || len(have) != 2 {
		t.Errorf("after 3 attempts: %v, %v", have, err)
	}
	for _, kind := range []error{objstore.ErrDenied, objstore.ErrRefused, objstore.ErrExists, objstore.ErrNotFound, objstore.ErrShort} {
		if have, err := paused(t, objstore.RetryConfig{}, 1, &objstore.Error{Op: "put", Kind: kind}); !errors.Is(err, kind) || len(have) != 0 {
			t.Errorf("%v: %v, %v", kind, have, err)
		}
	}
	kept := errors.Join(&objstore.Retained{Name: "a"}, &objstore.Retained{Name: "b"})
	if have, err := paused(t, objstore.RetryConfig{}, 1, kept); err != kept || len(have) != 0 {
		t.Errorf("retained: %v, %v", have, err)
	}

	dir, _ := openDir(t)
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{Bucket: dir, errs: slices.Repeat([]error{busy(0)}, 1000)}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		began := time.Now()
		err := objstore.Retry(s, objstore.RetryConfig{}).Put(ctx, "a", nil, objstore.Create)
		if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, objstore.ErrTemporary) || time.Since(began) != 10*time.Minute {
			t.Errorf("with a deadline: %v after %v", err, time.Since(began))
		}
	})
}

func TestRetryList(t *testing.T) {
	dir, _ := openDir(t)
	want := []string{"a", "b", "c", "d", "e", "f", "g"}
	for _, name := range want {
		if err := dir.Put(t.Context(), name, nil, objstore.Create); err != nil {
			t.Fatal(err)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{Bucket: dir, errs: slices.Repeat([]error{busy(0)}, 3)}
		var have []string
		b := objstore.Retry(s, objstore.RetryConfig{Attempts: 2})
		if err := b.List(t.Context(), "", "", func(o objstore.Object) error { have = append(have, o.Name); return nil }); err != nil {
			t.Fatal(err) // it gets on each time, so two attempts are enough
		}
		if !slices.Equal(have, want) || s.calls != 4 {
			t.Errorf("got %v with %d calls", have, s.calls)
		}
		s.calls = 0
		own := fmt.Errorf("my own: %w", busy(0))
		if err := b.List(t.Context(), "", "", func(objstore.Object) error { return own }); err != own || s.calls != 1 {
			t.Errorf("got error %v after %d calls, want the caller's own", err, s.calls)
		}
	})
}

// breaking gives readers that break off after so many bytes.
type breaking struct {
	objstore.Bucket
	after int64
	gets  int
}

func (b *breaking) Get(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error) {
	b.gets++
	body, err := b.Bucket.Get(ctx, name, offset, length)
	if err != nil {
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{io.MultiReader(io.LimitReader(body, b.after), failing{}), body}, nil
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, busy(0) }

func TestRetryGet(t *testing.T) {
	dir, _ := openDir(t)
	whole := bytes.Repeat([]byte("0123456789"), 100)
	if err := dir.Put(t.Context(), "a", whole, objstore.Create); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		for _, part := range [][2]int64{{0, 1000}, {300, 699}, {0, 0}} {
			s := &breaking{Bucket: dir, after: 7}
			have, err := objstore.ReadAll(t.Context(), objstore.Retry(s, objstore.RetryConfig{Attempts: 2}), "a", part[0], part[1])
			if want := whole[part[0] : part[0]+part[1]]; err != nil || !bytes.Equal(have, want) {
				t.Errorf("%v: got %d bytes after %d readers, %v", part, len(have), s.gets, err)
			}
		}
		stuck := &breaking{Bucket: dir, after: 0}
		_, err := objstore.ReadAll(t.Context(), objstore.Retry(stuck, objstore.RetryConfig{Attempts: 4}), "a", 0, 10)
		if !errors.Is(err, objstore.ErrTemporary) || stuck.gets != 4 {
			t.Errorf("that gets nowhere: %v after %d readers", err, stuck.gets)
		}
		if _, err := objstore.Retry(dir, objstore.RetryConfig{}).Get(t.Context(), "b", 0, -1); !errors.Is(err, objstore.ErrNotFound) {
			t.Errorf("got error %v", err)
		}
	})
}
