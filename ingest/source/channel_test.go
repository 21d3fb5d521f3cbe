package source_test

import "testing"

func TestChannel(t *testing.T) {
	table := mustTable(t)
	for _, tt := range []struct{ want, source, medium, campaign, utmSource, clickID string }{
		{"Cross-network", "Google", "cpc", "2026_Cross-Network_x", "", "gclid"},

		{"Display", "", "display", "", "", ""},
		{"Display", "", "Banner", "", "", ""},
		{"Display", "", "expandable", "", "", ""},
		{"Display", "", "interstitial", "", "", ""},
		{"Display", "Facebook", "cpm", "", "", ""}, // before Paid Social

		{"Paid Shopping", "amazon.de", "cpc", "", "", ""},
		{"Paid Shopping", "Google", "ppc", "my-shop-sale", "", ""}, // before Paid Search
		{"Paid Shopping", "Google", "paid", "eshop", "", ""},
		{"Paid Search", "Google", "paid", "workshop", "", ""},

		{"Paid Search", "Bing", "cpc", "", "", ""},
		{"Paid Search", "DuckDuckGo", "retargeting", "", "", ""},
		{"Paid Search", "Google", "", "", "adwords", ""},
		{"Paid Search", "Google", "(gclid)", "", "", "gclid"},
		{"Paid Search", "Bing", "(msclkid)", "", "", "msclkid"},
		{"Organic Search", "Google", "", "", "", "msclkid"},
		{"Organic Search", "Yahoo!", "", "", "", "gclid"},

		{"Paid Social", "Facebook", "paidsocial", "", "", ""},
		{"Paid Social", "Reddit", "", "", "reddit-ads", ""},
		{"Paid Social", "X (Twitter)", "ecpc", "", "", ""},
		{"Paid Video", "Youtube", "cpv, cpc", "", "", ""},
		{"Paid Video", "Youtube", "", "", "yt-ads", ""},
		{"Paid Other", "newsletter", "cpc", "", "", ""},
		{"Paid Other", "", "PPC", "", "", ""},

		{"Organic Shopping", "ebay.co.uk", "", "", "", ""},
		{"Organic Shopping", "blog", "email", "summer shopping", "", ""}, // before Email
		{"Organic Shopping", "", "", "shop", "", ""},
		{"Direct", "", "", "workshop", "", ""},

		{"Organic Social", "LinkedIn", "", "", "", ""},
		{"Organic Social", "Hacker News", "", "", "", ""},
		{"Organic Social", "Vkontakte", "", "", "", ""},
		{"Organic Social", "Mastodon", "email", "", "", ""}, // before Email
		{"Organic Social", "acme", "social-media", "", "", ""},
		{"Organic Social", "acme", "SM", "", "", ""},
		{"Organic Social", "Youtube", "social network", "", "", ""}, // before Organic Video

		{"Organic Video", "Youtube", "", "", "", ""},
		{"Organic Video", "Vimeo", "", "", "", ""},
		{"Organic Video", "acme", "in-video", "", "", ""},

		{"AI Assistants", "ChatGPT", "", "", "", ""},
		{"AI Assistants", "Claude", "referral", "", "", ""},
		{"AI Assistants", "Perplexity", "", "", "", ""},
		{"AI Assistants", "Microsoft Copilot", "", "", "", ""},
		{"AI Assistants", "Grok", "", "", "", ""},

		{"Organic Search", "Google", "organic", "", "", ""},
		{"Organic Search", "Brave", "", "", "", ""},
		{"Organic Search", "Kagi", "", "", "", ""},
		{"Organic Search", "Sogou", "", "", "", ""},
		{"Organic Search", "Ecosia", "", "", "", ""},

		{"Email", "Gmail", "", "", "", ""},
		{"Email", "acme", "e-mail", "", "", ""},
		{"Email", "acme", "e_mail", "", "", ""},
		{"Email", "acme", "E Mail", "", "", ""},
		{"Email", "acme", "", "", "Weekly-Newsletter", ""},
		{"Affiliates", "acme", "affiliate", "", "", ""},
		{"Audio", "acme", "audio", "", "", ""},
		{"SMS", "sms", "", "", "sms", ""},
		{"SMS", "acme", "sms", "", "", ""},
		{"Mobile Push Notifications", "acme", "web-push", "", "", ""},
		{"Mobile Push Notifications", "acme", "mobile", "", "", ""},
		{"Mobile Push Notifications", "acme", "notifications", "", "", ""},
		{"Mobile Push Notifications", "Firebase", "", "", "", ""},

		{"Referral", "lobste.example", "", "", "", ""},
		{"Referral", "Wikipedia", "", "", "", ""},
		{"Referral", "", "referral", "", "", ""},
		{"Referral", "", "app", "", "", ""},
		{"Referral", "", "link", "", "", ""},
		{"Direct", "", "", "", "", ""},
		{"Direct", "", "organic", "spring", "", "fbclid"},
	} {
		if got := table.Channel(tt.source, tt.medium, tt.campaign, tt.utmSource, tt.clickID); got != tt.want {
			t.Errorf("Channel(%q, %q, %q, %q, %q) = %q, want %q", tt.source, tt.medium, tt.campaign, tt.utmSource, tt.clickID, got, tt.want)
		}
	}
}
