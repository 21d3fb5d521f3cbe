// Package storage turns events into sealed bytes and sealed bytes into answers. A Store is one data directory: the data
// file, the vault with its keys and salts, and what is open in memory.
//
// Keys in the data file are numbers, big-endian; dates have their sign bit flipped so that they sort.
//
//	bucket   key                                    value, sealed with
//	Journal  site u32, date u32, sequence u64       day.Open.Encode                                    the site's key
//	Journal  site u32, date u32, sequence u64,      a chunk of day.Layer.Encode; sequence is that of   the site's key
//	         chunk u32                              the first value it replaced
//	Days     site u32, date u32, generation u32,    a chunk of day.Seal                                the site's key
//	         chunk u32
//	Catalog  site u32, date u32                     version, generation u32, header of day.Seal        the site's key
//	Catalog  site u32, date u32, 1                  version, counts of dropped events by reason;       the rest key
//	                                                "watch:" reason and "rule:" number are counts of
//	                                                rules, "other:" dimension of folded values
//	Catalog  ff ff ff ff, site u32, 0 u32           version, date and generation of each day an        the rest key
//	                                                import has written and not yet made visible
//	Meta     1                                      version, bucket and key of the last entry that a   the rest key
//	                                                migration has changed
//	Meta     2                                      version, trusted day u32, Unix seconds since       the rest key
//	                                                which the clock stands far from it u64; see watch
//
// Accounts and Audit are described in package account.
//
// A day is in the catalog with exactly one generation. A merge or a deletion writes the next generation and then swaps the catalog's entry,
// in one transaction with the removal of what it replaces.
//
// # Formats and versions
//
// The format of the data file (file.Format) says which programs can read it; an older one refuses it and says so. Whatever an older program
// would not understand, or take for something else, needs a new format: a bucket, a kind of key, a new version of a value. Each format
// has a step that leads to it (migrate.go), for good.
//
// Every value begins with a version of its own. Values of older versions are read for ever, and written in the newest one when their
// day is sealed again. So the step to a format that only brings a new version of a value has nothing to do but raise the number; work is
// left for what cannot be read as it is. Files that old versions wrote are in testdata, and every change is tested against them.
package storage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"footfall/storage/account"
	"footfall/storage/column"
	"footfall/storage/day"
	"footfall/storage/file"
	"footfall/storage/memory"
	"footfall/storage/query"
	"footfall/storage/schema"
	"footfall/storage/seal"
)

// The four refusals, and what else callers tell apart.
var (
	ErrRunning       = file.ErrRunning       // another process has the data directory
	ErrNotKey        = seal.ErrNotKey        // the key file holds no key
	ErrNotPassphrase = seal.ErrNotPassphrase // the passphrase file holds none
	ErrNoKeyFile     = seal.ErrNoKeyFile     // the key file is not there
	ErrKeyTypo       = seal.ErrKeyTypo       // the key has a wrong character in it
	ErrWrongKey      = seal.ErrWrongKey      // the key is not this vault's
	ErrVaultDamaged  = seal.ErrVaultDamaged  // footfall.vault is damaged or gone
	ErrDamaged       = errors.New("the data are damaged")
	ErrMissing       = errors.New("no Footfall data here")
	ErrPoisoned      = file.ErrPoisoned // a commit failed: nothing is written any more, reading goes on
	ErrBusy          = file.ErrBusy     // the disk does not keep up
	ErrFull          = file.ErrFull     // the disk has no room: the same is accepted when there is
	ErrDayClosed     = errors.New("the day is closed")
	ErrNoSite        = errors.New("no such site")
	ErrClosed        = file.ErrClosed
	ErrTooSlow       = fmt.Errorf("the query took too long: %w", context.DeadlineExceeded)
)

// Names of the files of a data directory.
const (
	dataName  = "footfall.db"
	vaultName = "footfall.vault"
	keyName   = "footfall.key"
)

