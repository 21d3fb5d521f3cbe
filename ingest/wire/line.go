package wire

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"footfall/storage/day"
	"footfall/storage/schema"
)

// Line is a [Record] on its way in. Its texts are bytes of the line it was decoded from or of the Line itself, valid until either
// changes, so that millions of lines are decoded without allocating. The zero value is ready; it is to be used again and again, since
// it learns in which order the fields come.
type Line struct {
	Time                     int64 // Unix seconds
	Visitor                  []byte
	Name, Hostname, Pathname []byte
	Attributes               [schema.NumAttributes][]byte // without channel
	Props                    []LineProp                   // sorted by key, keys unique, values not empty
	Revenue                  day.Revenue
	Interactive              bool
	ScrollDepth              uint8 // percent 0–100, or day.NoScroll
	EngagementMS             uint32

	texts   []byte                   // of strings that had escapes
	follows [numLineFields + 1]uint8 // the field that last came after each; the last one stands for the brace
	date    [len("2006-01-02T")]byte // that the last time began with, and
	begin   int64                    // its midnight UTC; 0 is none
}

// LineProp is one custom property of a Line.
type LineProp struct{ Key, Value []byte }

// The oldest and newest time a record may have: the web is not older, and dates must fit their 32 bits.
var (
	oldest = time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
	newest = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
)

// lineKeys are the names of the fields as they begin a member.
var lineKeys = func() (keys [numLineFields][]byte) {
	for i, name := range lineFields {
		keys[i] = []byte(`"` + name + `":`)
	}
	return keys
}()

func lineField(name []byte) int {
	for i := range lineFields {
		if string(name) == lineFields[i] && i != int(schema.Channel) {
			return i
		}
	}
	return -1
}

// Record returns what the line holds, in memory of its own.
func (l *Line) Record() Record {
	r := Record{Visitor: string(l.Visitor), Event: day.Event{
		Time: l.Time, Name: string(l.Name), Hostname: string(l.Hostname), Pathname: string(l.Pathname),
		Interactive: l.Interactive, ScrollDepth: l.ScrollDepth, EngagementMS: l.EngagementMS, Revenue: l.Revenue,
	}}
	for id, text := range l.Attributes {
		r.Attributes[id] = string(text)
	}
	for _, p := range l.Props {
		r.Event.Props = append(r.Event.Props, day.Prop{Key: string(p.Key), Value: string(p.Value)})
	}
	return r
}

// Decode reads one line of NDJSON. It is strict, so that no part of an import is lost silently: a field it does not know, a
// value of another type and a value beyond the limits are errors that name the field. The error holds no value of the line.
func (l *Line) Decode(line []byte) error {
	if len(line) > MaxLine {
		return fmt.Errorf("longer than %d bytes", MaxLine)
	}
	l.Visitor, l.Name, l.Hostname, l.Pathname, l.Revenue = nil, nil, nil, nil, day.Revenue{}
	clear(l.Attributes[:])
	l.Props, l.texts = l.Props[:0], l.texts[:0]
	l.Interactive, l.ScrollDepth, l.EngagementMS = true, day.NoScroll, 0
	s := scanner{b: line}
	seen, err := l.members(&s)
	switch {
	case s.beyond&highs != 0 && !utf8.Valid(line):
		return errors.New("not valid UTF-8")
	case err != nil:
		return err
	case seen&(1<<lineTime) == 0:
		return errors.New("time: missing")
	case seen&(1<<lineName) == 0:
		return errors.New("name: missing")
	}
	return nil
}

// members reads the whole line and returns which fields it gives, a bit a field.
func (l *Line) members(s *scanner) (seen uint32, err error) {
	s.space()
	if !s.take('{') {
		return 0, notObject(s)
	}
	s.space()
	more := !s.take('}')
	for last := numLineFields; more; {
		s.space()
		i, err := l.key(s, last)
		if err != nil {
			return seen, err
		}
		v, ok := s.value(maxDepth)
		switch {
		case !ok:
			return seen, notObject(s)
		case seen&(1<<i) != 0:
			return seen, fmt.Errorf("%s: given twice", lineFields[i])
		case v.kind != null:
			seen |= 1 << i
			if err := l.set(i, v, s.escaped); err != nil {
				return seen, fmt.Errorf("%s: %w", lineFields[i], err)
			}
		}
		last = i
		s.space()
		if more = s.take(','); !more && !s.take('}') {
			return seen, notObject(s)
		}
	}
	if s.space(); s.i < len(s.b) {
		return seen, notObject(s)
	}
	return seen, nil
}

func notObject(s *scanner) error { return fmt.Errorf("not a JSON object, see byte %d", s.i+1) }

// key reads the name of a member and its colon and returns the field. Lines of one file nearly always have the same order, so the field that
// came after last before is tried first.
func (l *Line) key(s *scanner, last int) (int, error) {
	guess := int(l.follows[last])
	if bytes.HasPrefix(s.b[s.i:], lineKeys[guess]) && guess != int(schema.Channel) {
		s.i += len(lineKeys[guess])
		return guess, nil
	}
	start := s.i
	if !s.take('"') || !s.quoted() {
		return 0, notObject(s)
	}
	name := s.b[start+1 : s.i-1]
	if s.escaped {
		name = appendUnescaped(nil, name)
	}
	s.space()
	if !s.take(':') {
		return 0, notObject(s)
	}
	i := lineField(name)
	if i < 0 {
		return 0, fmt.Errorf("unknown field %s", strconv.Quote(cut(string(name), maxName)))
	}
	l.follows[last] = uint8(i)
	return i, nil
}

