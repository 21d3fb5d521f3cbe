package verb

import (
	"fmt"
	"time"

	"footfall/storage"
	"footfall/storage/snapshot"
)

// SnapshotCost is the verb `snapshot cost`.
type SnapshotCost struct{ FromFlags }

// Help tells what is measured.
func (*SnapshotCost) Help() string {
	return "Counts what the snapshots of the last 24 hours have taken, as it lies in the bucket, and what a month of 30 days takes if it goes on like that: requests, bytes up and down, bytes stored. " +
		"A weekly drill, daily pruning and looking for other instances are in it. Multiply with the prices of your store."
}

// Run measures the server's bucket.
func (v *SnapshotCost) Run(c *Context) error {
	return served(c, v.tell)
}

// RunIdle measures a bucket.
func (v *SnapshotCost) RunIdle(c *Context, _ string, key storage.Key) error {
	return v.alone(c, key, v.tell)
}

func (v *SnapshotCost) tell(c *Context, reader *snapshot.Reader) error {
	cost, err := reader.Cost(c.Context, c.Now())
	if err != nil {
		return inBucket(v.place(c), err)
	}
	if c.JSON {
		return c.PrintJSON(cost)
	}
	t := &table{titles: []string{"a month", ">"}}
	t.add("requests that write or list (class A)", cost.Writes)
	t.add("requests that read (class B)", cost.Reads)
	t.add("sent to the bucket", size(cost.Uploaded))
	t.add("read from the bucket", size(cost.Downloaded))
	t.add(fmt.Sprintf("stored now, in %s", plural(cost.Objects, "object", "objects")), size(cost.Stored))
	if err := t.print(c.Out); err != nil {
		return err
	}
	if cost.Measured < 24*time.Hour {
		fmt.Fprintf(c.Err, "note: measured over %s only; the first copy of the data counts in it\n", ago(cost.Measured))
	}
	return nil
}
