package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"regexp"
	"strconv"
	"strings"
)

// files holds what the dashboard is made of, compressed once at the start: some ten files, less than 1 MiB.
type files struct {
	byName map[string]*file // by path in assets.Dist: "app/app.js"
}

type file struct {
	body   []byte
	zipped bool // the body is compressed: it is not where that saves nothing
	kind   string
	tag    string // from the content alone, so the same for every visitor
	hashed bool   // the name changes with the content
}

// hashedName is how the bundler marks a name that holds a hash of the content: app-X3J5KQ2Z.js.
var hashedName = regexp.MustCompile(`[-.][0-9A-Z]{8}\.[a-z0-9]+$`)

func loadFiles(dist fs.FS) (*files, error) {
	f := &files{byName: map[string]*file{}}
	err := fs.WalkDir(dist, "app", func(name string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // not built
		}
		if err != nil || d.IsDir() {
			return err
		}
		body, err := fs.ReadFile(dist, name)
		if err != nil {
			return err
		}
		f.byName[name], err = newFile(name, body)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read assets: %w", err)
	}
	return f, nil
}

func newFile(name string, body []byte) (*file, error) {
	sum := sha256.Sum256(body)
	f := &file{
		body:   body,
		kind:   contentType(name),
		tag:    `W/"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`,
		hashed: hashedName.MatchString(name),
	}
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := z.Write(body); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	if b.Len() < len(body)*9/10 {
		f.body, f.zipped = bytes.Clone(b.Bytes()), true
	}
	return f, nil
}

// contentType does not ask the system: what a browser is told must not depend on the machine.
func contentType(name string) string {
	switch path.Ext(name) {
	case ".html":
		return "text/html; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".json", ".map":
		return "application/json"
	case ".svg":
		return "image/svg+xml"
	case ".woff2":
		return "font/woff2"
	case ".ico":
		return "image/x-icon"
	}
	if t := mime.TypeByExtension(path.Ext(name)); t != "" {
		return t
	}
	return "application/octet-stream"
}

// serve answers with the file; the caller has set Cache-Control.
func (f *file) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", f.kind)
	h.Set("ETag", f.tag)
	h.Set("Vary", "Accept-Encoding")
	for _, tag := range strings.Split(r.Header.Get("If-None-Match"), ",") {
		if strings.TrimPrefix(strings.TrimSpace(tag), "W/") == f.tag[2:] {
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	if f.zipped && !takesGzip(r) { // hardly any browser
		z, err := gzip.NewReader(bytes.NewReader(f.body))
		if err != nil {
			panic("web: internal error: " + err.Error())
		}
		io.Copy(w, z)
		return
	}
	if f.zipped {
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("Content-Length", strconv.Itoa(len(f.body)))
	w.Write(f.body)
}

func takesGzip(r *http.Request) bool {
	for _, item := range strings.Split(r.Header.Get("Accept-Encoding"), ",") {
		name, weight, _ := strings.Cut(strings.ReplaceAll(item, " ", ""), ";")
		if name == "gzip" {
			return weight != "q=0" && !strings.HasPrefix(weight, "q=0.0")
		}
	}
	return false
}

// app serves the dashboard's own files.
func (f *files) app(w http.ResponseWriter, r *http.Request) {
	file, ok := f.byName["app/"+r.PathValue("file")]
	if !ok {
		http.NotFound(w, r)
		return
	}
	cache := "no-cache" // ask each time, by ETag
	if file.hashed {
		cache = "public, max-age=31536000, immutable"
	}
	w.Header().Set("Cache-Control", cache)
	file.serve(w, r)
}

// shell serves the one page of the dashboard under every path that nothing else has: the page reads its own address.
func (f *files) shell(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	if r.URL.Path == "/favicon.ico" {
		http.NotFound(w, r) // the page names its icon
		return
	}
	page, ok := f.byName["app/index.html"]
	if !ok {
		notBuilt(w, r)
		return
	}
	w.Header().Set("Cache-Control", "no-cache")
	page.serve(w, r)
}

func notBuilt(w http.ResponseWriter, _ *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(http.StatusServiceUnavailable)
	w.Write([]byte("Footfall is running, but this binary was built without the files that browsers need.\nRun `make build` in the source tree and start it again.\n"))
}
