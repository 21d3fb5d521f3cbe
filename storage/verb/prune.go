package verb

import (
	"errors"
	"fmt"

	"footfall/storage"
	"footfall/storage/snapshot"
)

// SnapshotPrune is the verb `snapshot prune`.
type SnapshotPrune struct {
	FromFlags
	DryRun bool   `help:"Only tell what would be deleted."`
	Point  string `help:"First take its name from this point, so that it goes as others of its age do. Needs the server that streams there." placeholder:"NAME"`
}

// Help tells what is kept.
func (*SnapshotPrune) Help() string {
	return "Kept are every second of the last 24 hours, the last point of each hour of 7 days, of each day of 30 days and of each month of a year, all points with a name, and the newest two whatever their age. " +
		"What is not needed any more is only noted at first, and deleted by a run at least 24 hours later, so that a restore under way finds what it began with. " +
		"A server that streams prunes every day by itself, unless it was told --snapshot-no-prune. With --from, any machine with a key and credentials that may delete does it. " +
		"Exit code 3: the bucket keeps some of it, because of an object lock for example."
}

// Run prunes what the server streams to.
func (v *SnapshotPrune) Run(c *Context) error {
	stream := c.Store.Snapshots()
	if stream == nil {
		return errNoStream
	}
	if v.Point != "" && !v.DryRun {
		n, err := stream.Forget(c.Context, v.Point)
		switch {
		case err != nil:
			return inBucket(v.place(c), err)
		case n == 0:
			return Exit(ExitMissing, fmt.Errorf("no point has the name %q: see footfall snapshot list", v.Point))
		}
	}
	done, err := stream.Prune(c.Context, v.DryRun)
	return v.tell(c, &done, err)
}

// RunIdle prunes a bucket.
func (v *SnapshotPrune) RunIdle(c *Context, _ string, key storage.Key) error {
	if v.Point != "" {
		return Exit(ExitUsage, errors.New("only the server that streams to the bucket takes a name from a point: start it, and leave --from out"))
	}
	reader, _, err := v.reader(c, key)
	if err != nil {
		return err
	}
	defer reader.Close()
	done, err := reader.Prune(c.Context, snapshot.Keeping{}, c.Now(), v.DryRun)
	return v.tell(c, &done, err)
}

func (v *SnapshotPrune) tell(c *Context, done *snapshot.Pruned, err error) error {
	if err != nil {
		return inBucket(v.place(c), err)
	}
	if c.JSON {
		if err := c.PrintJSON(done); err != nil {
			return err
		}
	} else {
		did := "deleted"
		if v.DryRun {
			did = "would delete"
		}
		for _, p := range done.Going {
			fmt.Fprintf(c.Out, "not kept: %s %s\n", moment(p.Time), p.Name)
		}
		fmt.Fprintf(c.Out, "kept %s, %s %s with %s\n", plural(done.Kept, "point", "points"), did, plural(done.Deleted.Objects(), "object", "objects"), size(done.Deleted.Bytes))
		if n := done.Waiting.Objects(); n > 0 {
			fmt.Fprintf(c.Out, "not needed any more, and deleted by a run after 24 hours: %s with %s\n", plural(n, "object", "objects"), size(done.Waiting.Bytes))
		}
		for _, text := range done.Retained {
			fmt.Fprintf(c.Out, "kept by the bucket: %s\n", text)
		}
	}
	switch {
	case len(done.Damaged) > 0:
		return Exit(ExitDamaged, fmt.Errorf("%w: %s: see footfall snapshot verify", snapshot.ErrDamaged, done.Damaged[0]))
	case len(done.Retained) > 0:
		return Exit(ExitPartial, errors.New("the bucket keeps some of it"))
	}
	return nil
}
