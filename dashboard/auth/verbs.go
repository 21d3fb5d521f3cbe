package auth

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"footfall/storage/account"
	"footfall/storage/verb"
)

// UserAdd is `footfall user add`.
type UserAdd struct {
	newPassword
	Email string `arg:"" help:"Address the person logs in with."`
}

// UserList is `footfall user list`.
type UserList struct{}

// UserPasswd is `footfall user passwd`.
type UserPasswd struct {
	newPassword
	Email string `arg:"" help:"Address of the person."`
}

// TokenAdd is `footfall token add`.
type TokenAdd struct {
	Name  string `required:"" help:"What the token is for."`
	Scope string `default:"stats:read" enum:"stats:read,sites:provision,send,proxy" help:"What it opens: stats:read, the Stats API; sites:provision, the Sites API too; send, events that a program sends for visitors; proxy, events that a proxy without a fixed address passes on."`
}

// TokenList is `footfall token list`.
type TokenList struct{}

// TokenRemove is `footfall token remove`.
type TokenRemove struct {
	Name string `arg:"" help:"Name of the token, or its number."`
}

// newPassword marks a verb that reads a new password, one line of its input.
type newPassword struct{}

// AsksPassword returns the question to ask at a terminal, where the password must be typed twice and not shown. The answer
// is the verb's input.
func (newPassword) AsksPassword() string { return "New password" }

func (newPassword) read(in io.Reader) (hash string, err error) {
	line, err := bufio.NewReader(io.LimitReader(in, 8*maxPassword)).ReadString('\n')
	if err != nil && err != io.EOF {
		return "", fmt.Errorf("read password: %w", err)
	}
	if line = strings.TrimRight(line, "\r\n"); line == "" {
		return "", verb.Exit(verb.ExitUsage, errors.New("no password was given: type it at a terminal, or send it to standard input"))
	}
	return HashPassword(line)
}

// Run reads a password and adds the person.
func (v *UserAdd) Run(c *verb.Context) error {
	book := c.Store.Accounts()
	if _, err := account.CleanEmail(v.Email); err != nil {
		return verb.Exit(verb.ExitUsage, err)
	}
	if _, ok := book.UserByEmail(v.Email); ok {
		return fmt.Errorf("add user: %s %w", v.Email, account.ErrExists)
	}
	hash, err := v.read(c.In)
	if err != nil {
		return err
	}
	user, err := book.AddUser(c.Context, v.Email, hash, c.Now())
	if err != nil {
		return fmt.Errorf("add user: %w", err)
	}
	return done(c, map[string]any{"email": user.Email}, "added %s", user.Email)
}

// Run lists the people who may log in.
func (*UserList) Run(c *verb.Context) error {
	type line struct {
		Email   string    `json:"email"`
		Created time.Time `json:"created"`
	}
	lines := []line{}
	for _, u := range c.Store.Accounts().Users() {
		lines = append(lines, line{u.Email, u.Created})
	}
	if c.JSON {
		return c.PrintJSON(lines)
	}
	t := table(c.Out)
	for _, l := range lines {
		fmt.Fprintf(t, "%s\t%s\n", l.Email, l.Created.Format(time.DateOnly))
	}
	return t.Flush()
}

// Run reads a new password and ends every login of the person.
func (v *UserPasswd) Run(c *verb.Context) error {
	book := c.Store.Accounts()
	user, ok := book.UserByEmail(v.Email)
	if !ok {
		return verb.Exit(verb.ExitMissing, fmt.Errorf("there is no user %s", v.Email))
	}
	hash, err := v.read(c.In)
	if err != nil {
		return err
	}
	if err := book.SetPasswordHash(c.Context, user.ID, hash); err != nil {
		return fmt.Errorf("change password: %w", err)
	}
	if err := book.DeleteSessionsOf(c.Context, user.ID); err != nil {
		return fmt.Errorf("end logins: %w", err)
	}
	return done(c, map[string]any{"email": user.Email}, "changed the password of %s and ended every login", user.Email)
}

// Run makes a token and prints it alone. It is shown this once.
func (v *TokenAdd) Run(c *verb.Context) error {
	text, t, err := NewToken(c.Context, c.Store.Accounts(), v.Name, v.Scope, c.Now())
	if errors.Is(err, account.ErrExists) {
		return fmt.Errorf("add token: the name %q is taken: choose another, or remove it with `footfall token remove`", v.Name)
	} else if err != nil {
		return fmt.Errorf("add token: %w", err)
	}
	if c.JSON {
		return c.PrintJSON(map[string]any{"id": t.ID, "name": t.Name, "scope": t.Scope, "token": text})
	}
	_, err = fmt.Fprintln(c.Out, text)
	return err
}

// Run lists tokens by name, without what would open anything.
func (*TokenList) Run(c *verb.Context) error {
	type line struct {
		ID       uint64     `json:"id"`
		Name     string     `json:"name"`
		Scope    string     `json:"scope"`
		Prefix   string     `json:"prefix"`
		Created  time.Time  `json:"created"`
		LastUsed *time.Time `json:"last_used"`
	}
	lines := []line{}
	for _, t := range c.Store.Accounts().Tokens() {
		l := line{ID: t.ID, Name: t.Name, Scope: t.Scope, Prefix: t.Prefix, Created: t.Created}
		if !t.LastUsed.IsZero() {
			l.LastUsed = &t.LastUsed
		}
		lines = append(lines, l)
	}
	if c.JSON {
		return c.PrintJSON(lines)
	}
	out := table(c.Out)
	for _, l := range lines {
		used := "never used"
		if l.LastUsed != nil {
			used = "used " + l.LastUsed.Format(time.DateOnly)
		}
		fmt.Fprintf(out, "%d\t%s\t%s\t%s…\t%s\t%s\n", l.ID, l.Name, l.Scope, l.Prefix, l.Created.Format(time.DateOnly), used)
	}
	return out.Flush()
}

// Run removes a token; whoever holds it is refused from now on.
func (v *TokenRemove) Run(c *verb.Context) error {
	book := c.Store.Accounts()
	number, _ := strconv.ParseUint(v.Name, 10, 64)
	var found account.Token
	for _, t := range book.Tokens() {
		// A name beats a number, so a token named 7 can be removed.
		if t.Name == v.Name || t.ID == number && found.ID == 0 {
			found = t
		}
	}
	if found.ID == 0 {
		return verb.Exit(verb.ExitMissing, fmt.Errorf("there is no token %s: `footfall token list` shows them", v.Name))
	}
	if err := book.DeleteToken(c.Context, found.ID); err != nil {
		return fmt.Errorf("remove token: %w", err)
	}
	return done(c, map[string]any{"id": found.ID, "name": found.Name}, "removed token %s", found.Name)
}

// done tells that a verb has done its work.
func done(c *verb.Context, v any, format string, args ...any) error {
	if c.JSON {
		return c.PrintJSON(v)
	}
	_, err := fmt.Fprintf(c.Out, format+"\n", args...)
	return err
}

func table(w io.Writer) *tabwriter.Writer { return tabwriter.NewWriter(w, 0, 0, 2, ' ', 0) }
