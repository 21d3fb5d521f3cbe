package web_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"footfall/dashboard/web"
)

// TestBodiesBehindEvents sends events for a while, and then a request for net/http on the same connection, as a proxy does. Its body has the time
// that any body has.
func TestBodiesBehindEvents(t *testing.T) {
	inTime(t, &inbox{}, func(t *testing.T, dial func() net.Conn) {
		c := dial()
		defer c.Close()
		r := bufio.NewReader(c)
		ask := func(head string, pause time.Duration) {
			t.Helper()
			_, _ = io.WriteString(c, head)
			time.Sleep(pause)
			_, _ = io.WriteString(c, strings.Repeat("a", 100))
			answer, err := http.ReadResponse(r, nil)
			if err != nil || answer.StatusCode != http.StatusAccepted {
				t.Fatalf("got %v, %v", answer, err)
			}
			_ = answer.Body.Close()
		}
		for range 4 {
			ask(event, 0)
			time.Sleep(20 * time.Second)
		}
		ask(other, 8*time.Second)
		time.Sleep(20 * time.Second)
		ask(event, 8*time.Second)
		time.Sleep(20 * time.Second)
		ask(other, 8*time.Second)
	})
}

// TestStopLetsAnswersEnd stops a server while somebody takes a long answer.
func TestStopLetsAnswersEnd(t *testing.T) {
	const size = 1 << 20
	to := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write(make([]byte, size)) })
	synctest.Test(t, func(t *testing.T) {
		m := &memory{conns: make(chan net.Conn)}
		ctx, cancel := context.WithCancel(context.Background())
		ended, server := make(chan error, 1), bare(t, to)
		go func() { ended <- server.Serve(ctx, m) }()
		ours, theirs := net.Pipe()
		m.conns <- theirs
		_, _ = io.WriteString(ours, other+strings.Repeat("a", 100))
		r := bufio.NewReaderSize(ours, 16)
		answer, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		synctest.Wait()
		if n, err := io.Copy(io.Discard, answer.Body); n != size {
			t.Errorf("got %d bytes of %d, %v", n, size, err)
		}
		ours.Close()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// TestBodiesThatDoNotCome takes every place there is, by heads of requests whose bodies are awaited in different ways. Who comes is served all the same.
func TestBodiesThatDoNotCome(t *testing.T) {
	for _, fields := range []string{"Transfer-Encoding: chunked\r\n", "Expect: 100-continue\r\nContent-Length: 4\r\n", "X_Y: 1\r\nContent-Length: 4\r\n"} {
		inTime(t, &inbox{}, func(t *testing.T, dial func() net.Conn) {
			var all []net.Conn
			for range web.MaxConns {
				c := dial()
				_, _ = io.WriteString(c, "POST /api/event HTTP/1.1\r\nHost: a\r\n"+fields+"\r\n")
				all = append(all, c)
				go io.Copy(io.Discard, c)
			}
			time.Sleep(2 * time.Second)
			began, c := time.Now(), dial()
			_, _ = io.WriteString(c, "GET /api/system/health/live HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
			if b, _ := io.ReadAll(c); !strings.HasSuffix(string(b), `{"ok":true}`) || time.Since(began) > time.Second {
				t.Errorf("%q: after %v the answer is %q", fields, time.Since(began), b)
			}
			for _, c := range append(all, c) {
				c.Close()
			}
		})
	}
}

// mirror answers with what it was sent, and remembers it.
type mirror struct {
	mu   sync.Mutex // guards seen
	seen []string
}

func (m *mirror) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	what, _ := describe(r)
	m.mu.Lock()
	m.seen = append(m.seen, what)
	m.mu.Unlock()
	w.Header().Set("Content-Type", "text/plain")
	w.WriteHeader(http.StatusAccepted)
	_, _ = io.WriteString(w, what)
}

func (m *mirror) take() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	defer func() { m.seen = nil }()
	return m.seen
}

// exchange sends bytes and returns the answers until the server closes the connection.
func exchange(t *testing.T, addr string, b []byte) (answers []string) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	go func() {
		_, _ = c.Write(b)
		_ = c.(*net.TCPConn).CloseWrite()
	}()
	for r := bufio.NewReader(c); ; {
		answer, err := http.ReadResponse(r, nil)
		if err != nil {
			return answers
		}
		body, _ := io.ReadAll(answer.Body)
		answer.Header.Del("Date")
		answers = append(answers, fmt.Sprint(answer.Status, answer.ContentLength, answer.Header, answer.Close, string(body)))
	}
}

