package ingest_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"footfall/ingest"
	"footfall/ingest/visitor/visitortest"
	"footfall/storage/account"
)

// Through a real server and its connections, nothing that a client sends changes the address its events are counted for.
func TestNobodyForgesAnAddress(t *testing.T) {
	h, err := ingest.NewWith(ingest.Config{Trusted: visitortest.Trusted}, newMemory(account.Site{Domain: "example.com", Timezone: "Etc/UTC"}))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(h)
	defer server.Close()
	visitortest.NobodyForges(t, strings.TrimPrefix(server.URL, "http://"), "/api/event")
}
