package account

import "time"

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

	scriptIDLength = 16 // characters of 5 bits: nobody finds the script of a site by guessing

	// MinRetention and MaxRetention bound how many days before today a site may keep. A week is what the shortest comparison needs, and
	// keeps a slip of the finger (7 for 700) from leaving nothing; a century is for ever.
	MinRetention = 7
	MaxRetention = 36_525

	// Rules of one site. Who blocks more single addresses than this is better served by networks; an address is looked up once for each length of prefix,
	// so a long list costs an event no more than a short one. Countries: all there are, and then some. Pages and hosts with * are compared one by one for
	// each event: a hundred cost some microseconds at worst, and a handful says what a hundred would.
	MaxAddressRules = 1_000
	MaxCountryRules = 300
	MaxPageRules    = 100
	MaxHostRules    = 100

	// MaxPattern is how many characters the pattern of a page has at most, and MaxNote a note: a line in a list.
	MaxPattern = 250
	MaxNote    = 200

	// DefaultAddressRate is how many events a minute of one address are let through where a site says nothing else. It is made for a school behind
	// one address: a thousand people who each open a page every twenty seconds, with the report of their time on the one before. No person comes near it,
	// and a program that wants to be seen in the numbers is stopped long before it fills the disk.
	DefaultAddressRate = 6_000
	// MaxRate is more than one machine of the kind this is made for takes; a limit above it limits nothing.
	MaxRate = 10_000_000

	// MaxEntries of the audit log are kept. People delete by hand: this is years of it, in two megabytes.
	MaxEntries = 10_000

	// touchEvery is how often a used token is written at most: an hour is all that a list of tokens needs to tell which are still in use.
	touchEvery = time.Hour
)
