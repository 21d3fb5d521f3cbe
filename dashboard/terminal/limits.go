package terminal

import "time"

const (
	// maxSettings bounds the configuration file, and maxSecret a secret's file, in bytes: a larger one is a mistaken path.
	maxSettings = 1 << 20
	maxSecret   = 64 << 10

	// maxNetworks bounds the list of proxies, and maxProxyFile a file of them, in bytes: whole clouds need a tenth.
	maxNetworks  = 20_000
	maxProxyFile = 1 << 20
	// proxyFilesEvery is how often files of proxies are looked at: who changes one looks for the effect a little later.
	proxyFilesEvery = 10 * time.Second

	firstStacks = 1 << 20  // bytes of the stacks of goroutines: some thousand
	maxStacks   = 64 << 20 // a server at its limits of connections has less
)
