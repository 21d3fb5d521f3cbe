package e2e_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestEventsAPIOnTheWire holds all that a client of the Events API sees: status, every header and no other, and the body.
func TestEventsAPIOnTheWire(t *testing.T) {
	dir := t.TempDir()
	mustFootfall(t, nil, "site", "add", "example.org", "--data", dir)
	token := strings.TrimSpace(mustFootfall(t, nil, "token", "add", "--name", "shop", "--scope", "send", "--data", dir))
	s := start(t, "serve", dir)

	const (
		event   = `{"n":"pageview","u":"https://example.org/","d":"example.org"}`
		nowhere = `{"n":"pageview","u":"https://example.org/","d":"nowhere.example,neither.example"}`
		wrong   = `{"errors":{"authorization":["is not a sending token: make one with ` + "`footfall token add --scope send` or `--scope proxy`" + `"]}}`
		types   = "Authorization,Content-Type,Accept,Origin,User-Agent,DNT,Cache-Control,X-Mx-ReqToken,Keep-Alive,X-Requested-With,If-Modified-Since,X-CSRF-Token"
		gif     = "GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"
	)
	post := func(path, header, body string) string {
		return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: stats.example.org\r\nUser-Agent: %s\r\n%sContent-Length: %d\r\n\r\n%s", path, firefox, header, len(body), body)
	}
	ask := func(line, header string) string {
		return fmt.Sprintf("%s HTTP/1.1\r\nHost: stats.example.org\r\nUser-Agent: %s\r\n%s\r\n", line, firefox, header)
	}
	const text, json = "Content-Type: text/plain; charset=utf-8", "Content-Type: application/json; charset=utf-8"
	const image = "Content-Type: image/gif|Cache-Control: no-store|Cross-Origin-Resource-Policy: cross-origin|X-Content-Type-Options: nosniff"
	for name, c := range map[string]struct {
		request string
		status  int
		headers string // beside those of CORS
		body    string
	}{
		"counted":               {post("/api/event", "", event), 202, text, "ok"},
		"in chunks":             {ask("POST /api/event", "Transfer-Encoding: chunked\r\n") + fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(event), event), 202, text, "ok"},
		"dropped":               {post("/api/event", "", nowhere), 202, text + "|X-Plausible-Dropped: 2", "ok"},
		"invalid":               {post("/api/event", "", `{"n":"x","d":"example.org"}`), 400, json, `{"errors":{"url":["is required"]}}`},
		"no JSON":               {post("/api/event", "", `n=x`), 400, json, `{"errors":{"request":["Unable to parse request body as json"]}}`},
		"by a token":            {post("/api/event", "Authorization: Bearer "+token+"\r\nX-Forwarded-For: 203.0.113.7\r\nX-Debug-Request: true\r\n", event), 200, text, "203.0.113.7"},
		"by a wrong token":      {post("/api/event", "Authorization: Bearer x\r\n", event), 401, json + "|Www-Authenticate: Bearer", wrong},
		"before another origin": {ask("OPTIONS /api/event", "Origin: https://example.org\r\n"), 204, "Access-Control-Max-Age: 1728000|Access-Control-Allow-Methods: GET,POST,PUT,PATCH,DELETE,OPTIONS|Access-Control-Allow-Headers: " + types + "|X-Content-Type-Options: nosniff", ""},
		"error":                 {ask("GET /api/error", ""), 200, "X-Content-Type-Options: nosniff", ""},
		"pixel":                 {ask("GET /pixel.gif", "Referer: https://example.org/\r\n"), 200, image, gif},
		"pixel of nothing":      {ask("GET /pixel.gif?d=example.org", ""), 400, image + `|X-Footfall-Error: {"url":["is required"]}`, gif},
		"Umami":                 {post("/api/send", "", `{"type":"event","payload":{"website":"example.org","url":"/"}}`), 200, json + "|X-Content-Type-Options: nosniff", `{"cache":"","sessionId":"","visitId":""}`},
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := io.WriteString(conn, c.request); err != nil {
				t.Fatal(err)
			}
			res, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			body, err := io.ReadAll(res.Body)
			if err != nil || res.StatusCode != c.status || string(body) != c.body {
				t.Errorf("got %d %q, %v, want %d %q", res.StatusCode, body, err, c.status, c.body)
			}
			want := http.Header{"Access-Control-Allow-Origin": {"*"}, "Access-Control-Expose-Headers": {""}, "Access-Control-Allow-Credentials": {"true"}}
			for line := range strings.SplitSeq(c.headers, "|") {
				key, value, _ := strings.Cut(line, ": ")
				want.Add(key, value)
			}
			if res.Header.Get("Date") == "" {
				t.Error("no date")
			}
			res.Header.Del("Date")
			res.Header.Del("Content-Length")
			if d := cmp.Diff(want, res.Header); d != "" {
				t.Errorf("headers (-want +got):\n%s", d)
			}
		})
	}
	untilStored(t, s, "example.org", "pageview /", "pageview /", "pageview /", "pageview /")
}
