package api

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// inspect writes a decoded JSON value into an error message, in the notation that clients of this API know from the server
// it was born in. Long values are cut, so that an error is never much longer than a screen.
func inspect(v any) string {
	var b strings.Builder
	writeInspect(&b, v)
	return b.String()
}

func writeInspect(b *strings.Builder, v any) {
	switch v := v.(type) {
	case nil:
		b.WriteString("nil")
	case string:
		writeText(b, v)
	case []any:
		b.WriteByte('[')
		for i, e := range v {
			if !separate(b, i) {
				break
			}
			writeInspect(b, e)
		}
		b.WriteByte(']')
	case map[string]any:
		b.WriteString("%{")
		for i, k := range slices.Sorted(maps.Keys(v)) {
			if !separate(b, i) {
				break
			}
			writeText(b, k)
			b.WriteString(" => ")
			writeInspect(b, v[k])
		}
		b.WriteByte('}')
	default: // bool, json.Number
		fmt.Fprint(b, v)
	}
}

// separate writes what stands before item i, and reports whether the item is still to be shown.
func separate(b *strings.Builder, i int) bool {
	if i > 0 {
		b.WriteString(", ")
	}
	if i == inspectItems || b.Len() > 8*inspectString {
		b.WriteString("...")
		return false
	}
	return true
}

func writeText(b *strings.Builder, s string) {
	b.WriteByte('"')
	for i, r := range s {
		if i >= inspectString {
			b.WriteString("...")
			break
		}
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '#' && strings.HasPrefix(s[i+1:], "{"):
			b.WriteString(`\#`)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == utf8.RuneError || !unicode.IsPrint(r):
			fmt.Fprintf(b, `\x{%X}`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
}

// typeName names the type of a decoded JSON value in messages.
func typeName(v any) string {
	switch v := v.(type) {
	case nil:
		return "Null"
	case string:
		return "String"
	case bool:
		return "Boolean"
	case []any:
		return "Array"
	case map[string]any:
		return "Object"
	case json.Number:
		if _, err := v.Int64(); err == nil {
			return "Integer"
		}
	}
	return "Number"
}
