package verb

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"footfall/storage"
	"footfall/storage/snapshot"
)

// SnapshotCreate is the verb `snapshot create`.
type SnapshotCreate struct {
	Name string `arg:"" optional:"" help:"Name of the point, by which restore and list know it."`
	To   string `help:"Write it to this file instead of the bucket, or to standard output with -." placeholder:"FILE"`
	BucketFlags
}

// Output names the file that the results go to.
func (v *SnapshotCreate) Output() string { return v.To }

// Help tells what a point is.
func (*SnapshotCreate) Help() string {
	return "Uploads what has changed and makes a point of it, which is kept as long as the others of its age; with a name until snapshot prune --point is told to drop it. It returns when the point can be restored. " +
		"A server that streams makes points by itself, once an hour while something changes; this is for the moment before something dangerous. " +
		"With --to FILE everything goes into a single file, in one pass and without a bucket; restore, list and verify read it with --from FILE and a key. The file is as good as a bucket: of a site that is removed later it holds the key still."
}

// Run makes a point.
func (v *SnapshotCreate) Run(c *Context) error {
	if v.To != "" {
		return v.write(c)
	}
	stream, err := v.stream(c)
	if err != nil {
		return err
	}
	point, err := stream.Snapshot(c.Context, v.Name)
	if err != nil {
		return inBucket(v.SnapshotTo, err)
	}
	if c.JSON {
		return c.PrintJSON(point)
	}
	called := ""
	if point.Name != "" {
		called = fmt.Sprintf(" %q", point.Name)
	}
	_, err = fmt.Fprintf(c.Out, "made the point%s of %s, %s\n", called, moment(point.Time), size(point.Size))
	return err
}

// write writes the point to Out.
func (v *SnapshotCreate) write(c *Context) error {
	bar := c.Progress("Writing, MiB", -1)
	defer bar.Close()
	point, err := c.Store.Archive(c.Context, c.Out, v.Name, func(done int64) { bar.Set(done >> 20) })
	bar.Close()
	if err != nil {
		return err
	}
	if c.JSON {
		return (&Context{Out: c.Err}).line(point)
	}
	_, err = fmt.Fprintf(c.Err, "wrote the state of %s, %s\n", moment(point.Time), size(point.Size))
	return err
}

// stream returns the stream of the server, or where there is none one that lives as long as the store is open for this verb.
func (f *BucketFlags) stream(c *Context) (*snapshot.Stream, error) {
	if s := c.Store.Snapshots(); s != nil {
		if to := f.SnapshotTo; to != "" && c.Streaming != nil && to != c.Streaming.To {
			return nil, Exit(ExitUsage, fmt.Errorf("the running server streams to %s, not to %s: leave --snapshot-to out, or stop the server first", c.Streaming.To, to))
		}
		return s, nil
	}
	if !c.Idle {
		return nil, errNoStream
	}
	bucket, err := f.open(c.Log)
	if err != nil {
		return nil, err
	}
	return c.Store.StartStream(patient(bucket), storage.Streaming{Drills: -1}), nil
}

var errNoStream = Exit(ExitMissing, errors.New("the running server streams no snapshots: start it with --snapshot-to"))

// SnapshotList is the verb `snapshot list`.
type SnapshotList struct{ FromFlags }

// Help tells what is listed.
func (*SnapshotList) Help() string {
	return "Lists the points that can be restored, the oldest first; the last is what the stream has reached. Between the points of a stream's last day every second or so can be restored too, see restore --at. " +
		"NEW is what the point before did not need. Works with the bucket and a key alone: --from."
}

// Run lists the points of the server's bucket.
func (v *SnapshotList) Run(c *Context) error {
	return served(c, v.print)
}

// RunIdle lists the points of a bucket.
func (v *SnapshotList) RunIdle(c *Context, _ string, key storage.Key) error {
	return v.alone(c, key, v.print)
}

func (v *SnapshotList) print(c *Context, reader *snapshot.Reader) error {
	points, err := reader.Points(c.Context)
	if err != nil {
		return inBucket(v.place(c), err)
	}
	if c.JSON {
		return c.PrintJSON(points)
	}
	t := &table{titles: []string{"time", ">size", ">new", "name"}}
	for _, p := range points {
		t.add(moment(p.Time), size(p.Size), size(p.New), p.Name)
	}
	return t.print(c.Out)
}

