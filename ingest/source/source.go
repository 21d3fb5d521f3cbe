// Package source says where a visit came from: it reads the campaign tags of the page's address and the referrer, gives
// both a name people know, and derives the channel. What it returns shares no memory with what it was given.
package source

import (
	"bytes"
	"fmt"
	"strings"
)

// Attribution is where a visit came from. The empty string means unknown or none.
type Attribution struct {
	Source      string // "Google", "ChatGPT", … , the referring host, or the tag as it was written
	Referrer    string // referring host and path, without scheme, "www.", user, port, query and fragment
	Channel     string // one of the Channel constants
	UTMSource   string // the tag utm_source, source or ref, as it was written
	UTMMedium   string // the tag, or "(gclid)" or "(msclkid)" where an advertising click stands for it
	UTMCampaign string
	UTMContent  string
	UTMTerm     string
	ClickID     string // name of the click parameter, never its value
}

// Table knows names of sources. It is immutable and safe for concurrent use.
type Table struct {
	exact      map[string]string   // a whole host or a tag, in lower case -> name
	names      map[string]string   // a tag in lower case -> name
	families   map[string]string   // a host -> name of it and all below; before hosts
	hosts      map[string]site     // a host -> name of it and all below
	categories map[string]category // a source in lower case
	paid       map[string]bool     // tags that mean paid traffic
}

// site is what is known of a host.
type site struct {
	name  string // "" if only some of its paths have a name
	paths []place
}

type place struct{ path, name string }

const header = "footfall-sources 1"

// New returns the table in data, the content of data/sources.tsv among the built assets; assets/data/build.mjs says what
// is in it. Without it (nil) a source is the referring host or the tag.
func New(data []byte) (*Table, error) {
	t := &Table{
		exact:      make(map[string]string),
		names:      make(map[string]string),
		families:   make(map[string]string),
		hosts:      make(map[string]site),
		categories: make(map[string]category),
		paid:       make(map[string]bool),
	}
	if data == nil {
		return t, nil
	}
	first, rest, _ := bytes.Cut(data, []byte("\n"))
	if string(first) != header {
		return nil, fmt.Errorf("read sources: want a first line %q", header)
	}
	n := 1
	for line := range bytes.Lines(rest) {
		n++
		if err := t.add(string(bytes.TrimSuffix(line, []byte("\n")))); err != nil {
			return nil, fmt.Errorf("read sources: line %d: %w", n, err)
		}
	}
	t.link()
	return t, nil
}

func (t *Table) add(line string) error {
	kind, rest, _ := strings.Cut(line, "\t")
	key, value, ok := strings.Cut(rest, "\t")
	if !ok || key == "" || value == "" || strings.Contains(value, "\t") {
		return fmt.Errorf("%q: want kind, key and value", line)
	}
	switch kind {
	case "e":
		t.exact[key] = value
		// Advertising platforms are tagged so.
		if strings.HasSuffix(key, "ad") || strings.HasSuffix(key, "ads") || key == "adwords" {
			t.paid[key] = true
		}
	case "f":
		t.families[key] = value
	case "h":
		host, path, _ := strings.Cut(key, "/")
		s := t.hosts[host]
		if path == "" {
			s.name = value
		} else {
			s.paths = append(s.paths, place{"/" + path, value})
		}
		t.hosts[host] = s
	case "c":
		c, ok := categoryNames[value]
		if !ok {
			return fmt.Errorf("%q: unknown category", line)
		}
		t.categories[key] = c
	default:
		return fmt.Errorf("%q: unknown kind", line)
	}
	return nil
}

// link makes the table of names and gives every host its final name: one source has one name, whichever list it is from.
func (t *Table) link() {
	for _, s := range t.hosts {
		if s.name != "" {
			t.names[strings.ToLower(s.name)] = s.name
		}
		for _, p := range s.paths {
			t.names[strings.ToLower(p.name)] = p.name
		}
	}
	for _, name := range t.families {
		t.names[strings.ToLower(name)] = name
	}
	for _, name := range t.exact {
		t.names[strings.ToLower(name)] = name
	}
	for key, name := range t.exact {
		t.names[key] = name
	}
	for host, s := range t.hosts {
		s.name = t.canonical(s.name)
		for i := range s.paths {
			s.paths[i].name = t.canonical(s.paths[i].name)
		}
		t.hosts[host] = s
	}
}

// canonical returns the known name of a source, or the source as it is.
func (t *Table) canonical(source string) string {
	if name, ok := t.names[strings.ToLower(source)]; ok {
		return name
	}
	return source
}

// Attribute says where a visit came from whose first page has these tags and whose browser sent this referrer.
func (t *Table) Attribute(page Tags, referrer string) Attribution {
	a := Attribution{
		UTMSource: page.Source, UTMMedium: page.Medium, UTMCampaign: page.Campaign, UTMContent: page.Content, UTMTerm: page.Term,
		ClickID: page.ClickID,
	}
	from, ok := parseReferrer(referrer)
	if ok && !from.is(page.Host) && from.host != "localhost" {
		a.Referrer = from.stored()
		a.Source = t.name(from)
	}
	if page.Source != "" {
		a.Source = t.canonical(page.Source)
	}
	if a.UTMMedium == "" {
		switch {
		case a.Source == "Google" && a.ClickID == "gclid":
			a.UTMMedium = "(gclid)"
		case a.Source == "Bing" && a.ClickID == "msclkid":
			a.UTMMedium = "(msclkid)"
		}
	}
	a.Channel = t.Channel(a.Source, a.UTMMedium, a.UTMCampaign, a.UTMSource, a.ClickID)
	return a
}

// name returns the name of a referring page: of its whole host, of a family it belongs to, of the longest known part
// of its host and path, or its host.
func (t *Table) name(from referrer) string {
	host := strings.ToLower(from.host)
	if from.app {
		if name, ok := t.exact[androidApp+host]; ok {
			return name
		}
		if s, ok := t.hosts[host]; ok && s.name != "" {
			return s.name
		}
		return strings.Clone(from.host)
	}
	if name, ok := t.exact[host]; ok {
		return name
	}
	for parent, more := host, true; more; _, parent, more = strings.Cut(parent, ".") {
		if name, ok := t.families[parent]; ok {
			return name
		}
	}
	for parent, more := host, true; more; _, parent, more = strings.Cut(parent, ".") {
		s, ok := t.hosts[parent]
		if !ok {
			continue
		}
		if name := s.at(from.path); name != "" {
			return name
		}
	}
	return strings.Clone(host)
}

// at returns the name of the longest known start of a path, or the site's own.
func (s site) at(path string) string {
	name, longest := s.name, 0
	for _, p := range s.paths {
		rest, ok := strings.CutPrefix(path, p.path)
		if ok && (rest == "" || rest[0] == '/') && len(p.path) > longest {
			name, longest = p.name, len(p.path)
		}
	}
	return name
}
