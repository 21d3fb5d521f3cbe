package terminal

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"path"
	"regexp"
	"strings"
	"syscall"
	"time"

	"footfall/storage/account"
)

// Listening are the flags of a verb that runs a server.
type Listening struct {
	Listen         string   `help:"Address to listen at (default ${default})." placeholder:"HOST:PORT" default:"127.0.0.1:8080"`
	BaseURL        string   `name:"base-url" help:"Where browsers reach the server, such as https://stats.example.org." placeholder:"URL"`
	TrustedProxy   []string `help:"Proxies whose X-Forwarded-For is believed: networks, private, cloudflare, fastly, cloudfront, @FILE, or none (default ${default})." placeholder:"NETWORK" default:"loopback"`
	Geo            string   `name:"geo" help:"Database of countries, cities or networks in the MaxMind format. Each *.mmdb in the data directory is used without this." placeholder:"FILE"`
	ScriptPath     []string `name:"script-path" help:"Further path of the tracking script, such as /assets/app.js, that no list of ad-blockers has." placeholder:"PATH"`
	EventPath      []string `name:"event-path" help:"Further path that takes events, such as /assets/e. The script of --script-path sends to the first." placeholder:"PATH"`
	SpamList       string   `help:"File of hosts, one a line, whose referrers are spam, besides those known. It is read anew when it changes." placeholder:"FILE"`
	DatacentreList string   `help:"File of networks of data centres, as CIDR, one a line; sites whose rules drop or watch those use it. It is read anew when it changes." placeholder:"FILE"`
	MetricsListen  string   `help:"Address to serve Prometheus metrics at, for no one outside." placeholder:"HOST:PORT"`
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

// CheckPaths says what is wrong with --script-path and --event-path, or nil. They must not stand where the dashboard has a page.
func (l *Listening) CheckPaths() error {
	for _, p := range l.ScriptPath {
		if err := checkPath(p); err != nil {
			return fmt.Errorf("--script-path %s: %w", p, err)
		}
		if base := strings.TrimSuffix(path.Base(p), ".js"); base == path.Base(p) || strings.ContainsAny(base, ".") || base == "" {
			return fmt.Errorf("--script-path %s: want a name that ends in .js and has no other dot, such as /assets/app.js", p)
		}
	}
	for _, p := range l.EventPath {
		if err := checkPath(p); err != nil {
			return fmt.Errorf("--event-path %s: %w", p, err)
		}
		if strings.Contains(path.Base(p), ".") {
			return fmt.Errorf("--event-path %s: want a path without a dot at its end, such as /assets/e", p)
		}
	}
	return nil
}

var ownPath = regexp.MustCompile(`^(/[A-Za-z0-9_-][A-Za-z0-9._-]*)+$`)

func checkPath(p string) error {
	if !ownPath.MatchString(p) {
		return errors.New("want a path of letters, digits, dashes, dots and underscores, such as /assets/e")
	}
	first, _, _ := strings.Cut(p[1:], "/")
	if account.Reserved(first) {
		return fmt.Errorf("what begins with /%s is the dashboard's own: choose another first part", first)
	}
	return nil
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
		if !errors.Is(err, syscall.EADDRINUSE) {
			return nil, fmt.Errorf("%s %s: %w: want HOST:PORT of this machine, such as 127.0.0.1:8080, or :8080 for all its addresses", flag, address, err)
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
