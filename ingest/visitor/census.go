package visitor

import (
	"hash/maphash"
	"math/bits"
	"net/netip"
	"sync"
)

// Sighting is how the address of an event was found.
type Sighting struct {
	Peer, Taken netip.Addr // the other end of the connection, and the address that the event is counted for
	Trusted     bool       // the peer is a proxy of ours
	Forwarded   bool       // there was an X-Forwarded-For
	UserAgent   string
}

// Census tells whether the addresses that events are counted for look like visitors' or like those of a proxy that nobody trusts. It keeps no
// address: it counts, and for each address it sets one of a thousand marks, chosen by a hash whose key dies with the process. It remembers the
// last two to four hours. It is safe for concurrent use.
type Census struct {
	name func(netip.Addr) string
	seed maphash.Seed

	mu     sync.Mutex // guards all below
	now    tally
	before tally
}

// tally is what was seen in an era.
type tally struct {
	Impression
	began     int64
	addresses [addressMarks]uint64
	agents    [agentMarks]uint64
}

// Impression is what a census has seen.
type Impression struct {
	Events    int64
	Private   int64 // of them, counted for a private address or for this machine's own
	Ignored   int64 // with an X-Forwarded-For from a peer that is no trusted proxy
	Silent    int64 // from a trusted proxy that sent none
	Addresses int   // different ones they were counted for; at most about a thousand are told apart
	Agents    int   // different User-Agents
	Known     int   // addresses in a network that has a name, which is a proxy's and no visitor's

	// Networks as --trusted-proxy takes them: a name, or a private network, which is no secret of a visitor's; "" if there was none, or if only
	// the operator can know it.
	IgnoredFrom string // where the last ignored X-Forwarded-For came from
	PrivateIn   string // where the last private address that was taken lies
	KnownAs     string // the name of the last network that has one
}

// NewCensus makes a census. name returns what a network of proxies is called that holds an address, "" if none is known; nil knows none.
func NewCensus(name func(netip.Addr) string) *Census {
	if name == nil {
		name = func(netip.Addr) string { return "" }
	}
	return &Census{name: name, seed: maphash.MakeSeed()}
}

// Note takes notice of an event at a time in Unix seconds.
func (c *Census) Note(s *Sighting, now int64) {
	peer, taken := canonical(s.Peer), canonical(s.Taken)
	address, agent := maphash.Comparable(c.seed, taken), maphash.String(c.seed, s.UserAgent)
	private := IsPrivate(taken)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.turnLocked(now)
	t := &c.now
	t.Events++
	if mark(t.addresses[:], address) && !private {
		if name := c.name(taken); name != "" {
			t.Known++
			t.KnownAs = name
		}
	}
	mark(t.agents[:], agent)
	if private {
		t.Private++
		if t.PrivateIn == "" {
			t.PrivateIn = c.network(taken)
		}
	}
	switch {
	case s.Forwarded && !s.Trusted:
		t.Ignored++
		if t.IgnoredFrom == "" {
			t.IgnoredFrom = c.network(peer)
		}
	case s.Trusted && !s.Forwarded:
		t.Silent++
	}
}

// Forget begins anew, as when other proxies are trusted.
func (c *Census) Forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now, c.before = tally{}, tally{}
}

// Impression returns what was seen in the hours before a time in Unix seconds.
func (c *Census) Impression(now int64) Impression {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.turnLocked(now)
	sum, old := c.now.Impression, &c.before
	sum.Events, sum.Private = sum.Events+old.Events, sum.Private+old.Private
	sum.Ignored, sum.Silent = sum.Ignored+old.Ignored, sum.Silent+old.Silent
	sum.Known = max(sum.Known, old.Known) // the same addresses, for the most part
	sum.Addresses, sum.Agents = both(c.now.addresses[:], old.addresses[:]), both(c.now.agents[:], old.agents[:])
	for _, or := range []struct {
		to *string
		of string
	}{{&sum.IgnoredFrom, old.IgnoredFrom}, {&sum.PrivateIn, old.PrivateIn}, {&sum.KnownAs, old.KnownAs}} {
		if *or.to == "" {
			*or.to = or.of
		}
	}
	return sum
}

// turnLocked begins another era when it is time. A clock that was set back begins one too.
func (c *Census) turnLocked(now int64) {
	switch age := now - c.now.began; {
	case age >= 0 && age < era:
		return
	case age >= era && age < 2*era:
		c.before = c.now
	default:
		c.before = tally{}
	}
	c.now = tally{began: now}
}

// network returns how --trusted-proxy may call the network of an address: by its name, or a private one by its numbers.
func (c *Census) network(a netip.Addr) string {
	if name := c.name(a); name != "" || !IsPrivate(a) {
		return name
	}
	length := 24
	if a.Is6() {
		length = 64
	}
	p, err := a.Prefix(length)
	if err != nil {
		return ""
	}
	return p.String()
}

// mark sets the mark of a hash, and reports whether it was not set.
func mark(marks []uint64, hash uint64) bool {
	word, bit := &marks[hash>>6%uint64(len(marks))], uint64(1)<<(hash&63)
	fresh := *word&bit == 0
	*word |= bit
	return fresh
}

// both counts marks that are set in a or b.
func both(a, b []uint64) (n int) {
	for i := range a {
		n += bits.OnesCount64(a[i] | b[i])
	}
	return n
}
