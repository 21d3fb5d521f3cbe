package storage_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"footfall/storage"
	"footfall/storage/account"
	"footfall/storage/day"
	"footfall/storage/query/naive"
	"footfall/storage/query/naive/script"
	"footfall/storage/schema"
	"footfall/storage/seal"
)

// Each directory in testdata holds the data of one released version, and what they must answer: see testdata/README.md.

// releaseFiles are the files of a data directory; those that are large are compressed, and have .gz behind their name.
var releaseFiles = []string{"footfall.db", "footfall.vault", "footfall.key"}

// released is what else a release's data must give.
type released struct {
	Now      time.Time         `json:"now"`
	Recovery string            `json:"recovery"`
	Email    string            `json:"email"`
	Password string            `json:"password"` // of Email
	Token    string            `json:"token"`    // name; its hash is the SHA-256 of the name
	Session  string            `json:"session"`  // its hash is the SHA-256 of this
	Salts    map[string]string `json:"salts"`    // by zone, of the day that Now is in
	Sites    []releasedSite    `json:"sites"`
	Records  []account.Site    `json:"records"` // of all sites; none before v0.2
	Audit    []account.Entry   `json:"audit"`   // none before v0.2
}

type releasedSite struct {
	ID       schema.Site                 `json:"id"`
	Domain   string                      `json:"domain"`
	Timezone string                      `json:"timezone"`
	First    string                      `json:"first"`
	Last     string                      `json:"last"`
	Events   int64                       `json:"events"` // engagement left out
	Drops    map[string]map[string]int64 `json:"drops"`  // by reason and day
}

func (one *releasedSite) events(dir string) string {
	return filepath.Join(dir, fmt.Sprintf("events-%d.txt.gz", one.ID))
}

func (one *releasedSite) answers(dir string) string {
	return filepath.Join(dir, fmt.Sprintf("answers-%d.txt", one.ID))
}

// TestReleases opens the data of every released version with the present code. A change that makes it fail would lose somebody's
// numbers: the code must change, never the files.
func TestReleases(t *testing.T) {
	if binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		t.Skip("the data file is in the byte order of the machine that wrote it, and these are little-endian")
	}
	dirs, err := filepath.Glob("testdata/v*")
	if err != nil || len(dirs) == 0 {
		t.Fatalf("no releases found: %v", err)
	}
	for _, dir := range dirs {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			var want released
			text, err := os.ReadFile(filepath.Join(dir, "expected.json"))
			if err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(text, &want); err != nil {
				t.Fatal(err)
			}
			t.Run("open", func(t *testing.T) { testRelease(t, dir, want) })
			t.Run("append", func(t *testing.T) { testReleaseGoesOn(t, dir, want) })
			t.Run("recovery", func(t *testing.T) {
				data := layRelease(t, dir)
				key := filepath.Join(t.TempDir(), "recovery")
				if err := os.WriteFile(key, []byte(want.Recovery), 0o600); err != nil {
					t.Fatal(err)
				}
				openRelease(t, storage.Config{Dir: data, Key: storage.Key{File: key}}, want.Now)
			})
		})
	}
}

