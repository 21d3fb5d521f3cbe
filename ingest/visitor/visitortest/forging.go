// Package visitortest holds the test that everything which takes an address from a request must pass.
package visitortest

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/textproto"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// The machine's own addresses stand for everyone: each host of 127.0.0.0/8 reaches a server on loopback from its own address.
var (
	outer    = netip.MustParseAddr("127.0.0.1") // the proxy that the server sees
	inner    = netip.MustParseAddr("10.9.8.7")  // one before it
	stranger = netip.MustParseAddr("127.0.0.2")
)

// Proxies are those of Trusted, as --trusted-proxy names them.
const Proxies = "127.0.0.1,10.9.8.7"

// Trusted are the proxies that the server under test must trust, and no others.
func Trusted(a netip.Addr) bool { return a == outer || a == inner }

// NobodyForges sends requests with all that a client can think of, straight and through proxies, to a real server at address, which answers a GET
// or POST of path with 200 and the address it took for the client's. Whatever the client sends must not change that; the server may refuse it.
func NobodyForges(t *testing.T, address, path string) {
	taken := 0
	rapid.Check(t, func(t *rapid.T) {
		client, _ := netip.AddrFromSlice(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "client"))
		from := outer
		lines := rapid.SliceOfN(header(), 0, 6).Draw(t, "sent by the client")
		switch through := rapid.IntRange(0, 2).Draw(t, "proxies"); {
		case through == 0 || Trusted(client):
			client, from = stranger, stranger
		default:
			lines = forward(t, lines, client)
			if through == 2 {
				lines = forward(t, lines, inner)
			}
		}
		method := rapid.SampledFrom([]string{"GET", "POST"}).Draw(t, "method")
		status, body := send(t, from, address, method+" "+path+" HTTP/1.1\r\nHost: footfall.test\r\nContent-Length: 0\r\nX-Debug-Request: true\r\n"+
			strings.Join(lines, "\r\n")+strings.Repeat("\r\n", 1+min(1, len(lines))))
		if strings.Contains(status, " 200 ") {
			taken++
			if body != client.String() {
				t.Fatalf("taken for %q, want %v; sent from %v: %q", body, client, from, lines)
			}
		}
	})
	if taken == 0 {
		t.Error("no request was answered: nothing is proven")
	}
}

var names = []string{"X-Forwarded-For", "x-forwarded-for", "X-FORWARDED-FOR", "x-Forwarded-foR", "X_Forwarded_For", "X-Forwarded-For ", "X-Forwarded-Proto", "Forwarded", "X-Real-IP",
	"CF-Connecting-IP", "True-Client-IP", "Fastly-Client-IP", "X-Client-IP", "X-Plausible-IP", "B-Forwarded-For", "CloudFront-Viewer-Address", "Via", "Connection", "Authorization"}

var claims = []string{"203.0.113.1", "127.0.0.1", "10.9.8.7", "10.9.8.7, 127.0.0.1", "203.0.113.1, 10.9.8.7", "[::1]:80", "203.0.113.1:80", "::ffff:10.9.8.7", "fe80::1%eth0", "for=203.0.113.1",
	"for=\"[2001:db8::1]\"", "unknown", "_hidden", ",", ",,", "", "\t", "127.0.0.1,", "X-Forwarded-For", "keep-alive, X-Forwarded-For", "Bearer x", "203.0.113.1;127.0.0.1", "127.0.0.1 127.0.0.1"}

// header draws a line of a header that a client could send.
func header() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		value := rapid.OneOf(rapid.SampledFrom(claims), rapid.StringMatching(`[0-9a-f.:,\[\] %"]{0,40}`), rapid.StringMatching(`[\t -~\x80-\xff]{0,40}`)).Draw(t, "value")
		return rapid.SampledFrom(names).Draw(t, "name") + rapid.SampledFrom([]string{":", ": ", ":\t"}).Draw(t, "colon") + value
	})
}

// forward is what a proxy makes of a request: it appends whom it sees to the last line of its header, to all of them joined to one, or as a line of
// its own after them, and passes everything else on.
func forward(t *rapid.T, lines []string, sees netip.Addr) []string {
	var theirs []int
	for i, line := range lines {
		if name, _, _ := strings.Cut(line, ":"); strings.EqualFold(name, "X-Forwarded-For") {
			theirs = append(theirs, i)
		}
	}
	switch how := rapid.SampledFrom([]string{"append", "join", "add"}).Draw(t, "forwarded by"); {
	case how == "append" && len(theirs) > 0:
		lines[theirs[len(theirs)-1]] += ", " + sees.String()
	case how == "join" && len(theirs) > 0:
		var kept, values []string
		for _, line := range lines {
			if name, value, _ := strings.Cut(line, ":"); strings.EqualFold(name, "X-Forwarded-For") {
				values = append(values, strings.TrimSpace(value))
			} else {
				kept = append(kept, line)
			}
		}
		lines = append(kept, "X-Forwarded-For: "+strings.Join(append(values, sees.String()), ", "))
	default:
		lines = append(lines, "X-Forwarded-For: "+sees.String())
	}
	return lines
}

// send writes a request from one of the machine's addresses and reads the answer.
func send(t *rapid.T, from netip.Addr, address, request string) (status, body string) {
	dialer := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0))}
	conn, err := dialer.Dial("tcp", address)
	if err != nil {
		t.Skipf("this machine cannot send from %v: %v", from, err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, request); err != nil {
		return "", ""
	}
	answer := textproto.NewReader(bufio.NewReader(conn))
	if status, err = answer.ReadLine(); err != nil {
		return "", "" // cut off
	}
	head, err := answer.ReadMIMEHeader()
	if err != nil {
		t.Fatalf("answer %q: %v", status, err)
	}
	var length int
	fmt.Sscan(head.Get("Content-Length"), &length)
	text, _ := io.ReadAll(io.LimitReader(answer.R, int64(length)))
	return status, string(text)
}
