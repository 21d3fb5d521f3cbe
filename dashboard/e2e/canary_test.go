package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"footfall/storage"
)

// What marks a visitor. None of it may be kept anywhere, in any form.
var (
	canaryAddresses = []netip.Addr{
		netip.MustParseAddr("203.0.113.77"), netip.MustParseAddr("198.51.103.219"), netip.MustParseAddr("185.249.199.230"),
		netip.MustParseAddr("2001:db8:7a7a:9b1c:aa17:43ff:fe5c:d00d"), netip.MustParseAddr("2a0b:f4c2::5ea1"),
		canaryPeer, netip.MustParseAddr("127.201.93.179"),
	}
	// canaryPeer is an address that connections really come from.
	canaryPeer = netip.MustParseAddr("127.93.201.177")

	canaryAgents = []string{
		"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.6478.98765 Safari/537.36 Agentmark/Q7xZk2",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Agentmark/Q7xZk2",
		"Googlebot/2.1 (+http://www.google.com/bot.html) Agentmark/Q7xZk2",
	}
	canaryTexts = []string{
		"Agentmark/Q7xZk2", "6478.98765", // of the User-Agent
		"query-secret-Hq3v", "gclid-secret-Mw8s", "fragment-secret-Ux1d", // of the page's address
		"pageuser-Zb5t", "pagepass-Rk9w",
		"refquery-secret-Jn4c", "reffragment-secret-Ty6p", "refuser-Vd2g", "refpass-Lc7h", // of the referrer
		"jane.canary@mail-Ws8f.example",
		"langmark-eb5n",                        // of Accept-Language
		"cookie-mark-Fp0x", "header-mark-Sd3k", // of other headers
		"body-mark-Gv9y", "path-mark-Ia2r", // of requests that are no events
		"visitor-mark-Ox4m", // of an import
	}
	// What the site's owner wants to know: it must be in an export, and must not be readable in a file.
	canaryKept = []string{
		"control-path-Nf8a", "control-key-Xw1b", "control-value-Pe5j", "control-event-Yq6u", "ref-control.example/landing-Kt3z", "campaign-control-Bs7i",
		"imported-path-Dm4e",
	}
	canarySites = []string{"canary-one-cq8.example", "canary-two-vj2.example"}
)

const (
	canaryEmail    = "owner-control-Gh5l@mail.example"
	canaryPassword = "a long password Tz9v-Wd1o"
)

// canaryNeedles returns what may be nowhere, and what may not be readable in files, logs and metrics.
func canaryNeedles(secrets ...string) (unwanted, unreadable *needles) {
	unwanted, unreadable = &needles{}, &needles{}
	for _, n := range []*needles{unwanted, unreadable} {
		for _, a := range canaryAddresses {
			n.address(a)
		}
		for _, text := range slices.Concat(canaryTexts, canaryAgents, secrets) {
			n.text(text)
		}
	}
	for _, text := range slices.Concat(canaryKept, canarySites, []string{canaryEmail}) {
		unreadable.text(text)
	}
	return unwanted, unreadable
}

// canary sends marked requests and collects what comes back.
type canary struct {
	t       *testing.T
	url     string
	answers bytes.Buffer
	clients []*http.Client
}

// from returns a client whose connections come from address.
func from(address netip.Addr) *http.Client {
	d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(address, 0))}
	return &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DialContext: d.DialContext, MaxIdleConnsPerHost: 4}}
}

