package verb

import (
	"errors"
	"fmt"
	"io"
	"time"

	"footfall/storage"
)

// Reclaim is the verb `reclaim`.
type Reclaim struct{}

// Help tells when to use it.
func (*Reclaim) Help() string {
	return "For a full disk: removes the file footfall.ballast, which a server makes when it starts and there is room, and which holds nothing but space. " +
		"Events are accepted again within seconds, and there is room for what needs some to free more, such as deleting. " +
		"The next start of the server makes it again if there is room enough."
}

// Release releases the ballast of a data directory, whether a server has it open or not, and says on out what to do next.
func (*Reclaim) Release(dir string, out io.Writer, asJSON bool) error {
	freed, err := storage.Reclaim(dir)
	switch {
	case errors.Is(err, storage.ErrMissing):
		return Exit(ExitMissing, err)
	case err != nil:
		return err
	case asJSON:
		return (&Context{Out: out}).PrintJSON(map[string]int64{"freed": freed})
	case freed == 0:
		fmt.Fprintln(out, "There is no ballast to release. Make room on the disk in another way: what lies beside the data, old logs, a larger disk.")
		return nil
	}
	fmt.Fprintf(out, "%d MiB are free again.\n\nThis is not much. Now\n"+
		"  - make room on the disk, or make it larger;\n"+
		"  - or keep less: `footfall site set SITE --retention DAYS`, `footfall delete`, `footfall site remove`,\n"+
		"    and then `footfall compact`, which needs room for a copy of what is left.\n"+
		"The next start of the server makes the ballast again, if there is room enough.\n", freed>>20)
	return nil
}

// Compact is the verb `compact`.
type Compact struct{}

// Help tells what it does and needs.
func (*Compact) Help() string {
	return "Deleted data leave free space inside the data file, which is used again but not given back. This copies what is left into a new file. " +
		"A running server goes on counting and answering meanwhile; it does the same by itself when much of the file is free. " +
		"The disk must have room for the copy. It may be stopped or killed at any point."
}

// Run compacts the data file.
func (*Compact) Run(c *Context) error {
	var bar Bar
	done, err := c.Store.Compact(c.Context, func(done, total int64) {
		if bar == nil {
			bar = c.Progress("Copying, MiB", total>>20)
		}
		bar.Set(done >> 20)
	})
	if bar != nil {
		bar.Close()
	}
	if err != nil {
		return err
	}
	if c.JSON {
		return c.PrintJSON(map[string]any{"before": done.Before, "after": done.After, "held_ms": float64(done.Held.Microseconds()) / 1000})
	}
	fmt.Fprintf(c.Out, "The data file had %s and has %s bytes. Events waited for %s.\n",
		grouped(done.Before), grouped(done.After), done.Held.Round(time.Millisecond))
	return nil
}
