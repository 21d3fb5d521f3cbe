//go:build linux

package workload_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"footfall/ingest/source"
	"footfall/ingest/workload"
	"footfall/storage"
	"footfall/storage/memory"
	"footfall/storage/schema"
)

// importing reads the lines of a set, from a file up to ten million of them, else from another process as they are made.
func (r *report) importing(b *testing.B, set *dataSet) {
	const most = 10_000_000
	file := filepath.Join(benchDir, fmt.Sprintf("lines-%d.ndjson", min(set.events, most)))
	if _, err := os.Stat(file); err != nil {
		if err := writeFile(file, min(set.events, most)); err != nil {
			b.Fatal(err)
		}
	}
	for _, in := range []*group{nil, r.limited} {
		r.importFile(b, file, 0, in)
	}
	if set.events > most {
		r.importFile(b, "", set.events, r.limited)
	}
}

// importFile adds a line about importing a file, or so many events where it is "".
func (r *report) importFile(b *testing.B, file string, events int, in *group) {
	dir, err := os.MkdirTemp(benchDir, "import-")
	if err != nil {
		b.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if _, err := run(r.limited.command(r.binary, "site", "add", "example.com", "--data", dir)); err != nil {
		b.Fatal(err)
	}
	cmd := in.command(r.binary, "import", "--site", "example.com", "--format", "ndjson", file, "--data", dir, "--json")
	from := "a file"
	if file == "" {
		from = "a program that makes them"
		cmd = in.command(r.binary, "import", "--site", "example.com", "--format", "ndjson", "-", "--data", dir, "--json")
		made := helper(nil, "lines", strconv.Itoa(events))
		if cmd.Stdin, err = made.StdoutPipe(); err == nil {
			err = made.Start()
		}
		if err != nil {
			b.Fatal(err)
		}
		defer func() { _ = made.Wait() }()
	}
	memory := "as it likes"
	if in != nil {
		memory = fmt.Sprintf("%d MiB", limitMiB)
	}
	took, err := run(cmd)
	if err != nil {
		r.imports.add(from, memory, milliseconds(0, err), "", "")
		return
	}
	var sum struct{ Events float64 }
	if err := json.Unmarshal([]byte(took.out), &sum); err != nil {
		b.Fatalf("%v: %s", err, took.out)
	}
	r.imports.add(fmt.Sprintf("%.0f from %s", sum.Events, from), memory, fmt.Sprintf("%.0f", sum.Events/took.took.Seconds()),
		fmt.Sprintf("%.0f ns", float64(took.cpu.Nanoseconds())/sum.Events), fmt.Sprintf("%.0f MiB", took.peak))
}

func writeFile(path string, events int) error {
	f, err := os.Create(path + ".making")
	if err != nil {
		return err
	}
	defer f.Close()
	if err := writeLines(f, strconv.Itoa(events)); err != nil {
		return err
	}
	return os.Rename(path+".making", path)
}

// writeLines writes a year of events as NDJSON.
func writeLines(to io.Writer, total string) error {
	events, err := strconv.Atoi(total)
	if err != nil {
		return err
	}
	names, err := sourceTable()
	if err != nil {
		return err
	}
	g := workload.New(events, 1)
	out := bufio.NewWriterSize(to, 1<<20)
	var b []byte
	for d := range schema.Date(workload.Days) {
		b = g.AppendLines(b[:0], workload.Epoch+d, names)
		if _, err := out.Write(b); err != nil {
			return err
		}
	}
	return out.Flush()
}

// sealing measures days of a million events, and of three where there is time: to start with one that is open, and to seal it.
func (t *sheet) sealing(b *testing.B, binary string) {
	sizes := []int{1_000_000}
	for _, set := range chosenSets() {
		if set.events > 10_000_000 || !set.sizeOnly() {
			sizes = []int{1_000_000, 3_000_000}
		}
	}
	limited := limitedGroup()
	defer limited.remove()
	for _, n := range sizes {
		dir, err := os.MkdirTemp(benchDir, "open-")
		if err != nil {
			b.Fatal(err)
		}
		defer os.RemoveAll(dir)
		if err := fillToday(b.Context(), dir, n, builtTable(b)); err != nil {
			b.Fatal(err)
		}
		what := fmt.Sprintf("an open day of %d M", n/1_000_000)
		for _, in := range []*group{nil, limited} {
			where := ""
			if in != nil {
				where = fmt.Sprintf(", in %d MiB", limitMiB)
			}
			p := startFootfall(b, binary, dir, in)
			now, peak := memoryOf(p.cmd.Process.Pid)
			p.stop()
			t.add("start with "+what+where, fmt.Sprintf("%.0f ms", p.started.Seconds()*1000), "≤ 2 s")
			t.add("memory with "+what+where, fmt.Sprintf("%.0f MiB, peak %.0f MiB", now, peak), "")
		}
		for _, in := range []*group{limited, nil} {
			copied := filepath.Join(dir, "copy")
			where := ""
			if in != nil {
				where = fmt.Sprintf(", in %d MiB", limitMiB)
			}
			if err := copyDir(copied, dir); err != nil {
				b.Fatal(err)
			}
			took, err := run(helper(in, "seal", copied))
			if err != nil {
				took.out = milliseconds(0, err)
			}
			t.add("sealing "+what+where, strings.TrimSpace(took.out), "")
			t.add("peak memory of it"+where, fmt.Sprintf("%.0f MiB", took.peak), "")
			_ = os.RemoveAll(copied)
		}
	}
}

// copyDir copies the files of a data directory.
func copyDir(to, from string) error {
	if err := os.MkdirAll(to, 0o700); err != nil {
		return err
	}
	for _, name := range []string{"footfall.db", "footfall.vault", "footfall.key"} {
		content, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(to, name), content, 0o400|0o200); err != nil {
			return err
		}
	}
	return os.Chmod(filepath.Join(to, "footfall.key"), 0o400)
}

// fillToday makes a store whose open day, today, has n events.
func fillToday(ctx context.Context, dir string, n int, names *source.Table) (err error) {
	s, err := storage.Open(ctx, storage.Config{Dir: dir, Create: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	site, err := s.AddSite(ctx, "example.com", "UTC")
	if err != nil {
		return err
	}
	today := schema.DateOf(time.Now().UTC())
	o, err := s.OpenDay(site.ID, today)
	if err != nil {
		return err
	}
	rows := workload.New(n*workload.Days*5/4, 1).Rows(workload.Epoch, names)
	rows = rows[:min(n, len(rows))]
	for i := range rows {
		rows[i].Event.Time += int64(today-workload.Epoch) * 86400
	}
	for batch := range slices.Chunk(rows, 4096) {
		p, err := s.Append(o, batch...)
		if err != nil {
			return err
		}
		if err := p.Wait(ctx); err != nil {
			return err
		}
	}
	return nil
}

// sealTomorrow opens a store as the program does and seals the open day, as if it were tomorrow.
func sealTomorrow(dir string) error {
	total, _ := memory.Default(os.DirFS("/"))
	debug.SetMemoryLimit(total)
	ctx := context.Background()
	s, err := storage.Open(ctx, storage.Config{Dir: dir, Memory: memory.Divide(total)})
	if err != nil {
		return err
	}
	var before, after syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &before)
	began := time.Now()
	if _, err := s.Maintain(ctx, began.Add(36*time.Hour)); err != nil {
		return err
	}
	took := time.Since(began)
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &after)
	cpu := after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano()
	fmt.Printf("%.1f s (CPU %.1f s)\n", took.Seconds(), float64(cpu)/1e9)
	return s.Close()
}
