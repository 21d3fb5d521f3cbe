// Package account is the book of sites and their rules, people, login sessions and tokens, and of who destroyed data. All but the last is small: it is
// read into memory at Open, answers from there without locks, and changes by one durable commit at a time.
//
// # Format
//
// Every record is one value in the bucket file.Accounts.
//
//	key     1 byte   kind: 1 counters, 2 site, 3 user, 4 token, 5 session, 6 rule of a site
//	        8 bytes  number, big-endian (counters 0, site, user, rule), or
//	        16 bytes the first half of the record's hash (token, session)
//	value   1 byte   version, 1; 2 for a site with changes of its time zone
//	        n bytes  the record as JSON, sealed by the rest key and bound to bucket, key, kind and version
//
// What was done is one value each in the bucket file.Audit, in the same form.
//
//	key     8 bytes  number of the entry, big-endian, from 1
//	value   1 byte   version, 1
//	        n bytes  the Entry as JSON, sealed by the rest key and bound likewise, as kind 1
//
// Passwords, tokens and session ids are here only as hashes, so a reader of the book can use none of them.
package account

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"footfall/storage/schema"
)

// Site is a website that is counted.
type Site struct {
	ID       schema.Site `json:"id"`
	Domain   string      `json:"domain"`   // cleaned by CleanDomain
	Timezone string      `json:"timezone"` // IANA name of the zone the site began in; its midnight ends the site's day
	Created  time.Time   `json:"created"`
	Removing bool        `json:"removing,omitempty"` // its removal has begun, and is to be finished
	// Resetting says that the destruction of all its data has begun, and is to be finished.
	Resetting bool `json:"resetting,omitempty"`
	// Retention is how many days before today are kept; 0 is all.
	Retention int `json:"retention,omitempty"`

	Script Script `json:"script,omitzero"`

	// Changes are later time zones, ascending by their first day. That day need not have come yet.
	Changes []ZoneChange `json:"changes,omitempty"`

	calendar *schema.Calendar // made once; nil in a Site that no Book gave
}

// ZoneChange is a time zone that is in force from a day on.
type ZoneChange struct {
	First    schema.Date `json:"first"`
	Timezone string      `json:"timezone"`
}

// Calendar returns the site's days. The error wraps ErrInvalid: the zone is none that this program or the machine knows.
func (s Site) Calendar() (*schema.Calendar, error) {
	if s.calendar != nil {
		return s.calendar, nil
	}
	zone, err := LoadZone(s.Timezone)
	if err != nil {
		return nil, err
	}
	changes := make([]schema.Change, len(s.Changes))
	for i, c := range s.Changes {
		later, err := LoadZone(c.Timezone)
		if err != nil {
			return nil, err
		}
		changes[i] = schema.Change{First: c.First, Zone: later}
	}
	return schema.NewCalendar(zone, changes...), nil
}

// User is a person who may log in.
type User struct {
	ID           uint64    `json:"id"`
	Email        string    `json:"email"`         // cleaned by CleanEmail
	PasswordHash string    `json:"password_hash"` // PHC string of seal.HashPassword
	Created      time.Time `json:"created"`
}

// Token lets a program in without a person.
type Token struct {
	ID       uint64    `json:"id"`
	Name     string    `json:"name"`
	Scope    string    `json:"scope"`
	Prefix   string    `json:"prefix"` // first characters of the token, to tell tokens apart in a list
	Hash     [32]byte  `json:"hash"`   // SHA-256 of the token
	Created  time.Time `json:"created"`
	LastUsed time.Time `json:"last_used"` // coarse; zero is never
}

// Session is one login of a person in one browser.
type Session struct {
	Hash    [32]byte  `json:"hash"` // SHA-256 of the cookie's value
	User    uint64    `json:"user"`
	Created time.Time `json:"created"`
	Seen    time.Time `json:"seen"` // coarse
}

// What callers branch on.
var (
	ErrExists   = errors.New("exists already")
	ErrNotFound = errors.New("not found")
	ErrInvalid  = errors.New("not valid")
	ErrFull     = errors.New("limit reached")
	// ErrDamaged says that a record in the file does not decode.
	ErrDamaged = errors.New("account record is damaged")
)

// inputError is an ErrInvalid whose text is for the person who typed the value.
type inputError string

func (e inputError) Error() string        { return string(e) }
func (e inputError) Is(target error) bool { return target == ErrInvalid }

func invalid(format string, args ...any) error { return inputError(fmt.Sprintf(format, args...)) }

// CleanDomain brings what a person typed as a site into its stored form: lower case, without scheme, "www." and outer
// slashes. The error wraps ErrInvalid.
func CleanDomain(s string) (string, error) {
	d := strings.ToLower(strings.TrimSpace(s))
	d = strings.TrimPrefix(strings.TrimPrefix(d, "https://"), "http://")
	d = strings.Trim(strings.TrimPrefix(d, "www."), "/")
	if d == "" {
		return "", invalid("domain: it is empty; write it like example.org")
	}
	if len(d) > MaxDomain {
		return "", invalid("domain: it has more than %d characters", MaxDomain)
	}
	for _, r := range d {
		if !('a' <= r && r <= 'z' || '0' <= r && r <= '9' || strings.ContainsRune(`-./_\`, r)) {
			return "", invalid("domain: only letters, digits, dashes, dots, slashes and underscores are possible, not %q", r)
		}
	}
	for part := range strings.SplitSeq(d, "/") {
		if strings.Trim(part, "-._\\") == "" {
			return "", invalid("domain: %q has a part without a letter or digit; write it like example.org", d)
		}
	}
	if first, _, _ := strings.Cut(d, "/"); Reserved(first) {
		return "", invalid("domain: %q is the name of one of Footfall's own pages; write it like example.org", first)
	}
	return d, nil
}

// Reserved reports whether the server's own paths begin with name: a site of that name could not be looked at.
func Reserved(name string) bool {
	return slices.Contains([]string{"api", "app", "js", "login", "setup", "sites", "metrics"}, name)
}

// LoadZone loads a time zone by its IANA name. The error wraps ErrInvalid and says why.
func LoadZone(name string) (*time.Location, error) {
	if name == "" || name == "Local" {
		return nil, invalid("timezone: name one, such as Europe/Berlin or Etc/UTC")
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, invalid("timezone: %q is not known; write it like Europe/Berlin or Etc/UTC", name)
	}
	return zone, nil
}

// CheckRetention says what is wrong with a number of days to keep, or nil. 0 is for ever. The error wraps ErrInvalid.
func CheckRetention(days int) error {
	if days != 0 && (days < MinRetention || days > MaxRetention) {
		return invalid("retention: at least %d days are kept, so that a week stays to compare with, and at most %d; or all for ever", MinRetention, MaxRetention)
	}
	return nil
}

// CleanEmail brings an e-mail address into its stored form. It checks only what protects the book: whether the address takes
// mail is nobody's business here. The error wraps ErrInvalid.
func CleanEmail(s string) (string, error) {
	e := strings.ToLower(strings.TrimSpace(s))
	at := strings.IndexByte(e, '@')
	if len(e) > MaxEmail || at < 1 || at == len(e)-1 || strings.Count(e, "@") != 1 || strings.ContainsFunc(e, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return "", invalid("email: write it like name@example.org")
	}
	return e, nil
}
