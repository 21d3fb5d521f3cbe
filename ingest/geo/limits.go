package geo

import "time"

const (
	// maxName bounds a text of the database in bytes, so that a strange file cannot bloat the stored days. The longest
	// names of places stay below 100.
	maxName = 200

	// cacheSlots bounds the remembered places. A database of countries has about 250 records, one of cities more than
	// these hold, but most visitors come from few places. A prime, for the offsets of records are not random.
	cacheSlots = 4093

	// maxFile is the largest database file that is read, in bytes. The largest free ones, of cities, are below 200 MB.
	maxFile = 2 << 30

	// maxFiles bounds the databases in use at a time: places and networks, for each version of the protocol, and some.
	maxFiles = 8

	// sampled is how many records of a file are looked at to tell what it holds. Among so many, one has a city if any has.
	sampled = 2000

	// maxSampled bounds the networks, with a record or without, that are walked through for that.
	maxSampled = 1 << 20

	// lookEvery is the time between two looks at the files. A file that changes is used two looks later.
	lookEvery = 10 * time.Second

	// maxHeader is how many bytes of an Accept-Language header are read. Browsers send less than 100.
	maxHeader = 512
)
