package ingest

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"path"
	"strconv"
	"strings"

	"footfall/ingest/agent"
	"footfall/ingest/geo"
	"footfall/ingest/shield"
	"footfall/ingest/source"
	"footfall/ingest/visitor"
	"footfall/ingest/wire"
	"footfall/storage/account"
	"footfall/storage/day"
	"footfall/storage/schema"
)

// logSkip says why a line of a log is no visit to a page.
type logSkip uint8

const (
	skipAsset logSkip = iota
	skipStatus
	skipMethod
	skipHost
	skipRequest
	numLogSkips
)

// logSkips names the reasons, as the summary shows them.
var logSkips = [numLogSkips]struct{ name, help string }{
	skipAsset:   {"asset", "images, scripts, feeds and other files; --assets counts them"},
	skipStatus:  {"status", "answers that show no page; --status says which count"},
	skipMethod:  {"method", "requests other than GET"},
	skipHost:    {"host", "other hosts than the site's; --host names those that count"},
	skipRequest: {"request", "no request that a server understands"},
}

// logReading is what the goroutines that read logs share.
type logReading struct {
	format wire.LogFormat
	filter *logFilter
	site   schema.Site
	salt   [32]byte // of this import alone
	hold   schema.Date

	agents  *agent.Parser
	places  *geo.DB
	sources *source.Table
	shield  *shield.Shield
	rules   *account.Rules
}

// logStage is a stage that reads logs.
type logStage struct {
	*stage
	*logReading
	line wire.LogLine
}

// logBlock is a block of one log.
type logBlock struct {
	block
	begin int64    // in the log
	base  uint64   // lines of the logs before
	was   logPlace // how far the log was read before
}

// dropped is where an event that is not counted is counted, or one that a rule in watch mode was about.
type dropped struct {
	date    schema.Date
	reason  shield.Reason
	rule    uint64
	watches bool
}

// logLines is what reading a block of a log came to.
type logLines struct {
	lines
	known   int64 // counted by an import before
	waiting int64 // of days that are not over
	held    int64 // where the first of those begins
	skipped [numLogSkips]int64
	dropped map[dropped]int64
}

func (l *logLines) drop(d dropped) {
	if l.dropped == nil {
		l.dropped = map[dropped]int64{}
	}
	l.dropped[d]++
}

// read stages the lines of a block.
func (s *logStage) read(b *logBlock) logLines {
	out := logLines{lines: lines{read: b.read, err: b.err}, held: math.MaxInt64}
	if b.long && b.read > b.was.read {
		out.n++
		out.add(b.first, fmt.Sprintf("longer than %d bytes", wire.MaxLine))
	}
	at := b.begin
	for n, rest := b.first, b.bytes; len(rest) > 0 && out.err == nil; n++ {
		line, after, _ := bytes.Cut(rest, []byte("\n"))
		rest = after
		if at < b.was.from {
			out.known++
		} else {
			s.one(&out, b, at, n, bytes.TrimRight(line, "\r"))
		}
		at = b.begin + int64(len(b.bytes)-len(rest))
	}
	if out.err == nil {
		out.err = s.spill(false)
	}
	return out
}

// one stages line number n, which begins at an offset of the log, or says in out why not.
func (s *logStage) one(out *logLines, b *logBlock, at int64, n uint64, line []byte) {
	before := at < b.was.read // then it is known what became of it
	err := s.line.Decode(s.format, line)
	if err == nil && s.line.Time > s.latest {
		err = errFuture
	}
	if err != nil {
		var wrong *wire.LogError
		switch {
		case errors.Is(err, wire.ErrNoLine):
		case before:
			out.known++
		case errors.As(err, &wrong):
			out.n++
			l := reject{line: n, column: wrong.Column, reason: "want " + wrong.Want}
			if !out.full() {
				l.example = string(wire.Shape(nil, line))
			}
			out.put(l)
		default:
			out.n++
			out.add(n, err.Error())
		}
		return
	}
	hold := s.hold
	if b.was.from < b.was.read {
		hold = max(hold, b.was.day)
	}
	s.locate(s.line.Time)
	switch {
	case before && s.date < b.was.day:
		out.known++
		return
	case s.date >= hold:
		out.waiting++
		out.held = min(out.held, at)
		return
	}
	out.n++
	page, query, ok := s.line.Page()
	host := s.line.Hostname()
	if host == "" {
		host = s.filter.host
	}
	if skip, ok := s.filter.skip(&s.line, host, page, ok); ok {
		out.skipped[skip]++
		return
	}
	from := sender{addr: s.line.Addr, userAgent: string(s.line.UserAgent), languages: string(s.line.Languages)}
	from.known, from.parsed = s.agents.Parse(from.userAgent), true
	verdict := s.shield.Check(s.site, s.rules, &shield.Hit{Addr: from.addr, Host: host, Page: page, Referrer: s.line.Ref(), Past: true}, s.line.Time)
	if from.known.Bot != "" {
		verdict.Robot()
	}
	if verdict.Reason != "" {
		out.drop(dropped{s.date, verdict.Reason, verdict.Rule, false})
		return
	}
	for _, w := range verdict.Watched() {
		out.drop(dropped{s.date, w.Reason, w.Rule, true})
	}
	s.stageLog(b.base+n, host, page, query, &from)
}

