package geo_test

import (
	"encoding/binary"
	"io/fs"
	"net/netip"
	"testing"
	"time"

	"footfall/assets"
	"footfall/ingest/geo"
)

func mustDB(t testing.TB, database []byte) *geo.DB {
	t.Helper()
	db, err := geo.New(database)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func embedded(t testing.TB) []byte {
	t.Helper()
	b, err := fs.ReadFile(assets.Dist, "data/country.mmdb")
	if err != nil {
		t.Fatalf("run make assets: %v", err)
	}
	return b
}

func TestEmbedded(t *testing.T) {
	db := mustDB(t, embedded(t))
	if !db.Ready() {
		t.Error("not ready")
	}
	for address, want := range map[string]string{
		"8.8.8.8":                "US",
		"::ffff:8.8.8.8":         "US",
		"193.99.144.80":          "DE",
		"130.59.31.80":           "CH",
		"2001:4860:4860::8888":   "US",
		"2a02:2e0:3fe:1001:77::": "DE",
		"127.0.0.1":              "",
		"10.1.2.3":               "",
		"192.168.0.1":            "",
		"::1":                    "",
		"fe80::1%eth0":           "",
		"203.0.113.9":            "",
	} {
		if got := db.Lookup(netip.MustParseAddr(address)); got != (geo.Place{Country: want}) {
			t.Errorf("Lookup(%s) = %+v, want %q", address, got, want)
		}
	}
	if got := db.Lookup(netip.Addr{}); got != (geo.Place{}) {
		t.Errorf("no address is at %+v", got)
	}
}

func TestWithoutDatabase(t *testing.T) {
	db := mustDB(t, nil)
	if db.Ready() {
		t.Error("ready without a database")
	}
	if got := db.Lookup(netip.MustParseAddr("8.8.8.8")); got != (geo.Place{}) {
		t.Errorf("got %+v", got)
	}
	if _, err := geo.New([]byte("not a database")); err == nil {
		t.Error("took what is no database")
	}
}

func TestShapes(t *testing.T) {
	type m = map[string]any
	for name, tt := range map[string]struct {
		record any
		want   geo.Place
	}{
		"flat":       {m{"country_code": "CH"}, geo.Place{Country: "CH"}},
		"flat, city": {m{"country_code": "CH", "state1": "Vaud", "city": "Lausanne"}, geo.Place{Country: "CH", Region: "Vaud", City: "Lausanne"}},
		"ipinfo":     {m{"country": "Switzerland", "country_code": "CH", "asn": "AS1"}, geo.Place{Country: "CH"}},
		"ipinfo, city": {m{"country": "CH", "region": "Vaud", "region_code": "VD", "city": "Lausanne", "geoname_id": "2659994"},
			geo.Place{Country: "CH", Region: "CH-VD", City: "Lausanne"}},
		"code in full": {m{"country_code": "CH", "region_code": "CH-VD"}, geo.Place{Country: "CH", Region: "CH-VD"}},
		"country only": {m{"country": "CH"}, geo.Place{Country: "CH"}},
		"nested": {m{
			"country":      m{"iso_code": "DE", "names": m{"en": "Germany"}},
			"subdivisions": []any{m{"iso_code": "BE", "names": m{"en": "Land Berlin"}}},
			"city":         m{"geoname_id": uint32(2950159), "names": m{"de": "Berlin", "en": "Berlin"}},
		}, geo.Place{Country: "DE", Region: "DE-BE", City: "Berlin"}},
		"nested, numbers": {m{"country": m{"iso_code": "DE"}, "city": m{"geoname_id": uint32(2950159)}}, geo.Place{Country: "DE", City: "2950159"}},
		"nested, names":   {m{"country": m{"iso_code": "DE"}, "subdivisions": []any{m{"names": m{"en": "Berlin"}}}}, geo.Place{Country: "DE", Region: "Berlin"}},
		"unknown ZZ":      {m{"country_code": "ZZ", "city": "Nowhere"}, geo.Place{}},
		"unknown XX":      {m{"country_code": "XX"}, geo.Place{}},
		"Tor":             {m{"country_code": "T1"}, geo.Place{}},
		"lower case":      {m{"country_code": "ch"}, geo.Place{Country: "CH"}},
		"other things":    {m{"country_code": uint32(7), "country": []any{}}, geo.Place{}},
		"no map":          {"CH", geo.Place{}},
	} {
		db := mustDB(t, oneRecord(tt.record))
		if got := db.Lookup(netip.MustParseAddr("192.0.2.1")); got != tt.want {
			t.Errorf("%s: got %+v, want %+v", name, got, tt.want)
		}
		if got := db.Lookup(netip.MustParseAddr("100.0.0.1")); got != (geo.Place{}) {
			t.Errorf("%s: an address outside is at %+v", name, got)
		}
	}
}

// oneRecord makes the smallest database: one node, whose right branch (addresses from 128.0.0.0) leads to the record.
func oneRecord(record any) []byte { return made("Test", time.Unix(1, 0), record) }

// made is oneRecord with the name and the day that a maker gave it.
func made(kind string, built time.Time, record any) []byte {
	return withTree([][2]int{{1, 1 + 16}}, kind, built, record)
}

// withTree makes a database of the given nodes. A number below theirs is a node, theirs says that nothing is known, and
// 16 more that the record is.
func withTree(nodes [][2]int, kind string, built time.Time, record any) []byte {
	var db []byte
	for _, n := range nodes {
		db = append(db, byte(n[0]>>16), byte(n[0]>>8), byte(n[0]), byte(n[1]>>16), byte(n[1]>>8), byte(n[1]))
	}
	db = append(db, make([]byte, 16)...)
	db = append(db, encode(record)...)
	db = append(db, "\xAB\xCD\xEFMaxMind.com"...)
	return append(db, encode(map[string]any{
		"node_count": uint32(len(nodes)), "record_size": uint16(24), "ip_version": uint16(4), "database_type": kind,
		"languages": []any{"en"}, "binary_format_major_version": uint16(2), "binary_format_minor_version": uint16(0),
		"build_epoch": uint64(built.Unix()), "description": map[string]any{"en": "test"},
	})...)
}

// encode writes a value as the MaxMind format has it: a control byte of type and size, then the bytes.
func encode(v any) []byte {
	control := func(kind, size int) []byte {
		if kind > 7 {
			return []byte{byte(size), byte(kind - 7)}
		}
		if size >= 29 {
			return []byte{byte(kind<<5 | 29), byte(size - 29)}
		}
		return []byte{byte(kind<<5 | size)}
	}
	switch v := v.(type) {
	case string:
		return append(control(2, len(v)), v...)
	case uint16:
		return binary.BigEndian.AppendUint16(control(5, 2), v)
	case uint32:
		return binary.BigEndian.AppendUint32(control(6, 4), v)
	case uint64:
		return binary.BigEndian.AppendUint64(control(9, 8), v)
	case map[string]any:
		b := control(7, len(v))
		for key, value := range v {
			b = append(append(b, encode(key)...), encode(value)...)
		}
		return b
	case []any:
		b := control(11, len(v))
		for _, value := range v {
			b = append(b, encode(value)...)
		}
		return b
	}
	panic("unknown type")
}

func FuzzDatabase(f *testing.F) {
	f.Add(oneRecord(map[string]any{"country_code": "CH", "city": "Lausanne"}), uint32(1<<31))
	f.Add(oneRecord(map[string]any{"country": map[string]any{"iso_code": "DE"}, "subdivisions": []any{"x"}}), uint32(1<<31))
	f.Fuzz(func(t *testing.T, database []byte, address uint32) {
		if database == nil {
			return
		}
		if about, err := geo.Sample(database); err == nil && !about.Countries && !about.Networks {
			t.Errorf("took what knows nothing: %+v", about)
		}
		db, err := geo.New(database)
		if err != nil {
			return
		}
		var a [4]byte
		binary.BigEndian.PutUint32(a[:], address)
		p := db.Lookup(netip.AddrFrom4(a))
		if len(p.Country) != 2 && p != (geo.Place{}) {
			t.Errorf("%+v", p)
		}
	})
}

func BenchmarkLookup(b *testing.B) {
	db := mustDB(b, embedded(b))
	address := netip.MustParseAddr("193.99.144.80")
	b.ReportAllocs()
	for b.Loop() {
		db.Lookup(address)
	}
}
