package shield

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"footfall/ingest/geo"
)

// Lists are what is known of hosts and networks.
type Lists struct {
	Spam        *Spam
	DataCentres *DataCentres
	Places      *geo.DB
}

// Files are lists that the operator adds to those of the product, both of lines; "#" begins a remark, and "" is no file.
type Files struct {
	Spam        string // hosts of referrers
	DataCentres string // networks
}

// watchedFile is a file and what is done with its content.
type watchedFile struct {
	flag string // names it
	path string
	use  func([]byte) error
	seen stamp
	said string // what was wrong with it
}

// stamp tells one content of a file from another, as far as can be told without reading it.
type stamp struct {
	size    int64
	changed time.Time
}

func (l *Lists) files(f Files) (list []*watchedFile) {
	if f.Spam != "" {
		list = append(list, &watchedFile{flag: "--spam-list", path: f.Spam, use: into(&l.Spam.added, readHosts)})
	}
	if f.DataCentres != "" {
		list = append(list, &watchedFile{flag: "--datacentre-list", path: f.DataCentres, use: into(&l.DataCentres.added, readNetworks)})
	}
	return list
}

// into puts what is read of a file in the place of what was read before.
func into[T any](added *atomic.Pointer[T], read func([]byte) (T, error)) func([]byte) error {
	return func(data []byte) error {
		list, err := read(data)
		if err == nil {
			added.Store(&list)
		}
		return err
	}
}

// Read reads the files. An error says what a person should mend, and then nothing of that file is used.
func (l *Lists) Read(f Files) error {
	var errs []error
	for _, file := range l.files(f) {
		errs = append(errs, file.read())
	}
	return errors.Join(errs...)
}

// Watch reads files that change, until ctx ends, and says in log what became of them. A file that cannot be read, perhaps since it is half
// copied, leaves in use what was read of it before.
func (l *Lists) Watch(ctx context.Context, f Files, log *slog.Logger) {
	files := l.files(f)
	if len(files) == 0 {
		return
	}
	for _, file := range files {
		file.seen, _ = stampOf(file.path) // Read has read it
	}
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for _, file := range files {
			file.look(log)
		}
	}
}

func (f *watchedFile) look(log *slog.Logger) {
	now, err := stampOf(f.path)
	if err == nil && now == f.seen {
		return
	}
	if err == nil {
		f.seen = now
		err = f.read()
	}
	switch {
	case err == nil:
		f.said = ""
		log.Info("read a list anew", "file", filepath.Base(f.path))
	case err.Error() != f.said:
		f.said = err.Error()
		log.Warn("a list is not read, and what it held before stays in use", "error", err)
	}
}

func stampOf(path string) (stamp, error) {
	info, err := os.Stat(path)
	if err != nil {
		return stamp{}, err
	}
	return stamp{info.Size(), info.ModTime()}, nil
}

func (f *watchedFile) read() error {
	file, err := os.Open(f.path)
	if err != nil {
		return fmt.Errorf("%s: %w", f.flag, err)
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxList+1))
	if err == nil && len(data) > maxList {
		err = fmt.Errorf("it has more than %d bytes", maxList)
	}
	if err == nil {
		err = f.use(data)
	}
	if err != nil {
		return fmt.Errorf("%s: read %s: %w", f.flag, filepath.Base(f.path), err)
	}
	return nil
}

// afterHeader returns the lines of a list among the built assets that come after its first; nil is an empty list.
func afterHeader(data []byte, header string) ([]byte, error) {
	first, rest, _ := bytes.Cut(data, []byte("\n"))
	if data != nil && string(first) != header {
		return nil, fmt.Errorf("want a first line %q", header)
	}
	return rest, nil
}

// eachLine calls fn for the lines of a list, without remarks and blanks around. What stands in a wrong line is not told: errors go to the log.
func eachLine(data []byte, fn func(line string) error) error {
	n := 0
	for line := range bytes.Lines(data) {
		n++
		text, _, _ := strings.Cut(string(line), "#")
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		if err := fn(text); err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
	}
	return nil
}
