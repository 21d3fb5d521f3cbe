package s3

import "time"

const (
	// requestTimeout is how long an answer may take, and how long nothing may come of a body, beyond the time that the bytes take at slowestLine
	// bytes a second: 5 minutes for the largest object, far within the 15 for which a signature is good.
	requestTimeout = 30 * time.Second
	slowestLine    = 64 << 10

	// pageSize names are listed or deleted with one request: what S3 allows.
	pageSize = 1000

	// maxAnswer bytes of an error's text are read, and maxSaid bytes of it repeated.
	maxAnswer = 64 << 10
	maxSaid   = 300

	// maxVersions of the objects of one Delete are removed in one go, so that a bucket that keeps every state of an object that is often overwritten
	// does not fill the memory. What is left over goes in the next round.
	maxVersions = 50_000

	// Connections that are kept open: more than are ever used at once.
	idleConnections = 16
	idleTimeout     = time.Minute

	dialTimeout      = 10 * time.Second
	handshakeTimeout = 10 * time.Second

	// maxCredentials bytes of a credentials file are read. Real ones have some hundred.
	maxCredentials = 64 << 10

	// Clocks that differ by less than skewNamed are not worth a word: the Date of an answer is whole seconds and some time old.
	skewNamed = 30 * time.Second
)
