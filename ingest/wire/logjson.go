package wire

import (
	"bytes"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"
)

// logField is what a member of a line in JSON tells.
type logField uint8

const (
	noLogField logField = iota
	logTime
	logAddress
	logHost
	logMethod
	logTarget
	logQuery
	logRequest // method, target and version in one
	logStatus
	logReferrer
	logAgent
	logLanguages
	logType
	logSub // an object that holds some of them
	numLogFields
)

// logFieldNames is how errors call them.
var logFieldNames = [numLogFields]string{
	logTime: "time", logAddress: "client address", logHost: "host", logMethod: "method", logTarget: "path", logQuery: "query", logRequest: "request",
	logStatus: "status", logReferrer: "referrer", logAgent: "User-Agent", logLanguages: "languages", logType: "content type",
}

// nginxField knows the variables of nginx, and the names that published configurations give them.
func nginxField(key []byte) logField {
	switch string(key) {
	case "time_iso8601", "time_local", "msec", "time", "timestamp", "@timestamp", "ts":
		return logTime
	case "remote_addr", "client_ip", "remote_ip", "clientip":
		return logAddress
	case "host", "http_host", "server_name", "vhost", "domain":
		return logHost
	case "request_method", "method":
		return logMethod
	case "request_uri", "uri", "path", "url":
		return logTarget
	case "args", "query_string", "query":
		return logQuery
	case "request":
		return logRequest
	case "status":
		return logStatus
	case "http_referer", "http_referrer", "referer", "referrer":
		return logReferrer
	case "http_user_agent", "user_agent", "agent":
		return logAgent
	case "http_accept_language", "accept_language":
		return logLanguages
	case "sent_http_content_type", "content_type":
		return logType
	}
	return noLogField
}

func traefikField(key []byte) logField {
	switch string(key) {
	case "StartUTC", "time":
		return logTime
	case "ClientHost", "ClientAddr":
		return logAddress
	case "RequestHost", "RequestAddr":
		return logHost
	case "RequestMethod":
		return logMethod
	case "RequestPath":
		return logTarget
	case "DownstreamStatus", "OriginStatus":
		return logStatus
	case "request_Referer":
		return logReferrer
	case "request_User-Agent":
		return logAgent
	case "request_Accept-Language":
		return logLanguages
	case "downstream_Content-Type":
		return logType
	}
	return noLogField
}

func caddyField(key []byte) logField {
	switch string(key) {
	case "ts":
		return logTime
	case "status":
		return logStatus
	case "request", "resp_headers":
		return logSub
	}
	return noLogField
}

// caddyRequestField knows the members of "request", and those of its and the answer's headers.
func caddyRequestField(key []byte) logField {
	switch string(key) {
	case "client_ip", "remote_ip", "remote_addr":
		return logAddress
	case "host":
		return logHost
	case "method":
		return logMethod
	case "uri":
		return logTarget
	case "headers":
		return logSub
	case "Referer":
		return logReferrer
	case "User-Agent":
		return logAgent
	case "Accept-Language":
		return logLanguages
	case "Content-Type":
		return logType
	}
	return noLogField
}

// jsonLog is a line of JSON on its way in.
type jsonLog struct {
	*LogLine
	format LogFormat
	line   []byte
	seen   [numLogFields]bool
	best   int // how good the address is: several members may name one
}

// json reads a line that is one JSON object. Members it does not know are read over.
func (l *LogLine) json(format LogFormat, line []byte) error {
	if !utf8.Valid(line) {
		return &LogError{invalidAt(line) + 1, "UTF-8"}
	}
	j := jsonLog{LogLine: l, format: format, line: line}
	name := nginxField
	switch format {
	case Caddy:
		name = caddyField
	case Traefik:
		name = traefikField
	}
	if err := j.object(line, name, 0); err != nil {
		return err
	}
	switch {
	case !j.seen[logTime]:
		return j.missing(logTime)
	case !j.seen[logAddress]:
		return j.missing(logAddress)
	case !j.seen[logStatus]:
		return j.missing(logStatus)
	case !j.seen[logTarget] && !j.seen[logRequest]:
		return j.missing(logTarget)
	}
	return nil
}

