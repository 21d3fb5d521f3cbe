package verb

import (
	"fmt"
	"time"

	"footfall/storage/account"
)

// Audit is the verb `audit`.
type Audit struct{}

// Help tells what is in the list.
func (*Audit) Help() string {
	return "Lists who destroyed data, when and how much, the newest last: deletions, resets, removals of sites, changes of how long data are kept, of the keys, and of the rules of what is counted. It tells nothing " +
		"of what the data were."
}

// Run lists the audit log.
func (*Audit) Run(c *Context) error {
	entries, err := c.Store.Accounts().Entries(c.Context)
	if err != nil {
		return err
	}
	if c.JSON {
		if entries == nil {
			entries = []account.Entry{}
		}
		return c.PrintJSON(entries)
	}
	t := &table{titles: []string{"when", "by", "did", "site", ">days", ">events", ""}}
	for _, e := range entries {
		t.add(e.Time.Format(time.DateTime), e.By, e.Did, e.Domain, e.Days, e.Events, detail(e))
	}
	return t.print(c.Out)
}

func detail(e account.Entry) string {
	switch {
	case e.Slot != nil:
		return fmt.Sprintf("slot %d", *e.Slot)
	case e.Rule != 0:
		return fmt.Sprintf("rule %d", e.Rule)
	case e.Retention == nil:
		return ""
	case *e.Retention == 0:
		return "keeps all"
	}
	return fmt.Sprintf("keeps %d days", *e.Retention)
}
