package wire

import (
	"bytes"
	"time"
)

// plain reads the common form and those that add to it:
//
//	[host[:port] ]address identity user [10/Oct/2000:13:55:36 -0700] "GET /path HTTP/1.1" 200 2326[ "referrer" "user agent"…]
func (l *LogLine) plain(format LogFormat, line []byte) error {
	s := logScanner{b: line}
	if format == VHost {
		if l.Host = s.word(); len(l.Host) == 0 || !s.take(' ') {
			return s.want("a host name, a space and an address")
		}
	}
	start := s.i
	if b := s.word(); !l.address(b) || !s.take(' ') {
		return s.wantAt(start, "the client's address")
	}
	// User names may hold spaces, and hardly this.
	i := bytes.Index(s.b[s.i:], []byte(" ["))
	if i < 0 {
		return s.want("identity, user and a time in brackets")
	}
	s.i += i + len(" [")
	if i = bytes.IndexByte(s.b[s.i:], ']'); i < 0 || !l.clf(s.b[s.i:s.i+i]) {
		return s.want("a time such as 10/Oct/2000:13:55:36 -0700 and a bracket")
	}
	s.i += i + 1
	request, err := l.quoted(&s, "the request in quotes")
	if err != nil {
		return err
	}
	l.request(request)
	if !s.take(' ') {
		return s.want("a space and the status")
	}
	start = s.i
	if !l.status(s.word()) {
		return s.wantAt(start, "a status of three digits")
	}
	if !s.take(' ') || len(s.word()) == 0 {
		return s.want("the number of bytes, or -")
	}
	if format == Common {
		return nil
	}
	if l.Referrer, err = l.quoted(&s, "the referrer in quotes: is this the common format?"); err != nil {
		return err
	}
	l.UserAgent, err = l.quoted(&s, "the User-Agent in quotes")
	return err
}

// logScanner goes along a line.
type logScanner struct {
	b []byte
	i int
}

func (s *logScanner) take(c byte) bool {
	if s.i < len(s.b) && s.b[s.i] == c {
		s.i++
		return true
	}
	return false
}

// word returns what stands before the next space.
func (s *logScanner) word() []byte {
	start := s.i
	if i := bytes.IndexByte(s.b[start:], ' '); i >= 0 {
		s.i += i
	} else {
		s.i = len(s.b)
	}
	return s.b[start:s.i]
}

func (s *logScanner) want(what string) error { return s.wantAt(s.i, what) }

func (s *logScanner) wantAt(i int, what string) error { return &LogError{i + 1, what} }

