package account_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"footfall/storage/account"
	"footfall/storage/file"
	"footfall/storage/schema"
	"footfall/storage/seal"
)

var created = time.Date(2026, 5, 20, 10, 30, 15, 0, time.UTC)

// shelf is a directory with a data file and a vault.
type shelf struct {
	dir   string
	db    *file.DB
	vault *seal.Vault
	book  *account.Book
}

func newShelf(t *testing.T) *shelf {
	t.Helper()
	s := &shelf{dir: t.TempDir()}
	var err error
	if s.db, err = file.Create(file.Config{Path: s.data()}); err != nil {
		t.Fatal(err)
	}
	key := seal.KeySource{Raw: bytes.Repeat([]byte{7}, 32)}
	if s.vault, err = seal.CreateVault(filepath.Join(s.dir, "vault"), s.db.ID(), key, time.Now()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.db.Close(); s.vault.Close() })
	s.open(t)
	return s
}

func (s *shelf) data() string { return filepath.Join(s.dir, "data") }

func (s *shelf) open(t *testing.T) {
	t.Helper()
	var err error
	if s.book, err = account.Open(s.db, s.vault.Rest()); err != nil {
		t.Fatal(err)
	}
}

// reopen reads the book from disk again.
func (s *shelf) reopen(t *testing.T) {
	t.Helper()
	if err := s.db.Close(); err != nil {
		t.Fatal(err)
	}
	var err error
	if s.db, err = file.Open(file.Config{Path: s.data()}); err != nil {
		t.Fatal(err)
	}
	s.open(t)
}

func hash(s string) (h [32]byte) { copy(h[:], s); return h }

func TestBookSurvivesReopening(t *testing.T) {
	s, ctx := newShelf(t), context.Background()
	site, err := s.book.AddSite(ctx, "https://www.Example.org/", "Europe/Berlin", created, nil)
	if err != nil {
		t.Fatal(err)
	}
	user, err := s.book.AddUser(ctx, "Ann@Example.org ", "hash", created)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.book.SetPasswordHash(ctx, user.ID, "hash 2"); err != nil {
		t.Fatal(err)
	}
	token, err := s.book.AddToken(ctx, account.Token{Name: "report", Scope: "stats:read", Prefix: "abcdef", Hash: hash("t"), Created: created})
	if err != nil {
		t.Fatal(err)
	}
	login := account.Session{Hash: hash("s"), User: user.ID, Created: created, Seen: created}
	if err := s.book.AddSession(ctx, login, [32]byte{}, time.Time{}); err != nil {
		t.Fatal(err)
	}
	later := created.Add(time.Hour)
	if err := errors.Join(s.book.TouchSession(ctx, login.Hash, later), s.book.TouchToken(ctx, token.Hash, later)); err != nil {
		t.Fatal(err)
	}
	login.Seen, token.LastUsed, user.PasswordHash = later, later, "hash 2"

	check := func(t *testing.T) {
		same := cmpopts.IgnoreUnexported(account.Site{})
		if diff := cmp.Diff([]account.Site{{ID: 1, Domain: "example.org", Timezone: "Europe/Berlin", Created: created, Script: site.Script}}, s.book.Sites(), same); diff != "" {
			t.Error(diff)
		}
		if got, ok := s.book.SiteByDomain("example.org"); !ok || !cmp.Equal(got, site, same) {
			t.Errorf("site by domain: got %v", got)
		}
		if got, ok := s.book.UserByEmail("ANN@example.org"); !ok || got != user {
			t.Errorf("user by e-mail: got %v, want %v", got, user)
		}
		if got, ok := s.book.TokenByHash(hash("t")); !ok || got != token {
			t.Errorf("token: got %v, want %v", got, token)
		}
		if got, ok := s.book.SessionByHash(hash("s")); !ok || got != login {
			t.Errorf("session: got %v, want %v", got, login)
		}
	}
	check(t)
	s.reopen(t)
	check(t)

	if err := errors.Join(s.book.DeleteSite(ctx, site.ID), s.book.DeleteToken(ctx, token.ID), s.book.DeleteSessionsOf(ctx, user.ID)); err != nil {
		t.Fatal(err)
	}
	s.reopen(t)
	_, hasToken := s.book.TokenByHash(hash("t"))
	_, hasSession := s.book.SessionByHash(hash("s"))
	if len(s.book.Sites()) != 0 || hasToken || hasSession {
		t.Error("something deleted is back")
	}
}

