package ingest

import (
	"errors"
	"fmt"
	"io/fs"

	"footfall/assets"
	"footfall/ingest/agent"
	"footfall/ingest/geo"
	"footfall/ingest/source"
	"footfall/ingest/wire"
	"footfall/storage/schema"
)

// attributes returns what a visit that begins with hit is given.
func (h *Handler) attributes(hit *wire.Hit, from *sender) schema.Attributes {
	from.agent(h)
	return attributesOf(h.sources, h.places, hit, from)
}

// attributesOf is the same for live traffic and for logs. The sender's agent is known.
func attributesOf(sources *source.Table, places *geo.DB, hit *wire.Hit, from *sender) schema.Attributes {
	a := sources.Attribute(source.ReadTags(hit.Event.Hostname, hit.Query), hit.Referrer)
	place := places.Lookup(from.addr)
	browser := from.known
	return schema.Attributes{
		schema.Source:         a.Source,
		schema.Referrer:       a.Referrer,
		schema.Channel:        a.Channel,
		schema.UTMMedium:      a.UTMMedium,
		schema.UTMSource:      a.UTMSource,
		schema.UTMCampaign:    a.UTMCampaign,
		schema.UTMContent:     a.UTMContent,
		schema.UTMTerm:        a.UTMTerm,
		schema.ClickID:        a.ClickID,
		schema.Country:        place.Country,
		schema.Region:         place.Region,
		schema.City:           place.City,
		schema.Device:         browser.Device,
		schema.Browser:        browser.Browser,
		schema.BrowserVersion: browser.BrowserVersion,
		schema.OS:             browser.OS,
		schema.OSVersion:      browser.OSVersion,
		schema.Language:       geo.Language(from.languages),
	}
}

// channel derives the channel of a visit whose other attributes are given.
func channel(t *source.Table, a *schema.Attributes) string {
	return t.Channel(a[schema.Source], a[schema.UTMMedium], a[schema.UTMCampaign], a[schema.UTMSource], a[schema.ClickID])
}

// The built data sets. Where one was not built its content is nil, which every reader takes for "knows nothing".
func builtAgents() (*agent.Parser, error) { return readAsset("data/bots.txt", agent.New) }

// BuiltPlaces returns the database of countries that the product ships, to which files can be added.
func BuiltPlaces() (*geo.DB, error) { return readAsset("data/country.mmdb", geo.New) }

// BuiltSources returns the table of sources that the product ships.
func BuiltSources() (*source.Table, error) {
	return readAsset("data/sources.tsv", source.New)
}

func readAsset[T any](name string, parse func([]byte) (T, error)) (T, error) {
	b, err := fs.ReadFile(assets.Dist, name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		var none T
		return none, fmt.Errorf("read built asset %s: %w", name, err)
	}
	return parse(b)
}
