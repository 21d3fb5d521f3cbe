package wire

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// kind is what a value is. The JSON kinds come first; plain is text that came from a form, not from JSON.
type kind uint8

const (
	absent kind = iota
	null
	boolean
	number
	text
	object
	array
	plain
)

// value is a JSON value that has been checked but not decoded: raw is its text in the body.
type value struct {
	kind kind
	raw  []byte
}

func (v value) isFalse() bool { return v.kind == boolean && v.raw[0] == 'f' }

// str returns the string v holds, in valid UTF-8.
func (v value) str() (string, bool) {
	switch v.kind {
	case text:
		return unquote(v.raw), true
	case plain:
		return strings.ToValidUTF8(string(v.raw), "\uFFFD"), true
	}
	return "", false
}

// scanner checks JSON (RFC 8259) in one pass without allocating. It accepts what encoding/json accepts, up to maxDepth levels.
type scanner struct {
	b       []byte
	i       int    // the next byte; where the mistake is after a refusal
	escaped bool   // the string read last has a backslash
	beyond  uint64 // has highs of a byte set if a string so far was not ASCII, perhaps also if what follows one is not
}

// members calls each for every member of the object that b holds, in order, and reports whether b is one JSON object with
// nothing but space around it. A key is as unquote leaves it. It stops at the first error of each.
func members(b []byte, each func(key []byte, v value) error) (offset int, isObject bool, err error) {
	s := scanner{b: b}
	s.space()
	if !s.take('{') {
		return s.i, false, nil
	}
	ok, err := s.object(maxDepth, each)
	if !ok || err != nil {
		return s.i, ok, err
	}
	s.space()
	return s.i, s.i == len(b), nil
}

func (s *scanner) space() {
	for s.i < len(s.b) {
		switch s.b[s.i] {
		case ' ', '\t', '\n', '\r':
			s.i++
		default:
			return
		}
	}
}

func (s *scanner) take(c byte) bool {
	if s.i < len(s.b) && s.b[s.i] == c {
		s.i++
		return true
	}
	return false
}

// object reads the members after "{" and the closing brace. each may be nil.
func (s *scanner) object(depth int, each func(key []byte, v value) error) (bool, error) {
	s.space()
	if s.take('}') {
		return true, nil
	}
	for {
		s.space()
		start := s.i
		if !s.take('"') || !s.quoted() {
			return false, nil
		}
		key := s.b[start:s.i]
		s.space()
		if !s.take(':') {
			return false, nil
		}
		v, ok := s.value(depth)
		if !ok {
			return false, nil
		}
		if each != nil {
			inner := key[1 : len(key)-1]
			if bytes.IndexByte(inner, '\\') >= 0 || !utf8.Valid(inner) {
				inner = []byte(unquote(key))
			}
			if err := each(inner, v); err != nil {
				return true, err
			}
		}
		s.space()
		if s.take(',') {
			continue
		}
		return s.take('}'), nil
	}
}

func (s *scanner) value(depth int) (value, bool) {
	s.space()
	if s.i >= len(s.b) {
		return value{}, false
	}
	start, k, ok := s.i, absent, false
	switch c := s.b[s.i]; c {
	case '"':
		s.i++
		k, ok = text, s.quoted()
	case '{':
		s.i++
		k = object
		if depth > 1 {
			ok, _ = s.object(depth-1, nil)
		}
	case '[':
		s.i++
		k = array
		if depth > 1 {
			ok = s.array(depth - 1)
		}
	case 't':
		k, ok = boolean, s.literal("true")
	case 'f':
		k, ok = boolean, s.literal("false")
	case 'n':
		k, ok = null, s.literal("null")
	default:
		k, ok = number, s.number()
	}
	return value{k, s.b[start:s.i]}, ok
}

func (s *scanner) array(depth int) bool {
	s.space()
	if s.take(']') {
		return true
	}
	for {
		if _, ok := s.value(depth); !ok {
			return false
		}
		s.space()
		if s.take(',') {
			continue
		}
		return s.take(']')
	}
}

func (s *scanner) literal(word string) bool {
	if len(s.b)-s.i < len(word) || string(s.b[s.i:s.i+len(word)]) != word {
		return false
	}
	s.i += len(word)
	return true
}

