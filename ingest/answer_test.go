package ingest_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"footfall/ingest/shield"
	"footfall/storage"
)

const forTwo = `{"n":"pageview","u":"https://example.com/","d":"berlin.example,example.com"}`

// A request for several sites of which one cannot take it: whoever is told to send it again would be counted twice by the others.
func TestOneSiteOfSeveralFails(t *testing.T) {
	w := newWorld(t)
	w.store.fail, w.store.failing = storage.ErrBusy, 2
	w.send("1", forTwo)
	w.send("2", strings.Replace(forTwo, "berlin", "unknown.example,berlin", 1))
	if n := len(w.store.rows["1 2026-07-01"]); n != 2 {
		t.Errorf("the other site has %d rows, want 2", n)
	}
	if c := w.Snapshot(); c.Accepted != 2 || c.Refused != 2 || c.Dropped[shield.NotFound] != 1 {
		t.Errorf("got %+v", c)
	}
	// Nothing was stored, so it may be sent again: also where a third site would not have counted it.
	for _, body := range []string{`{"n":"pageview","u":"https://berlin.example/"}`, `{"n":"pageview","u":"/","d":"unknown.example,berlin.example"}`} {
		if res := w.do(request(body)); res.StatusCode != 503 || res.Header.Get("X-Plausible-Dropped") != "" || res.Header.Get("Retry-After") != "1" {
			t.Errorf("%s: got %d %v, want 503", body, res.StatusCode, res.Header)
		}
	}
}

func gzipped(body string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	z.Write([]byte(body))
	z.Close()
	return b.String()
}

// What stands on the wire, byte by byte, and what is answered.
func TestRawRequests(t *testing.T) {
	w := newWorld(t)
	server := httptest.NewServer(w)
	defer server.Close()
	const unreadable = `{"errors":{"request":["Unable to parse request body as json"]}}`
	const compressed = `{"errors":{"request":["should be sent without Content-Encoding"]}}`
	const form = "n=pageview&u=https%3A%2F%2Fexample.com%2F&d=example.com"
	length := func(header, body string) string {
		return fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", header, len(body), body)
	}
	for name, c := range map[string]struct {
		rest   string // of the request, after the Host
		status int
		body   string
	}{
		"no body at all":               {"\r\n", 400, unreadable},
		"an empty body":                {length("Content-Type: application/json\r\n", ""), 400, unreadable},
		"an empty form":                {length("Content-Type: application/x-www-form-urlencoded\r\n", ""), 400, `{"errors":{"domain":["can't be blank"],"event_name":["can't be blank"],"url":["is required"]}}`},
		"only space":                   {length("", " \r\n "), 400, unreadable},
		"no type":                      {length("", pageview), 202, "ok"},
		"a type that is none":          {length("Content-Type: ;;;/\r\n", pageview), 202, "ok"},
		"as sendBeacon sends a string": {length("Content-Type: text/plain;charset=UTF-8\r\n", pageview), 202, "ok"},
		"as sendBeacon sends a blob":   {length("Content-Type: application/json\r\n", pageview), 202, "ok"},
		"JSON with a charset":          {length("Content-Type: application/json; charset=utf-8\r\n", pageview), 202, "ok"},
		"JSON in UTF-16":               {length("Content-Type: application/json; charset=utf-16\r\n", "\xff\xfe{\x00}\x00"), 400, unreadable},
		"a byte order mark":            {length("Content-Type: application/json\r\n", "\uFEFF"+pageview), 202, "ok"},
		"two byte order marks":         {length("", "\uFEFF\uFEFF"+pageview), 400, unreadable},
		"a form":                       {length("Content-Type: Application/X-WWW-Form-Urlencoded; charset=UTF-8\r\n", form), 202, "ok"},
		"a form that says it is JSON":  {length("Content-Type: application/json\r\n", form), 400, unreadable},
		"in chunks":                    {fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n", 10, pageview[:10], len(pageview)-10, pageview[10:]), 202, "ok"},
		"no chunk":                     {"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, unreadable},
		"a broken chunk":               {"Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400, `{"errors":{"request":["Unable to read request body"]}}`},
		"compressed":                   {length("Content-Encoding: gzip\r\n", gzipped(pageview)), 415, compressed},
		"a compressed form":            {length("Content-Type: application/x-www-form-urlencoded\r\nContent-Encoding: gzip\r\n", gzipped(form)), 415, compressed},
		"said to be compressed only":   {length("Content-Encoding: br\r\n", pageview), 202, "ok"},
		"compressed by nothing":        {length("Content-Encoding: identity\r\n", "x"), 400, unreadable},
		"waits for leave":              {length("Expect: 100-continue\r\n", pageview), 100, ""},
		"longer than allowed":          {"Content-Length: 1000001\r\n\r\n", 413, `{"errors":{"request":["should be at most 1000000 byte(s)"]}}`},
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := net.Dial("tcp", server.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := io.WriteString(conn, "POST /api/event HTTP/1.1\r\nHost: stats.example\r\n"+c.rest); err != nil {
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
		})
	}
}
