package web

import "time"

// Limits of the listener. A visitor's browser needs none of them; they bound what one stranger can hold.
const (
	readHeaderTimeout = 5 * time.Second  // a header is a few hundred bytes; slower is an attack on connections
	readTimeout       = 10 * time.Second // header and body; the longest body is 1 MiB
	idleTimeout       = 60 * time.Second // keeps a page's next event on the same connection

	// Of an answer, every writePiece bytes must have left for the peer's socket in writeTime or a little less: about 1 KiB a second, the slowest
	// line that anybody looks at numbers on. There is no limit for the whole: an answer may be long.
	writePiece = 16 << 10
	writeTime  = 15 * time.Second

	maxHeaderBytes = 16 << 10              // cookies of the sites that count here can be long; more is not a browser
	maxHead        = maxHeaderBytes + 4096 // as net/http counts, which gives the request line some room
	readSize       = 4 << 10               // of the buffer of a connection: holds nearly every head, and most events whole
	unclearShown   = 4                     // bytes of an unclear head: from so many on, net/http answers and does not just hang up

	maxConns        = 2048 // about 40 MiB when all are busy: fits a server of 512 MiB
	maxConnsAddress = 512  // of one address or IPv6 /64, proxies aside: a school or office behind one address fits

	// When all places are taken, up to cutAtOnce connections go that have let us wait for more than patience: so that a flood does not make us look
	// through all of them for each new one. Else up to cutIdle go that were answered, or we look again after lookAgain.
	cutAtOnce = maxConns / 32
	cutIdle   = 8
	patience  = time.Second
	lookAgain = 10 * time.Millisecond
	tellAgain = time.Minute // in the log

	drainTimeout = 10 * time.Second // for requests under way when the server stops

	healthTimeout = 3 * time.Second // of the health check: longer is not healthy

	maxOwnScripts = 256 // of sites, made and compressed: 2 kB each, and a third of a millisecond to make again
)
