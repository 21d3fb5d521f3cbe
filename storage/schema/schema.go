// Package schema is the one table of what Footfall stores: a line a column, with its stored name, its name in
// the query language and its meaning. Everything that loops over columns (journal, sealed days, queries, import,
// export) loops over this table, so a new column is one new line.
package schema

// Site is the number of a site. Numbers start at 1 and are never given twice. 0 stands for what belongs to no site.
type Site uint32

// ID is a column's number in stored days. It is part of the file format: never renumber, only append.
type ID uint8

// Attributes of a visit, taken from its first event and kept for the whole visit.
const (
	Source ID = iota
	Referrer
	Channel
	UTMMedium
	UTMSource
	UTMCampaign
	UTMContent
	UTMTerm
	ClickID
	Country
	Region
	City
	Device
	Browser
	BrowserVersion
	OS
	OSVersion
	Language

	// NumAttributes is how many columns above are attributes; they are the first ones, so an ID below it indexes Attributes.
	NumAttributes = iota
)

// The other columns.
const (
	EntryPage ID = NumAttributes + iota
	ExitPage
	EntryHostname
	ExitHostname
	VisitStart
	VisitDuration
	VisitPageviews
	VisitEvents
	VisitBounce
	VisitVisitor
	VisitRows

	EventTime
	EventName
	EventHostname
	EventPage
	EventInteractive
	EventScrollDepth
	EventEngagement
	EventRevenueAmount
	EventRevenueCurrency
	EventProps

	// NumColumns is the number of columns known to this version.
	NumColumns = NumAttributes + iota
)

// Attributes holds the attribute columns of one visit, indexed by ID. The empty string means unknown or none.
type Attributes [NumAttributes]string

// Level says what a column has one value for.
type Level uint8

// The levels.
const (
	Visit Level = iota
	Event
)

// Kind says what a column's values are.
type Kind uint8

// The kinds.
const (
	String  Kind = iota // a dictionary code
	Number              // an unsigned number of at most 32 bits
	Sparse              // a dictionary code for some rows only
	Derived             // computed from other columns of the same day, never stored
)

// Column describes one column.
type Column struct {
	ID    ID
	Name  string // in NDJSON, in `inspect` and in documentation
	Level Level
	Kind  Kind
	// API is the dimension's name in the query language, "" where the column is no dimension.
	API string
	// Empty is what the query language shows, and accepts in a filter, for the empty value.
	Empty string
	Help  string
}

const (
	direct = "Direct / None"
	notSet = "(not set)"
	// NoProp is how the query language writes a missing custom property.
	NoProp = "(none)"
)

