// Package web is the server's public face: one table of routes, and around it what every request meets, whatever it asks for:
// limits, security headers, protection against requests forged by other sites, and recovery from panics.
//
// There is no access log. Nothing here writes down who asked for what.
package web

import (
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"footfall/assets/tracker"
	"footfall/dashboard/api"
	"footfall/dashboard/auth"
	"footfall/dashboard/metrics"
	"footfall/storage"
	"footfall/storage/account"
)

// Config is what New needs.
type Config struct {
	Ingest http.Handler // answers the routes of Ingest
	API    *api.API
	Auth   *auth.Auth
	Assets fs.FS // assets.Dist
	// SiteByScript finds the site whose own script has the id.
	SiteByScript func(id string) (account.Site, bool)
	// ScriptPaths and EventPaths are further names of the tracking script and of /api/event: paths that terminal.Listening.CheckPaths has judged.
	ScriptPaths, EventPaths []string
	// Ready returns nil while the store can be written and read. Nil is always ready.
	Ready func() error
	// Snapshots says in a word how the snapshots are doing: ok, late or fenced. Nil where there are none.
	Snapshots func() string
	// BaseURL is where browsers reach the server, if the operator said so. Under another name the dashboard is not served then.
	BaseURL *url.URL
	// Proxies reports whether an address is of a trusted peer; they are exempt from the limit of connections by address. Nil: none is.
	Proxies func(netip.Addr) bool
	Metrics *metrics.Set // nil counts nothing
	Logger  *slog.Logger // nil is slog.Default
}

// Server is an http.Handler, and serves itself on a listener.
type Server struct {
	cfg     Config
	log     *slog.Logger
	mux     *http.ServeMux
	routes  []Route
	scripts *scripts
	csrf    *http.CrossOriginProtection
	// forPages are the paths of ingestion, which answer pages of every origin.
	forPages map[string]bool
}

// Access of routes that are not the API's.
const (
	Ingest api.Access = "ingest" // any page of any site may send; no cookie is read
	Static api.Access = "static" // the same bytes for everyone
)

// Route is one line of the table. An empty Method is every method.
type Route struct {
	Method, Path string
	Access       api.Access
	handler      http.Handler
}

// New makes a server. It reads all of Assets.
func New(cfg Config) (*Server, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	s := &Server{cfg: cfg, log: cfg.Logger, mux: http.NewServeMux(), csrf: http.NewCrossOriginProtection(), forPages: map[string]bool{}}
	if cfg.BaseURL != nil {
		// A proxy that does not pass Host on makes the browser's Origin look foreign.
		if err := s.csrf.AddTrustedOrigin(cfg.BaseURL.Scheme + "://" + cfg.BaseURL.Host); err != nil {
			return nil, err
		}
	}
	s.csrf.SetDenyHandler(http.HandlerFunc(refuseForeign))
	files, err := loadFiles(cfg.Assets)
	if err != nil {
		return nil, err
	}
	if s.scripts, err = newScripts(cfg); err != nil {
		return nil, err
	}
	s.routes = s.table(files)
	for _, r := range s.routes {
		h := r.handler
		if r.Access == Ingest {
			s.forPages[r.Path] = true
		}
		if r.Access == api.Public || r.Access == api.Login {
			h = s.csrf.Handler(h)
		}
		if r.Access == api.Login || r.Path == "/" || strings.HasPrefix(r.Path, "/api/app/") {
			h = s.here(h)
		}
		s.mux.Handle(strings.TrimSpace(r.Method+" "+r.Path), h)
	}
	return s, nil
}

// table lists everything the server answers.
func (s *Server) table(files *files) []Route {
	list := []Route{
		{"", tracker.Endpoint, Ingest, s.cfg.Ingest},
		{"", "/api/error", Ingest, s.cfg.Ingest},
		{"", "/api/send", Ingest, s.cfg.Ingest},
		{"", "/pixel.gif", Ingest, s.cfg.Ingest},
		{"GET", "/js/{name}", Static, http.HandlerFunc(s.scripts.standard)},
		{"GET", "/app/{file...}", Static, http.HandlerFunc(files.app)},
		{"GET", "/robots.txt", Static, http.HandlerFunc(robots)},
		{"GET", "/api/health", api.Public, http.HandlerFunc(s.ready)},
		{"GET", "/api/system/health/ready", api.Public, http.HandlerFunc(s.ready)},
		{"GET", "/api/system/health/live", api.Public, http.HandlerFunc(live)},
		{"", "/api/", api.Public, http.HandlerFunc(noSuchAPI)},
		{"", "/js/", Static, http.HandlerFunc(http.NotFound)},
		{"", "/", Static, http.HandlerFunc(files.shell)},
	}
	for _, r := range s.cfg.API.Routes() {
		list = append(list, Route{r.Method, r.Path, r.Access, r.Handler})
	}
	return list
}

// Routes returns the table, for tests that walk it.
func (s *Server) Routes() []Route { return s.routes }

