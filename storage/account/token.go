package account

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
)

// Scopes of tokens.
const (
	ScopeRead      = "stats:read"      // the Stats API
	ScopeProvision = "sites:provision" // the Sites API, which changes sites, and the Stats API
	ScopeSend      = "send"            // events that a program makes, in the name of visitors
	ScopeProxy     = "proxy"           // events that browsers make, passed on by a proxy whose address nobody knows
)

// Tokens returns all tokens, the oldest first.
func (b *Book) Tokens() []Token {
	s := b.now.Load()
	list := make([]Token, 0, len(s.tokens))
	for _, v := range s.tokens {
		list = append(list, v)
	}
	slices.SortFunc(list, func(x, y Token) int { return cmp.Compare(x.ID, y.ID) })
	return list
}

// TokenByHash returns the token that hashes to hash.
func (b *Book) TokenByHash(hash [32]byte) (Token, bool) {
	v, ok := b.now.Load().tokens[hash]
	return v, ok
}

// UseToken returns the token with this text, and records to the hour that it was used at now. ok is false for a text that no token has; err
// says only that the use could not be recorded.
func (b *Book) UseToken(ctx context.Context, text string, now time.Time) (t Token, ok bool, err error) {
	hash := sha256.Sum256([]byte(text))
	t, ok = b.TokenByHash(hash)
	if !ok || subtle.ConstantTimeCompare(t.Hash[:], hash[:]) != 1 {
		return Token{}, false, nil
	}
	if now.Sub(t.LastUsed) < touchEvery || !b.touching.TryLock() { // another request is recording it, or was when this one began
		return t, true, nil
	}
	defer b.touching.Unlock()
	if seen, known := b.TokenByHash(hash); known && now.Sub(seen.LastUsed) >= touchEvery {
		if err = b.TouchToken(ctx, hash, now.Truncate(time.Hour)); errors.Is(err, ErrNotFound) {
			err = nil // removed meanwhile
		}
	}
	return t, true, err
}

// AddToken stores a token under a new number; of t it takes name, scope, prefix, hash and time of creation. A name
// is given once. Errors wrap ErrInvalid, ErrExists or ErrFull.
func (b *Book) AddToken(ctx context.Context, t Token) (Token, error) {
	t.Name = strings.TrimSpace(t.Name)
	if t.Name == "" || len(t.Name) > MaxName || strings.ContainsFunc(t.Name, unicode.IsControl) {
		return Token{}, invalid("name: it must have 1 to %d characters on one line", MaxName)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now.Load()
	for _, v := range now.tokens {
		if v.Name == t.Name || v.Hash == t.Hash {
			return Token{}, fmt.Errorf("token %q: %w", t.Name, ErrExists)
		}
	}
	if len(now.tokens) >= MaxTokens {
		return Token{}, fmt.Errorf("add token: %w: %d tokens", ErrFull, MaxTokens)
	}
	numbers, err := b.numberLocked(ctx, func(c *counters) { c.Token++ })
	if err != nil {
		return Token{}, fmt.Errorf("number token: %w", err)
	}
	t.ID, t.Created, t.LastUsed = numbers.Token, t.Created.UTC().Truncate(time.Second), time.Time{}
	return t, b.putTokenLocked(ctx, t)
}

// TouchToken records that the token was used at seen. A token that is gone stays gone: ErrNotFound.
func (b *Book) TouchToken(ctx context.Context, hash [32]byte, seen time.Time) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	t, ok := b.now.Load().tokens[hash]
	if !ok {
		return fmt.Errorf("token: %w", ErrNotFound)
	}
	t.LastUsed = seen.UTC()
	return b.putTokenLocked(ctx, t)
}

func (b *Book) putTokenLocked(ctx context.Context, t Token) error {
	c := b.changeLocked()
	c.next.tokens = with(c.next.tokens, t.Hash, t)
	c.put(hashKey(kindToken, t.Hash), t)
	if err := c.commit(ctx); err != nil {
		return fmt.Errorf("store token: %w", err)
	}
	return nil
}

// DeleteToken removes a token; whoever holds it is refused from then on.
func (b *Book) DeleteToken(ctx context.Context, id uint64) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := b.changeLocked()
	for h, t := range c.next.tokens {
		if t.ID == id {
			c.next.tokens = without(c.next.tokens, h)
			c.delete(hashKey(kindToken, h))
			if err := c.commit(ctx); err != nil {
				return fmt.Errorf("delete token: %w", err)
			}
			return nil
		}
	}
	return fmt.Errorf("token %d: %w", id, ErrNotFound)
}
