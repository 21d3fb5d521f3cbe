package file_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"footfall/storage/file"
)

func BenchmarkSubmit(b *testing.B) {
	for _, kind := range []string{"waiters=1", "waiters=32", "waiters=256", "waiters=32/followed", "waiters=256/followed"} {
		b.Run(kind, func(b *testing.B) {
			var waiters int
			fmt.Sscanf(kind, "waiters=%d", &waiters)
			db := mustCreate(b, file.Config{})
			if strings.HasSuffix(kind, "followed") {
				f := db.Follow(true)
				defer f.Stop()
				ctx, cancel := context.WithCancel(context.Background())
				var taker sync.WaitGroup
				defer taker.Wait()
				defer cancel()
				taker.Go(func() { take(ctx, f) })
			}
			value := make([]byte, 300)
			var next atomic.Uint64
			b.ResetTimer()
			var wg sync.WaitGroup
			for range waiters {
				wg.Go(func() {
					for {
						n := next.Add(1)
						if n > uint64(b.N) {
							return
						}
						err := db.Commit(context.Background(), func(tx *file.Tx) error {
							return tx.Put(file.Journal, number(n), value)
						})
						if err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.StopTimer()
			s := db.Stats()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ops/s")
			b.ReportMetric(float64(s.Ops)/float64(s.Commits), "ops/commit")
		})
	}
}

// take takes what comes and goes on at once, which is far more often than a stream to a bucket does.
func take(ctx context.Context, f *file.Feed) {
	var buf []byte
	for {
		select {
		case <-ctx.Done():
			return
		case <-f.Changed():
		}
		buf = buf[:0]
		_, _, err := f.Take(ctx, 4<<20, func(c file.Change) error { buf = append(append(buf, c.Key...), c.Value...); return nil })
		if err != nil {
			return
		}
	}
}

func benchFile(b *testing.B, values, size int) (*file.DB, string) {
	path := b.TempDir() + "/footfall.db"
	db := mustCreate(b, file.Config{Path: path})
	pending := make([]*file.Pending, values)
	for i := range pending {
		pending[i] = db.Submit(file.Op{Write: func(tx *file.Tx) error { return tx.Put(file.Days, number(uint64(i)), make([]byte, size)) }})
		if i%100 == 99 {
			pending[i].Wait(context.Background())
		}
	}
	for _, p := range pending {
		if err := p.Wait(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
	return db, path
}

func BenchmarkScan(b *testing.B) {
	for _, size := range []int{300, 65_000} {
		b.Run(fmt.Sprintf("value=%d", size), func(b *testing.B) {
			values := (64 << 20) / size
			db, _ := benchFile(b, values, size)
			b.SetBytes(int64(values * size))
			for b.Loop() {
				err := db.Scan(context.Background(), file.Days, nil, func(_, _ []byte) error { return nil })
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkGet(b *testing.B) {
	db, _ := benchFile(b, 1000, 65_000)
	b.SetBytes(65_000)
	for i := uint64(0); b.Loop(); i++ {
		if _, err := db.Get(file.Days, number(i%1000)); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkOpen is the start time that the structure check and bbolt's free-page scan cost, on a warm file.
func BenchmarkOpen(b *testing.B) {
	for _, size := range []int{300, 65_000} {
		b.Run(fmt.Sprintf("256MiB/value=%d", size), func(b *testing.B) {
			db, path := benchFile(b, (256<<20)/size, size)
			db.Close()
			for b.Loop() {
				db, err := file.Open(file.Config{Path: path})
				if err != nil {
					b.Fatal(err)
				}
				db.Close()
			}
		})
	}
}

// BenchmarkCompact compacts a file of 256 MB, half of it free, while four writers go on; the waits are those of single commits.
func BenchmarkCompact(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		db, _ := benchFile(b, 4000, 64_000)
		err := db.Commit(context.Background(), func(tx *file.Tx) error {
			for i := range uint64(2000) {
				if err := tx.Delete(file.Days, number(2*i)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
		stop := make(chan struct{})
		var writers sync.WaitGroup
		waits := make([][]time.Duration, 4)
		for w := range waits {
			writers.Go(func() {
				for n := uint64(0); ; n++ {
					select {
					case <-stop:
						return
					default:
					}
					began := time.Now()
					err := db.Commit(context.Background(), func(tx *file.Tx) error {
						return tx.Put(file.Journal, number(uint64(w)<<32|n), make([]byte, 300))
					})
					if err != nil {
						b.Error(err)
						return
					}
					waits[w] = append(waits[w], time.Since(began))
				}
			})
		}
		b.StartTimer()
		done := mustCompact(b, db)
		b.StopTimer()
		close(stop)
		writers.Wait()
		all := slices.Sorted(func(yield func(time.Duration) bool) {
			for _, w := range waits {
				for _, d := range w {
					yield(d)
				}
			}
		})
		b.SetBytes(done.After)
		b.ReportMetric(float64(done.Held.Microseconds())/1000, "held-ms")
		b.ReportMetric(float64(all[len(all)*99/100].Microseconds())/1000, "p99-ms")
		b.ReportMetric(float64(all[len(all)-1].Microseconds())/1000, "max-ms")
		b.ReportMetric(float64(len(all)), "commits")
		db.Close()
		b.StartTimer()
	}
}
