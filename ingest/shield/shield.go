// Package shield decides what is not counted, and names the reason why.
//
// A site has rules (account.Rule). They are compiled once for each change, into a table that events read without a lock: a change is in force for the
// event after it. What a rule in watch mode is about is counted as if there were no such rule, and told beside.
//
// The reasons are looked at in the order of schema.Reasons, and the first that holds is the one that is told. Nothing of an address outlives the
// request but a time in a place that a keyed hash chose (see senders).
package shield

import (
	"hash/maphash"
	"maps"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"

	"footfall/ingest/visitor"
	"footfall/storage/account"
	"footfall/storage/schema"
)

// Reason says why a hit was not counted.
type Reason = schema.Reason

// The reasons.
const (
	NotFound        = schema.ReasonNotFound
	Bot             = schema.ReasonBot
	Invalid         = schema.ReasonInvalid
	NoVisit         = schema.ReasonNoVisit
	SpamReferrer    = schema.ReasonSpamReferrer
	DataCentre      = schema.ReasonDataCentre
	Throttle        = schema.ReasonThrottle
	BlockedAddress  = schema.ReasonAddress
	BlockedCountry  = schema.ReasonCountry
	BlockedPage     = schema.ReasonPage
	UnknownHostname = schema.ReasonHost
	IgnoredDevice   = schema.ReasonIgnoredDevice
)

// Hit is what rules look at.
type Hit struct {
	Addr     netip.Addr
	Host     string // of the page, as it would be stored
	Page     string // likewise
	Referrer string // as it was sent
	// Ignore is the token of the link not to be counted, if the page was opened by it.
	Ignore string
	// Program says that a program of the operator speaks for itself, from its own address: neither its network nor its pace tell of a visitor.
	Program bool
	// Past says that the hit is of a time that is over, such as a line of a log: its pace is not to be judged.
	Past bool
}

// Verdict says what becomes of a hit.
type Verdict struct {
	Reason  Reason // why it is not counted, "" if it is
	Rule    uint64 // the rule that says so; 0 for what holds without one
	watched []Watched
}

// Watched is a rule in watch mode that was about a hit.
type Watched struct {
	Reason Reason
	Rule   uint64
}

// Watched returns the rules in watch mode that would have dropped the hit. Where something else has dropped it, there are none: they would have taken nothing away.
func (v *Verdict) Watched() []Watched {
	if v.Reason != "" {
		return nil
	}
	return v.watched
}

// judge notes what an action says of the hit, and reports whether the hit is dropped.
func (v *Verdict) judge(a action, reason Reason) bool {
	switch a.mode {
	case account.ModeDrop:
		v.Reason, v.Rule = reason, a.rule
		return true
	case account.ModeWatch:
		v.watched = append(v.watched, Watched{reason, a.rule})
	}
	return false
}

// Config says what a Shield works with.
type Config struct {
	*Lists
	// Ignores reports whether a token is that of a site's link not to be counted; nil: none is.
	Ignores func(site schema.Site, token string) bool
}

// Shield is safe for concurrent use.
type Shield struct {
	cfg     Config
	usual   *compiled // of sites without rules; its bucket is not used, since without a rule there is no rate of a site
	senders senders
	base    atomic.Int64 // Unix seconds of the first hit: rates count from there

	mu    sync.Mutex // serialises changes of sites
	sites atomic.Pointer[map[schema.Site]*compiled]
}

// New returns a Shield.
func New(cfg Config) *Shield {
	s := &Shield{cfg: cfg, usual: compile(nil, nil)}
	s.senders.seed = maphash.MakeSeed()
	s.sites.Store(&map[schema.Site]*compiled{})
	return s
}

