// Package agent turns a User-Agent header into the few words that are kept of it: browser, system, device, and
// whether it is a program rather than a person. Every word it returns comes from its own vocabulary, and versions are
// digits, so nothing of the header itself can reach storage.
package agent

import (
	"fmt"
	"hash/maphash"
	"strings"
	"sync/atomic"
)

// Agent is what is kept of a User-Agent. The empty string means unknown.
type Agent struct {
	Browser        string // "Chrome", "Safari", … ; "Mobile App" for a page inside an app; the library's name for HTTP libraries
	BrowserVersion string // major.minor
	OS             string // "Windows", "Mac", "iOS", "Android", "GNU/Linux", …
	OSVersion      string // major.minor
	Device         string // Desktop, Mobile or Tablet
	Bot            Bot    // why this is no person; "" for a person or an HTTP library
}

// Bot says by what a User-Agent gave itself away.
type Bot string

// The signs.
const (
	Headless Bot = "headless" // a browser without a screen
	Word     Bot = "word"     // calls itself a bot, crawler, monitor …
	Listed   Bot = "listed"   // on the list of crawlers
	Link     Bot = "link"     // carries a web address for questions, as crawlers do
)

// Devices.
const (
	Desktop = "Desktop"
	Mobile  = "Mobile"
	Tablet  = "Tablet"
)

// Parser parses User-Agents and remembers the answers. It is safe for concurrent use.
type Parser struct {
	list  *list
	marks *marks
	words *marks
	// The memory is keyed by a hash under a seed that only this process knows, so that the header itself is
	// forgotten with the request.
	seed  maphash.Seed
	slots [cacheSlots]atomic.Pointer[slot]
}

type slot struct {
	hash  uint64
	agent Agent
}

// New returns a parser that knows the crawlers in bots, the content of data/bots.txt among the built assets. Without
// it (nil) crawlers are known by their words only.
func New(bots []byte) (*Parser, error) {
	l, err := readList(bots)
	if err != nil {
		return nil, fmt.Errorf("read crawler list: %w", err)
	}
	return &Parser{list: l, marks: newMarks(), words: newWords(), seed: maphash.MakeSeed()}, nil
}

// Parse returns what is kept of a User-Agent header. An empty header gives the zero Agent.
func (p *Parser) Parse(header string) Agent {
	if header == "" {
		return Agent{}
	}
	if len(header) > maxLength {
		header = header[:maxLength]
	}
	h := maphash.String(p.seed, header)
	s := &p.slots[h%cacheSlots]
	if known := s.Load(); known != nil && known.hash == h {
		return known.agent
	}
	a := p.parse(header)
	s.Store(&slot{hash: h, agent: a})
	return a
}

func (p *Parser) parse(header string) Agent {
	lower := strings.ToLower(header)
	f := p.marks.find(header)
	if bot := p.bot(header, lower, &f); bot != "" {
		return Agent{Bot: bot}
	}
	return describe(header, lower, &f)
}

// bot comes first in line: of what is no person, nothing else is asked.
func (p *Parser) bot(header, lower string, f *found) Bot {
	switch {
	case strings.Contains(lower, "headless"):
		return Headless
	case p.saysBot(lower):
		return Word
	case p.list.match(header):
		return Listed
	// Libraries name their home page too, and are allowed.
	case strings.Contains(lower, "+http") && library(header, f) == nil:
		return Link
	}
	return ""
}
