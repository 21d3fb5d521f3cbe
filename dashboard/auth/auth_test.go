package auth_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"footfall/dashboard/auth"
	"footfall/storage"
	"footfall/storage/account"
)

const password = "correct horse battery"

var (
	proxies  = netip.MustParsePrefix("127.0.0.0/8").Contains
	stranger = auth.Peer{Addr: netip.MustParseAddr("203.0.113.9")}
)

// clock is a time that moves only when it is told to.
type clock struct{ t time.Time }

func (c *clock) now() time.Time          { return c.t }
func (c *clock) advance(d time.Duration) { c.t = c.t.Add(d) }

type world struct {
	*auth.Auth
	store *storage.Store
	clock *clock
}

func newWorld(t *testing.T, change func(*auth.Config)) *world {
	t.Helper()
	c := &clock{time.Date(2026, 5, 20, 10, 30, 0, 0, time.UTC)}
	log := slog.New(slog.DiscardHandler)
	store, err := storage.Open(context.Background(), storage.Config{Dir: t.TempDir(), Create: true, Now: c.now, Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	cfg := auth.Config{Book: store.Accounts(), Now: c.now, Logger: log, Proxies: proxies}
	if change != nil {
		change(&cfg)
	}
	return &world{auth.New(cfg), store, c}
}

// first makes the first account and returns its cookie.
func (w *world) first(t *testing.T) string {
	t.Helper()
	cookie, err := w.Setup(context.Background(), stranger, w.SetupToken(), "ann@example.org", password)
	if err != nil {
		t.Fatal(err)
	}
	return cookie
}

func (w *world) knows(cookie string) bool {
	r := httptest.NewRequest("GET", "/", nil)
	r.AddCookie(&http.Cookie{Name: "footfall", Value: cookie})
	_, ok := w.Caller(r).User()
	return ok
}

func TestSetup(t *testing.T) {
	w, ctx := newWorld(t, nil), context.Background()
	token := w.SetupToken()
	if token == "" || !w.NeedsSetup() {
		t.Fatal("an empty server needs no setup")
	}
	for _, c := range []struct {
		token, email, password string
		want                   error
	}{
		{"", "ann@example.org", password, auth.ErrWrongSetup},
		{token + "x", "ann@example.org", password, auth.ErrWrongSetup},
		{token, "ann", password, account.ErrInvalid},
		{token, "ann@example.org", "eleven char", auth.ErrBadPassword},
		{token, "ann@example.org", strings.Repeat("a", 129), auth.ErrBadPassword},
	} {
		if _, err := w.Setup(ctx, stranger, c.token, c.email, c.password); !errors.Is(err, c.want) {
			t.Errorf("%+v: got %v", c, err)
		}
	}
	if !w.knows(w.first(t)) {
		t.Error("the first account is not logged in")
	}
	if w.SetupToken() != "" || w.NeedsSetup() {
		t.Error("the token outlives the first account")
	}
	if _, err := w.Setup(ctx, stranger, token, "bob@example.org", password); !errors.Is(err, auth.ErrSetupDone) {
		t.Errorf("a second setup: got %v", err)
	}
}

func TestPasswordsAreCountedInCharacters(t *testing.T) {
	for in, ok := range map[string]bool{
		strings.Repeat("ä", 12): true, strings.Repeat("ä", 11): false, strings.Repeat("ä", 128): true, strings.Repeat("ä", 129): false, "twelve\xffbytes!": false,
	} {
		if _, err := auth.HashPassword(in); (err == nil) != ok || err != nil && !errors.Is(err, auth.ErrBadPassword) {
			t.Errorf("%q: got %v", in, err)
		}
	}
}

func TestSessions(t *testing.T) {
	w, ctx := newWorld(t, nil), context.Background()
	cookie := w.first(t)

	next, err := w.Login(ctx, stranger, " ANN@example.org", password, cookie)
	if err != nil {
		t.Fatal(err)
	}
	if w.knows(cookie) || !w.knows(next) {
		t.Error("a login does not take the place of the one before")
	}

	// Thirteen days and 23 hours of silence are not too long, and each use begins them anew.
	for range 3 {
		w.clock.advance(14*24*time.Hour - time.Hour)
		if !w.knows(next) {
			t.Fatal("a login in use has ended")
		}
	}
	// A use within the hour is not written down.
	w.clock.advance(59 * time.Minute)
	w.knows(next)
	user := w.store.Accounts().Users()[0]
	if seen := w.store.Accounts().Sessions(user.ID)[0].Seen; !seen.Equal(w.clock.t.Add(-59 * time.Minute)) {
		t.Errorf("seen at %v, now %v", seen, w.clock.t)
	}
	w.clock.advance(14*24*time.Hour - 59*time.Minute + time.Second)
	if w.knows(next) {
		t.Error("a login unused for 14 days is still there")
	}

	last, err := w.Login(ctx, stranger, "ann@example.org", password, "")
	if err != nil {
		t.Fatal(err)
	}
	if got := len(w.store.Accounts().Sessions(user.ID)); got != 1 {
		t.Errorf("%d sessions are kept, want the living one", got)
	}
	if err := w.Logout(ctx, last); err != nil || w.knows(last) {
		t.Errorf("logged out, and still known: %v", err)
	}
	if err := w.Logout(ctx, "never was"); err != nil {
		t.Error(err)
	}
}

func TestCookie(t *testing.T) {
	base := func(s string) *url.URL {
		u, err := url.Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	for _, c := range []struct {
		name, remote string
		proto        []string
		base         *url.URL
		secure       bool
	}{
		{"plain", "127.0.0.1:1", nil, nil, false},
		{"proxy says https", "127.0.0.1:1", []string{"https"}, nil, true},
		{"the nearest proxy decides", "127.0.0.1:1", []string{"https, http"}, nil, false},
		{"a stranger says https", "203.0.113.9:1", []string{"https"}, nil, false},
		{"the operator says https", "203.0.113.9:1", nil, base("https://stats.example.org"), true},
		{"the operator says http", "127.0.0.1:1", []string{"https"}, base("http://stats.example.org"), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, func(cfg *auth.Config) { cfg.BaseURL = c.base })
			r := httptest.NewRequest("GET", "/", nil)
			r.RemoteAddr, r.Header["X-Forwarded-Proto"] = c.remote, c.proto
			answer := httptest.NewRecorder()
			w.SetCookie(answer, r, "value")
			got := answer.Result().Cookies()[0]
			name := "footfall"
			if c.secure {
				name = "__Host-footfall"
			}
			if got.Name != name || got.Secure != c.secure || !got.HttpOnly || got.SameSite != http.SameSiteLaxMode || got.Path != "/" || got.Domain != "" {
				t.Errorf("got %v", got)
			}
			// Over https only the protected name is read: a neighbour on plain http can set the other one.
			other := map[bool]string{true: "footfall", false: "__Host-footfall"}[c.secure]
			r.AddCookie(&http.Cookie{Name: other, Value: "planted"})
			if got := w.Cookie(r); got != "" {
				t.Errorf("read %q from the other cookie", got)
			}
		})
	}
}

func TestGuessingIsSlowedDown(t *testing.T) {
	w, ctx := newWorld(t, nil), context.Background()
	w.first(t)
	guess := func(peer, email, pass string) error {
		_, err := w.Login(ctx, auth.Peer{Addr: netip.MustParseAddr(peer)}, email, pass, "")
		return err
	}
	var slow *auth.ThrottledError
	for i := range 5 {
		if err := guess("203.0.113.9", "ann@example.org", "wrong"); !errors.Is(err, auth.ErrWrongLogin) {
			t.Fatalf("guess %d: got %v", i, err)
		}
	}
	if err := guess("198.51.100.1", "ann@example.org", password); !errors.As(err, &slow) || slow.After != time.Second {
		t.Errorf("the account is not protected from another address: %v", err)
	}
	if err := guess("203.0.113.9", "bob@example.org", "wrong"); !errors.As(err, &slow) {
		t.Errorf("the address may go on with another account: %v", err)
	}
	w.clock.advance(time.Second)
	if err := guess("203.0.113.9", "ann@example.org", "wrong"); !errors.Is(err, auth.ErrWrongLogin) {
		t.Errorf("after the delay: %v", err)
	}
	if err := guess("203.0.113.9", "ann@example.org", "wrong"); !errors.As(err, &slow) || slow.After != 2*time.Second {
		t.Errorf("the delay does not grow: %v", err)
	}
	// The owner waits and is in; that forgives the account, and not the guesser's address.
	w.clock.advance(30 * time.Second)
	if err := guess("198.51.100.1", "ann@example.org", password); err != nil {
		t.Errorf("the owner is locked out: %v", err)
	}
	if err := guess("198.51.100.1", "ann@example.org", "mistyped"); !errors.Is(err, auth.ErrWrongLogin) {
		t.Errorf("the account is not forgiven: %v", err)
	}
}

// Strangers who keep guessing at an account must not keep its owner out of a place from which the owner came before.
func TestStrangersDoNotLockTheOwnerOut(t *testing.T) {
	w, ctx := newWorld(t, nil), context.Background()
	w.first(t)
	guess := func(peer netip.Addr, pass string) error {
		_, err := w.Login(ctx, auth.Peer{Addr: peer}, "ann@example.org", pass, "")
		return err
	}
	home, away := netip.MustParseAddr("198.51.100.1"), netip.MustParseAddr("198.51.100.2")
	if err := guess(home, password); err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		_ = guess(netip.AddrFrom4([4]byte{203, 0, 113, byte(i)}), "wrong")
	}
	var slow *auth.ThrottledError
	if err := guess(away, password); !errors.As(err, &slow) {
		t.Errorf("from a new place: got %v, want to wait", err)
	}
	if err := guess(home, password); err != nil {
		t.Errorf("from the known place: %v", err)
	}
	// Mistakes at home count at home.
	for range 6 {
		_ = guess(home, "wrong")
	}
	if err := guess(home, password); !errors.As(err, &slow) {
		t.Errorf("after mistakes at the known place: got %v, want to wait", err)
	}
}

