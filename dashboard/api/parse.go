package api

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"footfall/storage/account"
	"footfall/storage/query"
	"footfall/storage/schema"
)

// Options say who asks, about what, and when.
type Options struct {
	Site account.Site
	Now  time.Time
	// Start returns the site's first day with data; the range "all" begins there. Nil is a site without data.
	Start func() (first schema.Date, ok bool)
	// Strict reads the public form of /api/v2/query, which names its site. Otherwise the body is the dashboard's own: it has no
	// site_id and may have compare.
	Strict bool
}

// Asked is a query as it was understood.
type Asked struct {
	Query query.Query
	Echo  Echo
	// Labels lists the time buckets of the range if include.time_labels asks for them.
	Labels []string
	// Present is the index in Labels of the bucket that holds now, or -1.
	Present int
	// Before is the same query for the period before, if compare asks for it and there is such a period.
	Before       *query.Query
	BeforeEcho   *Echo
	BeforeLabels []string
}

// Echo tells the caller how the query was understood. The order of its fields is the order of the answer.
type Echo struct {
	SiteID     string      `json:"site_id"`
	Metrics    []string    `json:"metrics"`
	DateRange  [2]string   `json:"date_range"`
	Filters    []any       `json:"filters"`
	Dimensions []string    `json:"dimensions"`
	OrderBy    [][2]string `json:"order_by"`
	Include    Include     `json:"include"`
	Pagination Pagination  `json:"pagination"`
}

// Include says what the answer holds beside rows.
type Include struct {
	Imports    bool `json:"imports,omitempty"`
	TimeLabels bool `json:"time_labels,omitempty"`
	TotalRows  bool `json:"total_rows,omitempty"`
	Trim       bool `json:"trim_relative_date_range,omitempty"`
}

// Pagination cuts a page out of the rows.
type Pagination struct {
	Limit  int `json:"limit"`
	Offset int `json:"offset"`
}

// Parse reads the body of a query. Its errors are for the person who wrote the body, and mean HTTP status 400.
func Parse(body []byte, o Options) (*Asked, error) {
	object, err := decodeObject(body)
	if err != nil {
		return nil, err
	}
	return parseObject(object, o)
}

// decodeObject decodes one JSON object and nothing after it. Numbers stay as they are written.
func decodeObject(body []byte) (map[string]any, error) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, refuse("The request body is not valid JSON.")
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, refuse("The request body holds more than one JSON value.")
	}
	object, ok := v.(map[string]any)
	if !ok {
		return nil, refuse("#: Type mismatch. Expected Object but got %s.", typeName(v))
	}
	return object, nil
}

// parser collects what is wrong with a body: first all that breaks the schema, then the first thing that cannot be answered.
type parser struct {
	o      Options
	clock  clock
	issues []string
	first  error

	asked   *Asked
	ranged  string // the name of a named date range
	dims    []string
	orders  []orderEntry
	compare bool
}

type orderEntry struct {
	by   string
	desc bool
}

// issue records a break of the schema at a JSON pointer.
func (p *parser) issue(pointer, format string, args ...any) {
	p.issues = append(p.issues, pointer+": "+refuse(format, args...).Error())
}

// later records what is well formed but refused; the first such thing is told.
func (p *parser) later(format string, args ...any) {
	if p.first == nil {
		p.first = refuse(format, args...)
	}
}

func newParser(o Options) (*parser, error) {
	calendar, err := o.Site.Calendar()
	if err != nil {
		return nil, err
	}
	if o.Start == nil {
		o.Start = func() (schema.Date, bool) { return 0, false }
	}
	p := &parser{o: o, clock: newClock(o.Now, calendar, o.Start), asked: &Asked{Present: -1}}
	p.asked.Query = query.Query{Site: o.Site.ID, Calendar: calendar}
	p.asked.Echo = Echo{SiteID: o.Site.Domain, Metrics: []string{}, Filters: []any{}, Dimensions: []string{}}
	return p, nil
}

func parseObject(object map[string]any, o Options) (*Asked, error) {
	p, err := newParser(o)
	if err != nil {
		return nil, err
	}
	p.required(object)
	p.metrics(object)
	p.dateRange(object)
	p.dimensions(object)
	p.filters(object)
	p.orderBy(object)
	p.include(object)
	p.pagination(object)
	if len(p.issues) > 0 {
		return nil, refuse("%s", strings.Join(p.issues, "\n"))
	}
	if err := p.finish(); err != nil {
		return nil, err
	}
	return p.asked, nil
}

func (p *parser) required(object map[string]any) {
	need := []string{"site_id", "metrics", "date_range"}
	known := []string{"dimensions", "filters", "order_by", "include", "pagination"}
	if !p.o.Strict {
		need, known = need[1:], append(known, "compare")
	}
	var missing []string
	for _, k := range need {
		if _, ok := object[k]; !ok {
			missing = append(missing, k)
		}
	}
	switch len(missing) {
	case 0:
	case 1:
		p.issue("#", "Required property %s was not present.", missing[0])
	default:
		p.issue("#", "Required properties %s were not present.", strings.Join(missing, ", "))
	}
	p.unknown("#", object, append(known, need...))
	if id, ok := object["site_id"]; ok && p.o.Strict {
		if _, ok := id.(string); !ok {
			p.mismatch("#/site_id", "String", id)
		}
	}
	if v, ok := object["compare"]; ok && !p.o.Strict {
		if p.compare, ok = v.(bool); !ok {
			p.mismatch("#/compare", "Boolean", v)
		}
	}
}

func (p *parser) unknown(pointer string, object map[string]any, known []string) {
	for _, k := range slices.Sorted(maps.Keys(object)) {
		if !slices.Contains(known, k) {
			k = inspect(k)
			p.issue(pointer+"/"+k[1:len(k)-1], "Schema does not allow additional properties.")
		}
	}
}

