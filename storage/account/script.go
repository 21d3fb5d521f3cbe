package account

import (
	"context"
	"crypto/rand"
	"fmt"

	"footfall/storage/schema"
)

// Script is what a site's own script does, and the name it is served under. A page that carries it need not be touched when a setting
// changes.
type Script struct {
	// ID is "pa-" and something random: who knows it learns the site's domain, and no more than its pages tell.
	ID string `json:"id,omitempty"`

	OutboundLinks   bool `json:"outbound_links,omitempty"`   // clicks on links to other hosts are events
	FileDownloads   bool `json:"file_downloads,omitempty"`   // clicks on links to files are events
	FormSubmissions bool `json:"form_submissions,omitempty"` // forms that are sent are events
	Hash            bool `json:"hash,omitempty"`             // pages are told apart by what follows "#"
}

func newScriptID() string { return "pa-" + rand.Text()[:scriptIDLength] }

// SiteByScript returns the site whose own script is id.
func (b *Book) SiteByScript(id string) (Site, bool) {
	s := b.now.Load()
	site, ok := s.scripts[id]
	if !ok {
		return Site{}, false
	}
	return s.sites[site], true
}

// NameScripts gives each site that has none, being older than these scripts or mended, the id of one.
func (b *Book) NameScripts(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := b.changeLocked()
	for id, site := range b.now.Load().sites {
		if site.Script.ID == "" {
			site.Script.ID = newScriptID()
			c.next.sites = with(c.next.sites, id, site)
			c.next.scripts = with(c.next.scripts, site.Script.ID, id)
			c.put(numberKey(kindSite, uint64(id)), site)
		}
	}
	if len(c.puts) == 0 {
		return nil
	}
	if err := c.commit(ctx); err != nil {
		return fmt.Errorf("name scripts of sites: %w", err)
	}
	return nil
}

// ChangeScript changes what a site's own script does; its id stays. What two people change at once of the same script is all kept. Errors: ErrNotFound.
func (b *Book) ChangeScript(ctx context.Context, id schema.Site, change func(*Script)) error {
	return b.ChangeSite(ctx, id, nil, func(site *Site) { change(&site.Script) })
}
