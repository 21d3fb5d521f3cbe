package source

import "strings"

// Tags are what is read of a page's address to attribute a visit. Of the query nothing else is kept.
type Tags struct {
	Host     string // the page's host
	Source   string // utm_source, else source, else ref
	Medium   string
	Campaign string
	Content  string
	Term     string
	ClickID  string // name of the click parameter that is there
}

// clickIDs are the parameters by which advertising platforms mark clicks; the first that is there counts.
var clickIDs = [...]string{"gclid", "gbraid", "wbraid", "msclkid", "fbclid", "twclid"}

// ReadTags reads the tags of a page's query, the part after "?". Names are as written here, lower case. Of a
// parameter that is there twice the last counts; one that is blank is not there, but for click parameters.
func ReadTags(host, query string) Tags {
	t := Tags{Host: host}
	var source, ref string
	clickID := len(clickIDs)
	for query != "" {
		var pair string
		pair, query, _ = strings.Cut(query, "&")
		key, value, _ := strings.Cut(pair, "=")
		switch key = decode(key); key {
		case "utm_source":
			t.Source = tag(value)
		case "source":
			source = tag(value)
		case "ref":
			ref = tag(value)
		case "utm_medium":
			t.Medium = tag(value)
		case "utm_campaign":
			t.Campaign = tag(value)
		case "utm_content":
			t.Content = tag(value)
		case "utm_term":
			t.Term = tag(value)
		default:
			for i := range clickID {
				if key == clickIDs[i] {
					clickID = i
					break
				}
			}
		}
	}
	if t.Source == "" {
		t.Source = source
	}
	if t.Source == "" {
		t.Source = ref
	}
	if clickID < len(clickIDs) {
		t.ClickID = clickIDs[clickID]
	}
	return t
}

// tag decodes a value into a text of its own, which does not hold the query alive.
func tag(value string) string {
	v := strings.ToValidUTF8(decode(value), "\uFFFD")
	if strings.TrimSpace(v) == "" {
		return ""
	}
	return strings.Clone(v)
}

// decode undoes form encoding: "+" is a space, %XX a byte. A bad escape stays as it is.
func decode(s string) string {
	if strings.IndexByte(s, '%') < 0 && strings.IndexByte(s, '+') < 0 {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '+':
			c = ' '
		case c == '%' && i+2 < len(s):
			hi, ok1 := unhex(s[i+1])
			lo, ok2 := unhex(s[i+2])
			if ok1 && ok2 {
				c = hi<<4 | lo
				i += 2
			}
		}
		b = append(b, c)
	}
	return string(b)
}

func unhex(c byte) (byte, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10, true
	}
	return 0, false
}
