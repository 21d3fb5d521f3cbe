package snapshot

import "time"

const (
	// packTarget bytes of values close a pack: large enough that a year of a busy site is a few hundred objects, small enough that four of them
	// in memory are nothing, and that a request that is cut off costs little.
	packTarget = 4 << 20

	// maxPack bytes an object may have. A pack ends with the value that takes it past packTarget, which is at most one commit's.
	maxPack = 16 << 20

	// maxHead bytes of a pack's head: a Take has packTarget bytes with its keys, and what was removed fills as much up once.
	maxHead = 8 << 20

	// maxName bytes of a point's name: it is typed by people.
	maxName = 64

	// packPause lies between two packs: what was acknowledged is in the bucket after that and one request. A site that is never quiet costs
	// 1,800 requests an hour, and one where nothing happens none.
	packPause = 2 * time.Second

	// manifestEvery is how often a manifest is written while there is something new. A restore reads the packs behind the newest manifest
	// one by one, and up to 3,600 small ones take it a few seconds.
	manifestEvery = time.Hour

	// smallPack bytes and less are gathered by a manifest, where there are more than fewSmall of them.
	smallPack = 1 << 20
	fewSmall  = 16

	// claimPause is waited before a claim is read again on stores that cannot create conditionally: longer than two claims may lie apart.
	claimPause = 2 * time.Second

	// firstPause and lastPause are the doubling waits before what failed is tried again. After an outage, streaming goes on within lastPause.
	firstPause = time.Second
	lastPause  = 8 * time.Second

	// idleGlance is how often the bucket is asked whether somebody has taken over where nothing is uploaded, for which it would be asked: six
	// requests an hour, which find out too that a bucket is gone.
	idleGlance = 10 * time.Minute

	// lastEpoch is the longest wait where each try claims an epoch, such as with a data file that cannot be read.
	lastEpoch = 10 * time.Minute

	// lastUpload is how long the end of the program waits for what is left: service managers kill after some ninety seconds, people earlier.
	lastUpload = 10 * time.Second

	// keysEvery is how often the keys are looked at: a number in memory is compared.
	keysEvery = time.Second

	// firstRead bytes of a pack hold its whole head in most cases.
	firstRead = 64 << 10

	// maxResumed times an answer that breaks off is gone on with, each time from where it got to.
	maxResumed = 20

	// readAhead packs are read while one is written: a bucket far away answers slowly, but several requests at once.
	readAhead = 4

	// writeAtOnce bytes and entriesAtOnce entries of a restore share a commit.
	writeAtOnce   = 4 << 20
	entriesAtOnce = 8 << 10

	// entryCost bytes at most has an entry of a head beside its key.
	entryCost = 16

	// Points are kept for as long as the mistake that they are to undo is likely to stay unseen: what was done today is missed at once, what is
	// wrong in a report is seen at the end of its month.
	keepAll     = 24 * time.Hour
	keepHourly  = 7 * 24 * time.Hour
	keepDaily   = 30 * 24 * time.Hour
	keepMonthly = 12

	// grace lies between finding that an object is not needed and deleting it. A restore that began before takes hours at most, and a
	// writer that stalled for longer looks whether it is fenced before it names an object again.
	grace = 24 * time.Hour

	// pruneEvery is how often a stream prunes, and firstPrune when it first does: a server that is started every day is to prune as well.
	pruneEvery = 24 * time.Hour
	firstPrune = time.Hour

	// deleteAtOnce objects are deleted by one call, as S3 deletes them.
	deleteAtOnce = 1000

	// maxMarks objects wait to be deleted; a day of a busy site has 50,000. What is more is found by a later run.
	maxMarks = 500_000

	// maxPlans times a restore begins anew where what it was about to read was pruned. What it chooses then is kept for another day at least.
	maxPlans = 8

	// maxBad objects are reported one by one where packs are missing: whoever lost more has lost it all.
	maxBad = 10_000

	// maxArchived objects one file may hold: a terabyte of packs.
	maxArchived = 1 << 18

	// tarBlock bytes are what a tar is made of.
	tarBlock = 512

	// costSpan is what traffic is measured over, so that day and night both count, and costMonth what it is told for.
	costSpan  = 24 * time.Hour
	costMonth = 30 * 24 * time.Hour

	// listedAtOnce objects are in an answer of S3.
	listedAtOnce = 1000
)
