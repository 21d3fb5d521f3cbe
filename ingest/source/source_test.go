package source_test

import (
	"io/fs"
	"strings"
	"testing"
	"unicode/utf8"

	"footfall/assets"
	"footfall/ingest/source"

	"github.com/google/go-cmp/cmp"
)

func mustTable(t testing.TB) *source.Table {
	t.Helper()
	data, err := fs.ReadFile(assets.Dist, "data/sources.tsv")
	if err != nil {
		t.Fatalf("run make assets: %v", err)
	}
	table, err := source.New(data)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// Referrers alone: what is stored, and the name of the source.
func TestReferrers(t *testing.T) {
	table := mustTable(t)
	for _, tt := range []struct{ referrer, stored, source string }{
		{"", "", ""},
		{"https://www.google.com/", "google.com", "Google"},
		{"https://www.google.de/search?q=secret#frag", "google.de/search", "Google"},
		{"https://www.google.co.uk/imgres?imgurl=x", "google.co.uk/imgres", "Google Images"},
		{"https://www.google.co.uk/imgresult", "google.co.uk/imgresult", "Google"},
		{"https://mail.google.com/mail/u/0/", "mail.google.com/mail/u/0", "Gmail"},
		{"https://t.co/AbCdEf", "t.co/AbCdEf", "X (Twitter)"},
		{"https://x.com/", "x.com", "X (Twitter)"},
		{"https://l.facebook.com/l.php?u=https%3A%2F%2Fexample.com", "l.facebook.com/l.php", "Facebook"},
		{"https://news.ycombinator.com/item?id=1", "news.ycombinator.com/item", "Hacker News"},
		{"https://out.reddit.com/t3_x", "out.reddit.com/t3_x", "Reddit"},
		{"https://www.linkedin.com/", "linkedin.com", "LinkedIn"},
		{"https://duckduckgo.com/", "duckduckgo.com", "DuckDuckGo"},
		{"https://search.brave.com/", "search.brave.com", "Brave"},
		{"https://www.ecosia.org/", "ecosia.org", "Ecosia"},
		{"https://github.com/a/b/", "github.com/a/b", "GitHub"},
		{"https://chatgpt.com/", "chatgpt.com", "ChatGPT"},
		{"https://www.perplexity.ai/", "perplexity.ai", "Perplexity"},
		{"https://gemini.google.com/app", "gemini.google.com/app", "Google Gemini"},
		{"https://copilot.microsoft.com/", "copilot.microsoft.com", "Microsoft Copilot"},
		{"https://mastodon.social/@a", "mastodon.social/@a", "Mastodon"},
		{"https://go.bsky.app/", "go.bsky.app", "Bluesky"},
		{"https://pt.wikipedia.org/wiki/Rio", "pt.wikipedia.org/wiki/Rio", "Wikipedia"},
		{"https://word-edit.officeapps.live.com/we", "word-edit.officeapps.live.com/we", "Microsoft 365"},
		{"https://someone.substack.com/p/x", "someone.substack.com/p/x", "Substack"},
		{"android-app://com.reddit.frontpage/", "android-app://com.reddit.frontpage", "Reddit"},
		{"android-app://com.google.android.gm", "android-app://com.google.android.gm", "Gmail"},
		{"android-app://com.example.Reader/https/x", "android-app://com.example.Reader/https/x", "com.example.Reader"},
		{"https://www.other.example.org/Path//", "other.example.org/Path", "other.example.org"},
		{"HTTPS://User:Secret@Other.Example.org.:8443/a?b=c@d#e", "other.example.org/a", "other.example.org"},
		{"https://notgoogle.community/", "notgoogle.community", "notgoogle.community"},
		{"http://[2001:db8::1]:8080/x", "[2001:db8::1]/x", "[2001:db8::1]"},
		{`https://evil.example\@google.com/`, `evil.example\@google.com`, "evil.example"},
		{"https://claude.com/", "claude.com", "Claude"},
		{"https://chat.qwen.ai/c/1", "chat.qwen.ai/c/1", "Qwen"},
		{"https://notebooklm.google.com/", "notebooklm.google.com", "NotebookLM"},
		{"https://huggingface.co/chat/", "huggingface.co/chat", "HuggingChat"},
		{"https://huggingface.co/models", "huggingface.co/models", "huggingface.co"},
		{"https://yiyan.baidu.com/", "yiyan.baidu.com", "Ernie Bot"},
		{"https://troet.cafe/@a", "troet.cafe/@a", "Mastodon"},
		{"https://bsky.social/", "bsky.social", "Bluesky"},
		{"https://deref-gmx.net/mail/client/x", "deref-gmx.net/mail/client/x", "GMX Mail"},
		// Not referrers.
		{"https://example.com/other", "", ""},
		{"https://www.example.com/other", "", ""},
		{"http://localhost:3000/", "", ""},
		{"ftp://other.example.org/", "", ""},
		{"data:text/html,x", "", ""},
		{"https://", "", ""},
		{"https:///path", "", ""},
		{"//other.example.org/", "", ""},
		{"https://jane doe/", "", ""},
		{"https://<script>/", "", ""},
		{"https://a:b:c/", "", ""},
		{"https://" + strings.Repeat("a", 300) + "/", "", ""},
	} {
		got := table.Attribute(source.Tags{Host: "example.com"}, tt.referrer)
		if got.Referrer != tt.stored || got.Source != tt.source {
			t.Errorf("%q: referrer %q, source %q; want %q, %q", tt.referrer, got.Referrer, got.Source, tt.stored, tt.source)
		}
	}
	if got := table.Attribute(source.Tags{Host: "www.Example.com"}, "https://example.com/"); got.Referrer != "" {
		t.Errorf("a site refers to itself: %+v", got)
	}
	if got := table.Attribute(source.Tags{Host: "example.com"}, "https://blog.example.com/"); got.Source != "blog.example.com" {
		t.Errorf("a neighbour is no source: %+v", got)
	}
}

func TestAttribute(t *testing.T) {
	table := mustTable(t)
	for _, tt := range []struct {
		query, referrer string
		want            source.Attribution
	}{
		{"", "", source.Attribution{Channel: "Direct"}},
		{"page=2&token=secret", "https://www.bing.com/search?q=x",
			source.Attribution{Source: "Bing", Referrer: "bing.com/search", Channel: "Organic Search"}},
		{"utm_source=newsletter&utm_medium=email&utm_campaign=May+2026&utm_content=top%20link&utm_term=a%2Bb", "https://mail.google.com/",
			source.Attribution{Source: "newsletter", Referrer: "mail.google.com", Channel: "Email", UTMSource: "newsletter", UTMMedium: "email",
				UTMCampaign: "May 2026", UTMContent: "top link", UTMTerm: "a+b"}},
		{"ref=ProductHunt", "", source.Attribution{Source: "ProductHunt", UTMSource: "ProductHunt", Channel: "Organic Social"}},
		{"ref=a&source=b", "", source.Attribution{Source: "b", UTMSource: "b", Channel: "Referral"}},
		{"ref=a&source=b&utm_source=c&utm_source=d", "", source.Attribution{Source: "d", UTMSource: "d", Channel: "Referral"}},
		{"utm_source=&ref=x", "", source.Attribution{Source: "x", UTMSource: "x", Channel: "Referral"}},
		{"UTM_Source=x", "", source.Attribution{Channel: "Direct"}},
		{"utm_source=TWITTER", "", source.Attribution{Source: "X (Twitter)", UTMSource: "TWITTER", Channel: "Organic Social"}},
		{"utm_source=ig", "", source.Attribution{Source: "Instagram", UTMSource: "ig", Channel: "Organic Social"}},
		{"utm_source=chatgpt.com", "", source.Attribution{Source: "ChatGPT", UTMSource: "chatgpt.com", Channel: "AI Assistants"}},
		{"utm_source=fb-ads", "", source.Attribution{Source: "Facebook", UTMSource: "fb-ads", Channel: "Paid Social"}},
		{"utm_source=adwords", "", source.Attribution{Source: "Google", UTMSource: "adwords", Channel: "Paid Search"}},
		{"gclid=secret", "https://www.google.com/",
			source.Attribution{Source: "Google", Referrer: "google.com", Channel: "Paid Search", UTMMedium: "(gclid)", ClickID: "gclid"}},
		{"gclid=secret&utm_medium=organic", "https://www.google.com/",
			source.Attribution{Source: "Google", Referrer: "google.com", Channel: "Paid Search", UTMMedium: "organic", ClickID: "gclid"}},
		{"fbclid=x&msclkid=y", "https://www.bing.com/",
			source.Attribution{Source: "Bing", Referrer: "bing.com", Channel: "Paid Search", UTMMedium: "(msclkid)", ClickID: "msclkid"}},
		{"msclkid=y", "https://www.google.com/",
			source.Attribution{Source: "Google", Referrer: "google.com", Channel: "Organic Search", ClickID: "msclkid"}},
		{"fbclid=x", "https://l.instagram.com/?u=1",
			source.Attribution{Source: "Instagram", Referrer: "l.instagram.com", Channel: "Organic Social", ClickID: "fbclid"}},
		{"utm_source=%zz%ff&ref", "", source.Attribution{Source: "%zz\uFFFD", UTMSource: "%zz\uFFFD", Channel: "Referral"}},
	} {
		got := table.Attribute(source.ReadTags("example.com", tt.query), tt.referrer)
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%q from %q (-want +got):\n%s", tt.query, tt.referrer, diff)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	for _, data := range []string{"", "footfall-sources 2\n", "footfall-sources 1\ne\tx\n", "footfall-sources 1\nz\tx\ty\n", "footfall-sources 1\nc\tx\tnews\n", "footfall-sources 1\nh\t\ty\n"} {
		if _, err := source.New([]byte(data)); err == nil {
			t.Errorf("New(%q) took it", data)
		}
	}
	table, err := source.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	got := table.Attribute(source.Tags{}, "https://www.google.com/x")
	if want := (source.Attribution{Source: "google.com", Referrer: "google.com/x", Channel: "Referral"}); got != want {
		t.Errorf("without names: %+v, want %+v", got, want)
	}
}

func FuzzSource(f *testing.F) {
	table := mustTable(f)
	f.Add("example.com", "utm_source=a&gclid=b", "https://www.google.com/search?q=x")
	f.Add("www.example.com", "ref=%41%zz&&=&utm_medium", "android-app://com.google.android.gm")
	f.Add("", "", `http://u:p@[::1]:80\..\?#`)
	f.Fuzz(func(t *testing.T, host, query, referrer string) {
		a := table.Attribute(source.ReadTags(host, query), referrer)
		for _, s := range []string{a.Source, a.Referrer, a.UTMSource, a.UTMMedium, a.UTMCampaign, a.UTMContent, a.UTMTerm} {
			if !utf8.ValidString(s) {
				t.Errorf("%q is no text", s)
			}
		}
		if strings.ContainsAny(a.Referrer, "?#") {
			t.Errorf("referrer %q of %q keeps a query", a.Referrer, referrer)
		}
		if a.Channel == "" {
			t.Error("no channel")
		}
		if a.Channel != table.Channel(a.Source, a.UTMMedium, a.UTMCampaign, a.UTMSource, a.ClickID) {
			t.Error("the channel does not follow from what is stored")
		}
	})
}

func BenchmarkAttribute(b *testing.B) {
	table := mustTable(b)
	for name, c := range map[string]struct{ query, referrer string }{
		"direct":   {"", ""},
		"search":   {"", "https://www.google.com/"},
		"unknown":  {"", "https://blog.some-site.example.org/2026/05/a-page.html?x=y"},
		"campaign": {"utm_source=newsletter&utm_medium=email&utm_campaign=may&page=2", "https://mail.google.com/"},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				table.Attribute(source.ReadTags("example.com", c.query), c.referrer)
			}
		})
	}
}
