package terminal_test

import (
	"testing"

	"footfall/dashboard/terminal"
)

func TestStacksLackArguments(t *testing.T) {
	const trace = `goroutine 7 [running]:
footfall/ingest.(*Handler).event(0xc000123400, {0x1a2b3c, 0xc000456000}, {{0x0, 0xffffcb00714d}, 0xc0000140c8})
	/src/ingest/event.go:63 +0x1d
net/http.HandlerFunc.ServeHTTP(...)
	/go/net/http/server.go:2300
footfall/ingest.Walk[...](0x1, {0xcb00714d?, 0x0?})
	/src/ingest/walk.go:3 +0x2
created by net/http.(*Server).Serve in goroutine 1
	/go/net/http/server.go:3500 +0x49

goroutine 8 [chan receive, 2 minutes]:
main.main()
	/src/main.go:9`
	const want = `goroutine 7 [running]:
footfall/ingest.(*Handler).event(…)
	/src/ingest/event.go:63 +0x1d
net/http.HandlerFunc.ServeHTTP(…)
	/go/net/http/server.go:2300
footfall/ingest.Walk[...](…)
	/src/ingest/walk.go:3 +0x2
created by net/http.(*Server).Serve in goroutine 1
	/go/net/http/server.go:3500 +0x49

goroutine 8 [chan receive, 2 minutes]:
main.main(…)
	/src/main.go:9`
	if got := string(terminal.WithoutArguments([]byte(trace))); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
