package terminal

import (
	"fmt"
	"net/url"
	"runtime"
	"slices"
	"strings"

	"footfall/storage/verb"
)

// Examiner looks at how the server was started.
func (l *Listening) Examiner(version string, proxies *Proxies, base *url.URL) verb.ExamineFunc {
	return func(*verb.Context) []verb.Finding {
		return []verb.Finding{
			{Level: verb.Fine, About: "version", Text: fmt.Sprintf("footfall %s, %s, %s/%s", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)},
			l.examineBase(base), proxies.examine(),
		}
	}
}

func (l *Listening) examineBase(base *url.URL) verb.Finding {
	f := verb.Finding{Level: verb.Fine, About: "address"}
	switch {
	case base == nil && l.Loopback():
		f.Text = "no --base-url: a proxy on this machine says by X-Forwarded-Proto whether browsers use https"
	case base == nil:
		f.Level, f.Text, f.Mend = verb.Warning, "no --base-url, and others than this machine can reach the server: whether browsers use https is not known", "--base-url https://…"
	case base.Scheme == "https" || local(base.Hostname()):
		f.Text = "browsers reach the dashboard at " + base.String()
	default:
		f.Level, f.Text, f.Mend = verb.Problem, "browsers reach the dashboard over http: passwords can be read on their way", "put a proxy with https before it, and name it: --base-url https://… (docs/proxies.md)"
	}
	return f
}

func local(host string) bool {
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || strings.HasPrefix(host, "127.") || host == "::1"
}

func (p *Proxies) examine() verb.Finding {
	f := verb.Finding{Level: verb.Fine, About: "proxies", Text: "X-Forwarded-For is believed from nobody: --trusted-proxy none"}
	list := p.now.Load()
	if list == nil || len(*list) == 0 {
		return f
	}
	f.Text = fmt.Sprintf("X-Forwarded-For is believed from --trusted-proxy %s (%d networks)", p, len(*list))
	for _, preset := range presets {
		if slices.Contains(p.items, preset.name) && preset.as != "" {
			f.Text += fmt.Sprintf("; the list of %s is as of %s, compare it with %s", preset.name, preset.as, preset.source)
		}
	}
	for _, network := range *list {
		if network.Bits() == 0 {
			f.Level, f.Mend = verb.Problem, "name the networks of your proxies alone, see docs/proxies.md"
			f.Text += "; that is everybody: whoever sends that header chooses an address"
		}
	}
	return f
}