// do sends a marked request and returns the status. It keeps the answer unless that may well hold what was asked.
func (c *canary) do(client *http.Client, method, path, kind, agent, forwarded, body string) int {
	c.t.Helper()
	req, err := http.NewRequest(method, c.url+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	if body == debugAsks {
		req.Header.Set("X-Debug-Request", "true") // answers with the sender's own address, to the sender
	}
	for name, value := range map[string]string{
		"Content-Type": kind, "User-Agent": agent, "X-Forwarded-For": forwarded, "Accept-Language": "de-x-langmark-eb5n,en;q=0.5",
		"Cookie": "session=cookie-mark-Fp0x", "X-Request-Id": "header-mark-Sd3k", "Sec-Ch-Ua-Full-Version-List": "Agentmark/Q7xZk2",
		"X-Real-Ip": forwarded, "Cf-Connecting-Ip": forwarded, "Forwarded": "for=" + forwarded,
		"Referer": "https://pageuser-Zb5t:pagepass-Rk9w@canary-one-cq8.example/?q=query-secret-Hq3v",
	} {
		if value != "" {
			req.Header.Set(name, value)
		}
	}
	res, err := client.Do(req)
	if err != nil {
		return 0 // a server may hang up on some of these
	}
	defer res.Body.Close()
	if body != debugAsks && (forwarded != "" || strings.HasPrefix(path, "/api/event")) {
		_ = res.Header.Write(&c.answers)
		_, _ = io.Copy(&c.answers, res.Body)
	}
	return res.StatusCode
}

// debugAsks is the body of a request that asks which address the server sees.
const debugAsks = "{}"

// canaryPage is a page's address full of secrets.
func canaryPage(site, path string) string {
	return "https://pageuser-Zb5t:pagepass-Rk9w@" + site + ":8443/" + path +
		"?token=query-secret-Hq3v&email=jane.canary@mail-Ws8f.example&mail=jane.canary%40mail-Ws8f.example&gclid=gclid-secret-Mw8s" +
		"&utm_campaign=campaign-control-Bs7i&query-secret-Hq3v#fragment-secret-Ux1d"
}

const canaryReferrer = "https://refuser-Vd2g:refpass-Lc7h@ref-control.example:444/landing-Kt3z/?s=refquery-secret-Jn4c&e=jane.canary@mail-Ws8f.example#reffragment-secret-Ty6p"

func canaryEvent(name, site string) string {
	body, _ := json.Marshal(map[string]any{
		"n": name, "d": site, "u": canaryPage(strings.Split(site, ",")[0], "control-path-Nf8a"), "r": canaryReferrer,
		"p": map[string]any{"control-key-Xw1b": "control-value-Pe5j"}, "unknown": "body-mark-Gv9y",
	})
	return string(body)
}

// forms lists how proxies write an address.
func forms(a netip.Addr) []string {
	if a.Is4() {
		return []string{a.String(), a.String() + ":4711", "::ffff:" + a.String(), "header-mark-Sd3k, " + a.String() + ", 127.0.0.1"}
	}
	return []string{a.String(), a.StringExpanded(), "[" + a.String() + "]", "[" + a.String() + "]:4711"}
}

// traffic sends good and bad requests from every marked address, as every marked User-Agent.
func (c *canary) traffic() {
	accepted := 0
	for _, address := range canaryAddresses {
		for i, form := range forms(address) {
			for _, agent := range canaryAgents {
				client := c.clients[i%len(c.clients)]
				for _, name := range []string{"pageview", "control-event-Yq6u"} {
					if c.do(client, "POST", "/api/event", "text/plain", agent, form, canaryEvent(name, canarySites[i%2])) == http.StatusAccepted {
						accepted++
					}
				}
			}
			c.otherDoors(c.clients[i%len(c.clients)], form, canarySites[i%2])
			c.bad(c.clients[i%len(c.clients)], form)
		}
	}
	if accepted < 100 {
		c.t.Errorf("only %d marked events were accepted", accepted)
	}
}

// otherDoors sends the same secrets where events are taken beside the Events API.
func (c *canary) otherDoors(client *http.Client, forwarded, site string) {
	page, agent := canaryPage(site, "control-path-Nf8a"), canaryAgents[0]
	query := url.Values{"u": {page}, "r": {canaryReferrer}, "p": {`{"control-key-Xw1b":"control-value-Pe5j"}`}, "unknown": {"body-mark-Gv9y"}}
	umami, _ := json.Marshal(map[string]any{"type": "event", "payload": map[string]any{
		"website": site, "url": page, "referrer": canaryReferrer, "title": "body-mark-Gv9y", "id": "jane.canary@mail-Ws8f.example", "language": "de-x-langmark-eb5n",
		"data": map[string]any{"control-key-Xw1b": "control-value-Pe5j"}}})
	who, _ := json.Marshal(map[string]any{"type": "identify", "payload": map[string]any{"website": site, "data": map[string]any{"mail": "jane.canary@mail-Ws8f.example"}}})
	for _, status := range []int{
		c.do(client, "GET", "/pixel.gif?"+query.Encode(), "", agent, forwarded, ""),
		c.do(client, "POST", "/api/send", "application/json", agent, forwarded, string(umami)),
		c.do(client, "POST", "/api/send", "application/json", agent, forwarded, string(who)),
	} {
		if status != http.StatusOK {
			c.t.Errorf("another door answered %d", status)
		}
	}
}

// bad sends one of each kind of request that is refused, dropped or misunderstood.
func (c *canary) bad(client *http.Client, forwarded string) {
	agent, event := canaryAgents[0], canaryEvent("pageview", canarySites[0])
	const marks = `body-mark-Gv9y jane.canary@mail-Ws8f.example query-secret-Hq3v`
	for _, body := range []string{
		"", "{", marks, `"` + marks + `"`, event[:len(event)/2], event + marks, strings.Replace(event, `"n":`, `"n":7,"x":`, 1),
		`{"n":"pageview","d":"nobody-body-mark-Gv9y.example","u":"` + canaryPage("x.example", "body-mark-Gv9y") + `"}`,
		`{"n":"pageview","d":"` + canarySites[0] + `","u":"::?` + marks + `"}`, `{"n":["` + marks + `"],"u":{"` + marks + `":1}}`,
		`{"n":"` + strings.Repeat("body-mark-Gv9y", 20) + `","d":"` + canarySites[0] + `","u":"` + canaryPage(canarySites[0], "") + `"}`,
		`{"n":"engagement","d":"` + canarySites[0] + `","u":"` + canaryPage(canarySites[0], "") + `","sd":"` + marks + `"}`,
		`{"n":"pageview","d":"` + canarySites[0] + `","u":"https://x.example/` + strings.Repeat("?query-secret-Hq3v", 300) + `"}`,
		`{"n":"buy","d":"` + canarySites[0] + `","u":"https://x.example/","$":{"amount":"body-mark-Gv9y","currency":"body-mark-Gv9y"}}`,
		strings.Repeat(`[`, 200) + marks, "\xff\xfe" + marks,
	} {
		c.do(client, "POST", "/api/event", "text/plain", agent, forwarded, body)
	}
	c.do(client, "POST", "/api/event", "application/x-www-form-urlencoded", agent, forwarded, "n=pageview&d=body-mark-Gv9y.example&u=%zz"+marks)
	c.do(client, "POST", "/api/event", `multipart/form-data; boundary=body-mark-Gv9y`, agent, forwarded,
		"--body-mark-Gv9y\r\nContent-Disposition: form-data; name=\"n\"\r\n\r\n"+marks+"\r\n--body-mark-Gv9y")
	c.do(client, "POST", "/api/event", "text/plain", canaryAgents[2], forwarded, event)
	c.do(client, "POST", "/api/event", "text/plain", agent, forwarded, debugAsks)
	c.do(client, "POST", "/api/event", "text/plain", strings.Repeat("Agentmark/Q7xZk2 ", 600), forwarded, event)
	c.do(client, "POST", "/api/event", "text/plain", agent, strings.Repeat(forwarded+",", 40)+forwarded, event)
	for _, method := range []string{"GET", "PUT", "DELETE", "TRACE", "HEAD", "OPTIONS", "PATCH", "PATHMARK"} {
		c.do(client, method, "/api/event?q=query-secret-Hq3v", "", agent, forwarded, "")
	}
	for _, path := range []string{
		"/path-mark-Ia2r?query-secret-Hq3v", "/api/path-mark-Ia2r", "/js/path-mark-Ia2r.js", "/app/../path-mark-Ia2r", "/app/path-mark-Ia2r%00",
		"/setup?token=query-secret-Hq3v", "/api/app/sites/path-mark-Ia2r/status", "/api/app/sites/" + canarySites[0] + "/status",
	} {
		c.do(client, "GET", path, "", agent, "", "")
	}
	for path, body := range map[string]string{
		"/api/app/login": `{"email":"jane.canary@mail-Ws8f.example","password":"body-mark-Gv9y"}`,
		"/api/app/setup": `{"token":"body-mark-Gv9y","email":"jane.canary@mail-Ws8f.example","password":"body-mark-Gv9y"}`,
		"/api/v2/query":  `{"site_id":"body-mark-Gv9y","metrics":["body-mark-Gv9y"]}`,
		"/api/app/sites": `{"domain":"body-mark-Gv9y.example","timezone":"body-mark-Gv9y"}`,
	} {
		c.do(client, "POST", path, "application/json", agent, "", body)
	}
}

// rude sends what no client library would: bytes that are no HTTP, requests that end in the middle, connections that are reset.
func (c *canary) rude() {
	address := strings.TrimPrefix(c.url, "http://")
	head := "POST /api/event?q=query-secret-Hq3v HTTP/1.1\r\nHost: header-mark-Sd3k\r\nUser-Agent: " + canaryAgents[0] + "\r\nX-Forwarded-For: 203.0.113.77\r\n"
	for _, text := range []string{
		"header-mark-Sd3k body-mark-Gv9y\r\n\r\n", "GET /path-mark-Ia2r HTTP/9.9\r\n\r\n", "\x16\x03\x01\x02\x00\x01\x00 header-mark-Sd3k",
		head + "Bad Header header-mark-Sd3k: 1\r\n\r\n", head + "Content-Length: header-mark-Sd3k\r\n\r\n",
		head + "Content-Length: 5000\r\n\r\n{\"n\":\"body-mark-Gv9y", head + "Transfer-Encoding: chunked\r\n\r\n5\r\nbody-mark-Gv9y",
		head + "Transfer-Encoding: chunked\r\nContent-Length: 10\r\n\r\nbody-mark-Gv9y", head + strings.Repeat("X-A: header-mark-Sd3k\r\n", 60_000) + "\r\n",
		head + "Content-Length: 1200000\r\n\r\n" + strings.Repeat("body-mark-Gv9y", 90_000),
	} {
		for _, reset := range []bool{false, true} {
			d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(canaryPeer, 0))}
			conn, err := d.Dial("tcp", address)
			if err != nil {
				c.t.Fatal(err)
			}
			_, _ = io.WriteString(conn, text) // the server may hang up before the end
			if reset {
				_ = conn.(*net.TCPConn).SetLinger(0)
			} else {
				_ = conn.(*net.TCPConn).CloseWrite()
				_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
				answer, _ := io.ReadAll(conn)
				c.answers.Write(answer)
			}
			conn.Close()
		}
	}
}

