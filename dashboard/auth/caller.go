package auth

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"footfall/storage/account"
)

// Scopes of tokens that let somebody in here.
const (
	ScopeRead      = account.ScopeRead
	ScopeProvision = account.ScopeProvision
)

// Caller is who asks. The zero Caller is anonymous and may nothing.
type Caller struct {
	user  account.User // ID 0 is none
	token account.Token
	demo  bool
	adds  bool // a demo whose callers may add sites
}

// User returns the person who is logged in.
func (c Caller) User() (account.User, bool) { return c.user, c.user.ID != 0 }

// Who names the caller for the audit log, by kind and number.
func (c Caller) Who() string {
	switch {
	case c.user.ID != 0:
		return fmt.Sprint("user ", c.user.ID)
	case c.token.ID != 0:
		return fmt.Sprint("token ", c.token.ID)
	}
	return "demo"
}

// MayRead reports whether the caller may see the numbers of site. This is the one place that decides it.
func (c Caller) MayRead(site account.Site) bool {
	if site.ID == 0 {
		return false
	}
	return c.user.ID != 0 || c.demo || c.token.ID != 0 // every scope of a Caller includes reading
}

// MayList reports whether the caller may see which sites there are.
func (c Caller) MayList() bool { return c.user.ID != 0 || c.demo }

// MayChange reports whether the caller may change site.
func (c Caller) MayChange(site account.Site) bool {
	return site.ID != 0 && (c.MayAddSites() || c.token.Scope == ScopeProvision)
}

// MayAddSites reports whether the caller may add sites.
func (c Caller) MayAddSites() bool { return c.user.ID != 0 || c.adds }

// Cookie names. The prefix makes browsers insist on https, path / and no domain; plain http cannot have it.
const (
	cookieSecure = "__Host-footfall"
	cookiePlain  = "footfall"
)

func cookieName(https bool) string {
	if https {
		return cookieSecure
	}
	return cookiePlain
}

// Cookie returns the login cookie of r, or "".
func (a *Auth) Cookie(r *http.Request) string {
	c, err := r.Cookie(cookieName(a.Peer(r).HTTPS))
	if err != nil || len(c.Value) > 100 {
		return ""
	}
	return c.Value
}

// SetCookie gives the browser its login cookie; "" takes it away.
func (a *Auth) SetCookie(w http.ResponseWriter, r *http.Request, value string) {
	https := a.Peer(r).HTTPS
	age := cookieAge
	if value == "" {
		age = -1
	}
	http.SetCookie(w, &http.Cookie{
		Name: cookieName(https), Value: value, Path: "/", MaxAge: age,
		Secure: https, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

// Caller returns who sent r, by cookie. Without a living session that is the anonymous Caller.
func (a *Auth) Caller(r *http.Request) Caller {
	c := Caller{demo: a.demo, adds: a.demoAdds && ownMachine(r.Host)}
	cookie := a.Cookie(r)
	if cookie == "" {
		return c
	}
	return a.byCookie(r.Context(), cookie, c)
}

func (a *Auth) byCookie(ctx context.Context, cookie string, c Caller) Caller {
	hash := sha256.Sum256([]byte(cookie))
	s, ok := a.book.SessionByHash(hash)
	now := a.now()
	if !ok || subtle.ConstantTimeCompare(s.Hash[:], hash[:]) != 1 || now.Sub(s.Seen) > idle {
		return c
	}
	user, ok := a.book.User(s.User)
	if !ok {
		return c
	}
	if now.Sub(s.Seen) >= touchEvery {
		if err := a.book.TouchSession(ctx, hash, now); err != nil && !errors.Is(err, account.ErrNotFound) {
			a.log.Warn("touch session", "error", err)
		}
	}
	c.user = user
	return c
}

// Opened returns the Caller of a cookie just made by Login or Setup, before the browser has it.
func (a *Auth) Opened(ctx context.Context, cookie string) Caller {
	return a.byCookie(ctx, cookie, Caller{demo: a.demo})
}

// Bearer returns who sent r, by bearer token. Errors: ErrNoToken, ErrWrongToken.
func (a *Auth) Bearer(r *http.Request) (Caller, error) {
	scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	token = strings.TrimSpace(token)
	if !ok || !strings.EqualFold(scheme, "Bearer") || token == "" {
		return Caller{}, ErrNoToken
	}
	t, ok, err := a.book.UseToken(r.Context(), token, a.now())
	if !ok || t.Scope != ScopeRead && t.Scope != ScopeProvision {
		return Caller{}, ErrWrongToken
	}
	if err != nil {
		a.log.Warn("touch token", "error", err)
	}
	return Caller{token: t}, nil
}

// NewToken makes a token for programs. The text is told once, here.
func (a *Auth) NewToken(ctx context.Context, name, scope string) (text string, t account.Token, err error) {
	return NewToken(ctx, a.book, name, scope, a.now())
}

// NewToken makes a token in book at now.
func NewToken(ctx context.Context, book *account.Book, name, scope string, now time.Time) (text string, t account.Token, err error) {
	text = secret(tokenBytes)
	t, err = book.AddToken(ctx, account.Token{
		Name: name, Scope: scope, Prefix: text[:prefixChars], Hash: sha256.Sum256([]byte(text)), Created: now,
	})
	return text, t, err
}

// ownMachine reports whether a Host header names this machine. A page elsewhere can point a name of its own at 127.0.0.1 and
// then speak for that name; it cannot make a browser say localhost.
func ownMachine(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return host == "localhost" || err == nil && addr.IsLoopback()
}
