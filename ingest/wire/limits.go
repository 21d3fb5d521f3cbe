package wire

// Limits of what a client may send. The live endpoint and NDJSON share those of an event's parts, so that whatever was
// stored can be exported and imported again.
const (
	// MaxBody is the largest body in bytes that POST /api/event accepts, the limit clients of this API know. Thirty
	// properties of the largest size take 69 kB, and escapes make up to six times that: a smaller limit would refuse valid events.
	MaxBody = 1_000_000
	// MaxLine is the longest NDJSON line in bytes: the largest event, escaped, and some room.
	MaxLine = 1 << 20

	maxName      = 120           // characters of an event name
	maxURL       = 2000          // bytes of a page's URL, so of its host and its path too
	maxText      = 2000          // characters of a referrer or any other attribute
	maxProps     = 30            // properties of an event; the rest is left out
	maxPropKey   = 300           // bytes
	maxPropValue = 2000          // bytes
	maxDomains   = 32            // sites one request may count for: each costs a commit
	maxVisitor   = 2000          // bytes of an imported visitor's name
	maxMS        = 2_592_000_000 // milliseconds of engagement: 30 days and more are a broken clock
	maxAmount    = 40            // characters of a revenue amount: more digits than any sum of money has
	maxParts     = 256           // parts of a multipart body
	maxAddr      = 64            // bytes of an address with its port and zone
	maxShape     = 160           // bytes shown of what a line that cannot be read looks like: as much as fits on two lines of a terminal
	maxDepth     = 32            // nesting of JSON: nothing deeper than two levels is ever used
)
