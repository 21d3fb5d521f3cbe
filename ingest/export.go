package ingest

import (
	"bufio"
	"fmt"
	"strconv"

	"footfall/ingest/wire"
	"footfall/storage/day"
	"footfall/storage/schema"
	"footfall/storage/verb"
)

// Export is the verb that writes a site's events, one a line, in a form that Import takes back without loss.
type Export struct {
	Site   string `required:"" placeholder:"DOMAIN" help:"Site whose events are written."`
	Format string `required:"" enum:"ndjson" placeholder:"ndjson" help:"Format of the output: ndjson."`
	From   string `placeholder:"DATE" help:"First day, such as 2026-01-31, in the site's time zone. Default: the oldest."`
	To     string `placeholder:"DATE" help:"Last day. Default: the newest."`
}

// Run writes to c.Out.
func (cmd *Export) Run(c *verb.Context) error {
	site, calendar, err := findSite(c, cmd.Site)
	if err != nil {
		return err
	}
	first, last, some := c.Store.Span(site.ID)
	for _, bound := range []struct {
		flag, text string
		date       *schema.Date
		isLater    bool
	}{{"--from", cmd.From, &first, true}, {"--to", cmd.To, &last, false}} {
		if bound.text == "" {
			continue
		}
		d, err := schema.ParseDate(bound.text)
		if err != nil {
			return verb.Exit(verb.ExitUsage, fmt.Errorf("%s: %w", bound.flag, err))
		}
		// A day outside of what there is changes nothing, and must not make the export walk centuries.
		if (d > *bound.date) == bound.isLater {
			*bound.date = d
		}
	}
	var events int64
	if some && first <= last {
		if events, err = cmd.write(c, site.ID, first, last, calendar); err != nil {
			return fmt.Errorf("export: %w", err)
		}
	}
	fmt.Fprintf(c.Err, "%d events written\n", events)
	return nil
}

func (cmd *Export) write(c *verb.Context, site schema.Site, first, last schema.Date, calendar *schema.Calendar) (events int64, err error) {
	bar := c.Progress("Writing days", int64(last-first)+1)
	defer bar.Close()
	out := bufio.NewWriterSize(c.Out, 1<<16)
	var line []byte
	begin := calendar.Start(first).Unix()
	err = c.Store.Export(c.Context, site, first, last, func(visitor uint32, a *schema.Attributes, e *day.Event) error {
		if events++; events%applyBatch == 0 {
			bar.Set((e.Time - begin) / 86400)
		}
		line = wire.AppendLine(line[:0], &wire.Record{Visitor: strconv.FormatUint(uint64(visitor), 10), Attributes: *a, Event: *e})
		_, err := out.Write(line)
		return err
	})
	if err != nil {
		return events, err
	}
	return events, out.Flush()
}
