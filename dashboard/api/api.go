// Package api answers programs and the dashboard's page: the Stats API v2, and under /api/app/ what the page itself needs. Every
// number it gives comes from one query.Query, read by Parse, so HTTP, the page and the command line cannot differ.
//
// Routes lists what it serves and who may come in; package web mounts the list.
package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"strings"
	"time"

	"footfall/dashboard/auth"
	"footfall/storage"
	"footfall/storage/account"
	"footfall/storage/query"
	"footfall/storage/schema"
	"footfall/storage/verb"
)

// Engine answers queries. The same Query gives the same Result from every Engine. Its errors are query.ErrInvalid,
// the context's, or the engine's own trouble. An engine that computes too long ends with context.DeadlineExceeded by itself.
type Engine interface {
	Query(ctx context.Context, q query.Query) (query.Result, error)
	// QueryAll answers queries about one site, in their order, at about the price of the dearest.
	QueryAll(ctx context.Context, queries ...query.Query) ([]query.Result, error)
}

// Store is what the API asks about sites beside queries, and changes of them. All methods are safe for concurrent use; those that only ask
// are cheap.
type Store interface {
	Engine
	Rules
	// AddSite makes a site with all it needs.
	AddSite(ctx context.Context, domain, timezone string) (account.Site, error)
	// SetTimezone lets a site's days end by another zone from some day on.
	SetTimezone(ctx context.Context, site schema.Site, timezone string) (account.Site, error)
	// SetRetention keeps so many days of a site before today, 0 for all, and drops what is older; Overdue tells what that would be.
	SetRetention(ctx context.Context, site schema.Site, days int, by string) (storage.Holdings, error)
	Overdue(site schema.Site, days int) (over storage.Holdings, held bool, err error)
	// ResetSite destroys the data of a site, RemoveSite the site with them.
	ResetSite(ctx context.Context, site schema.Site, by string) error
	RemoveSite(ctx context.Context, site schema.Site, by string) error
	// Delete deletes some of a site's events; PreviewDelete tells what that would be. Both may take long.
	Delete(ctx context.Context, d storage.Deletion, code string, progress func(done, total int64)) (storage.Deleted, error)
	PreviewDelete(ctx context.Context, d storage.Deletion, progress func(done, total int64)) (storage.Deleted, error)
	// Span returns the first and last day that holds data.
	Span(site schema.Site) (first, last schema.Date, ok bool)
	// Count returns how many events that count the site ever had.
	Count(site schema.Site) int64
	// Current returns the distinct visitors of the last five minutes.
	Current(site schema.Site, now time.Time) int
	// Folded returns, by dimension, how many values from first to last are counted as day.Other, since their day had too many
	// different ones.
	Folded(site schema.Site, first, last schema.Date) map[string]int64
}

// Config is what New needs.
type Config struct {
	Store   Store
	Book    *account.Book
	Auth    *auth.Auth
	Version string
	// Snapshots are those of the server, nil if it streams none.
	Snapshots *verb.Streaming
	// Siteless returns, by reason, how many requests since the start belong to no site: they name one that is not set up here, or are no
	// events. nil is none.
	Siteless func() map[string]int64
	Doctor   func(context.Context) []verb.Finding // all that is looked at when somebody asks
	Watched  []verb.Examiner                      // what is looked at all the time; it must be cheap
	// ScriptPaths are where the tracking script is served too; the dashboard tells people the first.
	ScriptPaths []string
	Logger      *slog.Logger     // nil is slog.Default
	Now         func() time.Time // nil is time.Now
}

// API is safe for concurrent use.
type API struct {
	store       Store
	book        *account.Book
	auth        *auth.Auth
	version     string
	snapshots   *verb.Streaming
	siteless    func() map[string]int64
	doctor      func(context.Context) []verb.Finding
	watched     []verb.Examiner
	scriptPaths []string
	started     time.Time
	log         *slog.Logger
	now         func() time.Time
}

// New makes an API.
func New(cfg Config) *API {
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &API{cfg.Store, cfg.Book, cfg.Auth, cfg.Version, cfg.Snapshots, cfg.Siteless, cfg.Doctor, cfg.Watched, cfg.ScriptPaths, cfg.Now(), cfg.Logger, cfg.Now}
}

// Access says what lets a request in.
type Access string

// The kinds of access. Browser routes must also be same-origin; token routes carry no cookie, so they need not be.
const (
	Public Access = "public" // nothing
	Login  Access = "login"  // a login cookie, or a demo where reading is enough
	Token  Access = "token"  // a bearer token
)

// Route is one thing the API answers.
type Route struct {
	Method, Path string // Path is a pattern of http.ServeMux
	Access       Access
	Handler      http.HandlerFunc
}

