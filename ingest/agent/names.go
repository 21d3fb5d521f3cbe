package agent

// client is a program that a mark in the header gives away: the mark is followed by its version.
type client struct {
	mark string
	name string
}

// app is the name of every page shown inside an app: which app it was says more about the reader than the site needs.
const app = "Mobile App"

// apps are marks of apps that show pages inside themselves. They come before browsers, whose marks they carry too.
var apps = []string{
	"FBAN/", "FBAV/", "FB_IAB", "MetaIAB", "Instagram ", "BytedanceWebview", "musical_ly", "TikTok", "Snapchat", "Pinterest/", "[Pinterest", "Pinterest for ",
	"LinkedInApp", "Twitter for ", "MicroMessenger/", "GSA/", "NAVER(", "KAKAOTALK", "Line/", "Reddit/", "WhatsApp/", "Viber/",
	"; wv)", "BingSapphire", "BingWeb", "YahooMobile", "DuckDuckGo-App", "Flipboard/", "Telegram-",
}

// browsers are those that the parsing library does not know, or takes for Chrome, Safari or Firefox. The first that is
// found counts.
var browsers = []client{
	{"YaBrowser/", "Yandex Browser"},
	{"UCBrowser/", "UC Browser"},
	{"UBrowser/", "UC Browser"},
	{"UCBrowser", "UC Browser"},
	{"UC Browser", "UC Browser"},
	{"UCWEB", "UC Browser"},
	{"QQBrowser", "QQ Browser"},
	{"MiuiBrowser/", "MIUI Browser"},
	{"Mint Browser/", "Mint Browser"},
	{"HuaweiBrowser/", "Huawei Browser Mobile"},
	{"DuckDuckGo/", "DuckDuckGo Privacy Browser"},
	{"Ddg/", "DuckDuckGo Privacy Browser"},
	{"Ecosia ios@", "Ecosia"},
	{"Ecosia android@", "Ecosia"},
	{"Ecosia", "Ecosia"},
	{"EdgiOS/", "Microsoft Edge"},
	{"EdgA/", "Microsoft Edge"},
	{"Edg/", "Microsoft Edge"},
	{"Edge/", "Microsoft Edge"},
	{"Vivaldi/", "Vivaldi"},
	{"Brave/", "Brave"},
	{"Whale/", "Whale Browser"},
	{"coc_coc_browser/", "Coc Coc"},
	{"VivoBrowser/", "vivo Browser"},
	{"HeyTapBrowser/", "HeyTapBrowser"},
	{"OculusBrowser/", "Oculus Browser"},
	{"Silk/", "Mobile Silk"},
	{"Puffin/", "Puffin"},
	{"SogouMobileBrowser/", "Sogou Mobile Browser"},
	{"MetaSr ", "Sogou Explorer"},
	{"QIHU 360", "360 Secure Browser"},
	{"360SE", "360 Secure Browser"},
	{"Avast/", "Avast Secure Browser"},
	{"AVG/", "AVG Secure Browser"},
	{"CCleaner/", "CCleaner Browser"},
	{"Maxthon", "Maxthon"},
	{"MxBrowser/", "Maxthon"},
	{"Iron/", "Iron"},
	{"Iron Safari", "Iron"},
	{"Konqueror/", "Konqueror"},
	{"konqueror/", "Konqueror"},
	{"SznProhlizec/", "Seznam Browser"},
	{"baidubrowser", "Baidu Browser"},
	{"BIDUBrowser", "Baidu Browser"},
	{"Comodo_Dragon/", "Comodo Dragon"},
	{"Sleipnir", "Sleipnir"},
	{"Otter/", "Otter Browser"},
	{"QupZilla/", "QupZilla"},
	{"qutebrowser/", "qutebrowser"},
	{"Midori/", "Midori"},
	{"Camino/", "Camino"},
	{"Basilisk/", "Basilisk"},
	{"IceCat/", "IceCat"},
	{"DolphinHDCN/", "Dolphin"},
	{"Dolphin/INT-", "Dolphin"},
	{"Dolphin/", "Dolphin"},
	{"SailfishBrowser/", "Sailfish Browser"},
	{"OviBrowser/", "Nokia Ovi Browser"},
	{"NokiaBrowser/", "Nokia Browser"},
	{"BrowserNG/", "Nokia Browser"},
	{"Obigo", "Obigo"},
	{"NetFront/", "NetFront"},
	{"Falkon/", "Falkon"},
	{"Epiphany/", "GNOME Web"},
	{"SeaMonkey/", "SeaMonkey"},
	{"PaleMoon/", "Pale Moon"},
	{"Waterfox/", "Waterfox"},
	{"LibreWolf/", "LibreWolf"},
	{"Iceweasel/", "Iceweasel"},
	{"Focus/", "Firefox Focus"},
	{"Klar/", "Firefox Focus"},
	{"Shiretoko/", "Firefox"},
	{"MozillaDeveloperPreview/", "Firefox"},
	{"Chromium/", "Chromium"},
}