// quoted reads a space and a text in quotes, its escapes resolved. A single - is no text.
func (l *LogLine) quoted(s *logScanner, what string) ([]byte, error) {
	if !s.take(' ') || !s.take('"') {
		return nil, s.want(what)
	}
	start, escaped := s.i, false
	for {
		i := bytes.IndexAny(s.b[s.i:], `"\`)
		if i < 0 {
			return nil, s.wantAt(len(s.b), "a closing quote")
		}
		s.i += i + 1
		if s.b[s.i-1] == '"' {
			break
		}
		if escaped = true; s.i < len(s.b) {
			s.i++
		}
	}
	b := s.b[start : s.i-1]
	if escaped {
		at := len(l.texts)
		l.texts = appendLogUnescaped(l.texts, b)
		b = l.texts[at:len(l.texts):len(l.texts)]
	}
	return noDash(b), nil
}

func noDash(b []byte) []byte {
	if len(b) == 1 && b[0] == '-' {
		return nil
	}
	return b
}

// appendLogUnescaped resolves what Apache and nginx write: \xHH, and a backslash before quotes, backslashes and the letters of C.
func appendLogUnescaped(out, b []byte) []byte {
	for i := 0; i < len(b); i++ {
		if b[i] != '\\' || i+1 == len(b) {
			out = append(out, b[i])
			continue
		}
		i++
		switch b[i] {
		case 'n':
			out = append(out, '\n')
		case 't':
			out = append(out, '\t')
		case 'r':
			out = append(out, '\r')
		case 'x':
			if i+2 < len(b) {
				if c, ok := unhex2(b[i+1], b[i+2]); ok {
					out = append(out, c)
					i += 2
					continue
				}
			}
			out = append(out, '\\', 'x')
		default:
			out = append(out, b[i])
		}
	}
	return out
}

// Columns of CloudFront's standard log.
const (
	cfDate     = 0
	cfTime     = 1
	cfAddress  = 4
	cfMethod   = 5
	cfHost     = 6 // of the distribution
	cfPath     = 7
	cfStatus   = 8
	cfReferrer = 9
	cfAgent    = 10
	cfQuery    = 11
	cfAsked    = 15 // host the viewer asked for
	cfType     = 29
	cfColumns  = 30
)

// cfHeader is how the header that names the columns begins.
const cfHeader = "#Fields: date time x-edge-location sc-bytes c-ip cs-method cs(Host) cs-uri-stem sc-status cs(Referer) cs(User-Agent) cs-uri-query"

// cloudFront reads a line of CloudFront's standard log, whose columns come in one order. Its times are UTC.
func (l *LogLine) cloudFront(line []byte) error {
	if line[0] == '#' {
		if bytes.HasPrefix(line, []byte("#Fields:")) && !bytes.HasPrefix(line, []byte(cfHeader)) {
			return &LogError{len("#Fields: ") + 1, "the columns of CloudFront's standard log in their order"}
		}
		return ErrNoLine
	}
	var columns [cfColumns][]byte
	var starts [cfColumns]int
	n := 0
	for at := 0; n < cfColumns; {
		end := len(line)
		if i := bytes.IndexByte(line[at:], '\t'); i >= 0 {
			end = at + i
		}
		columns[n], starts[n] = noDash(line[at:end]), at
		n++
		if at = end + 1; end == len(line) {
			break
		}
	}
	bad := func(column int, what string) error { return &LogError{starts[column] + 1, what} }
	if n <= cfQuery {
		return &LogError{len(line) + 1, "a tab and more columns"}
	}
	switch {
	case !l.dated(columns[cfDate], columns[cfTime]):
		return bad(cfDate, "a date such as 2019-12-04, a tab and a time")
	case !l.address(columns[cfAddress]):
		return bad(cfAddress, "the client's address")
	case !l.status(columns[cfStatus]) && columns[cfStatus] != nil:
		return bad(cfStatus, "a status of three digits")
	}
	l.Method, l.Target, l.query = columns[cfMethod], columns[cfPath], columns[cfQuery]
	l.Host, l.Type = columns[cfAsked], l.percent(columns[cfType])
	if l.Host == nil {
		l.Host = columns[cfHost]
	}
	l.Referrer, l.UserAgent = l.percent(columns[cfReferrer]), l.percent(columns[cfAgent])
	return nil
}

// dated reads 2019-12-04 and 21:02:31 as UTC.
func (l *LogLine) dated(date, clock []byte) bool {
	second, ok := clockOf(clock)
	if !ok || len(clock) != len("15:04:05") || len(date) != len(time.DateOnly) {
		return false
	}
	if l.begin == 0 || !bytes.Equal(l.date[:len(date)], date) {
		t, err := time.Parse(time.DateOnly, string(date))
		if err != nil {
			return false
		}
		copy(l.date[:], date)
		l.begin = t.Unix()
	}
	l.Time = l.begin + second
	return l.Time >= oldest && l.Time < newest
}

// percent resolves %XX.
func (l *LogLine) percent(b []byte) []byte {
	if bytes.IndexByte(b, '%') < 0 {
		return b
	}
	at := len(l.texts)
	for i := 0; i < len(b); i++ {
		if b[i] == '%' && i+2 < len(b) {
			hi, ok1 := unhex(b[i+1])
			lo, ok2 := unhex(b[i+2])
			if ok1 && ok2 {
				l.texts = append(l.texts, hi<<4|lo)
				i += 2
				continue
			}
		}
		l.texts = append(l.texts, b[i])
	}
	return l.texts[at:len(l.texts):len(l.texts)]
}
