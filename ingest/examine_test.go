package ingest_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"footfall/ingest"
	"footfall/ingest/geo"
	"footfall/storage/account"
	"footfall/storage/verb"
)

// Whatever is wrong with the addresses that visits are counted for is said, with the setting that mends it and without a visitor's address.
func TestExamineAddresses(t *testing.T) {
	type sent struct{ peer, forwarded string }
	many := func(n int, peer, forwarded string) (list []sent) {
		for i := range n {
			r := sent{peer, forwarded}
			if strings.Contains(forwarded, "%d") {
				r.forwarded = fmt.Sprintf(forwarded, i)
			}
			if strings.Contains(peer, "%d") {
				r.peer = fmt.Sprintf(peer, i)
			}
			list = append(list, r)
		}
		return list
	}
	for _, c := range []struct {
		name     string
		page     string
		agents   int
		requests []sent
		level    verb.Level
		text     string
		mend     string
	}{
		{"nothing yet", "", 1, nil, verb.Unknown, "too few", ""},
		{"a few", "", 1, many(9, "172.18.0.1", ""), verb.Unknown, "too few", ""},
		{"visitors through a proxy", "", 1, many(20, "127.0.0.1", "203.0.113.%d"), verb.Fine, "20 events", ""},
		{"visitors straight", "", 1, many(20, "203.0.113.%d", ""), verb.Fine, "20 events", ""},
		{"a container's gateway", "", 1, many(20, "172.18.0.1", "203.0.113.%d"), verb.Problem, "a private network is no trusted proxy", "start with --trusted-proxy X+private"},
		{"a CDN", "", 1, many(20, "198.51.100.7", "203.0.113.%d"), verb.Problem, "Cloudflare is no trusted proxy", "start with --trusted-proxy X+cloudflare"},
		{"a proxy on the internet", "", 1, many(20, "192.0.2.1", "203.0.113.%d"), verb.Problem, "a public address is no trusted proxy", "--trusted-proxy NETWORK"},
		{"a proxy that is silent", "", 1, many(20, "127.0.0.1", ""), verb.Problem, "this machine (127.0.0.1), a trusted proxy that does not say", "X-Forwarded-For"},
		{"a CDN that is silent", "", 1, many(20, "198.51.101.%d", ""), verb.Problem, "a public address, a trusted proxy that does not say", "X-Forwarded-For"},
		{"a house that is trusted", "", 1, many(20, "127.0.0.%d", ""), verb.Fine, "20 events", ""},
		{"behind a router", "", 1, many(20, "100.64.0.9", ""), verb.Problem, "all come from 100.64.0.0/24, from 1 of its addresses", "start with --trusted-proxy X+100.64.0.0/24"},
		{"a proxy behind another", "", 1, many(20, "127.0.0.1", "203.0.113.%d, 10.0.0.7"), verb.Problem, "all come from a private network", "start with --trusted-proxy X+private"},
		{"a CDN behind a proxy", "", 1, many(20, "127.0.0.1", "203.0.113.9, 198.51.100.%d"), verb.Problem, "addresses of Cloudflare", "start with --trusted-proxy X+cloudflare"},
		{"an office", "", 20, many(20, "203.0.113.9", ""), verb.Warning, "one address, with different browsers", "--trusted-proxy"},
		{"one person", "", 1, many(20, "203.0.113.9", ""), verb.Unknown, "one address, as those of one person do", "--trusted-proxy"},
		{"a house", "", 1, many(20, "192.168.1.%d", ""), verb.Fine, "20 events", ""},
		{"a forger among visitors", "", 1, append(many(20, "203.0.113.%d", ""), many(5, "192.0.2.9", "1.2.3.4")...), verb.Fine, "5 brought an X-Forwarded-For that is ignored", ""},
		{"one's own machine", "http://localhost:3000/", 1, many(20, "127.0.0.1", ""), verb.Unknown, "too few", ""},
		{"a test server", "http://192.168.1.5/", 1, many(20, "192.168.1.9", ""), verb.Unknown, "too few", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			network := func(a netip.Addr) string {
				switch {
				case a.IsLoopback():
					return "loopback"
				case a.IsPrivate():
					return "private"
				case netip.MustParsePrefix("198.51.100.0/24").Contains(a):
					return "cloudflare"
				}
				return ""
			}
			var log bytes.Buffer
			h, err := ingest.NewWith(ingest.Config{Logger: slog.New(slog.NewTextHandler(&log, nil)), Trusted: func(a netip.Addr) bool {
				return a.IsLoopback() || netip.MustParsePrefix("198.51.101.0/24").Contains(a)
			}, Network: network,
				Trusting: func(network string) string { return "--trusted-proxy X+" + network }}, newMemory(account.Site{Domain: "example.com", Timezone: "Etc/UTC"}))
			if err != nil {
				t.Fatal(err)
			}
			w := &world{t: t, Handler: h}
			page := c.page
			if page == "" {
				page = "https://example.com/"
			}
			for i, r := range c.requests {
				req := request(`{"n":"pageview","u":"` + page + `","d":"example.com"}`)
				req.Header.Set("User-Agent", strings.Replace(chrome, "138", fmt.Sprint(138-i%c.agents), 1))
				req.RemoteAddr = netip.AddrPortFrom(netip.MustParseAddr(r.peer), 4711).String()
				if req.Header.Del("X-Forwarded-For"); r.forwarded != "" {
					req.Header.Set("X-Forwarded-For", r.forwarded)
				}
				if res := w.do(req); res.StatusCode != 202 {
					t.Fatalf("got %d", res.StatusCode)
				}
			}
			f := h.ExamineAddresses(nil)[0]
			h.Sweep()
			h.Sweep()
			if n := strings.Count(log.String(), "footfall doctor"); n > 1 || (n == 1) != (f.Level == verb.Problem) || n == 1 != h.AddressesWrong() {
				t.Errorf("%v is logged %d times", f.Level, n)
			}
			if f.Level != c.level || !strings.Contains(f.Text, c.text) || !strings.Contains(f.Mend, c.mend) || (f.Mend == "") != (c.mend == "") {
				t.Errorf("got %+v", f)
			}
			if said := f.Text + f.Mend; strings.Contains(said, "203.0.113.") || strings.Contains(said, "192.0.2.") || strings.Contains(said, "198.51.100.") {
				t.Errorf("%q shows an address", said)
			}
			h.ForgetAddresses()
			if f := h.ExamineAddresses(nil)[0]; f.Level != verb.Unknown {
				t.Errorf("forgotten, and still %+v", f)
			}
		})
	}
}

func TestExamineUnknownSites(t *testing.T) {
	w := newWorld(t)
	for range 9 {
		w.send("", pageview)
	}
	find := func() verb.Finding { return w.Examine(&verb.Context{Now: time.Now})[1] }
	if f := find(); f.Level != verb.Fine || !strings.HasPrefix(f.Text, "9 events counted since the start, 0 for sites") {
		t.Errorf("got %+v", f)
	}
	w.send("1", `{"n":"pageview","u":"https://example.net","d":"example.net"}`)
	if f := find(); f.Level != verb.Warning || !strings.Contains(f.Text, "1 for sites") || f.Mend == "" {
		t.Errorf("got %+v", f)
	}
}

func TestExaminePlaces(t *testing.T) {
	none, err := geo.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	c := &verb.Context{Now: time.Now}
	if f := ingest.ExaminePlaces(none)(c); len(f) != 1 || f[0].Level != verb.Warning {
		t.Errorf("got %+v", f)
	}
}
