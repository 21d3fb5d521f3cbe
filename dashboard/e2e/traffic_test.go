package e2e_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// browsers are User-Agents of real browsers.
var browsers = []string{
	"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
	"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1.15",
	"Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0",
	"Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
}

// noon returns a time zone in which it is about noon, and today's date there: no midnight comes during a test.
func noon() (zone, date string) {
	east := 12 - time.Now().UTC().Hour()
	zone = "Etc/UTC"
	if east != 0 {
		zone = fmt.Sprintf("Etc/GMT%+d", -east) // these names count westwards
	}
	return zone, time.Now().UTC().Add(time.Duration(east) * time.Hour).Format(time.DateOnly)
}

// oneConnection returns a client that keeps a single connection, as a browser does.
func oneConnection() *http.Client {
	return &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxConnsPerHost: 1, MaxIdleConnsPerHost: 1}}
}

// postEvent sends an event as the visitor at address, this machine if it is "", with a User-Agent and returns the status code.
func postEvent(c *http.Client, url, address, agent, body string) (status int, err error) {
	status, _, err = offerEvent(c, url, address, agent, body)
	return status, err
}

// offerEvent is postEvent that also tells what the headers of the answer say.
func offerEvent(c *http.Client, url, address, agent, body string) (status int, header http.Header, err error) {
	req, err := http.NewRequest("POST", url+"/api/event", strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Content-Type", "text/plain")
	req.Header.Set("User-Agent", agent)
	if address != "" {
		req.Header.Set("X-Forwarded-For", address)
	}
	res, err := c.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	// The status line has arrived: the event is acknowledged, even if the rest of the answer is lost.
	_, _ = io.Copy(io.Discard, res.Body)
	return res.StatusCode, res.Header, nil
}

// addToken makes a token for the Stats API, on an idle data directory or in a running server.
func addToken(t *testing.T, dir, name string) string {
	t.Helper()
	return strings.TrimSpace(mustFootfall(t, nil, "token", "add", "--name", name, "--data", dir))
}

// row is one row of an answer of the Stats API.
type row struct {
	Metrics    []float64 `json:"metrics"`
	Dimensions []string  `json:"dimensions"`
}

// ask asks the Stats API of a running server, which must answer.
func ask(t *testing.T, url, token, query string) []row {
	t.Helper()
	status, text := post(t, url, token, query)
	var answer struct{ Results []row }
	if status != http.StatusOK || json.Unmarshal([]byte(text), &answer) != nil {
		t.Fatalf("query %s: status %d\n%s", query, status, text)
	}
	return answer.Results
}

// post asks the Stats API and returns whatever it says.
func post(t *testing.T, url, token, query string) (status int, answer string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "POST", url+"/api/v2/query", strings.NewReader(query))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

// exported is a line of an export.
type exported struct {
	Time, Visitor, Name, Hostname, Pathname, Source, Referrer, Browser, OS, Device string

	Props       map[string]string
	Revenue     struct{ Amount, Currency string }
	Interactive *bool
	Scroll      int   `json:"scroll_depth"`
	Engaged     int64 `json:"engagement_ms"`
}

// exportOf exports a site.
func exportOf(t *testing.T, dir, site string) []exported {
	t.Helper()
	text := mustFootfall(t, nil, "export", "--site", site, "--format", "ndjson", "--data", dir)
	var list []exported
	for lines := bufio.NewScanner(bytes.NewReader([]byte(text))); lines.Scan(); {
		var e exported
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			t.Fatalf("export: %v in %s", err, lines.Bytes())
		}
		list = append(list, e)
	}
	return list
}
