package web

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// here lets only requests to this server's own name pass, where the operator has told it. A stranger's page whose name is made to lead to our address
// (DNS rebinding) would be of one origin with the dashboard to a browser.
func (s *Server) here(next http.Handler) http.Handler {
	if s.cfg.BaseURL == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if isOurs(r.Host, s.cfg.BaseURL) || s.renames(r) {
			next.ServeHTTP(w, r)
			return
		}
		text := "This server is at " + s.cfg.BaseURL.String() + " (--base-url). A proxy has to pass on the Host it was asked for."
		if strings.HasPrefix(r.URL.Path, "/api/") {
			sendJSON(w, http.StatusMisdirectedRequest, `{"error":"`+text+`"}`)
			return
		}
		http.Error(w, text, http.StatusMisdirectedRequest)
	})
}

// renames reports whether r comes from a trusted proxy elsewhere. A content delivery network asks under the name that it knows us by. On this machine a browser
// may be the peer as well, so that a proxy here has to pass on the name.
func (s *Server) renames(r *http.Request) bool {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	addr := peer.Addr().Unmap().WithZone("")
	return err == nil && !addr.IsLoopback() && s.cfg.Proxies != nil && s.cfg.Proxies(addr)
}

// isOurs reports whether host is the one of base, or one that no stranger can have in the public DNS: an address, a name without a
// dot, or one below a name that is reserved for private networks. Proxies ask under those.
func isOurs(host string, base *url.URL) bool {
	if strings.EqualFold(host, base.Host) {
		return true
	}
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if host == strings.ToLower(base.Hostname()) { // with a port that only a proxy knows
		return true
	}
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil || !strings.Contains(host, ".") {
		return true
	}
	for _, private := range []string{".localhost", ".local", ".internal", ".home.arpa"} {
		if strings.HasSuffix(host, private) {
			return true
		}
	}
	return false
}
