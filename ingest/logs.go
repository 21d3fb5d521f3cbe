package ingest

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"time"

	"footfall/ingest/shield"
	"footfall/ingest/source"
	"footfall/ingest/wire"
	"footfall/storage/account"
	"footfall/storage/schema"
	"footfall/storage/verb"
)

// LogFlags are the flags of an import of logs.
type LogFlags struct {
	Follow     bool          `help:"Go on for ever: look at the logs every --every, and store each day when it is over."`
	Every      time.Duration `default:"1h" placeholder:"TIME" help:"How often --follow looks."`
	Unfinished bool          `help:"Store also the days that are not over. Who comes again after the import is then counted as another visitor."`
	Host       []string      `placeholder:"HOST,…" help:"Hosts whose requests count, where the log names hosts (default the site's own; * for all)."`
	Status     []string      `placeholder:"STATUS,…" help:"Answers that count (default 2xx,304)."`
	Assets     bool          `help:"Count requests for images, scripts, feeds and other files too."`
}

// LogSummary says what became of the lines of logs that are no events.
type LogSummary struct {
	Known   int64            `json:"known"`   // lines counted by an import before
	Waiting int64            `json:"waiting"` // lines of days that are not over
	Skipped map[string]int64 `json:"skipped"` // by what made it no visit to a page
	Dropped map[string]int64 `json:"dropped"` // by shield.Reason
}

func (s *LogSummary) print(w io.Writer) {
	fmt.Fprintf(w, "known     %d\nwaiting   %d\n", s.Known, s.Waiting)
	for _, skip := range logSkips {
		if n := s.Skipped[skip.name]; n > 0 {
			fmt.Fprintf(w, "skipped   %d: %s\n", n, skip.help)
		}
	}
	for _, r := range schema.Reasons {
		if n := s.Dropped[string(r.Reason)]; n > 0 {
			fmt.Fprintf(w, "dropped   %d: %s\n", n, r.Help)
		}
	}
}

// Help tells how logs are read.
func (*Import) Help() string {
	return "All lines are read before anything is stored; then all good ones are, or none. A bad line is left out, shown or counted, and makes the exit code 3. " +
		"Logs: of each log only what is new is counted, however it is named by now; days that are not over wait for the next import. " +
		"Addresses and User-Agents never leave memory. The formats are in docs/import-export.md."
}

func (cmd *Import) isLog() bool { return cmd.Format != "ndjson" && cmd.Format != "" }

// check refuses what does not go together.
func (cmd *Import) check() error {
	switch {
	case !cmd.isLog() && (cmd.Follow || cmd.Unfinished || cmd.Assets || len(cmd.Host)+len(cmd.Status) > 0):
		return errors.New("--follow, --unfinished, --host, --status and --assets are for logs: ndjson is taken as it stands")
	case !cmd.isLog() && len(cmd.Files) > 1:
		return errors.New("ndjson comes in one file: join several with cat, and read standard input: -")
	case cmd.Follow && cmd.Unfinished:
		return errors.New("--follow and --unfinished do not go together: --follow stores each day when it is over, so that nobody is counted twice")
	case cmd.Follow && cmd.Every <= 0:
		return errors.New("--every must be more than nothing, such as 1h")
	}
	standard := 0
	for _, path := range cmd.Files {
		if path == "-" {
			standard++
		}
	}
	switch {
	case standard > 1:
		return errors.New("standard input can be read only once")
	case standard > 0 && cmd.Follow:
		return errors.New("standard input cannot be followed: name the log")
	}
	return nil
}

// Open opens what Run reads, in the process of the command.
func (cmd *Import) Open(ctx context.Context, stdin io.Reader) (io.ReadCloser, error) {
	if err := cmd.check(); err != nil {
		return nil, verb.Exit(verb.ExitUsage, err)
	}
	if cmd.isLog() {
		l := &logFiles{ctx: ctx, paths: cmd.Files, stdin: stdin}
		if cmd.Follow {
			l.every = cmd.Every
		}
		return l, nil
	}
	if cmd.Files[0] == "-" {
		if in, ok := stdin.(io.ReadCloser); ok {
			return in, nil
		}
		return io.NopCloser(stdin), nil
	}
	f, err := os.Open(cmd.Files[0])
	if errors.Is(err, fs.ErrNotExist) {
		err = verb.Exit(verb.ExitMissing, err)
	}
	return f, err
}