// canaryServer starts a server that says as much as it can, with a directory of its own for temporary files.
func canaryServer(t *testing.T, dir, temp string) *server {
	t.Helper()
	s, err := launch(append(environment(), "TMPDIR="+temp), "serve", dir, "--log-level", "debug", "--log-format", "json", "--metrics-listen", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Kill)
	return s
}

func fetch(t *testing.T, url string) []byte {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %s, %v", url, res.Status, err)
	}
	return body
}

// exports returns the export of every site.
func exports(t *testing.T, dir string) []byte {
	t.Helper()
	var all strings.Builder
	for _, site := range canarySites {
		all.WriteString(mustFootfall(t, nil, "export", "--site", site, "--format", "ndjson", "--data", dir))
	}
	return []byte(all.String())
}

// TestCanary sends visits and bad requests that are full of marks and then looks for these marks, in every form, wherever the
// program leaves bytes: data directory, temporary files, log, metrics, exports, answers, and what it prints when it dies.
func TestCanary(t *testing.T) {
	zone, _ := noon()
	dir, temp := t.TempDir(), t.TempDir()
	for _, site := range canarySites {
		mustFootfall(t, nil, "site", "add", site, "--timezone", zone, "--data", dir)
	}
	mustFootfall(t, strings.NewReader(canaryPassword+"\n"), "user", "add", canaryEmail, "--data", dir)
	token := addToken(t, dir, "canary")
	unwanted, unreadable := canaryNeedles(token, canaryPassword)

	s := canaryServer(t, dir, temp)
	c := &canary{t: t, url: s.URL}
	for _, a := range []netip.Addr{netip.MustParseAddr("127.0.0.1"), canaryPeer, netip.MustParseAddr("127.201.93.179")} {
		c.clients = append(c.clients, from(a))
	}
	c.traffic()
	c.rude()
	importCanaries(t, dir)
	scanFiles(t, unreadable, "running", dir, temp)
	scan(t, unwanted, "an answer to those who sent the marks", c.answers.Bytes())
	scan(t, unwanted, "the Stats API", canaryAnswers(t, s.URL, token))
	scan(t, unwanted, "the dashboard's API", canaryDashboard(t, s.URL))
	_, metrics, _ := strings.Cut(s.Log(), "metrics ")
	scan(t, unreadable, "metrics", fetch(t, strings.Fields(metrics)[0]))
	text := exports(t, dir)
	scan(t, unwanted, "export", text)
	for _, kept := range canaryKept {
		control := &needles{}
		control.text(kept)
		if len(control.find(text)) == 0 {
			t.Errorf("the export lacks %s: the test would find nothing", kept)
		}
	}

	dump(t, s)
	scan(t, unreadable, "the log, or what the dying process printed", []byte(s.Log()))
	if !strings.Contains(s.Log(), "goroutine ") {
		t.Errorf("the process printed no stacks:\n%s", s.Log())
	}
	scanFiles(t, unreadable, "after a crash", dir, temp)

	s = canaryServer(t, dir, temp)
	c.url = s.URL
	c.do(c.clients[0], "POST", "/api/event", "text/plain", canaryAgents[0], "203.0.113.77", canaryEvent("pageview", canarySites[0]))
	if code := s.Stop(); code != 0 {
		t.Errorf("exit code %d\n%s", code, s.Log())
	}
	scan(t, unreadable, "the second log", []byte(s.Log()))
	scanFiles(t, unreadable, "stopped", dir, temp)

	sealAll(t, dir)
	scanFiles(t, unreadable, "sealed", dir, temp)
	mustCheck(t, dir)
	text = exports(t, dir)
	scan(t, unwanted, "export of sealed days", text)
	if n := bytes.Count(text, []byte("control-path-Nf8a")); n < 100 {
		t.Errorf("only %d marked events are in the export of sealed days", n)
	}
	t.Logf("%d bytes of answers, %d bytes exported", c.answers.Len(), len(text))
}

