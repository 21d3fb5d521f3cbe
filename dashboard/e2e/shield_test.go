package e2e_test

import (
	"fmt"
	"net/http"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
)

// shieldEvent posts a pageview from an address and reports whether it is counted.
func shieldEvent(t *testing.T, url, address, page string) (counted bool) {
	t.Helper()
	status, header, err := offerEvent(http.DefaultClient, url, address, browsers[0], fmt.Sprintf(`{"n":"pageview","u":"https://example.org%s","d":"example.org"}`, page))
	if err != nil || status != http.StatusAccepted {
		t.Fatalf("status %d, %v", status, err)
	}
	return header.Get("X-Plausible-Dropped") == ""
}

// TestRulesOfASite changes rules of a running server, kills it, and restores its snapshot: a rule is in force for the next event, survives with what it has
// counted, and is nowhere to be read. Of the addresses that it dropped there is nothing at all.
func TestRulesOfASite(t *testing.T) {
	zone, _ := noon()
	dir, temp := t.TempDir(), t.TempDir()
	mustFootfall(t, nil, "site", "add", "example.org", "--timezone", zone, "--data", dir)
	key := keyAway(t, dir)
	d := dirDepot(t)
	serve := func(house string) *server {
		t.Helper()
		s, err := launch(append(environment(), "TMPDIR="+temp), "serve", house, "--key-file", key, "--config", d.config, "--log-level", "debug")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Kill)
		return s
	}
	shield := func(house, verb string, args ...string) string {
		t.Helper()
		return mustFootfall(t, nil, append([]string{"shield", verb, "--site", "example.org", "--data", house, "--key-file", key}, args...)...)
	}
	secret := &needles{}
	secret.address(netip.MustParseAddr("2001:db8:77aa:91c3:5e1f:8899:aabb:ccdd"))
	secret.text("/secret-page-Pq7w/**")
	secret.text("note-mark-Zt5k")

	s := serve(dir)
	const sender, page = "2001:db8:77aa:91c3:5e1f:8899:aabb:ccdd", "/secret-page-Pq7w/x"
	if !shieldEvent(t, s.URL, sender, "/") {
		t.Error("it is dropped without a rule")
	}
	shield(dir, "add", "--block-address", sender, "--note", "note-mark-Zt5k")
	if shieldEvent(t, s.URL, sender, "/") {
		t.Error("it is counted in spite of a rule")
	}
	shield(dir, "set", "--rule", "1", "--mode", "watch")
	shield(dir, "add", "--block-page", "/secret-page-Pq7w/**")
	if !shieldEvent(t, s.URL, sender, "/") || shieldEvent(t, s.URL, "203.0.113.7", page) {
		t.Error("a change is not in force at once")
	}
	if out := shield(dir, "dropped"); !strings.Contains(out, "site_ip_blocklist    1        1") || !strings.Contains(out, "site_page_blocklist  1        0") {
		t.Errorf("dropped:\n%s", out)
	}
	link := shield(dir, "link")
	d.snap(t, 0, "create", "rules", "--data", dir)
	if s.Stop() != 0 {
		t.Errorf("the server said\n%s", s.Log())
	}
	scan(t, secret, "the log", []byte(s.Log()))
	scanFiles(t, secret, "after a stop", dir, temp)

	restored := filepath.Join(t.TempDir(), "restored")
	d.snap(t, 0, "restore", "--from", d.url, "--to", restored, "--key-file", key, "--point", "rules")
	scanFiles(t, secret, "restored", restored)
	for _, house := range []string{dir, restored} {
		list := shield(house, "list")
		for _, want := range []string{"1     watch  address " + sender, "note-mark-Zt5k", "2     drop   page /secret-page-Pq7w/**"} {
			if !strings.Contains(list, want) {
				t.Errorf("there is no %q in\n%s", want, list)
			}
		}
		mustFootfall(t, nil, "check", "--data", house, "--key-file", key)
	}
	if out := shield(dir, "dropped"); !strings.Contains(out, "site_ip_blocklist    1        1") {
		t.Errorf("after a restart, dropped:\n%s", out)
	}
	if again := shield(dir, "link"); again != link {
		t.Errorf("the link is another after a restart: %s, %s", link, again)
	}
	s = serve(dir)
	if shieldEvent(t, s.URL, "203.0.113.7", page) || !shieldEvent(t, s.URL, "203.0.113.7", "/") {
		t.Error("rules are not in force after a restart")
	}
	shield(dir, "remove", "2")
	if !shieldEvent(t, s.URL, "203.0.113.7", page) {
		t.Error("a rule that was removed is in force")
	}
	mustFootfall(t, nil, "site", "remove", "example.org", "--yes", "--data", dir, "--key-file", key)
	mustFootfall(t, nil, "site", "add", "example.org", "--data", dir, "--key-file", key)
	if list := shield(dir, "list"); strings.Contains(list, sender) {
		t.Errorf("rules outlive their site:\n%s", list)
	}
}
