package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"io/fs"
	"runtime"

	"footfall/ingest/geo"
	"footfall/ingest/shield"
	"footfall/ingest/source"
	"footfall/ingest/wire"
	"footfall/storage"
	"footfall/storage/account"
	"footfall/storage/day"
	"footfall/storage/schema"
	"footfall/storage/verb"
)

// Import is the verb that adds events from files to a site. Nothing is stored before all lines are read; then either
// all good lines are, or none.
type Import struct {
	Site   string   `required:"" placeholder:"DOMAIN" help:"Site that gets the events."`
	Format string   `required:"" enum:"ndjson,combined,common,vhost,caddy,nginx-json,traefik,cloudfront" placeholder:"FORMAT" help:"Format of the files: ndjson, or that of a server's log: combined, common, vhost, caddy, nginx-json, traefik or cloudfront."`
	Files  []string `arg:"" name:"file" placeholder:"FILE" help:"Files to read, - for standard input. Logs may be many, in any order, and compressed with gzip."`
	LogFlags
	Places *geo.DB       `kong:"-"` // where the addresses in logs are; nil: as built into the program
	Lists  *shield.Lists `kong:"-"` // of what in logs is not counted; likewise
}

// Summary says what an import did.
type Summary struct {
	Lines    int64 `json:"lines"` // read, blank ones left out
	Events   int64 `json:"events"`
	Visits   int64 `json:"visits"`
	Visitors int64 `json:"visitors"` // summed over the days
	Days     int64 `json:"days"`
	Rejected int64 `json:"rejected"` // lines that were left out
	*LogSummary
}

// Works says that a process of this verb alone needs its memory for days on their way into the file.
func (*Import) Works() {}

// Run reads c.In. An import that left lines out ends with verb.ExitPartial.
func (cmd *Import) Run(c *verb.Context) error {
	if err := cmd.check(); err != nil {
		return verb.Exit(verb.ExitUsage, err)
	}
	site, calendar, err := findSite(c, cmd.Site)
	if err != nil {
		return err
	}
	sources, err := BuiltSources()
	if err != nil {
		return fmt.Errorf("import: %w", err)
	}
	if cmd.isLog() {
		return cmd.runLogs(c, site, calendar, sources)
	}
	return importOnce(c, calendar, sources, func(run *importing) error {
		parts, err := run.read()
		if err != nil {
			return err
		}
		return run.store(site.ID, parts, nil)
	})
}

