package web

import (
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"

	"footfall/assets/tracker"
	"footfall/storage/account"
)

// scripts serves the tracking script under each of its names: script.js with extensions in any order, Plausible's other names for it, and
// the own script of a site. Bytes and ETag are the same for everyone who asks for a name.
//
// The operator may add names that no list of ad-blockers has. /assets/app.js is then another name of script.js, with extensions too, and
// /assets/app-ABC.js one of the site's own script pa-ABC; these send to the first of the operator's paths for events.
type scripts struct {
	set   *tracker.Set // nil: not built
	site  func(id string) (account.Site, bool)
	names []string // the operator's, longest first: /app-x.js is not a script of /app.js where both are named
	event string   // where scripts of those names send to

	mu     sync.Mutex
	shared map[sharedScript]*file // each that was asked for: at most two thousand, 2 kB each
	own    map[tracker.Site]*file
}

// sharedScript is a script that is not a site's own.
type sharedScript struct {
	number int
	event  string // where it sends to
}

func newScripts(cfg Config) (*scripts, error) {
	set, err := tracker.Load(cfg.Assets)
	if err != nil {
		return nil, err
	}
	s := &scripts{set: set, site: cfg.SiteByScript, names: slices.Clone(cfg.ScriptPaths), event: tracker.Endpoint,
		shared: map[sharedScript]*file{}, own: map[tracker.Site]*file{}}
	slices.SortFunc(s.names, func(a, b string) int { return len(b) - len(a) })
	if len(cfg.EventPaths) > 0 {
		s.event = cfg.EventPaths[0]
	}
	return s, nil
}

// standard answers what is asked for under /js/.
func (s *scripts) standard(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	if name == "p.js" { // once Plausible's name for the script without extensions
		name = "script.js"
	}
	base, end, _ := strings.Cut(name, ".")
	switch {
	case s.set == nil:
		notBuilt(w, r)
	case base == "script" || base == "plausible" || base == "analytics":
		s.serveShared(w, r, end, tracker.Endpoint)
	case strings.HasPrefix(base, "pa-") && end == "js":
		s.serveOwn(w, r, base, tracker.Endpoint)
	default:
		noScript(w)
	}
}

// named answers what is asked for under a name of the operator's, and reports whether it is one.
func (s *scripts) named(w http.ResponseWriter, r *http.Request) bool {
	if s.set == nil || r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	for _, name := range s.names {
		rest, ok := strings.CutPrefix(r.URL.Path, strings.TrimSuffix(name, ".js"))
		if !ok || path.Ext(rest) != ".js" {
			continue
		}
		switch rest[0] {
		case '.':
			s.serveShared(w, r, rest[1:], s.event)
			return true
		case '-':
			s.serveOwn(w, r, "pa"+strings.TrimSuffix(rest, ".js"), s.event)
			return true
		}
	}
	return false
}

func (s *scripts) serveShared(w http.ResponseWriter, r *http.Request, end, event string) {
	number, ok := s.set.Number(end)
	if !ok {
		noScript(w)
		return
	}
	f := s.findShared(sharedScript{number, event})
	w.Header().Set("Cache-Control", "public, max-age=86400, must-revalidate")
	serveScript(w, r, f)
}

// serveOwn answers with a site's own script.
func (s *scripts) serveOwn(w http.ResponseWriter, r *http.Request, id, event string) {
	site, ok := s.site(id)
	if !ok {
		noScript(w)
		return
	}
	is := site.Script
	f := s.findOwn(tracker.Site{Domain: site.Domain, Endpoint: event,
		Outbound: is.OutboundLinks, Downloads: is.FileDownloads, Forms: is.FormSubmissions, Hash: is.Hash})
	h := w.Header()
	// A minute, so that a setting is soon in force. Caches in between must not alter what the ETag was made of.
	h.Set("Cache-Control", "public, max-age=60, no-transform")
	h.Set("CDN-Tag", "tracker_script::"+id)
	serveScript(w, r, f)
}

// findShared unpacks a script when it is first asked for.
func (s *scripts) findShared(key sharedScript) *file {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.shared[key]
	if f == nil {
		body, err := s.set.Shared(key.number, key.event)
		if err != nil {
			panic("web: internal error: " + err.Error()) // what is in the binary is broken
		}
		f = newScript(body)
		s.shared[key] = f
	}
	return f
}

func (s *scripts) findOwn(site tracker.Site) *file {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.own[site]
	if f == nil {
		f = newScript(s.set.Own(site))
		if len(s.own) >= maxOwnScripts {
			clear(s.own)
		}
		s.own[site] = f
	}
	return f
}

func newScript(body []byte) *file {
	f, err := newFile("script.js", body)
	if err != nil {
		panic("web: internal error: " + err.Error()) // memory takes everything
	}
	f.kind = "application/javascript"
	return f
}

func serveScript(w http.ResponseWriter, r *http.Request, f *file) {
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	h.Set("X-Content-Type-Options", "nosniff")
	f.serve(w, r)
}

func noScript(w http.ResponseWriter) { http.Error(w, "Not found", http.StatusNotFound) }
