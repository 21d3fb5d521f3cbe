package shield

import (
	"strconv"
	"strings"

	"footfall/storage/account"
)

// action is what a rule does; the zero action does nothing.
type action struct {
	mode account.RuleMode
	rule uint64
}

func (a action) drops() bool { return a.mode == account.ModeDrop }

// or returns the action that counts of two: one that drops before one that watches, and a before b.
func (a action) or(b action) action {
	if a.mode == "" || b.drops() && !a.drops() {
		return b
	}
	return a
}

// compiled are the rules of a site, made ready. They do not change, but for the bucket.
type compiled struct {
	from *account.Rules

	spam, dataCentre, device, siteRate, addressRate action
	sitePace, addressPace                           rate
	usual                                           bool // addressRate is what holds without a rule: see Shield.judgesAddress
	bucket                                          *bucket

	addresses networks
	countries map[string]action
	pages     patterns
	hosts     patterns // that count, whatever the mode of their rule
	otherHost action   // what becomes of all others
}

// compile makes rules ready. What was in the bucket of the site before stays there.
func compile(rules *account.Rules, before *compiled) *compiled {
	c := &compiled{from: rules, bucket: &bucket{}}
	if before != nil {
		c.bucket = before.bucket
	}
	one := func(kind account.RuleKind) (action, int) {
		r := rules.One(kind)
		n, _ := strconv.Atoi(r.Value)
		return actionOf(r), max(1, n)
	}
	var perMinute int
	c.spam, _ = one(account.RuleSpam)
	c.dataCentre, _ = one(account.RuleDataCentre)
	c.device, _ = one(account.RuleDevice)
	c.siteRate, perMinute = one(account.RuleSiteRate)
	c.sitePace = newRate(perMinute)
	c.addressRate, perMinute = one(account.RuleAddressRate)
	c.addressPace, c.usual = newRate(perMinute), c.addressRate.rule == 0
	for _, r := range rules.All() {
		if r.Mode != account.ModeOff {
			c.add(r)
		}
	}
	return c
}

// actionOf returns what a rule does.
func actionOf(r account.Rule) action {
	if r.Mode == account.ModeOff {
		return action{}
	}
	return action{r.Mode, r.ID}
}

// add adds a rule of a kind of which a site has many.
func (c *compiled) add(r account.Rule) {
	a := actionOf(r)
	switch r.Kind {
	case account.RuleAddress:
		if p, err := parseNetwork(r.Value); err == nil { // the book has cleaned it
			c.addresses.add(p, a)
		}
	case account.RuleCountry:
		if c.countries == nil {
			c.countries = map[string]action{}
		}
		c.countries[r.Value] = a
	case account.RulePage:
		c.pages.add(r.Value, a)
	case account.RuleHost:
		c.hosts.add(r.Value, a)
		c.otherHost = c.otherHost.or(a)
	}
}

// host returns what becomes of events of a host, in whatever way its name is written. A rule that only watches drops nothing: its host counts too.
func (c *compiled) host(name string) action {
	if c.otherHost.mode == "" || c.hosts.find(strings.TrimSuffix(strings.TrimPrefix(lower(name), "www."), ".")).mode != "" {
		return action{}
	}
	return c.otherHost
}
