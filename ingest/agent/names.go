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
	"FBAN/", "FBAV/", "FB_IAB", "MetaIAB", "Instagram ", "BytedanceWebview", "musical_ly", "TikTok", "Snapchat", "Pinterest/", "[Pinterest",
	"LinkedInApp", "Twitter for ", "MicroMessenger/", "GSA/", "NAVER(", "KAKAOTALK", "Line/", "Reddit/", "WhatsApp/", "Viber/",
	"; wv)", "BingSapphire", "BingWeb", "YahooMobile", "DuckDuckGo-App", "Flipboard/", "Telegram-",
}

// browsers are those that the parsing library does not know, or takes for Chrome, Safari or Firefox. The first that is
// found counts.
var browsers = []client{
	{"YaBrowser/", "Yandex Browser"},
	{"UCBrowser/", "UC Browser"},
	{"UBrowser/", "UC Browser"},
	{"MQQBrowser/", "QQ Browser"},
	{"QQBrowser/", "QQ Browser"},
	{"MiuiBrowser/", "MIUI Browser"},
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
	{"Maxthon/", "Maxthon"},
	{"Iron/", "Iron"},
	{"Konqueror/", "Konqueror"},
	{"Falkon/", "Falkon"},
	{"Epiphany/", "GNOME Web"},
	{"SeaMonkey/", "SeaMonkey"},
	{"PaleMoon/", "Pale Moon"},
	{"Waterfox/", "Waterfox"},
	{"LibreWolf/", "LibreWolf"},
	{"Iceweasel/", "Iceweasel"},
	{"Focus/", "Firefox Focus"},
	{"Klar/", "Firefox Focus"},
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
	{"Wget/", "Wget"},
	{"python-requests/", "Python Requests"},
	{"Python-urllib/", "Python urllib"},
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

// systems are those that the parsing library does not know, or takes for a relative. The first that is found counts.
var systems = []client{
	{"Windows Phone ", "Windows Phone"},
	{"Xbox", "Xbox"},
	{"PlayStation ", "PlayStation"},
	{"Nintendo ", "Nintendo"},
	{"Tizen ", "Tizen"},
	{"Web0S", "webOS"},
	{"KAIOS/", "KaiOS"},
	{"AppleTV", "tvOS"},
	{"HarmonyOS", "HarmonyOS"},
	{"OpenHarmony ", "HarmonyOS"},
	{"CrOS ", "Chrome OS"},
	{"iPad", "iPadOS"},
	{"Ubuntu", "Ubuntu"},
	{"Fedora", "Fedora"},
	{"Debian", "Debian"},
	{"OpenBSD", "OpenBSD"},
	{"NetBSD", "NetBSD"},
	{"SunOS", "Solaris"},
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
