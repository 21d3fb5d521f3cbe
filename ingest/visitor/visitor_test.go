package visitor_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"net/netip"
	"testing"

	"pgregory.net/rapid"

	"footfall/ingest/visitor"
	"footfall/storage/schema"
)

var salt = [32]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32}

const ua = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"

// The vector was computed once, outside Go. It never changes: a new number would split today's visitors at an upgrade.
func TestIDVector(t *testing.T) {
	got := visitor.ID(salt, 20000, 7, netip.MustParseAddr("203.0.113.9"), ua)
	if want := uint64(0x27be3101af79589b); got != want {
		t.Errorf("got %#016x, want %#016x", got, want)
	}
}

func TestIDIsHMAC(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var key [32]byte
		copy(key[:], rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "salt"))
		day := rapid.Int32().Draw(t, "day")
		site := rapid.Uint32().Draw(t, "site")
		raw := rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "ip")
		agent := rapid.String().Draw(t, "ua")

		mac := hmac.New(sha256.New, key[:])
		mac.Write(binary.BigEndian.AppendUint32(nil, uint32(day)))
		mac.Write(binary.BigEndian.AppendUint32(nil, site))
		ipHash, uaHash := sha256.Sum256(raw), sha256.Sum256([]byte(agent))
		mac.Write(ipHash[:])
		mac.Write(uaHash[:])
		want := binary.BigEndian.Uint64(mac.Sum(nil))

		ip, _ := netip.AddrFromSlice(raw)
		if got := visitor.ID(key, schema.Date(day), schema.Site(site), ip, agent); got != want {
			t.Fatalf("got %#x, want %#x", got, want)
		}
	})
}

func TestIDOneAddressOneVisitor(t *testing.T) {
	for _, group := range [][]string{
		{"203.0.113.9", "::ffff:203.0.113.9", "::ffff:cb00:7109"},
		{"2001:db8::1", "2001:0db8:0:0:0:0:0:1", "2001:db8::1%eth0"},
	} {
		want := visitor.ID(salt, 1, 1, netip.MustParseAddr(group[0]), ua)
		for _, text := range group[1:] {
			if got := visitor.ID(salt, 1, 1, netip.MustParseAddr(text), ua); got != want {
				t.Errorf("%s: got %#x, want %#x as for %s", text, got, want, group[0])
			}
		}
	}
}

func TestIDEveryInputCounts(t *testing.T) {
	ip := netip.MustParseAddr("203.0.113.9")
	other := salt
	other[31]++
	seen := map[uint64]string{}
	for what, id := range map[string]uint64{
		"base":    visitor.ID(salt, 1, 1, ip, ua),
		"salt":    visitor.ID(other, 1, 1, ip, ua),
		"day":     visitor.ID(salt, 2, 1, ip, ua),
		"site":    visitor.ID(salt, 1, 2, ip, ua),
		"address": visitor.ID(salt, 1, 1, ip.Next(), ua),
		"agent":   visitor.ID(salt, 1, 1, ip, ua+" "),
		"no ip":   visitor.ID(salt, 1, 1, netip.Addr{}, ua),
	} {
		if before, ok := seen[id]; ok {
			t.Errorf("%s and %s give the same number", what, before)
		}
		seen[id] = what
	}
}

func TestIDAllocatesNothing(t *testing.T) {
	ip := netip.MustParseAddr("2001:db8::1")
	if n := testing.AllocsPerRun(100, func() { visitor.ID(salt, 1, 1, ip, ua) }); n > 0 {
		t.Errorf("got %v allocations, want 0", n)
	}
}

func BenchmarkID(b *testing.B) {
	ip := netip.MustParseAddr("2001:db8::1")
	b.ReportAllocs()
	for b.Loop() {
		visitor.ID(salt, 1, 1, ip, ua)
	}
}
