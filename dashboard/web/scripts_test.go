package web_test

import (
	"compress/gzip"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"footfall/assets"
	"footfall/assets/tracker"
	"footfall/dashboard/web"
	"footfall/storage/account"
)

// legacy are Plausible's ten extensions.
var legacy = strings.Fields("hash outbound-links file-downloads exclusions compat local manual tagged-events revenue pageview-props")

// withScripts serves what was built, and knows one site's own script.
func withScripts(t *testing.T, change func(*web.Config)) (*server, account.Site) {
	t.Helper()
	if set, err := tracker.Load(assets.Dist); err != nil || set == nil {
		t.Fatalf("run make assets: %v", err)
	}
	site := account.Site{Domain: "example.org", Script: account.Script{ID: "pa-ABC", OutboundLinks: true, Hash: true}}
	s := newServer(t, func(cfg *web.Config) {
		cfg.Assets = assets.Dist
		cfg.SiteByScript = func(id string) (account.Site, bool) { return site, id == site.Script.ID }
		if change != nil {
			change(cfg)
		}
	})
	return s, site
}

// ask answers without a network: there are thousands of names.
func (s *server) ask(method, path string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://stats.example"+path, nil)
	r.Header.Set("Accept-Encoding", "gzip")
	w := httptest.NewRecorder()
	s.web.ServeHTTP(w, r)
	return w
}

// TestScriptNames asks for each of Plausible's names, with the extensions in any order: each is there, and those that want the same are the same.
func TestScriptNames(t *testing.T) {
	s, _ := withScripts(t, nil)
	same := map[int]string{} // ETag by extensions, revenue left out: every script has it
	tags := map[string]int{}
	for set := range 1 << len(legacy) {
		var extensions []string
		key := set
		for bit, name := range legacy {
			if set>>bit&1 == 1 {
				extensions = append(extensions, "."+name)
			}
			if name == "revenue" {
				key &^= 1 << bit
			}
		}
		for _, base := range []string{"script", "plausible", "analytics"} {
			rand.Shuffle(len(extensions), func(i, j int) { extensions[i], extensions[j] = extensions[j], extensions[i] })
			path := "/js/" + base + strings.Join(extensions, "") + ".js"
			got := s.ask("GET", path)
			tag := got.Header().Get("ETag")
			if got.Code != 200 || tag == "" || got.Header().Get("Content-Encoding") != "gzip" {
				t.Fatalf("%s: got %d %v", path, got.Code, got.Header())
			}
			if same[key] == "" {
				same[key] = tag
			}
			if same[key] != tag {
				t.Errorf("%s is not the script that has the same extensions in another name", path)
			}
			if other, ok := tags[tag]; ok && other != key {
				t.Errorf("%s is the script of other extensions", path)
			}
			tags[tag] = key
		}
	}
	if len(tags) != 512 {
		t.Errorf("there are %d scripts, want one for each set of extensions but revenue", len(tags))
	}
	plain := s.ask("GET", "/js/script.js").Header().Get("ETag")
	for _, path := range []string{"/js/p.js", "/js/script.pageleave.js", "/js/analytics.revenue.pageleave.js", "/js/plausible.js.js"} {
		if got := s.ask("GET", path); got.Code != 200 || got.Header().Get("ETag") != plain {
			t.Errorf("%s: got %d, ETag %s, want that of script.js", path, got.Code, got.Header().Get("ETag"))
		}
	}
	if got := s.ask("HEAD", "/js/script.form-submissions.js"); got.Code != 200 {
		t.Errorf("HEAD: got %d", got.Code)
	}
	for _, path := range []string{"/js/", "/js/other.js", "/js/script", "/js/script.mjs", "/js/script.query-params.js", "/js/script.hash.hash.js", "/js/script..js", "/js/Script.js",
		"/js/p.hash.js", "/js/script.js/x", "/js/pa-XYZ.js", "/js/pa-.js", "/js/pa-ABC", "/js/pa-ABC.hash.js", "/js/site.js", "/js/00.gz"} {
		if got := s.ask("GET", path); got.Code != 404 || got.Header().Get("ETag") != "" {
			t.Errorf("%s: got %d", path, got.Code)
		}
	}
	if got := s.ask("POST", "/js/script.js"); got.Code != 404 {
		t.Errorf("POST: got %d", got.Code)
	}
}