// FuzzConnection sends the same bytes to our server and to one of net/http alone. As far as they are whole requests that are clear to us, handlers see the same, and
// clients are answered the same; of the rest, no handler sees anything that net/http alone does not see.
func FuzzConnection(f *testing.F) {
	const (
		head = "POST /api/event HTTP/1.1\r\nHost: a\r\n"
		one  = head + "Content-Length: 3\r\n\r\none"
		two  = head + "X_Y: 1\r\nContent-Length: 3\r\n\r\ntwo"
	)
	for _, s := range []string{
		one + one + two + one + two + two + one, head + "\r\n" + one, head + "Connection: close\r\nContent-Length: 3\r\n\r\none" + one,
		one + "\r\n" + one, one + head + "Content-Length: 30\r\n\r\nnot all", head + "Expect: 100-continue\r\nContent-Length: 3\r\n\r\none" + one,
		head + "Transfer-Encoding: chunked\r\n\r\n3\r\none\r\n0\r\n\r\n", two + head + "content-length: 3\r\ncontent-type: text/plain\r\n\r\none" + one,
		head + "Content-Length: 5000\r\n\r\n" + strings.Repeat("x", 5000) + one, "POST /api/event HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 3\r\n\r\none" + one,
		head + "A: " + strings.Repeat("a", 5000) + "\r\n\r\n" + one, head + "Content-Length: 3\r\nUser-Agent: \xff\xc3\xa9\r\nX-A: a\tb\r\nX-A:\r\n\r\none" + one, "POST /api/event?a HTTP/1.1\r\nHost: a\r\n\r\n" + one,
	} {
		f.Add([]byte(s))
	}
	ours, theirs := &mirror{}, &mirror{}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		f.Fatal(err)
	}
	plain := &http.Server{Handler: theirs, MaxHeaderBytes: 16 << 10}
	go plain.Serve(l)
	f.Cleanup(func() { plain.Close() })
	addr := serve(f, bare(f, ours))
	f.Fuzz(func(t *testing.T, b []byte) {
		whole := 0 // requests
		for rest := b; ; whole++ {
			head, body, err := web.Judge(rest)
			if err != nil || head == 0 || body < 0 || body > int64(len(rest)-head) || !bytes.HasPrefix(rest, []byte("POST /api/event HTTP/1.")) {
				break
			}
			rest = rest[head+int(body):]
		}
		got, want := exchange(t, addr, b), exchange(t, l.Addr().String(), b)
		gotSeen, wantSeen := ours.take(), theirs.take()
		if n := min(whole, len(wantSeen)); n > len(gotSeen) || !slices.Equal(gotSeen[:n], wantSeen[:n]) {
			t.Fatalf("of %d requests handlers see (-net/http +ours)\n%s", n, cmp.Diff(wantSeen, gotSeen))
		}
		if n := min(whole, len(want)); n > len(got) || !slices.Equal(got[:n], want[:n]) {
			t.Fatalf("of %d answers clients see (-net/http +ours)\n%s", n, cmp.Diff(want, got))
		}
		if bytes.Count(b, []byte("HTTP/1.")) == bytes.Count(b, []byte("POST /api/event HTTP/1.")) && len(gotSeen) > len(wantSeen) {
			t.Fatalf("handlers see (-net/http +ours)\n%s", cmp.Diff(wantSeen, gotSeen))
		}
	})
}
