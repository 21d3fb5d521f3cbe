package agent_test

import (
	"io/fs"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"footfall/assets"
	"footfall/ingest/agent"
	"footfall/ingest/workload"
)

func mustParser(t testing.TB) *agent.Parser {
	t.Helper()
	bots, err := fs.ReadFile(assets.Dist, "data/bots.txt")
	if err != nil {
		t.Fatalf("run make assets: %v", err)
	}
	p, err := agent.New(bots)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// people are headers of browsers, apps and HTTP libraries, with what must be kept of them.
var people = []struct {
	header string
	want   agent.Agent
}{
	{"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_13_4) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/70.0.3538.110 Safari/537.36",
		agent.Agent{Browser: "Chrome", BrowserVersion: "70.0", OS: "Mac", OSVersion: "10.13", Device: "Desktop"}},
	{"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36",
		agent.Agent{Browser: "Chrome", BrowserVersion: "138.0", OS: "Windows", OSVersion: "10", Device: "Desktop"}},
	{"Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Mobile Safari/537.36",
		agent.Agent{Browser: "Chrome", BrowserVersion: "138.0", OS: "Android", OSVersion: "10", Device: "Mobile"}},
	{"Mozilla/5.0 (Linux; Android 13; SM-X906C) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.6099.43 Safari/537.36",
		agent.Agent{Browser: "Chrome", BrowserVersion: "120.0", OS: "Android", OSVersion: "13", Device: "Tablet"}},
	{"Mozilla/5.0 (Linux; Android 9; CUBOT_X19) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Mobile Safari/537.36",
		agent.Agent{Browser: "Chrome", BrowserVersion: "120.0", OS: "Android", OSVersion: "9", Device: "Mobile"}},
	{"Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/126.0.6478.35 Mobile/15E148 Safari/604.1",
		agent.Agent{Browser: "Chrome", BrowserVersion: "126.0", OS: "iOS", OSVersion: "17.5", Device: "Mobile"}},
	{"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
		agent.Agent{Browser: "Chrome", BrowserVersion: "131.0", OS: "Chrome OS", OSVersion: "14541.0", Device: "Desktop"}},
	{"Mozilla/5.0 (iPhone; CPU iPhone OS 17_2_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.2 Mobile/15E148 Safari/604.1",
		agent.Agent{Browser: "Safari", BrowserVersion: "17.2", OS: "iOS", OSVersion: "17.2", Device: "Mobile"}},
	{"Mozilla/5.0 (iPad; CPU OS 16_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/16.6 Mobile/15E148 Safari/604.1",
		agent.Agent{Browser: "Safari", BrowserVersion: "16.6", OS: "iPadOS", OSVersion: "16.6", Device: "Tablet"}},
	{"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15",
		agent.Agent{Browser: "Safari", BrowserVersion: "18.5", OS: "Mac", OSVersion: "10.15", Device: "Desktop"}},
	{"Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
		agent.Agent{Browser: "Firefox", BrowserVersion: "128.0", OS: "Ubuntu", Device: "Desktop"}},
	{"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
		agent.Agent{Browser: "Firefox", BrowserVersion: "140.0", OS: "GNU/Linux", Device: "Desktop"}},
	{"Mozilla/5.0 (Windows NT 6.1; WOW64; rv:115.0) Gecko/20100101 Firefox/115.0",
		agent.Agent{Browser: "Firefox", BrowserVersion: "115.0", OS: "Windows", OSVersion: "7", Device: "Desktop"}},
	{"Mozilla/5.0 (Android 14; Mobile; rv:127.0) Gecko/127.0 Firefox/127.0",
		agent.Agent{Browser: "Firefox", BrowserVersion: "127.0", OS: "Android", OSVersion: "14", Device: "Mobile"}},
	{"Mozilla/5.0 (Android 13; Tablet; rv:127.0) Gecko/127.0 Firefox/127.0",
		agent.Agent{Browser: "Firefox", BrowserVersion: "127.0", OS: "Android", OSVersion: "13", Device: "Tablet"}},
	{"Mozilla/5.0 (iPhone; CPU iPhone OS 14_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) FxiOS/127.0 Mobile/15E148 Safari/605.1.15",
		agent.Agent{Browser: "Firefox", BrowserVersion: "127.0", OS: "iOS", OSVersion: "14.5", Device: "Mobile"}},
	{"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36 Edg/126.0.2592.61",
		agent.Agent{Browser: "Microsoft Edge", BrowserVersion: "126.0", OS: "Windows", OSVersion: "10", Device: "Desktop"}},
	{"Mozilla/5.0 (Linux; Android 10; HD1913) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.6478.50 Mobile Safari/537.36 EdgA/124.0.2478.64",
		agent.Agent{Browser: "Microsoft Edge", BrowserVersion: "124.0", OS: "Android", OSVersion: "10", Device: "Mobile"}},
	{"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/135.0.0.0 Safari/537.36 OPR/120.0.0.0",
		agent.Agent{Browser: "Opera", BrowserVersion: "120.0", OS: "Windows", OSVersion: "10", Device: "Desktop"}},
	{"Opera/9.80 (Android; Opera Mini/36.2.2254/119.132; U; id) Presto/2.12.423 Version/12.16",
		agent.Agent{Browser: "Opera", BrowserVersion: "36.2", OS: "Android", Device: "Mobile"}},
	{"Mozilla/5.0 (Linux; Android 14; SAMSUNG SM-S918B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/25.0 Chrome/121.0.0.0 Mobile Safari/537.36",
		agent.Agent{Browser: "Samsung Browser", BrowserVersion: "25.0", OS: "Android", OSVersion: "14", Device: "Mobile"}},
	{"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Safari/537.36 Vivaldi/6.7.3329.41",
		agent.Agent{Browser: "Vivaldi", BrowserVersion: "6.7", OS: "Windows", OSVersion: "10", Device: "Desktop"}},
	{"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/122.0.0.0 YaBrowser/24.4.0.0 Safari/537.36",
		agent.Agent{Browser: "Yandex Browser", BrowserVersion: "24.4", OS: "Windows", OSVersion: "10", Device: "Desktop"}},
	{"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Safari/605.1.15 Ddg/17.4",
		agent.Agent{Browser: "DuckDuckGo Privacy Browser", BrowserVersion: "17.4", OS: "Mac", OSVersion: "10.15", Device: "Desktop"}},
	{"Mozilla/5.0 (Linux; U; Android 11; en-us; M2004J19C Build/RP1A.200720.011) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/89.0.4389.116 Mobile Safari/537.36 XiaoMi/MiuiBrowser/12.18.2-gn",
		agent.Agent{Browser: "MIUI Browser", BrowserVersion: "12.18", OS: "Android", OSVersion: "11", Device: "Mobile"}},
	{"Mozilla/5.0 (Linux; Android 10; ELS-NX9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/99.0.4844.88 HuaweiBrowser/14.0.5.304 Mobile Safari/537.36",
		agent.Agent{Browser: "Huawei Browser Mobile", BrowserVersion: "14.0", OS: "Android", OSVersion: "10", Device: "Mobile"}},
	{"Mozilla/5.0 (Linux; U; Android 9; en-US; RMX1911) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/78.0.3904.108 UCBrowser/13.4.0.1306 Mobile Safari/537.36",
		agent.Agent{Browser: "UC Browser", BrowserVersion: "13.4", OS: "Android", OSVersion: "9", Device: "Mobile"}},
	{"Mozilla/5.0 (Windows NT 10.0; WOW64; Trident/7.0; rv:11.0) like Gecko",
		agent.Agent{Browser: "Internet Explorer", BrowserVersion: "11.0", OS: "Windows", OSVersion: "10", Device: "Desktop"}},
	{"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.0 Safari/605.1.15 Epiphany/605.1.15",
		agent.Agent{Browser: "GNOME Web", BrowserVersion: "605.1", OS: "GNU/Linux", Device: "Desktop"}},
	{"Mozilla/5.0 (Linux; Android 9; KFMAWI) AppleWebKit/537.36 (KHTML, like Gecko) Silk/120.2.6 like Chrome/120.0.6099.230 Safari/537.36",
		agent.Agent{Browser: "Mobile Silk", BrowserVersion: "120.2", OS: "Fire OS", Device: "Tablet"}},
	{"Mozilla/5.0 (SMART-TV; LINUX; Tizen 6.0) AppleWebKit/537.36 (KHTML, like Gecko) 76.0.3809.146/6.0 TV Safari/537.36",
		agent.Agent{OS: "Tizen", OSVersion: "6.0", Device: "Desktop"}},
	{"Mozilla/5.0 (PlayStation 4 10.01) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/13.0 Safari/605.1.15",
		agent.Agent{Browser: "Safari", BrowserVersion: "13.0", OS: "PlayStation", OSVersion: "4", Device: "Desktop"}},
	// Apps.
	{"Mozilla/5.0 (Linux; Android 13; Pixel 7 Build/TQ3A; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/120.0.0.0 Mobile Safari/537.36",
		agent.Agent{Browser: "Mobile App", OS: "Android", OSVersion: "13", Device: "Mobile"}},
	{"Mozilla/5.0 (Linux; Android 15; CPH2557 Build/AP3A.240617.008; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/142.0.7444.142 Mobile Safari/537.36 Instagram 406.0.0.58.159 Android",
		agent.Agent{Browser: "Mobile App", OS: "Android", OSVersion: "15", Device: "Mobile"}},
	{"Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/21F79 [FBAN/FBIOS;FBAV/468.0;FBDV/iPhone14,5]",
		agent.Agent{Browser: "Mobile App", OS: "iOS", OSVersion: "17.5", Device: "Mobile"}},
	{"Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
		agent.Agent{Browser: "Mobile App", OS: "iOS", OSVersion: "17.5", Device: "Mobile"}},
	// Libraries.
	{"curl/8.5.0", agent.Agent{Browser: "curl", BrowserVersion: "8.5"}},
	{"python-requests/2.32.3", agent.Agent{Browser: "Python Requests", BrowserVersion: "2.32"}},
	{"Go-http-client/1.1", agent.Agent{Browser: "Go-http-client", BrowserVersion: "1.1"}},
	{"okhttp/4.12.0", agent.Agent{Browser: "OkHttp", BrowserVersion: "4.12"}},
	{"node-fetch/1.0 (+https://github.com/bitinn/node-fetch)", agent.Agent{Browser: "Node Fetch", BrowserVersion: "1.0"}},
	// What says nothing we know.
	{"", agent.Agent{}},
	{"SomethingElse/12.5 jane@example.org", agent.Agent{}},
}

func TestPeople(t *testing.T) {
	p := mustParser(t)
	for _, tt := range people {
		for range 2 { // the second answer comes from memory
			if got := p.Parse(tt.header); got != tt.want {
				t.Errorf("Parse(%q)\n got %+v\nwant %+v", tt.header, got, tt.want)
			}
		}
	}
}

// The reference traffic says of each of its headers what it is.
func TestReferenceTraffic(t *testing.T) {
	p := mustParser(t)
	agents := workload.New(workload.Days, 1).Dictionary.Agents
	if len(agents) != 50 {
		t.Fatalf("%d agents, want 50", len(agents))
	}
	for _, want := range agents {
		got := p.Parse(want.UserAgent)
		version, _, _ := strings.Cut(want.Version, ".")
		major, _, _ := strings.Cut(got.BrowserVersion, ".")
		if got.Browser != want.Browser || major != version || got.OS != want.OS || got.Device != want.Device || got.Bot != "" {
			t.Errorf("Parse(%q) = %+v, want %+v", want.UserAgent, got, want)
		}
	}
}

func TestBots(t *testing.T) {
	p := mustParser(t)
	for header, want := range map[string]agent.Bot{
		"Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)":                                                   agent.Word,
		"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/120.0.0.0 Safari/537.36":              agent.Headless,
		"Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)":                     agent.Word,
		"Mozilla/5.0 (compatible; ChatGPT-User/1.0; +https://openai.com)":                                                            agent.Listed,
		"facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)":                                                  agent.Listed,
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/86 Safari/537.36 PingdomTMS/2020.2": agent.Listed,
		"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/96.0 Safari/537.36 PTST/211202":               agent.Listed,
		"sentry/21.4.1 (https://sentry.io)": agent.Listed,
		"SSL Labs":                          agent.Listed,
		"Baiduspider+(+http://www.baidu.com/search/spider.htm)": agent.Word,
		"Site24x7":            agent.Listed,
		"Uptime-Kuma/1.23.11": agent.Word,
		"my-collector/1.0 (+https://example.org/about)":                                                                     agent.Link,
		"Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120 Safari/537.36 Current; RSS Reader": agent.Listed,
		"SomeBot": agent.Word,
	} {
		if got := p.Parse(header); got.Bot != want {
			t.Errorf("Parse(%q).Bot = %q, want %q", header, got.Bot, want)
		} else if want != "" && got != (agent.Agent{Bot: want}) {
			t.Errorf("Parse(%q) = %+v, want nothing but the sign", header, got)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	for _, data := range []string{"", "footfall-bots 2\n", "footfall-bots 1\n=ab\n", "footfall-bots 1\n?abc\n", "footfall-bots 1\n~a(b\n"} {
		if _, err := agent.New([]byte(data)); err == nil {
			t.Errorf("New(%q) took it", data)
		}
	}
	p, err := agent.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := p.Parse("Googlebot/2.1").Bot; got != agent.Word {
		t.Errorf("without a list, Googlebot is %q", got)
	}
}

// What is remembered must not hold the header alive: no string of an answer may point into it.
func TestForgetsHeader(t *testing.T) {
	p := mustParser(t)
	for _, tt := range people {
		header := strings.Clone(tt.header)
		if header == "" {
			continue
		}
		lo := uintptr(unsafe.Pointer(unsafe.StringData(header)))
		hi := lo + uintptr(len(header))
		a := p.Parse(header)
		for _, s := range []string{a.Browser, a.BrowserVersion, a.OS, a.OSVersion, a.Device, string(a.Bot)} {
			at := uintptr(unsafe.Pointer(unsafe.StringData(s)))
			if s != "" && at >= lo && at < hi {
				t.Errorf("%q of %q is a part of the header", s, header)
			}
		}
	}
}

func TestConcurrent(t *testing.T) {
	p := mustParser(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 200 {
				for _, tt := range people {
					if got := p.Parse(tt.header); got != tt.want {
						t.Errorf("Parse(%q) = %+v", tt.header, got)
						return
					}
				}
			}
		})
	}
	wg.Wait()
}

func FuzzAgent(f *testing.F) {
	p := mustParser(f)
	for _, tt := range people {
		f.Add(tt.header)
	}
	f.Add("Mozilla/5.0 (CrOS x86_64 ; [[(((:http://:https://x Android")
	f.Fuzz(func(t *testing.T, header string) {
		a := p.Parse(header)
		if b := p.Parse(header); a != b {
			t.Errorf("%+v, then %+v", a, b)
		}
		for _, v := range []string{a.BrowserVersion, a.OSVersion} {
			if strings.Trim(v, "0123456789.") != "" && v != "Vista" && v != "XP" || len(v) > 11 {
				t.Errorf("version %q of %q", v, header)
			}
		}
		if len(a.Browser) > 30 || len(a.OS) > 20 || len(a.Device) > 7 {
			t.Errorf("%+v of %q", a, header)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	const header = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_2_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.2 Mobile/15E148 Safari/604.1"
	b.Run("cold", func(b *testing.B) {
		p := mustParser(b)
		b.ReportAllocs()
		for b.Loop() {
			agent.ParseCold(p, header)
		}
	})
	// The verdict of a header that is no bot's: everything was looked for in vain.
	b.Run("bot", func(b *testing.B) {
		p := mustParser(b)
		b.ReportAllocs()
		for b.Loop() {
			agent.BotCold(p, header)
		}
	})
	b.Run("known", func(b *testing.B) {
		p := mustParser(b)
		b.ReportAllocs()
		for b.Loop() {
			p.Parse(header)
		}
	})
}
