package wire_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"footfall/ingest/wire"
)

// logLine is what a line should be read as.
type logLine struct {
	time, addr, host, method, path, query string
	status                                int
	referrer, agent, languages, kind      string
}

const (
	firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
	safari  = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1"
)

var logCases = []struct {
	name   string
	format wire.LogFormat
	line   string
	want   logLine
}{
	{"apache common", wire.Common, `192.0.2.7 - frank [10/Oct/2025:13:55:36 -0700] "GET /a%20b/?utm_source=x HTTP/1.0" 200 2326`,
		logLine{time: "2025-10-10T20:55:36Z", addr: "192.0.2.7", method: "GET", path: "/a b/", query: "utm_source=x", status: 200}},
	{"a user of two words, no bytes", wire.Common, `2001:db8::1 - John Doe [01/Jan/2026:00:00:00 +0130] "HEAD / HTTP/1.1" 304 -`,
		logLine{time: "2025-12-31T22:30:00Z", addr: "2001:db8::1", method: "HEAD", path: "/", status: 304}},
	{"nginx combined", wire.Combined, `203.0.113.9 - - [29/Feb/2024:23:59:59 +0000] "GET /pricing HTTP/2.0" 200 5123 "https://www.google.com/" "` + firefox + `"`,
		logLine{time: "2024-02-29T23:59:59Z", addr: "203.0.113.9", method: "GET", path: "/pricing", status: 200, referrer: "https://www.google.com/", agent: firefox}},
	{"nginx main with a forwarded address behind", wire.Combined, `203.0.113.9 - - [29/Feb/2024:23:59:59 +0000] "GET / HTTP/1.1" 200 12 "-" "` + firefox + `" "198.51.100.1"`,
		logLine{time: "2024-02-29T23:59:59Z", addr: "203.0.113.9", method: "GET", path: "/", status: 200, agent: firefox}},
	{"quotes inside, as Apache writes them", wire.Combined, `203.0.113.9 - - [29/Feb/2024:00:00:01 +0000] "GET /\"x\" HTTP/1.1" 404 12 "-" "a \"b\" \\ \x41"`,
		logLine{time: "2024-02-29T00:00:01Z", addr: "203.0.113.9", method: "GET", path: `/"x"`, status: 404, agent: `a "b" \ A`}},
	{"noise of a scanner", wire.Combined, `203.0.113.9 - - [29/Feb/2024:00:00:01 +0000] "\x16\x03\x01\x02\x00" 400 157 "-" "-"`,
		logLine{time: "2024-02-29T00:00:01Z", addr: "203.0.113.9", status: 400}},
	{"no request at all", wire.Combined, `203.0.113.9 - - [29/Feb/2024:00:00:01 +0000] "-" 408 - "-" "-"`,
		logLine{time: "2024-02-29T00:00:01Z", addr: "203.0.113.9", status: 408}},
	{"apache vhost_combined", wire.VHost, `www.example.com:443 192.0.2.7 - - [10/Oct/2025:13:55:36 +0200] "GET /docs?x=1 HTTP/1.1" 200 2326 "-" "` + safari + `"`,
		logLine{time: "2025-10-10T11:55:36Z", addr: "192.0.2.7", host: "example.com", method: "GET", path: "/docs", query: "x=1", status: 200, agent: safari}},
	{"caddy", wire.Caddy, `{"level":"info","ts":1718000001.5241,"logger":"http.log.access.log0","msg":"handled request","request":{"remote_ip":"198.51.100.2","remote_port":"41342","client_ip":"192.0.2.7","proto":"HTTP/2.0","method":"GET","host":"example.com:8443","uri":"/b?ref=hn","headers":{"User-Agent":["` + firefox + `"],"Referer":["https://news.ycombinator.com/"],"Accept-Language":["de-DE,de;q=0.9"],"Cookie":["REDACTED"]},"tls":{"resumed":false,"version":772}},"bytes_read":0,"user_id":"","duration":0.0009,"size":10900,"status":200,"resp_headers":{"Server":["Caddy"],"Content-Type":["text/html; charset=utf-8"]}}`,
		logLine{time: "2024-06-10T06:13:21Z", addr: "192.0.2.7", host: "example.com", method: "GET", path: "/b", query: "ref=hn", status: 200,
			referrer: "https://news.ycombinator.com/", agent: firefox, languages: "de-DE,de;q=0.9", kind: "text/html; charset=utf-8"}},
	{"caddy of old, time as text", wire.Caddy, `{"level":"info","ts":"2024-06-10T08:13:21.123+0200","request":{"remote_addr":"192.0.2.7:51234","proto":"HTTP/1.1","method":"GET","host":"example.com","uri":"/","headers":{}},"status":200}`,
		logLine{time: "2024-06-10T06:13:21Z", addr: "192.0.2.7", host: "example.com", method: "GET", path: "/", status: 200}},
	{"nginx json", wire.NginxJSON, `{"time_local":"10/Jun/2024:08:13:21 +0200","remote_addr":"192.0.2.7","request":"GET /x?gclid=1 HTTP/1.1","status": "200","body_bytes_sent":"5","http_referrer":"","http_user_agent":"` + firefox + `","host":"shop.example.com"}`,
		logLine{time: "2024-06-10T06:13:21Z", addr: "192.0.2.7", host: "shop.example.com", method: "GET", path: "/x", query: "gclid=1", status: 200, agent: firefox}},
	{"nginx json, other names", wire.NginxJSON, `{ "@timestamp": "2024-06-10T08:13:21+02:00", "remote_addr": "2001:db8::2", "request_method": "GET", "uri": "/index.php", "request_uri": "/\u00fc?a=1", "status": 200, "http_user_agent": "x\"y", "http_referer":"https:\/\/t.co\/x" }`,
		logLine{time: "2024-06-10T06:13:21Z", addr: "2001:db8::2", method: "GET", path: "/ü", query: "a=1", status: 200, agent: `x"y`, referrer: "https://t.co/x"}},
	{"nginx json, msec", wire.NginxJSON, `{"msec":"1718000001.524","remote_addr":"192.0.2.7","request_method":"GET","uri":"/","args":"utm_medium=cpc","status":200}`,
		logLine{time: "2024-06-10T06:13:21Z", addr: "192.0.2.7", method: "GET", path: "/", query: "utm_medium=cpc", status: 200}},
	{"traefik", wire.Traefik, `192.0.2.7 - - [10/Jun/2024:06:13:21 +0000] "GET /x HTTP/2.0" 200 512 "https://duckduckgo.com/" "` + firefox + `" 42 "blog@docker" "http://172.18.0.3:80" 3ms`,
		logLine{time: "2024-06-10T06:13:21Z", addr: "192.0.2.7", method: "GET", path: "/x", status: 200, referrer: "https://duckduckgo.com/", agent: firefox}},
	{"traefik json", wire.Traefik, `{"ClientAddr":"10.0.0.1:4711","ClientHost":"192.0.2.7","ClientPort":"4711","DownstreamContentSize":512,"DownstreamStatus":200,"OriginStatus":404,"RequestAddr":"example.com:443","RequestHost":"example.com","RequestMethod":"GET","RequestPath":"/x?a=b","StartUTC":"2024-06-10T06:13:21.123456789Z","level":"info","msg":"","request_Referer":"https://example.org/","request_User-Agent":"` + firefox + `","time":"2024-06-10T06:13:25Z"}`,
		logLine{time: "2024-06-10T06:13:21Z", addr: "192.0.2.7", host: "example.com", method: "GET", path: "/x", query: "a=b", status: 200, referrer: "https://example.org/", agent: firefox}},
	{"cloudfront", wire.CloudFront, strings.ReplaceAll("2024-06-10 06:13:21 LAX1 2390282 192.0.2.7 GET d111111abcdef8.cloudfront.net /a%20b 200 https://www.bing.com/ Mozilla/5.0%20(X11;%20Linux%20x86_64;%20rv:128.0)%20Gecko/20100101%20Firefox/128.0 utm_source=n - Hit SOX4xwn4XV6Q4rgb7XiVGOHms_BGlTAC4KyHmureZmBNrjGdRLiNIQ== www.example.com https 23 0.001 - TLSv1.2 ECDHE-RSA-AES128-GCM-SHA256 Hit HTTP/2.0 - - 11040 0.001 Hit text/html 78 - -", " ", "\t"),
		logLine{time: "2024-06-10T06:13:21Z", addr: "192.0.2.7", host: "example.com", method: "GET", path: "/a b", query: "utm_source=n", status: 200, referrer: "https://www.bing.com/", agent: firefox, kind: "text/html"}},
}

