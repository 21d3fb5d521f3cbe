package e2e_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io/fs"
	"maps"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"
)

// needles finds marks in bytes, however they were written down. The zero value finds nothing.
type needles struct {
	known map[[4]byte][]needle // by their first four bytes
	first [1 << 16]bool        // the first two bytes of any
}

type needle struct {
	bytes []byte
	mark  string // what it is a form of
	form  string
	// short ones turn up in random bytes by chance: one of them proves nothing, two different ones do.
	short bool
}

func (n *needles) add(mark, form string, b []byte) {
	if len(b) < 4 {
		panic("a needle of less than four bytes is everywhere")
	}
	if n.known == nil {
		n.known = map[[4]byte][]needle{}
	}
	key := [4]byte(b)
	if slices.ContainsFunc(n.known[key], func(o needle) bool { return bytes.Equal(o.bytes, b) }) {
		return
	}
	n.known[key] = append(n.known[key], needle{slices.Clone(b), mark, form, len(b) < 6})
	n.first[uint16(b[0])<<8|uint16(b[1])] = true
}

// encoded adds b and its encodings: lists of decimal numbers, hexadecimal, base32, and base64 at each of the three places where b may begin in a longer text.
func (n *needles) encoded(mark, form string, b []byte) {
	n.add(mark, form, b)
	n.numbers(mark, form, b)
	digits := hex.EncodeToString(b)
	n.add(mark, form+", hex", []byte(digits))
	n.add(mark, form+", HEX", []byte(strings.ToUpper(digits)))
	n.add(mark, form+", base32", []byte(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(b)))
	for _, alphabet := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		for before := range 3 {
			text := alphabet.EncodeToString(append(make([]byte, before), b...))
			text = text[[]int{0, 2, 3}[before]:] // characters that also depend on what stands before
			if (before+len(b))%3 != 0 {
				text = text[:len(text)-1] // and on what comes after
			}
			if len(text) >= 6 {
				n.add(mark, fmt.Sprintf("%s, base64 at %d", form, before), []byte(text))
			}
		}
	}
}

// numbers adds b as a log prints bytes: one decimal number after the other.
func (n *needles) numbers(mark, form string, b []byte) {
	list := strings.Trim(fmt.Sprint(b), "[]")
	n.add(mark, form+", decimal", []byte(list))
	n.add(mark, form+", decimal", []byte(strings.ReplaceAll(list, " ", ",")))
}

// text adds a text: as it is, in other letters, encoded, as UTF-16, escaped for a URL, and hashed.
func (n *needles) text(mark string) {
	for form, s := range map[string]string{
		"plain": mark, "lower case": strings.ToLower(mark), "upper case": strings.ToUpper(mark), "URL": url.QueryEscape(mark),
	} {
		n.encoded(mark, form, []byte(s))
	}
	var little, big []byte
	for _, u := range utf16.Encode([]rune(mark)) {
		little, big = append(little, byte(u), byte(u>>8)), append(big, byte(u>>8), byte(u))
	}
	n.add(mark, "UTF-16", little)
	n.add(mark, "UTF-16, big-endian", big)
	sum := sha256.Sum256([]byte(mark))
	n.encoded(mark, "SHA-256", sum[:])
}

// address adds an address: as text, packed into bytes, and their hash.
func (n *needles) address(a netip.Addr) {
	n.text(a.String())
	n.text(a.StringExpanded())
	packed := a.AsSlice()
	wide := a.As16()
	for form, b := range map[string][]byte{"packed": packed, "packed as IPv6": wide[:]} {
		if len(b) > 4 {
			n.encoded(a.String(), form, b)
			for _, half := range [][]byte{b[:8], b[8:]} { // in a stack trace each is a word
				if digits := strings.TrimLeft(hex.EncodeToString(half), "0"); len(digits) > 8 {
					n.add(a.String(), form+", half, hex", []byte(digits))
				}
			}
		} else {
			n.add(a.String(), form, b)
			n.numbers(a.String(), form, b)
			n.add(a.String(), form+", hex", []byte(hex.EncodeToString(b)))
			n.add(a.String(), form+", HEX", []byte(strings.ToUpper(hex.EncodeToString(b))))
		}
		sum := sha256.Sum256(b)
		n.encoded(a.String(), "SHA-256 of "+form, sum[:])
	}
}

