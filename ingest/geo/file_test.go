package geo_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"footfall/ingest/geo"
)

type fields = map[string]any

var (
	someone = netip.MustParseAddr("192.0.2.1")
	june    = time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	july    = time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC)
	bern    = fields{"country": fields{"iso_code": "CH"}, "subdivisions": []any{fields{"iso_code": "BE"}}, "city": fields{"names": fields{"en": "Bern"}}}
)

// drop puts a file where the operator would, with a time of its own: a test is faster than the clock of a file system.
func drop(t *testing.T, path string, database []byte, changed time.Time) {
	t.Helper()
	if err := os.WriteFile(path, database, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, changed, changed); err != nil {
		t.Fatal(err)
	}
}

// look looks at a directory and wants to be told so.
func look(t *testing.T, db *geo.DB, dir string, wantChanged bool, wantErr string) {
	t.Helper()
	changed, err := db.Look(dir, "")
	if changed != wantChanged {
		t.Errorf("changed: %v", changed)
	}
	if err == nil && wantErr != "" || err != nil && (wantErr == "" || !strings.Contains(err.Error(), wantErr)) {
		t.Errorf("error %v, want %q", err, wantErr)
	}
}

func wantPlace(t *testing.T, db *geo.DB, want geo.Place) {
	t.Helper()
	if got := db.Lookup(someone); got != want {
		t.Errorf("at %+v, want %+v", got, want)
	}
}

func TestFilesComeAndGo(t *testing.T) {
	dir := t.TempDir()
	db := mustDB(t, oneRecord(fields{"country_code": "DE"}))
	look(t, db, dir, false, "")
	wantPlace(t, db, geo.Place{Country: "DE"})

	// A file is used when it is the same for two looks, for it may be half copied at the first.
	countries := filepath.Join(dir, "GeoLite2-Country.mmdb")
	drop(t, countries, made("GeoLite2-Country", june, fields{"country": fields{"iso_code": "AT"}}), june)
	look(t, db, dir, false, "")
	wantPlace(t, db, geo.Place{Country: "DE"})
	look(t, db, dir, true, "")
	wantPlace(t, db, geo.Place{Country: "AT"})
	look(t, db, dir, false, "")

	// Cities go before countries, though these are newer; a file that still grows is left alone.
	cities := filepath.Join(dir, "dbip-city-lite.mmdb")
	whole := made("DBIP-City-Lite", june.AddDate(0, -1, 0), bern)
	drop(t, cities, whole[:len(whole)/2], june)
	look(t, db, dir, false, "")
	drop(t, cities, whole, july)
	look(t, db, dir, false, "")
	look(t, db, dir, true, "")
	wantPlace(t, db, geo.Place{Country: "CH", Region: "CH-BE", City: "Bern"})
	list := db.Files()
	if len(list) != 3 {
		t.Fatalf("files: %+v", list)
	}
	if want := (geo.File{Name: "dbip-city-lite.mmdb", Type: "DBIP-City-Lite", Built: june.AddDate(0, -1, 0), Countries: true, Cities: true}); list[0] != want {
		t.Errorf("first is %+v, want %+v", list[0], want)
	}
	if want := (geo.File{Type: "Test", Built: time.Unix(1, 0).UTC(), Countries: true}); list[2] != want {
		t.Errorf("last is %+v, want %+v", list[2], want)
	}

	// A damaged one changes nothing but what people are told, once.
	drop(t, cities, []byte("not a database"), july.Add(time.Hour))
	look(t, db, dir, false, "")
	look(t, db, dir, true, "dbip-city-lite.mmdb")
	look(t, db, dir, false, "")
	wantPlace(t, db, geo.Place{Country: "CH", Region: "CH-BE", City: "Bern"})
	if list = db.Files(); len(list) != 3 || list[2].Name != "dbip-city-lite.mmdb" || list[2].Error == "" || list[2].Type != "DBIP-City-Lite" {
		t.Errorf("files: %+v", list)
	}

	if err := os.Remove(cities); err != nil {
		t.Fatal(err)
	}
	look(t, db, dir, true, "")
	wantPlace(t, db, geo.Place{Country: "AT"})
	if list, err := os.ReadDir(dir); err != nil || len(list) != 1 {
		t.Errorf("left behind: %v, %v", list, err)
	}
}

