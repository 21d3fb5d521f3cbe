// Package geo says where an address is and whose network it belongs to, and which language an Accept-Language header
// prefers. It keeps neither the address nor the header.
package geo

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/oschwald/maxminddb-golang/v2"
)

// Place is where an address is. The empty string means unknown.
type Place struct {
	Country string // ISO 3166-1 alpha-2
	Region  string // ISO 3166-2, such as DE-BE; a name where the database has no codes
	City    string // English name, or the GeoNames number where the database has no name
}

// Network is who runs the network an address belongs to.
type Network struct {
	Number uint32 // of the autonomous system, 0 if unknown
	Name   string
}

// DB looks addresses up in the built-in database and in the files that an operator adds. It is safe for concurrent use.
type DB struct {
	builtIn *database // nil without one
	files   files
	now     atomic.Pointer[set]
}

// set is what one look-up uses: databases, the best first.
type set struct {
	places   []*database
	networks []*database
	files    []File
}

// database is one file. Its reader is never closed: the memory goes when nobody looks up in it any more.
type database struct {
	reader *maxminddb.Reader
	about  File
	// slots remember places by where their record lies in the database, for many networks share one. They know no address.
	slots [cacheSlots]atomic.Pointer[slot]
}

type slot struct {
	offset uintptr
	place  Place
}

// New reads a database in the MaxMind format: with flat country codes, as the built assets carry it (data/country.mmdb) or
// IPinfo offers it, or with nested records as MaxMind and DB-IP make them. It keeps the bytes. Without a database
// (nil) every place is unknown, and Ready says so. Look adds files.
func New(builtIn []byte) (*DB, error) {
	db := &DB{}
	if builtIn != nil {
		r, err := maxminddb.OpenBytes(builtIn)
		if err != nil {
			return nil, fmt.Errorf("read country database: %w", err)
		}
		db.builtIn = newDatabase(r, File{Countries: true})
	}
	db.now.Store(db.combine(nil))
	return db, nil
}

func newDatabase(r *maxminddb.Reader, about File) *database {
	about.Type, about.Built = r.Metadata.DatabaseType, r.Metadata.BuildTime().UTC()
	return &database{reader: r, about: about}
}

// Ready reports whether there is a database of places. Without it, everything works but nobody is anywhere; the server should
// say so when it starts.
func (db *DB) Ready() bool { return len(db.now.Load().places) > 0 }

// Lookup returns the place of an address; what no database knows, or knows in a form that is not understood, is unknown.
func (db *DB) Lookup(address netip.Addr) Place {
	if !address.IsValid() {
		return Place{}
	}
	address = address.Unmap().WithZone("")
	for _, d := range db.now.Load().places {
		if p := d.place(address); p.Country != "" {
			return p
		}
	}
	return Place{}
}

// Network returns the network of an address. It is unknown unless a file of networks was added.
func (db *DB) Network(address netip.Addr) Network {
	if !address.IsValid() {
		return Network{}
	}
	address = address.Unmap().WithZone("")
	for _, d := range db.now.Load().networks {
		if n := readNetwork(d.reader.Lookup(address)); n.Number != 0 {
			return n
		}
	}
	return Network{}
}

func (d *database) place(address netip.Addr) Place {
	record := d.reader.Lookup(address)
	if !record.Found() {
		return Place{}
	}
	s := &d.slots[record.Offset()%cacheSlots]
	if known := s.Load(); known != nil && known.offset == record.Offset() {
		return known.place
	}
	p := read(record)
	s.Store(&slot{offset: record.Offset(), place: p})
	return p
}

func read(record maxminddb.Result) Place {
	var p Place
	p.Country = country(first(record, path{"country_code"}, path{"country", "iso_code"}, path{"country"}))
	if p.Country == "" {
		return Place{}
	}
	if code := first(record, path{"subdivisions", 0, "iso_code"}, path{"region_code"}); code != "" {
		p.Region = p.Country + "-" + strings.TrimPrefix(code, p.Country+"-")
	} else {
		p.Region = first(record, path{"state1"}, path{"region"}, path{"subdivisions", 0, "names", "en"})
	}
	p.City = first(record, path{"city", "names", "en"}, path{"city"})
	if p.City == "" {
		p.City = number(record, path{"city", "geoname_id"})
	}
	return p
}

// readNetwork reads a record of MaxMind, DB-IP or ip-location-db, which have the number, or of IPinfo, which writes "AS64500".
func readNetwork(record maxminddb.Result) Network {
	if !record.Found() {
		return Network{}
	}
	digits := number(record, path{"autonomous_system_number"})
	if digits == "" {
		digits, _ = strings.CutPrefix(text(record, path{"asn"}), "AS")
	}
	n, err := strconv.ParseUint(digits, 10, 32)
	if err != nil {
		return Network{}
	}
	return Network{Number: uint32(n), Name: first(record, path{"autonomous_system_organization"}, path{"as_name"}, path{"name"})}
}

type path []any

// first returns the first text that is there.
func first(record maxminddb.Result, paths ...path) string {
	for _, p := range paths {
		if s := text(record, p); s != "" {
			return s
		}
	}
	return ""
}

// text returns the text at a path, "" if there is none or something else.
func text(record maxminddb.Result, at path) string {
	var s string
	if err := record.DecodePath(&s, at...); err != nil || len(s) > maxName {
		return ""
	}
	return s
}

func number(record maxminddb.Result, at path) string {
	var n uint64
	if err := record.DecodePath(&n, at...); err != nil || n == 0 {
		return ""
	}
	return strconv.FormatUint(n, 10)
}

// country returns a code if it is one. ZZ and XX stand for unknown, T1 for the Tor network.
func country(code string) string {
	if len(code) != 2 || !letters(code) || code == "ZZ" || code == "XX" {
		return ""
	}
	return upper(code)
}
