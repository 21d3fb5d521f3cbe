package web_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"footfall/dashboard/web"
)

// inTime runs a server in a bubble, where an hour is over at once, and test with a function that connects to it.
func inTime(t *testing.T, to http.Handler, test func(t *testing.T, dial func() net.Conn)) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{conns: make(chan net.Conn)}
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		server := bare(t, to)
		go func() { ended <- server.Serve(ctx, m) }()
		test(t, func() net.Conn {
			ours, theirs := net.Pipe()
			m.conns <- theirs
			return ours
		})
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// lasts returns how long a connection stays open while its client does what do says, and what the server sent.
func lasts(t *testing.T, c net.Conn, do func(c net.Conn)) (time.Duration, string) {
	t.Helper()
	began := time.Now()
	var doing sync.WaitGroup
	defer doing.Wait()
	doing.Go(func() { do(c) })
	_ = c.SetReadDeadline(began.Add(time.Hour))
	b, err := io.ReadAll(c)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the connection stays open for an hour")
	}
	took := time.Since(began)
	c.Close()
	return took, string(b)
}

// drip sends text a byte at a time.
func drip(c net.Conn, text string, each time.Duration) {
	for i := range len(text) {
		if _, err := io.WriteString(c, text[i:i+1]); err != nil {
			return
		}
		time.Sleep(each)
	}
}

const (
	event = "POST /api/event HTTP/1.1\r\nHost: stats.example\r\nContent-Length: 100\r\n\r\n"
	other = "POST /api/event HTTP/1.1\r\nHost: stats.example\r\nX_Y: not as browsers write it\r\nContent-Length: 100\r\n\r\n"
	many  = "GET /app/app.js HTTP/1.1\r\nHost: stats.example\r\nX: "
)

func TestSlowClientsAreCutOff(t *testing.T) {
	inTime(t, &inbox{}, func(t *testing.T, dial func() net.Conn) {
		for _, c := range []struct {
			name string
			do   func(net.Conn)
			want time.Duration
		}{
			{"who says nothing", func(net.Conn) {}, 5 * time.Second},
			{"slow head", func(c net.Conn) { drip(c, many+strings.Repeat("a", 10_000), time.Second) }, 5 * time.Second},
			{"slow body", func(c net.Conn) {
				_, _ = io.WriteString(c, event)
				drip(c, strings.Repeat("a", 100), time.Second)
			}, 10 * time.Second},
			{"body that does not come", func(c net.Conn) { _, _ = io.WriteString(c, event) }, 10 * time.Second},
			{"idle after a request", func(c net.Conn) { _, _ = io.WriteString(c, event+strings.Repeat("a", 100)) }, time.Minute},
			{"slow head after a request", func(c net.Conn) {
				_, _ = io.WriteString(c, event+strings.Repeat("a", 100))
				drip(c, many+strings.Repeat("a", 10_000), time.Second)
			}, 5 * time.Second},
			{"slow head after another request", func(c net.Conn) {
				_, _ = io.WriteString(c, "GET /api/system/health/live HTTP/1.1\r\nHost: a\r\n\r\n")
				drip(c, many+strings.Repeat("a", 10_000), time.Second)
			}, 5 * time.Second},
			{"slow body after a request", func(c net.Conn) {
				_, _ = io.WriteString(c, event+strings.Repeat("a", 100)+event)
				drip(c, strings.Repeat("a", 100), time.Second)
			}, 10 * time.Second},
			{"slow body for net/http", func(c net.Conn) {
				_, _ = io.WriteString(c, other)
				drip(c, strings.Repeat("a", 100), time.Second)
			}, 10 * time.Second},
		} {
			if got, said := lasts(t, dial(), c.do); got > c.want || got < c.want/2 {
				t.Errorf("%s: open for %v, want %v; the server said %q", c.name, got, c.want, said)
			}
		}
	})
}

