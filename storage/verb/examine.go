package verb

import (
	"fmt"
	"strings"
	"time"

	"footfall/storage/account"
	daily "footfall/storage/day"
	"footfall/storage/query"
	"footfall/storage/schema"
)

const (
	// scarce is the free room on the disk, in bytes, below which somebody should look, and dire that below which events are about to be refused.
	scarce = 1 << 30
	dire   = 128 << 20
	// quietDays is how many days without a visit are remarkable for a site that had some, and never for one that is so old without any.
	quietDays = 3
	// foreignDays is how far back pages of other hosts are looked for, foreignShare the part of the pageviews from which they matter, and
	// foreignShown how many are named.
	foreignDays  = 7
	foreignShare = 0.05
	foreignShown = 3
	// drillAge is how old the last proof of the snapshots may be: drills are made each week.
	drillAge = 15 * 24 * time.Hour
)

// made is a time when this was written: a clock that stands before it is wrong.
var made = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

func examineDisk(c *Context) []Finding {
	disk, err := c.Store.Disk()
	if err != nil {
		return []Finding{{Unknown, "disk", "the disk of the data directory does not tell how full it is", ""}}
	}
	room := Finding{Fine, "disk", fmt.Sprintf("%s are free on the disk", size(disk.Free)), ""}
	switch {
	case disk.Free < dire:
		room = Finding{Problem, "disk", fmt.Sprintf("only %s free: events are refused when the disk is full", size(disk.Free)),
			"make room; `footfall reclaim` gives some at once, `footfall compact` and a retention (`footfall site set`) give more"}
	case disk.Free < scarce:
		room = Finding{Warning, "disk", fmt.Sprintf("%s are free on the disk", size(disk.Free)), "make room, or keep less: `footfall site set --retention`"}
	}
	if err := c.Store.Healthy(); err != nil {
		room = Finding{Problem, "disk", "events are refused: " + err.Error(), "`footfall check` and the server's log tell more"}
	}
	kind := Finding{Fine, "disk", "a local file system holds the data", ""}
	if disk.Network != "" {
		kind = Finding{Problem, "disk", "the data lie on a network file system (" + disk.Network + "), which promises neither locks nor that what is written is on a disk",
			"move the directory to a local disk, --data, and keep copies with --snapshot-to"}
	}
	return []Finding{room, kind}
}

func examineKeys(c *Context) []Finding {
	status := c.Store.KeyStatus()
	var found []Finding
	for _, text := range keyWarnings(&status) {
		what, mend, _ := strings.Cut(text, "; ")
		found = append(found, Finding{Warning, "keys", what, mend})
	}
	if len(found) == 0 {
		found = []Finding{{Fine, "keys", "there is a recovery key, and no key lies beside the data", ""}}
	}
	return found
}

func examineSnapshots(c *Context) []Finding {
	if c.Streaming == nil {
		if c.Idle {
			return nil // said once for all that needs a server
		}
		return []Finding{{Warning, "snapshots", "there are no snapshots: if this disk is lost, so are the data", "--snapshot-to s3://… or a directory on another disk: docs/snapshots.md"}}
	}
	sum := c.Streaming.Summary()
	switch {
	case sum.Fenced():
		return []Finding{{Problem, "snapshots", "another instance streams snapshots in this one's place", "`footfall snapshot adopt`, or another prefix in --snapshot-to"}}
	case c.Streaming.Refused() != "":
		return []Finding{{Problem, "snapshots", "the bucket cannot be used: " + c.Streaming.Refused(), "see `footfall snapshot status`"}}
	case sum.Late != "":
		return []Finding{{Problem, "snapshots", sum.Late, "see `footfall snapshot status`"}}
	}
	found := []Finding{{Fine, "snapshots", "snapshots are streamed", ""}}
	if !sum.Restorable.IsZero() {
		found[0].Text = "the data can be restored up to " + sum.Restorable.UTC().Format(time.DateTime) + " UTC"
	}
	switch {
	case !sum.Failed.IsZero():
		found = append(found, Finding{Problem, "snapshots", "the last drill failed: the snapshots did not restore what is stored", "see `footfall snapshot status`, then `footfall snapshot drill`"})
	case sum.Proven.IsZero() || c.Now().Sub(sum.Proven) > drillAge:
		found = append(found, Finding{Warning, "snapshots", "that they can be restored was not proven lately", "`footfall snapshot drill`"})
	}
	return found
}

