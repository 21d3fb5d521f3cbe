package account

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"footfall/storage/schema"
)

// Sites returns all sites, by domain.
func (b *Book) Sites() []Site {
	s := b.now.Load()
	list := make([]Site, 0, len(s.sites))
	for _, v := range s.sites {
		list = append(list, v)
	}
	slices.SortFunc(list, func(x, y Site) int { return cmp.Compare(x.Domain, y.Domain) })
	return list
}

// Site returns the site with number id.
func (b *Book) Site(id schema.Site) (Site, bool) {
	v, ok := b.now.Load().sites[id]
	return v, ok
}

// SiteByDomain returns the site whose domain is exactly domain.
func (b *Book) SiteByDomain(domain string) (Site, bool) {
	s := b.now.Load()
	id, ok := s.domains[domain]
	if !ok {
		return Site{}, false
	}
	return s.sites[id], true
}

// AddSite adds a site under a new number. prepare, if not nil, runs before the site is visible to anyone: it makes what the
// site needs elsewhere, such as its data key; its error is returned and no site is added, and the number stays unused for ever.
// Errors wrap ErrInvalid, ErrExists or ErrFull.
func (b *Book) AddSite(ctx context.Context, domain, timezone string, created time.Time, prepare func(schema.Site) error) (Site, error) {
	domain, err := CleanDomain(domain)
	if err != nil {
		return Site{}, err
	}
	zone, err := LoadZone(timezone)
	if err != nil {
		return Site{}, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now.Load()
	if _, ok := now.domains[domain]; ok {
		return Site{}, fmt.Errorf("site %s: %w", domain, ErrExists)
	}
	if len(now.sites) >= MaxSites {
		return Site{}, fmt.Errorf("add site: %w: %d sites", ErrFull, MaxSites)
	}
	numbers, err := b.numberLocked(ctx, func(c *counters) { c.Site++ })
	if err != nil {
		return Site{}, fmt.Errorf("number site: %w", err)
	}
	site := Site{ID: numbers.Site, Domain: domain, Timezone: timezone, Created: created.UTC().Truncate(time.Second), Script: Script{ID: newScriptID()}, calendar: schema.NewCalendar(zone)}
	if prepare != nil {
		if err := prepare(site.ID); err != nil {
			return Site{}, fmt.Errorf("prepare site: %w", err)
		}
	}
	c := b.changeLocked()
	c.next.sites = with(c.next.sites, site.ID, site)
	c.next.domains = with(c.next.domains, domain, site.ID)
	c.next.scripts = with(c.next.scripts, site.Script.ID, site.ID)
	c.put(numberKey(kindSite, uint64(site.ID)), site)
	if err := c.commit(ctx); err != nil {
		return Site{}, fmt.Errorf("store site: %w", err)
	}
	return site, nil
}

// ChangeSite changes what is written down of a site, and writes down that it was done in the same commit. Number, domain, time of
// creation, time zones and the id of the script stay. Errors: ErrNotFound.
func (b *Book) ChangeSite(ctx context.Context, id schema.Site, done *Entry, change func(*Site)) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := b.changeLocked()
	site, ok := c.next.sites[id]
	if !ok {
		return fmt.Errorf("site %d: %w", id, ErrNotFound)
	}
	before := site
	change(&site)
	site.ID, site.Domain, site.Created = before.ID, before.Domain, before.Created
	site.Timezone, site.Changes, site.calendar = before.Timezone, before.Changes, before.calendar
	site.Script.ID = before.Script.ID
	c.next.sites = with(c.next.sites, id, site)
	c.put(numberKey(kindSite, uint64(id)), site)
	if done != nil {
		done.Site, done.Domain = id, site.Domain
		if err := b.number(ctx, done); err != nil {
			return err
		}
		c.done = done
	}
	if err := c.commit(ctx); err != nil {
		return fmt.Errorf("change site: %w", err)
	}
	return nil
}