// ServeHTTP answers any request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if slices.Contains(s.cfg.EventPaths, r.URL.Path) && (r.Method == http.MethodPost || r.Method == http.MethodOptions) {
		r.URL.Path = tracker.Endpoint
	}
	// The path of events is short on purpose: it is most of the traffic, and ingest answers for itself.
	if r.URL.Path == tracker.Endpoint && r.Method == http.MethodPost {
		defer s.recover(w, r, tracker.Endpoint)
		closeAfterChunks(w, r)
		s.cfg.Ingest.ServeHTTP(w, r)
		return
	}
	began := time.Now()
	out := &recorder{ResponseWriter: w, status: http.StatusOK}
	defer func() { s.cfg.Metrics.Request(route(r), out.status, time.Since(began)) }()
	defer s.recover(out, r, route(r))
	if r.Method == http.MethodTrace || r.Method == http.MethodConnect {
		// TRACE would read a login cookie back to a script; CONNECT asks for a proxy, which this is not: what follows it is no request.
		out.Header().Set("Connection", "close")
		http.Error(out, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	closeAfterChunks(out, r)
	if r.RequestURI == "*" && r.Method == http.MethodOptions { // by which some ask whether anybody is there
		out.WriteHeader(http.StatusOK)
		return
	}
	if s.scripts.named(out, r) {
		r.Pattern = "GET /js/{name}"
		return
	}
	s.headers(out.Header(), r)
	s.mux.ServeHTTP(out, r)
}

// closeAfterChunks lets nothing follow a body in chunks, in which a proxy before us might have seen another end.
func closeAfterChunks(w http.ResponseWriter, r *http.Request) {
	if r.TransferEncoding != nil {
		w.Header()["Connection"] = []string{"close"}
	}
}

// route names the line of the table that answered r.
func route(r *http.Request) string {
	if r.Pattern == "" {
		return "none"
	}
	return r.Pattern
}

// contentPolicy forbids a page everything but its own files. There is no inline script or style to allow.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// headers sets what every answer carries; a handler may say otherwise.
func (s *Server) headers(h http.Header, r *http.Request) {
	h.Set("X-Content-Type-Options", "nosniff")
	if s.isForPages(r.URL.Path) {
		return
	}
	h.Set("Content-Security-Policy", contentPolicy)
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("X-Frame-Options", "DENY")
	h.Set("X-Robots-Tag", "noindex, nofollow")
	if s.cfg.Auth.Peer(r).HTTPS {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
}

// isForPages reports whether the pages of other sites are meant to read what is at path.
func (s *Server) isForPages(path string) bool {
	return s.forPages[path] || strings.HasPrefix(path, "/js/")
}

func refuseForeign(w http.ResponseWriter, _ *http.Request) {
	sendJSON(w, http.StatusForbidden, `{"error":"This request came from another site. If the server is behind a proxy, start it with --base-url."}`)
}

func noSuchAPI(w http.ResponseWriter, _ *http.Request) {
	sendJSON(w, http.StatusNotFound, `{"error":"There is nothing here."}`)
}

func robots(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Write([]byte("User-agent: *\nDisallow: /\n"))
}

func live(w http.ResponseWriter, _ *http.Request) { sendJSON(w, http.StatusOK, `{"ok":true}`) }

// ready tells monitors whether events are accepted and numbers can be read. What else is wrong than a full disk stands in the
// log, not in public. Snapshots that are late make nobody unready: no restart mends them.
func (s *Server) ready(w http.ResponseWriter, _ *http.Request) {
	var err error
	if s.cfg.Ready != nil {
		err = s.cfg.Ready()
	}
	status, word := http.StatusOK, "ok"
	switch {
	case errors.Is(err, storage.ErrFull):
		status, word = http.StatusInternalServerError, "full"
	case err != nil:
		status, word = http.StatusInternalServerError, "error"
	}
	snapshots := ""
	if s.cfg.Snapshots != nil {
		snapshots = `,"snapshots":"` + s.cfg.Snapshots() + `"`
	}
	// The last four are the words that monitors of Plausible look for; here one file stands for all of them.
	sendJSON(w, status, `{"storage":"`+word+`"`+snapshots+`,"postgres":"`+word+`","clickhouse":"`+word+`","sites_cache":"`+word+`","sessions":"`+word+`"}`)
}

func sendJSON(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	w.Write([]byte(body))
}

// recover turns a panic into a 500. It logs where the panic happened and never the request or the panic's value, which may
// hold what a visitor sent; an error of the runtime holds none.
func (s *Server) recover(w http.ResponseWriter, r *http.Request, route string) {
	p := recover()
	if p == nil {
		return
	}
	if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(http.ErrAbortHandler)
	}
	s.cfg.Metrics.Panic()
	kind := "panic"
	if err, ok := p.(runtime.Error); ok {
		kind = err.Error()
	}
	s.log.Error("request ended in a panic: this is a bug", "route", route, "kind", kind, "stack", Callers())
	if rec, ok := w.(*recorder); !ok || !rec.wrote {
		sendJSON(w, http.StatusInternalServerError, `{"error":"internal server error"}`)
	}
}

// Callers lists the functions that led to a panic, innermost first, without their arguments.
func Callers() string {
	pc := make([]uintptr, 32)
	frames := runtime.CallersFrames(pc[:runtime.Callers(4, pc)])
	var b strings.Builder
	for {
		f, more := frames.Next()
		b.WriteString(f.Function + ":" + strconv.Itoa(f.Line) + " ")
		if !more {
			return strings.TrimSpace(b.String())
		}
	}
}

// recorder remembers the status of an answer.
type recorder struct {
	http.ResponseWriter
	status int
	wrote  bool
}

func (r *recorder) WriteHeader(status int) {
	if !r.wrote {
		r.status, r.wrote = status, status >= 200
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(b []byte) (int, error) {
	r.wrote = true
	return r.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
