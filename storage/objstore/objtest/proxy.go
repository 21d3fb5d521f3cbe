package objtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Fault is what [Proxy] does to one request. The zero value passes it on and its answer back.
type Fault struct {
	Delay      time.Duration // before anything else
	Reset      bool          // the connection is reset and the server hears nothing
	Status     int           // answered by the proxy itself, with Code and Header; the server hears nothing
	Code       string        // of the error in the answer: SlowDown
	Header     http.Header   // of the answer: Retry-After
	CutRequest int64         // so many bytes of the body are passed on, then both connections break
	DropAnswer bool          // the server does it, and its answer is lost
	CutAnswer  int64         // so many bytes of the answer's body come, then the connection breaks
	Hang       bool          // with CutAnswer nothing more comes instead; alone, no answer at all, and the server hears nothing
	Strip      string        // a header that the server does not see
}

// Proxy stands between a client and a server and makes trouble.
type Proxy struct {
	Endpoint string // http://127.0.0.1:port

	server   *http.Server
	target   *url.URL
	forward  *http.Transport
	rule     atomic.Pointer[func(*http.Request) Fault]
	requests atomic.Int64

	mu    sync.Mutex
	down  bool
	conns map[net.Conn]bool // that are open; guarded by mu, as is down
}

// StartProxy starts a proxy in front of the server at an endpoint with http. It ends with the test.
func StartProxy(t testing.TB, endpoint string) *Proxy {
	t.Helper()
	target, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{Endpoint: "http://" + listener.Addr().String(), target: target, forward: &http.Transport{DisableCompression: true}, conns: map[net.Conn]bool{}}
	p.server = &http.Server{Handler: p, ConnState: p.track}
	var serving sync.WaitGroup
	serving.Go(func() { p.server.Serve(listener) })
	t.Cleanup(func() {
		p.server.Close()
		serving.Wait()
		p.forward.CloseIdleConnections()
	})
	return p
}

// Set makes rule decide what happens to each request from now on; it may be called by many at once. nil passes all on.
func (p *Proxy) Set(rule func(*http.Request) Fault) {
	if rule == nil {
		rule = func(*http.Request) Fault { return Fault{} }
	}
	p.rule.Store(&rule)
}

// First makes fault happen to the first n requests for which match holds, or all if it is nil, and nothing to others.
func (p *Proxy) First(n int64, match func(*http.Request) bool, fault Fault) {
	var seen atomic.Int64
	p.Set(func(r *http.Request) Fault {
		if match != nil && !match(r) || seen.Add(1) > n {
			return Fault{}
		}
		return fault
	})
}

// Requests returns how many have come so far.
func (p *Proxy) Requests() int64 { return p.requests.Load() }

// Down makes the server seem to be gone, with all connections to it, until it is called with false.
func (p *Proxy) Down(down bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = down
	if down {
		for c := range p.conns {
			reset(c)
		}
	}
}

func (p *Proxy) track(c net.Conn, state http.ConnState) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch state {
	case http.StateNew:
		p.conns[c] = true
		if p.down {
			reset(c)
		}
	case http.StateClosed, http.StateHijacked:
		delete(p.conns, c)
	}
}

func reset(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	c.Close()
}

// abort ends the connection of a request without an answer, or in the middle of one.
func abort(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	reset(conn)
}

func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.requests.Add(1)
	var f Fault
	if rule := p.rule.Load(); rule != nil {
		f = (*rule)(r)
	}
	if f.Delay > 0 && !waited(r.Context(), f.Delay) {
		abort(w)
		return
	}
	switch {
	case f.Reset:
		abort(w)
	case f.Status != 0:
		io.Copy(io.Discard, r.Body)
		for name, values := range f.Header {
			w.Header()[name] = values
		}
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(f.Status)
		fmt.Fprintf(w, `<?xml version="1.0" encoding="UTF-8"?><Error><Code>%s</Code><Message>Made up by the proxy.</Message></Error>`, f.Code)
	case f.Hang && f.CutAnswer == 0:
		io.Copy(io.Discard, r.Body) // else nobody notices that the client has left
		<-r.Context().Done()
	default:
		p.pass(w, r, f)
	}
}

func waited(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (p *Proxy) pass(w http.ResponseWriter, r *http.Request, f Fault) {
	// All of it first: net/http closes a body when the answer begins, and whoever still looks for its end then breaks the answer off.
	body, err := io.ReadAll(r.Body)
	if err != nil {
		abort(w)
		return
	}
	out := r.Clone(r.Context())
	if out.Body = http.NoBody; len(body) > 0 {
		out.Body = io.NopCloser(bytes.NewReader(body))
	}
	out.RequestURI, out.URL.Scheme, out.URL.Host = "", p.target.Scheme, p.target.Host // and the Host stays, as it is signed
	if f.Strip != "" {
		out.Header.Del(f.Strip)
	}
	if f.CutRequest > 0 {
		out.Body = io.NopCloser(io.MultiReader(io.LimitReader(bytes.NewReader(body), f.CutRequest), broken{}))
	}
	resp, err := p.forward.RoundTrip(out)
	if err != nil {
		abort(w)
		return
	}
	defer resp.Body.Close()
	if f.DropAnswer {
		io.Copy(io.Discard, resp.Body)
		abort(w)
		return
	}
	for name, values := range resp.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(resp.StatusCode)
	if f.CutAnswer <= 0 {
		if _, err := io.Copy(w, resp.Body); err != nil {
			panic(http.ErrAbortHandler) // an answer that ends in the middle does not look whole
		}
		return
	}
	io.CopyN(w, resp.Body, f.CutAnswer)
	http.NewResponseController(w).Flush()
	if f.Hang {
		<-r.Context().Done()
	}
	panic(http.ErrAbortHandler) // closes it without a reset, which could overtake what was sent
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("objtest: the connection breaks here") }
