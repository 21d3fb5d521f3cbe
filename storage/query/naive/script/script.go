// Package script reads the hand-written tests of the query language in storage/query/testdata. The same files are
// put to the model and to the engine.
//
// A file is a list of blocks. A block begins with a word at the start of a line; indented lines belong to it. "#"
// starts a comment line, blank lines mean nothing.
//
//	zone Europe/Berlin            the site's time zone, from here on
//	zone Europe/Berlin, 2026-03-03 America/New_York
//	                              a site whose days from 2026-03-03 on are New York's
//
//	load                          the site's events, from here on
//	  2026-03-02 10:00:00  ann  pageview    /pricing   source=Google country=DE
//	  2026-03-02 10:01:30  ann  engagement  /pricing
//	  2026-03-02 10:02:00  ann  Signup      /pricing   props.plan=pro revenue=9.90EUR
//	  2026-03-02 10:03:00  ann  Popup       shop.example.com/cart  noninteractive
//
//	query visitors, bounce_rate by visit:source, time:day
//	  from 2026-03-02 to 2026-03-04
//	  where ["is", "visit:country", ["DE", "AT"]]
//	  order visitors desc, time:day asc
//	  limit 2 offset 1
//	expect of 5
//	  Google | 2026-03-02 | 12 | 50
//	  ""     | 2026-03-03 | 3  | null
//
// Times are wall-clock times of the zone in force on their date; an offset (02:30:00+02:00) tells the readings of a repeated hour, and
// those of two zones, apart.
// A page without a host is on example.com. A from or to without a time is a whole day, and "on DAY" is one day. Each
// where is one filter, in the form of the Stats API; all must hold. A row lists the dimensions, then the metrics.
// "expect of N" says that there are N rows before limit and offset. Words with spaces stand in double quotes.
package script

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"footfall/storage/day"
	"footfall/storage/query"
	"footfall/storage/query/naive"
	"footfall/storage/schema"
)

// Case is one query with its expected answer.
type Case struct {
	Name     string // file and line, and the question
	Calendar *schema.Calendar
	Events   []naive.Event // shared by the cases of one load
	Load     int           // number of that load within the file
	Query    query.Query   // Site is 0
	Want     query.Result
}

// Read reads the cases of a file. Its errors name the line.
func Read(path string) ([]Case, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r := &reader{calendar: schema.NewCalendar(time.UTC)}
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		line := lines.Text()
		text := strings.TrimSpace(line)
		if text == "" || text[0] == '#' {
			continue
		}
		if line[0] != ' ' && line[0] != '\t' {
			err = r.block(text, n)
		} else {
			err = r.line(text)
		}
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, n, err)
		}
	}
	for i, c := range r.cases {
		if !r.expected[i] {
			return nil, fmt.Errorf("%s: %s has no expect", path, c.Name)
		}
	}
	return r.cases, lines.Err()
}

type reader struct {
	calendar *schema.Calendar
	events   []naive.Event
	load     int
	word     string // of the current block
	cases    []Case
	expected []bool
}

func (r *reader) block(text string, n int) (err error) {
	word, rest, _ := strings.Cut(text, " ")
	r.word = word
	switch word {
	case "zone":
		r.calendar, err = calendar(rest)
		return err
	case "load":
		r.events = nil
		r.load++
		return nil
	case "query":
		c := Case{Name: fmt.Sprintf("line %d: %s", n, text), Calendar: r.calendar, Events: r.events, Load: r.load}
		c.Query.Calendar = r.calendar
		metrics, dimensions, _ := strings.Cut(rest, " by ")
		for _, m := range list(metrics) {
			c.Query.Metrics = append(c.Query.Metrics, query.Metric(m))
		}
		for _, d := range list(dimensions) {
			c.Query.Dimensions = append(c.Query.Dimensions, query.Dimension(d))
		}
		r.cases, r.expected = append(r.cases, c), append(r.expected, false)
		return nil
	case "expect":
		c := &r.cases[len(r.cases)-1]
		r.expected[len(r.cases)-1] = true
		c.Want.Total = -1
		if rest != "" {
			_, err = fmt.Sscanf(rest, "of %d", &c.Want.Total)
		} else {
			c.Want.Total = 0
		}
		return err
	}
	return fmt.Errorf("unknown word %q", word)
}

