package web

import "time"

// Limits of the listener. A visitor's browser needs none of them; they bound what one stranger can hold.
const (
	readHeaderTimeout = 5 * time.Second  // a header is a few hundred bytes; slower is an attack on connections
	readTimeout       = 10 * time.Second // header and body; the longest body is 1 MiB
	writeTimeout      = 30 * time.Second // after the longest time that a query may compute, for the answer to travel over a slow line
	idleTimeout       = 60 * time.Second // keeps a page's next event on the same connection
	maxHeaderBytes    = 16 << 10         // cookies of the sites that count here can be long; more is not a browser

	maxConns        = 2048 // about 40 MiB when all are busy: fits a server of 512 MiB
	maxConnsAddress = 512  // of one address or IPv6 /64, proxies aside: a school or office behind one address fits

	drainTimeout = 10 * time.Second // for requests under way when the server stops

	healthTimeout = 3 * time.Second // of the health check: longer is not healthy
)
