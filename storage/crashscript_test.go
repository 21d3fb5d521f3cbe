//go:build linux

package storage_test

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"footfall/storage"
	"footfall/storage/account"
	"footfall/storage/day"
	"footfall/storage/file/crashfs"
	"footfall/storage/memory"
	"footfall/storage/query"
	"footfall/storage/query/naive"
	"footfall/storage/schema"
)

// crashRun is one run of the program whose crashes are looked at. It opens the store, or makes it, and does all that a store goes through around
// a midnight while events come in. Before and after each step it says what it tries and what it was promised.
type crashRun struct {
	round int  // numbers of events, sites and imports begin with it; each round is two days later
	kill  bool // ends by SIGKILL in the midst of its events
	dir   string

	say    *crashfs.Marker
	store  *storage.Store
	now    atomic.Int64 // Unix seconds
	halved string       // the site whose reset or removal failed
}

// errUnreadable says that a store could not be read although it was open. Whatever fails, that must not be.
var errUnreadable = errors.New("the store cannot be read")

const (
	crashData   = "data"
	crashKey    = "keys/footfall.key"
	crashEvents = 40   // a round, if the rest is quick enough
	crashRounds = 1000 // numbers a round
)

// Zones of the sites, and those in which salts are asked for.
var crashZones = []string{"Etc/UTC", "Europe/Berlin", "Pacific/Kiritimati"}

func crashSite(i int) string { return []string{"a.example", "b.example"}[i%2] }

func crashConfig(dir string, now func() time.Time) storage.Config {
	shares := memory.Divide(0)
	shares.Cache, shares.Work, shares.OpenDays = 1, 1, 1 // read from the file, always
	return storage.Config{Dir: filepath.Join(dir, crashData), Key: storage.Key{File: filepath.Join(dir, crashKey)}, Create: true, Now: now, Memory: shares,
		LayerRows: 6} // so layers are put down, read at starts, sealed and deleted too
}

func (r *crashRun) clock() time.Time { return time.Unix(r.now.Load(), 0).UTC() }

func (r *crashRun) setClock(t time.Time) {
	r.say.Say("clock %d", t.Unix())
	r.now.Store(t.Unix())
}

func (r *crashRun) today(zone string) schema.Date { return dateIn(zone, r.clock()) }

// dateIn returns the date of a moment in a zone.
func dateIn(zone string, at time.Time) schema.Date {
	loc, err := account.LoadZone(zone)
	if err != nil {
		panic(err)
	}
	return schema.DateOf(at.In(loc))
}

// do runs the round. Where a sync fails, an error is right; what was promised before it counts.
func (r *crashRun) do() (err error) {
	if r.say, err = crashfs.OpenMarker(r.dir); err != nil {
		return err
	}
	evening := time.Date(2026, 3, 1, 21, 30, 0, 0, time.UTC).AddDate(0, 0, 2*r.round)
	r.setClock(evening)
	if r.store, err = storage.Open(context.Background(), crashConfig(r.dir, r.clock)); err != nil {
		return err
	}
	r.say.Say("made")
	defer r.store.Close()
	for i := range 2 {
		if err := r.addSite(crashSite(i), crashZones[i]); err != nil {
			return err
		}
	}
	if err := r.salts(); err != nil {
		return err
	}
	var over atomic.Bool
	var events sync.WaitGroup
	var err2 error
	events.Go(func() { err2 = r.events(&over) })
	err = r.acts()
	over.Store(true)
	events.Wait()
	return errors.Join(err, err2, r.read(), r.store.Close())
}

// read holds that the store answers, also after a commit that failed: nobody knows whether that happened, but all answers agree.
func (r *crashRun) read() error {
	for _, site := range r.store.Accounts().Sites() {
		if site.Domain == r.halved {
			continue
		}
		days, err := site.Calendar()
		if err != nil {
			return err
		}
		n := 0
		err = r.store.Export(context.Background(), site.ID, -100_000, 100_000, func(uint32, *schema.Attributes, *day.Event) error { n++; return nil })
		if err != nil {
			return fmt.Errorf("%w: export %s: %w", errUnreadable, site.Domain, err)
		}
		all, err := r.store.Query(context.Background(), query.Query{Site: site.ID, Range: query.Days(-100_000, 100_000, days), Metrics: []query.Metric{query.Events}})
		if err != nil {
			return fmt.Errorf("%w: query %s: %w", errUnreadable, site.Domain, err)
		}
		if got := all.Rows[0].Metrics[0].Number; got != float64(n) || r.store.Count(site.ID) != int64(n) {
			return fmt.Errorf("%w: %s has %d events in an export, %v in a query, %d by its count", errUnreadable, site.Domain, n, got, r.store.Count(site.ID))
		}
	}
	return nil
}

