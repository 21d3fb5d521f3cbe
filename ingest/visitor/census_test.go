package visitor_test

import (
	"fmt"
	"net/netip"
	"testing"

	"footfall/ingest/visitor"
)

func TestCensus(t *testing.T) {
	c := visitor.NewCensus(func(a netip.Addr) string {
		switch {
		case a.IsLoopback():
			return "loopback"
		case netip.MustParsePrefix("198.51.100.0/24").Contains(a):
			return "cloud"
		}
		return ""
	})
	note := func(now int64, peer, taken string, trusted, forwarded bool, agent string) {
		c.Note(&visitor.Sighting{Peer: netip.MustParseAddr(peer), Taken: netip.MustParseAddr(taken), Trusted: trusted, Forwarded: forwarded, UserAgent: agent}, now)
	}
	want := func(now int64, want visitor.Impression) {
		t.Helper()
		got := c.Impression(now)
		for _, n := range []struct{ got, want *int }{{&got.Addresses, &want.Addresses}, {&got.Agents, &want.Agents}, {&got.Known, &want.Known}} {
			if *n.want > 0 && *n.got == *n.want-1 { // two had the same mark, which is rare
				*n.got = *n.want
			}
		}
		if got != want {
			t.Errorf("at %d: got %+v, want %+v", now, got, want)
		}
	}
	const hour = 3600
	want(0, visitor.Impression{})
	note(0, "127.0.0.1", "127.0.0.1", true, false, "a")
	note(0, "172.18.0.1", "172.18.0.1", false, true, "b")
	note(1, "::ffff:172.18.0.1", "::ffff:172.18.0.1", false, false, "b")
	want(2, visitor.Impression{Events: 3, Private: 3, Ignored: 1, Silent: 1, Addresses: 2, Agents: 2, IgnoredFrom: "172.18.0.0/24", PrivateIn: "loopback"})

	// The era before is remembered, the one before that is not.
	note(2*hour, "127.0.0.1", "198.51.100.7", true, true, "a")
	note(2*hour, "127.0.0.1", "198.51.100.7", true, true, "a")
	want(2*hour, visitor.Impression{Events: 5, Private: 3, Ignored: 1, Silent: 1, Addresses: 3, Agents: 2, Known: 1, IgnoredFrom: "172.18.0.0/24", PrivateIn: "loopback", KnownAs: "cloud"})
	want(4*hour, visitor.Impression{Events: 2, Addresses: 1, Agents: 1, Known: 1, KnownAs: "cloud"})
	want(9*hour, visitor.Impression{})

	// A public address is nobody's business, a private one is told by its network.
	note(9*hour, "203.0.113.5", "203.0.113.5", false, true, "a")
	note(9*hour, "fd00::5", "fd00::5", false, false, "a")
	want(9*hour, visitor.Impression{Events: 2, Private: 1, Ignored: 1, Addresses: 2, Agents: 1, PrivateIn: "fd00::/64"})
	c.Forget()
	want(9*hour, visitor.Impression{})
	note(8*hour, "203.0.113.5", "203.0.113.5", false, false, "a") // the clock was set back
	want(8*hour, visitor.Impression{Events: 1, Addresses: 1, Agents: 1})

	for i := range 200 {
		note(8*hour, "127.0.0.1", fmt.Sprintf("203.0.113.%d", i), true, true, "a")
	}
	if got := c.Impression(8 * hour).Addresses; got < 150 || got > 200 {
		t.Errorf("200 addresses are %d", got)
	}
}

func BenchmarkCensus(b *testing.B) {
	c := visitor.NewCensus(nil)
	s := visitor.Sighting{Peer: netip.MustParseAddr("127.0.0.1"), Taken: netip.MustParseAddr("203.0.113.5"), Trusted: true, Forwarded: true,
		UserAgent: "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36"}
	b.ReportAllocs()
	for b.Loop() {
		c.Note(&s, 1)
	}
}