func examineClock(c *Context) []Finding {
	now := c.Now().UTC()
	stamp := now.Format(time.DateTime) + " UTC"
	switch {
	case now.Before(made):
		return []Finding{{Problem, "clock", "the clock says " + stamp + ", which is before this program was made", "set the clock and keep it right: systemd-timesyncd, chrony"}}
	case c.Store.ClockJumped():
		return []Finding{{Problem, "clock", "the clock says " + stamp + ", which is days away from the last day of work", "set the clock if it is wrong; if it is right, it is believed after a day"}}
	}
	return []Finding{{Fine, "clock", "the clock says " + stamp, ""}}
}

func examineMemory(c *Context) []Finding {
	m := c.Store.Memory()
	used := m.OpenDaysUsed + m.WorkUsed + m.CacheUsed
	text := fmt.Sprintf("%s may be used", size(m.Total))
	if m.OpenDaysUsed > m.OpenDays {
		return []Finding{{Warning, "memory", fmt.Sprintf("%s, and the days under way take %s of %s that are meant for them", text, size(m.OpenDaysUsed), size(m.OpenDays)), "--memory"}}
	}
	return []Finding{{Fine, "memory", fmt.Sprintf("%s; %s of it hold days and answers", text, size(used)), ""}}
}

// examineSites looks for sites that count nothing, and for those that count the pages of others.
func examineSites(c *Context) []Finding {
	sites := c.Store.Accounts().Sites()
	if len(sites) == 0 {
		return []Finding{{Warning, "sites", "there is no site yet", "`footfall site add DOMAIN --timezone ZONE`, or the dashboard"}}
	}
	var found []Finding
	for _, site := range sites {
		found = append(found, examineSite(c, site)...)
		if c.Context.Err() != nil {
			return found
		}
	}
	if len(found) == 0 {
		found = []Finding{{Fine, "sites", plural(len(sites), "site counts visits to its own pages", "sites count visits to their own pages"), ""}}
	}
	return found
}

func examineSite(c *Context, site account.Site) []Finding {
	calendar, err := site.Calendar()
	if err != nil {
		return []Finding{{Problem, "sites", site.Domain + ": " + err.Error(), "`footfall site set " + site.Domain + " --timezone ZONE`"}}
	}
	today := calendar.Date(c.Now().Unix())
	snippet := "look at the snippet in its pages, and whether it names this server: docs/tracking.md"
	switch _, last, ok := c.Store.Span(site.ID); {
	case !ok && c.Now().Sub(site.Created) > quietDays*24*time.Hour:
		return []Finding{{Warning, "sites", site.Domain + " never had a visit", snippet}}
	case ok && last+quietDays < today:
		return []Finding{{Warning, "sites", fmt.Sprintf("%s had its last visit on %s", site.Domain, last), snippet}}
	case !ok, c.Store.Accounts().Rules(site.ID).One(account.RuleHost).ID != 0: // who has said which hosts count has looked
		return nil
	}
	answer, err := c.Store.Query(c.Context, query.Query{Site: site.ID, Range: query.Days(today-foreignDays+1, today, calendar),
		Metrics: []query.Metric{query.Pageviews}, Dimensions: []query.Dimension{query.Dimension(schema.Columns[schema.EventHostname].API)}})
	if err != nil {
		return []Finding{{Unknown, "sites", site.Domain + ": pages of other hosts could not be looked for: " + err.Error(), ""}}
	}
	var all, foreign float64
	var named []string
	for _, row := range answer.Rows {
		host, n := row.Dimensions[0], row.Metrics[0].Number
		all += n
		if host != "" && host != daily.Other && !ownHost(site.Domain, host) {
			foreign += n
			if len(named) < foreignShown {
				named = append(named, host)
			}
		}
	}
	if foreign == 0 || foreign < foreignShare*all {
		return nil
	}
	return []Finding{{Warning, "sites", fmt.Sprintf("%.0f %% of the pageviews that %s counted in %d days are of pages elsewhere: %s", 100*foreign/all, site.Domain, foreignDays, strings.Join(named, ", ")),
		fmt.Sprintf("if they are not yours, count only the hosts that are: `footfall shield add --site %[1]s --only-host %[1]s --only-host '*.%[1]s'`", site.Domain)}}
}

// ownHost reports whether a page of a host belongs to a site: that of its domain, or below it.
func ownHost(domain, host string) bool {
	domain, _, _ = strings.Cut(strings.TrimPrefix(domain, "www."), "/")
	return host == domain || strings.HasSuffix(host, "."+domain)
}
