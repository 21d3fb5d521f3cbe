package shield

import (
	"log/slog"
	"net/netip"
)

// Match is the matcher of patterns.
func Match(pattern, s string) bool {
	p := newPattern(pattern)
	return p.match(s)
}

// Networks returns how many spans a list has, and whether it holds an address.
func Networks(data []byte) (n int, has func(netip.Addr) bool, err error) {
	s, err := readNetworks(data)
	return len(s), s.has, err
}

// Watcher looks at files when it is told to.
type Watcher []*watchedFile

// NewWatcher returns one that has read the files.
func NewWatcher(l *Lists, f Files) (Watcher, error) {
	w := Watcher(l.files(f))
	for _, file := range w {
		file.seen, _ = stampOf(file.path)
	}
	return w, l.Read(f)
}

// Look is one look of Lists.Watch.
func (w Watcher) Look(log *slog.Logger) {
	for _, file := range w {
		file.look(log)
	}
}
