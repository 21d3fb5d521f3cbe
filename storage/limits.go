package storage

import "time"

const (
	// maxStaleWait is the last of the doubling waits for a commit that is visible but not yet known to be durable. A disk that takes
	// longer for one fsync than all of them together fails the query.
	maxStaleWait = 2 * time.Second

	// scratchPiece bytes of a scratch file are sealed as one value: large enough that sealing costs little, small beside what any job holds.
	scratchPiece = 256 << 10

	// maxQueries run at once: one that fills memory leaves room for a small one, and more would only share the processors.
	maxQueries = 2

	// maxWaitingQueries may wait, so many of one site. A page asks once; more than this are not people.
	maxWaitingQueries = 128
	maxWaitingOfSite  = 32

	// DefaultQueryTime is longer than the largest site needs, and shorter than a person waits.
	DefaultQueryTime = 30 * time.Second

	// idle is how long decoded columns outlive the last query: nobody looks at numbers all day, and the next one decodes again what it needs.
	idle = 10 * time.Minute

	// sealingRow and sealingVisit are about what a day being sealed takes in memory for each of its rows and visits.
	sealingRow   = 64
	sealingVisit = 160

	// checkingRow and checkingVisit are the same of a day being checked, which is decoded column by column.
	checkingRow   = 32
	checkingVisit = 40

	// layerRows of an open day stay in memory, some two megabytes; then they are put down. So a start reads no more rows than that one by one, and
	// the commit that puts them down, which others wait for, is short.
	layerRows = 64 << 10

	// fewLayerRows are not worth a layer even where memory is tight.
	fewLayerRows = 2 << 10

	// manyLayers times as many rows in a journal are put down while it is read at a start.
	manyLayers = 4

	// layingRow is about what putting down a row takes in memory.
	layingRow = 128

	// measurePause lies between two looks at what the open days take: adding it up costs microseconds a site, and in this time not even a flood of
	// events makes them grow by more than a few megabytes.
	measurePause = 100 * time.Millisecond

	// maxPendingRows and maxPendingBytes of one day may wait for the commit under way. A commit takes about a millisecond, so
	// more means that the disk stands still; those who come then are told to come again.
	maxPendingRows  = 16384
	maxPendingBytes = 16 << 20

	// maxJournalRows rows, or about maxJournalBytes, go into one journal value: small enough for the file to place easily, large
	// enough that a busy commit is one value.
	maxJournalRows  = 4096
	maxJournalBytes = 1 << 20

	// migratePairs entries, or about migrateBytes, are changed in one commit of a migration: what a kill makes it do again.
	migratePairs = 256
	migrateBytes = 4 << 20

	// logEvery is how often a long migration says how far it is, where no one watches a bar.
	logEvery = 10 * time.Second

	// maxPauseWait is how long an event waits for its day to be written anew. Most days take a tenth of it; a browser that waited
	// longer would be gone.
	maxPauseWait = 5 * time.Second

	// trustedPause is how many days without work the clock may move on and still be believed, when it comes to dropping days: a server
	// that stood still over a long weekend. distrust is how long one that has moved further must stay there.
	trustedPause = 4
	distrust     = 24 * time.Hour

	// codeBytes of a hash tell one preview from another: nobody makes two of one code by chance.
	codeBytes = 8

	// expireBatch days are dropped in one commit, so that those who wait beside it wait for milliseconds.
	expireBatch = 16

	// resealBatch days that an older version wrote are written anew at each maintenance, which is every minute: a year of a site in an
	// hour or two, and a fraction of a second of work at a time.
	resealBatch = 4

	// ballastSize bytes are released by Reclaim: more than the largest day we know of takes when it is written anew, which is the most that
	// a deletion needs to free what it deletes, and little beside the disks that people rent. It is only made where ballastSpare bytes are
	// left, so that it is not what fills the disk.
	ballastSize  = 64 << 20
	ballastSpare = 4 * ballastSize

	// tidyPause lies between two compactions that nobody asked for, whatever became of the first.
	tidyPause = time.Hour

	// maxSuspects days with chunks that nobody names are looked at twice by a check; more say no more.
	maxSuspects = 1000

	// A check looks again at what seems wrong while nobody writes days of the site. It waits for that, holdPause at a time, and after
	// maxHolds of them no longer: an import may take hours, and what it does is not seen before its end.
	maxHolds  = 100
	holdPause = 20 * time.Millisecond

	// showEvery is how often a check of the file says how far it is.
	showEvery = 100 * time.Millisecond

	// shredWait is how long whoever removed a site waits to hear from the bucket: two requests, and a pack that is under way. Nothing hangs on it.
	shredWait = 15 * time.Second

	// A drill is due a week after the last, or a day after one that failed, and for the first time when the stream has run for an hour; drillLook is how often
	// that is thought of.
	drillEvery = 7 * 24 * time.Hour
	drillAgain = 24 * time.Hour
	firstDrill = time.Hour
	drillLook  = 10 * time.Minute

	// drillSpare bytes must be left on the disk beside what a drill takes, for what comes in meanwhile.
	drillSpare = 256 << 20

	// maxDiffers differences are listed by a drill: more say no more.
	maxDiffers = 20

	// maxDropReasons different reasons are counted, dimensions with folded values among them; the program has fewer, so more is a fault.
	maxDropReasons = 64

	// maxRuleCounts rules have counts of their own, by which a person judges them; sixteen bytes for each day on which one had anything to do. Of more
	// rules only the reasons are counted.
	maxRuleCounts = 10_000
)