// SetTimezone puts a zone in force from the day first on, in place of what was to come into force from then on. It changes nothing where
// that zone is in force anyway. Errors wrap ErrInvalid, ErrNotFound or ErrFull.
func (b *Book) SetTimezone(ctx context.Context, id schema.Site, first schema.Date, timezone string) (Site, error) {
	if _, err := LoadZone(timezone); err != nil {
		return Site{}, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	c := b.changeLocked()
	site, ok := c.next.sites[id]
	if !ok {
		return Site{}, fmt.Errorf("site %d: %w", id, ErrNotFound)
	}
	kept, _ := slices.BinarySearchFunc(site.Changes, ZoneChange{First: first}, byFirst)
	changes, before := slices.Clone(site.Changes[:kept]), site.Timezone
	if kept > 0 {
		before = changes[kept-1].Timezone
	}
	if timezone != before {
		changes = append(changes, ZoneChange{first, timezone})
	}
	if len(changes) > MaxZoneChanges {
		return Site{}, fmt.Errorf("change time zone: %w: %d changes", ErrFull, MaxZoneChanges)
	}
	if slices.Equal(changes, site.Changes) {
		return site, nil
	}
	site.Changes, site.calendar = changes, nil
	var err error
	if site.calendar, err = site.Calendar(); err != nil {
		return Site{}, err
	}
	c.next.sites = with(c.next.sites, id, site)
	c.put(numberKey(kindSite, uint64(id)), site)
	if err := c.commit(ctx); err != nil {
		return Site{}, fmt.Errorf("store site: %w", err)
	}
	return site, nil
}

// DeleteSite takes the site and its rules out of the book. Its data and its key are the caller's to destroy.
func (b *Book) DeleteSite(ctx context.Context, id schema.Site) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := b.changeLocked()
	site, ok := c.next.sites[id]
	if !ok {
		return fmt.Errorf("site %d: %w", id, ErrNotFound)
	}
	c.next.sites = without(c.next.sites, id)
	c.next.domains = without(c.next.domains, site.Domain)
	c.next.scripts = without(c.next.scripts, site.Script.ID)
	c.delete(numberKey(kindSite, uint64(id)))
	for _, r := range c.next.rules[id].All() {
		c.delete(numberKey(kindRule, r.ID))
	}
	c.next.rules = without(c.next.rules, id)
	if err := c.commit(ctx); err != nil {
		return fmt.Errorf("delete site: %w", err)
	}
	return nil
}

// Mend puts back what can be known of a book of which records were lost: these sites, under their own numbers, and counters that give no number twice.
func (b *Book) Mend(ctx context.Context, sites ...Site) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := b.changeLocked()
	before := c.next.counters
	for _, site := range sites {
		_, ok1 := c.next.sites[site.ID]
		_, ok2 := c.next.domains[site.Domain]
		if ok1 || ok2 {
			return fmt.Errorf("site %d: %w", site.ID, ErrExists)
		}
		site.calendar, _ = site.Calendar()
		c.next.sites = with(c.next.sites, site.ID, site)
		c.next.domains = with(c.next.domains, site.Domain, site.ID)
		c.put(numberKey(kindSite, uint64(site.ID)), site)
	}
	n := &c.next.counters
	for id := range c.next.sites {
		n.Site = max(n.Site, id)
	}
	for id := range c.next.users {
		n.User = max(n.User, id)
	}
	for _, t := range c.next.tokens {
		n.Token = max(n.Token, t.ID)
	}
	for _, rules := range c.next.rules {
		for _, r := range rules.All() {
			n.Rule = max(n.Rule, r.ID)
		}
	}
	if *n != before {
		c.put(numberKey(kindCounters, 0), *n)
	}
	if len(c.puts) == 0 {
		return nil
	}
	if err := c.commit(ctx); err != nil {
		return fmt.Errorf("mend book: %w", err)
	}
	return nil
}
