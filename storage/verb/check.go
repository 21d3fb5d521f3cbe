package verb

import (
	"errors"
	"fmt"
)

// Check is the verb `check`.
type Check struct{}

// Run reads the whole store and says what is wrong with it.
func (*Check) Run(c *Context) error {
	bar := c.Progress("Checking", -1)
	defer bar.Close()
	err := c.Store.Check(c.Context, func(done, _ int64) { bar.Set(done) })
	bar.Close()
	if c.Context.Err() != nil {
		return err
	}
	faults := []string{}
	if err != nil {
		faults = lines(err)
	}
	if c.JSON {
		if err := c.PrintJSON(map[string]any{"ok": err == nil, "faults": faults}); err != nil {
			return err
		}
	} else if err == nil {
		fmt.Fprintln(c.Out, "ok")
	}
	if err != nil {
		return Exit(ExitDamaged, err)
	}
	return nil
}

func lines(err error) []string {
	var many interface{ Unwrap() []error }
	if errors.As(err, &many) {
		var out []string
		for _, e := range many.Unwrap() {
			out = append(out, e.Error())
		}
		return out
	}
	return []string{err.Error()}
}
