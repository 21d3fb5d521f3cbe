package auth

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// throttle slows down whoever guesses, by address and by account. It knows both only as hashes under a key that
// lives and dies with the process.
type throttle struct {
	key [32]byte

	mu      sync.Mutex // guards both
	entries map[uint64]*watched
	// known are addresses that have logged in to an account. From there its own mistakes at the address count, not those that
	// strangers make at the account: they could keep its owner out for as long as they go on.
	known map[[2]uint64]bool
}

type watched struct {
	failures int
	last     time.Time
}

func newThrottle() *throttle {
	t := &throttle{entries: map[uint64]*watched{}, known: map[[2]uint64]bool{}}
	rand.Read(t.key[:])
	return t
}

// hash is all that is remembered of a name. 64 bits of it: who collides with a guesser waits some seconds.
func (t *throttle) hash(name string) uint64 {
	mac := hmac.New(sha256.New, t.key[:])
	mac.Write([]byte(name))
	return binary.BigEndian.Uint64(mac.Sum(nil))
}

// addressKey names an address as the throttle sees it: whole for IPv4, the /64 for IPv6, since one subscriber has at least that.
func addressKey(a netip.Addr) string {
	a = a.Unmap().WithZone("")
	if a.Is6() {
		if p, err := a.Prefix(64); err == nil {
			return "6" + string(p.Addr().AsSlice())
		}
	}
	return "4" + string(a.AsSlice())
}

func accountKey(email string) string { return "@" + strings.ToLower(strings.TrimSpace(email)) }

// attempt is one guess under way. It counts as a failure from its begin, so that many at once gain nothing.
type attempt struct {
	t    *throttle
	keys []uint64
	pair [2]uint64 // address and account, zero where there is no account
}

// begin admits an attempt or returns a *ThrottledError. keys are in the order address, account.
func (t *throttle) begin(now time.Time, keys ...string) (*attempt, error) {
	a := &attempt{t: t}
	for _, k := range keys {
		a.keys = append(a.keys, t.hash(k))
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(a.keys) == 2 {
		if a.pair = [2]uint64(a.keys); t.known[a.pair] {
			a.keys = a.keys[:1]
		}
	}
	var wait time.Duration
	for _, k := range a.keys {
		if w := t.entries[k]; w != nil {
			if now.Sub(w.last) >= forgetAfter {
				delete(t.entries, k)
				continue
			}
			wait = max(wait, w.last.Add(delay(w.failures)).Sub(now))
		}
	}
	if wait > 0 {
		return nil, &ThrottledError{After: wait}
	}
	for _, k := range a.keys {
		w := t.entries[k]
		if w == nil {
			t.makeRoomLocked(now)
			w = &watched{}
			t.entries[k] = w
		}
		w.failures++
		w.last = now
	}
	return a, nil
}

// delay is how long after the last failure the next attempt must wait.
func delay(failures int) time.Duration {
	over := failures - freeAttempts
	if over < 0 {
		return 0
	}
	return min(time.Second<<min(over, 10), maxDelay)
}

// makeRoomLocked keeps the table bounded: it forgets what is old, and if nothing is, whoever was quiet longest.
func (t *throttle) makeRoomLocked(now time.Time) {
	if len(t.entries) < maxWatched {
		return
	}
	var quiet uint64
	var last time.Time
	for k, w := range t.entries {
		if now.Sub(w.last) >= forgetAfter {
			delete(t.entries, k)
		} else if last.IsZero() || w.last.Before(last) {
			quiet, last = k, w.last
		}
	}
	if len(t.entries) >= maxWatched {
		delete(t.entries, quiet)
	}
}

// succeeded forgives: the account's past mistakes wholly, the address's only this attempt, or one own account would buy
// endless guesses at others.
func (a *attempt) succeeded() {
	a.withdraw()
	a.t.mu.Lock()
	defer a.t.mu.Unlock()
	if len(a.keys) > 1 {
		delete(a.t.entries, a.keys[1])
	}
	if a.pair != [2]uint64{} {
		if len(a.t.known) >= maxWatched {
			clear(a.t.known) // they are made anew by the next logins
		}
		a.t.known[a.pair] = true
	}
}

// withdraw takes the attempt back: it told nothing about the secret.
func (a *attempt) withdraw() {
	a.t.mu.Lock()
	defer a.t.mu.Unlock()
	for _, k := range a.keys {
		if w := a.t.entries[k]; w != nil && w.failures > 0 {
			w.failures--
		}
	}
}
