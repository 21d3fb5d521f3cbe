package agent

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
)

// botWords are parts of words by which programs name themselves, in lower case. None is part of a browser's or a
// phone's name.
var botWords = []string{
	"crawl", "spider", "scraper", "monitor", "fetcher", "scanner", "uptime", "pinger", "checker", "archiver", "validator", "transcoder",
	"phantomjs", "puppeteer", "playwright", "selenium", "lighthouse", "script", "slurp",
}

// saysBot reports whether a header, in lower case, has one of these words, or "bot" at the end of a word. "bot" needs
// care: Cubot makes phones.
func (p *Parser) saysBot(lower string) bool {
	if p.words.find(lower)[ofWords] >= 0 {
		return true
	}
	for rest := lower; ; {
		i := strings.Index(rest, "bot")
		if i < 0 {
			return false
		}
		before, after := rest[:i], rest[i+3:]
		ends := after == "" || after[0] < 'a' || after[0] > 'z' || strings.HasPrefix(after, "s ")
		phone := strings.HasSuffix(before, "cu") || strings.HasPrefix(after, " tab") || strings.HasPrefix(after, "_tab")
		if ends && !phone {
			return true
		}
		rest = after
	}
}

// list is the crawler list: many strings, looked for all at once. A bit for each three bytes that some string starts
// with decides for almost every position of a header that nothing begins there.
type list struct {
	starts   [1 << 16 / 64]uint64 // bit set over hash3
	strings  map[[3]byte][]string // by their first three bytes
	prefixes []string
	suffixes []string
	patterns []*regexp.Regexp
}

const listHeader = "footfall-bots 1"

// readList reads data/bots.txt; assets/data/build.mjs says what is in it.
func readList(data []byte) (*list, error) {
	l := &list{strings: make(map[[3]byte][]string)}
	if data == nil {
		return l, nil
	}
	first, rest, _ := bytes.Cut(data, []byte("\n"))
	if string(first) != listHeader {
		return nil, fmt.Errorf("want a first line %q", listHeader)
	}
	n := 0
	for line := range bytes.Lines(rest) {
		n++
		if n > maxListed {
			return nil, fmt.Errorf("more than %d lines", maxListed)
		}
		if err := l.add(string(bytes.TrimSuffix(line, []byte("\n")))); err != nil {
			return nil, fmt.Errorf("line %d: %w", n+1, err)
		}
	}
	return l, nil
}

func (l *list) add(line string) error {
	if len(line) < 4 {
		return fmt.Errorf("pattern %q is too short", line)
	}
	pattern := line[1:]
	switch line[0] {
	case '=':
		key := [3]byte([]byte(pattern))
		l.strings[key] = append(l.strings[key], pattern)
		h := hash3(pattern)
		l.starts[h/64] |= 1 << (h % 64)
	case '^':
		l.prefixes = append(l.prefixes, pattern)
	case '$':
		l.suffixes = append(l.suffixes, pattern)
	case '~':
		re, err := regexp.Compile(pattern)
		if err != nil {
			return err
		}
		l.patterns = append(l.patterns, re)
	default:
		return fmt.Errorf("unknown kind of pattern %q", line)
	}
	return nil
}

// hash3 mixes the first three bytes of s into 16 bits.
func hash3(s string) uint32 {
	return (uint32(s[0]) | uint32(s[1])<<8 | uint32(s[2])<<16) * 0x9E3779B1 >> 16
}

func (l *list) match(header string) bool {
	for i := 0; i+3 <= len(header); i++ {
		h := hash3(header[i:])
		if l.starts[h/64]&(1<<(h%64)) == 0 {
			continue
		}
		for _, s := range l.strings[[3]byte([]byte(header[i:i+3]))] {
			if strings.HasPrefix(header[i:], s) {
				return true
			}
		}
	}
	for _, s := range l.prefixes {
		if strings.HasPrefix(header, s) {
			return true
		}
	}
	for _, s := range l.suffixes {
		if strings.HasSuffix(header, s) {
			return true
		}
	}
	for _, re := range l.patterns {
		if re.MatchString(header) {
			return true
		}
	}
	return false
}
