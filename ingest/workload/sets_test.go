package workload_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"footfall/assets"
	"footfall/ingest/source"
	"footfall/ingest/workload"
	"footfall/storage"
	"footfall/storage/account"
	"footfall/storage/day"
	"footfall/storage/schema"
)

// dataSet is a store that `make bench` makes once and keeps in .bench: a year of traffic of one or more sites.
type dataSet struct {
	name   string
	events int // of the whole year and each site, about
	sites  int
	// dress changes a row of the reference traffic to give the set its shape; r is the row's day's own.
	dress func(r *rand.Rand, row *day.Row)
}

// dataSets are what BENCH_EVENTS chooses from, by names or with "shapes" for those that are not named by their size; "all" is all.
var dataSets = []dataSet{
	{"1M", 1_000_000, 1, signups},
	{"10M", 10_000_000, 1, signups},
	{"100M", 100_000_000, 1, signups},
	{"paths-40k", 10_000_000, 1, manyPaths(40_000)},
	{"paths-1M", 10_000_000, 1, manyPaths(1_000_000)},
	{"sites-500", 200 * workload.Days, 500, signups},
	{"props-10", 3_000_000, 1, tenProps},
	{"names-200", 3_000_000, 1, manyNames},
}

// defaultSets are looked at where BENCH_EVENTS says nothing.
const defaultSets = "1M,10M"

// chosenSets returns the data sets that BENCH_EVENTS asks for.
func chosenSets() (chosen []*dataSet) {
	ask := os.Getenv("BENCH_EVENTS")
	if ask == "" {
		ask = defaultSets
	}
	names := strings.Split(ask, ",")
	for i := range dataSets {
		d := &dataSets[i]
		isShape := d.name[0] < '0' || d.name[0] > '9'
		if slices.Contains(names, d.name) || slices.Contains(names, "all") || isShape && slices.Contains(names, "shapes") {
			chosen = append(chosen, d)
		}
	}
	return chosen
}

// signups gives an event in sixty a property, so that there is one to filter by: the reference traffic has none.
func signups(r *rand.Rand, row *day.Row) {
	if row.Event.Name == "signup" {
		row.Event.Props = []day.Prop{{Key: "plan", Value: []string{"free", "free", "free", "pro", "team"}[r.IntN(5)]}}
	}
}

// manyPaths leaves one view in two where it was and spreads the others over n paths.
func manyPaths(n int) func(*rand.Rand, *day.Row) {
	return func(r *rand.Rand, row *day.Row) {
		signups(r, row)
		if r.IntN(2) == 0 {
			item := r.IntN(n)
			row.Event.Pathname = fmt.Sprintf("/archive/%d/item-%06d", item%97, item)
		}
	}
}

// tenProps gives every event ten properties, of two to some ten thousand values.
func tenProps(r *rand.Rand, row *day.Row) {
	for i, values := range []int{2, 3, 5, 10, 20, 50, 100, 500, 2000, 10000} {
		value := fmt.Sprintf("value %d", min(r.IntN(values), r.IntN(values)))
		if i == 0 {
			value = []string{"pro", "free"}[r.IntN(values)]
		}
		row.Event.Props = append(row.Event.Props, day.Prop{Key: propNames[i], Value: value})
	}
}

var propNames = strings.Fields("a_plan b_theme c_role d_region e_level f_author g_category h_team i_topic j_article")

// manyNames makes every third event that goes on with a visit one of 200 custom ones.
func manyNames(r *rand.Rand, row *day.Row) {
	signups(r, row)
	if row.New == nil && r.IntN(3) == 0 {
		row.Event.Name = fmt.Sprintf("event %d", min(r.IntN(200), r.IntN(200)))
	}
}

// open returns a day of a site. All sites have the traffic of one generator, each of other days.
func (d *dataSet) open(g *workload.Generator, names *source.Table, id schema.Site, site int, date schema.Date) (*day.Open, error) {
	const apart = 1001 // days, a whole number of weeks
	from := date - schema.Date(apart*site)
	rows := g.Rows(from, names)
	r := rand.New(rand.NewPCG(uint64(from), 1))
	for i := range rows {
		rows[i].Event.Time += int64(apart*site) * 86400
		d.dress(r, &rows[i])
	}
	o := day.NewOpen(id, date, date.Start(time.UTC))
	return o, o.Apply(rows)
}

