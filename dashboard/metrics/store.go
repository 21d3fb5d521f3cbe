package metrics

import (
	"errors"

	"footfall/storage"
)

// Store adds what a store holds in memory and on disk.
func (s *Set) Store(store *storage.Store) {
	held := func(part func(storage.Memory) int64) func() float64 {
		return func() float64 { return float64(part(store.Memory())) }
	}
	s.Gauge("memory_budget_bytes", "Memory that may be used: --memory.", held(func(m storage.Memory) int64 { return m.Total }))
	s.Gauge("memory_cache_bytes", "Decoded columns of sealed days.", held(func(m storage.Memory) int64 { return m.CacheUsed }))
	s.Gauge("memory_open_days_bytes", "Days that still grow.", held(func(m storage.Memory) int64 { return m.OpenDaysUsed }))
	s.Gauge("memory_work_bytes", "Days on their way into the file.", held(func(m storage.Memory) int64 { return m.WorkUsed }))
	s.Gauge("data_file_bytes", "Bytes of the data file.", func() float64 { return float64(store.Stats().Size) })
	s.Gauge("data_file_free_bytes", "Bytes of it that hold nothing.", func() float64 { f := store.Stats(); return float64(f.Free + f.Tail) })
	s.Gauge("disk_full", "1 while events are refused since the disk is full.", func() float64 {
		if errors.Is(store.Healthy(), storage.ErrFull) {
			return 1
		}
		return 0
	})
	s.Counter("slow_reads_total", "Reads of the data file that took more than a second.", func() float64 { return float64(store.Stats().Slow) })
	s.Counters("values_folded_total", "Values counted as (other): their day had too many different ones.", "dimension", func() map[string]float64 {
		counts := map[string]float64{}
		for dimension, n := range store.FoldedSince() {
			counts[dimension] = float64(n)
		}
		return counts
	})
}
