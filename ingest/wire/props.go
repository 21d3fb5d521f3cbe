package wire

import (
	"bytes"
	"slices"
	"strings"

	"footfall/storage/day"
)

// props returns the custom properties, sorted by key. What is blank, null, a list or an object is left out, and so is what comes
// after the first maxProps keys; of a key sent twice the last value counts.
func (r *request) props(name, pathname string, errs *FieldErrors) []day.Prop {
	var set propSet
	switch v, parts := r.firstObject(fieldM, fieldMeta, fieldP, fieldProps); v.kind {
	case object:
		set.readJSON(v.raw)
	case text, plain:
		s, _ := v.str()
		set.readJSON([]byte(s))
	case absent:
		for _, p := range parts {
			set.put(p.key, p.val)
		}
	}
	if wantsPath(name) && !set.path && !isBlank(pathname) {
		set.list = slices.Insert(set.list[:min(len(set.list), maxProps-1)], 0, day.Prop{Key: pathKey, Value: pathname})
	}
	for _, p := range set.list {
		if len(p.Key) > maxPropKey || len(p.Value) > maxPropValue {
			errs.add("props", "keys should have at most 300 bytes and values 2000 bytes")
			break
		}
	}
	sortProps(set.list)
	return set.list
}

// withProp adds a property to a sorted list if there is room, it says anything and the list does not have it.
func withProp(list []day.Prop, key, val string) []day.Prop {
	has := func(p day.Prop) bool { return p.Key == key }
	if isBlank(val) || len(val) > maxPropValue || len(list) >= maxProps || slices.ContainsFunc(list, has) {
		return list
	}
	list = append(list, day.Prop{Key: key, Value: val})
	sortProps(list)
	return list
}

func sortProps(list []day.Prop) {
	slices.SortFunc(list, func(a, b day.Prop) int { return strings.Compare(a.Key, b.Key) })
}

const pathKey = "path"

// wantsPath reports whether events of this name get their page as a property, which reports about them need.
func wantsPath(name string) bool {
	return name == "404" || name == "WP Form Completions" || name == "Form: Submission"
}

type propSet struct {
	list []day.Prop
	path bool // the key "path" was sent, even if it was one too many
}

// readJSON reads the members of a JSON object; text that is none has no properties.
func (s *propSet) readJSON(b []byte) {
	_, ok, _ := members(b, func(key []byte, v value) error {
		switch v.kind {
		case text:
			s.put(string(key), unquote(v.raw))
		case number:
			s.put(string(key), numberText(v.raw))
		case boolean:
			s.put(string(key), string(v.raw))
		}
		return nil
	})
	if !ok {
		*s = propSet{}
	}
}

func (s *propSet) put(key, val string) {
	if isBlank(key) || isBlank(val) {
		return
	}
	s.path = s.path || key == pathKey
	for i := range s.list {
		if s.list[i].Key == key {
			s.list[i].Value = val
			return
		}
	}
	if len(s.list) < maxProps {
		s.list = append(s.list, day.Prop{Key: key, Value: val})
	}
}

// numberText writes a JSON number as the shortest text of the same number, so that 12.50 and 12.5 are one value.
// What has an exponent stays as it was sent.
func numberText(raw []byte) string {
	if bytes.IndexByte(raw, '.') >= 0 && !bytes.ContainsAny(raw, "eE") {
		raw = bytes.TrimRight(raw, "0")
		if raw[len(raw)-1] == '.' {
			return string(raw) + "0"
		}
		return string(raw)
	}
	return integerText(raw)
}
