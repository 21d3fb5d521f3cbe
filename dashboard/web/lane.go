package web

import (
	"bytes"
	"net/http"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Requests to count an event are most of the traffic, small and alike, and net/http spends more on one than all that is done with the event. So what
// browsers and proxies send every day is answered on the connection itself, before net/http sees it, by the same handler and with the same words.
// Whatever is not just like that goes on to net/http: other paths, bodies in chunks or large ones, expectations, connections to be closed, and
// all that net/http would refuse.

// events answers events on all connections of a server.
type events struct {
	handler http.Handler
	paths   []eventPath
	model   *http.Request // what all requests have in common; its context has no end, which is the cheapest to wait beside
	lanes   sync.Pool     // of *lane

	mu      sync.Mutex // guards stopped, after which nothing is added to running
	stopped bool
	running sync.WaitGroup
}

// eventPath is a path that takes events.
type eventPath struct{ path, line string }

// newEvents lets handler answer what is sent to paths.
func newEvents(handler http.Handler, paths ...string) *events {
	model := &http.Request{Method: http.MethodPost, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}
	e := &events{handler: handler, model: model, lanes: sync.Pool{New: func() any {
		return &lane{header: http.Header{}, answer: answer{header: http.Header{}}}
	}}}
	for _, path := range paths {
		if u, err := url.ParseRequestURI(path); err == nil && u.Path == path && u.RawPath == "" {
			e.paths = append(e.paths, eventPath{path, "POST " + path + " HTTP/1.1\r\n"})
		}
	}
	return e
}

// at returns the path that a head asks for, if it takes events.
func (e *events) at(head []byte) (at eventPath, ok bool) {
	for _, p := range e.paths {
		if len(head) > len(p.line) && string(head[:len(p.line)]) == p.line {
			return p, true
		}
	}
	return eventPath{}, false
}

// stop returns when no event is under way. Those that come later go on to net/http, which has been told to stop too.
func (e *events) stop() {
	e.mu.Lock()
	e.stopped = true
	e.mu.Unlock()
	e.running.Wait()
}

// begin reports whether an event may be answered; then running.Done is to be called.
func (e *events) begin() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.stopped {
		e.running.Add(1)
	}
	return !e.stopped
}

// leave takes back a lane, which keeps nothing of who sent the event.
func (e *events) leave(l *lane) {
	clear(l.header)
	clear(l.values)
	l.request, l.url = http.Request{}, url.URL{}
	l.body.Reset(nil)
	e.lanes.Put(l)
}

// lane is what one event needs on its way. It is used for many, one after the other.
type lane struct {
	request http.Request
	url     url.URL
	header  http.Header
	values  []string // of header
	body    body
	answer  answer
	out     bytes.Buffer
}

type body struct{ bytes.Reader }

func (*body) Close() error { return nil }

// read makes the request of a judged head, or reports that it is one for net/http.
func (l *lane) read(e *events, head []byte) bool {
	at, ok := e.at(head)
	if !ok {
		return false
	}
	clear(l.header)
	l.values = l.values[:0]
	host := ""
	for rest := string(head[len(at.line) : len(head)-len("\r\n")]); rest != ""; {
		var line string
		line, rest, _ = strings.Cut(rest, "\r\n")
		name, value, ok := strings.Cut(line, ":")
		value = textproto.TrimString(value)
		if !ok || !isPlainName(name) || !isText(value) {
			return false
		}
		switch name = textproto.CanonicalMIMEHeaderKey(name); name {
		case "Host":
			if host = value; !isPlainHost(host) {
				return false
			}
			continue
		case "Connection":
			if !strings.EqualFold(value, "keep-alive") {
				return false
			}
		case "Expect", "Pragma", "Trailer", "Transfer-Encoding", "Upgrade": // net/http has a meaning of its own for them
			return false
		}
		if before := l.header[name]; before != nil {
			l.header[name] = append(before, value)
			continue
		}
		l.values = append(l.values, value)
		l.header[name] = l.values[len(l.values)-1 : len(l.values) : len(l.values)]
	}
	l.url = url.URL{Path: at.path}
	l.request = *e.model
	l.request.URL, l.request.RequestURI, l.request.Header, l.request.Host = &l.url, at.path, l.header, host
	return host != ""
}

// isPlainName reports whether a field has a name of letters, digits and hyphens.
func isPlainName(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c|0x20 < 'a' || c|0x20 > 'z') && c != '-' && (c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}

// isText reports whether s has no control characters but tabs.
func isText(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

func isPlainHost(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c|0x20 < 'a' || c|0x20 > 'z') && c != '-' && c != '.' && c != ':' && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}

// serve answers the request that was read. last says that the connection is to be closed.
func (l *lane) serve(handler http.Handler, to *conn, sent []byte) (last bool, err error) {
	l.body.Reset(sent)
	l.request.Body, l.request.ContentLength, l.request.RemoteAddr = &l.body, int64(len(sent)), to.remote
	a := &l.answer
	clear(a.header)
	a.status, a.body = 0, a.body[:0]
	handler.ServeHTTP(a, &l.request)
	a.WriteHeader(http.StatusOK)
	last = a.header.Get("Connection") == "close"

	out := &l.out
	out.Reset()
	out.WriteString("HTTP/1.1 ")
	out.Write(strconv.AppendInt(out.AvailableBuffer(), int64(a.status), 10))
	out.WriteByte(' ')
	out.WriteString(http.StatusText(a.status))
	out.WriteString("\r\nDate: ")
	out.Write(time.Now().UTC().AppendFormat(out.AvailableBuffer(), http.TimeFormat))
	out.WriteString("\r\nContent-Length: ")
	out.Write(strconv.AppendInt(out.AvailableBuffer(), int64(len(a.body)), 10))
	out.WriteString("\r\n")
	a.header.Del("Content-Length")
	_ = a.header.Write(out) // a buffer takes everything
	out.WriteString("\r\n")
	out.Write(a.body)
	_, err = to.Write(out.Bytes())
	return last, err
}

// answer is the http.ResponseWriter of an event.
type answer struct {
	header http.Header
	status int
	body   []byte
}

func (a *answer) Header() http.Header { return a.header }

func (a *answer) WriteHeader(status int) {
	if a.status == 0 && status >= http.StatusOK {
		a.status = status
	}
}

func (a *answer) Write(b []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	a.body = append(a.body, b...)
	return len(b), nil
}
