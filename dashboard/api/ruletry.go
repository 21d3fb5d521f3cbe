package api

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"footfall/dashboard/auth"
	"footfall/storage/account"
	"footfall/storage/query"
	"footfall/storage/schema"
)

// tryForm is the body of POST /api/app/sites/{domain}/rules/try: what a rule would have done to the events that were counted.
type tryForm struct {
	Kind  account.RuleKind `json:"kind"`
	Value string           `json:"value"`
	Hours int              `json:"hours"` // before now; 24 if left out
}

// tryAnswer says how many of the events that were counted a rule would have dropped. Reports of time on page are left out of both numbers. What the
// server never stores, such as addresses, it cannot look at again: Known is false then, and Advice says what to do instead.
type tryAnswer struct {
	Kind   account.RuleKind `json:"kind"`
	Value  string           `json:"value"` // as it would be stored
	From   time.Time        `json:"from"`
	To     time.Time        `json:"to"`
	Events int64            `json:"events"`
	Known  bool             `json:"known"`
	Would  int64            `json:"would_drop"`
	Top    []triedValue     `json:"top"`     // the commonest of what would go
	Watch  *watchedAnswer   `json:"watched"` // what a rule of that kind and value has seen, if there is one
	Advice string           `json:"advice"`
}

type triedValue struct {
	Value  string `json:"value"`
	Events int64  `json:"events"`
}

// watchedAnswer is what a rule that exists was about from a day on.
type watchedAnswer struct {
	Rule  uint64           `json:"rule"`
	Mode  account.RuleMode `json:"mode"`
	First schema.Date      `json:"first_day"`
	Count int64            `json:"count"`
}

// tryStore is what trying a rule asks of storage.
type tryStore interface {
	Engine
	Rules
}

func (a *API) tryRule(w http.ResponseWriter, r *http.Request, _ auth.Caller, site account.Site) (any, error) {
	var form tryForm
	if err := readForm(w, r, &form); err != nil {
		return nil, err
	}
	return tryRule(r.Context(), a.store, a.book.Rules(site.ID), site, form, a.now())
}

// isStored reports whether what a kind of rules looks at is stored with events.
func isStored(kind account.RuleKind) bool {
	return kind == account.RulePage || kind == account.RuleHost || kind == account.RuleCountry
}

func tryRule(ctx context.Context, store tryStore, rules *account.Rules, site account.Site, form tryForm, now time.Time) (*tryAnswer, error) {
	value, err := account.CleanRule(form.Kind, form.Value)
	if err != nil {
		return nil, err
	}
	if form.Hours == 0 {
		form.Hours = 24
	}
	if form.Hours < 1 || form.Hours > maxTried {
		return nil, refuse("A rule can be tried on the last 1 to %d hours.", maxTried)
	}
	from := now.Add(-time.Duration(form.Hours) * time.Hour)
	answer := &tryAnswer{Kind: form.Kind, Value: value, From: from.UTC().Truncate(time.Second), To: now.UTC().Truncate(time.Second), Top: []triedValue{}}
	if err := answer.watched(store, rules, site, from, now); err != nil {
		return nil, err
	}
	asked := query.Query{Site: site.ID, Range: query.Range{First: from.Unix(), Last: now.Unix()}, Metrics: []query.Metric{query.Events}}
	queries := []query.Query{asked}
	filter, dimension, some := ruleFilter(form.Kind, value, rules)
	if some {
		asked.Filters = []query.Filter{filter}
		queries = append(queries, asked)
		asked.Dimensions, asked.Limit = []query.Dimension{dimension}, triedTop
		queries = append(queries, asked)
	}
	results, err := store.QueryAll(ctx, queries...)
	if err != nil {
		return nil, fmt.Errorf("try rule: %w", err)
	}
	answer.Events, answer.Known = eventsOf(results[0]), isStored(form.Kind)
	answer.Advice = answer.advice(rules)
	if !some {
		return answer, nil
	}
	answer.Would = eventsOf(results[1])
	for _, row := range results[2].Rows {
		answer.Top = append(answer.Top, triedValue{row.Dimensions[0], int64(row.Metrics[0].Number)})
	}
	return answer, nil
}

func eventsOf(r query.Result) (n int64) {
	for _, row := range r.Rows {
		n += int64(row.Metrics[0].Number)
	}
	return n
}

// watched tells what a rule of that kind and value has seen in the days of the time.
func (t *tryAnswer) watched(store Rules, rules *account.Rules, site account.Site, from, to time.Time) error {
	calendar, err := site.Calendar()
	if err != nil {
		return err
	}
	first := calendar.Date(from.Unix())
	for _, r := range rules.All() {
		if info, _ := r.Kind.Info(); r.Kind == t.Kind && (info.One || r.Value == t.Value) {
			t.Watch = &watchedAnswer{Rule: r.ID, Mode: r.Mode, First: first}
			for _, n := range store.RuleCounts(site.ID, first, calendar.Date(to.Unix()))[r.ID] {
				t.Watch.Count += n
			}
		}
	}
	return nil
}

func (t *tryAnswer) advice(rules *account.Rules) string {
	switch {
	case t.Kind == account.RuleHost && slices.ContainsFunc(rules.All(), enforcedHost):
		return "The site counts only some hosts already: another one lets more through, and drops nothing."
	case t.Known:
		return ""
	case t.Watch == nil:
		return "What this rule looks at is not stored, so it cannot be tried on what is over. Add it in watch mode: it drops nothing then, and counts what it would have dropped."
	case t.Watch.Mode == account.ModeOff:
		return "What this rule looks at is not stored, so it cannot be tried on what is over. Put it in watch mode: it drops nothing then, and counts what it would have dropped."
	}
	return ""
}

func enforcedHost(r account.Rule) bool {
	return r.Kind == account.RuleHost && r.Mode == account.ModeDrop
}

// ruleFilter returns the filter that the events that a rule would drop satisfy, and what to name them by; some is false where none can be told, or there
// are none.
func ruleFilter(kind account.RuleKind, value string, rules *account.Rules) (f query.Filter, by query.Dimension, some bool) {
	switch kind {
	case account.RulePage:
		return query.Filter{Op: query.Matches, Dimension: "event:page", Clauses: []string{wildcards(value)}}, "event:page", true
	case account.RuleCountry:
		if value == account.UnknownCountry {
			value = ""
		}
		return query.Filter{Op: query.Is, Dimension: "visit:country", Clauses: []string{value}}, "visit:country", true
	case account.RuleHost:
		hosts := []string{value}
		for _, r := range rules.All() {
			if enforcedHost(r) {
				return f, "", false
			}
			if r.Kind == account.RuleHost && r.Mode == account.ModeWatch {
				hosts = append(hosts, r.Value)
			}
		}
		listed := query.Filter{Op: query.Matches, Dimension: "event:hostname", Clauses: []string{"(?i)" + wildcards(hosts...)}}
		return query.Filter{Op: query.Not, Args: []query.Filter{listed}}, "event:hostname", true
	}
	return f, "", false
}

// wildcards makes a regular expression of patterns of rules.
func wildcards(patterns ...string) string {
	alternatives := make([]string, len(patterns))
	for i, pattern := range patterns {
		parts := strings.Split(pattern, "*")
		for j := range parts {
			parts[j] = regexp.QuoteMeta(parts[j])
		}
		alternatives[i] = strings.Join(parts, ".*")
	}
	return "(?s)^(?:" + strings.Join(alternatives, "|") + ")$"
}