// layRelease copies a release's data to where they may be changed.
func layRelease(t *testing.T, dir string) (data string) {
	t.Helper()
	data = filepath.Join(t.TempDir(), "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range releaseFiles {
		content, err := os.ReadFile(filepath.Join(dir, name))
		if os.IsNotExist(err) {
			content = mustUnzip(t, filepath.Join(dir, name+".gz"))
		} else if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(data, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return data
}

func mustUnzip(t *testing.T, path string) []byte {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func openRelease(t *testing.T, cfg storage.Config, now time.Time) *storage.Store {
	t.Helper()
	cfg.Now = func() time.Time { return now }
	s, err := storage.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// testRelease asks for all that is known, then lets the open days end and asks again.
func testRelease(t *testing.T, dir string, want released) {
	data := layRelease(t, dir)
	s := openRelease(t, storage.Config{Dir: data}, want.Now)
	compareAccounts(t, s, want)
	compareEvents := func(when string) {
		for _, one := range want.Sites {
			if diff := cmp.Diff(string(mustUnzip(t, one.events(dir))), exportText(t, s, one)); diff != "" {
				t.Errorf("%s: %s: events: want -, got +:\n%s", when, one.Domain, diff)
			}
		}
		compareAnswers(t, s, dir, want)
		if err := s.Check(t.Context(), nil); err != nil {
			t.Errorf("%s: %v", when, err)
		}
	}
	for zone, salt := range want.Salts {
		loc, err := time.LoadLocation(zone)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := s.Salt(account.Site{Timezone: zone}, schema.DateOf(want.Now.In(loc))); hex.EncodeToString(got[:]) != salt {
			t.Errorf("salt of %s: %x, %v", zone, got, err)
		}
	}
	for _, one := range want.Sites {
		if got := describeSite(t, s, one.ID); !cmp.Equal(got, one) {
			t.Error(cmp.Diff(one, got))
		}
	}
	compareEvents("as it came")
	later := want.Now.AddDate(0, 0, 3)
	if _, err := s.Maintain(t.Context(), later); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openRelease(t, storage.Config{Dir: data}, later)
	compareEvents("with all days sealed")
	if _, err := s.Reseal(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	compareEvents("with all days in the newest form")
	if again, err := s.Reseal(t.Context(), nil); again != 0 || err != nil {
		t.Errorf("%d days are written anew again, %v", again, err)
	}
}

// testReleaseGoesOn adds to the open days, and to a sealed one by an import.
func testReleaseGoesOn(t *testing.T, dir string, want released) {
	w := &world{dir: layRelease(t, dir), now: want.Now}
	w.open(t, false)
	for _, one := range want.Sites {
		zone, err := time.LoadLocation(one.Timezone)
		if err != nil {
			t.Fatal(err)
		}
		w.tenant = &tenant{site: one.ID, days: schema.NewCalendar(zone), seats: map[schema.Date]*seating{}}
		w.all = append(w.all, w.tenant)
		o := mustOpenDayOf(t, w)
		w.seats[w.today()] = resumed(o)
		resumes := len(o.Resume())
		if resumes == 0 {
			t.Errorf("%s: there is no open day to go on with", one.Domain)
		}
		some := naive.Event{Visitor: "somebody new", Event: day.Event{Time: want.Now.Unix(), Name: "a name nobody had", Pathname: "/new",
			Interactive: true, ScrollDepth: day.NoScroll, Props: []day.Prop{{Key: "a key nobody had", Value: "yes"}}}}
		w.live(t, some)
		some.Name, some.Time = day.Pageview, some.Time+1
		w.live(t, some)
		first, err := schema.ParseDate(one.First)
		if err != nil {
			t.Fatal(err)
		}
		some.Time = first.Start(zone).Unix() + 100
		w.load(t, []naive.Event{some}, true)
	}
	w.reopen(t)
	w.set(w.now.AddDate(0, 0, 3))
	w.maintain(t)
	w.reopen(t)
	defer w.close(t)
	for _, site := range w.store.Accounts().Sites() {
		if got, ok := w.store.Accounts().SiteByScript(site.Script.ID); !ok || got.ID != site.ID {
			t.Errorf("%s: has no script of its own", site.Domain)
		}
	}
	for _, one := range want.Sites {
		if got := w.store.Count(one.ID); got != one.Events+3 {
			t.Errorf("%s: %d events, want three more than %d", one.Domain, got, one.Events)
		}
	}
	if err := w.store.Check(t.Context(), nil); err != nil {
		t.Error(err)
	}
}

func mustOpenDayOf(t *testing.T, w *world) *day.Open {
	t.Helper()
	o, err := w.store.OpenDay(w.site, w.today())
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func compareAccounts(t *testing.T, s *storage.Store, want released) {
	t.Helper()
	book := s.Accounts()
	user, ok := book.UserByEmail(want.Email)
	if !ok {
		t.Fatal("the person is gone")
	}
	if ok, _, err := seal.VerifyPassword(user.PasswordHash, want.Password); !ok {
		t.Errorf("the password does not fit any more: %v", err)
	}
	if want.Records != nil {
		if diff := cmp.Diff(want.Records, book.Sites(), cmpopts.IgnoreUnexported(account.Site{})); diff != "" {
			t.Errorf("sites: want -, got +:\n%s", diff)
		}
	}
	if audit, err := book.Entries(t.Context()); err != nil || !cmp.Equal(want.Audit, audit, cmpopts.EquateEmpty()) {
		t.Errorf("audit log: %+v, %v, want %+v", audit, err, want.Audit)
	}
	if token, ok := book.TokenByHash(sha256.Sum256([]byte(want.Token))); !ok || token.Name != want.Token {
		t.Errorf("the token is gone: %+v", token)
	}
	if session, ok := book.SessionByHash(sha256.Sum256([]byte(want.Session))); !ok || session.User != user.ID {
		t.Errorf("the login is gone: %+v", session)
	}
}

// describeSite returns what the store says of a site.
func describeSite(t *testing.T, s *storage.Store, id schema.Site) releasedSite {
	t.Helper()
	site, ok := s.Accounts().Site(id)
	if !ok {
		t.Fatalf("site %d is gone", id)
	}
	first, last, ok := s.Span(id)
	if !ok {
		t.Fatalf("site %d is empty", id)
	}
	out := releasedSite{id, site.Domain, site.Timezone, first.String(), last.String(), s.Count(id), map[string]map[string]int64{}}
	for reason, days := range s.DropCounts(id, first, last) {
		out.Drops[reason] = map[string]int64{}
		for date, n := range days {
			out.Drops[reason][date.String()] = n
		}
	}
	return out
}

// maxLines of a day are written out; of a longer one there is a hash.
const maxLines = 10_000

// exportText writes every event a site has up to the last day of its description: a paragraph for each visitor of a day, a line for each
// event. Numbers of visitors and the order within a second mean nothing, so paragraphs and lines are sorted.
func exportText(t *testing.T, s *storage.Store, one releasedSite) string {
	t.Helper()
	first, err1 := schema.ParseDate(one.First)
	last, err2 := schema.ParseDate(one.Last)
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	var out strings.Builder
	for date := first; date <= last; date++ {
		visitors, n := map[uint32][]string{}, 0
		err := s.Export(t.Context(), one.ID, date, date, func(visitor uint32, a *schema.Attributes, e *day.Event) error {
			visitors[visitor] = append(visitors[visitor], exportLine(a, e))
			n++
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		var paragraphs []string
		for _, lines := range visitors {
			slices.Sort(lines)
			paragraphs = append(paragraphs, strings.Join(lines, "\n"))
		}
		slices.Sort(paragraphs)
		text := strings.Join(paragraphs, "\n\n")
		if n > maxLines {
			text = fmt.Sprintf("SHA-256 %x", sha256.Sum256([]byte(text)))
		}
		fmt.Fprintf(&out, "%s: %d visitors, %d events\n%s\n\n", date, len(visitors), n, text)
	}
	return out.String()
}

// exportLine is an event with all it has, in a form that is this test's own.
func exportLine(a *schema.Attributes, e *day.Event) string {
	visit := map[string]string{}
	for id, value := range a {
		if value != "" {
			visit[schema.Columns[id].Name] = value
		}
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode([]any{e.Time, e.Name, e.Hostname, e.Pathname, e.Interactive, e.ScrollDepth, e.EngagementMS, e.Props, e.Revenue, visit}); err != nil {
		panic(err) // strings and numbers
	}
	return strings.TrimSpace(b.String())
}

func compareAnswers(t *testing.T, s *storage.Store, dir string, want released) {
	t.Helper()
	for _, one := range want.Sites {
		cases, err := script.Read(one.answers(dir))
		if err != nil || len(cases) == 0 {
			t.Fatalf("%d questions, %v", len(cases), err)
		}
		for _, c := range cases {
			c.Query.Site = one.ID
			got, err := s.Query(context.Background(), c.Query)
			if err != nil {
				t.Errorf("%s: %s: %v", one.Domain, c.Name, err)
				continue
			}
			if diff := cmp.Diff(c.Want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%s: %s: want -, got +:\n%s", one.Domain, c.Name, diff)
			}
		}
	}
}
