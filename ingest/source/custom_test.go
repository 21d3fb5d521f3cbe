package source_test

import (
	"slices"
	"strings"
	"testing"

	"footfall/ingest/source"
)

// custom are the names that clients of the Events API expect beside those of the list of referrers: a name, and what stands for it. What has a
// dot is a host, and comes as a referrer too.
var custom = map[string]string{
	"Bluesky":           "bsky.app, go.bsky.app",
	"Reddit":            "android-app://com.reddit.frontpage, reddit-ads",
	"Baidu":             "baidu.com",
	"ChatGPT":           "chatgpt.com, chat.openai.com",
	"Claude":            "claude.ai",
	"Microsoft Copilot": "copilot.microsoft.com, copilot.com, copilot",
	"DeepSeek":          "deepseek.com",
	"Google Gemini":     "gemini.google.com",
	"Grok":              "grok.com, x.ai",
	"Phind":             "phind.com",
	"Perplexity":        "perplexity.ai, pplx.ai",
	"Mastodon": "chaos.social, fosstodon.org, hachyderm.io, indieweb.social, infosec.exchange, mas.to, mastodon.online, mastodon.social, mastodon.world, mathstodon.xyz, " +
		"mstdn.jp, mstdn.social, scholar.social, sigmoid.social, social.tchncs.de, android-app://org.joinmastodon.android",
	"Discord":         "discord.com, discordapp.com, ptb.discord.com, canary.discord.com",
	"Linktree":        "linktr.ee",
	"Sogou":           "sogou.com, m.sogou.com, wap.sogou.com",
	"Kagi":            "kagi.com",
	"Threads":         "l.threads.com",
	"Bing":            "ntp.msn.com",
	"Brave":           "search.brave.com",
	"Microsoft Teams": "statics.teams.cdn.office.net, teams.microsoft.com",
	"Telegram":        "t.me, webk.telegram.org",
	"Yandex":          "ya.ru, yandex.com.tr, yandex.eu, yandex.fr, yandex.kz, yandex.tm, yandex.uz",
	"Wikipedia":       "wikipedia, en.wikipedia.org, wikipedia.org",
	"Microsoft 365":   "officeapps.live.com, word-edit.officeapps.live.com",
	"Facebook":        "fb, fb-ads, fbads, fbad, facebook-ads, facebook_ads, fcb, facebook_ad, facebook_feed_ad",
	"Instagram":       "ig",
	"Youtube":         "yt, yt-ads",
	"Google":          "google_ads, google-ads, googleads, gads, google ads, adwords",
	"X (Twitter)":     "x.com, mobile.twitter.com, twitter-ads, twitter",
	"TikTok":          "tiktokads, tik.tok",
}

// families are known by their hosts, not by their tags.
var families = []string{"en.wikipedia.org", "wikipedia.org", "officeapps.live.com", "word-edit.officeapps.live.com"}

func TestCustomNames(t *testing.T) {
	table := mustTable(t)
	for name, keys := range custom {
		for key := range strings.SplitSeq(keys, ", ") {
			if strings.Contains(key, ".") && key != "tik.tok" {
				referrer := key
				if !strings.Contains(key, "://") {
					referrer = "https://www." + strings.ToUpper(key) + "/some/page?q=1"
				}
				if got := table.Attribute(source.Tags{Host: "example.com"}, referrer).Source; got != name {
					t.Errorf("from %s: got %q, want %q", referrer, got, name)
				}
			}
			if slices.Contains(families, key) {
				continue
			}
			for _, tag := range []string{key, strings.ToUpper(key), name, strings.ToLower(name)} {
				got := table.Attribute(source.Tags{Host: "example.com", Source: tag}, "")
				if got.Source != name || got.UTMSource != tag {
					t.Errorf("tagged %s: got %q as %q, want %q", tag, got.Source, got.UTMSource, name)
				}
			}
		}
	}
	if got := table.Attribute(source.Tags{Source: "Some Letter"}, "https://google.com/").Source; got != "Some Letter" {
		t.Errorf("an unknown tag: got %q", got)
	}
}
