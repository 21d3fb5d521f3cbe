//go:build linux

package workload_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"footfall/ingest/workload"
	"footfall/storage"
	"footfall/storage/schema"
)

// report is the tables about data sets.
type report struct {
	binary                        string
	limited                       *group
	sets, columns, asked, imports *sheet
}

// measureSets prints what a year of events costs: bytes, memory, time to start, the dashboard and the import. All is measured on the
// built program, over HTTP as the page asks.
func measureSets(b *testing.B, binary string, sets []*dataSet) {
	r := &report{
		binary: binary, limited: limitedGroup(),
		sets: newSheet("### A year of events", "data set", "events", "bytes an event", "start", "memory at rest", "peak, asking",
			fmt.Sprintf("at rest in %d MiB", limitMiB), fmt.Sprintf("peak in %d MiB", limitMiB)),
		asked: newSheet("### The dashboard: ten queries in one request\n\nCold is a new process, and nothing of the file in the page cache. Warm is the median of five. "+
			"The nanoseconds are warm, divided by the events of the time that is asked about.", "data set", "range", "filter", "cold", "warm", "ns an event",
			fmt.Sprintf("cold in %d MiB", limitMiB), fmt.Sprintf("warm in %d MiB", limitMiB)),
		imports: newSheet("### Import of NDJSON", "lines", "memory", "events/s", "CPU an event", "peak"),
	}
	defer r.limited.remove()
	var largest *dataSet
	for _, set := range sets {
		r.measure(b, set)
		if set.sizeOnly() {
			largest = set
		}
	}
	if largest != nil {
		r.importing(b, largest)
		r.byColumn(b, largest)
	}
	for _, t := range []*sheet{r.sets, r.columns, r.asked, r.imports} {
		if t != nil {
			t.print()
		}
	}
	fmt.Printf("\nThe columns \"in %d MiB\" are measured in %s.\n", limitMiB, r.limited.used())
}

// sizeOnly reports whether the set is the reference traffic, and its size all there is to it.
func (d *dataSet) sizeOnly() bool { return d.name[0] >= '0' && d.name[0] <= '9' }

func (r *report) measure(b *testing.B, set *dataSet) {
	dir := set.dir(b)
	addViewer(b, r.binary, dir)
	s, err := storage.Open(b.Context(), storage.Config{Dir: dir})
	if err != nil {
		b.Fatal(err)
	}
	in, err := s.Inspect(b.Context(), storage.Selection{}, nil)
	if err != nil {
		b.Fatal(err)
	}
	events := 0
	for _, site := range in.Sites {
		events += site.Events
	}
	used := in.File.Values + in.File.Pages // free pages, and those never used, are no event's
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	free, limited := r.ask(b, dir, nil), r.ask(b, dir, r.limited)
	r.sets.add(set.name, strconv.Itoa(events), fmt.Sprintf("%.2f", float64(used)/float64(events)),
		fmt.Sprintf("%.0f ms", free.start.Seconds()*1000), fmt.Sprintf("%.0f MiB", free.rest), fmt.Sprintf("%.0f MiB", free.peak),
		fmt.Sprintf("%.0f MiB", limited.rest), fmt.Sprintf("%.0f MiB", limited.peak))
	for i, f := range free.asked {
		l := limited.asked[i]
		r.asked.add(set.name, f.span, f.filter, f.cold, f.warm, f.perEvent, l.cold, l.warm)
	}
}

// asking is what asking for the dashboard of one data set took.
type asking struct {
	start      time.Duration
	rest, peak float64 // MiB
	asked      []answered
}

// answered is one line of the table of queries; what could not be answered says why.
type answered struct{ span, filter, cold, warm, perEvent string }

// narrow are the filters of the dashboard that are measured, in the language of the API.
var narrow = []struct{ name, filters string }{
	{"none", `[]`},
	{"country", `[["is","visit:country",["DE"]]]`},
	{"country, browser", `[["is","visit:country",["DE"]],["is","visit:browser",["Chrome"]]]`},
	{"path contains", `[["contains","event:page",["docs"]]]`},
	{"property", `[["is","event:props:plan",["pro"]]]`},
}

// narrowOf returns the filters for a data set. The one by property names one that the set has.
func narrowOf(dir, filters string) string {
	if strings.HasPrefix(filepath.Base(dir), "props-") {
		return strings.Replace(filters, "event:props:plan", "event:props:a_plan", 1)
	}
	return filters
}

