package account

// Limits of the book. It lives in memory whole, so each list ends somewhere.
const (
	MaxDomain = 253 // the longest name DNS can hold
	MaxEmail  = 254 // the longest address SMTP can carry
	MaxName   = 100 // of a token: a line in a list

	MaxSites           = 10_000 // a directory serves one owner; each site costs a key slot of 4 KiB in the vault
	MaxUsers           = 1_000
	MaxTokens          = 1_000
	MaxSessionsPerUser = 50 // browsers of one person; the one unused longest gives way
)
