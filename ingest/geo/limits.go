package geo

const (
	// maxName bounds a text of the database in bytes, so that a strange file cannot bloat the stored days. The longest
	// names of places stay below 100.
	maxName = 200

	// cacheSlots bounds the remembered places. A database of countries has about 250 records, one of cities more than
	// these hold, but most visitors come from few places. A prime, for the offsets of records are not random.
	cacheSlots = 4093

	// maxHeader is how many bytes of an Accept-Language header are read. Browsers send less than 100.
	maxHeader = 512
)