func (r *reader) line(text string) error {
	switch r.word {
	case "load":
		e, err := r.event(text)
		r.events = append(r.events, e)
		return err
	case "query":
		return r.clause(&r.cases[len(r.cases)-1].Query, text)
	case "expect":
		c := &r.cases[len(r.cases)-1]
		row, err := row(&c.Query, text)
		c.Want.Rows = append(c.Want.Rows, row)
		c.Want.Total = max(c.Want.Total, len(c.Want.Rows))
		return err
	}
	return fmt.Errorf("nothing may follow %q", r.word)
}

// clause reads one line below a query.
func (r *reader) clause(q *query.Query, text string) (err error) {
	word, rest, _ := strings.Cut(text, " ")
	switch word {
	case "on":
		return r.span(q, rest, rest)
	case "from":
		from, to, ok := strings.Cut(rest, " to ")
		if !ok {
			return fmt.Errorf("from without to")
		}
		return r.span(q, from, to)
	case "where":
		var tree any
		if err := json.Unmarshal([]byte(rest), &tree); err != nil {
			return fmt.Errorf("filter: %w", err)
		}
		f, err := filter(tree)
		q.Filters = append(q.Filters, f)
		return err
	case "order":
		for _, by := range list(rest) {
			name, direction, _ := strings.Cut(by, " ")
			q.Order = append(q.Order, query.Order{By: name, Desc: direction == "desc"})
		}
		return nil
	case "limit", "offset":
		fields := strings.Fields(text)
		for i := 0; i+1 < len(fields) && err == nil; i += 2 {
			if fields[i] == "limit" {
				q.Limit, err = strconv.Atoi(fields[i+1])
			} else {
				q.Offset, err = strconv.Atoi(fields[i+1])
			}
		}
		return err
	}
	return fmt.Errorf("unknown word %q", word)
}

// span reads the two ends of a range.
func (r *reader) span(q *query.Query, from, to string) error {
	if first, err := schema.ParseDate(from); err == nil {
		q.Range.First = r.calendar.Start(first).Unix()
	} else if q.Range.First, err = r.instant(from); err != nil {
		return err
	}
	if last, err := schema.ParseDate(to); err == nil {
		q.Range.Last = r.calendar.Start(last+1).Unix() - 1
	} else if q.Range.Last, err = r.instant(to); err != nil {
		return err
	}
	return nil
}

func (r *reader) instant(text string) (int64, error) {
	if t, err := time.Parse("2006-01-02 15:04:05Z07:00", text); err == nil {
		return t.Unix(), nil
	}
	date, _, _ := strings.Cut(text, " ")
	d, err := schema.ParseDate(date)
	if err != nil {
		return 0, err
	}
	t, err := time.ParseInLocation(time.DateTime, text, r.calendar.Zone(d))
	return t.Unix(), err
}

// calendar reads a zone and, after commas, changes of it.
func calendar(text string) (*schema.Calendar, error) {
	first, later, _ := strings.Cut(text, ",")
	zone, err := time.LoadLocation(first)
	if err != nil {
		return nil, err
	}
	var changes []schema.Change
	for _, change := range list(later) {
		date, name, _ := strings.Cut(change, " ")
		d, err1 := schema.ParseDate(date)
		zone, err2 := time.LoadLocation(name)
		if err := errors.Join(err1, err2); err != nil {
			return nil, err
		}
		changes = append(changes, schema.Change{First: d, Zone: zone})
	}
	return schema.NewCalendar(zone, changes...), nil
}