// importCanaries imports lines whose visitors are marks, good and bad ones.
func importCanaries(t *testing.T, dir string) {
	t.Helper()
	var lines strings.Builder
	for i, visitor := range []string{"visitor-mark-Ox4m", "jane.canary@mail-Ws8f.example", "203.0.113.77", canaryAgents[0], "203.0.113.77"} {
		fmt.Fprintf(&lines, `{"time":"2026-01-0%dT10:00:00Z","name":"pageview","visitor":%q,"pathname":"/imported-path-Dm4e"}`+"\n", i%2+1, visitor)
	}
	fmt.Fprintf(&lines, `{"time":"visitor-mark-Ox4m","name":"pageview"}`+"\n"+`{"body-mark-Gv9y`+"\n")
	_, stderr, code := footfall(t, strings.NewReader(lines.String()), "import", "--site", canarySites[0], "--format", "ndjson", "-", "--data", dir)
	if code != 3 {
		t.Errorf("import: exit code %d, want 3\n%s", code, stderr)
	}
}

// canaryAnswers asks the Stats API for everything it can break numbers down by.
func canaryAnswers(t *testing.T, url, token string) []byte {
	t.Helper()
	var all []byte
	for _, site := range canarySites {
		for _, dimension := range strings.Fields(`event:page event:hostname event:name event:props:control-key-Xw1b visit:entry_page visit:exit_page
			visit:source visit:referrer visit:channel visit:utm_campaign visit:utm_source visit:utm_medium visit:utm_content visit:utm_term
			visit:device visit:browser visit:browser_version visit:os visit:os_version visit:country visit:region visit:city`) {
			query := fmt.Sprintf(`{"site_id":%q,"date_range":"all","metrics":["visitors"],"dimensions":[%q]}`, site, dimension)
			answer, err := json.Marshal(ask(t, url, token, query))
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, answer...)
		}
	}
	if !bytes.Contains(all, []byte("control-path-Nf8a")) {
		t.Errorf("the answers lack what they should hold: %s", all)
	}
	return all
}

