package web_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"footfall/dashboard/web"
)

// describe writes down a request as a handler sees it. Who read it, net/http or the lane, stands apart.
func describe(r *http.Request) (what string, byLane bool) {
	sent, err := io.ReadAll(r.Body)
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %s %d.%d host %s, %s\nlength %d, coding %v, close %t\n", r.Method, r.URL, r.Proto, r.ProtoMajor, r.ProtoMinor, r.Host, r.RequestURI, r.ContentLength, r.TransferEncoding, r.Close)
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		if name != "X_y" {
			fmt.Fprintf(&b, "%s: %q\n", name, r.Header[name])
		}
	}
	fmt.Fprintf(&b, "body %q, %v\n", sent, err)
	return b.String(), r.Context().Value(http.ServerContextKey) == nil
}

// TestTheLaneIsLikeNetHTTP sends events in the way that browsers do, and the same with a field that makes net/http read them. Handlers and clients must
// see no difference.
func TestTheLaneIsLikeNetHTTP(t *testing.T) {
	seen := make(chan string, 1)
	lane := make(chan bool, 1)
	to := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		what, byLane := describe(r)
		seen <- what
		lane <- byLane
		w.Header()["Access-Control-Allow-Origin"] = []string{"*"}
		switch mode := r.Header.Get("X-Mode"); mode {
		case "silent":
		case "implied":
			w.Header().Set("Content-Type", "text/plain")
			_, _ = io.WriteString(w, "two ")
			_, _ = io.WriteString(w, "pieces")
		case "error":
			w.Header().Set("Retry-After", "1")
			http.Error(w, "no", http.StatusServiceUnavailable)
		case "twice":
			w.Header().Add("X-Many", "a")
			w.Header().Add("X-Many", "b\r\nSet-Cookie: c")
			w.WriteHeader(http.StatusAccepted)
			w.WriteHeader(http.StatusTeapot)
		case "panic":
			panic("of a test")
		default:
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			w.WriteHeader(http.StatusAccepted)
			_, _ = io.WriteString(w, "ok")
		}
	})
	addr := serve(t, bare(t, to, "/assets/e"))
	dial := func() (net.Conn, *bufio.Reader) {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c, bufio.NewReader(c)
	}
	// A connection each: net/http may have read the next request before it has done with the one before.
	inLane, inLaneR := dial()
	other, otherR := dial()
	path := "/api/event"
	ask := func(fields, body string, byLane bool) (string, string) {
		c, r := other, otherR
		if byLane {
			c, r = inLane, inLaneR
		}
		text := fmt.Sprintf("POST %s HTTP/1.1\r\n%sContent-Length: %d\r\n\r\n%s", path, fields, len(body), body)
		if _, err := io.WriteString(c, text); err != nil {
			t.Fatal(err)
		}
		answer, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		got, err := io.ReadAll(answer.Body)
		if _, dateErr := http.ParseTime(answer.Header.Get("Date")); err != nil || dateErr != nil {
			t.Errorf("%q: %v, %v", text, err, dateErr)
		}
		answer.Header.Del("Date")
		if <-lane != byLane {
			t.Errorf("%q: read by the lane: %t", text, !byLane)
		}
		return <-seen, fmt.Sprintf("%s %d %v %q", answer.Status, answer.ContentLength, answer.Header, got)
	}
	for _, fields := range []string{
		"Host: stats.example\r\n",
		"host: stats.example:8080\r\nuser-agent: Mozilla/5.0 (X11)\r\naccept-LANGUAGE:de,en;q=0.5\r\n",
		"Host: 127.0.0.1\r\nX-Forwarded-For: 192.0.2.1, 192.0.2.2\r\nX-Forwarded-For: 192.0.2.3\r\nX-Empty:\r\nX-Space: \t a  b\t \r\n",
		"Connection: Keep-Alive\r\nHost: a\r\nCookie: a=b; c=d\r\nOrigin: https://example.org\r\nX-Utf8: \u00e9\r\nX-Colon: a:b: c\r\n",
		"Host: a\r\nX-Mode: silent\r\n", "Host: a\r\nX-Mode: implied\r\n", "Host: a\r\nX-Mode: error\r\n", "Host: a\r\nX-Mode: twice\r\n", "Host: a\r\nX-Mode: panic\r\n",
	} {
		for _, body := range []string{"", "{}", strings.Repeat("x", 3000)} {
			gotSeen, gotAnswer := ask(fields, body, true)
			wantSeen, wantAnswer := ask("X_Y: not as browsers write it\r\n"+fields, body, false)
			if diff := cmp.Diff(wantSeen, gotSeen); diff != "" {
				t.Errorf("%q: the handler sees (-net/http +lane)\n%s", fields, diff)
			}
			if diff := cmp.Diff(wantAnswer, gotAnswer); diff != "" {
				t.Errorf("%q: the client sees (-net/http +lane)\n%s", fields, diff)
			}
		}
	}
	path = "/assets/e" // a path of the operator's
	gotSeen, gotAnswer := ask("Host: a\r\n", "{}", true)
	wantSeen, wantAnswer := ask("Host: a\r\nX_Y: 1\r\n", "{}", false)
	if gotSeen != wantSeen || gotAnswer != wantAnswer {
		t.Errorf("on another path: %s, %s; want %s, %s", gotSeen, gotAnswer, wantSeen, wantAnswer)
	}
	path = "/api/event?a"
	ask("Host: a\r\n", "{}", false)
	path = "/api/event"
	for _, fields := range []string{ // what net/http has a meaning for
		"Host: a\r\nExpect: 100-continue\r\nX-Mode: silent\r\n", "Host: a\r\nPragma: no-cache\r\n", "Host: [::1]\r\n", "Host: a\r\nUpgrade: h2c\r\n", "Host: a\r\nConnection: keep-alive, X-A\r\n",
	} {
		if strings.Contains(fields, "Expect") {
			if _, err := io.WriteString(other, "POST /api/event HTTP/1.1\r\n"+fields+"Content-Length: 0\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			if answer, err := http.ReadResponse(otherR, nil); err != nil || answer.StatusCode != 200 || <-lane || <-seen == "" {
				t.Errorf("%q: %v", fields, err)
			}
			continue
		}
		ask(fields, "{}", false)
	}
}

