package web

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
)

// Healthcheck is `footfall healthcheck`. It needs no store: it asks a running server over its listener, as a monitor would, so that
// a container without other tools can say whether it is well.
type Healthcheck struct {
	Listen string `help:"Where the server listens (default: the server of the data directory, else 127.0.0.1:8080)." placeholder:"HOST:PORT"`
	// Snapshots are not part of being well unless asked for: whoever restarts an unwell server would mend nothing.
	Snapshots bool `help:"Fail as well if the server streams no snapshots, if they are late, or if another instance streams in its place."`
}

// Ask returns nil if the server is ready.
func (v *Healthcheck) Ask() error {
	host, port, err := net.SplitHostPort(v.Listen)
	if err != nil {
		return fmt.Errorf("--listen %q: want HOST:PORT", v.Listen)
	}
	// A server that listens everywhere is reached on this machine's own address.
	switch ip := net.ParseIP(host); {
	case host == "" || ip != nil && ip.IsUnspecified() && ip.To4() != nil:
		host = "127.0.0.1"
	case ip != nil && ip.IsUnspecified():
		host = "::1"
	}
	ctx, cancel := context.WithTimeout(context.Background(), healthTimeout)
	defer cancel()
	address := url.URL{Scheme: "http", Host: net.JoinHostPort(host, port), Path: "/api/system/health/ready"}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address.String(), nil)
	if err != nil {
		return fmt.Errorf("ask server: %w", err)
	}
	// A proxy named by the environment is for other hosts.
	client := http.Client{Transport: &http.Transport{Proxy: nil, DisableKeepAlives: true}}
	answer, err := client.Do(r)
	if err != nil {
		return fmt.Errorf("ask server on %s: no answer: is it running there? --listen names another place", address.Host)
	}
	defer answer.Body.Close()
	var ours struct{ Storage, Snapshots string }
	if json.NewDecoder(io.LimitReader(answer.Body, 1<<10)).Decode(&ours) != nil || ours.Storage == "" {
		return fmt.Errorf("what answers on %s is no Footfall server: --listen names another place", address.Host)
	}
	if ours.Storage == "full" {
		return fmt.Errorf("server on %s refuses events: its disk is full: see `footfall reclaim --help`", address.Host)
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("server on %s is not ready (status %d): its log says why", address.Host, answer.StatusCode)
	}
	switch {
	case !v.Snapshots || ours.Snapshots == "ok":
		return nil
	case ours.Snapshots == "":
		return fmt.Errorf("server on %s streams no snapshots: see `footfall serve --help`, --snapshot-to", address.Host)
	}
	return fmt.Errorf("the snapshots of the server on %s are %s: see `footfall snapshot status`", address.Host, ours.Snapshots)
}
