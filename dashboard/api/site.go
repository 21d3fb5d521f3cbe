package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"footfall/dashboard/auth"
	"footfall/storage"
	"footfall/storage/account"
	"footfall/storage/schema"
)

// siteAnswer is what is told of a site.
type siteAnswer struct {
	Domain   string       `json:"domain"`
	Timezone string       `json:"timezone"` // in force now
	Created  time.Time    `json:"created"`
	Changes  []zoneAnswer `json:"timezone_changes,omitempty"` // still to come
	// Retention is how many days before today are kept, 0 and left out for all.
	Retention int          `json:"retention_days,omitempty"`
	Script    scriptAnswer `json:"script"`
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
	s := siteAnswer{Domain: site.Domain, Timezone: site.Timezone, Created: site.Created, Retention: site.Retention,
		Script: scriptAnswer(site.Script)}
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
	Timezone  *string         `json:"timezone"`
	Retention json.RawMessage `json:"retention_days"` // a number, or null to keep all
	Script    *scriptChange   `json:"script"`
	Confirm   string          `json:"confirm"` // the code of what goes with it
}

// putSite changes a site for the dashboard.
func (a *API) putSite(w http.ResponseWriter, r *http.Request, site account.Site) (any, error) {
	caller := a.auth.Caller(r)
	if !caller.MayChange(site) {
		return nil, auth.ErrAnonymous
	}
	return a.changeSite(w, r, caller, site)
}

// forProgram finds the site of the path and lets only programs in that may change it.
func (a *API) forProgram(answer func(w http.ResponseWriter, r *http.Request, caller auth.Caller, site account.Site) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		caller, err := a.auth.Bearer(r)
		site, ok := a.book.SiteByDomain(r.PathValue("site_id"))
		var v any
		switch {
		case err != nil:
		case !ok || !caller.MayRead(site):
			err = &refusal{http.StatusNotFound, textNoSuchSite}
		case !caller.MayChange(site):
			err = auth.ErrWrongToken
		default:
			v, err = answer(w, r, caller, site)
		}
		if err != nil {
			a.fail(w, r, err)
			return
		}
		a.send(w, http.StatusOK, v)
	}
}

func (a *API) changeSite(w http.ResponseWriter, r *http.Request, caller auth.Caller, site account.Site) (any, error) {
	var form siteChange
	if err := readForm(w, r, &form); err != nil {
		return nil, err
	}
	if form.Timezone == nil && form.Retention == nil && form.Script == nil {
		return nil, refuse("Payload must contain at least one of the parameters 'timezone', 'retention_days', 'script'")
	}
	var days int
	if form.Retention != nil {
		var err error
		if days, err = a.retention(&form, site); err != nil {
			return nil, err
		}
	}
	if form.Timezone != nil {
		if _, err := a.store.SetTimezone(r.Context(), site.ID, *form.Timezone); err != nil {
			return nil, err
		}
	}
	if form.Retention != nil {
		if _, err := a.store.SetRetention(r.Context(), site.ID, days, caller.Who()); err != nil {
			return nil, err
		}
	}
	if form.Script != nil {
		if err := a.book.ChangeScript(r.Context(), site.ID, form.Script.apply); err != nil {
			return nil, err
		}
	}
	site, _ = a.book.Site(site.ID)
	return describe(site, a.now()), nil
}

// retention reads how many days are to be kept. Where that drops some at once, the form must carry the code of what goes.
func (a *API) retention(form *siteChange, site account.Site) (days int, err error) {
	var number *int
	if json.Unmarshal(form.Retention, &number) != nil || number != nil && *number == 0 {
		return 0, refuse("retention_days: write how many days are kept, or null to keep all")
	}
	if number != nil {
		days = *number
	}
	if err := account.CheckRetention(days); err != nil {
		return 0, err
	}
	over, _, err := a.store.Overdue(site.ID, days)
	if err != nil {
		return 0, err
	}
	if code := retentionCode(days, over); over.Days > 0 && form.Confirm != code {
		return 0, &refusal{http.StatusConflict, fmt.Sprintf("To keep %d days drops %s with %s for ever. To do that, ask again with \"confirm\": \"%s\".",
			days, many(int64(over.Days), "day"), many(over.Events, "event"), code)}
	}
	return days, nil
}

// retentionCode stands for what goes when so many days are kept.
func retentionCode(days int, over storage.Holdings) string {
	return fmt.Sprintf("keep %d drop %d %d", days, over.Days, over.Events)
}

// resetSite destroys the data of a site for a program.
func (a *API) resetSite(_ http.ResponseWriter, r *http.Request, caller auth.Caller, site account.Site) (any, error) {
	return map[string]bool{"reset": true}, a.store.ResetSite(r.Context(), site.ID, caller.Who())
}

// deleteSite destroys a site for a program.
func (a *API) deleteSite(_ http.ResponseWriter, r *http.Request, caller auth.Caller, site account.Site) (any, error) {
	return map[string]bool{"deleted": true}, a.store.RemoveSite(r.Context(), site.ID, caller.Who())
}
