package wire

import (
	"strings"
	"unicode"
)

// NoHost is stored as the hostname of a page whose URL names none.
const NoHost = "(none)"

// page is a URL cut into the parts that matter, as RFC 3986 appendix B cuts: every text has parts, and nothing is
// normalised.
type page struct {
	scheme, host, path, query, fragment string
}

func parsePage(url string) page {
	var p page
	rest := url
	if i := strings.IndexByte(rest, ':'); i > 0 && isScheme(rest[:i]) {
		p.scheme, rest = strings.ToLower(rest[:i]), rest[i+1:]
	}
	rest, p.fragment, _ = strings.Cut(rest, "#")
	rest, p.query, _ = strings.Cut(rest, "?")
	if after, ok := strings.CutPrefix(rest, "//"); ok {
		authority := after
		if i := strings.IndexByte(after, '/'); i >= 0 {
			authority, rest = after[:i], after[i:]
		} else {
			rest = ""
		}
		p.host = host(authority)
	}
	p.path = rest
	return p
}

func isScheme(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		if !letter && (i == 0 || c-'0' >= 10 && c != '+' && c != '-' && c != '.') {
			return false
		}
	}
	return true
}

// host takes user name, password and port off an authority.
func host(authority string) string {
	h := authority[strings.LastIndexByte(authority, '@')+1:]
	if strings.HasPrefix(h, "[") {
		if i := strings.IndexByte(h, ']'); i > 0 {
			return h[1:i]
		}
	}
	h, _, _ = strings.Cut(h, ":")
	return h
}

// cleanHost is how host names and site domains are compared and stored: no space around, no leading "www.".
func cleanHost(h string) string { return strings.TrimPrefix(strings.TrimSpace(h), "www.") }

// hostname returns what is stored as the event's hostname.
func (p page) hostname() string {
	if h := cleanHost(p.host); h != "" {
		return strings.Clone(h)
	}
	return NoHost
}

// pathname returns what is stored as the event's page. In hash mode the fragment is part of it, up to the query that routers
// write behind it ("#/reset?token=…"): a page has no query, wherever it stands.
func (p page) pathname(hashMode bool) string {
	path := p.path
	if path == "" {
		path = "/"
	}
	if hashMode && p.fragment != "" {
		route, _, _ := strings.Cut(p.fragment, "?")
		path += "#" + route
	}
	// A clone lets go of the URL, whose query is not to be kept.
	return strings.TrimRightFunc(strings.Clone(unescape(path)), unicode.IsSpace)
}

// unescape decodes %XX. A bad escape stays as it is, and so does "+".
func unescape(s string) string {
	i := strings.IndexByte(s, '%')
	if i < 0 {
		return s
	}
	out := append(make([]byte, 0, len(s)), s[:i]...)
	for ; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if c, ok := unhex2(s[i+1], s[i+2]); ok {
				out = append(out, c)
				i += 2
				continue
			}
		}
		out = append(out, s[i])
	}
	return strings.ToValidUTF8(string(out), "\uFFFD")
}