// Config says where a store is and how to open it.
type Config struct {
	Dir    string
	Key    Key  // default: the file footfall.key in Dir
	Create bool // make the directory, key file, vault and data file if there are none
	// NoRecovery makes no recovery key with a new vault: nobody would see it.
	NoRecovery bool
	Now        func() time.Time
	Logger     *slog.Logger
	// MaxSize bounds the data file in bytes; 0 does not. At its bound it is like a full disk: it refuses events and answers queries.
	MaxSize int
	// PartRows is about how many rows a part of a sealed day has; 0 is day.PartRows. Tests set less.
	PartRows int
	// LayerRows is how many rows of an open day stay in memory before they are put down; 0 is usual. Tests set less.
	LayerRows int
	// Memory is what the store may hold in memory. The zero value is the default of this machine.
	Memory memory.Shares
	// QueryTime is how long a query may take, waiting for others included; 0 is DefaultQueryTime.
	QueryTime time.Duration
	// Progress, which may be nil, is shown what Open does where that takes long: bringing the data to a newer format.
	Progress func(what string, done, total int64)

	steps    []step       // for tests: others than those of this program
	migrated func() error // for tests: called after each commit of a migration
}

// Store is an open data directory. It is safe for concurrent use.
type Store struct {
	cfg      Config
	db       *file.DB
	vault    *seal.Vault
	book     *account.Book
	engine   *query.Engine
	gate     gate
	asked    atomic.Int64 // Unix seconds of the newest query
	fresh    bool         // this Open has made the vault
	recovery string
	cache    *cache
	laying   sync.WaitGroup
	work     atomic.Int64  // bytes of memory.Shares.Work in use
	jobs     chan struct{} // holds one where somebody has all of it
	opened   atomic.Int64  // bytes that the open days take, when they were last measured
	measured atomic.Int64  // when that was, in Unix nanoseconds
	tight    atomic.Bool   // it was more than their share

	mu      sync.RWMutex // guards days and catalog, which change together so that a query sees an event exactly once
	days    map[dayKey]*openDay
	catalog map[schema.Site]map[schema.Date]entry
	removed map[schema.Site]bool          // take no new open day: a row of theirs would outlive the site in the journal
	paused  map[schema.Site]chan struct{} // whose open days are being replaced; closed when they are
	gone    map[dayKey]uint32             // last generation of sealed days that are no more
	damaged map[dayKey]error              // open days whose journal Open could not read: whoever asks for one, or would add to it, is told

	outdated []dayKey // sealed days in the form of an older version, which are written anew

	// calendars is held for reading while a day is opened as its site's calendar has it, for writing while a calendar changes.
	calendars sync.RWMutex

	publishing sync.Mutex // guards busy
	busy       map[schema.Site]bool

	drops drops
	folds [schema.NumColumns]atomic.Int64 // values that became day.Other since Open
	watch watch

	streaming streaming
	drills    drills

	tidied atomic.Int64   // Unix seconds before which no compaction starts by itself
	tasks  sync.WaitGroup // those
}

type dayKey struct {
	site schema.Site
	date schema.Date
}

