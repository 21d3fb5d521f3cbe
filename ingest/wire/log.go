package wire

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// LogFormat names the form of a server's log.
type LogFormat string

// The formats. What a server writes behind the fields named here is read over.
const (
	Common     LogFormat = "common"     // address identity user [time] "request" status bytes
	Combined   LogFormat = "combined"   // common "referrer" "user agent"
	VHost      LogFormat = "vhost"      // host[:port] combined
	Caddy      LogFormat = "caddy"      // JSON, as Caddy 2 writes it
	NginxJSON  LogFormat = "nginx-json" // JSON with nginx' own names of variables
	Traefik    LogFormat = "traefik"    // JSON, or common with the fields of Traefik behind
	CloudFront LogFormat = "cloudfront" // standard log of CloudFront, tab-separated
)

// LogLine is one request as a server's log tells of it. Its texts are bytes of the line it was decoded from or of the LogLine itself, valid
// until either changes, so that millions of lines are decoded without allocating. The zero value is ready; it is to be used again and again.
type LogLine struct {
	Time      int64      // Unix seconds
	Addr      netip.Addr // of the client
	Host      []byte     // as the line has it, perhaps with a port; nil where the format has none
	Method    []byte     // nil where the server understood no request
	Target    []byte     // path and query, or a whole address; nil likewise
	Status    int        // of the answer, 0 where none was given
	Referrer  []byte
	UserAgent []byte
	Languages []byte // Accept-Language, where the log has it
	Type      []byte // of the answer's content, where the log has it

	query []byte // where the format has it beside the path
	texts []byte // of what had escapes

	date  [len("02/Jan/2006")]byte // that the last time began with, and
	begin int64                    // its midnight UTC; 0 is none
}

// ErrNoLine says that a line holds no request and was never meant to: it is blank, or a header.
var ErrNoLine = errors.New("no request: a header")

// LogError says where a line is not as its format wants it. It holds nothing of the line.
type LogError struct {
	Column int    // from 1, in bytes
	Want   string // what should be there
}

func (e *LogError) Error() string { return "column " + strconv.Itoa(e.Column) + ": want " + e.Want }

// Decode reads one line of a log, without its end. The error is a *LogError or ErrNoLine.
func (l *LogLine) Decode(format LogFormat, line []byte) error {
	l.Addr, l.Time, l.Status = netip.Addr{}, 0, 0
	l.Host, l.Method, l.Target, l.Referrer, l.UserAgent, l.Languages, l.Type, l.query = nil, nil, nil, nil, nil, nil, nil, nil
	l.texts = l.texts[:0]
	if len(line) > MaxLine {
		return &LogError{MaxLine + 1, fmt.Sprintf("an end: lines have at most %d bytes", MaxLine)}
	}
	if len(bytes.TrimSpace(line)) == 0 {
		return ErrNoLine
	}
	switch {
	case format == Common, format == Combined, format == VHost, format == Traefik && line[0] != '{':
		return l.plain(format, line)
	case format == CloudFront:
		return l.cloudFront(line)
	}
	return l.json(format, line)
}

// Page returns what is kept of the address that was asked for, in memory of its own: path as the live endpoint keeps it, and the query for
// campaign tags, not to be stored. ok is false where there is no address.
func (l *LogLine) Page() (pathname, query string, ok bool) {
	target := string(l.Target)
	if target == "" || target == "*" || len(target) > maxURL {
		return "", "", false
	}
	p := page{path: target}
	if target[0] != '/' {
		if p = parsePage(target); p.scheme != "http" && p.scheme != "https" {
			return "", "", false
		}
	} else {
		p.path, _, _ = strings.Cut(p.path, "#")
		p.path, p.query, _ = strings.Cut(p.path, "?")
	}
	if len(l.query) > 0 {
		p.query = string(l.query)
	}
	return strings.ToValidUTF8(p.pathname(false), "\uFFFD"), strings.ToValidUTF8(p.query, "\uFFFD"), true
}

// Hostname returns the host that was asked for as it is kept, without port and leading "www."; "" where the line names none.
func (l *LogLine) Hostname() string {
	h := string(l.Host)
	if h == "" && len(l.Target) > 0 && l.Target[0] != '/' {
		h = parsePage(string(l.Target)).host
	}
	return strings.ToLower(cleanHost(host(strings.ToValidUTF8(h, "\uFFFD"))))
}

// Ref returns the referrer in memory of its own, as much of it as the live endpoint takes.
func (l *LogLine) Ref() string {
	return cut(strings.ToValidUTF8(string(l.Referrer), "\uFFFD"), maxText)
}

