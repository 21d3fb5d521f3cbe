package account

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"
)

// Users returns all users, the oldest first.
func (b *Book) Users() []User {
	s := b.now.Load()
	list := make([]User, 0, len(s.users))
	for _, v := range s.users {
		list = append(list, v)
	}
	slices.SortFunc(list, func(x, y User) int { return cmp.Compare(x.ID, y.ID) })
	return list
}

// HasUsers reports whether anyone can log in.
func (b *Book) HasUsers() bool { return len(b.now.Load().users) > 0 }

// User returns the user with number id.
func (b *Book) User(id uint64) (User, bool) {
	v, ok := b.now.Load().users[id]
	return v, ok
}

// UserByEmail returns the user with that address, however its letters are written.
func (b *Book) UserByEmail(email string) (User, bool) {
	clean, err := CleanEmail(email)
	if err != nil {
		return User{}, false
	}
	s := b.now.Load()
	id, ok := s.emails[clean]
	if !ok {
		return User{}, false
	}
	return s.users[id], true
}

// AddUser adds a person. Errors wrap ErrInvalid, ErrExists or ErrFull.
func (b *Book) AddUser(ctx context.Context, email, passwordHash string, created time.Time) (User, error) {
	return b.addUser(ctx, email, passwordHash, created, false)
}

// AddFirstUser is AddUser for an empty book; otherwise it fails with ErrExists. Of two that call it at once, one wins.
func (b *Book) AddFirstUser(ctx context.Context, email, passwordHash string, created time.Time) (User, error) {
	return b.addUser(ctx, email, passwordHash, created, true)
}

func (b *Book) addUser(ctx context.Context, email, passwordHash string, created time.Time, first bool) (User, error) {
	email, err := CleanEmail(email)
	if err != nil {
		return User{}, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now.Load()
	if _, ok := now.emails[email]; ok || first && len(now.users) > 0 {
		return User{}, fmt.Errorf("user: %w", ErrExists)
	}
	if len(now.users) >= MaxUsers {
		return User{}, fmt.Errorf("add user: %w: %d users", ErrFull, MaxUsers)
	}
	numbers, err := b.numberLocked(ctx, func(c *counters) { c.User++ })
	if err != nil {
		return User{}, fmt.Errorf("number user: %w", err)
	}
	u := User{ID: numbers.User, Email: email, PasswordHash: passwordHash, Created: created.UTC().Truncate(time.Second)}
	c := b.changeLocked()
	c.next.users = with(c.next.users, u.ID, u)
	c.next.emails = with(c.next.emails, email, u.ID)
	c.put(numberKey(kindUser, u.ID), u)
	if err := c.commit(ctx); err != nil {
		return User{}, fmt.Errorf("store user: %w", err)
	}
	return u, nil
}

// SetPasswordHash replaces a user's password hash. Existing logins stay; see DeleteSessionsOf.
func (b *Book) SetPasswordHash(ctx context.Context, id uint64, hash string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := b.changeLocked()
	u, ok := c.next.users[id]
	if !ok {
		return fmt.Errorf("user: %w", ErrNotFound)
	}
	u.PasswordHash = hash
	c.next.users = with(c.next.users, id, u)
	c.put(numberKey(kindUser, id), u)
	if err := c.commit(ctx); err != nil {
		return fmt.Errorf("store user: %w", err)
	}
	return nil
}
