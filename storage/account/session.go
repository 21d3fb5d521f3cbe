package account

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"
)

// SessionByHash returns the session whose cookie hashes to hash. Whether it is too old is the caller's to judge.
func (b *Book) SessionByHash(hash [32]byte) (Session, bool) {
	v, ok := b.now.Load().sessions[hash]
	return v, ok
}

// Sessions returns the logins of a user, the one used last first.
func (b *Book) Sessions(user uint64) []Session {
	var list []Session
	for _, v := range b.now.Load().sessions {
		if v.User == user {
			list = append(list, v)
		}
	}
	slices.SortFunc(list, func(x, y Session) int { return y.Seen.Compare(x.Seen) })
	return list
}

// AddSession stores a login and, in the same commit, drops replaced (the session the browser had before, or zero), every
// session last seen before stale, and the user's longest unused beyond MaxSessionsPerUser.
func (b *Book) AddSession(ctx context.Context, v Session, replaced [32]byte, stale time.Time) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := b.changeLocked()
	if _, ok := c.next.users[v.User]; !ok {
		return fmt.Errorf("user: %w", ErrNotFound)
	}
	sessions := maps.Clone(c.next.sessions)
	drop := func(h [32]byte) {
		delete(sessions, h)
		c.delete(hashKey(kindSession, h))
	}
	var own []Session
	for h, s := range sessions {
		switch {
		case h == replaced || s.Seen.Before(stale):
			drop(h)
		case s.User == v.User:
			own = append(own, s)
		}
	}
	slices.SortFunc(own, func(x, y Session) int {
		return cmp.Or(y.Seen.Compare(x.Seen), slices.Compare(x.Hash[:], y.Hash[:]))
	})
	for len(own) >= MaxSessionsPerUser {
		drop(own[len(own)-1].Hash)
		own = own[:len(own)-1]
	}
	sessions[v.Hash] = v
	c.next.sessions = sessions
	c.put(hashKey(kindSession, v.Hash), v)
	if err := c.commit(ctx); err != nil {
		return fmt.Errorf("store session: %w", err)
	}
	return nil
}

// TouchSession records that the session was used at seen. A session that is gone stays gone: ErrNotFound.
func (b *Book) TouchSession(ctx context.Context, hash [32]byte, seen time.Time) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := b.changeLocked()
	v, ok := c.next.sessions[hash]
	if !ok {
		return fmt.Errorf("session: %w", ErrNotFound)
	}
	v.Seen = seen
	c.next.sessions = with(c.next.sessions, hash, v)
	c.put(hashKey(kindSession, hash), v)
	if err := c.commit(ctx); err != nil {
		return fmt.Errorf("store session: %w", err)
	}
	return nil
}

// DeleteSession ends one login. Ending one that is gone is no error.
func (b *Book) DeleteSession(ctx context.Context, hash [32]byte) error {
	return b.deleteSessions(ctx, func(s Session) bool { return s.Hash == hash })
}

// DeleteSessionsOf ends every login of a user.
func (b *Book) DeleteSessionsOf(ctx context.Context, user uint64) error {
	return b.deleteSessions(ctx, func(s Session) bool { return s.User == user })
}

// EndSessions ends every login: of a copy of the book, nobody knows which of them were ended since.
func (b *Book) EndSessions(ctx context.Context) error {
	return b.deleteSessions(ctx, func(Session) bool { return true })
}

func (b *Book) deleteSessions(ctx context.Context, which func(Session) bool) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := b.changeLocked()
	c.next.sessions = maps.Clone(c.next.sessions)
	for h, s := range c.next.sessions {
		if which(s) {
			delete(c.next.sessions, h)
			c.delete(hashKey(kindSession, h))
		}
	}
	if len(c.dels) == 0 {
		return nil
	}
	if err := c.commit(ctx); err != nil {
		return fmt.Errorf("delete session: %w", err)
	}
	return nil
}
