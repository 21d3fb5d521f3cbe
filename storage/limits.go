package storage

import "time"

const (
	// maxStaleWait is the last of the doubling waits for a commit that is visible but not yet known to be durable. A disk that takes
	// longer for one fsync than all of them together fails the query.
	maxStaleWait = 2 * time.Second

	// DefaultCache bytes of decoded columns stay in memory: enough that a dashboard of a busy site answers its next
	// query without decoding, small beside the 512 MB of the machine we are made for.
	DefaultCache = 96 << 20

	// maxQueries run at once: one that fills memory leaves room for a second, and more would only share the processors.
	maxQueries = 2

	// maxWaitingQueries may wait or run. A page asks once; more than this are not people.
	maxWaitingQueries = 64

	// maxPendingRows and maxPendingBytes of one day may wait for the commit under way. A commit takes about a millisecond, so
	// more means that the disk stands still; those who come then are told to come again.
	maxPendingRows  = 16384
	maxPendingBytes = 16 << 20

	// maxJournalRows rows, or about maxJournalBytes, go into one journal value: small enough for the file to place easily, large
	// enough that a busy commit is one value.
	maxJournalRows  = 4096
	maxJournalBytes = 1 << 20

	// maxDropReasons different reasons are counted a site and day; the program has fewer, so more is a fault.
	maxDropReasons = 64
)
