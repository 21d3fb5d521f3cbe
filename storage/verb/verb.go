// Package verb is what a command-line verb is given to work with. A verb is a struct with kong tags and a method
// Run(*verb.Context) error; it lives in the room it speaks for, and main lists it. The same verb runs in the
// command's own process on an idle data directory and, through the admin socket, inside a running server.
package verb

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"footfall/storage"
	"footfall/storage/account"
	"footfall/storage/snapshot"
)

// Context is one run of a verb. Results go to Out, progress and remarks to Err.
type Context struct {
	context.Context
	Store *storage.Store
	Now   func() time.Time
	In    io.Reader // what FILE or "-" names: the caller has opened it
	Out   io.Writer
	Err   io.Writer
	JSON  bool // --json: Out holds JSON for programs
	Asks  bool // somebody at a terminal sees Out and Err and answers with lines of In
	Idle  bool // Store was opened for this verb alone: no server runs
	Log   *slog.Logger
	// Streaming is the snapshots of the server that runs the verb, nil if it streams none or there is no server.
	Streaming *Streaming
	// Rooms are those of the server that runs the verb, for `doctor`; without a server those that need none.
	Rooms []Examiner
	// Progress starts a progress display; total < 0 is unknown. It is silent where nobody watches.
	Progress func(label string, total int64) Bar
}

// Bar shows how far a long job has come.
type Bar interface {
	Set(done int64)
	Close()
}

// PrintJSON writes v as one indented JSON document to Out.
func (c *Context) PrintJSON(v any) error {
	e := json.NewEncoder(c.Out)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// Site returns the site that a person named.
func (c *Context) Site(name string) (account.Site, error) {
	domain, err := account.CleanDomain(name)
	if err != nil {
		return account.Site{}, Exit(ExitUsage, err)
	}
	site, ok := c.Store.Accounts().SiteByDomain(domain)
	if !ok {
		return account.Site{}, Exit(ExitMissing,
			fmt.Errorf("site %s is not set up here: see `footfall site list`, add it with `footfall site add %s --timezone ZONE`", domain, domain))
	}
	return site, nil
}

// CommandLine is who a verb is in the audit log: whoever may open the data directory.
const CommandLine = "command line"

// Exit codes, documented in the README.
const (
	ExitFailed  = 1
	ExitUsage   = 2
	ExitPartial = 3  // done, but something was left out and said so
	ExitMissing = 10 // no such data directory, site, user …
	ExitRunning = 11 // another process has the data directory and offers no admin socket
	ExitKey     = 12 // the key does not open the vault, or is not there
	ExitDamaged = 13 // vault or data are damaged
	ExitFenced  = 14 // another instance streams its snapshots to the bucket
)

// ExitError gives an error its exit code.
type ExitError struct {
	Code int
	Err  error
}

func (e *ExitError) Error() string { return e.Err.Error() }
func (e *ExitError) Unwrap() error { return e.Err }

// Exit wraps err so that the process ends with code.
func Exit(code int, err error) error { return &ExitError{code, err} }

// Code returns the exit code for err.
func Code(err error) int {
	var e *ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &e):
		return e.Code
	case errors.Is(err, storage.ErrMissing):
		return ExitMissing
	case errors.Is(err, storage.ErrRunning):
		return ExitRunning
	case errors.Is(err, storage.ErrWrongKey), errors.Is(err, storage.ErrNoKeyFile), errors.Is(err, storage.ErrNotKey),
		errors.Is(err, storage.ErrNotPassphrase), errors.Is(err, storage.ErrKeyTypo):
		return ExitKey
	case errors.Is(err, storage.ErrVaultDamaged), errors.Is(err, storage.ErrDamaged):
		return ExitDamaged
	case errors.Is(err, snapshot.ErrNothing):
		return ExitMissing
	case errors.Is(err, snapshot.ErrDamaged):
		return ExitDamaged
	case errors.Is(err, snapshot.ErrFenced), errors.Is(err, snapshot.ErrForeign):
		return ExitFenced
	}
	return ExitFailed
}