func (p *parser) mismatch(pointer, want string, got any) {
	p.issue(pointer, "Type mismatch. Expected %s but got %s.", want, typeName(got))
}

// list returns the array under key, and checks its length and that no item comes twice.
func (p *parser) list(object map[string]any, key string, least int, unique bool) []any {
	v, ok := object[key]
	if !ok {
		return nil
	}
	list, ok := v.([]any)
	if !ok {
		p.mismatch("#/"+key, "Array", v)
		return nil
	}
	if len(list) < least {
		p.issue("#/"+key, "Expected a minimum of %d items but got %d.", least, len(list))
	}
	if unique {
		seen := map[string]bool{}
		for _, e := range list {
			if s, ok := e.(string); ok && seen[s] {
				p.issue("#/"+key, "Expected items to be unique but they were not.")
				break
			} else if ok {
				seen[s] = true
			}
		}
	}
	return list
}

func (p *parser) metrics(object map[string]any) {
	for i, v := range p.list(object, "metrics", 1, true) {
		s, _ := v.(string)
		if !isMetric(s) {
			p.issue("#/metrics/"+strconv.Itoa(i), "Invalid metric %s", inspect(v))
			continue
		}
		p.asked.Query.Metrics = append(p.asked.Query.Metrics, query.Metric(s))
		p.asked.Echo.Metrics = append(p.asked.Echo.Metrics, s)
	}
}

func (p *parser) dateRange(object map[string]any) {
	v, ok := object["date_range"]
	if !ok {
		return
	}
	r := &p.asked.Query.Range
	switch v := v.(type) {
	case string:
		var err error
		if *r, ok, err = p.clock.span(v); err != nil {
			p.first = err
		}
		p.ranged = v
	case []any:
		ok = len(v) == 2
		if ok {
			a, isText1 := v[0].(string)
			b, isText2 := v[1].(string)
			if ok = isText1 && isText2; ok {
				*r, ok = p.clock.between(a, b)
			}
		}
	default:
		ok = false
	}
	if !ok {
		p.issue("#/date_range", "Invalid date range %s", inspect(v))
	}
}

func (p *parser) dimensions(object map[string]any) {
	for i, v := range p.list(object, "dimensions", 0, true) {
		s, _ := v.(string)
		if !isDimension(s) {
			p.issue("#/dimensions/"+strconv.Itoa(i), "Invalid dimension %s", inspect(v))
			continue
		}
		p.dims = append(p.dims, s)
	}
}

func (p *parser) filters(object map[string]any) {
	list := p.list(object, "filters", 0, false)
	for i, v := range list {
		f, ok := p.parseFilter(v, 1)
		if !ok {
			p.issue("#/filters/"+strconv.Itoa(i), "Invalid filter %s", inspect(v))
			continue
		}
		p.asked.Query.Filters = append(p.asked.Query.Filters, f)
	}
	if len(list) > 0 {
		p.asked.Echo.Filters = list
	}
}

func (p *parser) orderBy(object map[string]any) {
	for i, v := range p.list(object, "order_by", 0, false) {
		pointer := "#/order_by/" + strconv.Itoa(i)
		pair, ok := v.([]any)
		if !ok || len(pair) != 2 {
			p.issue(pointer, "Invalid value in order_by %s", inspect(v))
			continue
		}
		by, _ := pair[0].(string)
		if by == goalDimension || !isMetric(by) && !isDimension(by) {
			p.issue(pointer+"/0", "Invalid value in order_by %s", inspect(pair[0]))
			continue
		}
		direction, _ := pair[1].(string)
		if direction != "asc" && direction != "desc" {
			p.issue(pointer+"/1", "Invalid value in order_by %s", inspect(pair[1]))
			continue
		}
		p.orders = append(p.orders, orderEntry{by, direction == "desc"})
	}
}

func (p *parser) include(object map[string]any) {
	v, ok := object["include"]
	if !ok {
		return
	}
	m, ok := v.(map[string]any)
	if !ok {
		p.mismatch("#/include", "Object", v)
		return
	}
	in := &p.asked.Echo.Include
	fields := map[string]*bool{"imports": &in.Imports, "time_labels": &in.TimeLabels, "total_rows": &in.TotalRows, "trim_relative_date_range": &in.Trim}
	p.unknown("#/include", m, slices.Collect(maps.Keys(fields)))
	for _, k := range slices.Sorted(maps.Keys(fields)) {
		if v, ok := m[k]; ok {
			if *fields[k], ok = v.(bool); !ok {
				p.mismatch("#/include/"+k, "Boolean", v)
			}
		}
	}
}

func (p *parser) pagination(object map[string]any) {
	out := &p.asked.Echo.Pagination
	out.Limit = MaxRows
	v, ok := object["pagination"]
	if !ok {
		return
	}
	m, ok := v.(map[string]any)
	if !ok {
		p.mismatch("#/pagination", "Object", v)
		return
	}
	p.unknown("#/pagination", m, []string{"limit", "offset"})
	p.number(m, "limit", 1, MaxRows, &out.Limit)
	p.number(m, "offset", 0, MaxOffset, &out.Offset)
}

func (p *parser) number(m map[string]any, key string, least, most int64, to *int) {
	v, ok := m[key]
	if !ok {
		return
	}
	pointer := "#/pagination/" + key
	number, ok := v.(json.Number)
	if !ok || typeName(number) != "Integer" {
		p.mismatch(pointer, "Integer", v)
		return
	}
	switch n, _ := number.Int64(); {
	case n < least:
		p.issue(pointer, "Expected the value to be >= %d", least)
	case n > most:
		p.issue(pointer, "Expected the value to be <= %d", most)
	default:
		*to = int(n)
	}
}
