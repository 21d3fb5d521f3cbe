package workload

import (
	"fmt"
	"strings"

	"footfall/ingest/session"
	"footfall/ingest/source"
	"footfall/ingest/wire"
	"footfall/storage/day"
	"footfall/storage/schema"
)

// Rows places a UTC day's events into visits, as ingestion would, with the sources and channels that names knows. Events after
// midnight are left out. The rows belong into an empty day.
func (g *Generator) Rows(date schema.Date, names *source.Table) []day.Row {
	events := g.Day(date)
	rows := make([]day.Row, 0, len(events))
	table := session.NewTable(nil)
	for i := range events {
		e := &events[i]
		if e.Time >= int64(date+1)*86400 {
			break
		}
		place, ok := table.Observe(e.Visitor, e.Time, g.Dictionary.Names[e.Name])
		if !ok {
			continue
		}
		row := day.Row{Visit: place.Visit, Event: g.event(e)}
		row.Event.Time = place.Time
		if place.New {
			row.New = &day.NewVisit{Visitor: e.Visitor, Attributes: g.attributes(e, names)}
		}
		rows = append(rows, row)
	}
	return rows
}

// AppendLines appends the events of sessions that begin on a UTC day as NDJSON, a line an event.
func (g *Generator) AppendLines(b []byte, date schema.Date, names *source.Table) []byte {
	events := g.Day(date)
	for i := range events {
		e := &events[i]
		b = wire.AppendLine(b, &wire.Record{Visitor: fmt.Sprintf("%016x", e.Visitor), Attributes: g.attributes(e, names), Event: g.event(e)})
	}
	return b
}

func (g *Generator) event(e *Event) day.Event {
	d := g.Dictionary
	return day.Event{
		Time:        e.Time,
		Name:        d.Names[e.Name],
		Hostname:    d.Hosts[e.Host],
		Pathname:    d.Paths[e.Path],
		Interactive: true,
		ScrollDepth: day.NoScroll,
	}
}

func (g *Generator) attributes(e *Event, names *source.Table) (a schema.Attributes) {
	d := g.Dictionary
	tags, referrer := source.Tags{Host: d.Hosts[e.Host]}, ""
	if e.Referrer != None {
		referrer = "https://" + d.Referrers[e.Referrer] + "/"
	}
	if e.Campaign != None {
		c := d.Campaigns[e.Campaign]
		tags.Source, tags.Medium, tags.Campaign = c.Source, c.Medium, c.Name
	}
	from := names.Attribute(tags, referrer)
	a[schema.Source], a[schema.Referrer], a[schema.Channel] = from.Source, from.Referrer, from.Channel
	a[schema.UTMSource], a[schema.UTMMedium], a[schema.UTMCampaign] = from.UTMSource, from.UTMMedium, from.UTMCampaign
	place, agent := d.Places[e.Place], d.Agents[e.Agent]
	a[schema.Country], a[schema.Region], a[schema.City] = place.Country, place.Region, place.City
	a[schema.Browser], a[schema.BrowserVersion], a[schema.OS], a[schema.Device] = agent.Browser, majorMinor(agent.Version), agent.OS, agent.Device
	return a
}

// majorMinor writes a version as ingestion does, so that made-up and live visits stand in one row.
func majorMinor(version string) string {
	if strings.Contains(version, ".") {
		return version
	}
	return version + ".0"
}
