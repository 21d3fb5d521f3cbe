package workload

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"time"

	"footfall/ingest/shield"
	"footfall/ingest/source"
	"footfall/storage"
	"footfall/storage/account"
	"footfall/storage/day"
	"footfall/storage/schema"
	"footfall/storage/verb"
)

// DemoDomain is the demo's site, in a name that belongs to nobody.
const DemoDomain = "demo.example"

// The demo's traffic: enough that a year fills in seconds and every panel has a long tail.
const (
	demoEvents = 500_000
	demoSeed   = 20
)

// demoMark is the file that tells a demo's data directory from a real one.
const demoMark = "footfall.demo"

const demoText = "This directory holds made-up visits of `footfall demo`. It may be deleted.\n"

// ErrNotDemo says that a directory holds something that is not a demo's.
var ErrNotDemo = errors.New("the directory holds other data than a demo's")

// Demo makes traffic for the demo's site.
func Demo() *Generator { return New(demoEvents, demoSeed).ForDomain(DemoDomain) }

// Claim makes dir a demo's data directory. It returns ErrNotDemo if there is anything else in it.
func Claim(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make demo directory: %w", err)
	}
	mark := filepath.Join(dir, demoMark)
	if _, err := os.Stat(mark); err == nil {
		return nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("read demo directory: %w", err)
	}
	if len(entries) > 0 {
		return ErrNotDemo
	}
	if err := os.WriteFile(mark, []byte(demoText), 0o600); err != nil {
		return fmt.Errorf("mark demo directory: %w", err)
	}
	return nil
}

// Fill makes the demo's site if there is none, and gives it a year of traffic up to now: all of it at the first start, later the
// days that passed since the last. It returns how many events it added.
func (g *Generator) Fill(ctx context.Context, store *storage.Store, names *source.Table, now time.Time, progress func(string, int64) verb.Bar) (events int, err error) {
	site, ok := store.Accounts().SiteByDomain(DemoDomain)
	if !ok {
		if site, err = store.AddSite(ctx, DemoDomain, "UTC"); err != nil {
			return 0, fmt.Errorf("add demo site: %w", err)
		}
	}
	today := schema.DateOf(now.UTC())
	first := today - Days
	if _, last, ok := store.Span(site.ID); ok {
		first = max(first, last+1)
	}
	if first > today || len(site.Changes) > 0 { // the traffic is made for days of UTC; whoever moves the demo has that of the live one
		return 0, nil
	}
	bar := progress("making a year of visits", int64(today-first)+1)
	defer bar.Close()
	events, err = g.fill(ctx, store, site, names, first, now, bar)
	if err != nil {
		return 0, fmt.Errorf("fill demo site: %w", err)
	}
	for date := first; date <= today; date++ {
		for reason, n := range g.dropped(date) {
			store.Dropped(site.ID, date, string(reason), n)
		}
	}
	return events, nil
}

// dropped returns how much is not counted on a day, so that the panel of it has something to show: robots every day and in two waves, as
// when a new crawler finds a site, and spam now and then.
func (g *Generator) dropped(date schema.Date) map[shield.Reason]int {
	r := rand.New(rand.NewPCG(g.seed, uint64(date)))
	some := func(share float64) int { return int(float64(g.perDay) * share * (0.6 + 0.8*r.Float64())) }
	counts := map[shield.Reason]int{shield.Bot: some(0.05), shield.NoVisit: some(0.002)}
	if wave := date % 90; wave < 5 {
		counts[shield.Bot] += some(0.2)
	}
	if r.IntN(4) == 0 {
		counts[shield.SpamReferrer] = some(0.01)
	}
	return counts
}

func (g *Generator) fill(ctx context.Context, store *storage.Store, site account.Site, names *source.Table, first schema.Date, now time.Time, bar verb.Bar) (events int, err error) {
	im, err := store.Import(site.ID)
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithCancel(ctx)
	built := make(chan *day.Open, 1) // one day is built while another is sealed and written
	var builder sync.WaitGroup
	builder.Go(func() {
		defer close(built)
		for date := first; date <= schema.DateOf(now.UTC()); date++ {
			o := day.NewOpen(site.ID, date, date.Start(time.UTC))
			if err = o.Apply(g.until(date, names, now)); err != nil {
				return
			}
			select {
			case built <- o:
			case <-ctx.Done():
				return
			}
		}
	})
	add := func() error {
		for o := range built {
			if err := im.Add(ctx, o.View()); err != nil {
				return err
			}
			events += o.Rows()
			bar.Set(int64(o.Date-first) + 1)
		}
		return nil
	}
	addErr := add()
	if addErr == nil {
		addErr = ctx.Err() // interrupted, the builder leaves days out
	}
	cancel()
	builder.Wait()
	if addErr == nil {
		addErr = err
	}
	if addErr == nil {
		addErr = im.Commit(context.WithoutCancel(ctx))
	}
	if addErr != nil {
		im.Abort() // what it leaves behind the next start removes
		return 0, addErr
	}
	return events, nil
}

// until returns the rows of a day up to now. Its places are countries only: regions and cities of the reference traffic are made up,
// and a demo shows what is real.
func (g *Generator) until(date schema.Date, names *source.Table, now time.Time) []day.Row {
	rows := g.Rows(date, names)
	for i := range rows {
		if rows[i].Event.Time > now.Unix() {
			return rows[:i]
		}
		if v := rows[i].New; v != nil {
			v.Attributes[schema.Region], v.Attributes[schema.City] = "", ""
		}
	}
	return rows
}
