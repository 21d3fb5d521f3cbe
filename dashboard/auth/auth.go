// Package auth finds out who asks: a person by password and login cookie, a program by bearer token. What it hands on
// is a Caller, and Caller's methods are the only place that says who may do what.
//
// Passwords are kept as argon2id hashes, cookies and tokens as SHA-256 of 256 random bits and more, so nothing that is
// stored lets anyone in. The one thing remembered about an address is a keyed hash in memory, to slow down guessing.
package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"time"
	"unicode/utf8"

	"footfall/storage/account"
	"footfall/storage/seal"
)

// Config is what New needs.
type Config struct {
	Book   *account.Book
	Logger *slog.Logger     // nil is slog.Default
	Now    func() time.Time // nil is time.Now
	// Demo lets everyone read every site.
	Demo bool
	// DemoAdds lets everyone add sites to a demo too: right for one that only its own machine can reach.
	DemoAdds bool
	// Proxies reports whether an address is of a peer whose X-Forwarded headers are believed. Nil believes none.
	Proxies func(netip.Addr) bool
	// ClientAddr finds a request's real origin from the peer's address and the lines of X-Forwarded-For. Nil believes none.
	ClientAddr func(peer netip.Addr, forwarded []string, trusted func(netip.Addr) bool) netip.Addr
	// BaseURL is where browsers reach the server, if the operator said so; its scheme then decides about https, whatever a
	// proxy tells. Nil is found out by request.
	BaseURL *url.URL
}

// Auth is safe for concurrent use.
type Auth struct {
	book     *account.Book
	log      *slog.Logger
	now      func() time.Time
	demo     bool
	demoAdds bool
	proxies  func(netip.Addr) bool
	client   func(peer netip.Addr, forwarded []string, trusted func(netip.Addr) bool) netip.Addr
	base     *url.URL
	setup    string // the one-time setup token of this process
	throttle *throttle
}

// What callers branch on.
var (
	ErrAnonymous   = errors.New("not logged in")
	ErrWrongLogin  = errors.New("e-mail or password is wrong")
	ErrWrongSetup  = errors.New("the setup link is not valid; a fresh one is printed when the server starts")
	ErrSetupDone   = errors.New("the first account exists already; log in")
	ErrNoToken     = errors.New("no bearer token")
	ErrWrongToken  = errors.New("unknown bearer token")
	ErrBadPassword = errors.New("password is not possible")
)

// badPassword is an ErrBadPassword whose text is for the person who typed it.
type badPassword string

func (e badPassword) Error() string        { return string(e) }
func (e badPassword) Is(target error) bool { return target == ErrBadPassword }

// ThrottledError says when to try again.
type ThrottledError struct{ After time.Duration }

func (e *ThrottledError) Error() string { return "too many attempts; wait a moment" }

// New makes an Auth with a fresh setup token.
func New(cfg Config) *Auth {
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.ClientAddr == nil {
		cfg.ClientAddr = func(peer netip.Addr, _ []string, _ func(netip.Addr) bool) netip.Addr { return peer }
	}
	return &Auth{
		book: cfg.Book, log: cfg.Logger, now: cfg.Now, demo: cfg.Demo, demoAdds: cfg.Demo && cfg.DemoAdds,
		proxies: cfg.Proxies, client: cfg.ClientAddr, base: cfg.BaseURL,
		setup: secret(setupBytes), throttle: newThrottle(),
	}
}

// secret returns n random bytes as URL-safe text.
func secret(n int) string {
	b := make([]byte, n)
	rand.Read(b) // never fails: the runtime aborts if the system has no randomness
	return base64.RawURLEncoding.EncodeToString(b)
}

// SetupToken returns the secret that makes the first account, for the operator's terminal; "" once there is an account, and
// in a demo, which needs none. It lives as long as the process.
func (a *Auth) SetupToken() string {
	if !a.NeedsSetup() {
		return ""
	}
	return a.setup
}

// NeedsSetup reports whether there is no account yet that could log in.
func (a *Auth) NeedsSetup() bool { return !a.demo && !a.book.HasUsers() }

