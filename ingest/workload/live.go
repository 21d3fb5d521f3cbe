package workload

import (
	"context"
	"encoding/json"
	"io"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"footfall/storage/schema"
)

// Pace of Live: a small site on which something always happens.
const (
	liveEvery = 9 * time.Second  // between two visits, on average
	livePause = 40 * time.Second // on a page, at most: nobody watches a demo for longer
	liveFirst = 5                // visits at once, so that the first look finds somebody
)

// Live sends visits to a site as their browsers would, to handler, until ctx ends and the last has been answered. Each is from
// another address on the internet, made up, with the pages, browser and referrer of a person of the reference traffic.
func (g *Generator) Live(ctx context.Context, handler http.Handler, domain string) {
	var visits sync.WaitGroup
	defer visits.Wait()
	r := rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
	for n := uint64(1); ; n++ {
		events := g.session(r, nil, g.first(r, schema.DateOf(time.Now().UTC()), n))
		remote := netip.AddrPortFrom(publicAddress(r), 50000).String()
		visits.Go(func() { g.visit(ctx, handler, domain, remote, events) })
		if n >= liveFirst && !sleep(ctx, time.Duration(r.ExpFloat64()*float64(liveEvery))) {
			return
		}
	}
}

// visit sends the events of one person.
func (g *Generator) visit(ctx context.Context, handler http.Handler, domain, remote string, events []Event) {
	for i := range events {
		if i > 0 && !sleep(ctx, min(livePause, time.Duration(events[i].Time-events[i-1].Time)*time.Second)) {
			return
		}
		g.send(ctx, handler, domain, remote, &events[i])
	}
}

func (g *Generator) send(ctx context.Context, handler http.Handler, domain, remote string, e *Event) {
	d := g.Dictionary
	url := "https://" + d.Hosts[e.Host] + d.Paths[e.Path]
	referrer := ""
	if e.Referrer != None {
		referrer = "https://" + d.Referrers[e.Referrer] + "/"
	}
	if e.Campaign != None {
		c := d.Campaigns[e.Campaign]
		url += "?utm_source=" + c.Source + "&utm_medium=" + c.Medium + "&utm_campaign=" + c.Name
	}
	body, err := json.Marshal(map[string]string{"n": d.Names[e.Name], "d": domain, "u": url, "r": referrer})
	if err != nil {
		panic("workload: internal error: " + err.Error())
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "/api/event", strings.NewReader(string(body)))
	if err != nil {
		panic("workload: internal error: " + err.Error())
	}
	r.RemoteAddr = remote
	r.Header.Set("Content-Type", "text/plain")
	r.Header.Set("User-Agent", d.Agents[e.Agent].UserAgent)
	handler.ServeHTTP(discard{}, r)
}

// discard is an answer nobody reads: a visit that cannot be counted just now is no loss to a demo.
type discard struct{}

func (discard) Header() http.Header         { return http.Header{} }
func (discard) Write(p []byte) (int, error) { return io.Discard.Write(p) }
func (discard) WriteHeader(int)             {}

func publicAddress(r *rand.Rand) netip.Addr {
	for {
		n := r.Uint32()
		a := netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
		if a.IsGlobalUnicast() && !a.IsPrivate() && byte(n>>24) < 224 {
			return a
		}
	}
}

// sleep reports whether the time passed before ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