// event reads one line below a load.
func (r *reader) event(text string) (e naive.Event, err error) {
	fields := words(text)
	if len(fields) < 5 {
		return e, fmt.Errorf("want: date time visitor name page")
	}
	if e.Time, err = r.instant(fields[0] + " " + fields[1]); err != nil {
		return e, err
	}
	e.Visitor, e.Name, e.Interactive, e.ScrollDepth = fields[2], fields[3], true, day.NoScroll
	host, path, ok := strings.Cut(fields[4], "/")
	if !ok {
		return e, fmt.Errorf("page %q has no slash", fields[4])
	}
	e.Hostname, e.Pathname = "example.com", "/"+path
	if host != "" {
		e.Hostname = host
	}
	for _, field := range fields[5:] {
		if err := set(&e, field); err != nil {
			return e, err
		}
	}
	slices.SortFunc(e.Props, func(a, b day.Prop) int { return strings.Compare(a.Key, b.Key) })
	return e, nil
}

// set reads one name=value of an event.
func set(e *naive.Event, field string) error {
	name, value, _ := strings.Cut(field, "=")
	if key, ok := strings.CutPrefix(name, "props."); ok {
		e.Props = append(e.Props, day.Prop{Key: key, Value: value})
		return nil
	}
	switch name {
	case "noninteractive":
		e.Interactive = false
		return nil
	case "revenue":
		if len(value) < 4 {
			return fmt.Errorf("revenue %q: want an amount and a currency", value)
		}
		e.Revenue = day.Revenue{Amount: value[:len(value)-3], Currency: value[len(value)-3:]}
		return nil
	}
	for id := range schema.NumAttributes {
		if schema.Columns[id].Name == name {
			e.Attributes[id] = value
			return nil
		}
	}
	return fmt.Errorf("unknown name %q", name)
}

// filter reads a filter tree in the form of the Stats API.
func filter(tree any) (f query.Filter, err error) {
	parts, _ := tree.([]any)
	if len(parts) < 2 {
		return f, fmt.Errorf("filter %v: want an operator and more", tree)
	}
	op, _ := parts[0].(string)
	f.Op = query.Op(op)
	switch f.Op {
	case query.Not:
		arg, err := filter(parts[1])
		f.Args = []query.Filter{arg}
		return f, err
	case query.And, query.Or:
		trees, _ := parts[1].([]any)
		for _, tree := range trees {
			arg, err := filter(tree)
			if err != nil {
				return f, err
			}
			f.Args = append(f.Args, arg)
		}
		return f, nil
	}
	if len(parts) < 3 {
		return f, fmt.Errorf("filter %v: want operator, dimension, clauses", tree)
	}
	dimension, _ := parts[1].(string)
	f.Dimension = query.Dimension(dimension)
	clauses, _ := parts[2].([]any)
	for _, clause := range clauses {
		text, ok := clause.(string)
		if !ok {
			return f, fmt.Errorf("filter %v: clauses are strings", tree)
		}
		f.Clauses = append(f.Clauses, text)
	}
	if len(parts) > 3 {
		options, _ := parts[3].(map[string]any)
		sensitive, ok := options["case_sensitive"].(bool)
		f.FoldCase = ok && !sensitive
	}
	return f, nil
}

// row reads one expected row.
func row(q *query.Query, text string) (row query.Row, err error) {
	cells := strings.Split(text, "|")
	if want := len(q.Dimensions) + len(q.Metrics); len(cells) != want {
		return row, fmt.Errorf("row has %d cells, want %d", len(cells), want)
	}
	for i, cell := range cells {
		cell = strings.TrimSpace(cell)
		if i < len(q.Dimensions) {
			if unquoted, err := strconv.Unquote(cell); err == nil {
				cell = unquoted
			}
			row.Dimensions = append(row.Dimensions, cell)
			continue
		}
		value := query.Value{Null: cell == "null"}
		if !value.Null {
			if value.Number, err = strconv.ParseFloat(cell, 64); err != nil {
				return row, err
			}
		}
		row.Metrics = append(row.Metrics, value)
	}
	return row, nil
}

// list splits at commas.
func list(text string) []string {
	var out []string
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}

// words splits at spaces outside of double quotes and drops the quotes.
func words(text string) []string {
	quoted := false
	fields := strings.FieldsFunc(text, func(r rune) bool {
		if r == '"' {
			quoted = !quoted
		}
		return !quoted && (r == ' ' || r == '\t')
	})
	for i := range fields {
		fields[i] = strings.ReplaceAll(fields[i], `"`, "")
	}
	return fields
}
