package shield

import "time"

const (
	// maxHost is the longest name DNS can hold.
	maxHost = 253

	// maxList is how many bytes a list of the operator has at most: a million networks, which take twice as much in memory.
	maxList = 16 << 20

	// lookEvery is how often a list is looked at: who changes it looks for the effect a little later.
	lookEvery = 10 * time.Second
)
