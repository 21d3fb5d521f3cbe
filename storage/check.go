package storage

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"footfall/storage/account"
	"footfall/storage/schema"
	"footfall/storage/seal"
)

// Fault is something stored that is not as it should be.
type Fault struct {
	Place string `json:"place"` // a file, or a day of a site
	What  string `json:"what"`  // is wrong
	Do    string `json:"do"`    // about it

	err error
}

func (f *Fault) Error() string { return fmt.Sprintf("%s: %s: %s", f.Place, f.What, f.Do) }

func (f *Fault) Unwrap() error { return f.err }

// Faults returns the faults that an error of Check is made of, and nil where the check itself failed.
func Faults(err error) (out []*Fault) {
	var many interface{ Unwrap() []error }
	if errors.As(err, &many) {
		for _, e := range many.Unwrap() {
			if f := new(*Fault); errors.As(e, f) {
				out = append(out, *f)
			}
		}
	}
	return out
}

// What to do about a fault.
const (
	doRestore = "put footfall.db back from a copy that is whole, together with its footfall.vault"
	doVault   = "put footfall.vault back from the newest copy: without its keys the data cannot be read"
	doDay     = "the other days are whole; put footfall.db back from a copy to have this one too, or export the others into a new directory"
	doOpen    = "put footfall.db back from a copy: a start fails on this"
	doJournal = "the other days are whole, but this one can be neither read nor added to once the server starts anew; put footfall.db back from a copy"
	doNothing = "nothing: it only takes room, and whoever reads the days does not see it; please report it, it should not be there"
)

// Check reads all that is stored: the structure of the data file, the vault, accounts, what the catalog says against what there is, every
// value of open days, and every sealed day with all that it has counted. It goes on after a fault and returns all of them, see Faults.
// Events come in meanwhile, and it holds one day at a time. It changes nothing. progress, which may be nil, is given bytes.
func (s *Store) Check(ctx context.Context, progress func(done, total int64)) error {
	c := &checker{s: s, ctx: ctx, progress: progress}
	if c.progress == nil {
		c.progress = func(int64, int64) {}
	}
	if err := c.run(); err != nil {
		return fmt.Errorf("check: %w", err)
	}
	return errors.Join(c.faults...)
}

type checker struct {
	s           *Store
	ctx         context.Context // of the one Check that made it
	progress    func(done, total int64)
	done, total int64
	faults      []error
}

// run returns an error where the check cannot go on.
func (c *checker) run() error {
	sizes, err := c.sizes()
	if err != nil {
		return err
	}
	size := c.s.db.Stats().Size
	c.total = size + sizes
	if err := c.fault(dataName, doRestore, c.file()); err != nil {
		return err
	}
	c.show(size)
	if err := c.fault(vaultName, doVault, c.s.vault.Check()); err != nil {
		return err
	}
	for _, part := range []func() error{c.accounts, c.catalog, c.chunks, c.journal, c.days} {
		if err := part(); err != nil {
			return err
		}
	}
	c.progress(c.total, c.total)
	return nil
}

// file checks the structure of the data file. How far it is is told by another goroutine: whoever watches may be slow, and must not keep
// the transaction open that the check reads in.
func (c *checker) file() error {
	var walked atomic.Int64
	var watch sync.WaitGroup
	stop := make(chan struct{})
	watch.Go(func() {
		tick := time.NewTicker(showEvery)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				c.show(walked.Load())
			}
		}
	})
	err := c.s.db.Check(c.ctx, func(done, _ int64) { walked.Store(done) })
	close(stop)
	watch.Wait()
	return err
}

// show says how far the check is; more than all is never done, although more may come in while it runs.
func (c *checker) show(done int64) {
	c.done = max(c.done, min(done, c.total))
	c.progress(c.done, c.total)
}

// fault notes what is wrong with what is stored. Errors that say nothing of that, such as a call that was given up, are returned.
func (c *checker) fault(place, do string, err error) error {
	switch {
	case err == nil:
		return nil
	case c.ctx.Err() != nil:
		return c.ctx.Err()
	case errors.Is(err, ErrClosed), errors.Is(err, seal.ErrClosed):
		return err
	}
	if !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrVaultDamaged) {
		err = fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	c.faults = append(c.faults, &Fault{place, strings.TrimPrefix(err.Error(), ErrDamaged.Error()+": "), do, err})
	return nil
}

// placeOf names a day without the name of its site, as logs do.
func placeOf(k dayKey) string { return fmt.Sprintf("site %d, %s", k.site, k.date) }

// accounts reads the book anew and looks for the key of each site.
func (c *checker) accounts() error {
	_, err := account.Open(c.s.db, c.s.vault.Rest())
	if err := c.fault("accounts", doRestore, err); err != nil {
		return err
	}
	_, err = c.s.book.Entries(c.ctx)
	if err := c.fault("audit log", doRestore, err); err != nil {
		return err
	}
	for _, site := range c.s.book.Sites() {
		_, err := c.s.vault.Site(site.ID)
		if c.leaving(site.ID) {
			continue // its key dies first
		}
		if errors.Is(err, seal.ErrNoKey) {
			err = fmt.Errorf("%w: it has no key for the site", ErrVaultDamaged)
		}
		if err := c.fault(fmt.Sprintf("%s, site %d", vaultName, site.ID), doVault, err); err != nil {
			return err
		}
	}
	return nil
}

// leaving tells whether a site's data are being destroyed, or its removal was done while the check ran: what is left is no fault.
func (c *checker) leaving(id schema.Site) bool {
	if site, ok := c.s.book.Site(id); ok && (site.Removing || site.Resetting) {
		return true
	}
	c.s.mu.RLock()
	defer c.s.mu.RUnlock()
	return c.s.removed[id]
}