// stageLog stages the pageview of the line.
func (s *logStage) stageLog(n uint64, host, page, query string, from *sender) {
	e := &s.event
	e.flags, e.scroll, e.ms, e.given, e.props = stagedInteractive, day.NoScroll, 0, 0, e.props[:0]
	e.visitor = visitor.ID(s.salt, s.date, s.site, from.addr, from.userAgent)
	e.name, e.host, e.page = s.code(schema.EventName, []byte(day.Pageview)), s.code(schema.EventHostname, []byte(host)), s.code(schema.EventPage, []byte(page))
	hit := wire.Hit{Event: day.Event{Hostname: host}, Query: query, Referrer: s.line.Ref()}
	a := attributesOf(s.sources, s.places, &hit, from)
	for id, word := range a {
		if word != "" && id != int(schema.Channel) {
			e.given |= 1 << id
			e.attributes[id] = s.code(schema.ID(id), []byte(word))
		}
	}
	s.put(n, s.line.Time)
}

// logFilter says which lines are visits to a page of the site.
type logFilter struct {
	host   string          // of lines that name none
	hosts  map[string]bool // nil: all
	assets bool
	status [1000]bool
}

// newLogFilter reads what a person wrote. An empty status is the usual: 2xx and 304.
func newLogFilter(domain string, hosts, status []string, assets bool) (*logFilter, error) {
	host, _, _ := strings.Cut(domain, "/")
	f := &logFilter{host: host, hosts: map[string]bool{}, assets: assets}
	if len(hosts) == 0 {
		hosts = []string{host}
	} else if hosts[0] != "*" {
		f.host = strings.ToLower(strings.TrimPrefix(hosts[0], "www."))
	}
	for _, h := range hosts {
		if h == "*" {
			f.hosts = nil
			break
		}
		f.hosts[strings.ToLower(strings.TrimPrefix(h, "www."))] = true
	}
	if len(status) == 0 {
		status = []string{"2xx", "304"}
	}
	for _, s := range status {
		from, to, err := statusRange(s)
		if err != nil {
			return nil, err
		}
		for n := from; n <= to; n++ {
			f.status[n] = true
		}
	}
	return f, nil
}

// statusRange reads 404 or 4xx.
func statusRange(s string) (from, to int, err error) {
	if len(s) == 3 && strings.ToLower(s[1:]) == "xx" && s[0] >= '1' && s[0] <= '9' {
		from = 100 * int(s[0]-'0')
		return from, from + 99, nil
	}
	from, err = strconv.Atoi(s)
	if err != nil || from < 100 || from > 999 {
		return 0, 0, fmt.Errorf("--status %q: want a status such as 404, or a class such as 2xx", s)
	}
	return from, from, nil
}

// skip returns why a line is not counted; hasPage says that it asks for a page.
func (f *logFilter) skip(l *wire.LogLine, host, page string, hasPage bool) (logSkip, bool) {
	switch {
	case !hasPage:
		return skipRequest, true
	case f.hosts != nil && !f.hosts[host]:
		return skipHost, true
	case string(l.Method) != "GET":
		return skipMethod, true
	case !f.status[l.Status]:
		return skipStatus, true
	case !f.assets && (isAsset(page) || len(l.Type) > 0 && !isPageType(l.Type)):
		return skipAsset, true
	}
	return 0, false
}

// pageTypes are how the content of a page begins.
var pageTypes = [...]string{"text/html", "application/xhtml+xml"}

func isPageType(b []byte) bool {
	for _, t := range pageTypes {
		if len(b) >= len(t) && strings.EqualFold(string(b[:len(t)]), t) {
			return true
		}
	}
	return false
}

// isAsset reports whether a path is that of a file that belongs to pages, or is for programs.
func isAsset(page string) bool {
	if strings.HasPrefix(page, "/.well-known/") {
		return true
	}
	ext := path.Ext(page)
	return ext != "" && len(ext) <= maxExtension && assetExtensions[strings.ToLower(ext[1:])]
}

// assetExtensions are the ends of paths that are no page.
var assetExtensions = func() map[string]bool {
	const all = "css js mjs cjs map json jsonld xml rss atom txt csv tsv yml yaml webmanifest wasm " +
		"png jpg jpeg gif svg svgz webp avif apng ico bmp tif tiff cur heic " +
		"woff woff2 ttf otf eot mp3 mp4 m4a m4v m3u8 mpd ts webm ogg ogv oga opus wav flac mov avi mkv vtt srt " +
		"pdf doc docx xls xlsx ppt pptx odt ods odp epub zip gz tgz bz2 xz zst tar 7z rar jar deb rpm apk ipa dmg exe msi iso bin img torrent sig asc sha256"
	set := map[string]bool{}
	for _, ext := range strings.Fields(all) {
		set[ext] = true
	}
	return set
}()
