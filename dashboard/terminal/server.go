package terminal

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// Listening are the flags of a verb that runs a server.
type Listening struct {
	Listen        string   `help:"Address to listen at (default ${default})." placeholder:"HOST:PORT" default:"127.0.0.1:8080"`
	BaseURL       string   `name:"base-url" help:"Where browsers reach the server, such as https://stats.example.org." placeholder:"URL"`
	TrustedProxy  []string `help:"Proxies whose X-Forwarded-For is believed: networks, private, cloudflare, fastly, cloudfront, @FILE, or none (default ${default})." placeholder:"NETWORK" default:"loopback"`
	Geo           string   `name:"geo" help:"Database of countries, cities or networks in the MaxMind format. Each *.mmdb in the data directory is used without this." placeholder:"FILE"`
	MetricsListen string   `help:"Address to serve Prometheus metrics at, for no one outside." placeholder:"HOST:PORT"`
}

// Base returns --base-url without a slash at its end, nil if it is not given.
func (l *Listening) Base() (*url.URL, error) {
	if l.BaseURL == "" {
		return nil, nil
	}
	base, err := url.Parse(strings.TrimSuffix(l.BaseURL, "/"))
	if err != nil || base.Scheme != "https" && base.Scheme != "http" || base.Host == "" || base.User != nil || base.Path != "" || base.RawQuery != "" {
		return nil, fmt.Errorf("--base-url %s: want a scheme and a host, such as https://stats.example.org", l.BaseURL)
	}
	return base, nil
}

// Loopback reports whether only this machine can reach the server: it listens on loopback and names no address for others.
func (l *Listening) Loopback() bool {
	host, _, err := net.SplitHostPort(l.Listen)
	if err != nil || l.BaseURL != "" {
		return false
	}
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

// Listen opens the address that a flag names.
func Listen(flag, address string) (net.Listener, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		if inner := errors.Unwrap(err); inner != nil {
			err = inner
		}
		return nil, fmt.Errorf("%s %s: %w: name another address, or stop what listens there", flag, address, err)
	}
	return listener, nil
}

// Greeting is what a server says when it has started.
type Greeting struct {
	Title      string
	Address    net.Addr
	Base       *url.URL // nil: browsers reach it at Address
	Metrics    net.Addr // nil: not served
	Dir        string
	Key        string // where the key came from
	KeyBeside  bool   // it lies in Dir
	Memory     string
	Sites      int
	SetupToken string // "" once there is an account
	Took       time.Duration
}

// Write prints the greeting; quiet leaves only the link without which nobody could begin.
func (g *Greeting) Write(w io.Writer, color, quiet bool) {
	home := homeOf(g.Address)
	public := home
	if g.Base != nil {
		public = g.Base.String()
	}
	setup := ""
	if g.SetupToken != "" {
		setup = public + "/setup?token=" + g.SetupToken
	}
	if quiet {
		if setup != "" {
			fmt.Fprintln(w, setup)
		}
		return
	}
	key := g.Key
	if g.KeyBeside {
		key += " (beside the data: whoever copies the directory can read them; see --key-file)"
	}
	metrics := ""
	if g.Metrics != nil {
		metrics = homeOf(g.Metrics) + "/metrics"
	}
	Banner(w, color, g.Title, []Line{
		{"listening", home}, {"dashboard", public}, {"metrics", metrics}, {"data", g.Dir}, {"key", key}, {"memory", g.Memory}, {"sites", fmt.Sprint(g.Sites)},
		{"ready in", g.Took.Round(time.Millisecond).String()}, {"set up", setup},
	})
}

func homeOf(address net.Addr) string {
	if tcp, ok := address.(*net.TCPAddr); ok && tcp.IP.IsUnspecified() {
		return fmt.Sprintf("http://localhost:%d", tcp.Port)
	}
	return "http://" + address.String()
}
