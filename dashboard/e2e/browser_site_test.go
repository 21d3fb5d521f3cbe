package e2e_test

import (
	"bytes"
	"embed"
	"html/template"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

//go:embed pages
var pageFiles embed.FS

// website is a site that is counted. Under the names news.example and elsewhere.example it is another
// site, which links to the first and counts nothing.
type website struct {
	port   string
	layout string // file of pages
	head   string // goes into every page: the snippet
	bundle []byte // what /npm.js is
	link   string // where news.example links to
}

func newWebsite(t *testing.T, layout string) *website {
	t.Helper()
	w := &website{layout: layout}
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
	layout := w.layout
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

// bundleTracker bundles pages/npm.js with the official package, as a site's own build would.
func bundleTracker(t *testing.T) []byte {
	t.Helper()
	modules, err := filepath.Abs("../../assets/node_modules")
	if err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "npm.js")
	build := exec.Command(filepath.Join(modules, ".bin", "esbuild"), "pages/npm.js", "--bundle", "--minify", "--log-level=warning", "--outfile="+out)
	build.Env = append(os.Environ(), "NODE_PATH="+modules)
	if message, err := build.CombinedOutput(); err != nil {
		t.Fatalf("bundle the npm package (make assets installs it): %v\n%s", err, message)
	}
	bundle, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return bundle
}