// Open opens the data directory and brings back the open days from their journals.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Key.None() {
		cfg.Key = Key{File: filepath.Join(cfg.Dir, keyName)}
	}
	if cfg.Memory == (memory.Shares{}) {
		total, _ := memory.Default(os.DirFS("/"))
		cfg.Memory = memory.Divide(total)
	}
	if cfg.QueryTime == 0 {
		cfg.QueryTime = DefaultQueryTime
	}
	if cfg.LayerRows == 0 {
		cfg.LayerRows = layerRows
	}
	if cfg.PartRows == 0 {
		cfg.PartRows = day.PartRows
	}
	s := &Store{
		cfg: cfg, days: map[dayKey]*openDay{}, catalog: map[schema.Site]map[schema.Date]entry{}, busy: map[schema.Site]bool{}, removed: map[schema.Site]bool{},
		paused: map[schema.Site]chan struct{}{}, gone: map[dayKey]uint32{}, damaged: map[dayKey]error{},
		jobs: make(chan struct{}, 1),
	}
	s.streaming.life, s.streaming.end = context.WithCancel(context.WithoutCancel(ctx))
	s.cache = newCache(s.cacheLimit)
	s.engine = query.NewEngine(s, cfg.Memory.Queries)
	if err := s.openFiles(); err != nil {
		return nil, errors.Join(err, s.closeFiles())
	}
	if err := s.migrate(ctx); err != nil {
		return nil, errors.Join(dataError(err), s.closeFiles())
	}
	if err := s.load(ctx); err != nil {
		return nil, errors.Join(err, s.closeFiles())
	}
	return s, nil
}

func (s *Store) openFiles() error {
	path := filepath.Join(s.cfg.Dir, dataName)
	fileCfg := file.Config{Path: path, Logger: s.cfg.Logger, MaxSize: s.cfg.MaxSize}
	if s.cfg.steps != nil {
		fileCfg.Format = len(s.cfg.steps) + 1
	}
	fresh := false
	_, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		if !s.cfg.Create {
			return fmt.Errorf("%w: there is no %s in %s; name another directory with --data, or run `footfall serve` to begin", ErrMissing, dataName, s.cfg.Dir)
		}
		if _, err := os.Stat(filepath.Join(s.cfg.Dir, vaultName)); err == nil {
			return fmt.Errorf("%w: %s has a %s but no %s; restore the data file, or move the vault away to begin anew", ErrDamaged, s.cfg.Dir, vaultName, dataName)
		}
		fresh = true
	}
	if fresh {
		if err := makeDir(s.cfg.Dir); err != nil {
			return fmt.Errorf("make data directory: %w", err)
		}
		s.db, err = file.Create(fileCfg)
	} else {
		s.db, err = file.Open(fileCfg)
	}
	if err != nil {
		return dataError(err)
	}
	removeScratch(s.cfg.Dir)
	if err := removeDrill(s.cfg.Dir); err != nil {
		s.cfg.Logger.Warn("the rest of a drill stays", "error", err)
	}
	return s.openVault()
}

// makeDir makes a directory, and those above it, that a power cut does not take back: what is in it would be gone with it.
func makeDir(path string) error {
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	parent := filepath.Dir(path)
	if err := makeDir(parent); err != nil {
		return err
	}
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return file.SyncDir(parent)
}

// openVault opens the vault, or makes it where the data file is new. A start that died in between left a data file without
// records and no vault: that is made now.
func (s *Store) openVault() error {
	path := filepath.Join(s.cfg.Dir, vaultName)
	_, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		empty, err := s.empty()
		if err != nil {
			return err
		}
		if !empty {
			return fmt.Errorf("%w: %s is gone; without its keys the data cannot be read, put it back from a copy", ErrVaultDamaged, path)
		}
		return s.createVault(path)
	}
	if s.vault, err = seal.OpenVault(path, s.cfg.Key); err != nil {
		return err
	}
	s.cfg.Key = Key{File: s.cfg.Key.File} // what was typed is not needed any more
	for _, note := range s.vault.Notes() {
		s.cfg.Logger.Warn("vault", "note", note)
	}
	if s.vault.StoreID() != s.db.ID() {
		return fmt.Errorf("%w: %s belongs to another data file", ErrVaultDamaged, path)
	}
	return nil
}

var errFound = errors.New("found")

func (s *Store) empty() (bool, error) {
	for _, b := range []file.Bucket{file.Accounts, file.Catalog, file.Journal} {
		err := s.db.Scan(context.Background(), b, nil, func(_, _ []byte) error { return errFound })
		if errors.Is(err, errFound) {
			return false, nil
		}
		if err != nil {
			return false, dataError(err)
		}
	}
	return true, nil
}

