package ingest_test

import (
	"bytes"
	"image/gif"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"footfall/storage"
	"footfall/storage/schema"
)

// The image comes whatever happens; the status tells programs what became of the event.
func TestPixel(t *testing.T) {
	get := func(query, referer string, header ...string) *http.Request {
		r := httptest.NewRequest("GET", "/pixel.gif"+query, nil)
		r.RemoteAddr = "127.0.0.1:4711"
		r.Header.Set("User-Agent", chrome)
		r.Header.Set("X-Forwarded-For", "203.0.113.9")
		if referer != "" {
			r.Header.Set("Referer", referer)
		}
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		return r
	}
	head := get("?d=example.com", "https://example.com/a")
	head.Method = "HEAD"
	for name, c := range map[string]struct {
		r      *http.Request
		fail   error
		status int
		stored int
		header map[string]string
	}{
		"the page it is on":      {get("?d=example.com", "https://example.com/a?utm_source=letter"), nil, 200, 1, map[string]string{"X-Plausible-Dropped": "", "X-Footfall-Error": ""}},
		"the page is the site's": {get("", "https://www.example.com/a"), nil, 200, 1, nil},
		"the page it names":      {get("?d=example.com&u=https%3A%2F%2Fexample.com%2Fa&r=https%3A%2F%2Fgoogle.com", "https://other.example/"), nil, 200, 1, nil},
		"unknown site":           {get("", "https://other.example/"), nil, 200, 0, map[string]string{"X-Plausible-Dropped": "1"}},
		"a robot":                {get("", "https://example.com/", "User-Agent", googlebot), nil, 200, 0, map[string]string{"X-Plausible-Dropped": "1"}},
		"mail, by Google":        {get("?u=https://example.com/", "", "User-Agent", "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"), nil, 200, 0, map[string]string{"X-Plausible-Dropped": "1"}},
		"mail, by Yahoo":         {get("?u=https://example.com/", "", "User-Agent", "YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html"), nil, 200, 0, map[string]string{"X-Plausible-Dropped": "1"}},
		"no page":                {get("?d=example.com", ""), nil, 400, 0, map[string]string{"X-Footfall-Error": `{"url":["is required"]}`}},
		"a wrong token":          {get("", "https://example.com/", "Authorization", "Bearer x"), nil, 401, 0, map[string]string{"WWW-Authenticate": "Bearer"}},
		"HEAD counts nothing":    {head, nil, 200, 0, nil},
		"a full disk":            {get("", "https://example.com/"), storage.ErrFull, 503, 0, map[string]string{"Retry-After": "5"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.store.fail = c.fail
			res := w.do(c.r)
			body, _ := io.ReadAll(res.Body)
			if res.StatusCode != c.status || res.Header.Get("Content-Type") != "image/gif" || res.Header.Get("Cache-Control") != "no-store" ||
				res.Header.Get("Cross-Origin-Resource-Policy") != "cross-origin" {
				t.Errorf("got %d %v, want %d", res.StatusCode, res.Header, c.status)
			}
			for key, want := range c.header {
				if got := res.Header.Get(key); got != want {
					t.Errorf("%s: got %q, want %q", key, got, want)
				}
			}
			picture, err := gif.Decode(bytes.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			if _, _, _, alpha := picture.At(0, 0).RGBA(); picture.Bounds().Dx() != 1 || picture.Bounds().Dy() != 1 || alpha != 0 {
				t.Errorf("got %v with alpha %d, want one transparent pixel", picture.Bounds(), alpha)
			}
			rows := w.store.rows["1 2026-07-01"]
			if len(rows) != c.stored {
				t.Fatalf("got %d rows, want %d", len(rows), c.stored)
			}
			if c.stored > 0 && (rows[0].Event.Name != "pageview" || rows[0].Event.Pathname != "/a" || rows[0].Event.Hostname != "example.com") {
				t.Errorf("got %+v", rows[0].Event)
			}
		})
	}
}

// What Umami's script and its client for Node.js send, and what they read of the answer.
func TestUmami(t *testing.T) {
	send := func(body string, header ...string) *http.Request {
		r := request(body, append([]string{"Content-Type", "application/json"}, header...)...)
		r.URL.Path = "/api/send"
		return r
	}
	const view = `{"type":"event","payload":{"website":"50429a93-8479-4073-be80-d5d29c09c2ec","screen":"1920x1080","language":"de-DE",` +
		`"title":"A","hostname":"example.com","url":"/a?ref=letter","referrer":"https://google.com/"}}`
	const answer = `{"cache":"","sessionId":"","visitId":""}`
	for name, c := range map[string]struct {
		r       *http.Request
		status  int
		body    string
		dropped string
		stored  int
	}{
		"a page":            {send(view), 200, answer, "", 1},
		"with the cache":    {send(view, "X-Umami-Cache", ""), 200, answer, "", 1},
		"as text":           {send(view, "Content-Type", "text/plain"), 200, answer, "", 1},
		"by @umami/node":    {send(`{"type":"event","payload":{"website":"example.com","url":"/a"}}`, "User-Agent", "Mozilla/5.0 Umami/v20.20.2", "Accept-Language", "*"), 200, answer, "", 1},
		"who somebody is":   {send(`{"type":"identify","payload":{"website":"example.com","data":{"email":"ann@example.com"}}}`), 200, answer, "", 0},
		"unknown site":      {send(`{"type":"event","payload":{"website":"other.example","url":"/a"}}`), 200, answer, "1", 0},
		"a robot":           {send(view, "User-Agent", googlebot), 200, answer, "1", 0},
		"invalid":           {send(`{"type":"event","payload":{"url":"/a"}}`), 400, `{"errors":{"domain":["can't be blank"]}}`, "", 0},
		"a wrong token":     {send(view, "Authorization", "Bearer x"), 401, "{\"errors\":{\"authorization\":[\"is not a sending token: make one with `footfall token add --scope send` or `--scope proxy`\"]}}", "", 0},
		"a compressed body": {send(gzipped(view), "Content-Encoding", "gzip"), 415, `{"errors":{"request":["should be sent without Content-Encoding"]}}`, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			res := w.do(c.r)
			body, _ := io.ReadAll(res.Body)
			if res.StatusCode != c.status || string(body) != c.body || res.Header.Get("X-Plausible-Dropped") != c.dropped {
				t.Errorf("got %d %q dropped %q, want %d %q %q", res.StatusCode, body, res.Header.Get("X-Plausible-Dropped"), c.status, c.body, c.dropped)
			}
			rows := w.store.rows["1 2026-07-01"]
			if len(rows) != c.stored {
				t.Fatalf("got %d rows, want %d", len(rows), c.stored)
			}
			if c.stored > 0 && (rows[0].Event.Name != "pageview" || rows[0].Event.Pathname != "/a" || rows[0].Event.Hostname != "example.com") {
				t.Errorf("got %+v", rows[0].Event)
			}
			if name == "a page" {
				a := rows[0].New.Attributes
				if a[schema.Language] != "de-DE" || a[schema.Source] != "letter" || a[schema.Referrer] != "google.com" {
					t.Errorf("got %v", a)
				}
			}
		})
	}
	w := newWorld(t)
	w.store.fail = storage.ErrBusy
	if res := w.do(send(view)); res.StatusCode != 503 || res.Header.Get("Retry-After") != "1" {
		t.Errorf("got %d %v, want 503", res.StatusCode, res.Header)
	}
	res := w.do(httptest.NewRequest("OPTIONS", "/api/send", nil))
	if got := res.Header.Get("Access-Control-Allow-Headers"); res.StatusCode != 204 || got == "" || got[len(got)-len(",X-Umami-Cache"):] != ",X-Umami-Cache" {
		t.Errorf("got %d %q", res.StatusCode, got)
	}
	if res := w.do(httptest.NewRequest("GET", "/api/send", nil)); res.StatusCode != 405 || res.Header.Get("Allow") != "POST, OPTIONS" {
		t.Errorf("got %d %v, want 405", res.StatusCode, res.Header)
	}
}
