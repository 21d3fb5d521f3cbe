package storage_test

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"footfall/storage"
	"footfall/storage/account"
	"footfall/storage/day"
	"footfall/storage/query"
	"footfall/storage/query/naive"
	"footfall/storage/query/naive/script"
	"footfall/storage/schema"
	"footfall/storage/seal"
)

var release = flag.String("release", "", "version, such as v0.2: make its directory in testdata, which must not exist")

// TestMakeRelease writes down what the present code stores, once for each version that changes a stored format. It makes a new
// directory and changes none.
func TestMakeRelease(t *testing.T) {
	if *release == "" {
		t.Skip("-release names no version")
	}
	dir := filepath.Join("testdata", *release)
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err) // it exists: what was released stays as it is
	}
	w := newReleaseWorld(t)
	expected := w.fill(t)
	for _, w.tenant = range w.all {
		w.books(t)
		one := describeSite(t, w.store, w.site)
		expected.Sites = append(expected.Sites, one)
		mustZip(t, one.events(dir), []byte(exportText(t, w.store, one)))
		mustWrite(t, one.answers(dir), w.answer(t))
	}
	// An import that never ends: its mark and its chunks are in the file, and whoever opens it removes them.
	in, err := w.store.Import(w.site)
	if err != nil {
		t.Fatal(err)
	}
	o := day.NewOpen(w.site, w.today()-40, w.days.Start(w.today()-40))
	row, _ := newSeating().row(naive.Event{Visitor: "nobody", Event: day.Event{Time: o.Begin.Unix(), Name: day.Pageview, Pathname: "/never"}})
	if err := o.Apply([]day.Row{row}); err != nil {
		t.Fatal(err)
	}
	if err := in.Add(t.Context(), o.View()); err != nil {
		t.Fatal(err)
	}
	w.close(t)
	text, err := json.MarshalIndent(expected, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	mustWrite(t, filepath.Join(dir, "expected.json"), append(text, '\n'))
	for _, name := range releaseFiles {
		content, err := os.ReadFile(filepath.Join(w.dir, name))
		if err != nil {
			t.Fatal(err)
		}
		mustZip(t, filepath.Join(dir, name+".gz"), content)
	}
}

func mustWrite(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
}

func mustZip(t *testing.T, path string, content []byte) {
	t.Helper()
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := z.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	mustWrite(t, path, b.Bytes())
}

// releaseWorld has one site whose clocks change by half an hour within its days, and one that is a day ahead of us.
type releaseWorld struct {
	*world
	random *rand.Rand
}

func newReleaseWorld(t *testing.T) *releaseWorld {
	t.Helper()
	var calendars []*schema.Calendar
	for _, name := range []string{"Australia/Lord_Howe", "Pacific/Kiritimati"} {
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		calendars = append(calendars, schema.NewCalendar(zone))
	}
	begin := time.Date(2025, 10, 2, 12, 0, 0, 0, time.UTC)
	return &releaseWorld{newWorld(t, filepath.Join(t.TempDir(), "data"), begin, calendars...), rand.New(rand.NewPCG(1, 2025))}
}

