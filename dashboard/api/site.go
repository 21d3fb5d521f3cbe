package api

import (
	"fmt"
	"net/http"
	"time"

	"footfall/dashboard/auth"
	"footfall/storage/account"
	"footfall/storage/schema"
)

// siteAnswer is what is told of a site.
type siteAnswer struct {
	Domain   string       `json:"domain"`
	Timezone string       `json:"timezone"` // in force now
	Created  time.Time    `json:"created"`
	Changes  []zoneAnswer `json:"timezone_changes,omitempty"` // still to come
}

// zoneAnswer is a change of zone that is still to come.
type zoneAnswer struct {
	Timezone string      `json:"timezone"`
	First    schema.Date `json:"first_day"`
	Begins   time.Time   `json:"begins"` // the first instant of that day
	Hours    float64     `json:"hours"`  // how long that day is

	before string
}

// describe tells of a site as it is now. Of a zone that is not known it tells the name alone.
func describe(site account.Site, now time.Time) siteAnswer {
	s := siteAnswer{Domain: site.Domain, Timezone: site.Timezone, Created: site.Created}
	calendar, err := site.Calendar()
	if err != nil {
		return s
	}
	today := calendar.Date(now.Unix())
	s.Timezone = calendar.Zone(today).String()
	before := s.Timezone
	for _, c := range site.Changes {
		if c.First > today {
			begin := calendar.Start(c.First)
			s.Changes = append(s.Changes, zoneAnswer{c.Timezone, c.First, begin.UTC(), calendar.Start(c.First + 1).Sub(begin).Hours(), before})
			before = c.Timezone
		}
	}
	return s
}

// sentence says when the change takes place and what it does to its first day.
func (z zoneAnswer) sentence() string {
	first := fmt.Sprintf("%s begins at midnight of %s (%s) and has %v hours", z.First, z.before, z.Begins.Format(time.RFC3339), z.Hours)
	if z.Hours == 0 {
		first = fmt.Sprintf("%s is left out, since it is over there by then", z.First)
	}
	return fmt.Sprintf("from %s on the day ends at midnight of %s; %s", z.First, z.Timezone, first)
}

// siteChange is what a person or a program asks to change of a site.
type siteChange struct {
	Timezone *string `json:"timezone"`
}

// putSite changes a site for the dashboard.
func (a *API) putSite(w http.ResponseWriter, r *http.Request, site account.Site) (any, error) {
	if !a.auth.Caller(r).MayChange(site) {
		return nil, auth.ErrAnonymous
	}
	return a.changeSite(w, r, site)
}

// putSiteV1 changes a site for programs.
func (a *API) putSiteV1(w http.ResponseWriter, r *http.Request) {
	answer, err := a.forProgram(w, r)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	a.send(w, http.StatusOK, answer)
}

func (a *API) forProgram(w http.ResponseWriter, r *http.Request) (any, error) {
	caller, err := a.auth.Bearer(r)
	if err != nil {
		return nil, err
	}
	site, ok := a.book.SiteByDomain(r.PathValue("site_id"))
	if !ok || !caller.MayRead(site) {
		return nil, &refusal{http.StatusNotFound, textNoSuchSite}
	}
	if !caller.MayChange(site) {
		return nil, auth.ErrWrongToken
	}
	return a.changeSite(w, r, site)
}

func (a *API) changeSite(w http.ResponseWriter, r *http.Request, site account.Site) (any, error) {
	var form siteChange
	if err := readForm(w, r, &form); err != nil {
		return nil, err
	}
	if form.Timezone == nil {
		return nil, refuse("Payload must contain at least one of the parameters 'timezone'")
	}
	site, err := a.store.SetTimezone(r.Context(), site.ID, *form.Timezone)
	if err != nil {
		return nil, err
	}
	return describe(site, a.now()), nil
}
