package wire

import (
	"errors"
	"fmt"
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

// The oldest and newest time a record may have: the web is not older, and dates must fit their 32 bits.
var (
	oldest = time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
	newest = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
)

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

func lineField(name []byte) int {
	for i := range lineFields {
		if string(name) == lineFields[i] && i != int(schema.Channel) {
			return i
		}
	}
	return -1
}

// DecodeLine reads one line of NDJSON. It is strict, so that no part of an import is lost silently: a field it does not know, a
// value of another type and a value beyond the limits are errors that name the field. The error holds no value of the line.
func DecodeLine(line []byte, r *Record) error {
	if len(line) > MaxLine {
		return fmt.Errorf("longer than %d bytes", MaxLine)
	}
	if !utf8.Valid(line) {
		return errors.New("not valid UTF-8")
	}
	*r = Record{Event: day.Event{Interactive: true, ScrollDepth: day.NoScroll}}
	var seen [numLineFields]bool
	offset, ok, err := members(line, func(key []byte, v value) error {
		i := lineField(key)
		switch {
		case i < 0:
			return fmt.Errorf("unknown field %s", strconv.Quote(cut(string(key), maxName)))
		case seen[i]:
			return fmt.Errorf("%s: given twice", lineFields[i])
		case v.kind == null:
			return nil
		}
		seen[i] = true
		if err := r.set(i, v); err != nil {
			return fmt.Errorf("%s: %w", lineFields[i], err)
		}
		return nil
	})
	switch {
	case err != nil:
		return err
	case !ok:
		return fmt.Errorf("not a JSON object, see byte %d", offset+1)
	case !seen[lineTime]:
		return errors.New("time: missing")
	case !seen[lineName]:
		return errors.New("name: missing")
	}
	return nil
}

// set takes one field of a line that is not null.
func (r *Record) set(i int, v value) (err error) {
	switch i {
	case lineTime:
		r.Event.Time, err = lineTimeOf(v)
	case lineVisitor:
		r.Visitor, err = lineText(v, maxVisitor, false)
	case lineName:
		r.Event.Name, err = lineText(v, maxName, true)
		if err == nil && isBlank(r.Event.Name) {
			err = errors.New("is blank")
		}
	case lineHostname:
		r.Event.Hostname, err = lineText(v, maxURL, false)
	case linePathname:
		r.Event.Pathname, err = lineText(v, maxURL, false)
	case lineProps:
		r.Event.Props, err = linePropsOf(v)
	case lineRevenue:
		r.Event.Revenue, err = lineRevenueOf(v)
	case lineScroll:
		var n int64
		if n, err = lineInteger(v, 100); err == nil {
			r.Event.ScrollDepth = uint8(n)
		}
	case lineEngagement:
		var n int64
		if n, err = lineInteger(v, maxMS-1); err == nil {
			r.Event.EngagementMS = uint32(n)
		}
	case lineInteractive:
		if v.kind != boolean {
			return errors.New("want true or false")
		}
		r.Event.Interactive = !v.isFalse()
	default:
		r.Attributes[i], err = lineText(v, maxText, true)
	}
	return err
}

func lineTimeOf(v value) (int64, error) {
	s, _ := v.str()
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return 0, errors.New("want RFC 3339, such as 2026-01-02T15:04:05Z")
	}
	if at := t.Unix(); at >= oldest && at < newest {
		return at, nil
	}
	return 0, errors.New("year before 1990 or after 9998")
}

// lineText returns a string of at most limit bytes, or characters.
func lineText(v value, limit int, characters bool) (string, error) {
	s, ok := v.str()
	switch {
	case !ok:
		return "", errors.New("want a string")
	case characters && tooLong(s, limit):
		return "", fmt.Errorf("longer than %d characters", limit)
	case !characters && len(s) > limit:
		return "", fmt.Errorf("longer than %d bytes", limit)
	}
	return s, nil
}

func lineInteger(v value, most int64) (int64, error) {
	if v.isInteger() {
		if n, ok := v.integer(); ok && n >= 0 && n <= most {
			return n, nil
		}
	}
	return 0, fmt.Errorf("want an integer from 0 to %d", most)
}

// linePropsOf reads an object of strings. Blank keys and values say nothing and are left out, as in live traffic.
func linePropsOf(v value) ([]day.Prop, error) {
	if v.kind != object {
		return nil, errors.New("want an object of strings")
	}
	var set propSet
	sent := 0
	_, _, err := members(v.raw, func(key []byte, v value) error {
		s, ok := v.str()
		switch sent++; {
		case !ok:
			return errors.New("want an object of strings")
		case sent > maxProps:
			return fmt.Errorf("more than %d", maxProps)
		case len(key) > maxPropKey || len(s) > maxPropValue:
			return fmt.Errorf("keys should have at most %d bytes and values %d bytes", maxPropKey, maxPropValue)
		}
		set.put(string(key), s)
		return nil
	})
	sortProps(set.list)
	return set.list, err
}

func lineRevenueOf(v value) (money day.Revenue, err error) {
	if v.kind != object {
		return money, errors.New("want an object with amount and currency")
	}
	_, _, err = members(v.raw, func(key []byte, v value) error {
		s, ok := v.str()
		switch string(key) {
		case "amount":
			if money.Amount = decimal(s); !ok || money.Amount == "" {
				return fmt.Errorf("amount: want a decimal number of at most %d digits as a string", maxAmount)
			}
		case "currency":
			if money.Currency = s; !isCurrency(s) {
				return errors.New("currency: want a code of ISO 4217")
			}
		default:
			return errors.New("unknown field inside")
		}
		return nil
	})
	if err == nil && (money.Amount == "" || money.Currency == "") {
		err = errors.New("want both amount and currency")
	}
	return money, err
}

// AppendLine appends r as one line, the newline included. DecodeLine gives r back, but for the channel.
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