// reader opens the bucket with a key alone.
func (f *FromFlags) reader(c *Context, key storage.Key) (*snapshot.Reader, string, error) {
	bucket, from, err := f.bucket(c)
	if err != nil {
		return nil, from, err
	}
	if key.None() {
		return nil, from, errNoKey
	}
	reader, err := snapshot.Open(c.Context, bucket, key)
	return reader, from, inBucket(from, err)
}

// alone has do read a bucket with nothing but a key.
func (f *FromFlags) alone(c *Context, key storage.Key, do func(*Context, *snapshot.Reader) error) error {
	reader, _, err := f.reader(c, key)
	if err != nil {
		return err
	}
	defer reader.Close()
	return do(c, reader)
}

// served has do read the bucket that a server streams to.
func served(c *Context, do func(*Context, *snapshot.Reader) error) error {
	stream := c.Store.Snapshots()
	if stream == nil {
		return errNoStream
	}
	return do(c, stream.Reader())
}

// place names the bucket for an error.
func (f *FromFlags) place(c *Context) string {
	switch {
	case f.From != "":
		return f.From
	case c.Streaming != nil:
		return c.Streaming.To
	}
	return f.SnapshotTo
}

// SnapshotStatus is the verb `snapshot status`.
type SnapshotStatus struct{ FromFlags }

// Help tells what is shown.
func (*SnapshotStatus) Help() string {
	return "Tells up to when the data could be restored now, and when that was last proven. Of a bucket alone (--from, or where no server runs) it tells what is there. " +
		"Exit code 1: the stream has been silent for too long. 14: another instance streams to the bucket."
}

// statusJSON is what snapshot status prints for programs.
type statusJSON struct {
	To string `json:"to"`
	snapshot.Status
	Drill   storage.DrillStatus `json:"drill"`
	Late    string              `json:"late,omitempty"`    // why somebody should look
	Refused string              `json:"refused,omitempty"` // what the bucket cannot do
}

// Run tells how the server's stream is doing.
func (v *SnapshotStatus) Run(c *Context) error {
	if c.Store.Snapshots() == nil || c.Streaming == nil {
		return errNoStream
	}
	st := statusJSON{To: c.Streaming.To, Status: c.Store.Snapshots().Status(), Drill: c.Store.DrillStatus(), Refused: c.Streaming.Refused(), Late: c.Streaming.Late()}
	if st.Drill.Last == nil && st.State == snapshot.Streaming { // a server that has just started looks for it later
		ctx, cancel := context.WithTimeout(c.Context, drillWait)
		defer cancel()
		if last, err := c.Store.Snapshots().Reader().LastDrill(ctx); err == nil {
			st.Drill.Last = &last
		}
	}
	if c.JSON {
		if err := c.PrintJSON(st); err != nil {
			return err
		}
	} else if err := v.print(c, &st); err != nil {
		return err
	}
	switch {
	case st.State == snapshot.Fenced:
		return Exit(ExitFenced, errors.New(st.Error))
	case st.Late != "":
		return errors.New(st.Late)
	}
	return nil
}

func (*SnapshotStatus) print(c *Context, st *statusJSON) error {
	fmt.Fprintf(c.Out, "%s; %s\n", restorable(st.Restorable, c.Now()), proven(st.Drill.Last, c.Now()))
	fmt.Fprintf(c.Out, "  to        %s\n  state     %s\n  uploaded  %s in %s since the start\n", st.To, st.State, size(st.Uploaded), plural(int(st.Requests), "request", "requests"))
	if st.Error != "" && st.State != snapshot.Fenced {
		fmt.Fprintf(c.Out, "  error     %s\n", st.Error)
	}
	if st.PruneError != "" {
		fmt.Fprintf(c.Out, "  pruning   %s\n", st.PruneError)
	}
	if last := st.Drill.Last; last != nil && !last.OK {
		fmt.Fprintf(c.Out, "  drill     %s\n", strings.Join(append(slices.Clone(last.Differs), last.Error), "; "))
	}
	if st.Refused != "" {
		fmt.Fprintf(c.Out, "  refused   %s\n", st.Refused)
	}
	for _, kept := range st.Kept {
		fmt.Fprintf(c.Out, "  kept      %s\n", kept)
	}
	return nil
}

