package file_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"footfall/storage/file"
)

func BenchmarkSubmit(b *testing.B) {
	for _, waiters := range []int{1, 32, 256} {
		b.Run(fmt.Sprintf("waiters=%d", waiters), func(b *testing.B) {
			db := mustCreate(b, file.Config{})
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
