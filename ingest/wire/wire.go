// Package wire reads what is sent to be counted: the body of an Events API request, the same in a pixel's query, the body that is sent to Umami, a line
// of NDJSON and a line of a server's log. It knows the formats and their limits, no HTTP and no storage; it never panics, and what it allocates is bounded
// by what it is given.
package wire

import (
	"bytes"
	"encoding/json"
	"mime"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"footfall/storage/day"
)

// Hit is one request to count an event, before anything is known about who sent it.
type Hit struct {
	Domains  []string  // the sites it counts for; none where there is nothing to count
	Event    day.Event // all but the time
	Query    string    // the page's query, for campaign tags; not to be stored
	Referrer string    // as it was sent; not to be stored
	Language string    // as in Accept-Language, if the body says it
}

// FieldErrors says what is wrong with a request, field by field, in the words the client is told.
type FieldErrors map[string][]string

func (e FieldErrors) Error() string {
	b, _ := json.Marshal(e) // sorted by field
	return "invalid event " + string(b)
}

func (e *FieldErrors) add(field, message string) {
	if *e == nil {
		*e = FieldErrors{}
	}
	(*e)[field] = append((*e)[field], message)
}

// errBody is the answer to a body that cannot be read at all. Nobody writes to it.
var errBody = map[string][]string{"request": {"Unable to parse request body as json"}}

// field is a key of a request.
type field uint8

const (
	fieldN field = iota
	fieldName
	fieldU
	fieldURL
	fieldD
	fieldDomain
	fieldR
	fieldReferrer
	fieldM
	fieldMeta
	fieldP
	fieldProps
	fieldRevenue
	fieldDollar
	fieldH
	fieldHashMode
	fieldI
	fieldInteractive
	fieldSD
	fieldE
	numFields
)

func fieldOf(key string) field {
	switch key {
	case "n":
		return fieldN
	case "name":
		return fieldName
	case "u":
		return fieldU
	case "url":
		return fieldURL
	case "d":
		return fieldD
	case "domain":
		return fieldDomain
	case "r":
		return fieldR
	case "referrer":
		return fieldReferrer
	case "m":
		return fieldM
	case "meta":
		return fieldMeta
	case "p":
		return fieldP
	case "props":
		return fieldProps
	case "revenue":
		return fieldRevenue
	case "$":
		return fieldDollar
	case "h":
		return fieldH
	case "hashMode":
		return fieldHashMode
	case "i":
		return fieldI
	case "interactive":
		return fieldInteractive
	case "sd":
		return fieldSD
	case "e":
		return fieldE
	}
	return numFields
}

// request is a body cut into its fields.
type request struct {
	fields [numFields]value
	nested []member
}

// member is one part of a field that came in parts, as forms send objects: props[key]=value.
type member struct {
	of       field
	key, val string
}

// first returns the first of the fields that is neither absent nor null nor false.
func (r *request) first(fields ...field) value {
	for _, f := range fields {
		if v := r.fields[f]; v.kind != absent && v.kind != null && !v.isFalse() {
			return v
		}
	}
	return value{}
}

// firstObject is first for fields that may come in parts, which are returned in the place of a value.
func (r *request) firstObject(fields ...field) (value, []member) {
	for _, f := range fields {
		if v := r.first(f); v.kind != absent {
			return v, nil
		}
		if list := r.parts(f); list != nil {
			return value{}, list
		}
	}
	return value{}, nil
}

// Decode reads the body of POST /api/event. Every content type is read as JSON but forms. The error is FieldErrors.
func Decode(contentType string, body []byte) (Hit, error) {
	var r request
	if !r.parse(contentType, body) {
		return Hit{}, FieldErrors(errBody)
	}
	return r.hit()
}

// hit checks the fields.
func (r *request) hit() (Hit, error) {
	var h Hit
	var errs FieldErrors
	h.Event.Name = r.name(&errs)
	h.Event.Interactive = !r.fields[fieldI].isFalse() && !r.fields[fieldInteractive].isFalse() || !mayBePassive(h.Event.Name)
	hashMode := r.hashMode(&errs)
	p, urlOK := r.url(&errs)
	if urlOK {
		h.Event.Hostname, h.Event.Pathname, h.Query = p.hostname(), p.pathname(hashMode), p.query
	}
	h.Domains = r.domains(p, &errs)
	h.Event.ScrollDepth = day.NoScroll
	if h.Event.Name == day.Engagement {
		h.Event.ScrollDepth, h.Event.EngagementMS = r.engagement(&errs)
	} else {
		h.Event.Revenue = r.revenue()
	}
	h.Event.Props = r.props(h.Event.Name, h.Event.Pathname, &errs)
	if s, ok := r.first(fieldR, fieldReferrer).str(); ok {
		h.Referrer = cut(s, maxText)
	}
	if errs != nil {
		return Hit{}, errs
	}
	return h, nil
}

func (r *request) parse(contentType string, body []byte) bool {
	if mayBeForm(contentType) {
		switch kind, params, err := mime.ParseMediaType(contentType); {
		case err != nil:
		case kind == urlencoded && !looksLikeJSON(body):
			r.form(string(body))
			return true
		case kind == multipartForm:
			return r.multipart(body, params["boundary"])
		}
	}
	body = bytes.TrimPrefix(body, byteOrderMark)
	_, ok, _ := members(body, func(key []byte, v value) error {
		if f := fieldOf(string(key)); f < numFields {
			r.fields[f] = v
		}
		return nil
	})
	return ok
}

