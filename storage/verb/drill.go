package verb

import (
	"errors"
	"fmt"
	"time"

	"footfall/storage"
	"footfall/storage/objstore"
	"footfall/storage/snapshot"
)

// SnapshotDrill is the verb `snapshot drill`.
type SnapshotDrill struct{ BucketFlags }

// Help tells what is proven.
func (*SnapshotDrill) Help() string {
	return "Restores the newest state from the bucket beside the data, as a restore would, compares every site and day with what is here, event by event and byte by byte, and removes the copy again. The disk must have room for it. " +
		"Events are counted meanwhile. What it finds is put down in the bucket, and snapshot status, the metrics and the dashboard tell it. A server that streams does this every week by itself. " +
		"Exit code 13: what was restored is not what is here."
}

// Run drills.
func (v *SnapshotDrill) Run(c *Context) error {
	var bucket objstore.Bucket // nil: the stream's
	if c.Store.Snapshots() == nil {
		if !c.Idle {
			return errNoStream
		}
		b, err := v.open(c.Log)
		if err != nil {
			return err
		}
		bucket = patient(b)
	}
	bar := c.job("drill", "Restoring, MiB", 20)
	defer bar.Close()
	done, err := c.Store.Drill(c.Context, bucket, bar.Set)
	bar.Close()
	if c.JSON {
		if err := c.line(map[string]any{"event": "done", "job": "drill", "report": done}); err != nil {
			return err
		}
	}
	switch {
	case errors.Is(err, storage.ErrDiffers):
		for _, what := range done.Differs {
			if !c.JSON {
				fmt.Fprintf(c.Out, "differs: %s\n", what)
			}
		}
		return Exit(ExitDamaged, err)
	case err != nil:
		return inBucket(v.SnapshotTo, err)
	case c.JSON:
		return nil
	}
	_, err = fmt.Fprintf(c.Out, "proven: the state of %s came back whole in %s: %s, %s, %s\n", moment(done.Point.Time), done.Took.Round(10*time.Millisecond),
		plural(done.Sites, "site", "sites"), plural(done.Days, "day", "days"), plural(int(done.Events), "event", "events"))
	return err
}

// proven says when the snapshots were last restored, as the second half of a sentence; empty if they never were.
func proven(last *snapshot.DrillReport, now time.Time) string {
	switch {
	case last == nil:
		return "never proven yet"
	case last.OK:
		return fmt.Sprintf("last proven %s in %s", day(last.Time, now), took(last.Took))
	case last.Proven.IsZero():
		return fmt.Sprintf("not proven: the drill of %s failed", day(last.Time, now))
	}
	return fmt.Sprintf("last proven %s; the drill of %s failed", day(last.Proven, now), day(last.Time, now))
}

// day names a time within the last days by its day of the week.
func day(t, now time.Time) string {
	if t = t.In(time.Local); now.Sub(t) < 6*24*time.Hour {
		return t.Format("Monday 15:04")
	}
	return t.Format("2 January 2006 15:04")
}

func took(d time.Duration) string {
	if d < 2*time.Minute {
		return fmt.Sprintf("%d s", max(1, int(d.Seconds()+0.5)))
	}
	return fmt.Sprintf("%d min", int(d.Minutes()))
}
