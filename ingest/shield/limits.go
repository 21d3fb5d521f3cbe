package shield

import "time"

const (
	// maxHost is the longest name DNS can hold.
	maxHost = 253

	// maxList is how many bytes a list of the operator has at most: a million networks, which take twice as much in memory.
	maxList = 16 << 20

	// burst is how far, in microseconds, a sender may be ahead of an even pace: a rate is a number a minute, so it is a minute.
	burst = 60_000_000

	// 2^setBits sets of so many ways are half a megabyte for 65,536 addresses at once. At the usual rate an address needs its place for ten milliseconds after an
	// event, so that would be six million events a second from as many addresses; at one event a minute, a thousand a second.
	setBits = 14
	ways    = 4

	// timeBits hold nine years of microseconds. The rest of the 64 tell addresses of one set apart.
	timeBits = 48

	// lookEvery is how often a list is looked at: who changes it looks for the effect a little later.
	lookEvery = 10 * time.Second
)
