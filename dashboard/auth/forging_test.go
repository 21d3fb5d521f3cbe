package auth_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"footfall/dashboard/auth"
	"footfall/ingest/visitor"
	"footfall/ingest/visitor/visitortest"
)

// Guessing passwords is slowed down by address: nothing that a client sends gives it another one.
func TestNobodyForgesAPeer(t *testing.T) {
	w := newWorld(t, func(cfg *auth.Config) { cfg.Proxies, cfg.ClientAddr = visitortest.Trusted, visitor.ClientAddr })
	server := httptest.NewServer(http.HandlerFunc(func(answer http.ResponseWriter, r *http.Request) {
		io.WriteString(answer, w.Peer(r).Addr.String())
	}))
	defer server.Close()
	visitortest.NobodyForges(t, strings.TrimPrefix(server.URL, "http://"), "/")
}
