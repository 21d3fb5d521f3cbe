package objstore

import (
	"context"
	"io"
	"sync"
	"time"
)

// LimitConfig says how much of the line and of the store [Limit] leaves to others. 0 is no limit.
type LimitConfig struct {
	AtOnce         int   // objects sent or read at a time: from the call to its end, or to the closing of the reader
	BytesPerSecond int64 // of objects, on average, both ways together. An object is sent in one go and the next one waits
}

// Limit returns a bucket that sends and reads no more than cfg allows. Listing and deleting carry no bytes and are not limited.
func Limit(b Bucket, cfg LimitConfig) Bucket {
	l := &limited{Bucket: b}
	if cfg.AtOnce > 0 {
		l.places = make(chan struct{}, cfg.AtOnce)
	}
	if cfg.BytesPerSecond > 0 {
		l.pace = &pace{perByte: float64(time.Second) / float64(cfg.BytesPerSecond)}
	}
	return l
}

type limited struct {
	Bucket
	places chan struct{} // nil: no limit
	pace   *pace         // nil: no limit
}

func (l *limited) enter(ctx context.Context) error {
	if l.places == nil {
		return ctx.Err()
	}
	select {
	case l.places <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l *limited) leave() {
	if l.places != nil {
		<-l.places
	}
}

func (l *limited) Put(ctx context.Context, name string, body []byte, mode Mode) error {
	if err := l.enter(ctx); err != nil {
		return err
	}
	defer l.leave()
	if err := l.pace.pay(ctx, len(body)); err != nil {
		return err
	}
	return l.Bucket.Put(ctx, name, body, mode)
}

func (l *limited) Get(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error) {
	if err := l.enter(ctx); err != nil {
		return nil, err
	}
	body, err := l.Bucket.Get(ctx, name, offset, length)
	if err != nil {
		l.leave()
		return nil, err
	}
	return &limitedReader{ctx: ctx, limited: l, ReadCloser: body}, nil
}

type limitedReader struct {
	ctx     context.Context
	limited *limited
	once    sync.Once
	io.ReadCloser
}

func (r *limitedReader) Read(p []byte) (int, error) {
	if r.limited.pace != nil && len(p) > pacedRead {
		p = p[:pacedRead]
	}
	n, err := r.ReadCloser.Read(p)
	if paid := r.limited.pace.pay(r.ctx, n); paid != nil && err == nil {
		err = paid
	}
	return n, err
}

func (r *limitedReader) Close() error {
	r.once.Do(r.limited.leave)
	return r.ReadCloser.Close()
}

// pace lets bytes through at a steady rate. Who comes pays for those before: the first bytes after a rest go at once.
type pace struct {
	perByte float64 // nanoseconds

	mu   sync.Mutex
	free time.Time // when all that was let through will have been paid for; guarded by mu
}

func (p *pace) pay(ctx context.Context, n int) error {
	if p == nil || n == 0 {
		return nil
	}
	cost := time.Duration(float64(n) * p.perByte)
	p.mu.Lock()
	now := time.Now()
	if p.free.Before(now) {
		p.free = now
	}
	wait := p.free.Sub(now)
	p.free = p.free.Add(cost)
	p.mu.Unlock()
	if wait == 0 {
		return nil
	}
	err := sleep(ctx, wait)
	if err != nil {
		p.mu.Lock()
		p.free = p.free.Add(-cost) // these bytes will not go
		p.mu.Unlock()
	}
	return err
}