// find returns what of the needles is in b, in words.
func (n *needles) find(b []byte) []string {
	found, short := map[string]bool{}, map[string]bool{}
	for i := 0; i+4 <= len(b); i++ {
		if !n.first[uint16(b[i])<<8|uint16(b[i+1])] {
			continue
		}
		for _, c := range n.known[[4]byte(b[i:])] {
			if bytes.HasPrefix(b[i:], c.bytes) {
				words := fmt.Sprintf("%q (%s) at %d", c.mark, c.form, i)
				if c.short {
					short[words] = true
				} else {
					found[words] = true
				}
			}
		}
	}
	var list []string
	for words := range found {
		list = append(list, words)
	}
	if len(short) > 1 {
		for words := range short {
			list = append(list, words)
		}
	}
	slices.Sort(list)
	if len(list) > 5 {
		list = append(list[:5], "...")
	}
	return list
}

// files reads all files below dir; what is no file, such as a socket, is left out.
func files(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		all[path] = content
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// scan reports what of n is in content.
func scan(t *testing.T, n *needles, where string, content []byte) {
	t.Helper()
	if found := n.find(content); len(found) > 0 {
		t.Errorf("%s holds %s", where, strings.Join(found, ", "))
	}
}

func scanFiles(t *testing.T, n *needles, when string, dirs ...string) {
	t.Helper()
	for _, dir := range dirs {
		all := files(t, dir)
		for _, path := range slices.Sorted(maps.Keys(all)) {
			scan(t, n, when+": "+filepath.Base(path), all[path])
		}
	}
}

// TestNeedles holds that the canary tests would find what they look for.
func TestNeedles(t *testing.T) {
	const mark = "Kanarienvogel-7q"
	var n needles
	n.text(mark)
	v4, v6 := netip.MustParseAddr("203.0.113.77"), netip.MustParseAddr("2001:db8:7a7::1")
	n.address(v4)
	n.address(netip.MustParseAddr("203.0.113.78"))
	n.address(v6)
	sum := sha256.Sum256([]byte(mark))
	wide := v6.As16()
	packed := sha256.Sum256(v4.AsSlice())
	for name, hidden := range map[string]string{
		"plain": mark, "lower": strings.ToLower(mark), "hex": hex.EncodeToString([]byte(mark)), "hash": string(sum[:]),
		"base64 0": base64.StdEncoding.EncodeToString([]byte(mark + "!")),
		"base64 1": base64.StdEncoding.EncodeToString([]byte("x" + mark + "yz")),
		"base64 2": base64.URLEncoding.EncodeToString([]byte("xx" + mark)),
		"UTF-16":   string(slices.Concat([]byte{'K', 0, 'a', 0}, utf16Of(mark[2:]))),
		"v4":       "from 203.0.113.77:4711", "v6": "from [2001:db8:7a7::1]", "packed v6": string(wide[:]),
		"packed v4s": "\xcb\x00\x71\x4d and \xcb\x00\x71\x4e", "hash of v4": hex.EncodeToString(packed[:]), "v4 in hex": "0xcb00714d",
		"v4 in decimal": "[0,0,203,0,113,77]", "v6 in decimal": fmt.Sprint(wide),
	} {
		if found := n.find([]byte("\x00before" + hidden + "after\x00")); len(found) == 0 {
			t.Errorf("%s is not found", name)
		}
	}
	if found := n.find([]byte("nothing \xcb\x00\x71\x4d here, 203.0.113.7 and Kanarienvogel-7 are others")); len(found) > 0 {
		t.Errorf("found %v", found)
	}
}

func utf16Of(ascii string) []byte {
	var b []byte
	for i := range len(ascii) {
		b = append(b, ascii[i], 0)
	}
	return b
}
