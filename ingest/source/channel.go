package source

import "strings"

// The channels.
const (
	CrossNetwork    = "Cross-network"
	Display         = "Display"
	PaidShopping    = "Paid Shopping"
	PaidSearch      = "Paid Search"
	PaidSocial      = "Paid Social"
	PaidVideo       = "Paid Video"
	PaidOther       = "Paid Other"
	OrganicShopping = "Organic Shopping"
	OrganicSocial   = "Organic Social"
	OrganicVideo    = "Organic Video"
	AIAssistants    = "AI Assistants"
	OrganicSearch   = "Organic Search"
	Email           = "Email"
	Affiliates      = "Affiliates"
	Audio           = "Audio"
	SMS             = "SMS"
	MobilePush      = "Mobile Push Notifications"
	Referral        = "Referral"
	Direct          = "Direct"
)

// category is what kind of place a source is.
type category uint8

const (
	uncategorised category = iota
	ai
	email
	search
	shopping
	social
	video
)

var categoryNames = map[string]category{"AI": ai, "email": email, "search": search, "shopping": shopping, "social": social, "video": video}

// Channel derives the channel of a visit from what is stored of it, without regard to case. The first rule that holds
// counts; the order is part of the meaning.
func (t *Table) Channel(source, medium, campaign, utmSource, clickID string) string {
	if source == "" && medium == "" && campaign == "" && utmSource == "" {
		return Direct // most visits; a click parameter alone means nothing
	}
	source, medium, campaign = strings.ToLower(source), strings.ToLower(medium), strings.ToLower(campaign)
	utmSource, clickID = strings.ToLower(utmSource), strings.ToLower(clickID)

	is := t.categories[source]
	shop := is == shopping || shopCampaign(campaign)
	paidMedium := paidMedium(medium)
	paid := paidMedium || t.paid[utmSource]

	switch {
	case strings.Contains(campaign, "cross-network"):
		return CrossNetwork
	case oneOf(medium, "display", "banner", "expandable", "interstitial", "cpm"):
		return Display
	case shop && paidMedium:
		return PaidShopping
	case is == search && paid, source == "google" && clickID == "gclid", source == "bing" && clickID == "msclkid":
		return PaidSearch
	case is == social && paid:
		return PaidSocial
	case is == video && paid:
		return PaidVideo
	case paidMedium:
		return PaidOther
	case shop:
		return OrganicShopping
	case is == social, oneOf(medium, "social", "social-network", "social-media", "sm", "social network", "social media"):
		return OrganicSocial
	case is == video, strings.Contains(medium, "video"):
		return OrganicVideo
	case is == ai:
		return AIAssistants
	case is == search:
		return OrganicSearch
	case is == email, mentionsEmail(utmSource), mentionsEmail(medium):
		return Email
	case medium == "affiliate":
		return Affiliates
	case medium == "audio":
		return Audio
	case utmSource == "sms", medium == "sms":
		return SMS
	case strings.HasSuffix(medium, "push"), strings.Contains(medium, "mobile"), strings.Contains(medium, "notification"), source == "firebase":
		return MobilePush
	case source != "", oneOf(medium, "referral", "app", "link"):
		return Referral
	}
	return Direct
}

func oneOf(s string, list ...string) bool {
	for _, other := range list {
		if s == other {
			return true
		}
	}
	return false
}

// paidMedium is the pattern (.*cp.*|ppc|retargeting|paid.*).
func paidMedium(medium string) bool {
	return strings.Contains(medium, "cp") || medium == "ppc" || medium == "retargeting" || strings.HasPrefix(medium, "paid")
}

// shopCampaign is the pattern (.*(([^a-df-z]|^)shop|shopping).*): "shopping" anywhere, or "shop" where a word begins or
// after an "e".
func shopCampaign(campaign string) bool {
	if strings.Contains(campaign, "shopping") {
		return true
	}
	for at := 0; ; {
		i := strings.Index(campaign[at:], "shop")
		if i < 0 {
			return false
		}
		i += at
		if i == 0 || campaign[i-1] == 'e' || campaign[i-1] < 'a' || campaign[i-1] > 'z' {
			return true
		}
		at = i + len("shop")
	}
}

func mentionsEmail(s string) bool {
	for _, word := range [...]string{"email", "e-mail", "e_mail", "e mail", "newsletter"} {
		if strings.Contains(s, word) {
			return true
		}
	}
	return false
}
