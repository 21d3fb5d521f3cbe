package source

const (
	// maxHost is the longest a host name can be.
	maxHost = 253

	// maxReferrer is how many bytes of host and path a referrer may have; a longer one is not kept. Clients are told
	// 2000 characters, of four bytes at most.
	maxReferrer = 8000
)
