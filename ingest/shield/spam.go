package shield

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
)

// Spam knows hosts that fake visits name as where they come from, so that somebody looks there. It is safe for concurrent use.
type Spam struct {
	built hosts
	added atomic.Pointer[hosts] // of the operator's file
}

// hosts are hosts by their last two labels, so that one look-up tells that a host is none of them, nor below one.
type hosts map[string][]string

const spamHeader = "footfall-spam 1"

// NewSpam reads data/spam.txt among the built assets; nil is an empty list.
func NewSpam(data []byte) (*Spam, error) {
	s := &Spam{}
	lines, err := afterHeader(data, spamHeader)
	if err == nil {
		s.built, err = readHosts(lines)
	}
	if err != nil {
		return nil, fmt.Errorf("read list of spam: %w", err)
	}
	return s, nil
}

// readHosts reads a host a line.
func readHosts(data []byte) (hosts, error) {
	all := hosts{}
	return all, eachLine(data, func(line string) error {
		host := strings.TrimPrefix(strings.ToLower(line), "www.")
		if len(host) > maxHost || !strings.Contains(host, ".") || strings.ContainsAny(host, "/:*@ \t") {
			return errors.New("it is no host; write it like spam.example")
		}
		end := lastLabels(host)
		all[end] = append(all[end], host)
		return nil
	})
}

// has reports whether a host, or one above it, is among them. end is its last two labels.
func (all hosts) has(host, end string) bool {
	for _, one := range all[end] {
		if above := len(host) - len(one); above == 0 && host == one || above > 0 && host[above-1] == '.' && host[above:] == one {
			return true
		}
	}
	return false
}

func lastLabels(host string) string {
	if last := strings.LastIndexByte(host, '.'); last > 0 {
		return host[strings.LastIndexByte(host[:last], '.')+1:]
	}
	return host
}

// Has reports whether a referrer names one of the hosts, or a host under one. A page of the site itself is none.
func (s *Spam) Has(referrer, own string) bool {
	host := hostOf(referrer)
	if host == "" || len(host) > maxHost || strings.EqualFold(host, own) {
		return false
	}
	host = lower(host)
	end := lastLabels(host)
	if s.built.has(host, end) {
		return true
	}
	added := s.added.Load()
	return added != nil && added.has(host, end)
}

// hostOf returns the host of an address, without "www.", "" if there is none. It follows browsers, for which a backslash ends a host too.
func hostOf(address string) string {
	begin := strings.Index(address, "://") + 3
	if begin < 3 {
		return ""
	}
	port, i := -1, begin
loop:
	for ; i < len(address); i++ {
		switch address[i] {
		case '/', '?', '#', '\\':
			break loop
		case '@':
			begin, port = i+1, -1
		case ':':
			if port < 0 {
				port = i
			}
		}
	}
	if port >= 0 {
		i = port
	}
	host := strings.TrimSuffix(address[begin:i], ".")
	if len(host) > 4 && strings.EqualFold(host[:4], "www.") {
		host = host[4:]
	}
	return host
}
