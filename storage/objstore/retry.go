package objstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"time"
)

// RetryConfig says how patient [Retry] is.
type RetryConfig struct {
	Attempts int                              // of one call, or of one place in an object that is read; 0: until the context ends
	Denied   bool                             // try again after ErrDenied too, with the longest pause: for those who can wait until someone renews the credentials
	Base     time.Duration                    // bound of the first pause, which doubles; 0: half a second
	Cap      time.Duration                    // bound of all pauses; 0: a minute
	Rand     func() float64                   // in [0, 1); nil: random
	Failed   func(err error, p time.Duration) // is told each failure and the pause that follows; may be nil, may be called by many at once
}

// Retry returns a bucket that does again what failed with [ErrTemporary]. Pauses are random, so that many who failed together do not come back
// together, and at least as long as the store asks for. An object that breaks off is read on from where it broke; this is sound for objects that are never
// overwritten, and of others the reader must be able to tell a mixture. A listing goes on after the last name it gave.
func Retry(b Bucket, cfg RetryConfig) Bucket {
	if cfg.Base <= 0 {
		cfg.Base = retryBase
	}
	if cfg.Cap <= 0 {
		cfg.Cap = retryCap
	}
	if cfg.Rand == nil {
		cfg.Rand = rand.Float64
	}
	return &retrying{bucket: b, cfg: cfg}
}

type retrying struct {
	bucket Bucket
	cfg    RetryConfig
}

// patience counts the failures of one call since it last got anywhere.
type patience struct {
	*retrying
	failures int
}

// wait returns nil after the pause that is due after err, and otherwise what the call shall return.
func (p *patience) wait(ctx context.Context, err error) error {
	denied := p.cfg.Denied && errors.Is(err, ErrDenied)
	if ctx.Err() != nil || !denied && !errors.Is(err, ErrTemporary) {
		return err
	}
	p.failures++
	if p.cfg.Attempts > 0 && p.failures >= p.cfg.Attempts {
		if p.failures > 1 {
			err = fmt.Errorf("%w (tried %d times)", err, p.failures)
		}
		return err
	}
	pause := p.pause(err, denied)
	if p.cfg.Failed != nil {
		p.cfg.Failed(err, pause)
	}
	if ended := sleep(ctx, pause); ended != nil {
		return fmt.Errorf("%w while waiting to try again: %w", ended, err)
	}
	return nil
}

func (p *patience) pause(err error, denied bool) time.Duration {
	if denied {
		return p.cfg.Cap
	}
	bound := p.cfg.Base
	for i := 1; i < p.failures && bound < p.cfg.Cap; i++ {
		bound *= 2
	}
	pause := time.Duration(p.cfg.Rand() * float64(min(bound, p.cfg.Cap)))
	var said *Error
	if errors.As(err, &said) {
		pause = max(pause, min(said.After, maxAfter))
	}
	return pause
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

func (r *retrying) do(ctx context.Context, try func() error) error {
	p := patience{retrying: r}
	for {
		err := try()
		if err == nil {
			return nil
		}
		if err := p.wait(ctx, err); err != nil {
			return err
		}
	}
}

func (r *retrying) Put(ctx context.Context, name string, body []byte, mode Mode) error {
	return r.do(ctx, func() error { return r.bucket.Put(ctx, name, body, mode) })
}

func (r *retrying) Delete(ctx context.Context, names ...string) error {
	return r.do(ctx, func() error { return r.bucket.Delete(ctx, names...) })
}

func (r *retrying) Conditional(ctx context.Context) (can bool, err error) {
	err = r.do(ctx, func() (err error) {
		can, err = r.bucket.Conditional(ctx)
		return err
	})
	return can, err
}

// callers is an error of the caller's own, which is never tried again whatever it wraps.
type callers struct{ err error }

func (c *callers) Error() string { return c.err.Error() }

func (r *retrying) List(ctx context.Context, prefix, after string, fn func(Object) error) error {
	p := patience{retrying: r}
	for {
		err := r.bucket.List(ctx, prefix, after, func(o Object) error {
			if err := fn(o); err != nil {
				return &callers{err}
			}
			after, p.failures = o.Name, 0
			return nil
		})
		if err == nil {
			return nil
		}
		var own *callers
		if errors.As(err, &own) {
			return own.err
		}
		if err := p.wait(ctx, err); err != nil {
			return err
		}
	}
}

func (r *retrying) Get(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error) {
	body := &resuming{patience: patience{retrying: r}, ctx: ctx, name: name, at: offset, left: length}
	for {
		err := body.open()
		if err == nil {
			return body, nil
		}
		if err := body.wait(ctx, err); err != nil {
			return nil, err
		}
	}
}

// resuming reads on where a reader broke off.
type resuming struct {
	patience
	ctx    context.Context
	name   string
	at     int64
	left   int64 // negative: all
	body   io.ReadCloser
	closed bool
}

func (b *resuming) open() error {
	body, err := b.bucket.Get(b.ctx, b.name, b.at, b.left)
	if err == nil {
		b.body = body
	}
	return err
}

func (b *resuming) Read(p []byte) (int, error) {
	if b.closed {
		return 0, errors.New("the reader of the object is closed")
	}
	for {
		if b.left == 0 {
			return 0, io.EOF
		}
		n, err := 0, error(nil)
		if b.body == nil {
			err = b.open()
		}
		if err == nil {
			n, err = b.body.Read(p)
		}
		if n > 0 {
			b.at += int64(n)
			if b.left > 0 {
				b.left -= int64(n)
			}
			b.failures = 0
		}
		if err == nil || err == io.EOF {
			return n, err
		}
		b.drop()
		if n > 0 {
			return n, nil
		}
		if err := b.wait(b.ctx, err); err != nil {
			return 0, err
		}
	}
}

func (b *resuming) drop() {
	if b.body != nil {
		b.body.Close()
		b.body = nil
	}
}

func (b *resuming) Close() error {
	b.closed = true
	b.drop()
	return nil
}
