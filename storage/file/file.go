// Package file keeps keys and values in one file: buckets, a format version, group commit by one goroutine, and a
// check of the whole structure. It knows nothing of what the values mean; package seal has sealed them before.
//
// Most callers want [Open], [DB.Submit] and [DB.Scan]. A change is acknowledged when [Pending.Wait] returns nil: it
// is on the disk then. After one failed commit nothing is ever written again through the same DB ([DB.Poisoned]),
// because bbolt can lose older, acknowledged data when a program goes on after a failed fsync of its meta page.
//
// # Format
//
// The file is a bbolt file of 4096-byte pages without a stored freelist. It has six buckets whose names are one
// byte, 1 to 6 (see [Bucket]). Two entries of [Meta], whose keys begin with 0, are this package's own and are in
// the clear, so that any version can say which version a file needs:
//
//	key 00 01, the format record, rewritten when the format is raised
//	offset  size  what
//	     0     8  "footfall"
//	     8     2  format version, big-endian
//	    10    16  store id, random
//	    26     4  first bytes of the SHA-256 of the 26 bytes before
//
//	key 00 02, the sums record, rewritten by every commit
//	     0     1  version of this record: 1
//	     1   144  for each bucket in order: number of entries (8, big-endian) and the XOR over all
//	              entries of the first 16 bytes of SHA-256(bucket | key); the two entries above do not count
//
// bbolt's pages have no checksum. The sums make entries that went missing, or whose keys changed, visible at the
// next open; a changed value is seen when it is opened, since it is sealed and bound to its key. Someone who can
// write to the file can compute the sums too: they are against broken disks, not against people.
//
// # Opening
//
// bbolt panics in a goroutine of its own, where nobody can recover, when it opens a file with bad pages. So [Open]
// takes the file lock, walks the tree with plain reads and an eye on every offset (walk.go), and lets bbolt see only
// a file that passed. That walk reads the pages bbolt is about to read anyway, so on a cold disk it costs little.
package file

import (
	"errors"
	"fmt"
	"log/slog"
)

// Format is the newest format that this program knows, and the one that new files have. It opens older files too: who keeps values in
// them brings them to this format, step by step, by [DB.Raise].
const Format = 2

// Bucket is one of the parts of the file; its byte is the bucket's name on disk and part of what sealed values are
// bound to.
type Bucket byte

// The buckets.
const (
	Meta     Bucket = 1 + iota // what the store knows of itself; keys that begin with 0 are this package's
	Journal                    // events of open days
	Catalog                    // which sealed days exist
	Days                       // columns of sealed days
	Accounts                   // sites, people, tokens
	Audit                      // who did what

	numBuckets = 6
)

func (b Bucket) valid() bool { return b >= Meta && b <= Audit }

// What callers tell apart.
var (
	// ErrRunning means that another process holds the lock of the file.
	ErrRunning = errors.New("already running: another process has the data file open")
	// ErrDamaged means that the file is not what was written: the disk or someone has changed it.
	ErrDamaged = errors.New("the data file is damaged")
	// ErrPoisoned means that an earlier commit failed and nothing more is written. It wraps that commit's error.
	ErrPoisoned = errors.New("a commit failed and nothing more is written")
	// ErrBusy means that [MaxQueued] changes wait already, or for a bulk one that almost so many do. Nothing was queued; try again later.
	ErrBusy = errors.New("too many changes wait for the disk")
	// ErrFull means that the disk has no room for a change. Nothing was changed; when there is room the same change is accepted.
	ErrFull = errors.New("the disk is full")
	// ErrCompacting means that a compaction is under way already.
	ErrCompacting = errors.New("the data file is being compacted already")
	// ErrClosed means that Close was called before.
	ErrClosed = errors.New("the data file is closed")
)

// ErrNewer means that a newer version of the program wrote the file.
type ErrNewer struct{ Have, Knows int }

func (e ErrNewer) Error() string {
	return fmt.Sprintf("the data file has format %d, but this version of footfall knows formats up to %d: use the version that wrote it, or a newer one", e.Have, e.Knows)
}

// Config says which file and how.
type Config struct {
	Path    string
	Logger  *slog.Logger // nil: silent
	MaxSize int          // bytes the file may have, 0 for no limit: beyond them the disk counts as full
	Format  int          // newest format that is known, 0 for [Format]; for tests of migrations
}

func (cfg Config) format() int {
	if cfg.Format == 0 {
		return Format
	}
	return cfg.Format
}

func (cfg Config) logger() *slog.Logger {
	if cfg.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return cfg.Logger
}