// What is in use is a copy: cutting the file short, as a careless updater does, must not end the process.
func TestFileCutWhileInUse(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "city.mmdb")
	drop(t, path, made("City", june, bern), june)
	db := mustDB(t, nil)
	look(t, db, dir, true, "") // at the start nothing is waited for
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	wantPlace(t, db, geo.Place{Country: "CH", Region: "CH-BE", City: "Bern"})
}

func TestNetworks(t *testing.T) {
	for name, tt := range map[string]struct {
		record any
		want   geo.Network
	}{
		"MaxMind":    {fields{"autonomous_system_number": uint32(64500), "autonomous_system_organization": "Example Hosting"}, geo.Network{Number: 64500, Name: "Example Hosting"}},
		"IPinfo":     {fields{"asn": "AS64500", "as_name": "Example Hosting", "country_code": "CH"}, geo.Network{Number: 64500, Name: "Example Hosting"}},
		"IPinfo ASN": {fields{"asn": "AS64500", "name": "Example Hosting"}, geo.Network{Number: 64500, Name: "Example Hosting"}},
	} {
		dir := t.TempDir()
		drop(t, filepath.Join(dir, "asn.mmdb"), made("ASN", june, tt.record), june)
		db := mustDB(t, oneRecord(fields{"country_code": "DE"}))
		look(t, db, dir, true, "")
		if got := db.Network(someone); got != tt.want {
			t.Errorf("%s: %+v, want %+v", name, got, tt.want)
		}
		if list := db.Files(); len(list) != 2 || !list[0].Networks && !list[1].Networks {
			t.Errorf("%s: %+v", name, list)
		}
		if got := db.Network(netip.MustParseAddr("100.0.0.1")); got != (geo.Network{}) {
			t.Errorf("%s: an address outside belongs to %+v", name, got)
		}
		if got := db.Lookup(someone).Country; got == "" {
			t.Errorf("%s: a file of networks hides countries", name)
		}
	}
}

// An address that the first file does not know is looked for in the next: makers put the protocols into two files.
func TestFilesComplete(t *testing.T) {
	dir := t.TempDir()
	drop(t, filepath.Join(dir, "ipv4.mmdb"), made("City", june, bern), june)
	db := mustDB(t, embedded(t))
	look(t, db, dir, true, "")
	wantPlace(t, db, geo.Place{Country: "CH", Region: "CH-BE", City: "Bern"})
	for address, want := range map[string]string{"8.8.8.8": "US", "2001:4860:4860::8888": "US"} {
		if got := db.Lookup(netip.MustParseAddr(address)).Country; got != want {
			t.Errorf("%s: %q", address, got)
		}
	}
}

func TestNamedFile(t *testing.T) {
	dir, elsewhere := t.TempDir(), t.TempDir()
	path := filepath.Join(elsewhere, "places.bin")
	db := mustDB(t, nil)
	if _, err := db.Look(dir, path); err == nil {
		t.Error("a file that is not there was found")
	}
	drop(t, path, made("City", june, bern), june)
	if _, err := db.Look(dir, path); err != nil {
		t.Fatal(err)
	}
	wantPlace(t, db, geo.Place{Country: "CH", Region: "CH-BE", City: "Bern"})
	if !db.Uses(path) || db.Uses(filepath.Join(dir, "anonymous.mmdb")) {
		t.Error("does not know what it uses")
	}

	drop(t, filepath.Join(dir, "anonymous.mmdb"), made("Anonymous-IP", july, fields{"is_anonymous": "yes"}), july)
	if _, err := db.Look(dir, path); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Look(dir, path); err == nil || !strings.Contains(err.Error(), "neither countries nor networks") {
		t.Errorf("a file that knows nothing of use: %v", err)
	}
	if !db.Ready() {
		t.Error("not ready")
	}
}

// A tree whose nodes all lead to one other node twice has more networks than anybody can walk through, in few bytes.
func TestEndlessTree(t *testing.T) {
	const nodes = 31
	var tree [][2]int
	for i := 1; i <= nodes; i++ {
		tree = append(tree, [2]int{i, i})
	}
	dir := t.TempDir()
	drop(t, filepath.Join(dir, "endless.mmdb"), withTree(tree, "Endless", june, bern), june)
	look(t, mustDB(t, nil), dir, true, "neither countries nor networks")
}
