package workload_test

import (
	"context"
	"io"
	"net/http"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"footfall/ingest/wire"
	"footfall/ingest/workload"
)

func TestLiveTrafficIsAcceptable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		visits, events := map[string]bool{}, 0
		handler := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			hit, err := wire.Decode(r.Header.Get("Content-Type"), body)
			if err != nil || len(hit.Domains) != 1 || hit.Domains[0] != "demo.example" {
				t.Errorf("body %s: domains %v, error %v", body, hit.Domains, err)
			}
			if from, err := netip.ParseAddrPort(r.RemoteAddr); err != nil || from.Addr().IsPrivate() || r.UserAgent() == "" {
				t.Errorf("from %s, error %v, agent %q", r.RemoteAddr, err, r.UserAgent())
			}
			mu.Lock()
			defer mu.Unlock()
			visits[r.RemoteAddr] = true
			events++
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		workload.New(365_000, 1).ForDomain("demo.example").Live(ctx, handler, "demo.example")
		if len(visits) < 200 || events < len(visits) {
			t.Errorf("%d visits and %d events in an hour", len(visits), events)
		}
	})
}
