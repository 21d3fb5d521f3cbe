// Package shield decides what is not counted, and names the reason why.
package shield

import "footfall/storage/schema"

// Reason says why a hit was not counted.
type Reason = schema.Reason

// The reasons.
const (
	NotFound        = schema.ReasonNotFound
	Bot             = schema.ReasonBot
	Invalid         = schema.ReasonInvalid
	NoVisit         = schema.ReasonNoVisit
	SpamReferrer    = schema.ReasonSpamReferrer
	DataCentre      = schema.ReasonDataCentre
	Throttle        = schema.ReasonThrottle
	BlockedAddress  = schema.ReasonAddress
	BlockedCountry  = schema.ReasonCountry
	BlockedPage     = schema.ReasonPage
	UnknownHostname = schema.ReasonHost
	IgnoredDevice   = schema.ReasonIgnoredDevice
)

// Hit is what the rules that hold for every site look at.
type Hit struct {
	Bot bool // the User-Agent parser's verdict
}

// Check returns the reason why h is not counted, "" if it is.
func Check(h Hit) Reason {
	if h.Bot {
		return Bot
	}
	return ""
}