// Shape appends what a line looks like with nothing of what it says: every run of letters is an a, every run of digits a 9. A long line is cut.
func Shape(b, line []byte) []byte {
	last, begin := byte(0), len(b)
	for len(line) > 0 && len(b)-begin < maxShape {
		r, n := utf8.DecodeRune(line)
		line = line[n:]
		c := byte(r)
		switch {
		case r >= '0' && r <= '9':
			c = '9'
		case r >= utf8.RuneSelf, r|0x20 >= 'a' && r|0x20 <= 'z':
			c = 'a'
		case r < ' ' || r == 0x7f:
			c = ' '
		}
		if c == last && (c == 'a' || c == '9' || c == ' ') {
			continue
		}
		b = append(b, c)
		last = c
	}
	if len(line) > 0 {
		b = append(b, "…"...)
	}
	return b
}

// address reads an address, with or without a port, into l.
func (l *LogLine) address(b []byte) bool {
	if v4, ok := dotted(b); ok {
		l.Addr = netip.AddrFrom4(v4)
		return true
	}
	if len(b) > maxAddr {
		return false
	}
	s := string(b)
	addr, err := netip.ParseAddr(s)
	if err != nil {
		with, err := netip.ParseAddrPort(s)
		if err != nil {
			return false
		}
		addr = with.Addr()
	}
	l.Addr = addr.Unmap().WithZone("")
	return true
}

// dotted reads an IPv4 address as most lines have it. netip would take it as a string, which is to be allocated.
func dotted(b []byte) (v4 [4]byte, ok bool) {
	part, digits := 0, 0
	for _, c := range b {
		switch {
		case c == '.' && digits > 0 && part < 3:
			part, digits = part+1, 0
		case c < '0' || c > '9', digits > 0 && v4[part] == 0, int(v4[part])*10+int(c-'0') > 255:
			return v4, false
		default:
			v4[part], digits = 10*v4[part]+c-'0', digits+1
		}
	}
	return v4, part == 3 && digits > 0
}

// status reads three digits. The 0 of a client that went away is one too, and "-".
func (l *LogLine) status(b []byte) bool {
	l.Status = 0
	if len(b) == 1 && (b[0] == '0' || b[0] == '-') || len(b) == 3 && string(b) == "000" {
		return true
	}
	if len(b) != 3 {
		return false
	}
	for _, c := range b {
		if c < '0' || c > '9' {
			return false
		}
		l.Status = 10*l.Status + int(c-'0')
	}
	return l.Status >= 100
}

// request cuts "GET /path HTTP/1.1". What is no request leaves none: anybody may send anything.
func (l *LogLine) request(b []byte) {
	i, j := bytes.IndexByte(b, ' '), bytes.LastIndexByte(b, ' ')
	if i <= 0 {
		return
	}
	if j == i { // HTTP/0.9
		j = len(b)
	}
	for _, c := range b[:i] {
		if c < 'A' || c > 'Z' {
			return
		}
	}
	l.Method, l.Target = b[:i], b[i+1:j]
}

// clf reads 10/Oct/2000:13:55:36 -0700. The date is most often that of the line before.
func (l *LogLine) clf(b []byte) bool {
	const form = "02/Jan/2006:15:04:05 -0700"
	if len(b) != len(form) || b[len("02/Jan/2006")] != ':' || b[len("02/Jan/2006:15:04:05")] != ' ' {
		return false
	}
	second, ok := clockOf(b[len("02/Jan/2006:"):])
	zone, ok2 := offset(b[len("02/Jan/2006:15:04:05 "):])
	if !ok || !ok2 {
		return false
	}
	if l.begin == 0 || !bytes.Equal(l.date[:], b[:len(l.date)]) {
		t, err := time.Parse("02/Jan/2006", string(b[:len(l.date)]))
		if err != nil {
			return false
		}
		copy(l.date[:], b)
		l.begin = t.Unix()
	}
	l.Time = l.begin + second - zone
	return l.Time >= oldest && l.Time < newest
}

// clockOf reads 15:04:05 at the front of b as seconds; 60 is a leap second.
func clockOf(b []byte) (int64, bool) {
	if len(b) < len("15:04:05") || b[2] != ':' || b[5] != ':' {
		return 0, false
	}
	var n [3]int64
	for i := range n {
		tens, units := b[3*i]-'0', b[3*i+1]-'0'
		if tens > 9 || units > 9 {
			return 0, false
		}
		n[i] = int64(tens)*10 + int64(units)
	}
	return n[0]*3600 + n[1]*60 + n[2], n[0] < 24 && n[1] < 60 && n[2] <= 60
}

// offset reads -0700 as seconds.
func offset(b []byte) (int64, bool) {
	if len(b) != 5 || b[0] != '+' && b[0] != '-' {
		return 0, false
	}
	n := int64(0)
	for _, c := range b[1:] {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = 10*n + int64(c-'0')
	}
	n = n/100*3600 + n%100*60
	if b[0] == '-' {
		n = -n
	}
	return n, true
}
