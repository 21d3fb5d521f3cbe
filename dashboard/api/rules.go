package api

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"footfall/dashboard/auth"
	"footfall/storage"
	"footfall/storage/account"
	"footfall/storage/schema"
)

// Rules is what the API asks of storage about rules of sites beside their records.
type Rules interface {
	// DropCounts returns, by reason and day, what was not counted from first to last.
	DropCounts(site schema.Site, first, last schema.Date) map[string]map[schema.Date]int64
	// WatchCounts returns, by reason and day, what was counted although a rule in watch mode was about it; RuleCounts, by rule and day, what a rule was
	// about, whatever became of it.
	WatchCounts(site schema.Site, first, last schema.Date) map[string]map[schema.Date]int64
	RuleCounts(site schema.Site, first, last schema.Date) map[uint64]map[schema.Date]int64
	// IgnoreToken returns the token of the site's link not to be counted, NewIgnoreLink that of a new one in its place.
	IgnoreToken(site schema.Site) (string, error)
	NewIgnoreLink(ctx context.Context, r account.Rule) (string, error)
}

// ruleAnswer is a rule of a site.
type ruleAnswer struct {
	ID    uint64           `json:"id"` // 0: there is no such rule, and this is what holds without one
	Kind  account.RuleKind `json:"kind"`
	Value string           `json:"value"`
	Mode  account.RuleMode `json:"mode"`
	Note  string           `json:"note"`
	By    string           `json:"by"`             // who made it or changed it last: "user 1", "token 2", "command line"; empty without a rule
	Time  *time.Time       `json:"time"`           // when; null without a rule
	Count int64            `json:"count"`          // events of the last ruleDays days it was about: dropped, or would have been; of a rate, 0 without a rule
	Days  map[string]int64 `json:"days,omitempty"` // those with any
}

// kindAnswer is a kind of rules.
type kindAnswer struct {
	Kind   account.RuleKind `json:"kind"`
	One    bool             `json:"one"` // a site has one at most: adding another changes it
	Max    int              `json:"max"`
	Stored bool             `json:"stored"` // what it looks at is stored, so it can be tried on events that were counted
	Help   string           `json:"help"`
}

// rulesAnswer is GET /api/app/sites/{domain}/rules. The kinds of which a site has one are all there, with ID 0 where it has none.
type rulesAnswer struct {
	Rules []ruleAnswer `json:"rules"`
	Kinds []kindAnswer `json:"kinds"`
	Days  int          `json:"days"` // over which counts are
}

// ruleForm is the body of POST …/rules and PUT …/rules/{id}; PUT changes what is there, and the kind it cannot.
type ruleForm struct {
	Kind  account.RuleKind  `json:"kind"`
	Value *string           `json:"value"`
	Mode  *account.RuleMode `json:"mode"` // of a new rule: drop, if it is left out; of a kind of which a site has one, all that is left out stays
	Note  *string           `json:"note"`
}

// describeRule tells of a rule and of what it did from first to last.
func describeRule(r account.Rule, counts map[uint64]map[schema.Date]int64) ruleAnswer {
	a := ruleAnswer{ID: r.ID, Kind: r.Kind, Value: r.Value, Mode: r.Mode, Note: r.Note, By: r.By}
	if r.ID == 0 {
		return a
	}
	a.Time = &r.Time
	a.counted(counts[r.ID])
	return a
}

func (a *ruleAnswer) counted(days map[schema.Date]int64) {
	for date, n := range days {
		if a.Days == nil {
			a.Days = map[string]int64{}
		}
		a.Days[date.String()] = n
		a.Count += n
	}
}

// soleReasons are those that one kind of rules alone gives: what holds where a site has no rule is counted by them. The two rates share one.
var soleReasons = map[account.RuleKind]schema.Reason{
	account.RuleSpam: schema.ReasonSpamReferrer, account.RuleDataCentre: schema.ReasonDataCentre, account.RuleDevice: schema.ReasonIgnoredDevice,
}

// describeRules tells of all rules that are in force, those that nobody made among them.
func describeRules(site account.Site, rules *account.Rules, store Rules, now time.Time) (rulesAnswer, error) {
	first, last, err := lastDays(site, now, ruleDays)
	if err != nil {
		return rulesAnswer{}, err
	}
	answer, counts := rulesAnswer{Rules: []ruleAnswer{}, Days: ruleDays}, store.RuleCounts(site.ID, first, last)
	dropped := store.DropCounts(site.ID, first, last)
	for _, info := range account.RuleKinds {
		answer.Kinds = append(answer.Kinds, kindAnswer{info.Kind, info.One, info.Max, isStored(info.Kind), info.Help})
		if info.One {
			one := describeRule(rules.One(info.Kind), counts)
			if one.ID == 0 {
				one.counted(dropped[string(soleReasons[info.Kind])])
			}
			answer.Rules = append(answer.Rules, one)
			continue
		}
		for _, r := range rules.All() {
			if r.Kind == info.Kind {
				answer.Rules = append(answer.Rules, describeRule(r, counts))
			}
		}
	}
	return answer, nil
}

