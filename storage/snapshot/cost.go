package snapshot

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"footfall/storage/objstore"
)

// Cost is what the snapshots ask of a bucket in a month of 30 days, if it goes on as in the time that was measured. Stores bill requests that write or list
// (class A), requests that read (class B), bytes stored and, most of them, bytes read: multiply with the list of yours.
type Cost struct {
	Measured   time.Duration `json:"measured_ns"`      // 24 hours, or less where there are no snapshots for as long
	Writes     int64         `json:"writes_a_month"`   // requests that put, list or delete: most stores ask nothing for deleting
	Reads      int64         `json:"reads_a_month"`    // requests that get
	Uploaded   int64         `json:"uploaded_a_month"` // bytes
	Downloaded int64         `json:"downloaded_a_month"`
	Objects    int           `json:"objects"` // now
	Stored     int64         `json:"stored"`  // bytes now, with what pruning has not deleted yet
}

// Cost measures the traffic of the last 24 hours by what lies in the bucket, and adds what a weekly drill, daily pruning and looking for other instances
// take. The first copy counts as well while it is less than a day old.
func (r *Reader) Cost(ctx context.Context, now time.Time) (c Cost, err error) {
	var packs, manifests, lately int64
	oldest := now
	err = r.src.bucket.List(ctx, "v1/", "", func(o objstore.Object) error {
		c.Objects++
		c.Stored += o.Size
		pack, manifest := strings.HasPrefix(o.Name, prefixPack), strings.HasPrefix(o.Name, prefixManifest)
		if !pack && !manifest {
			return nil
		}
		if o.Modified.Before(oldest) {
			oldest = o.Modified
		}
		if now.Sub(o.Modified) > costSpan {
			return nil
		}
		lately += o.Size
		if pack {
			packs++
		} else {
			manifests++
		}
		return nil
	})
	if err != nil {
		return c, fmt.Errorf("measure snapshots: %w", err)
	}
	if oldest.Equal(now) && packs+manifests == 0 {
		return c, fmt.Errorf("measure snapshots: %w", ErrNothing)
	}
	needed, bytes, points, err := r.newest(ctx)
	if err != nil {
		return c, fmt.Errorf("measure snapshots: %w", err)
	}
	c.Measured = min(max(now.Sub(oldest), time.Minute), costSpan)
	month := func(n int64) int64 { return int64(float64(n) * (float64(costMonth) / float64(c.Measured))) }
	days, drills := int64(costMonth/pruneEvery), int64(costMonth/(7*24*time.Hour))
	pages := 4 + int64(c.Objects)/listedAtOnce // of one listing of everything
	// A manifest is preceded by a look at the claims. Pruning lists everything and reads all manifests, a drill reads all that the newest point needs.
	c.Writes = month(packs+2*manifests) + days*(pages+1) + drills*pages
	c.Reads = month(packs/2) + days*points + drills*needed
	c.Uploaded = month(lately)
	c.Downloaded = drills * bytes
	return c, nil
}

// newest returns how much a restore of the newest point reads, and how many points there are.
func (r *Reader) newest(ctx context.Context) (packs, bytes, points int64, err error) {
	err = again(func() error {
		ids, _, err := r.src.ids(ctx, prefixManifest, ID{})
		if err != nil {
			return err
		}
		points = int64(len(ids))
		_, m, err := r.choose(ctx, "", time.Time{}, func(error) {})
		if errors.Is(err, ErrNothing) {
			return nil // nothing is whole yet
		} else if err != nil {
			return err
		}
		packs, bytes = int64(len(m.packs)), 0
		for _, l := range m.packs {
			bytes += l.size
		}
		return nil
	})
	return packs, bytes, points, err
}
