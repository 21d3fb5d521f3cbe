package metrics

import (
	"math"
	"time"

	"footfall/storage"
	"footfall/storage/snapshot"
	"footfall/storage/verb"
)

// Snapshots adds what is known of the snapshots of a store. A nil of is a server that streams none, and adds nothing.
func (s *Set) Snapshots(store *storage.Store, of *verb.Streaming) {
	if of == nil {
		return
	}
	status := store.Snapshots().Status
	s.Gauge("snapshot_restorable_age_seconds", "How much of the newest past a restore would lack; 0 while nothing changes. NaN: nothing can be restored yet.", func() float64 {
		st := status()
		switch {
		case st.Restorable.IsZero():
			return math.NaN()
		case st.Settled:
			return 0
		}
		return max(0, time.Since(st.Restorable).Seconds())
	})
	s.Gauges("snapshot_state", "1 for what the stream is doing, 0 for what it is not.", "state", func() map[string]float64 {
		values := map[string]float64{}
		for _, state := range []snapshot.State{snapshot.Starting, snapshot.Copying, snapshot.Streaming, snapshot.Waiting, snapshot.Fenced, snapshot.Stopped} {
			values[string(state)] = 0
		}
		values[string(status().State)] = 1
		return values
	})
	s.Gauge("snapshot_late", "1 if somebody should look after the snapshots: fenced, or silent for more than ten minutes.", func() float64 {
		if of.Late() != "" {
			return 1
		}
		return 0
	})
	s.Gauge("snapshot_packs", "Packs that the newest point is made of.", func() float64 { return float64(status().Objects) })
	s.Counter("snapshot_uploaded_bytes_total", "Bytes that were uploaded.", func() float64 { return float64(status().Uploaded) })
	s.Counter("snapshot_downloaded_bytes_total", "Bytes that were read from the bucket.", func() float64 { return float64(of.Traffic.Received.Load()) })
	s.Counter("snapshot_failures_total", "Requests to the bucket that failed.", func() float64 { return float64(of.Traffic.Failures.Load()) })
	s.Counters("snapshot_requests_total", "Requests to the bucket, by kind; deletions count objects.", "kind", func() map[string]float64 {
		t := &of.Traffic
		return map[string]float64{"put": float64(t.Puts.Load()), "get": float64(t.Gets.Load()), "list": float64(t.Lists.Load()), "delete": float64(t.Deletes.Load())}
	})
	drill := func(value func(*snapshot.DrillReport) float64) func() float64 {
		return func() float64 {
			if last := store.DrillStatus().Last; last != nil {
				return value(last)
			}
			return math.NaN()
		}
	}
	s.Gauge("snapshot_proven_age_seconds", "Time since the last drill that succeeded. NaN: there was none.", drill(func(d *snapshot.DrillReport) float64 {
		if d.Proven.IsZero() {
			return math.NaN()
		}
		return time.Since(d.Proven).Seconds()
	}))
	s.Gauge("snapshot_drill_success", "1 if the last drill succeeded, 0 if not.", drill(func(d *snapshot.DrillReport) float64 {
		if d.OK {
			return 1
		}
		return 0
	}))
	s.Gauge("snapshot_drill_seconds", "How long the last drill took.", drill(func(d *snapshot.DrillReport) float64 { return d.Took.Seconds() }))
}