// TestWhoDoesNotReadIsCutOff asks for a long answer. Who takes none of it loses the connection soon, who takes it slowly gets it whole.
func TestWhoDoesNotReadIsCutOff(t *testing.T) {
	const size = 1 << 20
	to := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write(make([]byte, size)) })
	inTime(t, to, func(t *testing.T, dial func() net.Conn) {
		began, c := time.Now(), dial()
		_, _ = io.WriteString(c, other+strings.Repeat("a", 100))
		r := bufio.NewReader(c)
		if _, err := r.ReadByte(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Second)
		if n, err := io.Copy(io.Discard, r); n > 64<<10 {
			t.Errorf("after %v without a read there were %d bytes more, %v", time.Since(began), n, err)
		}
		c = dial()
		_, _ = io.WriteString(c, other+strings.Repeat("a", 100))
		answer, err := http.ReadResponse(bufio.NewReaderSize(c, 16), nil)
		if err != nil {
			t.Fatal(err)
		}
		n, piece := 0, make([]byte, 8<<10)
		for began = time.Now(); ; time.Sleep(3 * time.Second) {
			got, err := answer.Body.Read(piece)
			n += got
			if err != nil {
				break
			}
		}
		if n != size {
			t.Errorf("who reads slowly got %d bytes of %d, in %v", n, size, time.Since(began))
		}
		c.Close()
	})
}

// TestNewcomersAreServed takes every place there is. Who lets the server wait has to go for who comes, the greediest address first; a request under
// way stays.
func TestNewcomersAreServed(t *testing.T) {
	leave := make(chan struct{})
	to := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if b, _ := io.ReadAll(r.Body); string(b) == "wait" {
			<-leave
		}
		_, _ = io.WriteString(w, "ok")
	})
	const wait = "POST /api/event HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nwait"
	synctest.Test(t, func(t *testing.T) {
		leave = make(chan struct{})
		m := &memory{conns: make(chan net.Conn)}
		ctx, cancel := context.WithCancel(context.Background())
		ended, server := make(chan error, 1), bare(t, to)
		go func() { ended <- server.Serve(ctx, m) }()
		dial := func(network, host int, say string) net.Conn {
			ours, theirs := net.Pipe()
			addr := netip.AddrFrom4([4]byte{198, 51, byte(network), byte(host)})
			m.conns <- from{theirs, net.TCPAddrFromAddrPort(netip.AddrPortFrom(addr, 1))}
			if _, err := io.WriteString(ours, say); err != nil {
				t.Fatal(err)
			}
			return ours
		}
		open := func(list []net.Conn) (n int) {
			for _, c := range list {
				_ = c.SetReadDeadline(time.Now())
				if _, err := c.Read(make([]byte, 1)); errors.Is(err, os.ErrDeadlineExceeded) {
					n++
				}
			}
			return n
		}
		var old, greedy, busy []net.Conn
		for i := range 300 {
			old = append(old, dial(1, i%256, "GET / HTTP/1.1\r\n"))
		}
		time.Sleep(time.Second)
		for range 400 {
			greedy = append(greedy, dial(2, 1, event+"not all of it"))
		}
		for i := range web.MaxConns - 700 {
			busy = append(busy, dial(3+i/256, i%256, wait))
		}
		synctest.Wait()
		time.Sleep(2 * time.Second)
		newcomer := dial(99, 1, "GET /api/system/health/live HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
		if b, err := io.ReadAll(newcomer); !strings.HasSuffix(string(b), `{"ok":true}`) {
			t.Errorf("who comes is not served: %q, %v", b, err)
		}
		synctest.Wait()
		if a, b, c := open(old), open(greedy), open(busy); a != 300 || b != 400-web.CutAtOnce || c != len(busy) {
			t.Errorf("open are %d of 300 old, %d of 400 from one address, %d of %d that wait for an answer", a, b, c, len(busy))
		}
		for i := range 700 { // all that let us wait go
			busy = append(busy, dial(98, i%256, wait))
			synctest.Wait() // until it is read
		}
		close(leave)
		for i, c := range busy {
			_ = c.SetReadDeadline(time.Now().Add(time.Second))
			if answer, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || answer.StatusCode != 200 {
				t.Fatalf("request %d that was under way: %v", i, err)
			}
			c.Close()
		}
		for _, c := range append(old, greedy...) {
			c.Close()
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
