package geo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/oschwald/maxminddb-golang/v2"
)

// suffix is what the name of a database file ends in, and copied what the name of the copy in use begins with.
const (
	suffix = ".mmdb"
	copied = ".geo-"
)

// File tells of one database, for people who look whether it is the right one and not too old.
type File struct {
	Name      string    `json:"name"` // of the file, without its directory; "" for the built-in database
	Type      string    `json:"type"` // as the maker calls it, such as "GeoLite2-City"
	Built     time.Time `json:"built"`
	Countries bool      `json:"countries"`
	Cities    bool      `json:"cities"`
	Networks  bool      `json:"networks"`
	Error     string    `json:"error,omitempty"` // why the file, as it is now, is not used; the rest tells of the one before it
}

// Files lists the databases, the best first, and files that could not be read after them.
func (db *DB) Files() []File { return slices.Clone(db.now.Load().files) }

// Uses reports whether the file at path was read.
func (db *DB) Uses(path string) bool {
	db.files.mu.Lock()
	defer db.files.mu.Unlock()
	return db.files.known[filepath.Clean(path)].db != nil
}

// files remembers what was found at the last look.
type files struct {
	mu    sync.Mutex
	known map[string]entry // by path
}

type entry struct {
	seen   stamp // at the last look
	loaded stamp // of what db was made of, or of what could not be read
	db     *database
	err    error
}

// stamp tells one content of a file from another, as far as can be told without reading it.
type stamp struct {
	size    int64
	changed time.Time
}

// Look makes the database files of a directory (*.mmdb), and the one that is named, be those that are used; both may be "".
// A file that changed since the last look is read when it has not changed for one more, for it may be half copied; until
// then, and if it is damaged, its former content stays in use. It reports whether anything changed. An error says what a
// person should mend; the others are used nevertheless.
func (db *DB) Look(dir, named string) (changed bool, err error) {
	f := &db.files
	f.mu.Lock()
	defer f.mu.Unlock()
	first := f.known == nil
	if first && dir != "" {
		left, _ := filepath.Glob(filepath.Join(dir, copied+"*")) // by a process that was killed while it copied
		for _, path := range left {
			os.Remove(path)
		}
	}
	found, err := find(dir, named)
	if err != nil {
		return false, err
	}
	next := make(map[string]entry, len(found))
	for path, now := range found {
		e := f.known[path]
		settled := first || e.seen == now
		e.seen = now
		if settled && e.loaded != now {
			changed, e.loaded = true, now
			d, err := load(path, cmp.Or(dir, filepath.Dir(path)))
			if e.err = err; err == nil {
				e.db = d
			}
		}
		next[path] = e
	}
	changed = changed || len(next) < len(f.known)
	f.known = next
	if changed {
		db.now.Store(db.combine(next))
	}
	if changed || first {
		err = problems(next)
	}
	return changed, err
}

func problems(known map[string]entry) error {
	var errs []error
	for _, path := range slices.Sorted(maps.Keys(known)) {
		errs = append(errs, known[path].err)
	}
	return errors.Join(errs...)
}

// find lists the files to use, with what they look like now.
func find(dir, named string) (map[string]stamp, error) {
	found := map[string]stamp{}
	if named != "" {
		info, err := os.Stat(named)
		if err != nil {
			return nil, fmt.Errorf("find the database of places: %w", err)
		}
		found[filepath.Clean(named)] = stamp{info.Size(), info.ModTime()}
	}
	if dir == "" {
		return found, nil
	}
	list, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("look for databases of places: %w", err)
	}
	for _, e := range list {
		if !strings.HasSuffix(e.Name(), suffix) || strings.HasPrefix(e.Name(), ".") || len(found) == maxFiles {
			continue
		}
		path := filepath.Join(dir, e.Name())
		info, err := os.Stat(path) // behind a link too: updaters like them
		if errors.Is(err, fs.ErrNotExist) || err == nil && !info.Mode().IsRegular() {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("look for databases of places: %w", err)
		}
		found[path] = stamp{info.Size(), info.ModTime()}
	}
	return found, nil
}

