//go:build linux

package storage_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"footfall/storage"
	"footfall/storage/account"
	"footfall/storage/day"
	"footfall/storage/file/crashfs"
	"footfall/storage/query"
	"footfall/storage/schema"
)

// crashPromise is what the marks of a program say: what it tried, and what it was promised.
type crashPromise struct {
	now     time.Time
	made    bool
	sites   map[string]crashStage
	events  map[string]*crashSent // by path
	imports map[string]*crashImport
	tokens  map[string]bool // promised
	deleted map[string]bool // paths of events that may be gone; those that must be
	salts   []crashSalt
	stale   [][]byte // what salts were sealed in before the master key was changed
}

// crashStage of a site.
type crashStage int

const (
	adding crashStage = 1 + iota
	added
	removing
	removed
)

type crashSent struct {
	site  string
	tries []crashTry // the last one counts, where it was tried again on another day
	acked bool
}

type crashTry struct {
	date schema.Date
	time int64
}

type crashImport struct {
	site      string
	events    int
	found     int // in an export, with those that may be and are deleted
	acked     bool
	never     bool // taken back, or of a site that was reset since
	resetting bool // of a site whose reset has begun
}

type crashSalt struct {
	zone string
	date schema.Date
	salt [32]byte
	page []byte // as it was sealed
	over bool   // promised to be destroyed
}

func readPromise(marks []string) (*crashPromise, error) {
	p := &crashPromise{sites: map[string]crashStage{}, events: map[string]*crashSent{}, imports: map[string]*crashImport{}, tokens: map[string]bool{}, deleted: map[string]bool{}}
	for _, m := range marks {
		if err := p.read(m); err != nil {
			return nil, fmt.Errorf("mark %q: %w", m, err)
		}
	}
	return p, nil
}

func (p *crashPromise) read(mark string) (err error) {
	word, rest, _ := strings.Cut(mark, " ")
	var n int
	var name string
	switch word {
	case "clock":
		var at int64
		_, err = fmt.Sscan(rest, &at)
		p.now = time.Unix(at, 0).UTC()
	case "made":
		p.made = true
	case "add":
		p.sites[rest] = adding
	case "added":
		p.sites[rest] = added
	case "remove":
		p.sites[rest] = removing
	case "removed":
		p.sites[rest] = removed
	case "send":
		var try crashTry
		_, err = fmt.Sscan(rest, &n, &name, &try.date, &try.time)
		path := fmt.Sprintf("/e/%d", n)
		if p.events[path] == nil {
			p.events[path] = &crashSent{site: name}
		}
		p.events[path].tries = append(p.events[path].tries, try)
	case "ack":
		p.events["/e/"+rest].acked = true
	case "import", "abort":
		im := &crashImport{never: word == "abort"}
		_, err = fmt.Sscan(rest, &name, &im.site, &im.events)
		p.imports[name] = im
	case "imported":
		p.imports[rest].acked = true
	case "reset", "resetted":
		for _, im := range p.imports {
			if im.site == rest {
				im.resetting, im.never = true, im.never || word == "resetted"
			}
		}
	case "delete", "deleted":
		p.deleted[rest] = word == "deleted"
	case "token":
		p.tokens[rest] = false
	case "tokened":
		p.tokens[rest] = true
	case "salt":
		err = p.readSalt(rest)
	case "rotated": // the salts are the same, sealed anew
		for i := range p.salts {
			p.stale = append(p.stale, p.salts[i].page)
			p.salts[i].page = nil
		}
	case "swept":
		for i := range p.salts {
			p.salts[i].over = p.salts[i].over || p.salts[i].date != p.today(p.salts[i].zone)
		}
	default:
		err = errors.New("nobody says that")
	}
	return err
}

func (p *crashPromise) readSalt(rest string) error {
	var s crashSalt
	var salt, page string
	if _, err := fmt.Sscan(rest, &s.zone, &s.date, &salt, &page); err != nil {
		return err
	}
	b, err := hex.DecodeString(salt)
	if err != nil {
		return err
	}
	s.salt = [32]byte(b)
	for i := range p.salts {
		if old := &p.salts[i]; old.zone == s.zone {
			if old.salt == s.salt {
				return nil // given out again
			}
			old.over = true // a zone has one
		}
	}
	s.page, err = hex.DecodeString(page)
	p.salts = append(p.salts, s)
	return err
}

func (p *crashPromise) today(zone string) schema.Date {
	loc, err := account.LoadZone(zone)
	if err != nil {
		return 0
	}
	return schema.DateOf(p.now.In(loc))
}