// TestEventsBehindAnother sends an event while net/http still answers the request before it: answers must come in the order of requests.
func TestEventsBehindAnother(t *testing.T) {
	to := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		if r.Context().Value(http.ServerContextKey) != nil {
			select { // until net/http looks whether the client is still there, and finds the next request
			case <-r.Context().Done():
			case <-time.After(20 * time.Millisecond):
			}
		}
		_, _ = w.Write(b)
	})
	addr := serve(t, bare(t, to))
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var all, want bytes.Buffer
	for i := range 30 {
		extra := ""
		if i%3 == 0 {
			extra = "X_Y: 1\r\n"
		}
		fmt.Fprintf(&all, "POST /api/event HTTP/1.1\r\nHost: a\r\n%sContent-Length: 4\r\n\r\n%04d", extra, i)
		fmt.Fprintf(&want, "%04d", i)
	}
	go c.Write(all.Bytes())
	var got bytes.Buffer
	for r := bufio.NewReader(c); got.Len() < want.Len(); {
		answer, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(&got, answer.Body)
	}
	if got.String() != want.String() {
		t.Errorf("got %s", got.String())
	}
}

// TestStopGivesUp ends a server whose ingestion does not come to an end.
func TestStopGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		leave := make(chan struct{})
		server := bare(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-leave }))
		m := &memory{conns: make(chan net.Conn)}
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- server.Serve(ctx, m) }()
		ours, theirs := net.Pipe()
		m.conns <- theirs
		_, _ = io.WriteString(ours, "POST /api/event HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
		synctest.Wait() // until it is under way
		began := time.Now()
		cancel()
		if err := <-ended; err != nil || time.Since(began) != 10*time.Second {
			t.Errorf("%v, after %v", err, time.Since(began))
		}
		ours.Close()
		close(leave)
	})
}

var browserEvent = []byte("POST /api/event HTTP/1.1\r\nHost: stats.example.org\r\nConnection: keep-alive\r\nContent-Length: 86\r\nsec-ch-ua-platform: \"Windows\"\r\n" +
	"User-Agent: Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36\r\n" +
	"Content-Type: text/plain\r\nAccept: */*\r\nOrigin: https://example.org\r\nSec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: cors\r\nSec-Fetch-Dest: empty\r\n" +
	"Referer: https://example.org/\r\nAccept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: de-DE,de;q=0.9\r\n\r\n" +
	`{"n":"pageview","u":"https://example.org/docs/page-1","d":"example.org","r":null,"x":1}`)

// TestTheLaneTakesLittle pins what an event costs beside its handler: the text of its head, and what header fields take that are written in a way of their own.
func TestTheLaneTakesLittle(t *testing.T) {
	answer := web.NewLane(accepted)
	if got := testing.AllocsPerRun(1000, func() {
		if !answer(browserEvent) {
			t.Fatal("not answered by the lane")
		}
	}); got > 4 {
		t.Errorf("%v allocations", got)
	}
}

var accepted = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
	w.Header()["Content-Type"] = []string{"text/plain; charset=utf-8"}
	w.WriteHeader(http.StatusAccepted)
})

// BenchmarkLane is reading and answering an event of a browser, without the system calls.
func BenchmarkLane(b *testing.B) {
	answer := web.NewLane(accepted)
	b.ReportAllocs()
	for b.Loop() {
		answer(browserEvent)
	}
}

// BenchmarkJudge is the part of it that every request costs.
func BenchmarkJudge(b *testing.B) {
	for b.Loop() {
		_, _, _ = web.Judge(browserEvent)
	}
}

// FuzzLane holds that what the lane reads, net/http reads in the same way.
func FuzzLane(f *testing.F) {
	for _, s := range []string{
		"Host: a\r\nContent-Length: 3\r\n\r\nabc", "Host: a:1\r\nX-Forwarded-For: 1\r\nx-forwarded-for: 2\r\nUser-Agent: \t b\r\n\r\n", "Host: \r\n\r\n", "Host: a\r\n: b\r\n\r\n",
		"Host: a\r\nA : b\r\n\r\n", "Host: a\r\nConnection: keep-alive\r\nA: \x7f\r\n\r\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, rest []byte) {
		b := append([]byte("POST /api/event HTTP/1.1\r\n"), rest...)
		got := web.ReadEvent(b)
		if got == nil {
			return
		}
		want, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(b)))
		if err != nil {
			t.Fatalf("net/http refuses it: %v", err)
		}
		delete(want.Header, "Host")
		if got.Host != want.Host || got.URL.String() != want.URL.String() || got.RequestURI != want.RequestURI || got.Close != want.Close {
			t.Fatalf("got %+v, want %+v", got, want)
		}
		if diff := cmp.Diff(want.Header, got.Header); diff != "" {
			t.Fatal(diff)
		}
	})
}
