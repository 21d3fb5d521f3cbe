package wire

import (
	"bytes"
	"io"
	"maps"
	"mime/multipart"
	"net/url"
	"slices"
	"strings"

	"footfall/storage/day"
)

// set takes one name and value of a form; the last value of a name counts. A property may come as props[key]=value.
func (r *request) set(name, val string) {
	if f := fieldOf(name); f < numFields {
		r.fields[f] = value{plain, []byte(val)}
		return
	}
	base, key, ok := strings.Cut(name, "[")
	if !ok || !strings.HasSuffix(key, "]") || len(r.nested) >= maxParts {
		return
	}
	switch fieldOf(base) {
	case fieldM, fieldMeta, fieldP, fieldProps:
		key = strings.ToValidUTF8(strings.TrimSuffix(key, "]"), "\uFFFD")
		r.nested = append(r.nested, day.Prop{Key: key, Value: strings.ToValidUTF8(val, "\uFFFD")})
	}
}

// form reads name=value&…; a pair that cannot be decoded is left out, and the checks of the fields say what is missing.
func (r *request) form(body []byte) {
	values, _ := url.ParseQuery(string(body))
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