// importOnce does one import with all the memory there is for them.
func importOnce(c *verb.Context, calendar *schema.Calendar, sources *source.Table, do func(*importing) error) error {
	memory, done, err := c.Store.AllWork(c.Context, func() { fmt.Fprintln(c.Err, "waiting for another import to end: one at a time has the memory for it") })
	if err != nil {
		return fmt.Errorf("import: %w", err)
	}
	defer done()
	run := &importing{c: c, calendar: calendar, sources: sources, memory: memory, rejects: rejects{out: c.Err}, scratch: c.Store.Scratch()}
	defer run.scratch.Close()
	if err := do(run); err != nil {
		return fmt.Errorf("import: %w", err)
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
	c        *verb.Context
	calendar *schema.Calendar
	sources  *source.Table
	memory   int64 // bytes it may take
	scratch  *storage.Scratch
	sum      Summary
	rejects
}

// lines is what reading a block came to.
type lines struct {
	read int64 // bytes of the input up to its end
	n    int64
	rejects
	err error
}

// workers returns how many goroutines read or build, each of which takes at least so much memory.
func (run *importing) workers(least int64) int {
	return int(max(1, min(int64(runtime.GOMAXPROCS(0)), run.memory/least)))
}

// stages returns a stage for each goroutine that reads, and how many blocks may be under way.
func (run *importing) stages() (stages []*stage, ahead int) {
	workers := run.workers(4 * int64(blockSize))
	ahead = workers + 1
	shared := &staging{
		calendar: run.calendar, latest: run.c.Now().Add(maxFuture).Unix(), scratch: run.scratch,
		wordSeed: maphash.MakeSeed(), visitorSeed: maphash.MakeSeed(), nobodySeed: maphash.MakeSeed(),
	}
	// Half of the memory is for the days that are built, unless nothing had to be put down.
	shared.share = int(max(run.memory/2-int64(ahead*blockSize), run.memory/8)) / workers
	for range workers {
		stages = append(stages, newStage(shared))
	}
	return stages, ahead
}

// read stages all lines.
func (run *importing) read() ([]part, error) {
	bar := run.c.Progress("Reading events", inputSize(run.c.In))
	defer bar.Close()
	stages, ahead := run.stages()
	workers := len(stages)
	input := newBlockReader(run.c.In, ahead)
	ended := false
	next := func() (b block, ok bool) {
		if ended {
			return b, false
		}
		if b.err = run.c.Context.Err(); b.err == nil {
			b = input.next()
		}
		ended = b.err != nil || len(b.bytes) == 0 && !b.long
		return b, true
	}
	var failed error
	inOrder(workers, ahead, next, func(worker int, b block) lines {
		defer input.give(&b)
		return stages[worker].read(&b)
	}, func(l lines) bool {
		run.sum.Lines += l.n
		run.merge(&l.rejects)
		bar.Set(l.read)
		failed = l.err
		return failed == nil
	})
	if failed != nil {
		return nil, failed
	}
	return gatherParts(stages)
}

// gatherParts returns what all stages hold. If one had to put something down, all do with the rest: building needs the memory.
func gatherParts(stages []*stage) (parts []part, err error) {
	spilled := false
	for _, s := range stages {
		spilled = spilled || len(s.parts) > 0
	}
	for _, s := range stages {
		if spilled {
			if err := s.spill(true); err != nil {
				return nil, err
			}
		}
		parts = append(append(parts, s.parts...), s.part)
	}
	return parts, nil
}

// read stages the lines of a block.
func (s *stage) read(b *block) lines {
	out := lines{read: b.read, err: b.err}
	if b.long {
		out.n++
		out.add(b.first, fmt.Sprintf("longer than %d bytes", wire.MaxLine))
	}
	for n, rest := b.first, b.bytes; len(rest) > 0 && out.err == nil; n++ {
		line, after, _ := bytes.Cut(rest, []byte("\n"))
		rest = after
		if line = bytes.TrimRight(line, "\r"); len(line) == 0 {
			continue
		}
		out.n++
		if err := s.add(n, line); err != nil {
			out.add(n, err.Error())
		}
	}
	if out.err == nil {
		out.err = s.spill(false)
	}
	return out
}

// store builds the days and commits them all at once, with what keep, which may be nil, adds to the import. Where it fails nothing was stored.
func (run *importing) store(site schema.Site, parts []part, keep func(*storage.Import) error) error {
	if err := run.build(site, parts, keep); err != nil {
		return fmt.Errorf("%w; nothing was stored", err)
	}
	return nil
}

func (run *importing) build(site schema.Site, parts []part, keep func(*storage.Import) error) (err error) {
	dates, rows := stagedDates(parts)
	if len(dates) == 0 && keep == nil {
		return nil
	}
	bar := run.c.Progress("Storing days", int64(len(dates)))
	defer bar.Close()
	target, err := run.c.Store.Import(site)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, target.Abort()) }() // does nothing after Commit
	defer func() {
		if n := target.Folded(); n > 0 && err == nil {
			fmt.Fprintf(run.c.Err, "%d values were counted as %s: a day keeps %d different ones of a column\n", n, day.Other, day.MaxWords)
		}
	}()
	b := &building{calendar: run.calendar, sources: run.sources, scratch: run.scratch, parts: parts}
	room := newRoom(run.memory)
	begun, ended := 0, int64(0)
	next := func() (date schema.Date, ok bool) {
		if begun == len(dates) {
			return 0, false
		}
		date = dates[begun]
		begun++
		room.take(buildingBytes(rows[date]))
		return date, true
	}
	workers := run.workers(1)
	inOrder(workers, workers, next, func(_ int, date schema.Date) built {
		defer room.give(buildingBytes(rows[date]))
		if err := run.c.Context.Err(); err != nil {
			return built{err: err}
		}
		return b.add(run.c.Context, target, date, rows[date])
	}, func(d built) bool {
		for _, line := range d.orphans {
			run.add(line, "engagement without a visit it could belong to")
		}
		run.sum.Events += d.events
		run.sum.Visits += d.visits
		run.sum.Visitors += d.visitors
		if d.events > 0 {
			run.sum.Days++
		}
		ended++
		bar.Set(ended)
		err = d.err
		return err == nil
	})
	if err == nil && keep != nil {
		err = keep(target)
	}
	if err != nil {
		return err
	}
	// From here on an import cannot be called off: an answer that came too early would leave open whether it took place.
	return target.Commit(context.WithoutCancel(run.c.Context))
}

// closing prints what was done.
func (run *importing) closing() {
	run.sum.Rejected = run.rejects.n
	run.rejects.close()
	if run.c.JSON {
		run.c.PrintJSON(run.sum)
		return
	}
	fmt.Fprintf(run.c.Out, "lines     %d\nevents    %d\nvisits    %d\nvisitors  %d\ndays      %d\nrejected  %d\n",
		run.sum.Lines, run.sum.Events, run.sum.Visits, run.sum.Visitors, run.sum.Days, run.sum.Rejected)
	if run.sum.LogSummary != nil {
		run.sum.LogSummary.print(run.c.Out)
	}
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
