package memory

const (
	// Least is the smallest whole that works: what is fixed, two passwords being hashed at 19 MiB each, and enough for a day of a small
	// site to be open, asked for and sealed.
	Least = 96 << 20

	// fixed is what a server without any data takes: the program's own tables, the places of addresses, connections. Measured: 29 MiB.
	// Of the remainder a quarter stays free for garbage: with less, the collector would run all the time.
	fixed = 32 << 20

	// machineShare of the machine's memory is the default: the other half is for the system, a proxy beside us, and the page cache that the data
	// file is read through. A control group has no system in it, but the page cache counts there too: cgroupShare of its limit.
	machineShare = 0.5
	cgroupShare  = 0.75

	// maxDefault keeps a large machine's memory for others: a store of 100 million events is fast with less. Who wants more says so.
	maxDefault = 2 << 30

	// fallback is the default where the machine does not say how much memory it has: that of 512 MiB.
	fallback = 256 << 20
)
