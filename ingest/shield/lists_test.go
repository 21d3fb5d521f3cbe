package shield_test

import (
	"errors"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"footfall/ingest/shield"
)

func mustFile(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "list.txt")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestNetworks(t *testing.T) {
	n, has, err := shield.Networks([]byte("# ours\n192.0.2.0/25\n192.0.2.128/25 # the other half\n\n198.51.100.7\n2001:db8::/32,AS64500,Example\n2001:db8:5::/48\n10.0.0.9/8\n"))
	if err != nil || n != 4 {
		t.Fatal(n, err)
	}
	for addr, want := range map[string]bool{
		"192.0.2.0": true, "192.0.2.255": true, "192.0.3.0": false, "192.0.1.255": false, "198.51.100.7": true, "198.51.100.8": false, "::ffff:198.51.100.7": true,
		"2001:db8::": true, "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff": true, "2001:db9::": false, "2001:db7:ffff:ffff:ffff:ffff:ffff:ffff": false, "10.255.0.1": true, "::": false,
	} {
		if got := has(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: got %v", addr, got)
		}
	}
	if has(netip.Addr{}) {
		t.Error("an address that is none is in it")
	}
}

func FuzzNetworks(f *testing.F) {
	f.Add("10.0.0.0/8\n10.1.0.0/16\n::/0", "10.1.2.3")
	f.Add("0.0.0.0/0\n128.0.0.0/1", "255.255.255.255")
	f.Add("ffff:ffff:ffff:ffff::/64\nffff:ffff:ffff:ffff:8000::/65", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")
	f.Fuzz(func(t *testing.T, list, text string) {
		_, has, err := shield.Networks([]byte(list))
		addr, errAddr := netip.ParseAddr(text)
		if err != nil || errAddr != nil || strings.ContainsAny(list, "#,") {
			return
		}
		addr = addr.Unmap().WithZone("")
		want := false
		for line := range strings.Lines(list) {
			line = strings.TrimSpace(line)
			if p, err := netip.ParsePrefix(line); err == nil {
				first, _ := netip.ParsePrefix(p.Masked().String())
				want = want || first.Contains(addr) || addr.Is4() && first.Contains(netip.AddrFrom16(addr.As16()))
			} else if one, err := netip.ParseAddr(line); err == nil {
				want = want || one.Unmap().WithZone("") == addr
			}
		}
		if got := has(addr); got != want {
			t.Errorf("%s in %q: got %v, want %v", addr, list, got, want)
		}
	})
}

func TestLists(t *testing.T) {
	for what, err := range map[string]error{
		"header of spam":          second(shield.NewSpam([]byte("spam.example\n"))),
		"line 2: it is no host":   second(shield.NewSpam([]byte("footfall-spam 1\nspam.example\nhttp://x.example\n"))),
		"header of data centres":  second(shield.NewDataCentres([]byte("64500\tExample\n"))),
		"line 1: it is no number": second(shield.NewDataCentres([]byte("footfall-datacentres 1\nAS64500\tExample\n"))),
	} {
		if err == nil || !strings.Contains(what, "header") && !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %v", what, err)
		}
	}
	lists := mustLists(t)
	if err := lists.Read(shield.Files{Spam: filepath.Join(t.TempDir(), "no such file")}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	if err := lists.Read(shield.Files{DataCentres: mustFile(t, "192.0.2.0/24\n192.0.2.500\n")}); err == nil || !strings.Contains(err.Error(), "line 2") || strings.Contains(err.Error(), "192.0.2.500") {
		t.Errorf("got %v", err)
	}
	if lists.InDataCentre(netip.MustParseAddr("192.0.2.1")) {
		t.Error("half of a list is in use")
	}
	if err := lists.Read(shield.Files{DataCentres: mustFile(t, "192.0.2.0/24\n"), Spam: mustFile(t, "# ours\nwww.More.example\n")}); err != nil {
		t.Fatal(err)
	}
	if !lists.InDataCentre(netip.MustParseAddr("192.0.2.1")) || !lists.Spam.Has("https://more.example/", "example.org") || !lists.Spam.Has("https://spam.example/", "example.org") {
		t.Error("a list is not in use")
	}
}

func second[T any](_ T, err error) error { return err }

func FuzzSpam(f *testing.F) {
	f.Add("https://user@spam.example:80/x?y#z", "example.org")
	f.Add("://", "")
	f.Fuzz(func(t *testing.T, referrer, own string) {
		spam, err := shield.NewSpam([]byte("footfall-spam 1\nspam.example\n"))
		if err != nil {
			t.Fatal(err)
		}
		if spam.Has(referrer, own) && !strings.Contains(strings.ToLower(referrer), "spam.example") {
			t.Errorf("%q is spam", referrer)
		}
	})
}

func TestIgnoreToken(t *testing.T) {
	const param = "footfall_ignore"
	for query, want := range map[string]string{
		"": "", "footfall_ignore=abc": "abc", "a=b&footfall_ignore=abc&c=d": "abc", "footfall_ignored=abc": "", "x_footfall_ignore=abc": "", "footfall_ignore": "", "footfall_ignore=": "",
		"footfall_ignore&footfall_ignore=x": "x", "&&&": "",
	} {
		if got := shield.IgnoreToken(query, param); got != want {
			t.Errorf("%q: got %q, want %q", query, got, want)
		}
	}
}

// TestListsThatChange changes a list that is watched: what is wrong leaves the former content in use, and is said once, without what stands there.
func TestListsThatChange(t *testing.T) {
	lists, said := mustLists(t), &strings.Builder{}
	log := slog.New(slog.NewTextHandler(said, nil))
	path := mustFile(t, "192.0.2.0/24\n")
	w, err := shield.NewWatcher(lists, shield.Files{DataCentres: path})
	if err != nil {
		t.Fatal(err)
	}
	look := func(what, old, young string, notes int) {
		t.Helper()
		said.Reset()
		w.Look(log)
		w.Look(log)
		if old != "" && lists.InDataCentre(netip.MustParseAddr(old)) || !lists.InDataCentre(netip.MustParseAddr(young)) {
			t.Errorf("%s: what is in use is not what should be", what)
		}
		if got := strings.Count(said.String(), "\n"); got != notes || strings.Contains(said.String(), "198.51.100") {
			t.Errorf("%s: the log says\n%s", what, said)
		}
	}
	change := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	look("nothing", "198.51.100.1", "192.0.2.1", 0)
	change("192.0.2.0/24\n198.51.100.0/33\n")
	look("a wrong line", "198.51.100.1", "192.0.2.1", 1)
	change("198.51.100.0/24 # instead\n")
	look("a change", "192.0.2.1", "198.51.100.1", 1)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	look("it is gone", "192.0.2.1", "198.51.100.1", 1)
	change("192.0.2.0/24\n203.0.113.0/24\n")
	look("it is back", "198.51.100.1", "192.0.2.1", 1)
}

// TestDataCentresByNumber reads a database of networks that says of the upper half of IPv4 that it is number 24940.
func TestDataCentresByNumber(t *testing.T) {
	lists := mustNumbered(t)
	for addr, want := range map[string]bool{"192.0.2.1": true, "84.1.2.3": false, "2001:db8::1": false} {
		if got := lists.InDataCentre(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: got %v", addr, got)
		}
	}
	if lists.DataCentres, _ = shield.NewDataCentres([]byte("footfall-datacentres 1\n64500\tExample\n")); lists.InDataCentre(netip.MustParseAddr("192.0.2.1")) {
		t.Error("a network of another company is one of a data centre")
	}
	if mustLists(t).KnowsDataCentres() || !mustNumbered(t).KnowsDataCentres() {
		t.Error("what is known is not known")
	}
}

// mustNumbered returns lists with a database of networks, and a company in it.
func mustNumbered(t testing.TB) *shield.Lists {
	t.Helper()
	lists := mustLists(t)
	if _, err := lists.Places.Look("", "testdata/asn.mmdb"); err != nil {
		t.Fatal(err)
	}
	var err error
	if lists.DataCentres, err = shield.NewDataCentres([]byte("footfall-datacentres 1\n24940\tHetzner\n")); err != nil {
		t.Fatal(err)
	}
	return lists
}

func BenchmarkInDataCentre(b *testing.B) {
	lists, addr := mustNumbered(b), netip.MustParseAddr("192.0.2.1")
	b.ReportAllocs()
	for b.Loop() {
		lists.InDataCentre(addr)
	}
}
