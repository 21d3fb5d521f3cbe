package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"footfall/dashboard/auth"
	"footfall/storage"
	"footfall/storage/account"
	"footfall/storage/query"
	"footfall/storage/schema"
	"footfall/storage/verb"
)

// deletion is what was asked to be deleted, as it was understood.
type deletion struct {
	storage.Deletion
	confirm   string
	filters   []any
	dateRange [2]string
}

// parseDeletion reads the body of a deletion: some of a site's events, by filters, a range, or both. The command line gives the range
// beside the body. It ends now at the latest, so that what was previewed can be deleted while events go on coming in.
func parseDeletion(object map[string]any, within *query.Range, o Options) (*deletion, error) {
	p, err := newParser(o)
	if err != nil {
		return nil, err
	}
	p.unknown("#", object, []string{"filters", "date_range", "confirm"})
	p.filters(object)
	p.dateRange(object)
	d := &deletion{filters: p.asked.Echo.Filters}
	if v, ok := object["confirm"]; ok {
		if d.confirm, ok = v.(string); !ok {
			p.mismatch("#/confirm", "String", v)
		}
	}
	if len(p.issues) > 0 {
		return nil, refuse("%s", strings.Join(p.issues, "\n"))
	}
	if p.first != nil {
		return nil, p.first
	}
	if err := query.ValidateFilters(p.asked.Query.Filters); err != nil {
		return nil, err
	}
	if within == nil {
		all := o.everything(&p.clock)
		within = &all
		if _, ok := object["date_range"]; ok {
			within = &p.asked.Query.Range
		} else if d.confirm != "" {
			return nil, refuse("With `confirm` repeat `date_range` and `filters` as the preview has answered them.")
		} else if len(d.filters) == 0 {
			return nil, refuse("Say which events: by `filters`, by `date_range`, or both. To delete all there are, reset the site.")
		}
	}
	d.Site, d.Filters = o.Site.ID, p.asked.Query.Filters
	d.Range = query.Range{First: within.First, Last: min(within.Last, o.Now.Unix())}
	d.dateRange = [2]string{p.clock.instant(d.Range.First), p.clock.instant(d.Range.Last)}
	return d, nil
}

// everything is the range from the first day with data to now.
func (o *Options) everything(c *clock) query.Range {
	r := query.Range{First: c.days(c.today, c.today).First, Last: o.Now.Unix()}
	if first, ok := c.start(); ok {
		r.First = min(r.First, c.days(first, first).First)
	}
	return r
}

// deletionAnswer tells what a deletion takes away, or has taken away.
type deletionAnswer struct {
	SiteID     string    `json:"site_id"`
	DateRange  [2]string `json:"date_range"`
	Filters    []any     `json:"filters"`
	Deleted    bool      `json:"deleted"`
	Events     int64     `json:"events"`
	Engagement int64     `json:"engagement"`
	Visits     int64     `json:"visits"`
	Visitors   int64     `json:"visitors"`
	Days       int       `json:"days"`
	Emptied    int       `json:"emptied_days"`
	Confirm    string    `json:"confirm,omitempty"` // of a preview: what the deletion has to carry
}

func (d *deletion) answer(site account.Site, sum storage.Deleted, deleted bool) deletionAnswer {
	a := deletionAnswer{SiteID: site.Domain, DateRange: d.dateRange, Filters: d.filters, Deleted: deleted, Events: sum.Events, Engagement: sum.Engagement,
		Visits: sum.Visits, Visitors: sum.Visitors, Days: sum.Days, Emptied: sum.Emptied}
	if !deleted {
		a.Confirm = sum.Code
	}
	return a
}

// deleteEvents answers a program: without confirm what would be deleted, with the confirm of that answer it deletes.
func (a *API) deleteEvents(w http.ResponseWriter, r *http.Request, caller auth.Caller, site account.Site) (any, error) {
	body, err := readBody(w, r, MaxBody)
	if err != nil {
		return nil, err
	}
	object, err := decodeObject(body)
	if err != nil {
		return nil, err
	}
	d, err := parseDeletion(object, nil, a.options(site, false))
	if err != nil {
		return nil, err
	}
	d.By = caller.Who()
	if d.confirm == "" {
		sum, err := a.store.PreviewDelete(r.Context(), d.Deletion, nil)
		return d.answer(site, sum, false), err
	}
	// What was confirmed is done to its end, whether or not anyone still waits for the answer.
	sum, err := a.store.Delete(context.WithoutCancel(r.Context()), d.Deletion, d.confirm, nil)
	return d.answer(site, sum, true), err
}

// Delete is `footfall delete`.
type Delete struct {
	Site    string   `required:"" help:"Domain of the site." placeholder:"DOMAIN"`
	Filter  []string `sep:"none" help:"Events that satisfy this filter of the Stats API; may come again, then all must hold." placeholder:"JSON"`
	From    string   `help:"First day, such as 2026-01-31, in the site's time zone, or moment, such as 2026-01-31T14:00:00+01:00." placeholder:"DATE"`
	To      string   `help:"Last day or moment. Default: now." placeholder:"DATE"`
	DryRun  bool     `help:"Only tell what would be deleted."`
	Confirm string   `help:"Delete what was told before, if it is still that: the code that was printed, with the same --filter, --from and --to." placeholder:"CODE"`
	Yes     bool     `help:"Delete what there is now."`
}

