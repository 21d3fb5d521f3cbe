package account

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
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