// crashJudge opens what a crash left, holds it against what was promised, and goes on with it.
func crashJudge(state *crashfs.State, dir string) error {
	p, err := readPromise(state.Marks)
	if err != nil {
		return err
	}
	if err := p.dead(dir, func(s *crashSalt) bool { return s.over }); err != nil {
		return fmt.Errorf("before the start: %w", err)
	}
	now := p.now
	s, err := storage.Open(context.Background(), crashConfig(dir, func() time.Time { return now }))
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }()
	if err := p.kept(s, dir); err != nil {
		return err
	}
	if state.Hash%8 != 0 {
		return nil
	}
	return p.goesOn(s, dir, &now)
}

// goesOn holds that the store works after the crash: it seals days, takes an event, and has everything after another start.
func (p *crashPromise) goesOn(s *storage.Store, dir string, now *time.Time) error {
	*now = now.AddDate(0, 0, 1)
	p.now = *now
	if _, err := s.Maintain(context.Background(), *now); err != nil {
		return fmt.Errorf("go on: %w", err)
	}
	if site, ok := s.Accounts().SiteByDomain(crashSite(0)); ok {
		o, err := s.OpenDay(site.ID, schema.DateOf(*now))
		if err != nil {
			return fmt.Errorf("go on: %w", err)
		}
		row, _ := resumed(o).row(crashEvent("/e/-1", -1+7, *now))
		c, err := s.Append(o, row)
		if err == nil {
			err = c.Wait(context.Background())
		}
		if err != nil {
			return fmt.Errorf("go on: %w", err)
		}
		p.events["/e/-1"] = &crashSent{site.Domain, []crashTry{{o.Date, now.Unix()}}, true}
	}
	if err := s.Close(); err != nil {
		return fmt.Errorf("go on: %w", err)
	}
	s, err := storage.Open(context.Background(), crashConfig(dir, func() time.Time { return *now }))
	if err != nil {
		return fmt.Errorf("open again: %w", err)
	}
	defer func() { _ = s.Close() }()
	if err := p.kept(s, dir); err != nil {
		return fmt.Errorf("after another start: %w", err)
	}
	return nil
}

// kept holds that everything promised is there, and nothing else.
func (p *crashPromise) kept(s *storage.Store, dir string) error {
	if err := s.Check(context.Background(), nil); err != nil {
		return err
	}
	for _, im := range p.imports {
		im.found = 0
	}
	counted := map[string]int{}
	for _, site := range s.Accounts().Sites() {
		if p.sites[site.Domain] == 0 || p.sites[site.Domain] == removed || site.Removing {
			return fmt.Errorf("site %s should not be there", site.Domain)
		}
		n, err := p.siteKept(s, site, counted)
		if err != nil {
			return fmt.Errorf("%s: %w", site.Domain, err)
		}
		if got := s.Count(site.ID); got != int64(n) {
			return fmt.Errorf("%s: counts %d events, the export has %d", site.Domain, got, n)
		}
	}
	for path, e := range p.events {
		if e.acked && counted[path] == 0 {
			return fmt.Errorf("event %s was acknowledged and is gone", path)
		}
	}
	for name, stage := range p.sites {
		if _, there := s.Accounts().SiteByDomain(name); stage == added && !there {
			return fmt.Errorf("site %s is gone", name)
		}
	}
	for path, must := range p.deleted {
		if must && counted[path] > 0 {
			return fmt.Errorf("event %s was deleted and is there", path)
		}
		if id, _, _ := strings.Cut(path[len("/i/"):], "/"); counted[path] == 0 && p.imports[id].found > 0 {
			p.imports[id].found++
		}
	}
	for id, im := range p.imports {
		if _, there := s.Accounts().SiteByDomain(im.site); there && im.wrong() {
			return fmt.Errorf("import %s: %d of %d events, %+v", id, im.found, im.events, *im)
		}
	}
	tokens := map[string]bool{}
	for _, t := range s.Accounts().Tokens() {
		if _, known := p.tokens[t.Name]; !known || tokens[t.Name] {
			return fmt.Errorf("token %s should not be there", t.Name)
		}
		tokens[t.Name] = true
	}
	for name, promised := range p.tokens {
		if promised && !tokens[name] {
			return fmt.Errorf("token %s is gone", name)
		}
	}
	return p.saltsKept(s, dir)
}

// wrong tells whether an import is there in part, or is there and should not be, or the other way round.
func (im *crashImport) wrong() bool {
	return im.found != 0 && im.found != im.events || im.never && im.found != 0 || im.acked && !im.resetting && im.found == 0
}

