package source

import (
	"strings"
	"unicode/utf8"
)

const androidApp = "android-app://"

// referrer is what is kept of a referring address.
type referrer struct {
	host string // without "www."; in lower case, but for apps
	path string
	app  bool
}

// parseReferrer takes an address apart; ok is false where it is none that a person can come from. It follows browsers, for
// which a backslash ends the host too.
func parseReferrer(address string) (r referrer, ok bool) {
	scheme, rest, found := strings.Cut(strings.TrimSpace(address), "://")
	if !found {
		return r, false
	}
	switch strings.ToLower(scheme) {
	case "http", "https":
	case "android-app":
		r.app = true
	default:
		return r, false
	}
	authority := rest
	if i := strings.IndexAny(rest, `/?#\`); i >= 0 {
		authority, r.path = rest[:i], rest[i:]
	}
	if i := strings.IndexAny(r.path, "?#"); i >= 0 {
		r.path = r.path[:i]
	}
	r.path = strings.TrimRight(r.path, `/\`)

	r.host = authority[strings.LastIndexByte(authority, '@')+1:]
	if i := strings.LastIndexByte(r.host, ':'); i >= 0 && !strings.HasSuffix(r.host, "]") {
		r.host = r.host[:i]
	}
	r.host = strings.TrimSuffix(r.host, ".")
	if !r.app {
		r.host = strings.ToLower(r.host)
	}
	r.host = strings.TrimPrefix(r.host, "www.")
	return r, validHost(r.host) && len(r.host)+len(r.path) <= maxReferrer
}

// validHost keeps anything but names and addresses out: a host is stored and shown.
func validHost(host string) bool {
	if host == "" || len(host) > maxHost || !utf8.ValidString(host) {
		return false
	}
	if inner, ok := strings.CutPrefix(host, "["); ok {
		inner, ok = strings.CutSuffix(inner, "]")
		return ok && strings.Trim(inner, "0123456789abcdefABCDEF:.") == ""
	}
	for i := range len(host) {
		c := host[i]
		letter := c|0x20 >= 'a' && c|0x20 <= 'z' || c >= utf8.RuneSelf
		if !letter && (c < '0' || c > '9') && c != '-' && c != '.' && c != '_' {
			return false
		}
	}
	return true
}

// is reports whether the referring page is on the given host.
func (r referrer) is(host string) bool {
	return strings.EqualFold(r.host, strings.TrimPrefix(strings.ToLower(host), "www."))
}

// stored returns what is kept of a referrer.
func (r referrer) stored() string {
	scheme := ""
	if r.app {
		scheme = androidApp
	}
	return strings.ToValidUTF8(scheme+r.host+r.path, "\uFFFD")
}