// fill gives the store all that a store can hold.
func (w *releaseWorld) fill(t *testing.T) released {
	expected := released{Recovery: w.store.RecoveryKey(), Email: "ana@example.org", Password: "correct horse battery staple", Token: "reports",
		Session: "a browser", Salts: map[string]string{}}
	hashed, err := seal.HashPassword(expected.Password)
	if err != nil {
		t.Fatal(err)
	}
	book := w.store.Accounts()
	user, err := book.AddUser(t.Context(), expected.Email, hashed, w.now)
	if err != nil {
		t.Fatal(err)
	}
	_, err = book.AddToken(t.Context(), account.Token{Name: expected.Token, Scope: "stats:read", Prefix: "ff_", Hash: sha256.Sum256([]byte(expected.Token)), Created: w.now})
	if err != nil {
		t.Fatal(err)
	}
	err = book.AddSession(t.Context(), account.Session{Hash: sha256.Sum256([]byte(expected.Session)), User: user.ID, Created: w.now, Seen: w.now}, [32]byte{}, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	history := w.today() - 6
	w.load(t, w.long(history), true)
	w.load(t, append(w.some(history+1, 120), w.some(history+3, 40)...), true)
	first := w.today() + 1 // the clocks of Lord Howe change two days later
	for date := first; date < first+4; date++ {
		for i := range 2 {
			w.tenant = w.all[i]
			n := 60
			if date == first && i == 0 {
				n = 330 // enough for 200 names
			}
			events := w.some(date, n)
			if date == first+3 { // today: the day has not ended yet
				events = slices.DeleteFunc(events, func(e naive.Event) bool { return e.Time > w.all[0].days.Start(date).Unix()+12*3600 })
			}
			w.appendAll(t, date, events)
			w.store.Dropped(w.site, date, "bot", 3+int(date-first))
			w.store.Dropped(w.site, date, "blocked", 1)
		}
		if date == first+3 {
			break
		}
		w.set(w.all[0].days.Start(date + 1))
		w.maintain(t)
		w.tenant = w.all[0]
		w.load(t, w.some(date, 30), true) // into a day that is sealed
	}
	w.set(w.all[0].days.Start(first + 3).Add(13 * time.Hour))
	w.maintain(t)
	w.tenant = w.all[1]
	w.load(t, w.some(w.today()-1, 20), true)
	w.load(t, w.some(w.today(), 20)[:5], true) // into a day that is open
	w.destroy(t)
	w.move(t)
	expected.Records = w.store.Accounts().Sites()
	if expected.Audit, err = w.store.Accounts().Entries(t.Context()); err != nil {
		t.Fatal(err)
	}
	mustWrite(t, filepath.Join(w.dir, "footfall.db.rebuild"), nil) // the next start copies the file: what was freed is left behind
	w.reopen(t)
	for _, w.tenant = range w.all {
		zone := w.days.Zone(w.today()).String()
		salt, err := w.store.Salt(account.Site{Timezone: zone}, w.today())
		if err != nil {
			t.Fatal(err)
		}
		expected.Salts[zone] = hex.EncodeToString(salt[:])
	}
	expected.Now = w.now.UTC()
	return expected
}

// destroy imports an event and deletes it, so that the audit log has an entry.
func (w *releaseWorld) destroy(t *testing.T) {
	t.Helper()
	w.tenant = w.all[0]
	events, rows := w.events, w.rows
	at := w.days.Start(w.today() - 1).Unix()
	w.load(t, []naive.Event{{Visitor: "nobody", Event: day.Event{Time: at, Name: day.Pageview, Pathname: "/deleted", ScrollDepth: day.NoScroll}}}, true)
	w.events, w.rows = events, rows
	gone := storage.Deletion{Site: w.site, Range: query.Range{First: at, Last: at}, By: "a test",
		Filters: []query.Filter{{Op: query.Is, Dimension: "event:page", Clauses: []string{"/deleted"}}}}
	if done, err := w.store.Delete(t.Context(), gone, "", nil); err != nil || done.Events != 1 {
		t.Fatalf("%+v, %v", done, err)
	}
}

// move adds a site without events whose time zone changes, and that keeps its days for a year.
func (w *releaseWorld) move(t *testing.T) {
	t.Helper()
	site, err := w.store.AddSite(t.Context(), "moved.example.com", "Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.store.SetTimezone(t.Context(), site.ID, "Asia/Tokyo"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.store.SetRetention(t.Context(), site.ID, 365, "a test"); err != nil {
		t.Fatal(err)
	}
}

// appendAll puts events of one day into the journal, a few in each commit.
func (w *releaseWorld) appendAll(t *testing.T, date schema.Date, events []naive.Event) {
	t.Helper()
	if w.seats[date] == nil {
		w.seats[date] = newSeating()
	}
	o, err := w.store.OpenDay(w.site, date)
	if err != nil {
		t.Fatal(err)
	}
	for part := range slices.Chunk(events, 7) {
		var rows []day.Row
		for _, e := range part {
			w.events = append(w.events, e)
			if row, ok := w.seats[date].row(e); ok {
				rows = append(rows, row)
				w.rows = append(w.rows, e.Event)
			}
		}
		if len(rows) > 0 {
			mustAppend(t, w.store, o, rows...)
		}
	}
}

// long is a day with a column that is longer than a chunk.
func (w *releaseWorld) long(date schema.Date) []naive.Event {
	begin := w.days.Start(date).Unix()
	events := []naive.Event{{Visitor: "reader", Event: day.Event{Time: begin, Name: day.Pageview, Hostname: "example.com", Pathname: "/long", Interactive: true, ScrollDepth: day.NoScroll}}}
	for i := range int64(16_400) {
		events = append(events, naive.Event{Visitor: "reader", Event: day.Event{Time: begin + i, Name: day.Engagement, Hostname: "example.com", Pathname: "/long",
			Interactive: true, ScrollDepth: day.NoScroll, EngagementMS: w.random.Uint32()}})
	}
	return events
}

// some makes events of a day, in order of time, with all that an event can have.
func (w *releaseWorld) some(date schema.Date, n int) []naive.Event {
	one := func(words ...string) string { return words[w.random.IntN(len(words))] }
	begin, length := w.days.Start(date).Unix(), int64(w.days.Start(date+1).Sub(w.days.Start(date)).Seconds())
	visitors := map[string]schema.Attributes{}
	var events []naive.Event
	who := ""
	for i := range n {
		if i == 0 || w.random.IntN(3) == 0 {
			who = fmt.Sprint("visitor ", w.random.IntN(n/3))
		}
		a, known := visitors[who]
		if !known {
			for id := range a {
				a[id] = one("", "", "Größe", fmt.Sprintf("%s %d", schema.Columns[id].Name, w.random.IntN(6)))
			}
			visitors[who] = a
		}
		e := naive.Event{Visitor: who, Attributes: a, Event: day.Event{Time: begin + int64(i)*length/int64(n), Name: one(day.Pageview, day.Pageview, day.Pageview, day.Engagement, "Signup", "signup"),
			Hostname: one("example.com", "example.com", "shop.example.com", ""), Pathname: one("/", "/a", "/a/b", "/straße", fmt.Sprint("/page/", w.random.IntN(60))),
			Interactive: w.random.IntN(4) > 0, ScrollDepth: day.NoScroll}}
		switch {
		case e.Name == day.Engagement:
			e.ScrollDepth, e.EngagementMS = uint8(w.random.IntN(101)), w.random.Uint32N(600_000)
		case n > 300 && i < 200:
			e.Name = fmt.Sprintf("event %03d", i)
		case w.random.IntN(3) == 0:
			for _, key := range []string{"a:b", "größe", "plan"} {
				if w.random.IntN(2) == 0 {
					e.Props = append(e.Props, day.Prop{Key: key, Value: one("(none)", "Pro", "pro", fmt.Sprint(w.random.IntN(30)))})
				}
			}
		}
		if e.Name == "Signup" && w.random.IntN(2) == 0 {
			e.Revenue = day.Revenue{Amount: one("9.90", "-1", "0.005"), Currency: one("EUR", "USD")}
		}
		events = append(events, e)
	}
	return events
}

// questions are asked of every site; what the model and the engine answer is written behind them.
var questions = []string{
	`visitors, visits, pageviews, events, bounce_rate, visit_duration, views_per_visit`,
	`visitors, visits, pageviews, events, bounce_rate, visit_duration, views_per_visit by time:day`,
	"visitors, visits, pageviews, events, visit_duration by time:hour\n  order time:hour desc\n  limit 40",
	`visitors, bounce_rate by time:week`,
	`visitors, visits, bounce_rate, visit_duration by visit:source`,
	"visitors, visits, pageviews by visit:browser, visit:browser_version\n  limit 20",
	`visitors, percentage by visit:country`,
	"visitors, visits by visit:entry_page\n  limit 20",
	"visitors, visits by visit:exit_page\n  limit 20",
	"visitors, visits, pageviews, events by event:page\n  limit 20",
	"visitors, events by event:name\n  limit 20",
	`visitors, events by event:hostname`,
	"visitors, events by event:props:plan\n  limit 20",
	"visitors, events by event:props:größe, event:name\n  limit 20",
	"visitors, visits, events by visit:os\n  where [\"is\", \"visit:country\", [\"Größe\"]]",
	"visitors, pageviews by event:page\n  where [\"contains\", \"event:page\", [\"page\"]]\n  limit 5 offset 2",
	"visitors, visits, bounce_rate\n  where [\"is\", \"event:props:plan\", [\"pro\", \"(none)\"]]",
	"visitors, events by time:day\n  where [\"or\", [[\"is\", \"event:name\", [\"event 007\"]], [\"not\", [\"matches\", \"visit:channel\", [\"[0-3]$\"]]]]]",
}

// answer returns the questions and their answers in the language of query/testdata.
func (w *releaseWorld) answer(t *testing.T) []byte {
	t.Helper()
	first, last, _ := w.store.Span(w.site)
	var asked, answered strings.Builder
	fmt.Fprintf(&answered, "zone %s\n", w.days.Zone(first))
	fmt.Fprint(&asked, answered.String())
	for _, q := range questions {
		head, clauses, _ := strings.Cut(q, "\n")
		fmt.Fprintf(&asked, "\nquery %s\n  from %s to %s\n%s\nexpect\n", head, first, last, clauses)
	}
	path := filepath.Join(t.TempDir(), "questions.txt")
	mustWrite(t, path, []byte(asked.String()))
	cases, err := script.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	visits := naive.Derive(w.events, w.days)
	for i, c := range cases {
		c.Query.Site = w.site
		want, err := visits.Answer(c.Query)
		if err != nil {
			t.Fatal(err)
		}
		got, err := w.store.Query(t.Context(), c.Query)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("%s\nmodel -, engine +:\n%s", c.Name, diff)
		}
		head, clauses, _ := strings.Cut(questions[i], "\n")
		fmt.Fprintf(&answered, "\nquery %s\n  from %s to %s\n", head, first, last)
		if clauses != "" {
			fmt.Fprintln(&answered, clauses)
		}
		fmt.Fprintf(&answered, "expect of %d\n", got.Total)
		for _, row := range got.Rows {
			fmt.Fprintln(&answered, " ", answerRow(row))
		}
	}
	return []byte(answered.String())
}

func answerRow(row query.Row) string {
	var cells []string
	for _, d := range row.Dimensions {
		cells = append(cells, strconv.Quote(d))
	}
	for _, m := range row.Metrics {
		cell := strconv.FormatFloat(m.Number, 'g', -1, 64)
		if m.Null {
			cell = "null"
		}
		cells = append(cells, cell)
	}
	return strings.Join(cells, " | ")
}
