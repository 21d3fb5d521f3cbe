package terminal_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"footfall/dashboard/terminal"
)

func trusted(t testing.TB, items ...string) *terminal.Proxies {
	t.Helper()
	p, err := (&terminal.Listening{TrustedProxy: items}).Proxies()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestTrustedProxies(t *testing.T) {
	file := filepath.Join(t.TempDir(), "proxies.txt")
	write(t, file, "# ours\n198.51.100.0/24, 203.0.113.7 # two\n\n2001:db8:1::/48\nfastly\n")
	for _, c := range []struct {
		items    []string
		in, out  string
		is, asks string
	}{
		{[]string{"loopback"}, "127.0.0.1 127.9.9.9 ::1 ::ffff:127.0.0.1 ::1%lo", "10.0.0.1 128.0.0.1 ::2 0.0.0.0", "loopback", "--trusted-proxy private"},
		{[]string{"none"}, "", "127.0.0.1 ::1 10.0.0.1", "none", "--trusted-proxy private"},
		{nil, "", "127.0.0.1", "none", "--trusted-proxy private"},
		{[]string{"private"}, "10.1.2.3 172.16.0.1 172.31.255.255 192.168.1.1 fd00::1 127.0.0.1 ::ffff:192.168.1.1", "172.32.0.0 172.15.255.255 100.64.0.1 169.254.1.1 9.255.255.255", "private", "--trusted-proxy private,private"},
		{[]string{"cloudflare", " loopback", "loopback"}, "104.16.0.1 104.27.255.255 2606:4700::1 127.0.0.1", "104.28.0.1 10.0.0.1 151.101.1.1", "cloudflare,loopback", "--trusted-proxy cloudflare,private"},
		{[]string{"fastly", "10.0.0.5"}, "151.101.1.1 2a04:4e42::1 10.0.0.5", "10.0.0.4 10.0.0.6 127.0.0.1", "fastly,10.0.0.5", "--trusted-proxy fastly,10.0.0.5,private"},
		{[]string{"cloudfront"}, "130.176.1.1 2600:9000:2000::1", "3.231.2.1 52.95.110.1", "cloudfront", "--trusted-proxy cloudfront,private"},
		{[]string{"10.0.0.9/8", "::ffff:192.0.2.0/120"}, "10.255.0.1 192.0.2.200", "192.0.3.1 11.0.0.1", "10.0.0.9/8,::ffff:192.0.2.0/120", "--trusted-proxy 10.0.0.9/8,::ffff:192.0.2.0/120,private"},
		{[]string{"@" + file}, "198.51.100.255 203.0.113.7 2001:db8:1:ffff::1 151.101.1.1", "203.0.113.8 198.51.101.0", "@" + file, "--trusted-proxy @" + file + ",private"},
	} {
		p := trusted(t, c.items...)
		for _, a := range strings.Fields(c.in) {
			if !p.Contains(netip.MustParseAddr(a)) {
				t.Errorf("%q: %s is not trusted", c.items, a)
			}
		}
		for _, a := range strings.Fields(c.out) {
			if p.Contains(netip.MustParseAddr(a)) {
				t.Errorf("%q: %s is trusted", c.items, a)
			}
		}
		if p.String() != c.is {
			t.Errorf("%q: got %q, want %q", c.items, p, c.is)
		}
		if got := p.Trusting(terminal.NetworkName(netip.MustParseAddr("192.168.7.7"))); got != c.asks {
			t.Errorf("%q: asked for %q, want %q", c.items, got, c.asks)
		}
	}
	if p := trusted(t); p.Contains(netip.Addr{}) || terminal.NetworkName(netip.Addr{}) != "" || terminal.NetworkName(netip.MustParseAddr("203.0.113.9")) != "" {
		t.Error("an address that nobody knows has a name")
	}
	for _, bad := range [][]string{{"everyone"}, {"none", "loopback"}, {"10.0.0.0/33"}, {"@" + file + ".none"}, {"Cloudflare "}, {"fe80::1%eth0/64"}} {
		if _, err := (&terminal.Listening{TrustedProxy: bad}).Proxies(); err == nil || !strings.Contains(err.Error(), "--trusted-proxy") {
			t.Errorf("%q: got error %v", bad, err)
		}
	}
}

func TestProxyFileIsReadAgain(t *testing.T) {
	file := filepath.Join(t.TempDir(), "proxies.txt")
	put := func(text string, age time.Duration) {
		write(t, file, text)
		if err := os.Chtimes(file, time.Time{}, time.Now().Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	put("198.51.100.0/24", time.Hour)
	p := trusted(t, "loopback", "@"+file)
	was, is := netip.MustParseAddr("198.51.100.1"), netip.MustParseAddr("203.0.113.1")
	want := func(step string, changed, failed, old, fresh bool) {
		t.Helper()
		got, err := p.Look()
		if got != changed || (err != nil) != failed || p.Contains(was) != old || p.Contains(is) != fresh || !p.Contains(netip.MustParseAddr("127.0.0.1")) {
			t.Errorf("%s: changed %v, error %v; old trusted %v, new trusted %v", step, got, err, p.Contains(was), p.Contains(is))
		}
	}
	want("nothing happened", false, false, true, false)
	put("203.0.113.0/24", 50*time.Minute)
	want("another list", true, false, false, true)
	put("203.0.113.0/", 40*time.Minute)
	want("half written", false, true, false, true)
	want("still half written", false, false, false, true)
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	want("gone", false, true, false, true)
	put("198.51.100.0/24\n203.0.113.0/24", 30*time.Minute)
	want("back", true, false, true, true)
}

// A search over many networks says what a look at each of them says.
func TestNetworksAreFound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		address := rapid.Custom(func(t *rapid.T) netip.Addr {
			b := rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, 127, 128, 255}), 4, 4).Draw(t, "bytes")
			if rapid.Bool().Draw(t, "v6") {
				b = append(make([]byte, 12), b...)
				b[0] = 0x20
			}
			a, _ := netip.AddrFromSlice(b)
			return a
		})
		var list []netip.Prefix
		var items []string
		for range rapid.IntRange(0, 12).Draw(t, "networks") {
			a := address.Draw(t, "network")
			p, _ := a.Prefix(rapid.IntRange(0, a.BitLen()).Draw(t, "bits"))
			list, items = append(list, p), append(items, p.String())
		}
		p, err := (&terminal.Listening{TrustedProxy: items}).Proxies()
		if err != nil {
			t.Fatal(err)
		}
		for range 20 {
			a := address.Draw(t, "address")
			want := slices.ContainsFunc(list, func(p netip.Prefix) bool { return p.Contains(a) })
			if got := p.Contains(a); got != want {
				t.Fatalf("%v in %v: got %v", a, list, got)
			}
		}
	})
}
