package shield

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
)

// Spam knows hosts that fake visits name as where they come from, so that somebody looks there. It is safe for concurrent use.
type Spam struct {
	built map[string]struct{}
	added atomic.Pointer[map[string]struct{}] // of the operator's file
}

const spamHeader = "footfall-spam 1"

// NewSpam reads data/spam.txt among the built assets; nil is an empty list.
func NewSpam(data []byte) (*Spam, error) {
	s := &Spam{built: map[string]struct{}{}}
	if data == nil {
		return s, nil
	}
	first, rest, _ := bytes.Cut(data, []byte("\n"))
	if string(first) != spamHeader {
		return nil, fmt.Errorf("read list of spam: want a first line %q", spamHeader)
	}
	var err error
	if s.built, err = readHosts(rest); err != nil {
		return nil, fmt.Errorf("read list of spam: %w", err)
	}
	return s, nil
}

// readHosts reads a host a line.
func readHosts(data []byte) (map[string]struct{}, error) {
	hosts := map[string]struct{}{}
	return hosts, eachLine(data, func(line string) error {
		host := strings.TrimPrefix(strings.ToLower(line), "www.")
		if len(host) > maxHost || !strings.Contains(host, ".") || strings.ContainsAny(host, "/:*@ \t") {
			return errors.New("it is no host; write it like spam.example")
		}
		hosts[host] = struct{}{}
		return nil
	})
}

// Has reports whether a referrer names one of the hosts, or a host under one. A page of the site itself is none.
func (s *Spam) Has(referrer, own string) bool {
	host := hostOf(referrer)
	if host == "" || len(host) > maxHost || strings.EqualFold(host, own) {
		return false
	}
	host = lower(host)
	added := s.added.Load()
	for {
		if _, ok := s.built[host]; ok {
			return true
		}
		if added != nil {
			if _, ok := (*added)[host]; ok {
				return true
			}
		}
		_, parent, more := strings.Cut(host, ".")
		if !more {
			return false
		}
		host = parent
	}
}

// hostOf returns the host of an address, without "www.", "" if there is none. It follows browsers, for which a backslash ends a host too.
func hostOf(address string) string {
	_, rest, ok := strings.Cut(address, "://")
	if !ok {
		return ""
	}
	if i := strings.IndexAny(rest, `/?#\`); i >= 0 {
		rest = rest[:i]
	}
	rest = rest[strings.LastIndexByte(rest, '@')+1:]
	rest, _, _ = strings.Cut(rest, ":")
	rest = strings.TrimSuffix(rest, ".")
	if len(rest) > 4 && strings.EqualFold(rest[:4], "www.") {
		rest = rest[4:]
	}
	return rest
}