const (
	urlencoded    = "application/x-www-form-urlencoded"
	multipartForm = "multipart/form-data"
)

// mayBeForm spares nearly all requests the reading of their content type: that of a browser is text/plain;charset=UTF-8.
func mayBeForm(contentType string) bool {
	begins := func(kind string) bool {
		return len(contentType) >= len(kind) && strings.EqualFold(contentType[:len(kind)], kind)
	}
	contentType = strings.TrimLeft(contentType, " \t")
	return begins(urlencoded) || begins(multipartForm)
}

// byteOrderMark is what some programs put in front of a text. RFC 8259 lets a reader ignore it.
var byteOrderMark = []byte("\uFEFF")

// looksLikeJSON catches programs that send JSON and say nothing about it: many set the form type by default.
func looksLikeJSON(body []byte) bool {
	s := scanner{b: bytes.TrimPrefix(body, byteOrderMark)}
	s.space()
	return s.take('{')
}

func (r *request) name(errs *FieldErrors) string {
	v := r.first(fieldN, fieldName)
	name, ok := v.str()
	switch {
	case ok:
	case v.kind == absent:
	case v.isInteger():
		name = integerText(v.raw)
	default:
		errs.add("event_name", "is invalid")
		return ""
	}
	switch {
	case isBlank(name):
		errs.add("event_name", "can't be blank")
	case tooLong(name, maxName):
		errs.add("event_name", "should be at most "+strconv.Itoa(maxName)+" character(s)")
	}
	return name
}

// mayBePassive reports whether interactive:false has a meaning for events of this name. The names listed are
// activity, or count as none, whatever is sent with them.
func mayBePassive(name string) bool {
	switch name {
	case day.Pageview, day.Engagement, "Outbound Link: Click", "Cloaked Link: Click", "File Download", "404",
		"WP Form Completions", "Form: Submission":
		return false
	}
	return true
}

func (r *request) hashMode(errs *FieldErrors) bool {
	v := r.first(fieldH, fieldHashMode)
	if s, ok := v.str(); ok && s == "" || v.kind == absent {
		return false
	}
	n, ok := v.integer()
	if !ok {
		errs.add("hash_mode", "is invalid")
	}
	return n == 1
}

func (r *request) url(errs *FieldErrors) (page, bool) {
	v := r.first(fieldU, fieldURL)
	s, ok := v.str()
	switch {
	case v.kind == absent, ok && s == "":
		errs.add("url", "is required")
		return page{}, false
	case !ok, len(s) > maxURL:
		errs.add("url", "must be a valid url")
		return page{}, false
	}
	p := parsePage(s)
	if p.scheme == "data" {
		errs.add("url", "scheme is not allowed")
		return page{}, false
	}
	return p, true
}

func (r *request) domains(p page, errs *FieldErrors) []string {
	list, ok := r.first(fieldD, fieldDomain).str()
	if !ok {
		list = p.host
	}
	domains := make([]string, 0, 1)
	for part := range strings.SplitSeq(list, ",") {
		if d := cleanHost(part); d != "" && !slices.Contains(domains, d) { // one hit counts once a site
			if len(domains) == maxDomains {
				errs.add("domain", "should name at most "+strconv.Itoa(maxDomains)+" sites")
				break
			}
			domains = append(domains, d)
		}
	}
	if len(domains) == 0 {
		errs.add("domain", "can't be blank")
	}
	return domains
}

func (r *request) engagement(errs *FieldErrors) (scroll uint8, ms uint32) {
	scroll = day.NoScroll
	if n, ok := r.fields[fieldSD].integer(); ok && n >= 0 {
		scroll = uint8(min(n, 100))
	}
	if n, ok := r.fields[fieldE].integer(); ok && n >= 0 && n < maxMS {
		ms = uint32(n)
	}
	if scroll == day.NoScroll && ms == 0 {
		errs.add("event_name", "engagement event requires a valid integer value for at least one of 'sd' or 'e' fields")
	}
	return scroll, ms
}

func (v value) isInteger() bool {
	if v.kind != number {
		return false
	}
	for _, c := range v.raw {
		if c == '.' || c|0x20 == 'e' {
			return false
		}
	}
	return true
}

// integer returns an integer, written as a number or as a string. One beyond 64 bits becomes the nearest that fits.
func (v value) integer() (int64, bool) {
	digits := string(v.raw)
	if s, ok := v.str(); ok {
		digits = s
	} else if !v.isInteger() {
		return 0, false
	}
	sign := strings.TrimLeft(digits, "+-")
	if len(digits)-len(sign) > 1 || sign == "" || strings.Trim(sign, "0123456789") != "" {
		return 0, false
	}
	n, _ := strconv.ParseInt(digits, 10, 64) // only ErrRange is left, and that gives the nearest
	return n, true
}

func integerText(raw []byte) string {
	if string(raw) == "-0" {
		return "0"
	}
	return string(raw)
}

func isBlank(s string) bool { return strings.TrimSpace(s) == "" }

func tooLong(s string, characters int) bool {
	return len(s) > characters && utf8.RuneCountInString(s) > characters
}

// cut keeps the first characters of s.
func cut(s string, characters int) string {
	if !tooLong(s, characters) {
		return s
	}
	for i := range s {
		if characters--; characters < 0 {
			return strings.Clone(s[:i])
		}
	}
	return s
}
