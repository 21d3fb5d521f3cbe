// Package geo says where an address is, and which language an Accept-Language header prefers. It keeps neither the
// address nor the header.
package geo

import (
	"fmt"
	"net/netip"
	"strconv"
	"sync/atomic"

	"github.com/oschwald/maxminddb-golang/v2"
)

// Place is where an address is. The empty string means unknown.
type Place struct {
	Country string // ISO 3166-1 alpha-2
	Region  string // ISO 3166-2, such as DE-BE; a name where the database has no codes
	City    string // English name, or the GeoNames number where the database has no name
}

// DB looks places up. It is safe for concurrent use.
type DB struct {
	reader *maxminddb.Reader // nil without a database
	// slots remember places by where their record lies in the database, for many networks share one. They know no address.
	slots [cacheSlots]atomic.Pointer[slot]
}

type slot struct {
	offset uintptr
	place  Place
}

// New reads a database in the MaxMind format: with flat country codes, as the built assets carry it (data/country.mmdb) or
// IPinfo offers it, or with nested records as MaxMind and DB-IP make them. It keeps the bytes. Without a database
// (nil) every place is unknown, and Ready says so.
func New(database []byte) (*DB, error) {
	if database == nil {
		return &DB{}, nil
	}
	r, err := maxminddb.OpenBytes(database)
	if err != nil {
		return nil, fmt.Errorf("read country database: %w", err)
	}
	return &DB{reader: r}, nil
}

// Ready reports whether there is a database. Without it, everything works but nobody is anywhere; the server should say
// so when it starts.
func (db *DB) Ready() bool { return db.reader != nil }

// Lookup returns the place of an address; what the database does not know, or knows in a form that is not understood, is
// unknown.
func (db *DB) Lookup(address netip.Addr) Place {
	if db.reader == nil || !address.IsValid() {
		return Place{}
	}
	record := db.reader.Lookup(address.Unmap().WithZone(""))
	if !record.Found() {
		return Place{}
	}
	s := &db.slots[record.Offset()%cacheSlots]
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
	if code := text(record, path{"subdivisions", 0, "iso_code"}); code != "" {
		p.Region = p.Country + "-" + code
	} else {
		p.Region = first(record, path{"state1"}, path{"subdivisions", 0, "names", "en"})
	}
	p.City = first(record, path{"city", "names", "en"}, path{"city"})
	if p.City == "" {
		p.City = number(record, path{"city", "geoname_id"})
	}
	return p
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