func unzipped(t *testing.T, w *httptest.ResponseRecorder) string {
	t.Helper()
	z, err := gzip.NewReader(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestOwnScript(t *testing.T) {
	s, _ := withScripts(t, nil)
	got, body := s.do(t, "anonymous", "GET", "/js/pa-ABC.js", "")
	for name, want := range map[string]string{
		"Content-Type": "application/javascript", "X-Content-Type-Options": "nosniff", "Cross-Origin-Resource-Policy": "cross-origin",
		"Access-Control-Allow-Origin": "*", "Cache-Control": "public, max-age=60, no-transform", "CDN-Tag": "tracker_script::pa-ABC", "Set-Cookie": "",
	} {
		if got.Header.Get(name) != want {
			t.Errorf("%s is %q, want %q", name, got.Header.Get(name), want)
		}
	}
	if settings := `{"domain":"example.org","endpoint":"/api/event","outboundLinks":true,"hashBasedRouting":true}`; strings.Count(body, settings) != 1 {
		t.Errorf("%s is not once in the script", settings)
	}
	first := got.Header.Get("ETag")
	if again, body := s.do(t, "login", "GET", "/js/pa-ABC.js", "", "If-None-Match", first); again.StatusCode != http.StatusNotModified || body != "" {
		t.Errorf("asked again: %d", again.StatusCode)
	}
}

// TestOwnPaths holds that the operator's names give the same scripts, which send to the operator's path.
func TestOwnPaths(t *testing.T) {
	s, _ := withScripts(t, func(cfg *web.Config) {
		cfg.ScriptPaths = []string{"/assets/app.js", "/assets/app-extra.js", "/m.js"}
		cfg.EventPaths = []string{"/assets/e", "/other"}
	})
	for _, path := range []string{"/assets/app.js", "/assets/app.hash.outbound-links.js", "/m.js", "/m.local.js", "/assets/app-extra.js", "/assets/app-extra.hash.js"} {
		got := s.ask("GET", path)
		if got.Code != 200 || got.Header().Get("Content-Type") != "application/javascript" || got.Header().Get("Access-Control-Allow-Origin") != "*" ||
			got.Header().Get("Cross-Origin-Resource-Policy") != "cross-origin" || got.Header().Get("Content-Security-Policy") != "" {
			t.Errorf("%s: got %d %v", path, got.Code, got.Header())
			continue
		}
		if body := unzipped(t, got); !strings.Contains(body, `"/assets/e"`) || strings.Contains(body, "/api/event") {
			t.Errorf("%s does not send to /assets/e", path)
		}
	}
	for _, path := range []string{"/assets/app-ABC.js", "/assets/app-extra-ABC.js", "/m-ABC.js"} {
		if got := s.ask("GET", path); got.Code != 200 || !strings.Contains(unzipped(t, got), `{"domain":"example.org","endpoint":"/assets/e","outboundLinks":true,"hashBasedRouting":true}`) {
			t.Errorf("%s: got %d", path, got.Code)
		}
	}
	for _, path := range []string{"/js/script.js", "/js/pa-ABC.js"} {
		if got := s.ask("GET", path); got.Code != 200 || !strings.Contains(unzipped(t, got), `"/api/event"`) {
			t.Errorf("%s does not send to /api/event any more", path)
		}
	}
	for _, path := range []string{"/assets/app.other.js", "/assets/app-XYZ.js"} {
		if got := s.ask("GET", path); got.Code != 404 {
			t.Errorf("%s: got %d", path, got.Code)
		}
	}
	// What is none of these names is the dashboard's.
	for _, path := range []string{"/assets/apple.js", "/assets/app", "/assets/e", "/assets/", "/m/example.org"} {
		if got := s.ask("GET", path); got.Code != 200 || !strings.HasPrefix(got.Header().Get("Content-Type"), "text/html") || got.Header().Get("Content-Security-Policy") == "" {
			t.Errorf("%s: got %d %s", path, got.Code, got.Header().Get("Content-Type"))
		}
	}
	for _, path := range []string{"/api/event", "/assets/e", "/other"} {
		for _, method := range []string{"POST", "OPTIONS"} {
			if got := s.ask(method, path); got.Code != 202 || got.Body.String() != "ok" || got.Header().Get("Content-Security-Policy") != "" {
				t.Errorf("%s %s: got %d %q", method, path, got.Code, got.Body)
			}
		}
	}
	if got := s.ask("POST", "/assets/f"); got.Code != 405 {
		t.Errorf("a path that nobody named: got %d", got.Code)
	}
	// Names of the operator's cannot stand where the server has a path of its own: those are refused by their first part.
	for _, r := range s.web.Routes() {
		first, _, _ := strings.Cut(strings.TrimPrefix(r.Path, "/"), "/")
		if first != "" && !account.Reserved(first) && !strings.Contains(first, ".") {
			t.Errorf("%s is not reserved", r.Path)
		}
	}
}
