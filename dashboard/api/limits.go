package api

// Limits of what a caller may ask, each with its reason.
const (
	MaxBody = 1 << 20 // bytes of a query: room for a pasted list of pages, no more

	// MaxBatch is how many queries one page of the dashboard may ask at once; it has about ten panels.
	MaxBatch = 20

	// MaxRows is the default and the largest limit of rows in one answer.
	MaxRows = 10_000

	// MaxOffset keeps offset + limit far from overflow; no site has more groups.
	MaxOffset = 1_000_000_000

	// MaxTimeLabels is five years of hours. A list of labels is made for the whole range, data or not.
	MaxTimeLabels = 50_000

	maxDays   = 5000 // "<n>d"
	maxMonths = 100  // "<n>mo"

	// ruleDays is over how many days, today among them, it is told what a rule has done: what one does now, seen beyond a quiet weekend.
	ruleDays = 30
	// maxTried is how many hours back a rule is tried at most: a year, which is what a dashboard shows.
	maxTried = 366 * 24
	triedTop = 10 // pages, hosts or countries named that would go

	inspectItems  = 50  // list items shown of a refused value
	inspectString = 200 // bytes shown of a refused text
)
