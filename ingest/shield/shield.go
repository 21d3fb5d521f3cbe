// Package shield names what is not counted and why. A reason's name is stored with its count and shown on the
// dashboard, so names are never changed. Rules of a site (addresses, countries, pages, hosts, limits) join here.
package shield

// Reason says why a hit was not counted.
type Reason string

// The reasons.
const (
	NotFound        Reason = "not_found"
	Bot             Reason = "bot"
	Invalid         Reason = "invalid"
	NoVisit         Reason = "no_session_for_engagement"
	SpamReferrer    Reason = "spam_referrer"
	DataCentre      Reason = "dc_ip"
	Throttle        Reason = "throttle"
	BlockedAddress  Reason = "site_ip_blocklist"
	BlockedCountry  Reason = "site_country_blocklist"
	BlockedPage     Reason = "site_page_blocklist"
	UnknownHostname Reason = "site_hostname_allowlist"
)

// Reasons lists every reason with a line that explains it to the owner of a site.
var Reasons = [...]struct {
	Reason Reason
	Help   string
}{
	{NotFound, "the request names a site that is not set up here"},
	{Bot, "the User-Agent is that of a robot"},
	{Invalid, "the request is not a valid event"},
	{NoVisit, "time on page was reported without a visit it could belong to"},
	{SpamReferrer, "the referrer is known to send fake visits"},
	{DataCentre, "the address belongs to a data centre"},
	{Throttle, "more events came than the limit allows"},
	{BlockedAddress, "a rule of the site blocks the address"},
	{BlockedCountry, "a rule of the site blocks the country"},
	{BlockedPage, "a rule of the site blocks the page"},
	{UnknownHostname, "the page is on a host that the site does not list"},
}

// Help returns the line that explains r, "" for a reason this version does not know.
func (r Reason) Help() string {
	if i := r.Index(); i >= 0 {
		return Reasons[i].Help
	}
	return ""
}

// Index returns r's place in Reasons, −1 for a reason this version does not know. It is for counters.
func (r Reason) Index() int {
	for i := range Reasons {
		if Reasons[i].Reason == r {
			return i
		}
	}
	return -1
}

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
