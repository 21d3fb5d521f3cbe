package workload

import (
	"fmt"

	"footfall/ingest/session"
	"footfall/ingest/wire"
	"footfall/storage/day"
	"footfall/storage/schema"
)

// Derive fills in what ingestion finds out about a visit from its referrer and tags: source and channel.
type Derive func(*schema.Attributes)

// Rows places a UTC day's events into visits, as ingestion would. Events after midnight are left out. The rows belong
// into an empty day.
func (g *Generator) Rows(date schema.Date, derive Derive) []day.Row {
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
			row.New = &day.NewVisit{Visitor: e.Visitor, Attributes: g.attributes(e, derive)}
		}
		rows = append(rows, row)
	}
	return rows
}

// AppendLines appends the events of sessions that begin on a UTC day as NDJSON, a line an event.
func (g *Generator) AppendLines(b []byte, date schema.Date, derive Derive) []byte {
	events := g.Day(date)
	for i := range events {
		e := &events[i]
		b = wire.AppendLine(b, &wire.Record{Visitor: fmt.Sprintf("%016x", e.Visitor), Attributes: g.attributes(e, derive), Event: g.event(e)})
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

func (g *Generator) attributes(e *Event, derive Derive) (a schema.Attributes) {
	d := g.Dictionary
	if e.Referrer != None {
		a[schema.Referrer] = d.Referrers[e.Referrer]
		a[schema.Source] = a[schema.Referrer]
	}
	if e.Campaign != None {
		c := d.Campaigns[e.Campaign]
		a[schema.UTMSource], a[schema.UTMMedium], a[schema.UTMCampaign] = c.Source, c.Medium, c.Name
	}
	place, agent := d.Places[e.Place], d.Agents[e.Agent]
	a[schema.Country], a[schema.Region], a[schema.City] = place.Country, place.Region, place.City
	a[schema.Browser], a[schema.BrowserVersion], a[schema.OS], a[schema.Device] = agent.Browser, agent.Version, agent.OS, agent.Device
	if derive != nil {
		derive(&a)
	}
	return a
}
