package schema

// Reason says why an event was not counted. Its name is stored with the counts, shown, and never changed.
type Reason string

// The reasons.
const (
	ReasonSpamReferrer  Reason = "spam_referrer"
	ReasonNotFound      Reason = "not_found"
	ReasonThrottle      Reason = "throttle"
	ReasonIgnoredDevice Reason = "ignored_device"
	ReasonDataCentre    Reason = "dc_ip"
	ReasonHost          Reason = "site_hostname_allowlist"
	ReasonPage          Reason = "site_page_blocklist"
	ReasonAddress       Reason = "site_ip_blocklist"
	ReasonCountry       Reason = "site_country_blocklist"
	ReasonBot           Reason = "bot"
	ReasonInvalid       Reason = "invalid"
	ReasonNoVisit       Reason = "no_session_for_engagement"
)

// Reasons lists every reason, in the order in which they are looked at, with a line that explains it to the owner of a site.
var Reasons = [...]struct {
	Reason Reason
	Help   string
}{
	{ReasonSpamReferrer, "the referrer is known for fake visits, which are made so that you look where they come from"},
	{ReasonNotFound, "the request names a site that is not set up here"},
	{ReasonThrottle, "more events came in a minute than the site lets through, in all or from one address"},
	{ReasonIgnoredDevice, "the browser followed the site's link not to be counted"},
	{ReasonDataCentre, "the address belongs to a data centre, where programs live and hardly any people"},
	{ReasonHost, "the page is on a host that the site's rules do not list"},
	{ReasonPage, "a rule of the site blocks the page"},
	{ReasonAddress, "a rule of the site blocks the address"},
	{ReasonCountry, "a rule of the site blocks the country"},
	{ReasonBot, "the User-Agent is that of a robot"},
	{ReasonInvalid, "the request is not a valid event"},
	{ReasonNoVisit, "time on page was reported without a visit it could belong to"},
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
