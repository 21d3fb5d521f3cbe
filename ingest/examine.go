package ingest

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"footfall/ingest/geo"
	"footfall/ingest/shield"
	"footfall/ingest/visitor"
	"footfall/storage/verb"
)

// Examine looks at where events seem to come from, at what was dropped since the start, and at rules that cannot do what they say.
func (h *Handler) Examine(c *verb.Context) []verb.Finding {
	return append([]verb.Finding{h.examineAddresses(), h.examineUnknown()}, h.examineRules()...)
}

// ExamineAddresses tells whether visits are counted for the addresses of visitors.
func (h *Handler) ExamineAddresses(*verb.Context) []verb.Finding {
	return []verb.Finding{h.examineAddresses()}
}

// AddressesWrong reports whether visits seem to be counted for the address of a proxy.
func (h *Handler) AddressesWrong() bool { return h.examineAddresses().Level == verb.Problem }

// warnOfAddresses says so in the log when it begins, for those who look nowhere else.
func (h *Handler) warnOfAddresses() {
	if wrong := h.AddressesWrong(); wrong != h.warned.Swap(wrong) && wrong {
		h.log.Warn("visits are counted for the address of a proxy instead of those of visitors: `footfall doctor` says what mends it")
	}
}

// ForgetAddresses begins to look anew at where events come from, since other proxies are trusted now.
func (h *Handler) ForgetAddresses() { h.census.Forget() }

const addresses = "addresses"

func (h *Handler) examineAddresses() verb.Finding {
	i := h.census.Impression(h.clock.unix())
	setting := func(network string) string {
		if network == "" || h.trusting == nil {
			return "name the networks of the proxy: --trusted-proxy NETWORK,… (docs/proxies.md)"
		}
		return "if a proxy of yours is there, start with " + h.trusting(network)
	}
	few := i.Private < i.Events || i.Addresses <= fewAddresses // private addresses, if they are more, are people
	all := i.Private == i.Events && few
	switch {
	case i.Events < enoughEvents:
		return verb.Finding{Level: verb.Unknown, About: addresses, Text: fmt.Sprintf("%d events in the last hours are too few to tell whether they come from visitors", i.Events)}
	case 2*i.Ignored >= i.Events:
		return verb.Finding{Level: verb.Problem, About: addresses, Mend: setting(i.IgnoredFrom),
			Text: fmt.Sprintf("%d of the last %d events came with an X-Forwarded-For that is ignored, since %s is no trusted proxy: many visitors are counted as one, in the wrong country",
				i.Ignored, i.Events, placeName(i.IgnoredFrom))}
	case few && 10*i.Silent >= 9*i.Events:
		return verb.Finding{Level: verb.Problem, About: addresses, Mend: "let the proxy send X-Forwarded-For: docs/proxies.md",
			Text: fmt.Sprintf("the last %d events come from %s, a trusted proxy that does not say whom it speaks for: all visitors are counted as one, in the wrong country or in none",
				i.Events, placeName(cmp.Or(i.PrivateIn, i.KnownAs)))}
	case all:
		return verb.Finding{Level: verb.Problem, About: addresses, Mend: setting(i.PrivateIn),
			Text: fmt.Sprintf("the last %d events all come from %s, from %d of its addresses: visitors are counted as no more, without a country", i.Events, placeName(i.PrivateIn), i.Addresses)}
	case i.Known > 1 && 10*i.Known >= 9*i.Addresses:
		return verb.Finding{Level: verb.Problem, About: addresses, Mend: setting(i.KnownAs),
			Text: fmt.Sprintf("the last %d events are counted for addresses of %s, which is no trusted proxy, instead of those of visitors", i.Events, placeName(i.KnownAs))}
	case i.Addresses == 1 && i.Agents >= manyAgents:
		return verb.Finding{Level: verb.Warning, About: addresses, Mend: "if a proxy of yours has it, name it: --trusted-proxy, see docs/proxies.md; if all are in one office, all is well",
			Text: fmt.Sprintf("the last %d events all come from one address, with different browsers", i.Events)}
	case i.Addresses == 1:
		return verb.Finding{Level: verb.Unknown, About: addresses, Mend: "if more people than one were here, it is a proxy's: --trusted-proxy, see docs/proxies.md",
			Text: fmt.Sprintf("the last %d events all come from one address, as those of one person do", i.Events)}
	}
	text := fmt.Sprintf("the last %d events come from different places", i.Events)
	if i.Ignored > 0 {
		text += fmt.Sprintf("; %d brought an X-Forwarded-For that is ignored, since who sent them is no trusted proxy", i.Ignored)
	}
	return verb.Finding{Level: verb.Fine, About: addresses, Text: text}
}