// Lines as the servers write them. One LogLine reads them all, so nothing of a line stays for the next.
func TestDecodeLog(t *testing.T) {
	var l wire.LogLine
	for _, c := range logCases {
		t.Run(c.name, func(t *testing.T) {
			if err := l.Decode(c.format, []byte(c.line)); err != nil {
				t.Fatal(err)
			}
			path, query, _ := l.Page()
			got := logLine{time.Unix(l.Time, 0).UTC().Format(time.RFC3339), l.Addr.String(), l.Hostname(), string(l.Method), path, query, l.Status,
				l.Ref(), string(l.UserAgent), string(l.Languages), string(l.Type)}
			if got != c.want {
				t.Errorf("got  %+v\nwant %+v", got, c.want)
			}
		})
	}
}

func TestDecodeLogErrors(t *testing.T) {
	good := `203.0.113.9 - - [29/Feb/2024:23:59:59 +0000] "GET / HTTP/1.1" 200 12 "-" "x"`
	for _, c := range []struct {
		format     wire.LogFormat
		line, want string
	}{
		{wire.Combined, "  ", wire.ErrNoLine.Error()},
		{wire.Combined, "host.example - - [x", "column 1: want the client's address"},
		{wire.Combined, "1.2.3.4 - -", "column 9: want identity, user and a time in brackets"},
		{wire.Combined, strings.Replace(good, "29/Feb/2024", "29/Feb/2023", 1), "column 18: want a time such as 10/Oct/2000:13:55:36 -0700 and a bracket"},
		{wire.Combined, strings.Replace(good, "23:59", "24:59", 1), "column 18: want a time such as 10/Oct/2000:13:55:36 -0700 and a bracket"},
		{wire.Combined, strings.Replace(good, `HTTP/1.1"`, "HTTP/1.1", 1), "column 70: want a space and the status"},
		{wire.Combined, strings.Replace(good, "200", "2000", 1), "column 63: want a status of three digits"},
		{wire.Combined, good[:len(good)-1], "column 76: want a closing quote"},
		{wire.Combined, good[:strings.Index(good, ` "-"`)], "column 69: want the referrer in quotes: is this the common format?"},
		{wire.VHost, good, "column 13: want the client's address"},
		{wire.Caddy, good, "column 1: want a JSON object as caddy logs have it"},
		{wire.Caddy, `{"ts":1,"x`, "column 7: want another time than this"},
		{wire.Caddy, `{"ts":1718000001,"request":{"client_ip":"nobody"}}`, "column 41: want another client address than this"},
		{wire.Caddy, `{"ts":1718000001,"status":200}`, "column 30: want a member with the client address"},
		{wire.NginxJSON, `{"a":"` + "\xff" + `"}`, "column 7: want UTF-8"},
		{wire.CloudFront, "#Version: 1.0", wire.ErrNoLine.Error()},
		{wire.CloudFront, "#Fields: time date", "column 10: want the columns of CloudFront's standard log in their order"},
		{wire.CloudFront, "2024-06-10\t06:13:21\tLAX1", "column 25: want a tab and more columns"},
		{wire.CloudFront, "2024-06-10\t06:13:21\tLAX1\t1\tnobody\tGET\th\t/\t200\t-\t-\t-", "column 28: want the client's address"},
	} {
		var l wire.LogLine
		err := l.Decode(c.format, []byte(c.line))
		if err == nil || err.Error() != c.want {
			t.Errorf("%s %q: got %v, want %s", c.format, c.line, err, c.want)
		}
	}
}