// ask starts a server for each line, asks for it once, and again.
func (r *report) ask(b *testing.B, dir string, in *group) (out asking) {
	for _, span := range []struct {
		name string
		days schema.Date
	}{{"30 days", 30}, {"12 months", workload.Days}} {
		dates := [2]string{(workload.Epoch + workload.Days - span.days).String(), (workload.Epoch + workload.Days - 1).String()}
		for _, n := range narrow {
			dropFromCache(b, dir)
			p := startFootfall(b, r.binary, dir, in)
			now, _ := memoryOf(p.cmd.Process.Pid)
			if out.start == 0 {
				out.start, out.rest = p.started, now
			}
			p.login(b)
			line := answered{span: span.name, filter: n.name}
			body := page(dates, narrowOf(dir, n.filters))
			cold, err := p.ask(body)
			line.cold = milliseconds(cold, err)
			var took []time.Duration
			for range 5 {
				warm, again := p.ask(body)
				took, err = append(took, warm), errors.Join(err, again)
			}
			slices.Sort(took)
			line.warm = milliseconds(took[2], err)
			if events, err := p.events(dates); err == nil && events > 0 {
				line.perEvent = fmt.Sprintf("%.2f", float64(took[2].Nanoseconds())/events)
			}
			out.asked = append(out.asked, line)
			_, peak := memoryOf(p.cmd.Process.Pid)
			out.peak = max(out.peak, peak)
			p.stop()
		}
	}
	return out
}

func milliseconds(d time.Duration, err error) string {
	if err != nil {
		text := []rune(strings.Join(strings.Fields(err.Error()), " "))
		return "failed: " + string(text[:min(len(text), 90)])
	}
	return fmt.Sprintf("%.1f ms", d.Seconds()*1000)
}

// page is the body of the request for the ten queries of BenchmarkDashboard.
func page(dates [2]string, filters string) json.RawMessage {
	query := func(metrics, rest string) string {
		return fmt.Sprintf(`{"date_range":[%q,%q],"metrics":[%s],"filters":%s%s}`, dates[0], dates[1], metrics, filters, rest)
	}
	first := `"visitors","visits","pageviews","views_per_visit","bounce_rate","visit_duration"`
	if strings.Contains(filters, "event:") { // views a visit are not defined where a visit counts for some of its events
		first = strings.Replace(first, `"views_per_visit",`, "", 1)
	}
	list := []string{
		query(first, ""),
		query(`"visitors"`, `,"dimensions":["time:day"]`),
	}
	for _, d := range []string{"visit:channel", "visit:source", "event:page", "visit:entry_page", "visit:country", "visit:browser", "visit:os", "visit:device"} {
		list = append(list, query(`"visitors"`, fmt.Sprintf(`,"dimensions":[%q],"pagination":{"limit":9}`, d)))
	}
	return json.RawMessage(`{"queries":[` + strings.Join(list, ",") + `]}`)
}

// ask asks for a page and returns how long it took.
func (s *server) ask(page json.RawMessage) (time.Duration, error) {
	began := time.Now()
	answer, err := s.post("sites/example.com/query", page)
	took := time.Since(began)
	if err != nil {
		return 0, err
	}
	var got struct{ Results []json.RawMessage }
	if err := json.Unmarshal(answer, &got); err != nil || len(got.Results) != 10 {
		return 0, fmt.Errorf("an answer of %d bytes with %d results: %w", len(answer), len(got.Results), err)
	}
	return took, nil
}

// events returns how many events a range holds.
func (s *server) events(dates [2]string) (float64, error) {
	answer, err := s.post("sites/example.com/query", json.RawMessage(fmt.Sprintf(`{"queries":[{"date_range":[%q,%q],"metrics":["events"]}]}`, dates[0], dates[1])))
	if err != nil {
		return 0, err
	}
	var got struct {
		Results []struct {
			Results []struct{ Metrics []float64 }
		}
	}
	if err := json.Unmarshal(answer, &got); err != nil {
		return 0, err
	}
	if len(got.Results) != 1 || len(got.Results[0].Results) != 1 {
		return 0, fmt.Errorf("no events in %s", answer)
	}
	return got.Results[0].Results[0].Metrics[0], nil
}

// dropFromCache makes the kernel forget the data file, so that a query reads from the disk. No other program is made to wait for its own.
func dropFromCache(b *testing.B, dir string) {
	f, err := os.Open(filepath.Join(dir, "footfall.db"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	const dontNeed = 4
	if err := f.Sync(); err != nil {
		b.Fatal(err)
	}
	if _, _, errno := syscall.Syscall6(syscall.SYS_FADVISE64, f.Fd(), 0, 0, dontNeed, 0, 0); errno != 0 {
		b.Fatalf("forget %s: %v", f.Name(), errno)
	}
}

// byColumn adds up what the columns of a data set take.
func (r *report) byColumn(b *testing.B, set *dataSet) {
	s, _ := openSet(b, set)
	in, err := s.Inspect(b.Context(), storage.Selection{Columns: true}, nil)
	if err != nil {
		b.Fatal(err)
	}
	r.columns = newSheet("### Bytes an event by column, "+set.name+" (`footfall inspect --columns`)", "stream", "column", "bytes", "bytes an event")
	sum := 0.0
	for _, c := range in.Columns {
		sum += c.PerEvent
		if c.PerEvent >= 0.005 {
			r.columns.add(c.Stream, c.Column, strconv.FormatInt(c.Bytes, 10), fmt.Sprintf("%.2f", c.PerEvent))
		}
	}
	r.columns.add("all", "those not listed take less than 0.005 each", "", fmt.Sprintf("%.2f", sum))
	_ = s.Close()
}