// Columns is the table, in the order of the IDs.
var Columns = [NumColumns]Column{
	Source:         {Source, "source", Visit, String, "visit:source", direct, "where the visit came from, by name"},
	Referrer:       {Referrer, "referrer", Visit, String, "visit:referrer", direct, "referring host and path, without query"},
	Channel:        {Channel, "channel", Visit, String, "visit:channel", "Direct", "kind of source, derived from source, tags and click id"},
	UTMMedium:      {UTMMedium, "utm_medium", Visit, String, "visit:utm_medium", notSet, "campaign tag utm_medium"},
	UTMSource:      {UTMSource, "utm_source", Visit, String, "visit:utm_source", notSet, "campaign tag utm_source, source or ref"},
	UTMCampaign:    {UTMCampaign, "utm_campaign", Visit, String, "visit:utm_campaign", notSet, "campaign tag utm_campaign"},
	UTMContent:     {UTMContent, "utm_content", Visit, String, "visit:utm_content", notSet, "campaign tag utm_content"},
	UTMTerm:        {UTMTerm, "utm_term", Visit, String, "visit:utm_term", notSet, "campaign tag utm_term"},
	ClickID:        {ClickID, "click_id", Visit, String, "visit:click_id", notSet, "name (never the value) of an advertising click parameter"},
	Country:        {Country, "country", Visit, String, "visit:country", "", "ISO 3166-1 alpha-2"},
	Region:         {Region, "region", Visit, String, "visit:region", "", "ISO 3166-2"},
	City:           {City, "city", Visit, String, "visit:city", "", "GeoNames id or name"},
	Device:         {Device, "device", Visit, String, "visit:device", notSet, "Desktop, Mobile or Tablet"},
	Browser:        {Browser, "browser", Visit, String, "visit:browser", notSet, "browser name"},
	BrowserVersion: {BrowserVersion, "browser_version", Visit, String, "visit:browser_version", notSet, "browser version, major.minor"},
	OS:             {OS, "os", Visit, String, "visit:os", notSet, "operating system name"},
	OSVersion:      {OSVersion, "os_version", Visit, String, "visit:os_version", notSet, "operating system version, major.minor"},
	Language:       {Language, "language", Visit, String, "visit:language", notSet, "preferred language, such as en-GB"},

	EntryPage:      {EntryPage, "entry_page", Visit, Derived, "visit:entry_page", "", "page of the visit's first pageview"},
	ExitPage:       {ExitPage, "exit_page", Visit, Derived, "visit:exit_page", "", "page of the visit's last pageview"},
	EntryHostname:  {EntryHostname, "entry_hostname", Visit, Derived, "visit:entry_page_hostname", "", "host of the visit's first pageview"},
	ExitHostname:   {ExitHostname, "exit_hostname", Visit, Derived, "visit:exit_page_hostname", "", "host of the visit's last pageview"},
	VisitStart:     {VisitStart, "start", Visit, Derived, "", "", "time of the first event, seconds from the day's begin"},
	VisitDuration:  {VisitDuration, "duration", Visit, Derived, "", "", "seconds from the first to the last event, engagement aside"},
	VisitPageviews: {VisitPageviews, "pageviews", Visit, Derived, "", "", "number of pageviews"},
	VisitEvents:    {VisitEvents, "events", Visit, Derived, "", "", "number of events, engagement aside"},
	VisitBounce:    {VisitBounce, "bounce", Visit, Derived, "", "", "1 if the visit saw one page and did nothing on it"},
	VisitVisitor:   {VisitVisitor, "visitor_visits", Visit, Number, "", "", "how many visits each visitor has, a value a visitor"},
	VisitRows:      {VisitRows, "visit_rows", Visit, Number, "", "", "how many event rows each visit has"},

	EventTime:            {EventTime, "time", Event, Number, "", "", "first event of a visit: seconds from the day's begin; later ones: seconds since the one before"},
	EventName:            {EventName, "name", Event, String, "event:name", "", "event name"},
	EventHostname:        {EventHostname, "hostname", Event, String, "event:hostname", "", "host of the page, without www."},
	EventPage:            {EventPage, "pathname", Event, String, "event:page", "", "path of the page, without query"},
	EventInteractive:     {EventInteractive, "interactive", Event, Number, "", "", "0 for events that do not end a bounce"},
	EventScrollDepth:     {EventScrollDepth, "scroll_depth", Event, Number, "", "", "1 + percent of the page seen; 0 is unknown"},
	EventEngagement:      {EventEngagement, "engagement_ms", Event, Number, "", "", "milliseconds the page was visible and focused"},
	EventRevenueAmount:   {EventRevenueAmount, "revenue_amount", Event, Sparse, "", "", "decimal amount as it was sent"},
	EventRevenueCurrency: {EventRevenueCurrency, "revenue_currency", Event, Sparse, "", "", "ISO 4217 code"},
	EventProps:           {EventProps, "props", Event, Sparse, "event:props:", NoProp, "custom properties, a column a key"},
}

// ByAPI finds the column of a dimension name such as "visit:source". "visit:screen" is an older name of
// "visit:device". Custom properties ("event:props:plan") are not columns of this table; see PropPrefix.
func ByAPI(name string) (ID, bool) {
	if name == "visit:screen" {
		return Device, true
	}
	for id := range Columns {
		if c := &Columns[id]; c.API == name && name != "" && ID(id) != EventProps {
			return ID(id), true
		}
	}
	return 0, false
}

// PropPrefix starts the dimension name of a custom property.
const PropPrefix = "event:props:"
