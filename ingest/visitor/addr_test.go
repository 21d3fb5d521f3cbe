package visitor_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"footfall/ingest/visitor"
)

func proxies(a netip.Addr) bool {
	return a.IsLoopback() || netip.MustParsePrefix("10.0.0.0/8").Contains(a)
}

func TestClientAddr(t *testing.T) {
	for _, c := range []struct {
		peer string
		xff  []string
		want string
	}{
		{"203.0.113.9", nil, "203.0.113.9"},
		{"203.0.113.9", []string{"198.51.100.1"}, "203.0.113.9"}, // not a proxy of ours: its header is a claim
		{"127.0.0.1", nil, "127.0.0.1"},
		{"::ffff:127.0.0.1", []string{"198.51.100.1"}, "198.51.100.1"},
		{"127.0.0.1", []string{"198.51.100.1"}, "198.51.100.1"},
		{"127.0.0.1", []string{"1.1.1.1, 198.51.100.1"}, "198.51.100.1"},
		{"127.0.0.1", []string{"1.1.1.1", "198.51.100.1,10.0.0.1", "10.0.0.2"}, "198.51.100.1"},
		{"127.0.0.1", []string{"198.51.100.1, garbage, 10.0.0.1"}, "10.0.0.1"},
		{"127.0.0.1", []string{"198.51.100.1,"}, "127.0.0.1"},
		{"127.0.0.1", []string{""}, "127.0.0.1"},
		{"127.0.0.1", []string{"unknown"}, "127.0.0.1"},
		{"127.0.0.1", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
		{"127.0.0.1", []string{"198.51.100.1:4711"}, "198.51.100.1"},
		{"127.0.0.1", []string{"[2001:db8::1]:4711"}, "2001:db8::1"},
		{"127.0.0.1", []string{"[2001:db8::1]"}, "2001:db8::1"},
		{"127.0.0.1", []string{"2001:db8::1%eth0"}, "2001:db8::1"},
		{"127.0.0.1", []string{"::ffff:198.51.100.1"}, "198.51.100.1"},
		{"::1", []string{"[198.51.100.1]"}, "::1"},
	} {
		if got := visitor.ClientAddr(netip.MustParseAddr(c.peer), c.xff, proxies); got.String() != c.want {
			t.Errorf("%s %q: got %v, want %s", c.peer, c.xff, got, c.want)
		}
	}
	if got := visitor.ClientAddr(netip.Addr{}, []string{"1.1.1.1"}, proxies); got.IsValid() {
		t.Errorf("no peer: got %v, want none", got)
	}
	if got := visitor.ClientAddr(netip.MustParseAddr("127.0.0.1"), []string{"1.1.1.1"}, nil); got.String() != "127.0.0.1" {
		t.Errorf("nobody trusted: got %v, want the peer", got)
	}
}

// Whatever a client sends in the header, the chain of proxies behind it leads to the client's own address.
func TestClientAddrCannotBeForged(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		addr := func(label string) netip.Addr {
			a, _ := netip.AddrFromSlice(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, label))
			return a
		}
		client := addr("client")
		if proxies(client) {
			t.Skip("a client that is itself a proxy of ours may say who it speaks for")
		}
		claim := rapid.OneOf(rapid.String(), rapid.StringMatching(`[0-9.,: \[\]]*`), rapid.SampledFrom([]string{"127.0.0.1", "10.0.0.1, 1.2.3.4", ","}))
		lines := rapid.SliceOfN(claim, 0, 4).Draw(t, "sent by the client")
		lines = slices.DeleteFunc(lines, func(s string) bool { return strings.ContainsAny(s, "\r\n") })

		peer := client
		for range rapid.IntRange(0, 3).Draw(t, "proxies") {
			// A proxy appends whom it sees, to the last line or as a line of its own.
			if len(lines) > 0 && lines[len(lines)-1] != "" && rapid.Bool().Draw(t, "same line") {
				lines[len(lines)-1] += rapid.SampledFrom([]string{",", ", "}).Draw(t, "comma") + peer.String()
			} else {
				lines = append(lines, peer.String())
			}
			peer = netip.MustParseAddr("10.0.0.1")
		}
		if got := visitor.ClientAddr(peer, lines, proxies); got != client {
			t.Fatalf("got %v from %q, want %v", got, lines, client)
		}
	})
}

// FuzzClientAddr holds for any header that a stranger's word counts for nothing: what stands left of the address that was taken, and all of it where the peer is
// no proxy.
func FuzzClientAddr(f *testing.F) {
	f.Add([]byte{127, 0, 0, 1}, "198.51.100.1, 10.0.0.1", "10.0.0.2")
	f.Add([]byte{127, 0, 0, 1}, "[2001:db8::1]:443,", "fe80::1%eth0")
	f.Add([]byte{203, 0, 113, 9}, "::ffff:10.0.0.1", ":80")
	f.Fuzz(func(t *testing.T, peer []byte, first, second string) {
		from, ok := netip.AddrFromSlice(peer)
		got := visitor.ClientAddr(from, []string{first, second}, proxies)
		if got.IsValid() != ok || got.Zone() != "" || got.Is4In6() {
			t.Fatalf("got %v", got)
		}
		if !proxies(from.Unmap()) && got != from.Unmap() {
			t.Fatalf("%v is believed: got %v", from, got)
		}
		if proxies(got) {
			return // nobody but proxies: more of them may follow
		}
		for _, lines := range [][]string{{"192.0.2.1," + first, second}, {"192.0.2.1", first, second}} {
			if more := visitor.ClientAddr(from, lines, proxies); more != got && first != "" {
				t.Fatalf("%q: got %v, and %v without the first address", lines, more, got)
			}
		}
	})
}