// Help tells what is deleted with the events.
func (*Delete) Help() string {
	return "Deletes events for ever: one page, one event name, a burst. A visit of which no pageview or event is left goes with them, and so does a visitor without a visit; everything is " +
		"counted anew. Each day changes as a whole. If the command is cut off, some days are done and the others are not: the same command again does the rest."
}

// Run tells what would be deleted, and deletes it if it was told to.
func (v *Delete) Run(c *verb.Context) error {
	site, err := c.Site(v.Site)
	if err != nil {
		return err
	}
	d, err := v.parse(Options{Site: site, Now: c.Now(), Start: start(c.Store, site)})
	if err != nil {
		return verb.Exit(verb.ExitUsage, err)
	}
	d.By = verb.CommandLine
	deletes := !v.DryRun && (v.Yes || v.Confirm != "")
	bar := c.Progress("Going through days", -1)
	defer bar.Close()
	progress := func(done, _ int64) { bar.Set(done) }
	var sum storage.Deleted
	if deletes {
		sum, err = c.Store.Delete(c.Context, d.Deletion, v.Confirm, progress)
	} else {
		sum, err = c.Store.PreviewDelete(c.Context, d.Deletion, progress)
	}
	bar.Close()
	switch {
	case errors.Is(err, storage.ErrChanged):
		return fmt.Errorf("delete events: %w", err)
	case err != nil:
		if deletes && sum.Days > 0 {
			fmt.Fprintf(c.Err, "not done to the end: %s of %s deleted\n", many(sum.Events, "event"), many(int64(sum.Days), "day"))
		}
		return fmt.Errorf("delete events: %w", err)
	}
	if err := d.answer(site, sum, deletes).print(c); err != nil || deletes || v.DryRun || sum.Days == 0 {
		return err
	}
	return verb.Exit(verb.ExitUsage, fmt.Errorf("nothing is deleted yet, and nothing deleted comes back: say --to %s --confirm %s to delete just these, or --yes", d.dateRange[1], sum.Code))
}

func (a deletionAnswer) print(c *verb.Context) error {
	if c.JSON {
		return c.PrintJSON(a)
	}
	would := "would delete"
	if a.Deleted {
		would = "deleted"
	}
	if a.Days == 0 {
		_, err := fmt.Fprintf(c.Out, "%s has no such events from %s to %s\n", a.SiteID, a.DateRange[0], a.DateRange[1])
		return err
	}
	_, err := fmt.Fprintf(c.Out, "%s %s and %s of %s, from %s to %s\nleft without any: %s, %s, %s\n", would, many(a.Events, "event"), many(a.Engagement, "report of engagement", "reports of engagement"),
		many(int64(a.Days), "day"), a.DateRange[0], a.DateRange[1], many(a.Visits, "visit"), many(a.Visitors, "visitor"), many(int64(a.Emptied), "day"))
	return err
}

// many writes a number of things; the plural may be given.
func many(n int64, word string, plural ...string) string {
	switch {
	case n == 1:
		return "1 " + word
	case len(plural) > 0:
		return fmt.Sprint(n, " ", plural[0])
	}
	return fmt.Sprint(n, " ", word, "s")
}

func (v *Delete) parse(o Options) (*deletion, error) {
	if len(v.Filter) == 0 && v.From == "" && v.To == "" {
		return nil, errors.New("say which events: by --filter, --from or --to. To delete all there are: `footfall site reset`")
	}
	if v.Confirm != "" && v.To == "" {
		return nil, errors.New("--confirm needs the --to of what it confirms, since it would be now otherwise")
	}
	filters := []any{}
	for _, text := range v.Filter {
		decoder := json.NewDecoder(strings.NewReader(text))
		decoder.UseNumber()
		var f any
		if err := decoder.Decode(&f); err != nil || decoder.More() {
			return nil, fmt.Errorf(`--filter %s: write it as JSON, such as '["is","event:page",["/x"]]'`, text)
		}
		filters = append(filters, f)
	}
	calendar, err := o.Site.Calendar()
	if err != nil {
		return nil, err
	}
	c := newClock(o.Now, calendar, o.Start)
	within := o.everything(&c)
	if v.From != "" {
		r, err := c.bound("--from", v.From)
		if err != nil {
			return nil, err
		}
		within.First = r.First
	}
	if v.To != "" {
		r, err := c.bound("--to", v.To)
		if err != nil {
			return nil, err
		}
		within.Last = r.Last
	}
	if v.From == "" {
		within.First = min(within.First, within.Last)
	}
	if within.First > within.Last {
		return nil, errors.New("there is no time between --from and --to")
	}
	return parseDeletion(map[string]any{"filters": filters}, &within, o)
}

// bound reads a day or a moment.
func (c *clock) bound(flag, text string) (query.Range, error) {
	if date, err := schema.ParseDate(text); err == nil {
		return c.days(date, date), nil
	}
	if at, ok := parseInstant(text); ok {
		return query.Range{First: at, Last: at}, nil
	}
	return query.Range{}, fmt.Errorf("%s %s: write a day, such as 2026-01-31, or a moment with its offset, such as 2026-01-31T14:00:00+01:00", flag, text)
}