func TestNumbersAreGivenOnce(t *testing.T) {
	s, ctx := newShelf(t), context.Background()
	for want := schema.Site(1); want <= 3; want++ {
		site, err := s.book.AddSite(ctx, "example.org", "Etc/UTC", created, nil)
		if err != nil || site.ID != want {
			t.Fatalf("got %d, %v, want %d", site.ID, err, want)
		}
		if err := s.book.DeleteSite(ctx, site.ID); err != nil {
			t.Fatal(err)
		}
		s.reopen(t)
	}
	broken := errors.New("no key")
	if _, err := s.book.AddSite(ctx, "example.org", "Etc/UTC", created, func(schema.Site) error { return broken }); !errors.Is(err, broken) {
		t.Fatalf("got %v", err)
	}
	if len(s.book.Sites()) != 0 {
		t.Error("a site that could not be prepared is there")
	}
	s.reopen(t)
	var prepared schema.Site
	site, err := s.book.AddSite(ctx, "example.org", "Etc/UTC", created, func(id schema.Site) error { prepared = id; return nil })
	if err != nil || site.ID != 5 || prepared != 5 {
		t.Errorf("got %d, prepared %d, %v, want 5", site.ID, prepared, err)
	}
}

func TestErrors(t *testing.T) {
	s, ctx := newShelf(t), context.Background()
	add := func(domain, zone string) error {
		_, err := s.book.AddSite(ctx, domain, zone, created, nil)
		return err
	}
	if err := add("example.org", "Etc/UTC"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.book.AddFirstUser(ctx, "ann@example.org", "h", created); err != nil {
		t.Fatal(err)
	}
	_, second := s.book.AddFirstUser(ctx, "bob@example.org", "h", created)
	_, twin := s.book.AddUser(ctx, "ANN@example.org", "h", created)
	_, unnamed := s.book.AddToken(ctx, account.Token{Name: " "})
	for _, c := range []struct {
		name string
		err  error
		want error
		text string
	}{
		{"twice", add("http://EXAMPLE.org", "Etc/UTC"), account.ErrExists, "example.org"},
		{"empty", add("https://www./", "Etc/UTC"), account.ErrInvalid, "empty"},
		{"letters", add("exämple.org", "Etc/UTC"), account.ErrInvalid, "not 'ä'"},
		{"long", add(strings.Repeat("a", 254), "Etc/UTC"), account.ErrInvalid, "253"},
		{"no zone", add("b.org", ""), account.ErrInvalid, "Europe/Berlin"},
		{"local zone", add("b.org", "Local"), account.ErrInvalid, "Europe/Berlin"},
		{"wrong zone", add("b.org", "Europe/Berlim"), account.ErrInvalid, `"Europe/Berlim" is not known`},
		{"zone outside", add("b.org", "../../etc/passwd"), account.ErrInvalid, "is not known"},
		{"second first user", second, account.ErrExists, ""},
		{"same address", twin, account.ErrExists, ""},
		{"token name", unnamed, account.ErrInvalid, "name"},
		{"no site", s.book.DeleteSite(ctx, 9), account.ErrNotFound, ""},
		{"no token", s.book.DeleteToken(ctx, 9), account.ErrNotFound, ""},
		{"no session", s.book.TouchSession(ctx, hash("x"), created), account.ErrNotFound, ""},
		{"no user", s.book.AddSession(ctx, account.Session{User: 9}, [32]byte{}, time.Time{}), account.ErrNotFound, ""},
	} {
		if !errors.Is(c.err, c.want) || !strings.Contains(c.err.Error(), c.text) {
			t.Errorf("%s: got %v, want %v with %q", c.name, c.err, c.want, c.text)
		}
	}
}

func TestCleanDomain(t *testing.T) {
	for in, want := range map[string]string{
		" https://www.Example.org/ ": "example.org", "http://example.org/blog/": "example.org/blog", "sub.example.org": "sub.example.org",
		"localhost": "localhost", `a_b\c-d.org`: `a_b\c-d.org`,
	} {
		if got, err := account.CleanDomain(in); got != want || err != nil {
			t.Errorf("%q: got %q, %v, want %q", in, got, err, want)
		}
	}
	for _, in := range []string{"", " / ", "a b.org", "a.org?x", "user@a.org", "a.org:80", "a\x00b", ".", "..", "-", "a.org/../b", "a.org//b", "api", "app/x", "login"} {
		if got, err := account.CleanDomain(in); !errors.Is(err, account.ErrInvalid) {
			t.Errorf("%q: got %q, %v", in, got, err)
		}
	}
}

func TestOldSessionsGiveWay(t *testing.T) {
	s, ctx := newShelf(t), context.Background()
	user, err := s.book.AddUser(ctx, "ann@example.org", "h", created)
	if err != nil {
		t.Fatal(err)
	}
	for i := range account.MaxSessionsPerUser + 5 {
		at := created.Add(time.Duration(i) * time.Minute)
		if err := s.book.AddSession(ctx, account.Session{Hash: [32]byte{byte(i), 1}, User: user.ID, Created: at, Seen: at}, [32]byte{}, created); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.book.Sessions(user.ID); len(got) != account.MaxSessionsPerUser || got[len(got)-1].Hash[0] != 5 {
		t.Errorf("got %d sessions, the oldest is %d", len(got), got[len(got)-1].Hash[0])
	}
	last := created.Add(24 * time.Hour)
	if err := s.book.AddSession(ctx, account.Session{Hash: hash("new"), User: user.ID, Seen: last}, [32]byte{20, 1}, created.Add(10*time.Minute)); err != nil {
		t.Fatal(err)
	}
	s.reopen(t)
	_, stale := s.book.SessionByHash([32]byte{9, 1})
	_, replaced := s.book.SessionByHash([32]byte{20, 1})
	_, kept := s.book.SessionByHash([32]byte{10, 1})
	if stale || replaced || !kept {
		t.Errorf("stale %v, replaced %v, kept %v", stale, replaced, kept)
	}
}

func TestNothingIsReadableInTheFile(t *testing.T) {
	s, ctx := newShelf(t), context.Background()
	if _, err := s.book.AddSite(ctx, "canary-domain.example", "Europe/Berlin", created, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := s.book.AddUser(ctx, "canary-user@example.org", "canary-hash", created); err != nil {
		t.Fatal(err)
	}
	if _, err := s.book.AddToken(ctx, account.Token{Name: "canary-token", Hash: hash("t")}); err != nil {
		t.Fatal(err)
	}
	bytesOf, err := os.ReadFile(s.data())
	if err != nil {
		t.Fatal(err)
	}
	for _, mark := range []string{"canary", "Berlin", "timezone"} {
		if bytes.Contains(bytesOf, []byte(mark)) {
			t.Errorf("%q stands in the data file", mark)
		}
	}
}

func TestDamageIsFound(t *testing.T) {
	for _, c := range []struct {
		name  string
		write func(tx *file.Tx, key, value []byte) error
	}{
		{"a flipped bit", func(tx *file.Tx, key, value []byte) error {
			value[len(value)-1] ^= 1
			return tx.Put(file.Accounts, key, value)
		}},
		{"another place", func(tx *file.Tx, key, value []byte) error {
			key[8] ^= 1
			return tx.Put(file.Accounts, key, value)
		}},
		{"an unknown version", func(tx *file.Tx, key, value []byte) error {
			value[0] = 9
			return tx.Put(file.Accounts, key, value)
		}},
		{"an empty value", func(tx *file.Tx, key, _ []byte) error { return tx.Put(file.Accounts, key, []byte{}) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, ctx := newShelf(t), context.Background()
			if _, err := s.book.AddSite(ctx, "example.org", "Etc/UTC", created, nil); err != nil {
				t.Fatal(err)
			}
			var key, value []byte
			err := s.db.Scan(ctx, file.Accounts, []byte{2}, func(k, v []byte) error {
				key, value = bytes.Clone(k), bytes.Clone(v)
				return nil
			})
			if err != nil || key == nil {
				t.Fatal("no site in the file", err)
			}
			if err := s.db.Commit(ctx, func(tx *file.Tx) error { return c.write(tx, key, value) }); err != nil {
				t.Fatal(err)
			}
			if _, err := account.Open(s.db, s.vault.Rest()); !errors.Is(err, account.ErrDamaged) && !errors.Is(err, seal.ErrDamaged) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestReadersSeeWholeStates(t *testing.T) {
	s, ctx := newShelf(t), context.Background()
	var readers sync.WaitGroup
	done := make(chan struct{})
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				for _, site := range s.book.Sites() {
					// A site may be gone by now, but never be there under one name only.
					if got, ok := s.book.SiteByDomain(site.Domain); ok && got.ID != site.ID {
						t.Errorf("site %d is also %d", site.ID, got.ID)
					}
				}
			}
		})
	}
	var writers sync.WaitGroup
	for i := range 8 {
		writers.Go(func() {
			domain := string(rune('a'+i)) + ".org"
			if _, err := s.book.AddSite(ctx, domain, "Etc/UTC", created, nil); err != nil {
				t.Error(err)
			}
		})
	}
	writers.Wait()
	close(done)
	readers.Wait()
	seen := map[schema.Site]bool{}
	for _, site := range s.book.Sites() {
		seen[site.ID] = true
	}
	if len(seen) != 8 {
		t.Errorf("got %d different numbers of sites, want 8", len(seen))
	}
}

// TestTimezones changes the zone of a site and looks at the record: one that has changes is not for programs that do not know them.
func TestTimezones(t *testing.T) {
	s, ctx := newShelf(t), t.Context()
	site, err := s.book.AddSite(ctx, "example.org", "Europe/Berlin", created, nil)
	if err != nil {
		t.Fatal(err)
	}
	check := func(first schema.Date, zone string, version byte, want ...account.ZoneChange) {
		t.Helper()
		got, err := s.book.SetTimezone(ctx, site.ID, first, zone)
		if err != nil {
			t.Fatal(err)
		}
		key := []byte{2, 0, 0, 0, 0, 0, 0, 0, 1}
		record, err := s.db.Get(file.Accounts, key)
		if err != nil || len(record) == 0 || record[0] != version {
			t.Errorf("the record has version %v, %v, want %d", record[:min(1, len(record))], err, version)
		}
		s.reopen(t)
		stored, _ := s.book.Site(site.ID)
		for _, one := range []account.Site{got, stored} {
			calendar, err := one.Calendar()
			if diff := cmp.Diff(want, one.Changes, cmpopts.EquateEmpty()); err != nil || diff != "" || one.Timezone != "Europe/Berlin" {
				t.Fatalf("%+v, %v: want -, got +:\n%s", one, err, diff)
			}
			for _, c := range want {
				if zone := calendar.Zone(c.First).String(); zone != c.Timezone {
					t.Errorf("%s: the zone is %s, want %s", c.First, zone, c.Timezone)
				}
			}
		}
	}
	tokyo, york := account.ZoneChange{First: 10, Timezone: "Asia/Tokyo"}, account.ZoneChange{First: 20, Timezone: "America/New_York"}
	check(10, "Europe/Berlin", 1)
	check(10, "Asia/Tokyo", 2, tokyo)
	check(20, "America/New_York", 2, tokyo, york)
	check(30, "America/New_York", 2, tokyo, york)
	check(15, "America/New_York", 2, tokyo, account.ZoneChange{First: 15, Timezone: "America/New_York"})
	check(15, "Asia/Tokyo", 2, tokyo)
	check(10, "Europe/Berlin", 1)
	for i := range schema.Date(account.MaxZoneChanges) {
		if _, err := s.book.SetTimezone(ctx, site.ID, i, []string{"Asia/Tokyo", "Etc/UTC"}[i%2]); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.book.SetTimezone(ctx, site.ID, 1000, "Europe/Rome"); !errors.Is(err, account.ErrFull) {
		t.Errorf("one change too many: %v", err)
	}
	if _, err := s.book.SetTimezone(ctx, 9, 1000, "Europe/Rome"); !errors.Is(err, account.ErrNotFound) {
		t.Errorf("no site: %v", err)
	}
	if _, err := s.book.SetTimezone(ctx, site.ID, 1000, "Europe/Atlantis"); !errors.Is(err, account.ErrInvalid) {
		t.Errorf("no zone: %v", err)
	}
}

// TestScripts holds that a site's script keeps its name whatever changes, and that a site of an older version gets one.
func TestScripts(t *testing.T) {
	s, ctx := newShelf(t), t.Context()
	site, err := s.book.AddSite(ctx, "example.org", "Etc/UTC", created, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`^pa-[A-Z2-7]{16}$`).MatchString(site.Script.ID) {
		t.Errorf("id %q", site.Script.ID)
	}
	if err := s.book.ChangeScript(ctx, site.ID, func(s *account.Script) { s.ID, s.OutboundLinks, s.Hash = "pa-mine", true, true }); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for _, change := range []func(*account.Script){ // somebody ticks faster than the disk stores
		func(s *account.Script) { s.FileDownloads = true }, func(s *account.Script) { s.FormSubmissions = true }, func(s *account.Script) { s.Hash = false },
	} {
		all.Go(func() {
			if err := s.book.ChangeScript(ctx, site.ID, change); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	got, _ := s.book.Site(site.ID)
	if want := (account.Script{ID: site.Script.ID, OutboundLinks: true, FileDownloads: true, FormSubmissions: true}); got.Script != want {
		t.Errorf("after changes at once: got %+v, want %+v", got.Script, want)
	}
	if err := s.book.ChangeScript(ctx, 9, func(*account.Script) {}); !errors.Is(err, account.ErrNotFound) {
		t.Errorf("no site: %v", err)
	}
	// As version 0.1 wrote it.
	key, old := []byte{2, 0, 0, 0, 0, 0, 0, 0, 7}, []byte(`{"id":7,"domain":"old.example","timezone":"Etc/UTC","created":"2026-01-01T00:00:00Z"}`)
	err = s.db.Commit(ctx, func(tx *file.Tx) error {
		return tx.Put(file.Accounts, key, s.vault.Rest().Seal([]byte{1}, old, seal.Place{Bucket: byte(file.Accounts), Key: key, Type: 2, Version: 1}))
	})
	if err != nil {
		t.Fatal(err)
	}
	s.reopen(t)
	want := account.Script{ID: site.Script.ID, OutboundLinks: true, FileDownloads: true, FormSubmissions: true}
	if got, ok := s.book.SiteByScript(want.ID); !ok || got.ID != site.ID || got.Script != want {
		t.Errorf("got %+v, want %+v", got.Script, want)
	}
	if err := s.book.NameScripts(ctx); err != nil {
		t.Fatal(err)
	}
	named, _ := s.book.SiteByDomain("old.example")
	if err := s.book.NameScripts(ctx); err != nil {
		t.Fatal(err)
	}
	s.reopen(t)
	if got, ok := s.book.SiteByScript(named.Script.ID); !ok || got.ID != 7 || named.Script.ID == want.ID {
		t.Errorf("a site of an older version has script %q, of site %d", named.Script.ID, got.ID)
	}
	if err := s.book.DeleteSite(ctx, 7); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{named.Script.ID, "pa-mine", ""} {
		if got, ok := s.book.SiteByScript(id); ok {
			t.Errorf("script %q is that of site %d", id, got.ID)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte{2, 0, 0, 0, 0, 0, 0, 0, 1}, []byte(`{"id":1,"domain":"example.org","timezone":"Etc/UTC","changes":[{"first":"2026-07-01","timezone":"Asia/Tokyo"},{"first":"2026-07-03","timezone":"Etc/UTC"}]}`))
	f.Add([]byte{2, 0, 0, 0, 0, 0, 0, 0, 1}, []byte(`{"id":1,"domain":"example.org","timezone":"Etc/UTC"}`))
	f.Add([]byte{1}, []byte(`{}`))
	f.Add([]byte{5, 0}, []byte(`null`))
	f.Add([]byte{6, 0, 0, 0, 0, 0, 0, 0, 1}, []byte(`{"id":1,"site":1,"kind":"page","value":"/a","mode":"drop","by":"user 1","time":"2026-07-01T10:00:00Z"}`))
	f.Fuzz(func(t *testing.T, key, plain []byte) {
		if err := account.Decode(key, plain); err != nil && !errors.Is(err, account.ErrDamaged) {
			t.Errorf("got %v", err)
		}
	})
}
