package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"footfall/storage/account"
	"footfall/storage/query"
	"footfall/storage/verb"
)

// SiteAdd is `footfall site add`.
type SiteAdd struct {
	Domain   string `arg:"" help:"Domain of the site, such as example.org."`
	Timezone string `default:"Etc/UTC" help:"Time zone whose midnight ends the site's day, such as Europe/Berlin."`
}

// SiteList is `footfall site list`.
type SiteList struct{}

// SiteRemove is `footfall site remove`.
type SiteRemove struct {
	Domain string `arg:"" help:"Domain of the site."`
	Yes    bool   `help:"Destroy the site's data for ever, here and in every copy of footfall.db."`
}

// Query is `footfall query`.
type Query struct {
	Site string `required:"" help:"Domain of the site." placeholder:"DOMAIN"`
	File string `arg:"" help:"A body of /api/v2/query; - is standard input. Its site_id may be left out."`
}

// Run adds a site.
func (v *SiteAdd) Run(c *verb.Context) error {
	site, err := c.Store.AddSite(c.Context, v.Domain, v.Timezone)
	switch {
	case errors.Is(err, account.ErrInvalid):
		return verb.Exit(verb.ExitUsage, fmt.Errorf("add site: %w", err))
	case err != nil:
		return fmt.Errorf("add site: %w", err)
	case c.JSON:
		return c.PrintJSON(describe(site, c.Now()))
	}
	_, err = fmt.Fprintf(c.Out, "added %s, whose day ends at midnight of %s\n", site.Domain, site.Timezone)
	return err
}

// Run lists the sites.
func (*SiteList) Run(c *verb.Context) error {
	lines := []siteAnswer{}
	for _, s := range c.Store.Accounts().Sites() {
		lines = append(lines, describe(s, c.Now()))
	}
	if c.JSON {
		return c.PrintJSON(lines)
	}
	t := tabwriter.NewWriter(c.Out, 0, 0, 2, ' ', 0)
	for _, l := range lines {
		fmt.Fprintf(t, "%s\t%s\t%s", l.Domain, l.Timezone, l.Created.Format(time.DateOnly))
		if l.Retention > 0 {
			fmt.Fprintf(t, "\tkeeps %d days", l.Retention)
		}
		for _, change := range l.Changes {
			fmt.Fprintf(t, "\t%s from %s", change.Timezone, change.First)
		}
		fmt.Fprintln(t)
	}
	return t.Flush()
}

// Run destroys a site and its data key.
func (v *SiteRemove) Run(c *verb.Context) error {
	site, err := c.Site(v.Domain)
	if err != nil {
		return err
	}
	if !v.Yes {
		return verb.Exit(verb.ExitUsage, fmt.Errorf("removing %s destroys its data for ever, here and in every copy of footfall.db (not in a copy that has the vault and a key with it): say --yes to do that", site.Domain))
	}
	if err := c.Store.RemoveSite(c.Context, site.ID, verb.CommandLine); err != nil {
		return fmt.Errorf("remove site: %w", err)
	}
	return destroyed(c, site, "removed %s and destroyed the key of its data\n")
}

// Run answers one query with what /api/v2/query answers.
func (v *Query) Run(c *verb.Context) error {
	site, err := c.Site(v.Site)
	if err != nil {
		return err
	}
	body, err := io.ReadAll(io.LimitReader(c.In, MaxBody+1))
	if err != nil {
		return fmt.Errorf("read query: %w", err)
	}
	if len(body) > MaxBody {
		return verb.Exit(verb.ExitUsage, fmt.Errorf("read query: it has more than %d bytes", MaxBody))
	}
	object, err := decodeObject(body)
	if err != nil {
		return verb.Exit(verb.ExitUsage, err)
	}
	if _, named := object["site_id"]; !named {
		object["site_id"] = site.Domain
	}
	if object["site_id"] != site.Domain {
		return verb.Exit(verb.ExitUsage, fmt.Errorf("the query's site_id is not %s, which --site names", site.Domain))
	}
	asked, err := parseObject(object, Options{Site: site, Now: c.Now(), Strict: true, Start: start(c.Store, site)})
	if err != nil {
		return verb.Exit(verb.ExitUsage, err)
	}
	result, err := c.Store.Query(c.Context, asked.Query)
	if errors.Is(err, query.ErrInvalid) {
		return verb.Exit(verb.ExitUsage, err)
	} else if err != nil {
		return fmt.Errorf("answer query: %w", err)
	}
	e := json.NewEncoder(c.Out)
	e.SetEscapeHTML(false)
	return e.Encode(asked.Answer(result))
}
