package ingest_test

import (
	"crypto/sha256"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"footfall/ingest"
	"footfall/ingest/shield"
	"footfall/storage"
	"footfall/storage/account"
	"footfall/storage/query"
)

const googlebot = "Googlebot/2.1 (+http://www.google.com/bot.html)"

func mustToken(t *testing.T, s *storage.Store, name, scope string) (text string, id uint64) {
	t.Helper()
	text = strings.Repeat(name, 64)[:64]
	token, err := s.Accounts().AddToken(t.Context(), account.Token{Name: name, Scope: scope, Prefix: text[:6], Hash: sha256.Sum256([]byte(text)), Created: noon})
	if err != nil {
		t.Fatal(err)
	}
	return text, token.ID
}

// A program with a sending token is no robot, and says whom it speaks for.
func TestSendingToken(t *testing.T) {
	s := mustOpen(t, t.TempDir(), func() time.Time { return noon })
	defer mustClose(t, s)
	site := mustSite(t, s, "example.com", "Etc/UTC")
	proxies := netip.MustParsePrefix("10.0.0.0/8")
	h, err := ingest.New(ingest.Config{Store: s, Trusted: proxies.Contains, Now: func() time.Time { return noon }})
	if err != nil {
		t.Fatal(err)
	}
	send, sending := mustToken(t, s, "send", account.ScopeSend)
	read, _ := mustToken(t, s, "read", account.ScopeRead)
	pass, _ := mustToken(t, s, "pass", account.ScopeProxy)

	ask := func(authorization, peer, forwarded, agent string, debug bool) (int, string, http.Header) {
		r := request(pageview, "User-Agent", agent)
		r.RemoteAddr = peer + ":4711"
		r.Header.Del("X-Forwarded-For")
		if forwarded != "" {
			r.Header.Set("X-Forwarded-For", forwarded)
		}
		if authorization != "" {
			r.Header.Set("Authorization", authorization)
		}
		if debug {
			r.Header.Set("X-Debug-Request", "true")
		}
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		body, _ := io.ReadAll(rec.Body)
		return rec.Code, string(body), rec.Header()
	}
	for name, c := range map[string]struct {
		authorization, peer, forwarded string
		addr                           string // "" is 401
	}{
		"no token":                            {"", "192.0.2.1", "203.0.113.9", "192.0.2.1"},
		"the program is asked straight":       {"Bearer " + send, "192.0.2.1", "203.0.113.9", "203.0.113.9"},
		"in another spelling":                 {"bearer  " + send + " ", "192.0.2.1", "203.0.113.9", "203.0.113.9"},
		"through a proxy that adds it":        {"Bearer " + send, "10.0.0.1", "203.0.113.9, 192.0.2.1", "203.0.113.9"},
		"the program's own visitor forges":    {"Bearer " + send, "192.0.2.1", "1.1.1.1, 203.0.113.9", "203.0.113.9"},
		"the program says nothing":            {"Bearer " + send, "192.0.2.1", "", "192.0.2.1"},
		"the program says what is no address": {"Bearer " + send, "192.0.2.1", "localhost", "192.0.2.1"},
		"a proxy without a fixed address":     {"Bearer " + pass, "192.0.2.1", "203.0.113.9", "203.0.113.9"},
		"a proxy that is passed another's":    {"Bearer " + pass, "192.0.2.1", "1.1.1.1, 203.0.113.9", "203.0.113.9"},
		"another scope":                       {"Bearer " + read, "192.0.2.1", "203.0.113.9", ""},
		"a token too many":                    {"Bearer " + send + send, "192.0.2.1", "203.0.113.9", ""},
		"part of a token":                     {"Bearer " + send[:63], "192.0.2.1", "203.0.113.9", ""},
		"no token behind the word":            {"Bearer", "192.0.2.1", "203.0.113.9", ""},
		"what a browser sends along":          {"Basic YTpi", "192.0.2.1", "203.0.113.9", "192.0.2.1"},
		"nothing":                             {" ", "192.0.2.1", "203.0.113.9", "192.0.2.1"},
	} {
		t.Run(name, func(t *testing.T) {
			code, body, header := ask(c.authorization, c.peer, c.forwarded, googlebot, true)
			if c.addr != "" {
				if code != 200 || body != c.addr {
					t.Errorf("got %d %q, want %s", code, body, c.addr)
				}
				return
			}
			want := "{\"errors\":{\"authorization\":[\"is not a sending token: make one with `footfall token add --scope send` or `--scope proxy`\"]}}"
			if code != 401 || body != want || header.Get("WWW-Authenticate") != "Bearer" {
				t.Errorf("got %d %q %v, want 401 %s", code, body, header, want)
			}
		})
	}
	for _, c := range []struct {
		authorization, forwarded, agent, dropped string
	}{
		{"", "203.0.113.9", googlebot, "1"},
		{"Bearer " + pass, "203.0.113.9", googlebot, "1"}, // it passes on what a robot has sent
		{"Bearer " + pass, "203.0.113.10", chrome, ""},
		{"Bearer " + send, "203.0.113.9", googlebot, ""},
		{"Bearer " + send, "203.0.113.9", "my-app/1.0 (HeadlessChrome; uptime script)", ""}, // another visitor: another User-Agent
		{"Bearer " + send, "203.0.113.9", googlebot, ""},
		{"Bearer " + send, "203.0.113.10", chrome, ""},
	} {
		code, body, header := ask(c.authorization, "192.0.2.1", c.forwarded, c.agent, false)
		if code != 202 || header.Get("X-Plausible-Dropped") != c.dropped {
			t.Errorf("%+v: got %d %q %v", c, code, body, header)
		}
	}
	result, err := s.Query(t.Context(), query.Query{Site: site, Range: query.Range{First: 0, Last: 4e9}, Metrics: []query.Metric{query.Visitors, query.Events}})
	if err != nil || len(result.Rows) != 1 || result.Rows[0].Metrics[0].Number != 3 || result.Rows[0].Metrics[1].Number != 5 {
		t.Errorf("got %+v, %v, want 3 visitors and 5 events", result.Rows, err)
	}
	if token := s.Accounts().Tokens()[0]; !token.LastUsed.Equal(noon.Truncate(time.Hour)) {
		t.Errorf("last used %v", token.LastUsed)
	}
	if err := s.Accounts().DeleteToken(t.Context(), sending); err != nil {
		t.Fatal(err)
	}
	if code, body, _ := ask("Bearer "+send, "192.0.2.1", "203.0.113.9", chrome, false); code != 401 || strings.Contains(body, send[:6]) {
		t.Errorf("after it was removed: got %d %q", code, body)
	}
	if n := h.Snapshot().Dropped[shield.Invalid]; n != 5 {
		t.Errorf("%d requests were not valid, want the 5 of above", n)
	}
}
