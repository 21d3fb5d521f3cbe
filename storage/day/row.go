package day

import "footfall/storage/schema"

// Names of events that mean something to the store; every other name is a custom event.
const (
	Pageview   = "pageview"
	Engagement = "engagement"
)

// NoScroll is the ScrollDepth of an event that tells none.
const NoScroll = 255

// Event is one event as it is stored. Nothing in it says who sent it.
type Event struct {
	Time         int64 // Unix seconds
	Name         string
	Hostname     string
	Pathname     string
	Interactive  bool
	ScrollDepth  uint8  // percent 0–100, or NoScroll
	EngagementMS uint32 // milliseconds visible and focused
	Props        []Prop // sorted by key, keys unique, values not empty
	Revenue      Revenue
}

// Prop is one custom property.
type Prop struct{ Key, Value string }

// Revenue is an amount of money; the zero value is none.
type Revenue struct {
	Amount   string // decimal, as it was sent
	Currency string // ISO 4217
}

// Row is one event placed into its visit. Visits of an open day are numbered from 0 in the order they begin.
type Row struct {
	Visit uint32
	New   *NewVisit // set exactly when Visit is the next unused number
	Event Event
}

// NewVisit is what a visit is given by its first event.
type NewVisit struct {
	Visitor    uint64 // see ingest/visitor; kept only while the day is open
	Attributes schema.Attributes
}