// acts are what happens beside the events.
func (r *crashRun) acts() error {
	mine := fmt.Sprintf("r%d.example", r.round)
	steps := []func() error{
		func() error { return r.addSite(mine, crashZones[2]) },
		func() error { return r.importDays(0, "b.example", true, 5, 4, 3) },
		func() error { return r.importDays(1, mine, true, 9, 8) },
		func() error { return r.resetSite(mine) },
		func() error { return r.importDays(4, mine, true, 9, 2) },
		func() error { return r.importDays(2, "a.example", false, 4, 3) },
		r.compact,
		r.token,
		r.rotate,
		func() error { // midnight in UTC and Berlin
			r.setClock(r.clock().Add(3 * time.Hour))
			return r.maintain()
		},
		r.salts,
		func() error { return r.importDays(3, "b.example", true, 4, 1) }, // into days that are sealed
		func() error { return r.delete("b.example", 0, 2, 7) },
	}
	if r.round%2 == 1 {
		steps = append(steps, r.compact, func() error { return r.removeSite(mine) }, func() error { return r.removeSite(fmt.Sprintf("r%d.example", r.round-1)) }, r.maintain)
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (r *crashRun) maintain() error {
	if _, err := r.store.Maintain(context.Background(), r.clock()); err != nil {
		return err
	}
	r.say.Say("swept")
	return nil
}

func (r *crashRun) compact() error {
	_, err := r.store.Compact(context.Background(), nil)
	return err
}

func (r *crashRun) addSite(name, zone string) error {
	if _, there := r.store.Accounts().SiteByDomain(name); there {
		r.say.Say("added %s", name)
		return nil
	}
	r.say.Say("add %s", name)
	if _, err := r.store.AddSite(context.Background(), name, zone); err != nil {
		return err
	}
	r.say.Say("added %s", name)
	return nil
}

func (r *crashRun) removeSite(name string) error {
	site, there := r.store.Accounts().SiteByDomain(name)
	if !there {
		return nil
	}
	r.say.Say("remove %s", name)
	if err := r.store.RemoveSite(context.Background(), site.ID, "test"); err != nil {
		r.halved = name
		return err
	}
	r.say.Say("removed %s", name)
	return nil
}

func (r *crashRun) resetSite(name string) error {
	site, _ := r.store.Accounts().SiteByDomain(name)
	r.say.Say("reset %s", name)
	if err := r.store.ResetSite(context.Background(), site.ID, "test"); err != nil {
		r.halved = name
		return err
	}
	r.say.Say("resetted %s", name)
	return nil
}

// delete deletes some events of an import.
func (r *crashRun) delete(name string, number int, events ...int) error {
	site, _ := r.store.Accounts().SiteByDomain(name)
	days, err := site.Calendar()
	if err != nil {
		return err
	}
	var paths []string
	for _, n := range events {
		paths = append(paths, fmt.Sprintf("/i/%d/%d", r.round*crashRounds+number, n))
		r.say.Say("delete %s", paths[len(paths)-1])
	}
	_, err = r.store.Delete(context.Background(), storage.Deletion{Site: site.ID, Range: query.Days(-100_000, 100_000, days), By: "test",
		Filters: []query.Filter{{Op: query.Is, Dimension: "event:page", Clauses: paths}}}, "", nil)
	if err != nil {
		return err
	}
	for _, path := range paths {
		r.say.Say("deleted %s", path)
	}
	return nil
}

func (r *crashRun) token() error {
	name := fmt.Sprintf("token%d", r.round)
	r.say.Say("token %s", name)
	if _, err := r.store.Accounts().AddToken(context.Background(), account.Token{Name: name, Scope: "stats", Hash: [32]byte{byte(r.round), 1}, Created: r.clock()}); err != nil {
		return err
	}
	r.say.Say("tokened %s", name)
	return nil
}

func (r *crashRun) rotate() error {
	if err := r.store.RotateKeys(context.Background(), "test", storage.NewRecoveryKey()); err != nil {
		return err
	}
	r.say.Say("rotated")
	return nil
}

// salts asks for the salts of today.
func (r *crashRun) salts() error {
	for _, zone := range crashZones {
		date := r.today(zone)
		before := r.saltPages()
		salt, err := r.store.Salt(account.Site{Timezone: zone}, date)
		if err != nil {
			return err
		}
		page := "-" // it was there before
		for p := range r.saltPages() {
			if !before[p] {
				page = hex.EncodeToString([]byte(p))
			}
		}
		r.say.Say("salt %s %d %x %s", zone, date, salt, page)
	}
	return nil
}

func (r *crashRun) saltPages() map[string]bool {
	b, err := os.ReadFile(filepath.Join(r.dir, crashData, "footfall.vault"))
	if err != nil {
		panic(err)
	}
	return saltPagesIn(b)
}

// crashEvent is event n, or event n of an import.
func crashEvent(path string, n int, at time.Time) naive.Event {
	e := naive.Event{Visitor: fmt.Sprintf("v%d", n%7)}
	e.Attributes[schema.Country] = []string{"DE", "FR", ""}[n%7%3]
	e.Time, e.Name, e.Hostname, e.Pathname, e.Interactive, e.ScrollDepth = at.Unix(), day.Pageview, "example.com", path, true, uint8(n%100)
	if n%4 == 3 {
		e.Name, e.Props = "signup", []day.Prop{{Key: "n", Value: fmt.Sprint(n)}}
	}
	return e
}

// importDays imports days that were so many days ago, or takes them back.
func (r *crashRun) importDays(number int, name string, keep bool, ago ...int) error {
	const perDay = 5
	id := r.round*crashRounds + number
	site, _ := r.store.Accounts().SiteByDomain(name)
	days, err := site.Calendar()
	if err != nil {
		return err
	}
	word := "import"
	if !keep {
		word = "abort"
	}
	r.say.Say("%s %d %s %d", word, id, name, perDay*len(ago))
	im, err := r.store.Import(site.ID)
	if err != nil {
		return err
	}
	defer func() { _ = im.Abort() }() // does nothing after Commit
	n := 0
	for _, back := range ago {
		date := r.today(site.Timezone) - schema.Date(back)
		o, seats := day.NewOpen(site.ID, date, days.Start(date)), newSeating()
		for i := range perDay {
			row, _ := seats.row(crashEvent(fmt.Sprintf("/i/%d/%d", id, n), n, days.Start(date).Add(time.Duration(i)*time.Hour)))
			if err := o.Apply([]day.Row{row}); err != nil {
				return err
			}
			n++
		}
		if err := im.Add(context.Background(), o.View()); err != nil {
			return err
		}
	}
	if !keep {
		return im.Abort()
	}
	if err := im.Commit(context.Background()); err != nil {
		return err
	}
	r.say.Say("imported %d", id)
	return nil
}

// events appends events to the open days of two sites, over midnight, until the rest is over.
func (r *crashRun) events(over *atomic.Bool) error {
	rng := rand.New(rand.NewPCG(uint64(r.round), 1))
	kill := -1
	if r.kill {
		kill = rng.IntN(crashEvents)
	}
	type lane struct {
		open  *day.Open
		seats *seating
	}
	var lanes [2]lane
	for n := 0; n < crashEvents || !over.Load(); n++ {
		if n == kill {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		}
		if n == crashRounds {
			return nil
		}
		which := rng.IntN(2)
		l := &lanes[which]
		site, _ := r.store.Accounts().SiteByDomain(crashSite(which))
		id := r.round*crashRounds + n
		for {
			now := r.clock() // once: the other steps move it, and an event has its day and its time from the same moment
			date := dateIn(site.Timezone, now)
			if l.open == nil || l.open.Date != date {
				o, err := r.store.OpenDay(site.ID, date)
				if err != nil {
					return err
				}
				*l = lane{o, resumed(o)}
			}
			r.say.Say("send %d %s %d %d", id, site.Domain, date, now.Unix())
			row, _ := l.seats.row(crashEvent(fmt.Sprintf("/e/%d", id), id, now))
			c, err := r.store.Append(l.open, row)
			if errors.Is(err, storage.ErrDayClosed) {
				l.open = nil
				continue
			}
			if err == nil {
				err = c.Wait(context.Background())
			}
			if err != nil {
				return err
			}
			r.say.Say("ack %d", id)
			break
		}
	}
	return nil
}
