package geo

import "strings"

// Language returns the preferred language of an Accept-Language header as language and region, such as "en-GB", or the
// language alone where no region is named. It is the tag of the highest weight, the first among equals; script, variants
// and everything else are dropped, for they tell people apart more than they tell about languages. A header without a
// valid tag gives "".
func Language(header string) string {
	if len(header) > maxHeader {
		header = header[:maxHeader]
	}
	best, weight := "", 0
	for part := range strings.SplitSeq(header, ",") {
		tag, parameters, _ := strings.Cut(part, ";")
		q := quality(parameters)
		if q <= weight {
			continue
		}
		if t := canonical(strings.TrimSpace(tag)); t != "" {
			best, weight = t, q
		}
	}
	return best
}

// quality returns the weight of a tag in thousandths: 1000 if none is given, 0 if it makes no sense.
func quality(parameters string) int {
	parameters = strings.TrimSpace(parameters)
	if parameters == "" {
		return 1000
	}
	value, ok := strings.CutPrefix(parameters, "q=")
	if !ok {
		if value, ok = strings.CutPrefix(parameters, "Q="); !ok {
			return 0
		}
	}
	whole, fraction, _ := strings.Cut(value, ".")
	if whole == "1" && strings.Trim(fraction, "0") == "" {
		return 1000
	}
	if whole != "0" || len(fraction) > 3 || !digits(fraction) {
		return 0
	}
	q := 0
	for i := range 3 {
		q *= 10
		if i < len(fraction) {
			q += int(fraction[i] - '0')
		}
	}
	return q
}

// canonical reads a BCP 47 tag: language of two or three letters, then perhaps extended languages (three letters), a
// script (four letters), a region (two letters or three digits), and what follows it.
func canonical(tag string) string {
	language, rest, more := strings.Cut(tag, "-")
	if len(language) < 2 || len(language) > 3 || !letters(language) {
		return ""
	}
	language = lower(language)
	const (
		extended = iota
		script
		region
	)
	for state := extended; more; {
		var sub string
		sub, rest, more = strings.Cut(rest, "-")
		switch {
		case len(sub) == 3 && letters(sub) && state == extended:
		case len(sub) == 4 && letters(sub) && state <= script:
			state = region
		case len(sub) == 2 && letters(sub):
			return language + "-" + upper(sub)
		case len(sub) == 3 && digits(sub):
			return language + "-" + strings.Clone(sub)
		case len(sub) == 0 || len(sub) > 8 || !alphanumeric(sub):
			return ""
		default:
			// Variants and extensions come after the region, so there is none.
			return language
		}
	}
	return language
}

func letters(s string) bool {
	for i := range len(s) {
		if c := s[i] | 0x20; c < 'a' || c > 'z' {
			return false
		}
	}
	return true
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

func alphanumeric(s string) bool {
	for i := range len(s) {
		if !letters(s[i:i+1]) && !digits(s[i:i+1]) {
			return false
		}
	}
	return true
}

// upper and lower change ASCII letters and give a copy that does not hold the header alive.
func upper(s string) string { return strings.Clone(strings.ToUpper(s)) }

func lower(s string) string { return strings.Clone(strings.ToLower(s)) }
