// Package ingest turns a request into an event: [Handler] does it for live traffic, [Import] for files. Address and
// User-Agent of a request live only in this package and its children, in memory, for the one request: what goes on to
// storage is a number that means nothing after midnight and a few words such as "Firefox".
package ingest

import (
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"footfall/ingest/agent"
	"footfall/ingest/geo"
	"footfall/ingest/shield"
	"footfall/ingest/source"
	"footfall/ingest/visitor"
	"footfall/storage"
	"footfall/storage/account"
	"footfall/storage/day"
	"footfall/storage/schema"
)

// Config says what a Handler works with.
type Config struct {
	Store   *storage.Store
	Agents  *agent.Parser         // nil: as built into the program; the same for the next three
	Places  *geo.DB               // where addresses are
	Sources *source.Table         // names of sources
	Lists   *shield.Lists         // what is not counted
	Trusted func(netip.Addr) bool // proxies whose X-Forwarded-For counts; nil: none
	// Network returns the name of the network of proxies that holds an address, and Trusting the setting that makes one trusted. Both are for what
	// the operator is told, and may be nil.
	Network  func(netip.Addr) string
	Trusting func(network string) string
	Now      func() time.Time // nil: time.Now
	Logger   *slog.Logger     // nil: silent
}

// store is what live traffic needs of storage. Append queues one row and returns at once, in the order of its calls; the
// row is on disk when Wait returns nil. Its errors are those of storage.Store.
type store interface {
	Site(domain string) (account.Site, bool)
	Has(site schema.Site) bool
	Salt(site account.Site, day schema.Date) ([32]byte, error)
	OpenDay(site schema.Site, day schema.Date) (*day.Open, error)
	Append(o *day.Open, row day.Row) (storage.Commit, error)
	Dropped(site schema.Site, day schema.Date, reason string)
	Rules(site schema.Site) *account.Rules
	Ruled(site schema.Site, day schema.Date, reason string, rule uint64, watches bool)
	IsIgnoreToken(site schema.Site, token string) bool
}

// live makes a storage.Store a store.
type live struct{ *storage.Store }

func (s live) Site(domain string) (account.Site, bool) { return s.Accounts().SiteByDomain(domain) }

func (s live) Has(site schema.Site) bool {
	_, ok := s.Accounts().Site(site)
	return ok
}

func (s live) Append(o *day.Open, row day.Row) (storage.Commit, error) { return s.Store.Append(o, row) }

func (s live) Dropped(site schema.Site, d schema.Date, reason string) {
	s.Store.Dropped(site, d, reason, 1)
}

func (s live) Rules(site schema.Site) *account.Rules { return s.Accounts().Rules(site) }

func (s live) Ruled(site schema.Site, d schema.Date, reason string, rule uint64, watches bool) {
	s.Store.Ruled(site, d, reason, rule, watches, 1)
}

// Handler answers POST /api/event, POST /api/send, GET /pixel.gif and GET /api/error. It is safe for concurrent use.
type Handler struct {
	store    store
	book     *account.Book // of tokens; nil knows none
	agents   *agent.Parser
	places   *geo.DB
	sources  *source.Table
	lists    *shield.Lists
	shield   *shield.Shield
	trusted  func(netip.Addr) bool
	trusting func(network string) string
	census   *visitor.Census
	warned   atomic.Bool // that the census looks wrong
	clock    clock
	log      *slog.Logger

	counters counters
	bodies   sync.Pool     // of *[]byte
	large    chan struct{} // holds one token for every large body under way

	salting sync.Mutex // held from a look at the clock to the day's salt

	mu    sync.RWMutex // guards lanes
	lanes map[schema.Site]*lane
}

// New returns a handler that stores into cfg.Store.
func New(cfg Config) (*Handler, error) { return newHandler(cfg, live{cfg.Store}) }