// diskError marks what failed for want of room on the disk.
func diskError(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return err
}

// dataError marks what the file, the seal or a decoder calls damaged.
func dataError(err error) error {
	if errors.Is(err, ErrDamaged) {
		return err
	}
	for _, kind := range []error{file.ErrDamaged, seal.ErrDamaged, account.ErrDamaged, day.ErrHeader, day.ErrJournal, column.ErrCorrupt} {
		if errors.Is(err, kind) {
			return fmt.Errorf("%w: %w", ErrDamaged, err)
		}
	}
	return err
}

func (s *Store) load(ctx context.Context) (err error) {
	if s.book, err = account.Open(s.db, s.vault.Rest()); err != nil {
		return dataError(err)
	}
	// Whoever opens the store, the salts of days that are over go first.
	if _, err := s.vault.SweepSalts(s.today(s.cfg.Now())); err != nil {
		return fmt.Errorf("destroy salts: %w", err)
	}
	if err := s.finishRemovals(ctx); err != nil {
		return err
	}
	if err := s.loadCatalog(ctx); err != nil {
		return dataError(err)
	}
	if err := s.loadWatch(); err != nil {
		return dataError(err)
	}
	defer s.db.Rest()
	return dataError(s.replay(ctx))
}

// Close seals nothing and loses nothing: what waits is committed, the open days come back from the journal.
func (s *Store) Close() error {
	err := s.flushDrops(context.Background())
	if s.db.Poisoned() != nil || errors.Is(err, ErrFull) {
		err = nil // said when it happened; dropped counts are not worth a failed stop
	}
	s.stopStream()
	return errors.Join(err, s.closeFiles())
}

func (s *Store) closeFiles() error {
	var errs []error
	if s.db != nil {
		errs = append(errs, s.db.Close())
	}
	s.laying.Wait() // not before: the last commits put rows down too
	s.tasks.Wait()
	if s.vault != nil {
		errs = append(errs, s.vault.Close())
	}
	return errors.Join(errs...)
}

// Accounts returns sites, people and tokens.
func (s *Store) Accounts() *account.Book { return s.book }

// Fresh reports whether this Open has made the store.
func (s *Store) Fresh() bool { return s.fresh }

// RecoveryKey returns the recovery key of a store that this Open has made, to be shown once; otherwise "".
func (s *Store) RecoveryKey() string { return s.recovery }

// Salt returns the salt of a site's day; see seal.Vault.Salt. Sites share the salt of a zone's day; a day that is not the zone's, the
// first after a change, has one for itself, so that each salt lives as long as its day.
func (s *Store) Salt(site account.Site, date schema.Date) ([32]byte, error) {
	calendar, err := site.Calendar()
	if err != nil {
		return [32]byte{}, fmt.Errorf("salt of site %d: %w", site.ID, err)
	}
	name := calendar.Zone(date).String()
	if !calendar.Zoned(date) {
		name = ownSalt + strconv.FormatUint(uint64(site.ID), 10)
	}
	salt, err := s.vault.Salt(name, date)
	return salt, diskError(err)
}

// ownSalt and the number of a site name the salt of a day that is the site's alone. No zone has such a name.
const ownSalt = "site "

// Healthy returns nil, or why events are refused: ErrPoisoned, ErrFull.
func (s *Store) Healthy() error {
	if err := s.db.Poisoned(); err != nil {
		return err
	}
	return s.db.Full()
}

// Stats describes the data file.
func (s *Store) Stats() file.Stats { return s.db.Stats() }

// Query answers q. Calendar may be left nil: it is the site's.
func (s *Store) Query(ctx context.Context, q query.Query) (query.Result, error) {
	r, err := s.QueryAll(ctx, q)
	if err != nil {
		return query.Result{}, err
	}
	return r[0], nil
}