// rules returns a site's rules, compiled.
func (s *Shield) rules(site schema.Site, rules *account.Rules) *compiled {
	if rules == nil {
		return s.usual
	}
	if c := (*s.sites.Load())[site]; c != nil && c.from == rules {
		return c
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	old := *s.sites.Load()
	c := old[site]
	if c == nil || c.from != rules {
		c = compile(rules, c)
		next := maps.Clone(old)
		next[site] = c
		s.sites.Store(&next)
	}
	return c
}

// Keep forgets the rules of sites that are not to be kept. It frees memory, and correctness does not hang on it.
func (s *Shield) Keep(keep func(schema.Site) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := maps.Clone(*s.sites.Load())
	maps.DeleteFunc(next, func(site schema.Site, _ *compiled) bool { return !keep(site) })
	s.sites.Store(&next)
}

// Check judges a hit by the rules of a site at a time in Unix seconds, by which its pace is told. That its sender is a robot is judged by Robot, after this.
func (s *Shield) Check(site schema.Site, rules *account.Rules, h *Hit, now int64) (v Verdict) {
	c := s.rules(site, rules)
	_ = s.spam(c, h, &v) || s.pace(c, site, h, now, &v) || s.device(c, site, h, &v) || s.dataCentre(c, h, &v) ||
		v.judge(c.host(h.Host), UnknownHostname) ||
		!c.pages.empty() && v.judge(c.pages.find(h.Page), BlockedPage) ||
		v.judge(c.addresses.find(h.Addr), BlockedAddress) ||
		s.country(c, h, &v)
	return v
}

// Robot notes that the sender of a hit is a robot, unless it is dropped already.
func (v *Verdict) Robot() {
	if v.Reason == "" {
		v.Reason, v.Rule = Bot, 0
	}
}

func (s *Shield) spam(c *compiled, h *Hit, v *Verdict) bool {
	return h.Referrer != "" && c.spam.mode != "" && s.cfg.Spam.Has(h.Referrer, h.Host) && v.judge(c.spam, SpamReferrer)
}

// pace judges how fast events come. What an address sends beyond its rate takes nothing of the rate of the site.
func (s *Shield) pace(c *compiled, site schema.Site, h *Hit, unix int64, v *Verdict) bool {
	if h.Past || h.Program {
		return false
	}
	now := s.micros(unix)
	tooFast := s.judgesAddress(c, h.Addr) && !s.senders.take(site, h.Addr, c.addressPace, now)
	switch {
	case tooFast && v.judge(c.addressRate, Throttle):
		return true
	case c.siteRate.mode == "" || c.bucket.take(c.sitePace, now):
		return false
	case tooFast && !c.siteRate.drops():
		return false // it is told already, and a reason counts an event once
	}
	return v.judge(c.siteRate, Throttle)
}

// judgesAddress reports whether the pace of an address matters. Without a rule that of private ones does not: behind one is a proxy that is not trusted yet, and all
// visitors with it, or the operator's own network.
func (s *Shield) judgesAddress(c *compiled, addr netip.Addr) bool {
	if c.addressRate.mode == "" || !addr.IsValid() {
		return false
	}
	return !c.usual || !visitor.IsPrivate(addr)
}

// micros returns microseconds since the first hit.
func (s *Shield) micros(unix int64) int64 {
	base := s.base.Load()
	if base == 0 {
		s.base.CompareAndSwap(0, max(1, unix-1))
		base = s.base.Load()
	}
	return max(0, unix-base) * 1_000_000
}

func (s *Shield) device(c *compiled, site schema.Site, h *Hit, v *Verdict) bool {
	return h.Ignore != "" && c.device.mode != "" && s.cfg.Ignores != nil && s.cfg.Ignores(site, h.Ignore) && v.judge(c.device, IgnoredDevice)
}

func (s *Shield) dataCentre(c *compiled, h *Hit, v *Verdict) bool {
	return c.dataCentre.mode != "" && !h.Program && s.cfg.InDataCentre(h.Addr) && v.judge(c.dataCentre, DataCentre)
}

func (s *Shield) country(c *compiled, h *Hit, v *Verdict) bool {
	if c.countries == nil {
		return false
	}
	country := s.cfg.Places.Lookup(h.Addr).Country
	if country == "" {
		country = account.UnknownCountry
	}
	return v.judge(c.countries[country], BlockedCountry)
}

// IgnoreToken returns the token of the link not to be counted in the query of a page, "" if there is none.
func IgnoreToken(query, param string) string {
	for len(query) > len(param) {
		var one string
		one, query, _ = strings.Cut(query, "&")
		if value, ok := strings.CutPrefix(one, param); ok && value != "" && value[0] == '=' {
			return value[1:]
		}
	}
	return ""
}

// lower returns s in lower case; it allocates only where s is not.
func lower(s string) string {
	for i := range len(s) {
		if c := s[i]; 'A' <= c && c <= 'Z' || c >= 0x80 {
			return strings.ToLower(s)
		}
	}
	return s
}
