package verb

import (
	"fmt"
	"strconv"
	"strings"

	"footfall/storage"
	"footfall/storage/snapshot"
)

// portion is what --read-data says: how much of the packs is read whole.
type portion float64

// UnmarshalText reads 5% or 0.05; true is all of it.
func (s *portion) UnmarshalText(text []byte) error {
	switch string(text) {
	case "true", "all":
		*s = 1
		return nil
	case "false":
		*s = 0
		return nil
	}
	number, percent := strings.CutSuffix(string(text), "%")
	n, err := strconv.ParseFloat(number, 64)
	if percent {
		n /= 100
	}
	if err != nil || !(n >= 0 && n <= 1) {
		return fmt.Errorf("%q is no share: write --read-data for all, or --read-data=5%%", text)
	}
	*s = portion(n)
	return nil
}

// SnapshotVerify is the verb `snapshot verify`.
type SnapshotVerify struct {
	FromFlags
	ReadData portion `type:"optional" help:"Also read the packs whole, all or a share of them chosen at random: --read-data=5%." placeholder:"SHARE"`
}

// Help tells what is looked at.
func (*SnapshotVerify) Help() string {
	return "Opens all keys and lists in the bucket, and looks whether every pack that a point needs is there with its size; with --read-data also what is in them. Exit code 13 says that something is wrong, " +
		"and which points cannot be restored whole because of it. What is still in the data file a running server uploads again when it is restarted. The proof that a restore works is footfall snapshot drill."
}

// Run verifies the server's bucket.
func (v *SnapshotVerify) Run(c *Context) error {
	return served(c, v.verify)
}

// RunIdle verifies a bucket.
func (v *SnapshotVerify) RunIdle(c *Context, _ string, key storage.Key) error {
	return v.alone(c, key, v.verify)
}

func (v *SnapshotVerify) verify(c *Context, reader *snapshot.Reader) error {
	bar := c.job("verify", "Reading, MiB", 20)
	defer bar.Close()
	done, err := reader.Verify(c.Context, snapshot.Verifying{ReadData: float64(v.ReadData), Progress: bar.Set})
	bar.Close()
	if err != nil {
		return inBucket(v.place(c), err)
	}
	if c.JSON {
		if err := c.line(map[string]any{"event": "done", "job": "verify", "ok": done.Err() == nil, "verified": done}); err != nil {
			return err
		}
		return done.Err()
	}
	fmt.Fprintf(c.Out, "%s, %s with %s", plural(done.Points, "point", "points"), plural(done.Packs, "pack", "packs"), size(done.Bytes))
	if done.Read > 0 {
		fmt.Fprintf(c.Out, "; %s of them read, %s", grouped(int64(done.Read)), size(done.ReadBytes))
	}
	fmt.Fprintln(c.Out)
	for _, bad := range done.Bad {
		fmt.Fprintf(c.Out, "%s\n  wrong:   %s\n", bad.Object, bad.What)
		for i, p := range bad.Points {
			if i == 3 {
				fmt.Fprintf(c.Out, "           and %d more points\n", len(bad.Points)-i)
				break
			}
			when := moment(p.Time)
			if p.Time.IsZero() {
				when = p.ID.String()
			}
			fmt.Fprintf(c.Out, "  spoils:  the point of %s %s\n", when, p.Name)
		}
	}
	if err := done.Err(); err != nil {
		return err
	}
	_, err = fmt.Fprintln(c.Out, "ok")
	return err
}