func newHandler(cfg Config, s store) (*Handler, error) {
	var errs [4]error
	if cfg.Agents == nil {
		cfg.Agents, errs[0] = builtAgents()
	}
	if cfg.Places == nil {
		cfg.Places, errs[1] = BuiltPlaces()
	}
	if cfg.Sources == nil {
		cfg.Sources, errs[2] = BuiltSources()
	}
	if cfg.Lists == nil {
		cfg.Lists, errs[3] = BuiltLists(cfg.Places)
	}
	if err := errors.Join(errs[:]...); err != nil {
		return nil, err
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	var book *account.Book
	if cfg.Store != nil {
		book = cfg.Store.Accounts()
	}
	return &Handler{
		store: s, book: book, agents: cfg.Agents, places: cfg.Places, sources: cfg.Sources, trusted: cfg.Trusted,
		trusting: cfg.Trusting, census: visitor.NewCensus(cfg.Network),
		lists: cfg.Lists, shield: shield.New(shield.Config{Lists: cfg.Lists, Ignores: s.IsIgnoreToken}),
		clock: clock{now: cfg.Now, begun: cfg.Now(), log: cfg.Logger}, log: cfg.Logger,
		bodies: sync.Pool{New: func() any { b := make([]byte, 0, smallBody); return &b }},
		large:  make(chan struct{}, maxLargeBodies),
		lanes:  map[schema.Site]*lane{},
	}, nil
}

// ServeHTTP answers the paths of ingestion; the rest is not found.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header["Access-Control-Allow-Origin"] = allowOrigin
	header["Access-Control-Expose-Headers"] = exposeHeaders
	header["Access-Control-Allow-Credentials"] = allowCredentials
	var answer func(http.ResponseWriter, *http.Request)
	method := http.MethodPost
	switch r.URL.Path {
	case "/api/event":
		answer = h.event
	case "/api/send":
		answer = h.umami
	case "/pixel.gif":
		answer, method = h.pixel, http.MethodGet
	}
	switch {
	case r.Method == http.MethodOptions:
		h.preflight(header, r.URL.Path)
		w.WriteHeader(http.StatusNoContent)
	case r.URL.Path == "/api/error":
		w.WriteHeader(http.StatusOK)
	case answer == nil:
		http.NotFound(w, r)
	case r.Method == method, r.Method == http.MethodHead && method == http.MethodGet:
		answer(w, r)
	default:
		header.Set("Allow", method+", OPTIONS")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
	}
}

// preflight tells browsers what pages of other sites may send.
func (h *Handler) preflight(header http.Header, path string) {
	header.Set("Access-Control-Max-Age", "1728000")
	header.Set("Access-Control-Allow-Methods", "GET,POST,PUT,PATCH,DELETE,OPTIONS")
	allowed := "Authorization,Content-Type,Accept,Origin,User-Agent,DNT,Cache-Control,X-Mx-ReqToken,Keep-Alive,X-Requested-With,If-Modified-Since,X-CSRF-Token"
	if path == "/api/send" {
		allowed += ",X-Umami-Cache" // which comes with every request but the first
	}
	header.Set("Access-Control-Allow-Headers", allowed)
}

// Header values that every answer has. Nobody writes to them.
var (
	allowOrigin      = []string{"*"}
	exposeHeaders    = []string{""}
	allowCredentials = []string{"true"}
	plainText        = []string{"text/plain; charset=utf-8"}
	okBody           = []byte("ok")
)

// Counts says what became of the requests since the start. An event for two sites counts twice.
type Counts struct {
	Accepted int64                   // on disk and acknowledged
	Refused  int64                   // requests that a site could not take: answered 503, unless another site took them
	Dropped  map[shield.Reason]int64 // every reason is there
}

type counters struct {
	accepted, refused atomic.Int64
	dropped, siteless [len(schema.Reasons)]atomic.Int64 // siteless are those of dropped that have no site
}

// Snapshot returns the counts so far.
func (h *Handler) Snapshot() Counts {
	c := Counts{h.counters.accepted.Load(), h.counters.refused.Load(), make(map[shield.Reason]int64, len(schema.Reasons))}
	for i := range schema.Reasons {
		c.Dropped[schema.Reasons[i].Reason] = h.counters.dropped[i].Load()
	}
	return c
}

// Siteless returns how many of Counts.Dropped belong to no site, by reason.
func (h *Handler) Siteless() map[string]int64 {
	counts := map[string]int64{}
	for i := range schema.Reasons {
		counts[string(schema.Reasons[i].Reason)] = h.counters.siteless[i].Load()
	}
	return counts
}

// drop counts a hit that is not stored. A site of 0 is none.
func (h *Handler) drop(site schema.Site, d schema.Date, reason shield.Reason) {
	if i := reason.Index(); i >= 0 {
		h.counters.dropped[i].Add(1)
		if site == 0 {
			h.counters.siteless[i].Add(1)
		}
	}
	if site != 0 {
		h.store.Dropped(site, d, string(reason))
	}
}