// renamed maps the parsing library's names to ours. What is not in it is not a browser we name.
var renamed = map[string]string{
	"Chrome":            "Chrome",
	"Safari":            "Safari",
	"Mobile Safari":     "Safari",
	"Firefox":           "Firefox",
	"Edge":              "Microsoft Edge",
	"Opera":             "Opera",
	"Opera Mini":        "Opera",
	"Opera Touch":       "Opera",
	"Vivaldi":           "Vivaldi",
	"Samsung Browser":   "Samsung Browser",
	"Internet Explorer": "Internet Explorer",
	"Miui Browser":      "MIUI Browser",
	"Huawei Browser":    "Huawei Browser Mobile",
	"Android browser":   "Android Browser",
	"BlackBerry":        "BlackBerry Browser",
	"NetFront":          "NetFront",
	"Facebook App":      app,
	"Instagram App":     app,
	"TikTok App":        app,
}

// libraries are programs that speak HTTP without being a browser.
var libraries = []client{
	{"curl/", "curl"},
	{"libcurl-agent/", "curl"},
	{"Wget/", "Wget"},
	{"python-requests/", "Python Requests"},
	{"Python-urllib", "Python urllib"},
	{"aiohttp/", "aiohttp"},
	{"python-httpx/", "HTTPX"},
	{"Go-http-client/", "Go-http-client"},
	{"okhttp/", "OkHttp"},
	{"axios/", "Axios"},
	{"node-fetch", "Node Fetch"},
	{"undici", "undici"},
	{"got (", "got"},
	{"got/", "got"},
	{"GuzzleHttp/", "Guzzle (PHP HTTP Client)"},
	{"PHP-Curl-Class", "PHP cURL Class"},
	{"libwww-perl/", "Perl"},
	{"lwp-trivial/", "Perl"},
	{"Apache-HttpClient/", "Apache HTTP Client"},
	{"AHC/", "Async HTTP Client"},
	{"CustomAsyncHttpClient", "Async HTTP Client"},
	{"HttpUrlConnection", "Java"},
	{"Java/", "Java"},
	{"Jetty/", "Jetty"},
	{"Dart/", "Dart"},
	{"Faraday ", "Faraday"},
	{"rest-client/", "REST Client for Ruby"},
	{"RestSharp/", "RestSharp"},
	{"reqwest/", "reqwest"},
	{"PostmanRuntime/", "Postman Desktop"},
	{"insomnia/", "Insomnia"},
	{"HTTPie/", "HTTPie"},
	{"AnyEvent-HTTP/", "AnyEvent HTTP"},
	{"Pcore-HTTP/", "Pcore"},
}

// system is an operating system that a mark gives away.
type system struct {
	mark    string
	name    string
	numbers numbering
}

// numbering says where the version of a system stands.
type numbering uint8

const (
	unnumbered numbering = iota // nowhere, or it is one of something else
	follows                     // after the mark
	parsed                      // where the parsing library finds it, though it calls the system otherwise
	machine                     // after the mark and the machine: "CrOS x86_64 14541.0.0"
)

