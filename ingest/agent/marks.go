package agent

import "strings"

// marks looks for many strings in a header at once: a bit for each three bytes that some string begins with decides for
// almost every position that nothing begins there. Strings have three bytes at least.
type marks struct {
	starts  [1 << 16 / 64]uint64 // bit set over hash3
	entries map[[3]byte][]mark   // by their first three bytes
}

// mark is one string of a table: found in a header, it counts unless one that stands before it in the table is found too.
type mark struct {
	text  string
	table table
	place int
}

// table tells what a mark stands for.
type table uint8

const (
	ofApps table = iota
	ofBrowsers
	ofLibraries
	ofSystems
	ofLastSystems
	ofWords
	tables
)

// found holds for each table the place of the first of its marks that is in a header, −1 for none.
type found [tables]int

func newMarks() *marks {
	m := &marks{entries: make(map[[3]byte][]mark)}
	for i, text := range apps {
		m.add(text, ofApps, i)
	}
	for i := range browsers {
		m.add(browsers[i].mark, ofBrowsers, i)
	}
	for i := range libraries {
		m.add(libraries[i].mark, ofLibraries, i)
	}
	for i := range systems {
		m.add(systems[i].mark, ofSystems, i)
	}
	for i := range lastSystems {
		m.add(lastSystems[i].mark, ofLastSystems, i)
	}
	return m
}

// newWords looks for the words of bots in a header in lower case.
func newWords() *marks {
	m := &marks{entries: make(map[[3]byte][]mark)}
	for i, text := range botWords {
		m.add(text, ofWords, i)
	}
	return m
}

func (m *marks) add(text string, t table, place int) {
	key := [3]byte([]byte(text))
	m.entries[key] = append(m.entries[key], mark{text, t, place})
	h := hash3(text)
	m.starts[h/64] |= 1 << (h % 64)
}

func (m *marks) find(header string) found {
	f := found{-1, -1, -1, -1, -1, -1}
	for i := 0; i+3 <= len(header); i++ {
		h := hash3(header[i:])
		if m.starts[h/64]&(1<<(h%64)) == 0 {
			continue
		}
		for _, e := range m.entries[[3]byte([]byte(header[i:i+3]))] {
			if (f[e.table] < 0 || e.place < f[e.table]) && strings.HasPrefix(header[i:], e.text) {
				f[e.table] = e.place
			}
		}
	}
	return f
}
