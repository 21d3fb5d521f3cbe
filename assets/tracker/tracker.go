// Package tracker reads the tracking script in the forms that build.mjs made of one source: one for each set of extensions that a name
// such as script.hash.outbound-links.js may have, and one with place for the settings of a site.
package tracker

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
)

// Endpoint is where a script sends to, on the host that it came from, unless it is told otherwise.
const Endpoint = "/api/event"

const (
	settingsPlace  = "FOOTFALL_SITE" // flags.d.ts
	packedTogether = 64              // build.mjs
)

// Set is all scripts. It keeps only names in memory. A nil Set is one that was not built.
type Set struct {
	dist          fs.FS
	bits          map[string]int // of extensions that change the code
	before, after []byte         // a site's own script, around the place of its settings
}

// Site is what a site's own script does.
type Site struct {
	Domain    string `json:"domain"`
	Endpoint  string `json:"endpoint"` // a path, or another host's address
	Outbound  bool   `json:"outboundLinks,omitempty"`
	Downloads bool   `json:"fileDownloads,omitempty"`
	Forms     bool   `json:"formSubmissions,omitempty"`
	Hash      bool   `json:"hashBasedRouting,omitempty"`
}

// Load reads assets.Dist. It returns nil where the scripts were not built.
func Load(dist fs.FS) (*Set, error) {
	extensions, err := fs.ReadFile(dist, "tracker/extensions.txt")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	own, err2 := fs.ReadFile(dist, "tracker/site.js")
	if err := errors.Join(err, err2); err != nil {
		return nil, fmt.Errorf("read tracking script: %w", err)
	}
	s := &Set{dist: dist, bits: map[string]int{}}
	for bit, name := range strings.Fields(string(extensions)) {
		s.bits[name] = 1 << bit
	}
	var ok bool
	if s.before, s.after, ok = bytes.Cut(own, []byte(settingsPlace)); !ok {
		return nil, fmt.Errorf("read tracking script: site.js has no place for settings")
	}
	return s, nil
}

// Number reads what stands behind "script." in a name, such as "hash.local.js". Extensions may stand in any order, each once. The number
// is that of the script: names that ask for the same have the same.
func (s *Set) Number(end string) (number int, ok bool) {
	parts := strings.Split(end, ".")
	last := len(parts) - 1
	if parts[last] != "js" {
		return 0, false
	}
	for i, name := range parts[:last] {
		bit := s.bits[name]
		switch name {
		case "revenue", "pageleave", "js": // what every script can do
		default:
			if bit == 0 {
				return 0, false
			}
		}
		if slices.Contains(parts[:i], name) {
			return 0, false
		}
		number |= bit
	}
	return number, true
}

// Shared returns the script with a number, made to send to a path on the host that it came from.
func (s *Set) Shared(number int, endpoint string) ([]byte, error) {
	packed, err := s.dist.Open(fmt.Sprintf("tracker/%02d.gz", number/packedTogether))
	if err != nil {
		return nil, err
	}
	defer packed.Close()
	z, err := gzip.NewReader(packed)
	if err != nil {
		return nil, fmt.Errorf("unpack script %d: %w", number, err)
	}
	all, err := io.ReadAll(z)
	if err != nil {
		return nil, fmt.Errorf("unpack script %d: %w", number, err)
	}
	scripts := bytes.Split(all, []byte{0})
	if number%packedTogether >= len(scripts) {
		return nil, fmt.Errorf("unpack script %d: there are fewer", number)
	}
	script := scripts[number%packedTogether]
	if endpoint == Endpoint {
		return bytes.Clone(script), nil
	}
	return bytes.Replace(script, quote(Endpoint), quote(endpoint), 1), nil
}

// Own returns a site's own script.
func (s *Set) Own(site Site) []byte { return slices.Concat(s.before, quote(site), s.after) }

// quote writes a value as it stands in a program.
func quote(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic("tracker: internal error: " + err.Error())
	}
	return text
}
