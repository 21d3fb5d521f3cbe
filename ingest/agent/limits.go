package agent

const (
	// maxLength is how many bytes of a header are read. Real ones stay below 400; a longer one may be meant to keep
	// the parser busy.
	maxLength = 512

	// cacheSlots bounds the memory of the parser to about 1.5 MB. A small site sees a few hundred different headers a
	// day; of a large one's, these hold those that come often.
	cacheSlots = 8192

	// maxVersionPart is how many digits a part of a version may have. Longer ones are build numbers, which can tell
	// one device from another.
	maxVersionPart = 5

	// maxListed bounds the crawler list, whose entries are numbered with 16 bits.
	maxListed = 1 << 16
)
