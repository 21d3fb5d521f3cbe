package ingest

import (
	"fmt"
	"net/http"

	"footfall/ingest/geo"
	"footfall/ingest/shield"
	"footfall/ingest/wire"
	"footfall/storage"
	"footfall/storage/account"
	"footfall/storage/schema"
	"footfall/storage/verb"
)

// BuiltLists returns the lists that the product ships of what is not counted, to which files can be added, and places with them.
func BuiltLists(places *geo.DB) (*shield.Lists, error) {
	spam, err := readAsset("data/spam.txt", shield.NewSpam)
	if err != nil {
		return nil, err
	}
	dataCentres, err := readAsset("data/datacentres.tsv", shield.NewDataCentres)
	if err != nil {
		return nil, err
	}
	return &shield.Lists{Spam: spam, DataCentres: dataCentres, Places: places}, nil
}

// Lists returns the lists that the handler works with.
func (h *Handler) Lists() *shield.Lists { return h.lists }

// judge says whether a hit counts for a site. What is known without reading the User-Agent comes first.
func (h *Handler) judge(hit *wire.Hit, from *sender, site schema.Site) shield.Verdict {
	v := h.shield.Check(site, h.store.Rules(site), &shield.Hit{Addr: from.addr, Host: hit.Event.Hostname, Page: hit.Event.Pathname, Referrer: hit.Referrer,
		Ignore: shield.IgnoreToken(hit.Query, storage.IgnoreParam), Program: from.alone}, h.clock.steady())
	if v.Reason == "" && from.agent(h).Bot != "" {
		v.Robot()
	}
	return v
}

// dropBy counts a hit that is not stored, and what has said so.
func (h *Handler) dropBy(site schema.Site, d schema.Date, v *shield.Verdict) {
	h.counters.dropped[v.Reason.Index()].Add(1)
	h.store.Ruled(site, d, string(v.Reason), v.Rule, false)
}

// watched counts what rules in watch mode would have done to a hit that is stored.
func (h *Handler) watched(site schema.Site, d schema.Date, v *shield.Verdict) {
	for _, w := range v.Watched() {
		h.store.Ruled(site, d, string(w.Reason), w.Rule, true)
	}
}

// tellIgnored tells a browser that it is not counted any more, so that it can remember that and send no more. Nobody else learns why an event does not count.
func tellIgnored(header http.Header, from *sender) {
	if from.ignored {
		header.Set("X-Footfall-Ignore", "1")
		header["Access-Control-Expose-Headers"] = exposeIgnored
	}
}

var exposeIgnored = []string{"x-footfall-ignore"} // nobody writes to it

// examineRules tells of rules about data centres where no network of one is known.
func (h *Handler) examineRules() (found []verb.Finding) {
	if h.book == nil || h.lists.KnowsDataCentres() {
		return nil
	}
	n := 0
	for _, site := range h.book.Sites() {
		if h.book.Rules(site.ID).One(account.RuleDataCentre).Mode != account.ModeOff {
			n++
		}
	}
	if n > 0 {
		found = append(found, verb.Finding{Level: verb.Warning, About: "rules", Text: fmt.Sprintf("the rule about data centres does nothing (sites: %d): no network of one is known here", n),
			Mend: "put a database of networks (ASN) into the data directory, or name a list with --datacentre-list: docs/filters.md"})
	}
	return found
}
