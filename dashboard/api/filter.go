package api

import (
	"encoding/json"
	"slices"
	"strings"

	"footfall/storage/query"
	"footfall/storage/schema"
)

const (
	goalDimension    = "event:goal"
	segmentDimension = "segment"
)

// parseFilter reads one filter tree. ok is false if the tree has a form that the schema does not know; what is
// well formed but cannot be answered is p's first refusal.
func (p *parser) parseFilter(v any, depth int) (f query.Filter, ok bool) {
	list, isList := v.([]any)
	if !isList || len(list) < 2 || depth > query.MaxDepth {
		return f, false
	}
	name, _ := list[0].(string)
	switch name {
	case "and", "or":
		args, isList := list[1].([]any)
		if !isList || len(args) == 0 || len(list) != 2 {
			return f, false
		}
		f.Op = query.Op(name)
		for _, a := range args {
			arg, ok := p.parseFilter(a, depth+1)
			if !ok {
				return f, false
			}
			f.Args = append(f.Args, arg)
		}
		return f, true
	case "not", "has_done", "has_not_done":
		if len(list) != 2 {
			return f, false
		}
		arg, ok := p.parseFilter(list[1], depth+1)
		if name != "not" {
			p.later("Behavioral filters (has_done, has_not_done) are not available on this server yet.")
		}
		return query.Filter{Op: query.Not, Args: []query.Filter{arg}}, ok
	}
	return p.parseLeaf(query.Op(name), list, v)
}

func (p *parser) parseLeaf(op query.Op, list []any, whole any) (f query.Filter, ok bool) {
	dimension, _ := list[1].(string)
	special := dimension == goalDimension || dimension == segmentDimension
	if !special && (!isDimension(dimension) || strings.HasPrefix(dimension, "time")) {
		return f, false
	}
	folds := true // whether the operator takes a modifier
	switch op {
	case query.Is, query.Contains:
	case query.IsNot, query.ContainsNot:
		if special {
			return f, false
		}
	case query.Matches, query.MatchesNot:
		if special {
			return f, false
		}
		folds = false
	default:
		return f, false
	}
	if len(list) < 3 || len(list) > 4 || len(list) == 4 && !folds {
		return f, false
	}
	clauses, isList := list[2].([]any)
	if !isList || len(clauses) == 0 {
		return f, false
	}
	f = query.Filter{Op: op, Dimension: query.Dimension(dimension)}
	if len(list) == 4 {
		if f.FoldCase, ok = parseModifier(list[3]); !ok {
			return f, false
		}
	}
	if f.Clauses, ok = p.parseClauses(dimension, clauses, whole); !ok {
		return f, false
	}
	switch {
	case dimension == segmentDimension:
		p.later("Invalid filters. Some segments don't exist or aren't accessible.")
	case dimension == goalDimension && op == query.Is && len(list) == 3:
		p.later("Invalid filters. The goal `%s` is not configured for this site.", f.Clauses[0])
	case dimension == goalDimension:
		p.later("Invalid filters. This server has no goals yet: `event:goal` cannot be filtered.")
	case unavailable[dimension] != "":
		p.later("%s", unavailable[dimension])
	}
	return f, true
}

// parseClauses reads the values of a leaf: strings, or for cities and segments integers. A mixture is well formed by the schema and
// refused after it.
func (p *parser) parseClauses(dimension string, list []any, whole any) (clauses []string, ok bool) {
	numbers := 0
	for _, c := range list {
		switch c := c.(type) {
		case string:
			clauses = append(clauses, c)
		case json.Number:
			if typeName(c) != "Integer" {
				return nil, false
			}
			numbers++
			clauses = append(clauses, c.String())
		default:
			return nil, false
		}
	}
	takesNumbers := dimension == "visit:city" || dimension == segmentDimension
	if numbers > 0 && (!takesNumbers || numbers < len(list)) {
		p.later("Invalid filter '%s'.", inspect(whole))
	}
	// The dashboard may ask for visits whose country is unknown.
	op, _ := whole.([]any)[0].(string)
	if dimension == "visit:country" && p.o.Strict && (op == "is" || op == "is_not") &&
		slices.ContainsFunc(clauses, func(c string) bool { return len(c) != 2 }) {
		p.later("Invalid visit:country filter, visit:country needs to be a valid 2-letter country code.")
	}
	return clauses, true
}

func parseModifier(v any) (fold, ok bool) {
	m, isObject := v.(map[string]any)
	if !isObject {
		return false, false
	}
	for k, x := range m {
		sensitive, isBool := x.(bool)
		if k != "case_sensitive" || !isBool {
			return false, false
		}
		fold = !sensitive
	}
	return fold, true
}

// unavailable names what the query language knows and this server does not answer yet.
var unavailable = map[string]string{
	goalDimension:                     "This server has no goals yet: `event:goal` is not available.",
	"visit:country_name":              "Dimension `visit:country_name` is not available on this server yet. Use `visit:country`.",
	"visit:region_name":               "Dimension `visit:region_name` is not available on this server yet. Use `visit:region`.",
	"visit:city_name":                 "Dimension `visit:city_name` is not available on this server yet. Use `visit:city`.",
	"scroll_depth":                    "Metric `scroll_depth` is not available on this server yet.",
	"time_on_page":                    "Metric `time_on_page` is not available on this server yet.",
	"total_revenue":                   "Metric `total_revenue` is not available on this server yet.",
	"average_revenue":                 "Metric `average_revenue` is not available on this server yet.",
	string(conversionRate):            "Metric `conversion_rate` is not available on this server yet.",
	"group_" + string(conversionRate): "Metric `group_conversion_rate` is not available on this server yet.",
}

const conversionRate query.Metric = "conversion_rate"

// isMetric and isDimension know the words of the query language, whether this server answers them or not.
func isMetric(s string) bool {
	return query.Metric(s).Known() || unavailable[s] != "" && !strings.Contains(s, ":")
}

func isDimension(s string) bool {
	return s == "time" || query.Dimension(s).Known() || unavailable[s] != "" && strings.Contains(s, ":")
}

// emptyLabel is what the answer shows for a dimension's empty value.
func emptyLabel(d query.Dimension) string {
	if _, ok := d.Prop(); ok {
		return schema.NoProp
	}
	if id, ok := schema.ByAPI(string(d)); ok {
		return schema.Columns[id].Empty
	}
	return ""
}
