package web_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"footfall/dashboard/api"
	"footfall/dashboard/auth"
	"footfall/dashboard/web"
)

// inbox is an ingestion that keeps the bodies it was sent.
type inbox struct {
	mu     sync.Mutex // guards bodies
	bodies []string
}

func (i *inbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	i.mu.Lock()
	i.bodies = append(i.bodies, string(b))
	i.mu.Unlock()
	w.WriteHeader(http.StatusAccepted)
}

// take returns the bodies since it was called last.
func (i *inbox) take() []string {
	i.mu.Lock()
	defer i.mu.Unlock()
	defer func() { i.bodies = nil }()
	return i.bodies
}

// bare returns a server without a store; it serves files, health and to, under further paths too.
func bare(t testing.TB, to http.Handler, paths ...string) *web.Server {
	t.Helper()
	a := auth.New(auth.Config{})
	s, err := web.New(web.Config{API: api.New(api.Config{Auth: a}), Auth: a, Assets: built, Ingest: to, EventPaths: paths, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// serve runs s on a port of loopback until the end of the test.
func serve(t testing.TB, s *web.Server) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return l.Addr().String()
}

// say sends bytes on a connection of their own and returns the status codes of the answers until the server closes it.
func say(t *testing.T, addr, text string) (codes []int) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second)) // of a server that does not close what it should
	go io.WriteString(c, text)                          // which may fail: the server need not read all of it
	r := bufio.NewReader(c)
	for {
		answer, err := http.ReadResponse(r, nil)
		if err != nil {
			if ne, ok := err.(net.Error); ok && ne.Timeout() {
				t.Error("the connection stays open")
			}
			return codes
		}
		codes = append(codes, answer.StatusCode)
		_, _ = io.Copy(io.Discard, answer.Body)
		if answer.Close {
			_, _ = io.Copy(io.Discard, r) // nothing may come after
		}
	}
}

