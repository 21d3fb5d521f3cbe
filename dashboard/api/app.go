package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"footfall/dashboard/auth"
	"footfall/storage/account"
	"footfall/storage/query"
	"footfall/storage/schema"
)

type stateAnswer struct {
	Version string       `json:"version"`
	Demo    bool         `json:"demo"`
	Setup   bool         `json:"setup"`
	Add     bool         `json:"add"` // whether the caller may add sites
	User    *userAnswer  `json:"user"`
	Sites   []siteAnswer `json:"sites"`
	// ScriptPath is the first of the operator's own paths of the tracking script.
	ScriptPath string `json:"script_path,omitempty"`
}

type userAnswer struct {
	Email string `json:"email"`
}

func (a *API) stateFor(c auth.Caller) stateAnswer {
	s := stateAnswer{Version: a.version, Demo: a.auth.Demo(), Setup: a.auth.NeedsSetup(), Add: c.MayAddSites(), Sites: []siteAnswer{}}
	if len(a.scriptPaths) > 0 {
		s.ScriptPath = a.scriptPaths[0]
	}
	if u, ok := c.User(); ok {
		s.User = &userAnswer{u.Email}
	}
	if c.MayList() {
		for _, site := range a.book.Sites() {
			if c.MayRead(site) {
				s.Sites = append(s.Sites, describe(site, a.now()))
			}
		}
	}
	return s
}

func (a *API) state(w http.ResponseWriter, r *http.Request) {
	a.send(w, http.StatusOK, a.stateFor(a.auth.Caller(r)))
}

func (a *API) setup(w http.ResponseWriter, r *http.Request) {
	var form struct{ Token, Email, Password string }
	if err := readForm(w, r, &form); err != nil {
		a.fail(w, r, err)
		return
	}
	cookie, err := a.auth.Setup(r.Context(), a.auth.Peer(r), form.Token, form.Email, form.Password)
	a.opened(w, r, cookie, err)
}

func (a *API) login(w http.ResponseWriter, r *http.Request) {
	var form struct{ Email, Password string }
	if err := readForm(w, r, &form); err != nil {
		a.fail(w, r, err)
		return
	}
	cookie, err := a.auth.Login(r.Context(), a.auth.Peer(r), form.Email, form.Password, a.auth.Cookie(r))
	a.opened(w, r, cookie, err)
}

// opened answers a login: the cookie, and the state as it is from now on.
func (a *API) opened(w http.ResponseWriter, r *http.Request, cookie string, err error) {
	if err != nil {
		a.fail(w, r, err)
		return
	}
	a.auth.SetCookie(w, r, cookie)
	a.send(w, http.StatusOK, a.stateFor(a.auth.Opened(r.Context(), cookie)))
}

func (a *API) logout(w http.ResponseWriter, r *http.Request) {
	if cookie := a.auth.Cookie(r); cookie != "" {
		if err := a.auth.Logout(r.Context(), cookie); err != nil {
			a.fail(w, r, err)
			return
		}
		a.auth.SetCookie(w, r, "")
	}
	a.send(w, http.StatusOK, struct{}{})
}

func (a *API) postSite(w http.ResponseWriter, r *http.Request) {
	if !a.auth.Caller(r).MayAddSites() {
		a.fail(w, r, auth.ErrAnonymous)
		return
	}
	var form struct{ Domain, Timezone string }
	if err := readForm(w, r, &form); err != nil {
		a.fail(w, r, err)
		return
	}
	site, err := a.store.AddSite(r.Context(), form.Domain, form.Timezone)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	a.send(w, http.StatusCreated, describe(site, a.now()))
}

// forSite finds the site of the path and lets only those in who may read it. To everyone else it does not exist.
func (a *API) forSite(answer func(w http.ResponseWriter, r *http.Request, site account.Site) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		caller := a.auth.Caller(r)
		if !caller.MayList() {
			a.fail(w, r, auth.ErrAnonymous)
			return
		}
		site, ok := a.book.SiteByDomain(r.PathValue("domain"))
		if !ok || !caller.MayRead(site) {
			a.fail(w, r, account.ErrNotFound)
			return
		}
		v, err := answer(w, r, site)
		if err != nil {
			a.fail(w, r, err)
			return
		}
		a.send(w, http.StatusOK, v)
	}
}

type statusAnswer struct {
	Events   int64       `json:"events"`
	First    *string     `json:"first"`
	Last     *string     `json:"last"`
	Now      string      `json:"now"`
	Today    schema.Date `json:"today"` // which the clock of the zone may not show yet, or show again, after a change of it
	Timezone string      `json:"timezone"`
}

func (a *API) status(_ http.ResponseWriter, _ *http.Request, site account.Site) (any, error) {
	calendar, err := site.Calendar()
	if err != nil {
		return nil, err
	}
	now := a.now()
	s := statusAnswer{Events: a.store.Count(site.ID), Now: now.UTC().Format(time.RFC3339), Today: calendar.Date(now.Unix())}
	s.Timezone = calendar.Zone(s.Today).String()
	if first, last, ok := a.store.Span(site.ID); ok {
		f, l := first.String(), last.String()
		s.First, s.Last = &f, &l
	}
	return s, nil
}

func (a *API) current(_ http.ResponseWriter, _ *http.Request, site account.Site) (any, error) {
	return map[string]int{"visitors": a.store.Current(site.ID, a.now())}, nil
}

// queryApp answers the queries of one page in one request.
func (a *API) queryApp(w http.ResponseWriter, r *http.Request, site account.Site) (any, error) {
	body, err := readBody(w, r, MaxBody)
	if err != nil {
		return nil, err
	}
	var batch struct {
		Queries []json.RawMessage `json:"queries"`
	}
	if err := decodeStrict(body, &batch); err != nil {
		return nil, err
	}
	if len(batch.Queries) > MaxBatch {
		return nil, refuse("One request can hold at most %d queries.", MaxBatch)
	}
	options := a.options(site, false)
	asked := make([]*Asked, len(batch.Queries))
	var queries []query.Query
	for i, q := range batch.Queries {
		if asked[i], err = Parse(q, options); err != nil {
			return nil, fmt.Errorf("query %d: %w", i, err)
		}
		queries = append(queries, asked[i].Query)
		if asked[i].Before != nil {
			queries = append(queries, *asked[i].Before)
		}
	}
	results, err := a.store.QueryAll(r.Context(), queries...)
	if err != nil {
		return nil, err
	}
	answers := make([]*Answer, len(asked))
	for i, q := range asked {
		result := results[0]
		results = results[1:]
		var before *query.Result
		if q.Before != nil {
			before, results = &results[0], results[1:]
		}
		answers[i] = q.AnswerApp(result, before)
		a.noteFolded(answers[i], &q.Query)
	}
	return map[string]any{"results": answers}, nil
}
