package account

// Limits of the book. It lives in memory whole, so each list ends somewhere.
const (
	MaxDomain = 253 // the longest name DNS can hold
	MaxEmail  = 254 // the longest address SMTP can carry
	MaxName   = 100 // of a token: a line in a list

	// MaxZoneChanges of one site: whoever looks for a day goes through them. Nobody moves so often.
	MaxZoneChanges = 100

	MaxSites           = 10_000 // a directory serves one owner; each site costs a key slot of 4 KiB in the vault
	MaxUsers           = 1_000
	MaxTokens          = 1_000
	MaxSessionsPerUser = 50 // browsers of one person; the one unused longest gives way

	// MinRetention and MaxRetention bound how many days before today a site may keep. A week is what the shortest comparison needs, and
	// keeps a slip of the finger (7 for 700) from leaving nothing; a century is for ever.
	MinRetention = 7
	MaxRetention = 36_525

	// MaxEntries of the audit log are kept. People delete by hand: this is years of it, in two megabytes.
	MaxEntries = 10_000
)