// runLogs does an import for each pass over the logs. A pass that left lines out does not end the following of a log.
func (cmd *Import) runLogs(c *verb.Context, site account.Site, calendar *schema.Calendar, sources *source.Table) error {
	filter, err := newLogFilter(site.Domain, cmd.Host, cmd.Status, cmd.Assets)
	if err != nil {
		return verb.Exit(verb.ExitUsage, err)
	}
	agents, err := builtAgents()
	places := cmd.Places
	if err == nil && places == nil {
		places, err = BuiltPlaces()
	}
	lists := cmd.Lists
	if err == nil && lists == nil {
		lists, err = BuiltLists(places)
	}
	if err != nil {
		return fmt.Errorf("import: %w", err)
	}
	in := &logStream{r: bufio.NewReaderSize(c.In, maxLogPiece)}
	for first := true; ; first = false {
		size, err := in.pass()
		if err == io.EOF && !first {
			return nil
		} else if err != nil {
			return fmt.Errorf("import: %w", err)
		}
		if site, calendar, err = findSite(c, site.Domain); err != nil { // its zone may be another one by now
			return err
		}
		err = importOnce(c, calendar, sources, func(run *importing) error {
			r := &logReading{format: wire.LogFormat(cmd.Format), filter: filter, site: site.ID, agents: agents, places: places, sources: sources, hold: math.MaxInt32,
				shield: shield.New(shield.Config{Lists: lists}), rules: c.Store.Accounts().Rules(site.ID)}
			if !cmd.Unfinished {
				r.hold = calendar.Date(c.Now().Add(-lateLines).Unix())
			}
			_, _ = rand.Read(r.salt[:]) // which never fails
			defer clear(r.salt[:])
			return run.logs(in, size, r)
		})
		if !cmd.Follow || err != nil && verb.Code(err) != verb.ExitPartial {
			return err
		}
	}
}

// logs imports the logs of a pass.
func (run *importing) logs(in *logStream, size int64, r *logReading) error {
	known, err := readLogPlaces(run.c.Context, run.c.Store, r.site)
	if err != nil {
		return err
	}
	run.sum.LogSummary = &LogSummary{Skipped: map[string]int64{}, Dropped: map[string]int64{}}
	dropped := map[dropped]int64{}
	stages, ahead := run.stages()
	pass := &logPassing{importing: run, known: known, dropped: dropped, ahead: ahead}
	for _, s := range stages {
		pass.stages = append(pass.stages, &logStage{stage: s, logReading: r})
	}
	pass.bar = run.c.Progress("Reading logs", size)
	defer pass.bar.Close()
	for {
		name, ok, err := in.file()
		if err != nil {
			return fmt.Errorf("read logs: %w", err)
		}
		if !ok {
			break
		}
		if err := pass.file(name, in, r.hold); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	run.name = ""
	parts, err := gatherParts(stages)
	if err != nil {
		return err
	}
	if err := run.store(r.site, parts, known.keep); err != nil {
		return err
	}
	for d, n := range dropped {
		run.c.Store.Ruled(r.site, d.date, string(d.reason), d.rule, d.watches, int(n))
		if !d.watches {
			run.sum.Dropped[string(d.reason)] += n
		}
	}
	if n := run.sum.Waiting; n > 0 {
		fmt.Fprintf(run.c.Err, "%d lines are of days that are not over and wait for the next import: see --follow and --unfinished\n", n)
	}
	return nil
}

// logPassing is one pass over the logs.
type logPassing struct {
	*importing
	known   *logPlaces
	stages  []*logStage
	ahead   int
	dropped map[dropped]int64
	bar     verb.Bar
	done    int64  // bytes of the logs before
	base    uint64 // lines of them
}

// file stages the lines of one log.
func (p *logPassing) file(name string, in io.Reader, hold schema.Date) error {
	from := bufio.NewReaderSize(in, maxLogHead)
	head, err := from.Peek(maxLogHead)
	if err != nil && err != io.EOF {
		return err
	}
	place := p.known.track(append([]byte(nil), head...))
	was := place.was
	input := newBlockReader(from, p.ahead)
	input.ended = true
	p.name = name
	ended := false
	next := func() (b logBlock, ok bool) {
		if ended {
			return b, false
		}
		b.base, b.was = p.base, was
		if b.err = p.c.Context.Err(); b.err == nil {
			b.block = input.next()
			b.begin = b.read - int64(len(b.bytes))
		}
		if b.err == nil {
			b.err = place.pass(b.bytes, b.begin, b.read)
		}
		ended = b.err != nil || len(b.bytes) == 0 && !b.long
		return b, true
	}
	held, failed := int64(math.MaxInt64), error(nil)
	inOrder(len(p.stages), p.ahead, next, func(worker int, b logBlock) logLines {
		defer input.give(&b.block)
		return p.stages[worker].read(&b)
	}, func(l logLines) bool {
		p.take(&l)
		held = min(held, l.held)
		p.bar.Set(p.done + l.read)
		failed = l.err
		return failed == nil
	})
	if failed != nil {
		return failed
	}
	if n := len(input.rest); n > 0 {
		fmt.Fprintf(p.c.Err, "%s: the last line has no end yet, so it waits for the next import\n", name)
	}
	p.done, p.base = p.done+place.at, p.base+input.line
	if was.from < was.read {
		hold = max(hold, was.day)
	}
	return place.end(held, hold)
}

// take adds what a block came to.
func (p *logPassing) take(l *logLines) {
	p.sum.Lines += l.n
	p.sum.Known += l.known
	p.sum.Waiting += l.waiting
	for i, n := range l.skipped {
		if n > 0 {
			p.sum.Skipped[logSkips[i].name] += n
		}
	}
	for d, n := range l.dropped {
		p.dropped[d] += n
	}
	p.merge(&l.rejects)
}