// Demo reports whether everyone may read.
func (a *Auth) Demo() bool { return a.demo }

// Setup makes the first account with the setup token and logs it in. Errors: ErrSetupDone, ErrWrongSetup, *ThrottledError, ErrBadPassword,
// account.ErrInvalid, seal.ErrBusy.
func (a *Auth) Setup(ctx context.Context, peer Peer, token, email, password string) (cookie string, err error) {
	if !a.NeedsSetup() {
		return "", ErrSetupDone
	}
	attempt, err := a.throttle.begin(a.now(), addressKey(peer.Addr))
	if err != nil {
		return "", err
	}
	if subtle.ConstantTimeCompare([]byte(token), []byte(a.setup)) != 1 {
		return "", ErrWrongSetup
	}
	attempt.succeeded()
	if _, err := account.CleanEmail(email); err != nil {
		return "", err
	}
	hash, err := HashPassword(password)
	if err != nil {
		return "", err
	}
	user, err := a.book.AddFirstUser(ctx, email, hash, a.now())
	if errors.Is(err, account.ErrExists) {
		return "", ErrSetupDone
	} else if err != nil {
		return "", err
	}
	a.log.Info("first account made")
	return a.begin(ctx, user.ID, "")
}

// Login checks a password and begins a session; old is the cookie the browser has now, or "", and that session ends. A wrong address and a
// wrong password are the same ErrWrongLogin after the same time. Other errors: *ThrottledError, seal.ErrBusy.
func (a *Auth) Login(ctx context.Context, peer Peer, email, password, old string) (cookie string, err error) {
	if len(password) > 4*maxPassword || len(email) > account.MaxEmail {
		return "", ErrWrongLogin
	}
	attempt, err := a.throttle.begin(a.now(), addressKey(peer.Addr), accountKey(email))
	if err != nil {
		return "", err
	}
	user, known := a.book.UserByEmail(email)
	if !known {
		// Making a hash costs what checking one does, so that time does not tell who has an account.
		if _, err := seal.HashPassword(password); err != nil {
			attempt.withdraw()
			return "", err
		}
		return "", ErrWrongLogin
	}
	ok, rehash, err := seal.VerifyPassword(user.PasswordHash, password)
	if err != nil {
		attempt.withdraw()
		return "", fmt.Errorf("check password: %w", err)
	}
	if !ok {
		return "", ErrWrongLogin
	}
	attempt.succeeded()
	if rehash {
		if hash, err := seal.HashPassword(password); err == nil {
			if err := a.book.SetPasswordHash(ctx, user.ID, hash); err != nil {
				a.log.Warn("renew password hash", "error", err)
			}
		}
	}
	return a.begin(ctx, user.ID, old)
}

// begin stores a new session and returns its cookie.
func (a *Auth) begin(ctx context.Context, user uint64, old string) (string, error) {
	cookie, now := secret(sessionBytes), a.now()
	s := account.Session{Hash: sha256.Sum256([]byte(cookie)), User: user, Created: now, Seen: now}
	if err := a.book.AddSession(ctx, s, sha256.Sum256([]byte(old)), now.Add(-idle)); err != nil {
		return "", err
	}
	return cookie, nil
}

// Logout ends the session of a cookie. A cookie without a session is no error.
func (a *Auth) Logout(ctx context.Context, cookie string) error {
	return a.book.DeleteSession(ctx, sha256.Sum256([]byte(cookie)))
}

// HashPassword checks that a new password is long enough and hashes it. Errors: ErrBadPassword, seal.ErrBusy.
func HashPassword(password string) (string, error) {
	switch n := utf8.RuneCountInString(password); {
	case !utf8.ValidString(password):
		return "", badPassword("the password is not text")
	case n < minPassword:
		return "", badPassword(fmt.Sprintf("the password needs at least %d characters", minPassword))
	case n > maxPassword:
		return "", badPassword(fmt.Sprintf("the password can have at most %d characters", maxPassword))
	}
	return seal.HashPassword(password)
}