// restorable says in one sentence up to when there is something to restore.
func restorable(to, now time.Time) string {
	if to.IsZero() {
		return "nothing can be restored yet"
	}
	text := to.In(time.Local).Format("15:04:05")
	if age := now.Sub(to); age > 20*time.Hour {
		text = moment(to)
	}
	return fmt.Sprintf("restorable up to %s, %s ago", text, ago(now.Sub(to)))
}

// ago writes a duration in its largest unit.
func ago(d time.Duration) string {
	switch d = max(d, 0); {
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}

// RunIdle tells what a bucket holds.
func (v *SnapshotStatus) RunIdle(c *Context, _ string, key storage.Key) error {
	reader, from, err := v.reader(c, key)
	if err != nil {
		return err
	}
	defer reader.Close()
	points, err := reader.Points(c.Context)
	if err != nil {
		return inBucket(from, err)
	}
	last := points[len(points)-1]
	var drill *snapshot.DrillReport
	if rep, err := reader.LastDrill(c.Context); err == nil {
		drill = &rep
	} else if !errors.Is(err, snapshot.ErrNothing) {
		return inBucket(from, err)
	}
	if c.JSON {
		return c.PrintJSON(map[string]any{"to": from, "state": "no server", "restorable_to": last.Time, "points": len(points), "drill": storage.DrillStatus{Last: drill}})
	}
	fmt.Fprintf(c.Out, "%s; %s\n", restorable(last.Time, c.Now()), proven(drill, c.Now()))
	_, err = fmt.Fprintf(c.Out, "  to        %s\n  state     no server was asked; this is what is there\n  points    %s\n", from, grouped(int64(len(points))))
	return err
}

// SnapshotAdopt is the verb `snapshot adopt`.
type SnapshotAdopt struct{ BucketFlags }

// Help tells when to use it.
func (*SnapshotAdopt) Help() string {
	return "One instance streams to a place. One that finds another's snapshots there, a restored copy for example, or one whose data directory was moved to another disk, stops and says so, so that neither spoils the other's. If this is the one to go on, say " +
		"snapshot adopt: it takes over, and the other one stops within seconds should it still run. Nothing that is in the bucket is lost."
}

// Run takes over.
func (v *SnapshotAdopt) Run(c *Context) error {
	stream, err := v.stream(c)
	if err != nil {
		return err
	}
	st, err := settled(c, stream) // one that was just begun does not know yet
	if err != nil {
		return err
	}
	if st.State != snapshot.Fenced {
		if st.Error != "" {
			return inBucket(v.SnapshotTo, errors.New(st.Error))
		}
		return Exit(ExitMissing, fmt.Errorf("there is nothing to take over: this instance streams there itself (%s)", st.State))
	}
	if err := stream.Adopt(); err != nil {
		return err
	}
	if st, err = adopted(c, stream); err != nil {
		return err
	}
	switch st.State {
	case snapshot.Fenced:
		return Exit(ExitFenced, errors.New(st.Error))
	case snapshot.Waiting:
		return fmt.Errorf("the bucket cannot be reached: %s", st.Error)
	}
	if c.Idle { // the claim alone would leave the other's points as the newest
		if _, err := stream.Snapshot(c.Context, ""); err != nil {
			return err
		}
	}
	if c.JSON {
		return c.PrintJSON(st)
	}
	_, err = fmt.Fprintln(c.Out, "took over: the snapshots go on from here")
	return err
}

// settled waits until a stream knows whether it may stream.
func settled(c *Context, stream *snapshot.Stream) (snapshot.Status, error) {
	return await(c, stream, func(st snapshot.Status) bool { return st.State != snapshot.Starting })
}

// adopted waits until a stream that was told to take over has done so, or cannot.
func adopted(c *Context, stream *snapshot.Stream) (snapshot.Status, error) {
	left := false
	return await(c, stream, func(st snapshot.Status) bool {
		left = left || st.State != snapshot.Fenced
		return left && st.State != snapshot.Starting
	})
}

func await(c *Context, stream *snapshot.Stream, done func(snapshot.Status) bool) (snapshot.Status, error) {
	for {
		st := stream.Status()
		if done(st) {
			return st, nil
		}
		select {
		case <-time.After(awaitEvery):
		case <-c.Done():
			return st, c.Context.Err()
		}
	}
}

const awaitEvery = 10 * time.Millisecond