// canaryDashboard logs in and asks for what the dashboard shows.
func canaryDashboard(t *testing.T, url string) []byte {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Jar: jar, Timeout: 30 * time.Second}
	var all []byte
	call := func(method, path, body string) {
		t.Helper()
		req, err := http.NewRequest(method, url+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		answer, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != http.StatusOK {
			t.Fatalf("%s %s: %s, %v\n%s", method, path, res.Status, err, answer)
		}
		all = append(all, answer...)
	}
	call("POST", "/api/app/login", fmt.Sprintf(`{"email":%q,"password":%q}`, canaryEmail, canaryPassword))
	call("GET", "/api/app/state", "")
	call("GET", "/api/app/system", "")
	call("GET", "/api/app/doctor", "")
	for _, site := range canarySites {
		base := "/api/app/sites/" + site
		call("GET", base+"/status", "")
		call("GET", base+"/current", "")
		call("GET", base+"/filtered?from=2026-01-01&to=2036-01-01", "")
		call("POST", base+"/query", `{"queries":[{"metrics":["visitors"],"dimensions":["event:page"],"date_range":"all"}]}`)
	}
	if !bytes.Contains(all, []byte("control-path-Nf8a")) || !bytes.Contains(all, []byte("reason")) || !bytes.Contains(all, []byte("addresses")) {
		t.Errorf("the answers lack what they should hold: %s", all)
	}
	return all
}

