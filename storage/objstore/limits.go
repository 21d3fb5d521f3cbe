package objstore

import "time"

const (
	// MaxObject bytes an object: it is held in memory while it is sent, and 16 MiB are sent well within the quarter of an hour for
	// which a signature is good.
	MaxObject = 16 << 20

	// MaxName bytes a name: S3 allows 1024 with the prefix in front of it.
	MaxName = 512

	// maxPart bytes between slashes is what file systems allow.
	maxPart = 255

	// maxPrefix bytes in front of all names, so that both together stay below the 1024 of S3.
	maxPrefix = 256

	// Temporary files of a directory older than sweepAge were left by a crash: writing 16 MiB does not take an hour.
	sweepAge = time.Hour

	// mkdirTries: a directory for an object may be removed by someone tidying up just before the object is put into it.
	mkdirTries = 3

	// The first pause before another try is random below retryBase, and that doubles up to retryCap: soon enough for a reset connection, rare
	// enough for a store that is down for hours.
	retryBase = 500 * time.Millisecond
	retryCap  = time.Minute

	// maxAfter bounds what a store may ask for with Retry-After: it is to slow us down, not to stop us for a day.
	maxAfter = 10 * time.Minute

	// pacedRead bytes at most are read at a time where the bandwidth is limited, so that the flow is even.
	pacedRead = 64 << 10
)
