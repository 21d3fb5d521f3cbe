// Package workload makes the reference traffic: a website's visits, day by day, skewed like real ones and the same for the
// same seed. The demo shows it, benchmarks and tests measure with it, so its stream must never change; a test pins it.
//
// Days are independent: what happens on a day depends only on the generator's size and seed and on the date, so any
// day can be made alone, in any order, on any goroutine.
package workload

import (
	"math"
	"math/rand/v2"
	"slices"
	"sort"

	"footfall/storage/schema"
)

// Epoch is day 0 of the reference year, 2025-11-14 UTC. Days before and after it work as well.
const Epoch schema.Date = 20406

// Days is the length of the reference year; New spreads its total over it.
const Days = 365

// None stands in an Event for no referrer and no campaign.
const None = -1

// visitEnd is the chance that a visit ends after an event, and maxEvents what ends it for sure.
const (
	visitEnd  = 0.45
	maxEvents = 60
)

// Event is one event of the stream. The int32 fields index the lists of Dictionary.
type Event struct {
	Time             int64 // Unix seconds
	Visitor, Session uint64
	Path, Referrer   int32 // Referrer may be None
	Campaign         int32 // or None
	Place, Agent     int32
	Name, Host       int32
	First            bool // of its session
}

// Generator makes the traffic of one site. It is immutable and safe for concurrent use.
type Generator struct {
	Dictionary *Dictionary
	perDay     int
	seed       uint64

	pages, entries, referrers, agents, countries, cities, campaigns zipf
}

// New returns a generator of about total events in the reference year.
func New(total int, seed uint64) *Generator {
	d := newDictionary()
	return &Generator{
		Dictionary: d,
		perDay:     total / Days,
		seed:       seed,
		pages:      newZipf(len(d.Paths), 1.05, 2),
		entries:    newZipf(len(d.Paths), 1.15, 1),
		referrers:  newZipf(len(d.Referrers), 1.3, 1),
		agents:     newZipf(len(d.Agents), 0.9, 2),
		countries:  newZipf(len(countryCodes), 1.25, 1),
		cities:     newZipf(citiesPerCountry, 1.0, 2),
		campaigns:  newZipf(len(d.Campaigns), 1.0, 2),
	}
}

// Day returns the events of sessions that begin on the given UTC day, in order of time. The last sessions may run a little
// past midnight.
func (g *Generator) Day(date schema.Date) []Event {
	day := int(date - Epoch)
	r := rand.New(rand.NewPCG(g.seed, uint64(day)+1))
	n := int(float64(g.perDay) * dayFactor(date))
	events := make([]Event, 0, n+maxEvents)
	for session := uint64(1); len(events) < n; session++ {
		first := g.first(r, date, session)
		events = g.session(r, events, first)
	}
	return byTime(events)
}

// byTime returns the events in the order of time; those of one second keep theirs.
func byTime(events []Event) []Event {
	order := make([]uint64, len(events)) // time, then place: far less to move than an Event
	for i := range events {
		order[i] = uint64(events[i].Time)<<32 | uint64(i)
	}
	slices.Sort(order)
	sorted := make([]Event, len(events))
	for i, o := range order {
		sorted[i] = events[uint32(o)]
	}
	return sorted
}

// dayFactor is how busy a day is: quiet weekends and a slow wave over the year.
func dayFactor(date schema.Date) float64 {
	f := 1.07
	if weekday := (date + 4) % 7; weekday == 0 || weekday == 6 {
		f = 0.82
	}
	return f * (1 + 0.15*math.Sin(2*math.Pi*float64(date-Epoch)/Days))
}

// first draws who comes, when, from where and to which page. A person is the same on every day, so browser and place are
// drawn from the person's own source; the visitor id is new each day. The order of draws is part of the stream.
func (g *Generator) first(r *rand.Rand, date schema.Date, session uint64) Event {
	pool := uint64(max(1000, g.perDay*10))
	person := uint64(math.Pow(r.Float64(), 1.6) * float64(pool)) // some return often
	hash := mix(person ^ g.seed<<32)
	own := rand.New(rand.NewPCG(hash, 1))
	e := Event{First: true, Referrer: None, Campaign: None}
	e.Agent = g.agents.pick(own)
	e.Place = g.countries.pick(own)*citiesPerCountry + g.cities.pick(own)
	e.Visitor = mix(hash ^ uint64(int(date-Epoch))*0x9E3779B1)
	e.Session = mix(e.Visitor ^ session*0xD1B54A32D192ED03)

	hour := 14 + 4.5*r.NormFloat64()
	for hour < 0 {
		hour += 24
	}
	for hour >= 24 {
		hour -= 24
	}
	e.Time = int64(date)*86400 + int64(hour*3600)
	if r.Float64() < 0.55 {
		e.Referrer = g.referrers.pick(r)
	}
	if r.Float64() < 0.07 {
		e.Campaign = g.campaigns.pick(r)
	}
	switch x := r.Float64(); {
	case x > 0.92:
		e.Host = 2
	case x > 0.85:
		e.Host = 1
	}
	e.Path = g.entries.pick(r)
	return e
}

// session appends e and what the same person does next.
func (g *Generator) session(r *rand.Rand, events []Event, e Event) []Event {
	for k := range maxEvents {
		e.Name = 0
		if k > 0 && r.Float64() < 0.05 {
			e.Name = 1 + int32(r.IntN(len(g.Dictionary.Names)-1))
		}
		events = append(events, e)
		e.First = false
		if r.Float64() < visitEnd {
			break
		}
		e.Time += 2 + int64(r.ExpFloat64()*60)
		if e.Name == 0 {
			e.Path = g.pages.pick(r)
		}
	}
	return events
}

// zipf draws indexes with Zipf's weights 1/(i+1+q)^s, as their cumulative sums.
type zipf []float64

func newZipf(n int, s, q float64) zipf {
	z := make(zipf, n)
	sum := 0.0
	for i := range z {
		sum += 1 / math.Pow(float64(i)+1+q, s)
		z[i] = sum
	}
	for i := range z {
		z[i] /= sum
	}
	return z
}

func (z zipf) pick(r *rand.Rand) int32 { return int32(sort.SearchFloat64s(z, r.Float64())) }

// mix is splitmix64.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb
	return x ^ (x >> 31)
}

// ForDomain returns the same traffic on another domain and its subdomains.
func (g *Generator) ForDomain(domain string) *Generator {
	moved, d := *g, *g.Dictionary
	d.Hosts = []string{domain, "blog." + domain, "docs." + domain}
	moved.Dictionary = &d
	return &moved
}