func (s *scanner) digits() bool {
	start := s.i
	for s.i < len(s.b) && s.b[s.i]-'0' < 10 {
		s.i++
	}
	return s.i > start
}

func (s *scanner) number() bool {
	s.take('-')
	if !s.take('0') && !s.digits() {
		return false
	}
	if s.take('.') && !s.digits() {
		return false
	}
	if s.take('e') || s.take('E') {
		if !s.take('+') {
			s.take('-')
		}
		return s.digits()
	}
	return true
}

// Every byte of a word: its lowest and its highest bit.
const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// special returns a word whose lowest high bit marks the first byte of w, a word in little-endian order, that is a quote, a backslash or a
// control character; 0 if there is none. Bits above the lowest mean nothing.
func special(w uint64) uint64 {
	quote, slash := w^ones*'"', w^ones*'\\'
	return ((quote-ones)&^quote | (slash-ones)&^slash | (w-ones*' ')&^w) & highs
}

// quoted reads a string after its opening quote, the closing quote included. Most strings are short, and most of them plain: eight bytes
// at a time are looked at together.
func (s *scanner) quoted() bool {
	s.escaped = false
	for s.i < len(s.b) {
		if s.i+8 <= len(s.b) {
			w := binary.LittleEndian.Uint64(s.b[s.i:])
			s.beyond |= w
			m := special(w)
			if m == 0 {
				s.i += 8
				continue
			}
			s.i += bits.TrailingZeros64(m) / 8
		}
		c := s.b[s.i]
		s.beyond |= uint64(c)
		s.i++
		switch {
		case c == '"':
			return true
		case c < ' ':
			return false
		case c == '\\' && !s.escape():
			return false
		}
	}
	return false
}

// escape reads what follows a backslash.
func (s *scanner) escape() bool {
	s.escaped = true
	if s.i >= len(s.b) {
		return false
	}
	c := s.b[s.i]
	s.i++
	switch c {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return true
	case 'u':
		if _, ok := hex4(s.b[s.i:]); !ok {
			return false
		}
		s.i += 4
		return true
	}
	return false
}

func hex4(b []byte) (rune, bool) {
	if len(b) < 4 {
		return 0, false
	}
	var r rune
	for _, c := range b[:4] {
		d, ok := unhex(c)
		if !ok {
			return 0, false
		}
		r = r<<4 | rune(d)
	}
	return r, true
}

func unhex(c byte) (byte, bool) {
	switch {
	case c-'0' < 10:
		return c - '0', true
	case c-'a' < 6:
		return c - 'a' + 10, true
	case c-'A' < 6:
		return c - 'A' + 10, true
	}
	return 0, false
}

// unhex2 returns the byte that two hexadecimal digits are.
func unhex2(high, low byte) (c byte, ok bool) {
	hi, ok1 := unhex(high)
	lo, ok2 := unhex(low)
	return hi<<4 | lo, ok1 && ok2
}

// unquote decodes a string that quoted has accepted, quotes included. What is no Unicode becomes U+FFFD.
func unquote(raw []byte) string {
	b := raw[1 : len(raw)-1]
	if bytes.IndexByte(b, '\\') >= 0 {
		b = appendUnescaped(make([]byte, 0, len(b)), b)
	}
	if !utf8.Valid(b) {
		return replaceInvalid(b)
	}
	return string(b)
}

// appendUnescaped appends the inside of a string that quoted has accepted, its escapes resolved.
func appendUnescaped(out, b []byte) []byte {
	for {
		i := bytes.IndexByte(b, '\\')
		if i < 0 {
			return append(out, b...)
		}
		out = append(out, b[:i]...)
		c := b[i+1]
		b = b[i+2:]
		switch c {
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			r, _ := hex4(b)
			b = b[4:]
			if utf16.IsSurrogate(r) {
				low, ok := rune(0), false
				if len(b) >= 6 && b[0] == '\\' && b[1] == 'u' {
					low, ok = hex4(b[2:])
				}
				if r = utf16.DecodeRune(r, low); ok && r != utf8.RuneError {
					b = b[6:]
				}
			}
			out = utf8.AppendRune(out, r)
		default:
			out = append(out, c)
		}
	}
}

// replaceInvalid writes U+FFFD for every byte that is no UTF-8, as encoding/json does.
func replaceInvalid(b []byte) string { return string([]rune(string(b))) }