// siteKept exports a site and holds each event against what was sent; it returns how many there are.
func (p *crashPromise) siteKept(s *storage.Store, site account.Site, counted map[string]int) (n int, err error) {
	days, err := site.Calendar()
	if err != nil {
		return 0, err
	}
	people := map[schema.Date]map[uint32]string{}
	err = s.Export(context.Background(), site.ID, -100_000, 100_000, func(visitor uint32, a *schema.Attributes, e *day.Event) error {
		n++
		counted[e.Pathname]++
		if counted[e.Pathname] > 1 {
			return fmt.Errorf("event %s is there twice", e.Pathname)
		}
		var number int
		group := ""
		date := days.Date(e.Time)
		if _, err := fmt.Sscanf(e.Pathname, "/e/%d", &number); err == nil {
			sent := p.events[e.Pathname]
			if sent == nil || sent.site != site.Domain {
				return fmt.Errorf("event %s was not sent", e.Pathname)
			}
			if try := sent.tries[len(sent.tries)-1]; try.date != date || try.time != e.Time {
				return fmt.Errorf("event %s is of %s, %d", e.Pathname, date, e.Time)
			}
			if number < 0 {
				number += 7
			}
		} else if _, err := fmt.Sscanf(strings.ReplaceAll(e.Pathname, "/", " "), " i %s %d", &group, &number); err == nil {
			im := p.imports[group]
			if im == nil || im.site != site.Domain {
				return fmt.Errorf("event %s was not imported", e.Pathname)
			}
			im.found++
		}
		want := crashEvent(e.Pathname, number, time.Unix(e.Time, 0))
		if fmt.Sprint(want.Event) != fmt.Sprint(*e) || want.Attributes != *a {
			return fmt.Errorf("event %s is not what was sent: %+v, %v", e.Pathname, *e, *a)
		}
		who := group + want.Visitor
		if people[date] == nil {
			people[date] = map[uint32]string{}
		}
		if old, known := people[date][visitor]; known && old != who {
			return fmt.Errorf("event %s: visitors are mixed up: %s is %s", e.Pathname, who, old)
		}
		people[date][visitor] = who
		return nil
	})
	if err != nil {
		return n, err
	}
	visitors := 0
	for _, all := range people {
		visitors += len(all)
	}
	r, err := s.Query(context.Background(), query.Query{Site: site.ID, Range: query.Days(-100_000, 100_000, days), Metrics: []query.Metric{query.Events, query.Visitors}})
	if err != nil {
		return n, err
	}
	if got := r.Rows[0].Metrics; got[0].Number != float64(n) || got[1].Number != float64(visitors) {
		return n, fmt.Errorf("a query says %v events of %v visitors, the export has %d of %d", got[0].Number, got[1].Number, n, visitors)
	}
	return n, nil
}

// saltsKept holds that today's salts are what they were, and that others are in no file.
func (p *crashPromise) saltsKept(s *storage.Store, dir string) error {
	for i := range p.salts {
		old := &p.salts[i]
		if today := p.today(old.zone); !old.over && old.date == today {
			if now, err := s.Salt(account.Site{Timezone: old.zone}, today); err != nil || now != old.salt {
				return fmt.Errorf("the salt of %s on %s was given out and is another now (%v)", old.zone, today, err)
			}
		}
	}
	return p.dead(dir, func(s *crashSalt) bool { return s.over || s.date != p.today(s.zone) })
}

// dead holds that no piece of certain salts, nor of what they were sealed in, is in the vault.
func (p *crashPromise) dead(dir string, must func(*crashSalt) bool) error {
	vault, err := os.ReadFile(filepath.Join(dir, crashData, "footfall.vault"))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	const piece = 16
	pieces := map[[piece]byte]string{}
	pages := map[string][][]byte{"before the keys were rotated": p.stale}
	for i := range p.salts {
		if s := &p.salts[i]; must(s) {
			what := fmt.Sprintf("of %s on %s", s.zone, s.date)
			if bytes.Contains(vault, s.salt[:piece]) || bytes.Contains(vault, s.salt[piece:]) {
				return fmt.Errorf("the salt %s is in the vault in the clear", what)
			}
			pages[what] = append(pages[what], s.page)
		}
	}
	for what, list := range pages {
		for _, page := range list {
			for at := 0; at+piece <= len(page); at += piece {
				pieces[[piece]byte(page[at:])] = what
			}
		}
	}
	for at := pageStart; at+piece <= len(vault); at += piece {
		if what := pieces[[piece]byte(vault[at:])]; what != "" {
			return fmt.Errorf("the salt %s should be dead; a piece of what it was sealed in is in the vault at %d", what, at)
		}
	}
	return nil
}