// load opens a copy of a file that nobody else can cut or change while its bytes are mapped into memory, which would end
// the process. The copy has no name: it goes with the process.
func load(path, dir string) (*database, error) {
	name := filepath.Base(path)
	from, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	defer from.Close()
	to, err := os.CreateTemp(dir, copied+"*")
	if err != nil {
		return nil, fmt.Errorf("read %s: make room for a copy: %w", name, err)
	}
	defer os.Remove(to.Name())
	defer to.Close()
	n, err := io.Copy(to, io.LimitReader(from, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if n > maxFile {
		return nil, fmt.Errorf("read %s: it is larger than any database of places: %d bytes are read at most", name, int64(maxFile))
	}
	r, err := maxminddb.Open(to.Name())
	if err != nil {
		return nil, fmt.Errorf("read %s: no database in the MaxMind format, or not all of it: copy it again: %w", name, err)
	}
	about := File{Name: name}
	if err := sample(r, &about); err != nil {
		return nil, fmt.Errorf("read %s: %w", name, errors.Join(err, r.Close()))
	}
	return newDatabase(r, about), nil
}

// sample tells what a database holds by its first records: makers do not agree on names.
func sample(r *maxminddb.Reader, about *File) error {
	n, seen := 0, 0
	// Empty networks count too: a damaged tree can have more of them than anybody can walk through.
	for record := range r.Networks(maxminddb.IncludeNetworksWithoutData()) {
		if seen++; seen == maxSampled {
			break
		}
		if err := record.Err(); err != nil {
			return fmt.Errorf("it is damaged: copy it again: %w", err)
		}
		if !record.Found() {
			continue
		}
		p := read(record)
		about.Countries = about.Countries || p.Country != ""
		about.Cities = about.Cities || p.City != ""
		about.Networks = about.Networks || readNetwork(record).Number != 0
		if n++; n == sampled {
			break
		}
	}
	if !about.Countries && !about.Networks {
		return errors.New("it knows neither countries nor networks: use a file of countries, cities or networks (ASN)")
	}
	return nil
}

// combine puts databases in order: cities before countries, the newer before the older, the built-in one last.
func (db *DB) combine(known map[string]entry) *set {
	var list []*database
	var bad []File
	for _, path := range slices.Sorted(maps.Keys(known)) {
		e := known[path]
		if e.db != nil {
			list = append(list, e.db)
		}
		if e.err != nil {
			about := File{Name: filepath.Base(path)}
			if e.db != nil {
				about = e.db.about
			}
			about.Error = e.err.Error()
			bad = append(bad, about)
		}
	}
	slices.SortStableFunc(list, func(a, b *database) int {
		if a.about.Cities != b.about.Cities {
			if a.about.Cities {
				return -1
			}
			return 1
		}
		return b.about.Built.Compare(a.about.Built)
	})
	if db.builtIn != nil {
		list = append(list, db.builtIn)
	}
	s := &set{}
	for _, d := range list {
		if d.about.Countries {
			s.places = append(s.places, d)
		}
		if d.about.Networks {
			s.networks = append(s.networks, d)
		}
		if !slices.ContainsFunc(bad, func(f File) bool { return f.Name == d.about.Name }) {
			s.files = append(s.files, d.about)
		}
	}
	s.files = append(s.files, bad...)
	return s
}

// Watch looks at the files until ctx ends, and says in log what became of them.
func (db *DB) Watch(ctx context.Context, dir, named string, log *slog.Logger) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	said := ""
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		changed, err := db.Look(dir, named)
		if err == nil {
			said = ""
		} else if err.Error() != said {
			said = err.Error()
			log.Warn("a database of places is not used", "error", err)
		}
		if changed {
			db.Report(log)
		}
	}
}

// Report says in log which databases are in use.
func (db *DB) Report(log *slog.Logger) {
	for _, f := range db.Files() {
		if f.Error == "" && f.Name != "" {
			log.Info("database of places", "file", f.Name, "type", f.Type, "built", f.Built.Format(time.DateOnly), "cities", f.Cities, "networks", f.Networks)
		}
	}
}