// What is shown of a line that cannot be read says nothing of who it is about.
func TestShape(t *testing.T) {
	got := string(wire.Shape(nil, []byte("203.0.113.9 - frank [29/Feb/2024:23:59:59] \"GET /ü/ünder?mail=a@b.c\" \x00\x01\xff "+firefox)))
	want := `9.9.9.9 - a [9/a/9:9:9:9] "a /a/a?a=a@a.a" a a/9.9 (a9; a a9_9; a:9.9) a/9 a/9.9`
	if got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	if long := wire.Shape(nil, []byte(strings.Repeat("a1", 1000))); len(long) > 200 || !strings.HasSuffix(string(long), "…") {
		t.Errorf("got %d bytes", len(long))
	}
}

// Lines that are read cost no memory, but for what the standard library wants as a string: an address of IPv6, a time in JSON.
func TestDecodeLogAllocs(t *testing.T) {
	for _, c := range logCases {
		var l wire.LogLine
		line := []byte(c.line)
		_ = l.Decode(c.format, line)
		most := 0.0
		if strings.Contains(c.want.addr, ":") || strings.HasPrefix(c.line, "{") {
			most = 1
		}
		if strings.Contains(c.name, "old") {
			most = 5 // forms of time that are tried
		}
		if strings.Contains(c.name, "traefik json") {
			most = 2 // it has two times
		}
		if n := testing.AllocsPerRun(100, func() { _ = l.Decode(c.format, line) }); n > most {
			t.Errorf("%s: %v allocations", c.name, n)
		}
	}
}

func FuzzDecodeLog(f *testing.F) {
	formats := []wire.LogFormat{wire.Common, wire.Combined, wire.VHost, wire.Caddy, wire.NginxJSON, wire.Traefik, wire.CloudFront}
	for _, c := range logCases {
		for i, format := range formats {
			if format == c.format {
				f.Add(uint8(i), []byte(c.line))
			}
		}
	}
	var used wire.LogLine
	f.Fuzz(func(t *testing.T, n uint8, line []byte) {
		format := formats[int(n)%len(formats)]
		var fresh wire.LogLine
		err, again := fresh.Decode(format, line), used.Decode(format, line)
		var at *wire.LogError
		switch {
		case (err == nil) != (again == nil):
			t.Fatalf("got %v, and then %v", err, again)
		case errors.As(err, &at):
			if at.Column < 1 || at.Column > len(line)+1 {
				t.Fatalf("column %d of %d", at.Column, len(line))
			}
		case err == nil:
			if fresh.Addr != used.Addr || fresh.Time != used.Time || fresh.Addr == (netip.Addr{}) || string(fresh.UserAgent) != string(used.UserAgent) {
				t.Fatalf("got %+v, then %+v", fresh, used)
			}
			fresh.Page()
			fresh.Hostname()
			fresh.Ref()
		}
		wire.Shape(nil, line)
	})
}
