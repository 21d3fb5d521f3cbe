package e2e_test

import (
	"bytes"
	"embed"
	"html/template"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

//go:embed pages
var pageFiles embed.FS

// connections are how many a browser has to one host at a time.
const connections = 6

// website is a site that is counted. Under the names news.example and elsewhere.example it is another
// site, which links to the first and counts nothing.
type website struct {
	port   string
	head   string // goes into every page: the snippet
	bundle []byte // what /npm.js is
	link   string // where news.example links to

	// rewrites are paths that are answered by another server: its address for each, as a proxy of the site would have it.
	rewrites map[string]string

	hanging chan struct{} // gets one for each request that hangs
}

func newWebsite(t *testing.T) *website {
	t.Helper()
	w := &website{hanging: make(chan struct{}, connections)}
	s := httptest.NewServer(w)
	t.Cleanup(s.Close)
	_, w.port, _ = strings.Cut(strings.TrimPrefix(s.URL, "http://"), ":")
	return w
}

// origin is that of a host of the website.
func (w *website) origin(host string) string { return "http://" + host + ":" + w.port }

func (w *website) ServeHTTP(out http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/npm.js" {
		out.Header().Set("Content-Type", "text/javascript")
		out.Write(w.bundle)
		return
	}
	if to, ok := w.rewrites[r.URL.Path]; ok {
		pass(to, out, r)
		return
	}
	if r.URL.Path == "/hang" { // answered when nobody waits for it any more
		w.hanging <- struct{}{}
		<-r.Context().Done()
		return
	}
	if strings.HasPrefix(r.URL.Path, "/empty/") { // the browser stays where it is
		out.WriteHeader(http.StatusNoContent)
		return
	}
	layout := "page.html"
	if strings.HasPrefix(r.Host, "news.") || strings.HasPrefix(r.Host, "elsewhere.") {
		layout = "news.html"
	}
	var body bytes.Buffer
	err := template.Must(template.ParseFS(pageFiles, "pages/"+layout)).Execute(&body, struct {
		Path, Port, To string
		Head           template.HTML
	}{r.URL.Path, w.port, w.link, template.HTML(w.head)})
	if err != nil {
		http.Error(out, err.Error(), http.StatusInternalServerError)
		return
	}
	out.Header().Set("Content-Type", "text/html; charset=utf-8")
	out.Write(body.Bytes())
}

// pass has another server answer a request.
func pass(to string, out http.ResponseWriter, r *http.Request) {
	target, err := url.Parse(to)
	if err != nil {
		http.Error(out, err.Error(), http.StatusInternalServerError)
		return
	}
	proxy := httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) {
		p.Out.URL, p.Out.Host = target, target.Host
		p.SetXForwarded()
	}}
	proxy.ServeHTTP(out, r)
}

// bundle bundles a script of pages with the packages it imports, as a site's own build would.
func bundle(t *testing.T, script string, flags ...string) []byte {
	t.Helper()
	modules, err := filepath.Abs("../../assets/node_modules")
	if err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), script)
	build := exec.Command(filepath.Join(modules, ".bin", "esbuild"), append(flags, "pages/"+script, "--bundle", "--minify", "--log-level=warning", "--outfile="+out)...)
	build.Env = append(os.Environ(), "NODE_PATH="+modules)
	if message, err := build.CombinedOutput(); err != nil {
		t.Fatalf("bundle %s (make assets installs what it imports): %v\n%s", script, err, message)
	}
	text, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
