package verb

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"footfall/storage"
	"footfall/storage/schema"
)

// Inspect is the verb `inspect`.
type Inspect struct {
	Site    string `help:"Look at this site only, and at each of its days." placeholder:"DOMAIN"`
	Day     string `help:"Look at this day only, such as 2026-01-31." placeholder:"DATE"`
	Columns bool   `help:"Add up what each column of the sealed days takes. This reads all of them."`
}

// Help tells what the numbers mean.
func (*Inspect) Help() string {
	return "Shows where the bytes of the data file are: its pages, buckets, sites and days, and with --columns each column of the sealed days with " +
		"the encodings it is stored in. Folded values are counted as (other), since their day had too many different ones. Bytes an event count events without engagement. Nothing is changed, and a running server goes on counting."
}

// Run describes what is stored.
func (v *Inspect) Run(c *Context) error {
	ask := storage.Selection{Days: v.Site != "" || v.Day != "", Columns: v.Columns}
	if v.Site != "" {
		site, err := c.Site(v.Site)
		if err != nil {
			return err
		}
		ask.Site = site.ID
	}
	if v.Day != "" {
		date, err := schema.ParseDate(v.Day)
		if err != nil {
			return Exit(ExitUsage, fmt.Errorf("--day: %w", err))
		}
		ask.Date = &date
	}
	bar := c.Progress("Reading days", -1)
	defer bar.Close()
	in, err := c.Store.Inspect(c.Context, ask, func(done, _ int64) { bar.Set(done) })
	bar.Close()
	if err != nil {
		return err
	}
	if c.JSON {
		return c.PrintJSON(in)
	}
	domains := map[schema.Site]string{}
	for _, site := range c.Store.Accounts().Sites() {
		domains[site.ID] = site.Domain
	}
	tables := []*table{fileTable(in), bucketTable(in), siteTable(in)}
	if ask.Days {
		tables = append(tables, dayTable(in, domains))
	}
	if v.Columns {
		tables = append(tables, columnTable(in))
	}
	for i, t := range tables {
		if i > 0 {
			fmt.Fprintln(c.Out)
		}
		if err := t.print(c.Out); err != nil {
			return err
		}
	}
	return nil
}

func fileTable(in *storage.Inspection) *table {
	t := &table{titles: []string{"file", ">bytes", ">share"}}
	for _, part := range []struct {
		name  string
		bytes int64
	}{{"keys and values", in.File.Values}, {"pages around them", in.File.Pages}, {"free pages", in.File.Free}, {"not used yet", in.File.Tail}, {"all", in.File.Size}} {
		t.add(part.name, part.bytes, share(part.bytes, in.File.Size))
	}
	return t
}

func share(part, whole int64) string {
	if whole == 0 {
		return ""
	}
	return fmt.Sprintf("%.1f%%", 100*float64(part)/float64(whole))
}

func bucketTable(in *storage.Inspection) *table {
	t := &table{titles: []string{"bucket", ">entries", ">key bytes", ">value bytes"}}
	for _, b := range slices.SortedStableFunc(slices.Values(in.Buckets), func(a, b storage.BucketUse) int { return cmp.Compare(b.Values, a.Values) }) {
		t.add(b.Name, b.Entries, b.Keys, b.Values)
	}
	return t
}

func siteTable(in *storage.Inspection) *table {
	t := &table{titles: []string{">site", "domain", "first day", "last day", ">days", ">visitors", ">visits", ">events", ">rows", ">folded", ">journal", ">sealed", ">bytes an event"}}
	for _, s := range slices.SortedStableFunc(slices.Values(in.Sites), func(a, b storage.SiteUse) int { return cmp.Compare(b.Bytes(), a.Bytes()) }) {
		t.add(fmt.Sprint(s.ID), s.Domain, s.First, s.Last, s.Days, s.Visitors, s.Visits, s.Events, s.Rows, s.Folded, s.Journal, s.Sealed, perEvent(&s.Usage))
	}
	return t
}

func dayTable(in *storage.Inspection, domains map[schema.Site]string) *table {
	t := &table{titles: []string{"day", "domain", "state", ">generation", ">chunks", ">visitors", ">visits", ">events", ">rows", ">folded", ">journal", ">sealed", ">bytes an event", "time zone"}}
	for _, d := range in.Days {
		var state []string
		if d.Generation > 0 {
			state = append(state, "sealed")
		}
		if d.Damaged {
			state = append(state, "damaged")
		}
		if d.Journal > 0 || d.OpenRows > 0 {
			state = append(state, "open")
		}
		t.add(d.Date, domains[d.Site], strings.Join(state, "+"), fmt.Sprint(d.Generation), d.Chunks, d.Visitors, d.Visits, d.Events, d.Rows, d.Folded, d.Journal, d.Sealed, perEvent(&d.Usage), d.Zone)
	}
	return t
}

func perEvent(u *storage.Usage) any {
	if u.Events == 0 {
		return ""
	}
	return float64(u.Bytes()) / float64(u.Events)
}

func columnTable(in *storage.Inspection) *table {
	t := &table{titles: []string{"stream", "column", ">streams", ">bytes", ">share", ">bytes an event", "encodings"}}
	sum, events := int64(0), 0.0
	for _, c := range in.Columns {
		sum += c.Bytes
		events += c.PerEvent
	}
	for _, c := range in.Columns {
		names := slices.SortedFunc(maps.Keys(c.Encodings), func(a, b string) int {
			return cmp.Or(cmp.Compare(c.Encodings[b], c.Encodings[a]), cmp.Compare(a, b))
		})
		for i, name := range names {
			if len(names) > 1 {
				names[i] = fmt.Sprintf("%s %d", name, c.Encodings[name])
			}
		}
		t.add(c.Stream, c.Column, c.Streams, c.Bytes, share(c.Bytes, sum), c.PerEvent, strings.Join(names, ", "))
	}
	t.add("all", "", "", sum, share(sum, sum), events, "")
	return t
}
