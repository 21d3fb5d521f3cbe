// Package visitor turns who sent a request into a number that means nothing tomorrow. It is the only code that makes something of an address that is
// stored; it also finds that address among proxies (ClientAddr), and tells when it looks like a proxy's (Census).
//
// The number is the first 64 bits, big-endian, of
//
//	HMAC-SHA256(key = the salt of the site's day, see storage.Store.Salt,
//	    | bytes | what                                                    |
//	    |     4 | day: schema.Date, days since 1970-01-01, big-endian     |
//	    |     4 | site: schema.Site, big-endian                           |
//	    |    32 | SHA-256 of the address, 4 bytes of IPv4 or 16 of IPv6   |
//	    |    32 | SHA-256 of the User-Agent header as it was sent         |
//	)
//
// The salt is destroyed at local midnight. From then on nobody, the operator included, can find out which address
// stood behind a number, or whether two days saw the same person.
package visitor

import (
	"crypto/sha256"
	"encoding/binary"
	"net/netip"

	"footfall/storage/schema"
)

// ID returns the number of the visitor at address ip with User-Agent ua on one day of one site. The same address
// written in another way (IPv4 inside IPv6, with a zone) gives the same number.
func ID(salt [32]byte, day schema.Date, site schema.Site, ip netip.Addr, ua string) uint64 {
	var message [4 + 4 + 2*sha256.Size]byte
	binary.BigEndian.PutUint32(message[0:], uint32(day))
	binary.BigEndian.PutUint32(message[4:], uint32(site))
	address := hashAddr(ip)
	copy(message[8:], address[:])
	var room [512]byte // a longer User-Agent moves to the heap
	agent := sha256.Sum256(append(room[:0], ua...))
	copy(message[8+sha256.Size:], agent[:])
	mac := hmac(salt, &message)
	return binary.BigEndian.Uint64(mac[:8])
}

func hashAddr(ip netip.Addr) [sha256.Size]byte {
	ip = ip.Unmap().WithZone("")
	switch {
	case ip.Is4():
		b := ip.As4()
		return sha256.Sum256(b[:])
	case ip.Is6():
		b := ip.As16()
		return sha256.Sum256(b[:])
	}
	return sha256.Sum256(nil)
}

// hmac is HMAC-SHA256 (RFC 2104) of one message of fixed size, on the stack: crypto/hmac would allocate for every event. A
// test holds it equal to crypto/hmac.
func hmac(key [32]byte, message *[72]byte) [sha256.Size]byte {
	const block = sha256.BlockSize
	var inner [block + len(message)]byte
	var outer [block + sha256.Size]byte
	for i := range block {
		var k byte
		if i < len(key) {
			k = key[i]
		}
		inner[i], outer[i] = k^0x36, k^0x5c
	}
	copy(inner[block:], message[:])
	sum := sha256.Sum256(inner[:])
	copy(outer[block:], sum[:])
	return sha256.Sum256(outer[:])
}
