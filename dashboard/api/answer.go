package api

import (
	"encoding/json"
	"strconv"
	"strings"

	"footfall/storage/query"
)

// Answer is the answer to one query. The order of its fields is that of the API.
type Answer struct {
	Results    []AnswerRow `json:"results"`
	Meta       Meta        `json:"meta"`
	Query      *Echo       `json:"query"`
	Comparison *Answer     `json:"comparison,omitempty"` // the dashboard's only
}

// AnswerRow is one group.
type AnswerRow struct {
	Metrics    []json.RawMessage `json:"metrics"`
	Dimensions []string          `json:"dimensions"`
}

// Meta is what the answer says about itself; its keys are sorted.
type Meta struct {
	ImportsIncluded   *bool  `json:"imports_included,omitempty"`
	ImportsSkipReason string `json:"imports_skip_reason,omitempty"`
	// OtherValues tells, by dimension of the query, how many values the row "(other)" stands for.
	OtherValues  map[string]int64 `json:"other_values,omitempty"`
	PresentIndex *int             `json:"present_index,omitempty"` // the dashboard's only
	TimeLabels   []string         `json:"time_labels,omitempty"`
	TotalRows    *int             `json:"total_rows,omitempty"`
}

// Answer shows a result as asked for.
func (a *Asked) Answer(r query.Result) *Answer {
	answer := &Answer{Results: rows(a.Query, r.Rows), Query: &a.Echo}
	in := a.Echo.Include
	if in.Imports {
		// What `footfall import` read is part of the data proper, so there is never anything beside it.
		none := false
		answer.Meta.ImportsIncluded, answer.Meta.ImportsSkipReason = &none, "no_imported_data"
	}
	if in.TimeLabels {
		answer.Meta.TimeLabels = a.Labels
	}
	if in.TotalRows {
		answer.Meta.TotalRows = &r.Total
	}
	return answer
}

// AnswerApp shows a result and, if it was asked for, that of the period before, as the dashboard reads it.
func (a *Asked) AnswerApp(r query.Result, before *query.Result) *Answer {
	answer := a.Answer(r)
	if a.Present >= 0 {
		answer.Meta.PresentIndex = &a.Present
	}
	if a.Before != nil && before != nil {
		matched := before.Rows
		if a.Before.Limit != a.Query.Limit || a.Before.Offset != a.Query.Offset {
			matched = matching(before.Rows, r.Rows)
		}
		answer.Comparison = &Answer{Results: rows(*a.Before, matched), Query: a.BeforeEcho, Meta: Meta{TimeLabels: a.BeforeLabels}}
	}
	return answer
}

// matching picks the rows whose dimensions are among those of page.
func matching(all, page []query.Row) []query.Row {
	shown := make(map[string]bool, len(page))
	key := func(r query.Row) string { return strings.Join(r.Dimensions, "\x00") }
	for _, r := range page {
		shown[key(r)] = true
	}
	var list []query.Row
	for _, r := range all {
		if shown[key(r)] {
			list = append(list, r)
		}
	}
	return list
}

func rows(q query.Query, from []query.Row) []AnswerRow {
	list := make([]AnswerRow, len(from))
	empty := make([]string, len(q.Dimensions))
	for i, d := range q.Dimensions {
		empty[i] = emptyLabel(d)
	}
	for i, r := range from {
		row := AnswerRow{Metrics: make([]json.RawMessage, len(r.Metrics)), Dimensions: make([]string, len(r.Dimensions))}
		for j, v := range r.Metrics {
			row.Metrics[j] = number(q.Metrics[j], v)
		}
		for j, v := range r.Dimensions {
			if v == "" {
				v = empty[j]
			}
			row.Dimensions[j] = v
		}
		list[i] = row
	}
	return list
}

// number writes a metric's value: ratios always with a decimal point, so that clients with typed numbers see one type, all else without.
func number(m query.Metric, v query.Value) json.RawMessage {
	if v.Null {
		return json.RawMessage("null")
	}
	b := strconv.AppendFloat(nil, v.Number, 'f', -1, 64)
	ratio := m == query.Percentage || m == query.ViewsPerVisit
	if ratio && v.Number == float64(int64(v.Number)) {
		b = append(b, ".0"...)
	}
	return b
}