// set takes one field that is not null; escaped says that it is a string with escapes.
func (l *Line) set(i int, v value, escaped bool) (err error) {
	switch i {
	case lineTime:
		l.Time, err = l.time(v, escaped)
	case lineVisitor:
		l.Visitor, err = l.text(v, escaped, maxVisitor, false)
	case lineName:
		l.Name, err = l.text(v, escaped, maxName, true)
		if err == nil && len(bytes.TrimSpace(l.Name)) == 0 {
			err = errors.New("is blank")
		}
	case lineHostname:
		l.Hostname, err = l.text(v, escaped, maxURL, false)
	case linePathname:
		l.Pathname, err = l.text(v, escaped, maxURL, false)
	case lineProps:
		err = l.props(v)
	case lineRevenue:
		l.Revenue, err = lineRevenueOf(v)
	case lineScroll:
		var n int64
		if n, err = lineInteger(v, 100); err == nil {
			l.ScrollDepth = uint8(n)
		}
	case lineEngagement:
		var n int64
		if n, err = lineInteger(v, maxMS-1); err == nil {
			l.EngagementMS = uint32(n)
		}
	case lineInteractive:
		if v.kind != boolean {
			return errors.New("want true or false")
		}
		l.Interactive = !v.isFalse()
	default:
		l.Attributes[i], err = l.text(v, escaped, maxText, true)
	}
	return err
}

// text returns a string of at most limit bytes, or characters.
func (l *Line) text(v value, escaped bool, limit int, characters bool) ([]byte, error) {
	if v.kind != text {
		return nil, errors.New("want a string")
	}
	b := v.raw[1 : len(v.raw)-1]
	if escaped {
		b = l.unescape(b)
	}
	if len(b) > limit {
		if !characters {
			return nil, fmt.Errorf("longer than %d bytes", limit)
		}
		if utf8.RuneCount(b) > limit {
			return nil, fmt.Errorf("longer than %d characters", limit)
		}
	}
	return b, nil
}

func (l *Line) unescape(b []byte) []byte {
	at := len(l.texts)
	l.texts = appendUnescaped(l.texts, b)
	return l.texts[at:len(l.texts):len(l.texts)]
}

// time reads RFC 3339. The date is most often that of the line before.
func (l *Line) time(v value, escaped bool) (int64, error) {
	b, err := l.text(v, escaped, maxText, false)
	if l.begin != 0 && len(b) == len(time.RFC3339)-len("07:00") && bytes.HasPrefix(b, l.date[:]) {
		if second, ok := clock(b[len(l.date):]); ok {
			return l.begin + second, nil
		}
	}
	t, bad := time.Parse(time.RFC3339, string(b))
	if err != nil || bad != nil {
		return 0, errors.New("want RFC 3339, such as 2026-01-02T15:04:05Z")
	}
	at := t.Unix()
	if at < oldest || at >= newest {
		return 0, errors.New("year before 1990 or after 9998")
	}
	if second, ok := clock(b[len(l.date):]); ok {
		copy(l.date[:], b)
		l.begin = at - second
	}
	return at, nil
}

// clock reads 15:04:05Z as seconds. A leap second is none of a day here.
func clock(b []byte) (int64, bool) {
	if len(b) != len("15:04:05Z") || b[8] != 'Z' {
		return 0, false
	}
	second, ok := clockOf(b)
	return second, ok && b[6] != '6'
}

func lineInteger(v value, most int64) (int64, error) {
	if v.isInteger() {
		if n, ok := v.integer(); ok && n >= 0 && n <= most {
			return n, nil
		}
	}
	return 0, fmt.Errorf("want an integer from 0 to %d", most)
}

// props reads an object of strings. Blank keys and values say nothing and are left out, as in live traffic; of a key given twice
// the last value counts.
func (l *Line) props(v value) error {
	if v.kind != object {
		return errors.New("want an object of strings")
	}
	s, sent, sorted := scanner{b: v.raw, i: len("{")}, 0, true
	s.space()
	for more := !s.take('}'); more; {
		s.space()
		start := s.i
		s.take('"')
		s.quoted() // all this was read before, so nothing is refused
		key := s.b[start+1 : s.i-1]
		if s.escaped {
			key = l.unescape(key)
		}
		s.space()
		s.take(':')
		v, _ := s.value(maxDepth)
		val, err := l.text(v, s.escaped, len(v.raw), false)
		switch sent++; {
		case err != nil:
			return errors.New("want an object of strings")
		case sent > maxProps:
			return fmt.Errorf("more than %d", maxProps)
		case len(key) > maxPropKey || len(val) > maxPropValue:
			return fmt.Errorf("keys should have at most %d bytes and values %d bytes", maxPropKey, maxPropValue)
		}
		sorted = l.put(key, val, sorted)
		s.space()
		more = s.take(',')
	}
	if !sorted {
		slices.SortFunc(l.Props, func(a, b LineProp) int { return bytes.Compare(a.Key, b.Key) })
	}
	return nil
}

// put adds a property to a list that may be sorted, and reports whether it is afterwards.
func (l *Line) put(key, val []byte, sorted bool) bool {
	if len(bytes.TrimSpace(key)) == 0 || len(bytes.TrimSpace(val)) == 0 {
		return sorted
	}
	if n := len(l.Props); n > 0 && (!sorted || bytes.Compare(l.Props[n-1].Key, key) >= 0) {
		for i := range l.Props {
			if bytes.Equal(l.Props[i].Key, key) {
				l.Props[i].Value = val
				return sorted
			}
		}
		sorted = false
	}
	l.Props = append(l.Props, LineProp{key, val})
	return sorted
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
