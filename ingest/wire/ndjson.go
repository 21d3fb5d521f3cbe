package wire

import (
	"strconv"
	"time"
	"unicode/utf8"

	"footfall/storage/day"
	"footfall/storage/schema"
)

// Record is one event as NDJSON carries it, complete in itself: the event, whose it is, and the attributes of its visit.
//
// A line is one JSON object. Only time and name must be there; what is empty is left out.
//
//	| field           | value                                                                  |
//	|-----------------|------------------------------------------------------------------------|
//	| time            | RFC 3339; parts of a second are cut off                                |
//	| visitor         | any string; two events of one local day and one visitor string belong together |
//	| name            | "pageview", "engagement" or the name of a custom event                 |
//	| hostname        | host of the page                                                       |
//	| pathname        | path of the page                                                       |
//	| source … language | attributes of the visit, by their names in schema.Columns; not channel, which is derived |
//	| props           | object of strings                                                      |
//	| revenue         | {"amount": decimal string, "currency": ISO 4217}                       |
//	| scroll_depth    | integer 0 to 100                                                       |
//	| engagement_ms   | integer, milliseconds                                                  |
//	| interactive     | false for an event that does not end a bounce                          |
type Record struct {
	Visitor    string
	Attributes schema.Attributes // without channel
	Event      day.Event
}

// Fields of a line that are no attribute, numbered after the attributes.
const (
	lineTime = schema.NumAttributes + iota
	lineVisitor
	lineName
	lineHostname
	linePathname
	lineProps
	lineRevenue
	lineScroll
	lineEngagement
	lineInteractive
	numLineFields
)

// lineFields names the fields of a line, in the order they are written.
var lineFields = func() (names [numLineFields]string) {
	for id := range schema.NumAttributes {
		names[id] = schema.Columns[id].Name
	}
	names[lineTime] = "time"
	names[lineVisitor] = "visitor"
	names[lineName] = schema.Columns[schema.EventName].Name
	names[lineHostname] = schema.Columns[schema.EventHostname].Name
	names[linePathname] = schema.Columns[schema.EventPage].Name
	names[lineProps] = schema.Columns[schema.EventProps].Name
	names[lineRevenue] = "revenue"
	names[lineScroll] = schema.Columns[schema.EventScrollDepth].Name
	names[lineEngagement] = schema.Columns[schema.EventEngagement].Name
	names[lineInteractive] = schema.Columns[schema.EventInteractive].Name
	return names
}()

// AppendLine appends r as one line, the newline included. [Line.Decode] gives r back, but for the channel.
func AppendLine(b []byte, r *Record) []byte {
	b = append(b, `{"time":"`...)
	b = time.Unix(r.Event.Time, 0).UTC().AppendFormat(b, time.RFC3339)
	b = append(b, '"')
	b = appendText(b, lineVisitor, r.Visitor)
	b = appendText(b, lineName, r.Event.Name)
	b = appendText(b, lineHostname, r.Event.Hostname)
	b = appendText(b, linePathname, r.Event.Pathname)
	for id, s := range r.Attributes {
		if id != int(schema.Channel) {
			b = appendText(b, id, s)
		}
	}
	if len(r.Event.Props) > 0 {
		b = appendName(b, lineProps)
		for i, p := range r.Event.Props {
			c := byte(',')
			if i == 0 {
				c = '{'
			}
			b = append(b, c)
			b = append(appendQuoted(b, p.Key), ':')
			b = appendQuoted(b, p.Value)
		}
		b = append(b, '}')
	}
	if m := r.Event.Revenue; m != (day.Revenue{}) {
		b = append(appendName(b, lineRevenue), `{"amount":`...)
		b = append(appendQuoted(b, m.Amount), `,"currency":`...)
		b = append(appendQuoted(b, m.Currency), '}')
	}
	if r.Event.ScrollDepth != day.NoScroll {
		b = strconv.AppendUint(appendName(b, lineScroll), uint64(r.Event.ScrollDepth), 10)
	}
	if r.Event.EngagementMS != 0 {
		b = strconv.AppendUint(appendName(b, lineEngagement), uint64(r.Event.EngagementMS), 10)
	}
	if !r.Event.Interactive {
		b = append(appendName(b, lineInteractive), "false"...)
	}
	return append(b, '}', '\n')
}

func appendName(b []byte, i int) []byte {
	b = append(b, ',', '"')
	b = append(b, lineFields[i]...)
	return append(b, '"', ':')
}

func appendText(b []byte, i int, s string) []byte {
	if s == "" {
		return b
	}
	return appendQuoted(appendName(b, i), s)
}

// appendQuoted appends s as a JSON string. U+2028 and U+2029 are escaped, so that no reader takes them for line ends.
func appendQuoted(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r == '\n':
			b = append(b, '\\', 'n')
		case r < ' ' || r == 0x7f:
			b = append(b, '\\', 'u', '0', '0', hex[r>>4], hex[r&15])
		case r < utf8.RuneSelf:
			b = append(b, byte(r))
		case r == '\u2028' || r == '\u2029':
			b = append(b, '\\', 'u', '2', '0', '2', hex[r&15])
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	return append(b, '"')
}
