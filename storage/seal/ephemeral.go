package seal

import "crypto/rand"

// Ephemeral returns a sealer with a key of its own that is kept nowhere: what it seals can be opened by nobody after the process has ended.
// It is for what must not lie readable on a disk while a job needs it there.
func Ephemeral() *Sealer {
	var key [32]byte
	var store [16]byte
	rand.Read(key[:])
	rand.Read(store[:])
	return newSealer(store, key[:])
}