func invalidAt(b []byte) int {
	for i := 0; i < len(b); {
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return len(b)
}

func (j *jsonLog) missing(f logField) error {
	return &LogError{len(j.line), "a member with the " + logFieldNames[f]}
}

// column returns where in the line a part of it begins, from 1.
func (j *jsonLog) column(part []byte) int { return cap(j.line) - cap(part) + 1 }

func (j *jsonLog) object(b []byte, name func([]byte) logField, depth int) error {
	at := j.column(b)
	offset, ok, err := members(b, func(key []byte, v value) error {
		f := name(key)
		switch {
		case f == noLogField || v.kind == null:
			return nil
		case f == logSub && v.kind == object && depth < 2:
			return j.object(v.raw, caddyRequestField, depth+1)
		case f == logSub:
			return nil
		}
		if v.kind == array { // of a header's lines the first counts
			if v = firstOf(v); v.kind == absent {
				return nil
			}
		}
		if !j.set(f, key, v) {
			return &LogError{j.column(v.raw), "another " + logFieldNames[f] + " than this"}
		}
		return nil
	})
	if err == nil && !ok {
		return &LogError{at + offset, fmt.Sprintf("a JSON object as %s logs have it", j.format)}
	}
	return err
}

// firstOf returns the first member of an array that was read before.
func firstOf(v value) value {
	s := scanner{b: v.raw, i: 1}
	s.space()
	if s.take(']') {
		return value{}
	}
	v, _ = s.value(maxDepth)
	return v
}

// set takes a value and reports whether it can be one of its field.
func (j *jsonLog) set(f logField, key []byte, v value) bool {
	b := v.raw
	switch v.kind {
	case text:
		b = j.unquoted(v.raw)
	case number:
	default:
		return false
	}
	switch f {
	case logTime:
		if j.seen[f] && string(key) != "StartUTC" && string(key) != "time_iso8601" {
			return true // several members tell it; this one knows the zone
		}
		if !j.anyTime(b, v.kind) {
			return false
		}
	case logAddress:
		rank := addressRank(key)
		if rank <= j.best || len(noDash(b)) == 0 {
			return true
		}
		if !j.address(b) {
			return false
		}
		j.best = rank
	case logHost:
		if !j.seen[f] || string(key) == "host" || string(key) == "RequestHost" {
			j.Host = noDash(b)
		}
	case logMethod:
		j.Method = noDash(b)
	case logTarget:
		if !j.seen[f] || string(key) == "request_uri" {
			j.Target = noDash(b)
		}
	case logQuery:
		j.query = noDash(b)
	case logRequest:
		if !j.seen[logTarget] {
			j.request(b)
		}
	case logStatus:
		if j.seen[f] && string(key) == "OriginStatus" {
			return true
		}
		if !j.status(b) {
			return false
		}
	case logReferrer:
		j.Referrer = noDash(b)
	case logAgent:
		j.UserAgent = noDash(b)
	case logLanguages:
		j.Languages = noDash(b)
	case logType:
		j.Type = noDash(b)
	}
	j.seen[f] = true
	return true
}

// addressRank says which of several addresses is the client's: the one the server itself took for it.
func addressRank(key []byte) int {
	switch string(key) {
	case "client_ip", "ClientHost":
		return 3
	case "remote_ip", "clientip", "remote_addr":
		return 2
	}
	return 1
}

// unquoted returns the string v holds without allocating.
func (l *LogLine) unquoted(raw []byte) []byte {
	b := raw[1 : len(raw)-1]
	if bytes.IndexByte(b, '\\') < 0 {
		return b
	}
	at := len(l.texts)
	l.texts = appendUnescaped(l.texts, b)
	return l.texts[at:len(l.texts):len(l.texts)]
}

// isoForms are the times with a zone that servers write beside that of the common format.
var isoForms = [...]string{time.RFC3339, "2006-01-02T15:04:05Z0700", "2006/01/02 15:04:05 Z0700", "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05 Z0700"}

// anyTime reads seconds since 1970, with a fraction or without, or a text.
func (l *LogLine) anyTime(b []byte, k kind) bool {
	if k == number || len(b) > 0 && len(bytes.Trim(b, "0123456789.")) == 0 {
		f, err := strconv.ParseFloat(string(b), 64)
		for err == nil && f >= float64(newest) { // milliseconds, or less
			f /= 1000
		}
		if err != nil || !(f >= float64(oldest)) {
			return false
		}
		l.Time = int64(f)
		return true
	}
	if l.clf(b) {
		return true
	}
	for _, form := range isoForms {
		if t, err := time.Parse(form, string(b)); err == nil {
			l.Time = t.Unix()
			return l.Time >= oldest && l.Time < newest
		}
	}
	// Caddy's "wall" forms have no zone: taken for UTC, days would be wrong, so they are refused.
	return false
}
