package verb

import (
	"fmt"

	"footfall/storage"
)

// Check is the verb `check`.
type Check struct{}

// Help tells what is looked at.
func (*Check) Help() string {
	return "Reads the structure of the data file, the vault, accounts, the catalog and the chunks it names, the journals of open days and every sealed day, " +
		"and counts again what each day says it has counted. Nothing is changed, and a running server goes on counting. Exit code 13 says that something is wrong."
}

// Run reads the whole store and says what is wrong with it.
func (*Check) Run(c *Context) error {
	var bar Bar
	err := c.Store.Check(c.Context, func(done, total int64) {
		if bar == nil {
			bar = c.Progress("Checking, MiB", total>>20)
		}
		bar.Set(done >> 20)
	})
	if bar != nil {
		bar.Close()
	}
	faults := storage.Faults(err)
	if err != nil && len(faults) == 0 {
		return err // nothing is known of what is stored
	}
	if c.JSON {
		if err := c.PrintJSON(map[string]any{"ok": err == nil, "faults": append([]*storage.Fault{}, faults...)}); err != nil {
			return err
		}
	} else if err == nil {
		fmt.Fprintln(c.Out, "ok")
	}
	if err == nil {
		return nil
	}
	if !c.JSON {
		for _, f := range faults {
			fmt.Fprintf(c.Out, "%s\n  wrong:   %s\n  to do:   %s\n", f.Place, f.What, f.Do)
		}
	}
	return Exit(ExitDamaged, fmt.Errorf("%w: %s found", storage.ErrDamaged, plural(len(faults), "fault", "faults")))
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return grouped(int64(n)) + " " + many
}
