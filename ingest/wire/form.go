package wire

import (
	"bytes"
	"io"
	"maps"
	"mime/multipart"
	"net/url"
	"slices"
	"strings"
)

// set takes one name and value of a form; the last value of a name counts. An object may come in parts, as props[key]=value.
func (r *request) set(name, val string) {
	if f := fieldOf(name); f < numFields {
		r.fields[f] = value{plain, []byte(val)}
		return
	}
	base, key, ok := strings.Cut(name, "[")
	key, closed := strings.CutSuffix(key, "]")
	if !ok || !closed || strings.ContainsAny(key, "[]") || len(r.nested) >= maxParts {
		return
	}
	switch f := fieldOf(base); f {
	case fieldM, fieldMeta, fieldP, fieldProps, fieldRevenue, fieldDollar:
		r.nested = append(r.nested, member{f, strings.ToValidUTF8(key, "\uFFFD"), strings.ToValidUTF8(val, "\uFFFD")})
	}
}

// parts returns the parts of f, none if it came whole.
func (r *request) parts(f field) (list []member) {
	for _, m := range r.nested {
		if m.of == f && r.fields[f].kind == absent {
			list = append(list, m)
		}
	}
	return list
}

// form reads name=value&…; a pair that cannot be decoded is left out, and the checks of the fields say what is missing.
func (r *request) form(pairs string) {
	values, _ := url.ParseQuery(pairs)
	for _, name := range slices.Sorted(maps.Keys(values)) {
		list := values[name]
		r.set(name, list[len(list)-1])
	}
}

func (r *request) multipart(body []byte, boundary string) bool {
	if boundary == "" {
		return false
	}
	parts := multipart.NewReader(bytes.NewReader(body), boundary)
	for range maxParts {
		part, err := parts.NextPart()
		if err == io.EOF {
			return true
		}
		if err != nil {
			return false
		}
		if part.FileName() != "" || part.FormName() == "" {
			continue
		}
		val, err := io.ReadAll(part) // no longer than the body
		if err != nil {
			return false
		}
		r.set(part.FormName(), string(val))
	}
	return false
}
