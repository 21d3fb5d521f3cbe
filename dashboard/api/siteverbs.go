package api

import (
	"errors"
	"fmt"
	"strconv"

	"footfall/storage"
	"footfall/storage/account"
	"footfall/storage/verb"
)

// SiteSet is `footfall site set`.
type SiteSet struct {
	Domain    string   `arg:"" help:"Domain of the site."`
	Timezone  string   `placeholder:"ZONE" help:"Time zone whose midnight ends the site's day, from the next midnight on, such as Europe/Berlin."`
	Retention string   `placeholder:"DAYS" help:"How many days before today are kept; older ones are dropped after each midnight. 'forever' keeps all."`
	Script    []string `placeholder:"WORDS" help:"What the site's own script does beside counting pageviews: some of outbound-links, file-downloads, form-submissions, hash; or none."`
	Yes       bool     `help:"Drop the days that are too old already."`
}

// SiteReset is `footfall site reset`.
type SiteReset struct {
	Domain string `arg:"" help:"Domain of the site."`
	Yes    bool   `help:"Destroy the site's data for ever, here and in every copy of footfall.db."`
}

// Run changes what is kept of a site. All that is asked for is looked at before anything changes.
func (v *SiteSet) Run(c *verb.Context) error {
	site, err := c.Site(v.Domain)
	if err != nil {
		return err
	}
	if v.Timezone == "" && v.Retention == "" && v.Script == nil {
		return verb.Exit(verb.ExitUsage, errors.New("say what to change: --timezone ZONE, --retention DAYS or --script WORDS"))
	}
	script, err := parseScript(v.Script)
	if err != nil {
		return verb.Exit(verb.ExitUsage, err)
	}
	days, err := v.retention(c, site)
	if err != nil {
		return err
	}
	if v.Timezone != "" {
		if _, err := c.Store.SetTimezone(c.Context, site.ID, v.Timezone); err != nil {
			return changeError(err)
		}
	}
	if v.Retention != "" {
		went, err := c.Store.SetRetention(c.Context, site.ID, days, verb.CommandLine)
		if err != nil {
			return changeError(err)
		}
		if went.Days > 0 {
			fmt.Fprintf(c.Err, "dropped %s with %s\n", many(int64(went.Days), "day"), many(went.Events, "event"))
		}
	}
	if v.Script != nil {
		if err := c.Store.Accounts().ChangeScript(c.Context, site.ID, func(s *account.Script) { *s = script }); err != nil {
			return changeError(err)
		}
	}
	site, _ = c.Store.Accounts().Site(site.ID)
	answer := describe(site, c.Now())
	if c.JSON {
		return c.PrintJSON(answer)
	}
	return v.print(c, answer)
}

func changeError(err error) error {
	if errors.Is(err, account.ErrInvalid) {
		return verb.Exit(verb.ExitUsage, fmt.Errorf("change site: %w", err))
	}
	return fmt.Errorf("change site: %w", err)
}

// retention reads how many days are to be kept, 0 for all, and asks back where that drops some at once.
func (v *SiteSet) retention(c *verb.Context, site account.Site) (days int, err error) {
	if v.Retention == "" {
		return site.Retention, nil
	}
	if v.Retention != "forever" {
		if days, err = strconv.Atoi(v.Retention); err != nil || days == 0 {
			return 0, verb.Exit(verb.ExitUsage, fmt.Errorf("--retention %s: write a number of days, or forever", v.Retention))
		}
	}
	if err := account.CheckRetention(days); err != nil {
		return 0, verb.Exit(verb.ExitUsage, err)
	}
	over, held, err := c.Store.Overdue(site.ID, days)
	if err != nil {
		return 0, changeError(err)
	}
	if held {
		fmt.Fprintln(c.Err, "note: the clock has moved on by days since a server was last at work here. Days that are too old by it are kept until a server has run for a day")
	}
	if over.Days > 0 && !v.Yes {
		return 0, verb.Exit(verb.ExitUsage, fmt.Errorf("to keep %d days of %s drops %s with %s for ever: say --yes to do that",
			days, site.Domain, many(int64(over.Days), "day"), many(over.Events, "event")))
	}
	return days, nil
}

func (v *SiteSet) print(c *verb.Context, answer siteAnswer) error {
	if v.Timezone != "" {
		for _, change := range answer.Changes {
			fmt.Fprintln(c.Out, change.sentence())
		}
		if len(answer.Changes) == 0 {
			fmt.Fprintf(c.Out, "%s: the day ends at midnight of %s, as before\n", answer.Domain, answer.Timezone)
		}
	}
	if v.Script != nil {
		fmt.Fprintf(c.Out, "%s: %s\n", answer.Domain, answer.Script.sentence())
	}
	switch {
	case v.Retention == "":
	case answer.Retention == 0:
		fmt.Fprintf(c.Out, "%s: all days are kept\n", answer.Domain)
	default:
		fmt.Fprintf(c.Out, "%s: %d days before today are kept\n", answer.Domain, answer.Retention)
	}
	return nil
}

// Run destroys the data of a site and keeps the site.
func (v *SiteReset) Run(c *verb.Context) error {
	site, err := c.Site(v.Domain)
	if err != nil {
		return err
	}
	if !v.Yes {
		return verb.Exit(verb.ExitUsage, fmt.Errorf("resetting %s destroys its %s for ever, here and in every copy of footfall.db (not in a copy that has the vault and a key with it); the site stays: say --yes to do that",
			site.Domain, many(c.Store.Count(site.ID), "event")))
	}
	if err := c.Store.ResetSite(c.Context, site.ID, verb.CommandLine); err != nil {
		return fmt.Errorf("reset site: %w", err)
	}
	return destroyed(c, site, "destroyed the data of %s and their key; the site stays\n")
}

// destroyed tells that a site's key was destroyed, and what the snapshots still have of it.
func destroyed(c *verb.Context, site account.Site, done string) error {
	left := c.Store.Shred(c.Context)
	if c.JSON {
		return c.PrintJSON(struct {
			Domain    string            `json:"domain"`
			Snapshots storage.Shredding `json:"snapshots"`
		}{site.Domain, left})
	}
	_, err := fmt.Fprintf(c.Out, done, site.Domain)
	if left.Waits != "" {
		fmt.Fprintf(c.Err, "note: the snapshots still have the key, and lose it as soon as the bucket can be asked: %s\n", left.Waits)
	}
	for _, kept := range left.Kept {
		fmt.Fprintf(c.Err, "note: who reads old versions of objects in the bucket of the snapshots still finds a key: %s\n", kept)
	}
	return err
}