func (d *dataSet) domain(site int) string {
	if site == 0 {
		return "example.com"
	}
	return fmt.Sprintf("site%d.example", site)
}

// version changes with the traffic and with what a sealed day looks like, so that no measure is taken of what an older program made.
func (d *dataSet) version(names *source.Table) (string, error) {
	o, err := d.open(workload.New(min(d.events, 1_000_000), 1), names, 1, 0, workload.Epoch)
	if err != nil {
		return "", err
	}
	header, chunks, err := day.Seal(o.View())
	if err != nil {
		return "", err
	}
	h := sha256.New()
	h.Write(header)
	for _, c := range chunks {
		h.Write(c)
	}
	return hex.EncodeToString(h.Sum(nil)[:4]), nil
}

const benchDir = "../../.bench"

// dir returns the directory of the data set, which is made if it is not there; what an older program made of it is removed.
func (d *dataSet) dir(b *testing.B) string {
	b.Helper()
	names := builtTable(b)
	version, err := d.version(names)
	if err != nil {
		b.Fatal(err)
	}
	dir, err := filepath.Abs(filepath.Join(benchDir, d.name+"-"+version))
	if err != nil {
		b.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "done")); err == nil {
		return dir
	}
	stale, _ := filepath.Glob(filepath.Join(benchDir, d.name+"-[0-9a-f]*"))
	for _, old := range append(stale, filepath.Join(benchDir, d.name)) {
		if err := os.RemoveAll(old); err != nil {
			b.Fatal(err)
		}
	}
	began := time.Now()
	fmt.Fprintf(os.Stderr, "making data set %s … ", d.name)
	if err := d.fill(b.Context(), dir, names); err != nil {
		b.Fatalf("make data set %s: %v", d.name, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "done"), nil, 0o600); err != nil {
		b.Fatal(err)
	}
	fmt.Fprintf(os.Stderr, "%.0f s\n", time.Since(began).Seconds())
	return dir
}

// fill makes the store by way of its import, day by day, without the detour of text: reading text is measured elsewhere.
func (d *dataSet) fill(ctx context.Context, dir string, names *source.Table) (err error) {
	s, err := storage.Open(ctx, storage.Config{Dir: dir, Create: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	var sites []account.Site
	var imports []*storage.Import
	for i := range d.sites {
		site, err := s.AddSite(ctx, d.domain(i), "UTC")
		if err != nil {
			return err
		}
		im, err := s.Import(site.ID)
		if err != nil {
			return err
		}
		defer im.Abort()
		sites, imports = append(sites, site), append(imports, im)
	}
	g, workers := workload.New(d.events, 1), runtime.GOMAXPROCS(0)
	if d.sites > 1 {
		workers *= 8 // small days wait for the disk
	}
	jobs, failed := make(chan int), make(chan error, workers)
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for job := range jobs {
				site, date := job/workload.Days, workload.Epoch+schema.Date(job%workload.Days)
				o, err := d.open(g, names, sites[site].ID, site, date)
				if err == nil {
					err = imports[site].Add(ctx, o.View())
				}
				if err != nil {
					failed <- err
					return
				}
			}
		})
	}
	for job := range d.sites * workload.Days {
		select {
		case jobs <- job:
			continue
		case err = <-failed:
		}
		break
	}
	close(jobs)
	group.Wait()
	close(failed)
	for e := range failed {
		err = errors.Join(err, e)
	}
	for _, im := range imports {
		if err == nil {
			err = im.Commit(ctx)
		}
	}
	return err
}

// openSet opens the store of a data set.
func openSet(b *testing.B, d *dataSet) (*storage.Store, account.Site) {
	b.Helper()
	s, err := storage.Open(b.Context(), storage.Config{Dir: d.dir(b)})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	return s, s.Accounts().Sites()[0]
}

// builtTable is the table of sources that the product ships.
func builtTable(t testing.TB) *source.Table {
	t.Helper()
	names, err := sourceTable()
	if err != nil {
		t.Fatalf("%v: run make assets", err)
	}
	return names
}

func sourceTable() (*source.Table, error) {
	data, err := fs.ReadFile(assets.Dist, "data/sources.tsv")
	if err != nil {
		return nil, err
	}
	return source.New(data)
}
