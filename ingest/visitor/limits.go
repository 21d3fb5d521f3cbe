package visitor

const (
	// era is half of the time that a census looks back at, in seconds: long enough for a small site to have visitors, short enough to forget
	// what has been mended.
	era = 2 * 60 * 60

	addressMarks = 1024 / 64 // for some hundreds of addresses; one or a few is all that matters
	agentMarks   = 256 / 64
)