// dump makes the server die as by a bug, with the stacks of requests that are under way.
func dump(t *testing.T, s *server) {
	t.Helper()
	body := canaryEvent("pageview", canarySites[0])
	var under sync.WaitGroup
	defer under.Wait()
	for _, address := range canaryAddresses {
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "POST /api/event HTTP/1.1\r\nHost: x\r\nUser-Agent: %s\r\nX-Forwarded-For: %s\r\nExpect: 100-continue\r\nContent-Length: %s\r\n\r\n",
			canaryAgents[0], address, strconv.Itoa(len(body)))
		_ = conn.SetReadDeadline(time.Now().Add(startTime))
		if _, err := conn.Read(make([]byte, 100)); err != nil { // it asks for the body: the handler runs
			t.Fatal(err)
		}
		_, _ = io.WriteString(conn, body[:len(body)/2])
	}
	// Others are anywhere on their way when it happens.
	for i, address := range canaryAddresses {
		under.Go(func() {
			client := oneConnection()
			for {
				if _, err := postEvent(client, s.URL, address.String(), canaryAgents[i%2], body); err != nil {
					return
				}
			}
		})
	}
	time.Sleep(100 * time.Millisecond) // so that many are at work; no outcome depends on it
	_ = s.cmd.Process.Signal(syscall.SIGQUIT)
	select {
	case <-s.done:
	case <-time.After(stopTime):
		t.Error("SIGQUIT does not end the process")
		s.Kill()
	}
}

// sealAll seals the open days of an idle store, as the server does after midnight. The binary has no clock that could be turned, so
// the store is opened here.
func sealAll(t *testing.T, dir string) {
	t.Helper()
	later := func() time.Time { return time.Now().AddDate(0, 0, 3) }
	store, err := storage.Open(context.Background(), storage.Config{Dir: dir, Now: later})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	}()
	before, err := os.ReadFile(filepath.Join(dir, "footfall.db"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Maintain(context.Background(), later()); err != nil {
		t.Fatal(err)
	}
	if after, err := os.ReadFile(filepath.Join(dir, "footfall.db")); err != nil || bytes.Equal(before, after) {
		t.Errorf("nothing was sealed (%v)", err)
	}
}