// lastDays returns the last n days of a site, today among them.
func lastDays(site account.Site, now time.Time, n int) (first, last schema.Date, err error) {
	calendar, err := site.Calendar()
	if err != nil {
		return 0, 0, err
	}
	last = calendar.Date(now.Unix())
	return last - schema.Date(n) + 1, last, nil
}

// forRules lets only those in who may change the site: who is blocked is told to nobody else.
func (a *API) forRules(answer func(w http.ResponseWriter, r *http.Request, caller auth.Caller, site account.Site) (any, error)) http.HandlerFunc {
	return a.forSite(func(w http.ResponseWriter, r *http.Request, site account.Site) (any, error) {
		caller := a.auth.Caller(r)
		if !caller.MayChange(site) {
			return nil, auth.ErrAnonymous
		}
		return answer(w, r, caller, site)
	})
}

func (a *API) listRules(_ http.ResponseWriter, _ *http.Request, _ auth.Caller, site account.Site) (any, error) {
	return describeRules(site, a.book.Rules(site.ID), a.store, a.now())
}

func (a *API) addRule(w http.ResponseWriter, r *http.Request, caller auth.Caller, site account.Site) (any, error) {
	var form ruleForm
	if err := readForm(w, r, &form); err != nil {
		return nil, err
	}
	rule := account.Rule{Mode: account.ModeDrop}
	if info, _ := form.Kind.Info(); info.One { // what is left out stays as it is
		rule = a.book.Rules(site.ID).One(form.Kind)
	}
	rule.Site, rule.Kind = site.ID, form.Kind
	form.fill(&rule)
	rule.By, rule.Time = caller.Who(), a.now()
	return a.ruled(site)(a.book.AddRule(r.Context(), rule))
}

func (a *API) putRule(w http.ResponseWriter, r *http.Request, caller auth.Caller, site account.Site) (any, error) {
	id, err := ruleID(r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	var form ruleForm
	if err := readForm(w, r, &form); err != nil {
		return nil, err
	}
	if form.Kind != "" {
		return nil, refuse("The kind of a rule stays what it is: remove the rule and add another.")
	}
	return a.ruled(site)(a.book.ChangeRule(r.Context(), site.ID, id, func(rule *account.Rule) {
		form.fill(rule)
		rule.By, rule.Time = caller.Who(), a.now()
	}))
}

func (a *API) deleteRule(_ http.ResponseWriter, r *http.Request, caller auth.Caller, site account.Site) (any, error) {
	id, err := ruleID(r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	return a.ruled(site)(a.book.RemoveRule(r.Context(), site.ID, id, caller.Who(), a.now()))
}

// ruled answers with a rule, or the error in words for a person.
func (a *API) ruled(site account.Site) func(account.Rule, error) (any, error) {
	return func(r account.Rule, err error) (any, error) {
		if err != nil {
			return nil, ruleError(err)
		}
		first, last, err := lastDays(site, a.now(), ruleDays)
		return describeRule(r, a.store.RuleCounts(site.ID, first, last)), err
	}
}

// ruleError says which rule is there already, or that there is none.
func ruleError(err error) error {
	switch {
	case errors.Is(err, account.ErrExists):
		return &refusal{http.StatusConflict, err.Error()}
	case errors.Is(err, account.ErrNotFound):
		return &refusal{http.StatusNotFound, textNoSuchRule}
	}
	return err
}

const textNoSuchRule = "There is no such rule."

func (f *ruleForm) fill(r *account.Rule) {
	if f.Value != nil {
		r.Value = *f.Value
	}
	if f.Mode != nil {
		r.Mode = *f.Mode
	}
	if f.Note != nil {
		r.Note = *f.Note
	}
}

func ruleID(text string) (uint64, error) {
	id, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, &refusal{http.StatusNotFound, textNoSuchRule}
	}
	return id, nil
}

// linkAnswer is the link by which a browser asks not to be counted.
type linkAnswer struct {
	URL    string `json:"url"`
	Works  bool   `json:"works"` // false: the rule is in watch mode or off
	Number string `json:"number"`
}

func ignoreLink(site account.Site, token string, rules *account.Rules) linkAnswer {
	rule := rules.One(account.RuleDevice)
	return linkAnswer{"https://" + site.Domain + "/?" + storage.IgnoreParam + "=" + token, rule.Mode == account.ModeDrop, rule.Value}
}

func (a *API) link(_ http.ResponseWriter, _ *http.Request, _ auth.Caller, site account.Site) (any, error) {
	token, err := a.store.IgnoreToken(site.ID)
	return ignoreLink(site, token, a.book.Rules(site.ID)), err
}

// newLink makes the links that were given out work no more.
func (a *API) newLink(_ http.ResponseWriter, r *http.Request, caller auth.Caller, site account.Site) (any, error) {
	token, err := a.store.NewIgnoreLink(r.Context(), account.Rule{Site: site.ID, By: caller.Who(), Time: a.now()})
	return ignoreLink(site, token, a.book.Rules(site.ID)), err
}
