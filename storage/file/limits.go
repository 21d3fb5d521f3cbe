package file

import (
	"strconv"
	"time"
)

const (
	// MaxQueued ops may wait for the disk. A commit takes about a millisecond and takes all that waits, so more than
	// this waiting means that the disk stands still; memory must not grow with its trouble.
	MaxQueued = 8192

	// SpareQueued of these places are not for bulk ops: a flood of events must not keep a site from being removed, or a person from logging in.
	// Other ops come one by one from few places, so they do not take them all.
	SpareQueued = 1024

	// MaxBatchBytes of keys and values go into one commit, so that an import cannot make those who wait beside it
	// wait for seconds, and a transaction's memory stays bounded. One op may be larger and then goes alone.
	MaxBatchBytes = 8 << 20

	// MaxKey bytes a key: keys are numbers and ids. A bound far below bbolt's keeps four and more of them on a page.
	MaxKey = 512

	// MaxValue bytes a value. Larger ones need one contiguous run of pages, which a fragmented file has not.
	MaxValue = 16 << 20

	// A scan's read transaction ends after scanPairs pairs or scanBytes bytes: a long one makes the file grow by
	// everything written meanwhile.
	scanPairs = 256
	scanBytes = 4 << 20

	// A compaction is worth its while when compactPercent of the file, and at least compactFloor bytes of it, are free: below that the
	// file will use the space itself, and what could be won is not worth the writing.
	compactPercent = 40
	compactFloor   = 64 << 20

	// copySpare bytes are left on the disk when a copy is begun, and doubtfulSpare more where events may come meanwhile, as beside another file.
	copySpare = 16 << 20

	// copyBatch bytes of a copy are written and synced at a time. Commits beside it wait for the disk behind them: with 8 MB three times as
	// long, at the same speed of copying.
	copyBatch = 2 << 20

	// copyFill is how full the pages of a copy get: full, but for some room for keys that come in between.
	copyFill = 0.9

	// At most catchUps rounds, until no more than lastRound keys with lastBytes of values have changed, and then the last one, which holds up
	// the writer: it takes some tens of milliseconds. Two full commits fit, so writers who write all the time do not keep it from its end.
	// Beyond maxNews, which cost some 100 MB, a compaction gives up.
	catchUps  = 20
	lastRound = 2 * MaxQueued
	lastBytes = 2 * MaxBatchBytes
	maxNews   = 1 << 20

	// A feed remembers up to maxFollowed keys, which are some 20 MB: with a few hundred commits a second, which put a key each, ten minutes and
	// more in which nothing is taken. changeCost is added to the size of each, so that a Take of many small ones ends in time too.
	maxFollowed = 1 << 18
	changeCost  = 64

	// slowRead is how long a read may take before it is reported: a scan's takes milliseconds, on a disk that is very busy perhaps
	// a hundred of them. Reports come at most every reportEvery, since what makes one read slow makes others slow.
	slowRead    = time.Second
	reportEvery = time.Minute

	pageSize = 4096

	// growBy bytes at a time, and what the commit at hand needs, the file gets longer; each growth costs an fsync.
	growBy = 4 << 20

	// What a commit may need beside its keys and values: branchRoom for the branches of a few trees, and a page for each of
	// at most maxLeaves leaves. More may be needed, which is met by another try; a better guess would only save that.
	branchRoom = 256 << 10
	maxLeaves  = 1024

	// keptBack bytes of a full disk are for ops that are not bulk: a few hundred deletions or logins.
	keptBack = 1 << 20

	// While the disk is full it is asked every probeEvery whether there are roomAgain bytes, enough for events for a while: so
	// that they go on within seconds of space coming back, and do not stop and go at the edge.
	probeEvery = time.Second
	roomAgain  = keptBack + 1<<20

	// doubtfulSpare bytes must be left on a disk that gives no blocks ahead: others may take what was there a moment ago, and
	// file systems that copy what they change need some for themselves. Ops that are not bulk may go on to doubtfulKept.
	doubtfulSpare = 32 << 20
	doubtfulKept  = 8 << 20

	// maxDepth of the tree that the walk follows. A tree of 2^64 keys with two keys a page is no deeper.
	maxDepth = 64

	lockTimeout = time.Second
	lockRetry   = 25 * time.Millisecond
)

// mapSize returns how much address space to reserve for a file of size bytes. When the file outgrows its mapping
// bbolt makes everyone wait for the oldest reader, so on 64-bit systems, where address space costs nothing, the
// mapping is far larger than the file.
func mapSize(size int64) int {
	if strconv.IntSize < 64 {
		return 256 << 20
	}
	return int(max(64<<30, 8*size))
}
