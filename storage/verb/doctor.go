package verb

import (
	"errors"
	"fmt"
	"strings"
)

// Doctor is the verb `doctor`.
type Doctor struct{}

// Help tells what is looked at.
func (*Doctor) Help() string {
	return "Looks at what a careful operator would: whether visits come from the addresses of visitors, the proxies in force, snapshots, keys, disk, clock, memory, databases of places, " +
		"and sites that count nothing or other sites' pages. Each line that is not well comes with the setting that mends it. It changes nothing. What only a running " +
		"server knows is said to be unknown where none runs. Exit codes: 0 all is well, 3 there are warnings, 1 there is a problem."
}

// Level is how much a finding matters.
type Level string

// The levels, from the least.
const (
	Fine    Level = "ok"
	Unknown Level = "unknown" // it cannot be told here and now, and Text says why
	Warning Level = "warning" // right for some; somebody should look
	Problem Level = "problem" // data are lost, wrong or in danger
)

// Finding is one line of the doctor.
type Finding struct {
	Level Level  `json:"level"`
	About string `json:"about"`          // a word: what was looked at
	Text  string `json:"text"`           // a sentence, without a visitor's address
	Mend  string `json:"mend,omitempty"` // the setting or the command that mends it
}

// Examiner is a room that looks at itself.
type Examiner interface {
	// Examine returns a finding for each thing that was looked at, the good ones too. It changes nothing and may read from the disk.
	Examine(c *Context) []Finding
}

// ExamineFunc is an Examiner of one function.
type ExamineFunc func(c *Context) []Finding

// Examine calls f.
func (f ExamineFunc) Examine(c *Context) []Finding { return f(c) }

// Examine returns what every room finds: the store's own first.
func (c *Context) Examine() []Finding {
	var all []Finding
	for _, of := range []ExamineFunc{examineDisk, examineKeys, examineSnapshots, examineClock, examineMemory, examineSites} {
		all = append(all, of(c)...)
	}
	for _, room := range c.Rooms {
		all = append(all, room.Examine(c)...)
	}
	if c.Idle {
		all = append(all, Finding{Unknown, "server", "no server has the data open: addresses, proxies, events of unknown sites and late snapshots cannot be looked at", "footfall serve"})
	}
	return all
}

// Run prints what every room finds.
func (*Doctor) Run(c *Context) error {
	findings := c.Examine()
	if err := c.Context.Err(); err != nil {
		return err
	}
	count := map[Level]int{}
	for _, f := range findings {
		count[f.Level]++
	}
	if c.JSON {
		if err := c.PrintJSON(map[string]any{"ok": count[Problem]+count[Warning] == 0, "findings": findings}); err != nil {
			return err
		}
	} else if err := printFindings(c, findings); err != nil {
		return err
	}
	switch {
	case count[Problem] > 0:
		return Exit(ExitFailed, errors.New(plural(count[Problem], "problem", "problems")+" found"))
	case count[Warning] > 0:
		return Exit(ExitPartial, errors.New(plural(count[Warning], "warning", "warnings")))
	}
	return nil
}

func printFindings(c *Context, findings []Finding) error {
	var out strings.Builder
	for _, f := range findings {
		fmt.Fprintf(&out, "%-8s %-10s %s\n", f.Level, f.About, f.Text)
		if f.Mend != "" {
			fmt.Fprintf(&out, "%-19s to do: %s\n", "", f.Mend)
		}
	}
	_, err := fmt.Fprint(c.Out, out.String())
	return err
}
