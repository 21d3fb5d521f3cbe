package ingest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"

	"footfall/ingest/wire"
	"footfall/storage/account"
	"footfall/storage/schema"
	"footfall/storage/verb"
)

// Import is the verb that adds events from a file to a site. Nothing is stored before all lines are read; then either
// all good lines are, or none.
type Import struct {
	Site   string `required:"" placeholder:"DOMAIN" help:"Site that gets the events."`
	Format string `required:"" enum:"ndjson" placeholder:"ndjson" help:"Format of the file: ndjson."`
	File   string `arg:"" placeholder:"FILE" help:"File to read, - for standard input."`
}

// Summary says what an import did.
type Summary struct {
	Lines    int64 `json:"lines"` // read, blank ones left out
	Events   int64 `json:"events"`
	Visits   int64 `json:"visits"`
	Visitors int64 `json:"visitors"` // summed over the days
	Days     int64 `json:"days"`
	Rejected int64 `json:"rejected"` // lines that were left out
}

// Run reads c.In. An import that left lines out ends with verb.ExitPartial.
func (cmd *Import) Run(c *verb.Context) error {
	site, calendar, err := findSite(c, cmd.Site)
	if err != nil {
		return err
	}
	sources, err := BuiltSources()
	if err != nil {
		return fmt.Errorf("import: %w", err)
	}
	run := &importing{c: c, stage: newStage(site.ID, calendar, sources), latest: c.Now().Add(maxFuture).Unix(), more: map[string]int64{}}
	if err := run.read(); err != nil {
		return fmt.Errorf("import: %w", err)
	}
	if err := run.store(site.ID); err != nil {
		return fmt.Errorf("import: %w; nothing was stored", err)
	}
	run.closing()
	if n := run.sum.Rejected; n > 0 {
		return verb.Exit(verb.ExitPartial, fmt.Errorf("import: %d of %d lines were left out, the rest is stored", n, run.sum.Lines))
	}
	return nil
}

// findSite returns the site a person named and its days.
func findSite(c *verb.Context, name string) (account.Site, *schema.Calendar, error) {
	site, err := c.Site(name)
	if err != nil {
		return account.Site{}, nil, err
	}
	calendar, err := site.Calendar()
	if err != nil {
		return account.Site{}, nil, fmt.Errorf("site %s: %w", site.Domain, err)
	}
	return site, calendar, nil
}

// importing is one run of Import.
type importing struct {
	c      *verb.Context
	stage  *stage
	latest int64 // newest Unix time accepted
	sum    Summary
	more   map[string]int64 // rejected lines that were not shown, by reason
}

func (run *importing) read() error {
	bar := run.c.Progress("Reading events", inputSize(run.c.In))
	defer bar.Close()
	lines := lineReader{r: bufio.NewReaderSize(run.c.In, 1<<16)}
	var record wire.Record
	for n := uint64(1); ; n++ {
		if n%applyBatch == 0 {
			if err := run.c.Context.Err(); err != nil {
				return err
			}
			bar.Set(lines.bytes)
		}
		line, err := lines.next()
		if err == io.EOF {
			return nil
		}
		if err != nil && err != errLongLine {
			return fmt.Errorf("read line %d: %w", n, err)
		}
		if err == nil && len(line) == 0 {
			continue
		}
		run.sum.Lines++
		if err == nil {
			err = wire.DecodeLine(line, &record)
		}
		if err == nil && record.Event.Time > run.latest {
			err = errors.New("time: more than a day in the future")
		}
		if err != nil {
			run.reject(n, err.Error())
			continue
		}
		if err := run.stage.add(n, &record); err != nil {
			return err
		}
	}
}

// reject reports a line that is left out: the first ones as they come, the rest as counts in the end.
func (run *importing) reject(line uint64, reason string) {
	run.sum.Rejected++
	if run.sum.Rejected <= maxShownLines {
		fmt.Fprintf(run.c.Err, "line %d: %s\n", line, reason)
		return
	}
	if _, known := run.more[reason]; !known && len(run.more) >= maxShownReasons {
		reason = "other reasons"
	}
	run.more[reason]++
}

// store builds the days and commits them all at once.
func (run *importing) store(site schema.Site) (err error) {
	dates := run.stage.dates()
	if len(dates) == 0 {
		return nil
	}
	bar := run.c.Progress("Storing days", int64(len(dates)))
	defer bar.Close()
	target, err := run.c.Store.Import(site)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, target.Abort()) }() // does nothing after Commit
	for i, d := range dates {
		if err := run.c.Context.Err(); err != nil {
			return err
		}
		b, err := run.stage.build(d)
		if err != nil {
			return err
		}
		for _, line := range b.orphans {
			run.reject(line, "engagement without a visit it could belong to")
		}
		if b.events > 0 {
			if err := target.Add(run.c.Context, b.open); err != nil {
				return fmt.Errorf("store day %s: %w", d, err)
			}
			run.sum.Days++
		}
		run.sum.Events += b.events
		run.sum.Visits += b.visits
		run.sum.Visitors += b.visitors
		bar.Set(int64(i + 1))
	}
	// From here on an import cannot be called off: an answer that came too early would leave open whether it took place.
	return target.Commit(context.WithoutCancel(run.c.Context))
}

// closing prints what was done. Rejected lines that were not shown are counted by reason, the commonest first.
func (run *importing) closing() {
	reasons := slices.SortedFunc(maps.Keys(run.more), func(a, b string) int {
		if d := run.more[b] - run.more[a]; d != 0 {
			return int(d)
		}
		if a < b {
			return -1
		}
		return 1
	})
	for _, reason := range reasons {
		fmt.Fprintf(run.c.Err, "%d more lines: %s\n", run.more[reason], reason)
	}
	if run.c.JSON {
		run.c.PrintJSON(run.sum)
		return
	}
	fmt.Fprintf(run.c.Out, "lines     %d\nevents    %d\nvisits    %d\nvisitors  %d\ndays      %d\nrejected  %d\n",
		run.sum.Lines, run.sum.Events, run.sum.Visits, run.sum.Visitors, run.sum.Days, run.sum.Rejected)
}

// inputSize returns how many bytes r holds if it is a regular file, −1 otherwise.
func inputSize(r io.Reader) int64 {
	if f, ok := r.(interface{ Stat() (fs.FileInfo, error) }); ok {
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
			return info.Size()
		}
	}
	return -1
}

var errLongLine = fmt.Errorf("longer than %d bytes", wire.MaxLine)

// lineReader reads lines of at most wire.MaxLine bytes and skips the rest of a longer one.
type lineReader struct {
	r     *bufio.Reader
	bytes int64
	line  []byte
}

// next returns the next line without its end, valid until the next call. The error is errLongLine for a line that was
// skipped, io.EOF after the last.
func (l *lineReader) next() ([]byte, error) {
	l.line = l.line[:0]
	long := false
	for {
		part, err := l.r.ReadSlice('\n')
		l.bytes += int64(len(part))
		if len(l.line)+len(part) > wire.MaxLine+len("\r\n") {
			long = true
		} else {
			l.line = append(l.line, part...)
		}
		switch {
		case err == bufio.ErrBufferFull:
			continue
		case err == io.EOF && len(l.line) == 0 && !long:
			return nil, io.EOF
		case err != nil && err != io.EOF:
			return nil, err
		case long:
			return nil, errLongLine
		}
		line := l.line
		for len(line) > 0 && (line[len(line)-1] == '\n' || line[len(line)-1] == '\r') {
			line = line[:len(line)-1]
		}
		return line, nil
	}
}