// systems are those that the parsing library does not know, or takes for a relative. The first that is found counts.
var systems = []system{
	{"Windows Phone", "Windows Phone", follows},
	{"ZuneWP7", "Windows Phone", unnumbered},
	{"; wds ", "Windows Phone", follows},
	{"Windows Mobile", "Windows Mobile", follows},
	{"Xbox", "Xbox", unnumbered},
	{"PlayStation ", "PlayStation", follows},
	{"Nintendo ", "Nintendo", follows},
	{"Tizen ", "Tizen", follows},
	{"GoogleTV", "Google TV", unnumbered},
	{"Roku/", "Roku OS", unnumbered},
	{"Web0S", "webOS", unnumbered},
	{"webOS/", "webOS", follows},
	{"hpwOS/", "webOS", follows},
	{"KAIOS/", "KaiOS", follows},
	{"KaiOS/", "KaiOS", follows},
	{"AppleTV", "tvOS", unnumbered},
	{"Apple TV", "tvOS", unnumbered},
	{"tvOS", "tvOS", follows},
	{"watchOS", "watchOS", follows},
	{"HarmonyOS", "HarmonyOS", follows},
	{"OpenHarmony ", "HarmonyOS", follows},
	{"CrOS ", "Chrome OS", machine},
	{"iPad", "iPadOS", parsed},
	{"Sailfish", "Sailfish OS", follows},
	{"JUC(", "Android", unnumbered},
	{"JUC (", "Android", unnumbered},
	{"; Adr ", "Android", follows},
	// Phones with Android have models of all names, such as BlackBerry and S60, so the others come after it.
	{"Android", "Android", parsed},
	{"BB10", "BlackBerry OS", unnumbered},
	{"BlackBerry", "BlackBerry OS", parsed},
	{"RIM Tablet OS", "BlackBerry Tablet OS", follows},
	{"MeeGo", "MeeGo", unnumbered},
	{"Maemo", "Maemo", unnumbered},
	{"Bada", "Bada", follows},
	{"Symb", "Symbian OS", unnumbered},
	{"Series60", "Symbian OS", unnumbered},
	{"Series 60", "Symbian OS", unnumbered},
	{"S60", "Symbian OS", unnumbered},
	{"BREW", "Brew", follows},
	{"Brew MP", "Brew", follows},
	{"BMP", "Brew", follows},
	{"Linux Mint", "Mint", unnumbered},
	{"Ubuntu", "Ubuntu", unnumbered},
	{"Fedora", "Fedora", unnumbered},
	{"Debian", "Debian", unnumbered},
	{"Red Hat", "Red Hat", unnumbered},
	{"CentOS", "CentOS", unnumbered},
	{"Mandriva", "Mandriva", unnumbered},
	{"Gentoo", "Gentoo", unnumbered},
	{"gentoo", "Gentoo", unnumbered},
	{"Slackware", "Slackware", unnumbered},
	{"FreeBSD", "FreeBSD", unnumbered},
	{"OpenBSD", "OpenBSD", unnumbered},
	{"NetBSD", "NetBSD", unnumbered},
	{"SunOS", "Solaris", unnumbered},
}

// lastSystems tell the system where nothing else does. The first that is found counts.
var lastSystems = []system{
	{"iPhone", "iOS", unnumbered},
	{"iPod", "iOS", unnumbered},
	{"iOS", "iOS", unnumbered},
	{"Android", "Android", follows},
	{"android", "Android", unnumbered},
	{"Mac OS X", "Mac", unnumbered},
	{"Macintosh", "Mac", unnumbered},
	{"Mac_PowerPC", "Mac", unnumbered},
	{"Windows", "Windows", unnumbered},
	{"Win 9x", "Windows", unnumbered},
	{"Win16", "Windows", unnumbered},
	{"freebsd", "FreeBSD", unnumbered},
	{"Linux", "GNU/Linux", unnumbered},
	{"linux", "GNU/Linux", unnumbered},
	// Apps of Apple's systems: only a Mac has such a processor.
	{"x86_64", "Mac", unnumbered},
	{"i386", "Mac", unnumbered},
	{"Darwin/", "iOS", unnumbered},
}

// renamedOS maps the parsing library's names of systems to ours.
var renamedOS = map[string]string{
	"Windows":       "Windows",
	"Windows Phone": "Windows Phone",
	"macOS":         "Mac",
	"iOS":           "iOS",
	"Android":       "Android",
	"Linux":         "GNU/Linux",
	"FreeBSD":       "FreeBSD",
	"ChromeOS":      "Chrome OS",
	"BlackBerry":    "BlackBerry OS",
	"Harmony":       "HarmonyOS",
}

// windows maps the version of the kernel to the version people know. "11" says "10.0" too.
var windows = map[string]string{
	"10.0": "10",
	"6.3":  "8.1",
	"6.2":  "8",
	"6.1":  "7",
	"6.0":  "Vista",
	"5.2":  "XP",
	"5.1":  "XP",
	"5.0":  "2000",
}

// televisions are marks of screens on a wall; they count as Desktop, as consoles do. In lower case.
var televisions = []string{"smart-tv", "smarttv", "googletv", "android tv", "appletv", "bravia", "hbbtv", "crkey", "; aft", "web0s", "viera", "roku"}

// consoles are marks of game consoles, in lower case.
var consoles = []string{"playstation", "xbox", "nintendo"}