// placeName names a network for a person.
func placeName(network string) string {
	switch network {
	case "":
		return "a public address"
	case "loopback":
		return "this machine (127.0.0.1)"
	case "private":
		return "a private network"
	case "cloudflare", "fastly", "cloudfront":
		return strings.ToUpper(network[:1]) + network[1:]
	}
	return network
}

func (h *Handler) examineUnknown() verb.Finding {
	counts := h.Snapshot()
	unknown := counts.Dropped[shield.NotFound]
	f := verb.Finding{Level: verb.Fine, About: "events", Text: fmt.Sprintf("%d events counted since the start, %d for sites that are not set up here", counts.Accepted, unknown)}
	if unknown > 0 && 10*unknown >= counts.Accepted {
		f.Level, f.Mend = verb.Warning, "if one of them is yours, see whether its snippet names the domain that `footfall site list` does, or add the site"
	}
	if counts.Refused > 0 {
		f.Text += fmt.Sprintf(", %d refused", counts.Refused)
	}
	return f
}

// note takes notice of how the address of an event that counts was found. Pages of this machine or of a local network are for those who make them:
// they tell nothing about how visitors reach the server. Nor does a program that speaks for itself.
func (h *Handler) note(from *sender, host string) {
	if localHost(host) || from.alone {
		return
	}
	trusted := from.vouched || h.trusted != nil && h.trusted(from.peer.Unmap().WithZone(""))
	h.census.Note(&visitor.Sighting{Peer: from.peer, Taken: from.addr, Trusted: trusted, Forwarded: from.forwarded, UserAgent: from.userAgent}, h.clock.newest.Load())
}

// tellsAddress reports whether an event with this reason not to be counted, or none, is a visitor's for all that is known but the address: if that is a
// proxy's, it may be why the event is dropped.
func tellsAddress(reason shield.Reason) bool {
	switch reason {
	case "", shield.DataCentre, shield.Throttle, shield.BlockedAddress, shield.BlockedCountry:
		return true
	}
	return false
}

// localHost reports whether pages of a host can only be seen near it.
func localHost(host string) bool {
	if host == "" || host == "localhost" || strings.HasPrefix(host, "[") {
		return true
	}
	if last := host[strings.LastIndexByte(host, '.')+1:]; last == host || last[0] >= '0' && last[0] <= '9' {
		return true // a single word, or an IPv4 address
	}
	for _, end := range []string{".localhost", ".local", ".lan", ".test", ".internal", ".home.arpa"} {
		if strings.HasSuffix(host, end) {
			return true
		}
	}
	return false
}

// ExaminePlaces tells which databases of places are used, and how old they are.
func ExaminePlaces(places *geo.DB) verb.ExamineFunc {
	return func(c *verb.Context) []verb.Finding {
		var found []verb.Finding
		for _, file := range places.Files() {
			found = append(found, examinePlace(file, c.Now()))
		}
		if !places.Ready() {
			found = append(found, verb.Finding{Level: verb.Warning, About: "places", Text: "there is no database of places: no visit has a country", Mend: "put a .mmdb file into the data directory: docs/places.md"})
		}
		return found
	}
}

func examinePlace(file geo.File, now time.Time) verb.Finding {
	var knows []string
	for _, k := range []struct {
		is   bool
		what string
	}{{file.Countries, "countries"}, {file.Cities, "cities"}, {file.Networks, "networks"}} {
		if k.is {
			knows = append(knows, k.what)
		}
	}
	made := fmt.Sprintf("%s of %s (%s)", file.Type, file.Built.Format(time.DateOnly), file.Name)
	if file.Name == "" {
		made = "built in, as of " + file.Built.Format(time.DateOnly)
	}
	f := verb.Finding{Level: verb.Fine, About: "places", Text: strings.Join(knows, " and ") + ": " + made}
	age := int(now.Sub(file.Built).Hours() / 24)
	switch {
	case file.Error != "":
		f.Level, f.Text, f.Mend = verb.Problem, fmt.Sprintf("%s is not used: %s", file.Name, file.Error), "put a whole file in its place: docs/places.md"
	case age > oldPlaces && file.Name != "":
		f.Level, f.Text, f.Mend = verb.Warning, f.Text+fmt.Sprintf(", %d days old", age), "get a newer one; makers publish each week or month"
	}
	return f
}
