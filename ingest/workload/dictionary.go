package workload

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

const (
	paths            = 2000
	referrers        = 200
	citiesPerCountry = 60
	agents           = 50
)

// Place is where a person is. Its names are made up but for the country.
type Place struct{ Country, Region, City string }

// Agent is a browser, as Footfall names it and as it names itself.
type Agent struct{ Browser, Version, OS, Device, UserAgent string }

// Campaign is a set of utm tags.
type Campaign struct{ Source, Medium, Name string }

// Dictionary holds the values that events index. It is not to be changed.
type Dictionary struct {
	Paths     []string
	Referrers []string // host names
	Places    []Place
	Agents    []Agent
	Campaigns []Campaign
	Names     []string // pageview is the first
	Hosts     []string // the site's own domain is the first
}

var countryCodes = strings.Fields(`US DE GB FR IN CA NL BR ES IT PL AU JP SE CH AT BE DK NO FI IE PT CZ RO HU GR TR UA MX AR CL CO ZA NG KE EG IL AE
	SA SG MY TH VN ID PH KR TW HK CN NZ RU SK SI HR BG RS LT LV EE LU`)

var words = strings.Fields(`fast private small web analytics server deploy static binary cookie free data retention hosting guide setup linux docker
	nginx caddy postgres sqlite metrics events goals funnels report weekly export import backup restore upgrade release note security gdpr consent
	banner script tracker performance bytes speed page view visitor session bounce rate source campaign`)

var sections = strings.Fields("blog docs guides product changelog help news tags authors api")

func newDictionary() *Dictionary {
	r := rand.New(rand.NewPCG(7, 7)) // one source for all lists: their order below is part of the stream
	return &Dictionary{
		Paths:     makePaths(r),
		Referrers: makeReferrers(r),
		Places:    makePlaces(),
		Agents:    makeAgents(),
		Campaigns: makeCampaigns(),
		Names:     []string{"pageview", "signup", "download", "outbound"},
		Hosts:     []string{"example.com", "blog.example.com", "docs.example.com"},
	}
}

func makePaths(r *rand.Rand) []string {
	list := strings.Fields("/ /pricing /about /login /signup /blog /docs /contact")
	for len(list) < paths {
		section := sections[r.IntN(len(sections))]
		slug := make([]string, 2+r.IntN(4))
		for i := range slug {
			slug[i] = words[r.IntN(len(words))]
		}
		list = append(list, fmt.Sprintf("/%s/%s-%d", section, strings.Join(slug, "-"), len(list)))
	}
	return list
}

func makeReferrers(r *rand.Rand) []string {
	list := strings.Fields(`www.google.com news.ycombinator.com t.co www.bing.com duckduckgo.com www.reddit.com github.com www.linkedin.com
		l.facebook.com lobste.rs chatgpt.com www.youtube.com search.brave.com www.ecosia.org out.reddit.com`)
	for len(list) < referrers {
		list = append(list, fmt.Sprintf("%s-%s%d.example.org", words[r.IntN(len(words))], words[r.IntN(len(words))], len(list)))
	}
	return list
}

func makePlaces() []Place {
	var list []Place
	for _, country := range countryCodes {
		for k := range citiesPerCountry {
			list = append(list, Place{country, fmt.Sprintf("%s-R%02d", country, k%12), fmt.Sprintf("City %s %02d", country, k)})
		}
	}
	return list
}

func makeCampaigns() []Campaign {
	mediums := []struct{ name, season string }{{"email", "spring"}, {"cpc", "summer"}, {"social", "autumn"}}
	var list []Campaign
	for i, source := range strings.Fields("newsletter google twitter linkedin facebook partner podcast conference") {
		for _, medium := range mediums {
			for k := range 5 {
				list = append(list, Campaign{source, medium.name, fmt.Sprintf("c%d-%d-%s", i, k, medium.season)})
			}
		}
	}
	return list
}

// The systems as they name themselves in a User-Agent.
const (
	windows = "Windows NT 10.0; Win64; x64"
	mac     = "Macintosh; Intel Mac OS X 10_15_7"
	android = "Linux; Android 10; K"
	linux   = "X11; Linux x86_64"
	samsung = "Linux; Android 14; SAMSUNG SM-S918B"
)

func makeAgents() []Agent {
	chrome := func(system, tail string) string {
		return "Mozilla/5.0 (" + system + ") AppleWebKit/537.36 (KHTML, like Gecko) " + tail
	}
	var list []Agent
	for _, v := range strings.Fields("138 137 136 139 135 134 133 131") {
		list = append(list,
			Agent{"Chrome", v, "Windows", "Desktop", chrome(windows, "Chrome/"+v+".0.0.0 Safari/537.36")},
			Agent{"Chrome", v, "Android", "Mobile", chrome(android, "Chrome/"+v+".0.0.0 Mobile Safari/537.36")})
	}
	for _, v := range strings.Fields("18.5 18.4 18.3 17.6 17.5 16.6") {
		phone := "iPhone; CPU iPhone OS " + strings.ReplaceAll(v, ".", "_") + " like Mac OS X"
		list = append(list,
			Agent{"Safari", v, "iOS", "Mobile", "Mozilla/5.0 (" + phone + ") AppleWebKit/605.1.15 (KHTML, like Gecko) Version/" + v + " Mobile/15E148 Safari/604.1"},
			Agent{"Safari", v, "Mac", "Desktop", "Mozilla/5.0 (" + mac + ") AppleWebKit/605.1.15 (KHTML, like Gecko) Version/" + v + " Safari/605.1.15"})
	}
	for _, v := range strings.Fields("138 137 136 135") {
		list = append(list,
			Agent{"Chrome", v, "Mac", "Desktop", chrome(mac, "Chrome/"+v+".0.0.0 Safari/537.36")},
			Agent{"Microsoft Edge", v, "Windows", "Desktop", chrome(windows, "Chrome/"+v+".0.0.0 Safari/537.36 Edg/"+v+".0.0.0")})
	}
	for _, v := range strings.Fields("140 139 138 128") {
		list = append(list,
			Agent{"Firefox", v, "Windows", "Desktop", "Mozilla/5.0 (" + windows + "; rv:" + v + ".0) Gecko/20100101 Firefox/" + v + ".0"},
			Agent{"Firefox", v, "GNU/Linux", "Desktop", "Mozilla/5.0 (" + linux + "; rv:" + v + ".0) Gecko/20100101 Firefox/" + v + ".0"})
	}
	for _, v := range strings.Fields("27 28 26") {
		list = append(list, Agent{"Samsung Browser", v, "Android", "Mobile", chrome(samsung, "SamsungBrowser/"+v+".0 Chrome/125.0.0.0 Mobile Safari/537.36")})
	}
	for _, v := range strings.Fields("120 119 118") {
		list = append(list, Agent{"Opera", v, "Windows", "Desktop", chrome(windows, "Chrome/135.0.0.0 Safari/537.36 OPR/"+v+".0.0.0")})
	}
	return list[:agents]
}
