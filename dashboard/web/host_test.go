package web_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"footfall/dashboard/web"
)

// TestOtherNamesReachNoDashboard asks under names that lead to the server. A page of a stranger's name must not be of one origin with the dashboard.
func TestOtherNamesReachNoDashboard(t *testing.T) {
	base, err := url.Parse("https://stats.example.org")
	if err != nil {
		t.Fatal(err)
	}
	known, unknown := newServer(t, func(c *web.Config) { c.BaseURL = base }), newServer(t, nil)
	ask := func(s *server, host, method, path string) (int, string) {
		r, err := http.NewRequest(method, s.URL+path, strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		r.Host = host
		r.AddCookie(&http.Cookie{Name: "footfall", Value: s.cookie})
		got, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		defer got.Body.Close()
		b, err := io.ReadAll(got.Body)
		if err != nil {
			t.Fatal(err)
		}
		return got.StatusCode, string(b)
	}
	for host, want := range map[string]int{
		"stats.example.org": 200, "Stats.Example.ORG": 200, "stats.example.org:8080": 200, "stats.example.org.": 200, "127.0.0.1:8080": 200, "[::1]:8080": 200, "10.1.2.3": 200,
		"localhost:8080": 200, "footfall": 200, "footfall.internal:8080": 200,
		"evil.example": 421, "stats.example.org.evil.example": 421, "127.0.0.1.evil.example:8080": 421, "evilinternal.example": 421, "x-stats.example.org": 421,
	} {
		for _, path := range []string{"/", "/example.org", "/api/app/state", "/api/app/sites/example.org/status"} {
			if got, body := ask(known, host, "GET", path); got != want || want == 421 && !strings.Contains(body, "https://stats.example.org") {
				t.Errorf("%s%s: got %d %s, want %d", host, path, got, body, want)
			}
			if got, _ := ask(unknown, host, "GET", path); got != 200 {
				t.Errorf("without --base-url, %s%s: got %d", host, path, got)
			}
		}
		// Sites pass events and the script on under their own names, programs and monitors use what they know.
		for path, method := range map[string]string{"/api/event": "POST", "/js/script.js": "GET", "/api/health": "GET"} {
			if got, _ := ask(known, host, method, path); got >= 300 {
				t.Errorf("%s %s%s: got %d", method, host, path, got)
			}
		}
		if got, _ := ask(known, host, "POST", "/api/v2/query"); got != 401 {
			t.Errorf("%s: the Stats API answered %d", host, got)
		}
	}
}

// TestAProxyMayRename asks as a content delivery network does, which knows the server by another name.
func TestAProxyMayRename(t *testing.T) {
	base, err := url.Parse("https://stats.example.org")
	if err != nil {
		t.Fatal(err)
	}
	trusted := netip.MustParsePrefix("198.51.100.0/24")
	s := newServer(t, func(c *web.Config) {
		c.BaseURL, c.Proxies = base, func(a netip.Addr) bool { return a.IsLoopback() || trusted.Contains(a) }
	})
	for peer, want := range map[string]int{"198.51.100.7:443": 200, "[::ffff:198.51.100.7]:443": 200, "203.0.113.9:443": 421, "127.0.0.1:443": 421, "[::1]:443": 421, "@": 421} {
		r := httptest.NewRequest("GET", "http://origin.example.org/api/app/state", nil)
		r.RemoteAddr = peer
		w := httptest.NewRecorder()
		s.web.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("from %s: got %d, want %d", peer, w.Code, want)
		}
	}
}