// TestFraming sends requests whose end is not clear, with another event behind each. Whatever the answer, what stands behind is not processed.
func TestFraming(t *testing.T) {
	const (
		to     = "POST /api/event HTTP/1.1\r\nHost: stats.example\r\n"
		get    = " HTTP/1.1\r\nHost: stats.example\r\n\r\n"
		hidden = "POST /api/event HTTP/1.1\r\nHost: stats.example\r\nConnection: close\r\nContent-Length: 6\r\n\r\nhidden"
		inTwo  = "2\r\n{}\r\n0\r\n\r\n"
	)
	inbox := &inbox{}
	addr := serve(t, bare(t, inbox))
	for _, c := range []struct {
		name, sent string
		want       int
		counted    bool // the request itself is an event that counts; what follows it still is not
	}{
		{"length and chunks", to + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n" + inTwo, 400, false},
		{"chunks and length", to + "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n" + inTwo, 400, false},
		{"chunks and length 0", to + "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n" + inTwo, 400, false},
		{"length and unknown coding", to + "Transfer-Encoding: xchunked\r\nContent-Length: 2\r\n\r\n{}", 400, false},
		{"chunked twice", to + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n" + inTwo, 400, false},
		{"two codings", to + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n" + inTwo, 400, false},
		{"list of codings", to + "Transfer-Encoding: gzip, chunked\r\n\r\n" + inTwo, 501, false},
		{"chunked in a list", to + "Transfer-Encoding: chunked, identity\r\n\r\n" + inTwo, 501, false},
		{"unknown coding", to + "Transfer-Encoding: xchunked\r\n\r\n" + inTwo, 501, false},
		{"coding in quotes", to + "Transfer-Encoding: \"chunked\"\r\n\r\n" + inTwo, 501, false},
		{"coding behind a vertical tab", to + "Transfer-Encoding: \x0bchunked\r\n\r\n" + inTwo, 400, false},
		{"chunks in HTTP/1.0", "POST /api/event HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n" + inTwo, 400, false},
		{"chunks", to + "Transfer-Encoding: chunked\r\n\r\n" + inTwo, 202, true},
		{"chunks to all of the server", "OPTIONS * HTTP/1.1\r\nHost: stats.example\r\nTransfer-Encoding: chunked\r\n\r\n" + inTwo, 200, false},
		{"chunk with an extension", to + "Transfer-Encoding: chunked\r\n\r\n2;a=\"\n\"\r\n{}\r\n0\r\n\r\n", 400, false},
		{"chunk of more than 64 bits", to + "Transfer-Encoding: chunked\r\n\r\n10000000000000002\r\n{}\r\n0\r\n\r\n", 400, false},
		{"chunk of a negative size", to + "Transfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n", 400, false},
		{"chunk size with a prefix", to + "Transfer-Encoding: chunked\r\n\r\n0x2\r\n{}\r\n0\r\n\r\n", 400, false},
		{"chunk size and a bare LF", to + "Transfer-Encoding: chunked\r\n\r\n2\n{}\r\n0\r\n\r\n", 400, false},
		{"chunk longer than it says", to + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}{}\r\n0\r\n\r\n", 400, false},
		{"huge trailer", to + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n" + strings.Repeat("A: b\r\n", 20_000) + "\r\n", 400, false},
		{"two lengths", to + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", 400, false},
		{"a length twice", to + "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}", 400, false},
		{"list of lengths", to + "Content-Length: 2, 2\r\n\r\n{}", 400, false},
		{"length with a plus", to + "Content-Length: +2\r\n\r\n{}", 400, false},
		{"length with a minus", to + "Content-Length: -2\r\n\r\n{}", 400, false},
		{"length with a space", to + "Content-Length: 2 2\r\n\r\n{}", 400, false},
		{"length in hexadecimal", to + "Content-Length: 0x2\r\n\r\n{}", 400, false},
		{"length of more than 64 bits", to + "Content-Length: 18446744073709551618\r\n\r\n{}", 400, false},
		{"no length", to + "Content-Length: \r\n\r\n{}", 400, false},
		{"length in full-width digits", to + "Content-Length: \uff12\r\n\r\n{}", 400, false},
		{"space before the colon", to + "Content-Length : 2\r\n\r\n{}", 400, false},
		{"tab before the colon", to + "Transfer-Encoding\t: chunked\r\n\r\n" + inTwo, 400, false},
		{"name with a space", to + "X Y: 2\r\nContent-Length: 2\r\n\r\n{}", 400, false},
		{"no name", to + ": 2\r\nContent-Length: 2\r\n\r\n{}", 400, false},
		{"no colon", to + "Content-Length 2\r\n\r\n{}", 400, false},
		{"folded line", to + "Content-Length:\r\n 2\r\n\r\n{}", 400, false},
		{"first field folded", "POST /api/event HTTP/1.1\r\n Host: stats.example\r\n\r\n", 400, false},
		{"all lines end with a bare LF", "POST /api/event HTTP/1.1\nHost: stats.example\nContent-Length: 2\n\n{}", 400, false},
		{"one line ends with a bare LF", to + "A: b\nContent-Length: 2\r\n\r\n{}", 400, false},
		{"head ends with a bare LF", to + "Content-Length: 2\r\n\n{}", 400, false},
		{"bare CR in a line", to + "A: b\rContent-Length: 4\r\nContent-Length: 2\r\n\r\n{}", 400, false},
		{"two CR", to + "Content-Length: 2\r\r\n\r\n{}", 400, false},
		{"NUL in a line", to + "A: b\x00\r\nContent-Length: 2\r\n\r\n{}", 400, false},
		{"NUL in a name", to + "Content-Length\x00: 4\r\nContent-Length: 2\r\n\r\n{}", 400, false},
		{"empty line before the request", "\r\n" + to + "Content-Length: 2\r\n\r\n{}", 400, false},
		{"HTTP/0.9", "GET /api/system/health/live\r\n\r\n", 400, false},
		{"HTTP/1.2", "GET /api/system/health/live HTTP/1.2\r\nHost: stats.example\r\n\r\n", 400, false},
		{"HTTP/2 in the clear", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, false},
		{"TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400, false},
		{"no host", "GET /api/system/health/live HTTP/1.1\r\n\r\n", 400, false},
		{"two hosts", "GET /api/system/health/live HTTP/1.1\r\nHost: stats.example\r\nHost: evil.example\r\n\r\n", 400, false},
		{"the same host twice", "GET /api/system/health/live HTTP/1.1\r\nHost: stats.example\r\nHost: stats.example\r\n\r\n", 400, false},
		{"host with a path", "GET /api/system/health/live HTTP/1.1\r\nHost: stats.example/x\r\n\r\n", 400, false},
		{"foreign absolute target", "GET http://evil.example/api/system/health/live" + get, 400, false},
		{"absolute target of a user", "GET http://stats.example@evil.example/" + get, 400, false},
		{"absolute target of another kind", "GET ftp://stats.example/" + get, 400, false},
		{"authority as target", "GET stats.example:443" + get, 400, false},
		{"star as target", "GET *" + get, 400, false},
		{"relative target", "GET api/event" + get, 400, false},
		{"no target", "GET  HTTP/1.1\r\nHost: stats.example\r\n\r\n", 400, false},
		{"two spaces", "GET  /api/system/health/live" + get, 400, false},
		{"tabs for spaces", "GET\t/api/system/health/live\tHTTP/1.1\r\nHost: stats.example\r\n\r\n", 400, false},
		{"space behind the version", "GET /api/system/health/live HTTP/1.1 \r\nHost: stats.example\r\n\r\n", 400, false},
		{"control character in the target", "GET /\x01" + get, 400, false},
		{"method that is none", "G@T /" + get, 400, false},
		{"CONNECT", "CONNECT stats.example:443" + get, 405, false},
		{"TRACE", "TRACE /" + get, 405, false},
		{"unknown expectation", to + "Expect: a-miracle\r\nContent-Length: 2\r\n\r\n{}", 417, false},
		{"oversize request line", "GET /" + strings.Repeat("a", 30_000) + get, 431, false},
		{"oversize field", to + "A: " + strings.Repeat("a", 30_000) + "\r\n\r\n", 431, false},
		{"oversize head of small fields", to + strings.Repeat("A: b\r\n", 5_000) + "\r\n", 431, false},
	} {
		for _, at := range []string{"first", "behind a good one"} {
			t.Run(c.name+", "+at, func(t *testing.T) {
				sent, want, counted := c.sent+hidden, []int{c.want}, []string(nil)
				if at != "first" {
					sent, want, counted = to+"Content-Length: 4\r\n\r\ngood"+sent, []int{202, c.want}, []string{"good"}
				}
				if c.counted {
					counted = append(counted, "{}")
				}
				if got := say(t, addr, sent); !slices.Equal(got, want) {
					t.Errorf("got %v, want %v", got, want)
				}
				if got := inbox.take(); !slices.Equal(got, counted) {
					t.Errorf("counted %q, want %q", got, counted)
				}
			})
		}
	}
}

// TestClearRequests sends what may look odd and is clear, all on one connection and in pieces of every size.
func TestClearRequests(t *testing.T) {
	inbox := &inbox{}
	addr := serve(t, bare(t, inbox))
	all := "POST /api/event HTTP/1.1\r\nHost: stats.example\r\ncontent-LENGTH:\t002 \r\n\r\n{}" +
		"GET http://Stats.example/api/system/health/live HTTP/1.1\r\nHost: stats.example\r\n\r\n" +
		"OPTIONS * HTTP/1.1\r\nHost: stats.example\r\n\r\n" +
		"GET /api/system/health/live HTTP/1.1\r\nHost: stats.example\r\nContent-Length: 5\r\n\r\nGET /" +
		"GET /api/system/health/live HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" +
		"POST /api/event HTTP/1.1\r\nHost: stats.example\r\nContent-Length: 30000\r\n\r\n" + strings.Repeat("x", 30_000) +
		"GET /" + strings.Repeat("a", 9_000) + " HTTP/1.1\r\nHost:\r\n\r\n" +
		"POST /api/event HTTP/1.1\r\nHost: stats.example\r\nExpect: 100-continue\r\nContent-Length: 4\r\nConnection: close\r\n\r\nlast"
	want := []int{202, 200, 200, 200, 200, 202, 200, 100, 202}
	for _, size := range []int{1, 7, 100, 1000, 4096, 1 << 20} {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			for rest := all; rest != ""; {
				n := min(size, len(rest))
				if _, err := io.WriteString(c, rest[:n]); err != nil {
					return
				}
				rest = rest[n:]
			}
		}()
		var codes []int
		for r := bufio.NewReader(c); ; {
			answer, err := http.ReadResponse(r, nil)
			if err != nil {
				break
			}
			codes = append(codes, answer.StatusCode)
			_, _ = io.Copy(io.Discard, answer.Body)
		}
		c.Close()
		if !slices.Equal(codes, want) {
			t.Errorf("in pieces of %d: got %v, want %v", size, codes, want)
		}
		if got := inbox.take(); len(got) != 3 || got[0] != "{}" || len(got[1]) != 30_000 || got[2] != "last" {
			t.Errorf("in pieces of %d: got %d events", size, len(got))
		}
	}
}

// FuzzFraming holds that what is clear to us ends for net/http where it ends for us.
func FuzzFraming(f *testing.F) {
	for _, s := range []string{
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET /", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
		"GET http://a/ HTTP/1.0\r\nHost: a\r\n\r\n", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nA: b\r\n c\r\n\r\n", "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		head, body, err := web.Judge(b)
		if err != nil || head == 0 || head > len(b) {
			if head != 0 {
				t.Fatalf("a head of %d bytes in %d, %v", head, len(b), err)
			}
			return
		}
		all := bytes.NewReader(b)
		r := bufio.NewReader(all)
		request, err := http.ReadRequest(r)
		if err != nil {
			return // refused, and the connection is closed
		}
		left := func() int { return all.Len() + r.Buffered() }
		if left() != len(b)-head {
			t.Fatalf("net/http reads a head of %d bytes, not %d", len(b)-left(), head)
		}
		if got := len(request.TransferEncoding) > 0; got != (body < 0) {
			t.Fatalf("net/http sees chunks: %t", got)
		}
		if body < 0 {
			return
		}
		if request.ContentLength != body {
			t.Fatalf("net/http reads a body of %d bytes, not %d", request.ContentLength, body)
		}
		if _, err := io.Copy(io.Discard, request.Body); err == nil && left() != len(b)-head-int(body) {
			t.Fatalf("net/http leaves %d bytes, not %d", left(), len(b)-head-int(body))
		}
		if request.URL.Host != "" && request.Method != http.MethodConnect {
			hosts := 0
			for line := range bytes.Lines(b[:head]) {
				if name, value, ok := bytes.Cut(line, []byte(":")); ok && bytes.EqualFold(name, []byte("host")) {
					if hosts++; !strings.EqualFold(strings.Trim(string(value), " \t\r\n"), request.URL.Host) {
						t.Fatalf("the target is on %q, the request for %q", request.URL.Host, value)
					}
				}
			}
			if hosts > 1 {
				t.Fatal(fmt.Sprint(hosts, " hosts"))
			}
		}
	})
}
