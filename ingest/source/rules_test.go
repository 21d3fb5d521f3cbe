package source_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// visit is what a channel follows from, in lower case, with the category of the source.
type visit struct{ source, category, medium, campaign, utmSource, clickID string }

func oneOf(s string, list ...string) bool { return slices.Contains(list, s) }

// The patterns and lists of the rules, as they are published.
var (
	paidMedium   = regexp.MustCompile(`^(.*cp.*|ppc|retargeting|paid.*)$`)
	shopCampaign = regexp.MustCompile(`^(.*(([^a-df-z]|^)shop|shopping).*)$`)
	mailWords    = regexp.MustCompile(`email|e-mail|e_mail|e mail|newsletter`)
	paidSources  = strings.Split("fbad, fbads, fb-ads, facebook_ad, facebook-ads, facebook_ads, facebook_feed_ad, yt-ads, reddit-ads, google_ads, google-ads, googleads, gads, "+
		"google ads, twitter-ads, tiktokads, adwords", ", ")
)

// rules are the channels in their order, each by its rule alone: a second, slow way to say what channel.go says.
var rules = []struct {
	channel string
	holds   func(visit) bool
}{
	{"Cross-network", func(v visit) bool { return strings.Contains(v.campaign, "cross-network") }},
	{"Display", func(v visit) bool { return oneOf(v.medium, "display", "banner", "expandable", "interstitial", "cpm") }},
	{"Paid Shopping", func(v visit) bool { return shop(v) && paidMedium.MatchString(v.medium) }},
	{"Paid Search", func(v visit) bool {
		return v.category == "search" && paid(v) || v.source == "google" && v.clickID == "gclid" || v.source == "bing" && v.clickID == "msclkid"
	}},
	{"Paid Social", func(v visit) bool { return v.category == "social" && paid(v) }},
	{"Paid Video", func(v visit) bool { return v.category == "video" && paid(v) }},
	{"Paid Other", func(v visit) bool { return paidMedium.MatchString(v.medium) }},
	{"Organic Shopping", shop},
	{"Organic Social", func(v visit) bool {
		return v.category == "social" || oneOf(v.medium, "social", "social-network", "social-media", "sm", "social network", "social media")
	}},
	{"Organic Video", func(v visit) bool { return v.category == "video" || strings.Contains(v.medium, "video") }},
	{"AI Assistants", func(v visit) bool { return v.category == "AI" }},
	{"Organic Search", func(v visit) bool { return v.category == "search" }},
	{"Email", func(v visit) bool {
		return v.category == "email" || mailWords.MatchString(v.utmSource) || mailWords.MatchString(v.medium)
	}},
	{"Affiliates", func(v visit) bool { return v.medium == "affiliate" }},
	{"Audio", func(v visit) bool { return v.medium == "audio" }},
	{"SMS", func(v visit) bool { return v.utmSource == "sms" || v.medium == "sms" }},
	{"Mobile Push Notifications", func(v visit) bool {
		return strings.HasSuffix(v.medium, "push") || strings.Contains(v.medium, "mobile") || strings.Contains(v.medium, "notification") || v.source == "firebase"
	}},
	{"Referral", func(v visit) bool { return oneOf(v.medium, "referral", "app", "link") || v.source != "" }},
	{"Direct", func(visit) bool { return true }},
}

func shop(v visit) bool { return v.category == "shopping" || shopCampaign.MatchString(v.campaign) }

func paid(v visit) bool {
	return paidMedium.MatchString(v.medium) || oneOf(v.utmSource, paidSources...)
}

// Every combination of values that some rule looks at, and of some that come near: the first rule that holds names the
// channel, and each channel is reached.
func TestChannelRules(t *testing.T) {
	table := mustTable(t)
	categories := map[string]string{
		"": "", "acme": "", "Firebase": "", "Google": "search", "Bing": "search", "Kagi": "search", "Facebook": "social", "Mastodon": "social",
		"Youtube": "video", "amazon.de": "shopping", "Gmail": "email", "ChatGPT": "AI", "Claude": "AI",
	}
	media := strings.Split("|display|Banner|expandable|interstitial|cpm|xcpx|ppc|ppcs|retargeting|paid|paidsocial|unpaid|social|social-network|social-media|SM|social network|"+
		"social media|video|in-video|email|e-mail|E_Mail|e mail|newsletter|affiliate|affiliates|audio|sms|push|web-push|pushed|mobile|notifications|referral|app|link|organic|(gclid)", "|")
	campaigns := strings.Split("|spring|Cross-Network|shop|my-shop|eshop|workshop|Shopping|3shops|xshop eshop", "|")
	tags := append(strings.Split("|acme|sms|Newsletter|my-email|fb|fb-ad|ads|ADWORDS", "|"), paidSources[:4]...)
	clicks := []string{"", "gclid", "msclkid", "fbclid"}
	reached := map[string]int{}
	for source, category := range categories {
		for _, medium := range media {
			for _, campaign := range campaigns {
				for _, tag := range tags {
					for _, click := range clicks {
						v := visit{strings.ToLower(source), category, strings.ToLower(medium), strings.ToLower(campaign), strings.ToLower(tag), click}
						i := 0
						for !rules[i].holds(v) {
							i++
						}
						reached[rules[i].channel]++
						if got := table.Channel(source, medium, campaign, tag, click); got != rules[i].channel {
							t.Fatalf("Channel(%q, %q, %q, %q, %q) = %q, want %q", source, medium, campaign, tag, click, got, rules[i].channel)
						}
					}
				}
			}
		}
	}
	for _, tag := range paidSources {
		if got := table.Channel("Google", "", "", tag, ""); got != "Paid Search" {
			t.Errorf("%q is not paid: %s", tag, got)
		}
	}
	for _, r := range rules {
		if reached[r.channel] == 0 {
			t.Errorf("no case of %s", r.channel)
		}
	}
}