// QueryAll answers queries about one site in one pass over its days. Few run at once, since each may take much memory and all
// processors; ErrBusy says that too many wait, or that their turn did not come in time, ErrTooSlow that the answer did not.
func (s *Store) QueryAll(ctx context.Context, queries ...query.Query) ([]query.Result, error) {
	if len(queries) == 0 {
		return nil, nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, s.cfg.QueryTime, ErrTooSlow)
	defer cancel()
	defer func() { s.asked.Store(s.cfg.Now().Unix()) }()
	if err := s.gate.enter(ctx, queries[0].Site); err != nil {
		if context.Cause(ctx) == ErrTooSlow {
			return nil, ErrBusy
		}
		return nil, err
	}
	defer s.gate.leave()
	for i := range queries {
		q := &queries[i]
		site, ok := s.book.Site(q.Site)
		if !ok {
			return nil, ErrNoSite
		}
		if q.Calendar == nil {
			calendar, err := site.Calendar()
			if err != nil {
				return nil, fmt.Errorf("calendar of site %d: %w", site.ID, err)
			}
			q.Calendar = calendar
		}
	}
	var r []query.Result
	err := retryStale(ctx, func() (err error) {
		r, err = s.engine.QueryAll(ctx, queries...)
		return err
	})
	if err != nil && context.Cause(ctx) == ErrTooSlow && errors.Is(err, context.DeadlineExceeded) {
		return nil, ErrTooSlow
	}
	return r, dataError(err)
}

// retryStale calls read again when a day was merged while it was read. A commit is visible in the file a moment before the catalog
// in memory knows of it: the time its last fsync takes.
func retryStale(ctx context.Context, read func() error) error {
	for wait := time.Millisecond; ; wait *= 2 {
		err := read()
		if !errors.Is(err, errStale) || wait > maxStaleWait {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
	}
}

var errStale = errors.New("the day was replaced while it was read")

// Days implements query.Source.
func (s *Store) Days(site schema.Site, first, last schema.Date) ([]query.Day, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var out []query.Day
	for _, date := range s.datesLocked(site) {
		if date < first || date > last {
			continue
		}
		e, sealed := s.catalog[site][date]
		open, damaged := s.days[dayKey{site, date}], s.damaged[dayKey{site, date}]
		out = append(out, query.Day{Date: date, Views: func() ([]*day.View, func(), error) {
			if damaged != nil {
				return nil, nil, damaged
			}
			return s.views(site, date, e, sealed, open)
		}})
	}
	return out, nil
}

// Lexicon implements query.Source.
func (s *Store) Lexicon(site schema.Site) *day.Lexicon { return s.cache.lexicon(site) }

// views returns the parts of a day and what to call when they are no longer read.
func (s *Store) views(site schema.Site, date schema.Date, e entry, sealed bool, open *openDay) ([]*day.View, func(), error) {
	var views []*day.View
	release := func() {}
	if sealed {
		v, done, err := s.sealedView(dayKey{site, date}, e)
		if err != nil {
			return nil, nil, err
		}
		views, release = append(views, v), done
	}
	if open != nil {
		if v := open.open.View(); v.Rows > 0 {
			views = append(views, v)
		}
	}
	return views, release, nil
}

// freshViews returns the parts of a day for one who reads all columns: what he decodes does not stay in memory.
func (s *Store) freshViews(key dayKey) (views []*day.View, err error) {
	s.mu.RLock()
	e, sealed := s.catalog[key.site][key.date]
	open, damaged := s.days[key], s.damaged[key]
	s.mu.RUnlock()
	if damaged != nil {
		return nil, damaged
	}
	if sealed {
		v, err := s.readSealed(key, e)
		if err != nil {
			return nil, err
		}
		views = append(views, v)
	}
	if open != nil {
		if v := open.open.View(); v.Rows > 0 {
			views = append(views, v)
		}
	}
	return views, nil
}
