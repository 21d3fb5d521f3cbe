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
	site := Site{ID: numbers.Site, Domain: domain, Timezone: timezone, Created: created.UTC().Truncate(time.Second), calendar: schema.NewCalendar(zone)}
	if prepare != nil {
		if err := prepare(site.ID); err != nil {
			return Site{}, fmt.Errorf("prepare site: %w", err)
		}
	}
	c := b.changeLocked()
	c.next.sites = with(c.next.sites, site.ID, site)
	c.next.domains = with(c.next.domains, domain, site.ID)
	c.put(numberKey(kindSite, uint64(site.ID)), site)
	if err := c.commit(ctx); err != nil {
		return Site{}, fmt.Errorf("store site: %w", err)
	}
	return site, nil
}

// MarkRemoving notes that the removal of a site has begun, so that whoever finds it half done may finish it.
func (b *Book) MarkRemoving(ctx context.Context, id schema.Site) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := b.changeLocked()
	site, ok := c.next.sites[id]
	if !ok {
		return fmt.Errorf("site %d: %w", id, ErrNotFound)
	}
	site.Removing = true
	c.next.sites = with(c.next.sites, id, site)
	c.put(numberKey(kindSite, uint64(id)), site)
	if err := c.commit(ctx); err != nil {
		return fmt.Errorf("mark site: %w", err)
	}
	return nil
}

// DeleteSite takes the site out of the book. Its data and its key are the caller's to destroy.
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
	c.delete(numberKey(kindSite, uint64(id)))
	if err := c.commit(ctx); err != nil {
		return fmt.Errorf("delete site: %w", err)
	}
	return nil
}