// A page elsewhere can point its own name at this machine: what it then asks a demo for is not the operator's wish.
func TestDemoAddsOnlyUnderItsOwnName(t *testing.T) {
	a := auth.New(auth.Config{Book: newWorld(t, nil).store.Accounts(), Demo: true, DemoAdds: true})
	for host, want := range map[string]bool{"localhost:8080": true, "127.0.0.1:8080": true, "[::1]:8080": true, "127.0.0.1": true, "evil.example:8080": false, "10.0.0.1": false, "": false} {
		r := httptest.NewRequest("POST", "/", nil)
		r.Host = host
		if got := a.Caller(r).MayAddSites(); got != want {
			t.Errorf("host %q: got %v, want %v", host, got, want)
		}
	}
}

func TestOneSubscriberIsOneAddress(t *testing.T) {
	w, ctx := newWorld(t, nil), context.Background()
	w.first(t)
	for i := range 5 {
		addr := netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 15: byte(i)})
		if _, err := w.Login(ctx, auth.Peer{Addr: addr}, string(rune('a'+i))+"@example.org", "wrong", ""); !errors.Is(err, auth.ErrWrongLogin) {
			t.Fatal(err)
		}
	}
	var slow *auth.ThrottledError
	if _, err := w.Login(ctx, auth.Peer{Addr: netip.MustParseAddr("2001:db8::ffff")}, "x@example.org", "wrong", ""); !errors.As(err, &slow) {
		t.Errorf("another address of the same /64: got %v", err)
	}
	if _, err := w.Login(ctx, auth.Peer{Addr: netip.MustParseAddr("2001:db8:0:1::1")}, "y@example.org", "wrong", ""); !errors.Is(err, auth.ErrWrongLogin) {
		t.Errorf("another /64: got %v", err)
	}
}