// Routes lists everything the API answers.
func (a *API) Routes() []Route {
	return []Route{
		{"POST", "/api/v2/query", Token, a.queryV2},
		{"PUT", "/api/v1/sites/{site_id}", Token, a.forProgram(a.changeSite)},
		{"DELETE", "/api/v1/sites/{site_id}", Token, a.forProgram(a.deleteSite)},
		{"POST", "/api/v1/sites/{site_id}/reset", Token, a.forProgram(a.resetSite)},
		{"POST", "/api/v1/sites/{site_id}/deletions", Token, a.forProgram(a.deleteEvents)},
		{"GET", "/api/app/state", Public, a.state},
		{"GET", "/api/app/system", Login, a.system},
		{"GET", "/api/app/doctor", Login, a.examine},
		{"POST", "/api/app/setup", Public, a.setup},
		{"POST", "/api/app/login", Public, a.login},
		{"POST", "/api/app/logout", Public, a.logout},
		{"POST", "/api/app/sites", Login, a.postSite},
		{"PUT", "/api/app/sites/{domain}", Login, a.forSite(a.putSite)},
		{"GET", "/api/app/sites/{domain}/status", Login, a.forSite(a.status)},
		{"GET", "/api/app/sites/{domain}/current", Login, a.forSite(a.current)},
		{"GET", "/api/app/sites/{domain}/filtered", Login, a.forSite(a.filtered)},
		{"POST", "/api/app/sites/{domain}/query", Login, a.forSite(a.queryApp)},
		{"GET", "/api/app/sites/{domain}/rules", Login, a.forRules(a.listRules)},
		{"POST", "/api/app/sites/{domain}/rules", Login, a.forRules(a.addRule)},
		{"POST", "/api/app/sites/{domain}/rules/try", Login, a.forRules(a.tryRule)},
		{"PUT", "/api/app/sites/{domain}/rules/{id}", Login, a.forRules(a.putRule)},
		{"DELETE", "/api/app/sites/{domain}/rules/{id}", Login, a.forRules(a.deleteRule)},
		{"GET", "/api/app/sites/{domain}/ignore-link", Login, a.forRules(a.link)},
		{"POST", "/api/app/sites/{domain}/ignore-link", Login, a.forRules(a.newLink)},
	}
}

const (
	// maxForm is the body of everything but queries: a few short fields.
	maxForm = 16 << 10
)

// queryV2 checks in the order clients rely on: key, site named, site known, query.
func (a *API) queryV2(w http.ResponseWriter, r *http.Request) {
	caller, err := a.auth.Bearer(r)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	body, err := readBody(w, r, MaxBody)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	object := map[string]any{} // a body of another type is not read, so it names no site
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind == "application/json" || strings.HasSuffix(kind, "+json") {
		if object, err = decodeObject(body); err != nil {
			a.fail(w, r, err)
			return
		}
	}
	site, err := a.namedSite(caller, object)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	asked, err := parseObject(object, a.options(site, true))
	if err != nil {
		a.fail(w, r, err)
		return
	}
	result, err := a.store.Query(r.Context(), asked.Query)
	if err != nil {
		a.fail(w, r, fmt.Errorf("answer query: %w", err))
		return
	}
	answer := asked.Answer(result)
	a.noteFolded(answer, &asked.Query)
	a.send(w, http.StatusOK, answer)
}

// noteFolded says in an answer where values of its dimensions are not told apart.
func (a *API) noteFolded(answer *Answer, q *query.Query) {
	first, last := q.Range.Dates(q.Calendar)
	folded := a.store.Folded(q.Site, first, last)
	for _, d := range q.Dimensions {
		name := string(d)
		if _, prop := d.Prop(); prop {
			name = strings.TrimSuffix(schema.PropPrefix, ":")
		}
		if n := folded[name]; n > 0 {
			if answer.Meta.OtherValues == nil {
				answer.Meta.OtherValues = map[string]int64{}
			}
			answer.Meta.OtherValues[string(d)] = n
		}
	}
}

// namedSite finds the site a public query names. An unknown site and one that is not the caller's are the same.
func (a *API) namedSite(caller auth.Caller, object map[string]any) (account.Site, error) {
	switch domain := object["site_id"].(type) {
	case nil:
		return account.Site{}, refuse("%s", textNoSite)
	case string:
		if domain == "" {
			return account.Site{}, refuse("%s", textNoSite)
		}
		if site, ok := a.book.SiteByDomain(domain); ok && caller.MayRead(site) {
			return site, nil
		}
		return account.Site{}, auth.ErrWrongToken
	default:
		return account.Site{}, refuse("#/site_id: Type mismatch. Expected String but got %s.", typeName(domain))
	}
}

func (a *API) options(site account.Site, strict bool) Options {
	return Options{Site: site, Now: a.now(), Strict: strict, Start: start(a.store, site)}
}

// start finds where the range "all" begins.
func start(s Store, site account.Site) func() (schema.Date, bool) {
	return func() (schema.Date, bool) {
		first, _, ok := s.Span(site.ID)
		return first, ok
	}
}

// readBody reads a body of at most limit bytes.
func readBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	var long *http.MaxBytesError
	if err != nil && !errors.As(err, &long) {
		return nil, refuse("The request body did not arrive whole.")
	}
	return body, err
}

// readForm decodes a JSON object into v. Unknown fields are refused, so that a misspelt one is not silently ignored.
func readForm(w http.ResponseWriter, r *http.Request, v any) error {
	body, err := readBody(w, r, maxForm)
	if err != nil {
		return err
	}
	return decodeStrict(body, v)
}

func decodeStrict(body []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		if field, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
			return refuse("There is no field %s.", field)
		}
		return refuse("The request body is not the JSON that is expected here.")
	}
	if _, err := d.Token(); err != io.EOF {
		return refuse("The request body holds more than one JSON value.")
	}
	return nil
}

// send answers with JSON that no cache keeps.
func (a *API) send(w http.ResponseWriter, status int, v any) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		a.log.Error("encode answer", "error", err)
		http.Error(w, `{"error":"`+textInternal+`"}`, http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	w.Write(bytes.TrimSuffix(b.Bytes(), []byte("\n")))
}