func TestTheThrottleIsBounded(t *testing.T) {
	if got := auth.ThrottleEntries(auth.MaxWatched + 500); got > auth.MaxWatched {
		t.Errorf("it remembers %d names, at most %d are allowed", got, auth.MaxWatched)
	}
}

func TestBearer(t *testing.T) {
	w, ctx := newWorld(t, nil), context.Background()
	text, token, err := auth.NewToken(ctx, w.store.Accounts(), "report", auth.ScopeRead, w.clock.t)
	if err != nil {
		t.Fatal(err)
	}
	if len(text) != 64 || strings.Trim(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != "" || token.Prefix != text[:6] {
		t.Errorf("token %q of %d characters, prefix %q", text, len(text), token.Prefix)
	}
	_, reserved, err := auth.NewToken(ctx, w.store.Accounts(), "later", auth.ScopeProvision, w.clock.t)
	if err != nil {
		t.Fatal(err)
	}
	sends, _, err := auth.NewToken(ctx, w.store.Accounts(), "sender", account.ScopeSend, w.clock.t)
	if err != nil {
		t.Fatal(err)
	}
	passes, _, err := auth.NewToken(ctx, w.store.Accounts(), "proxy", account.ScopeProxy, w.clock.t)
	if err != nil {
		t.Fatal(err)
	}
	site := account.Site{ID: 1}
	for header, want := range map[string]error{
		"Bearer " + sends: auth.ErrWrongToken, "Bearer " + passes: auth.ErrWrongToken, // who may send may not read
		"": auth.ErrNoToken, "Bearer": auth.ErrNoToken, "Bearer ": auth.ErrNoToken, "Basic " + text: auth.ErrNoToken,
		"Bearer " + text[:63]: auth.ErrWrongToken, "Bearer x": auth.ErrWrongToken, "Bearer " + text: nil, "bearer " + text: nil,
	} {
		r := httptest.NewRequest("POST", "/", nil)
		r.Header.Set("Authorization", header)
		caller, err := w.Bearer(r)
		if !errors.Is(err, want) || err == nil && (!caller.MayRead(site) || caller.MayAddSites() || caller.MayList()) {
			t.Errorf("%q: got %v, may read %v", header, err, caller.MayRead(site))
		}
	}
	if got := w.store.Accounts().Tokens()[0].LastUsed; !got.Equal(w.clock.t.Truncate(time.Hour)) {
		t.Errorf("last used %v", got)
	}
	if reserved.Scope != auth.ScopeProvision {
		t.Errorf("scope %q", reserved.Scope)
	}
}

func TestWhoMayRead(t *testing.T) {
	site := account.Site{ID: 1}
	for _, demo := range []bool{false, true} {
		w := newWorld(t, func(c *auth.Config) { c.Demo = demo })
		c := w.Caller(httptest.NewRequest("GET", "/", nil))
		if c.MayRead(site) != demo || c.MayList() != demo || c.MayAddSites() || c.MayRead(account.Site{}) {
			t.Errorf("demo %v: anonymous may read %v, list %v, add %v", demo, c.MayRead(site), c.MayList(), c.MayAddSites())
		}
		if demo && w.NeedsSetup() {
			t.Error("a demo asks for setup")
		}
	}
}
