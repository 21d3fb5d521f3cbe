//go:build linux

package workload_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// BenchmarkSnapshots drives the built binary and prints what snapshots cost, with a directory on the same disk as the bucket: what the
// network adds is the network's. Run it alone with `make bench BENCH=Snapshots`; BENCH_EVENTS says which stores are copied and restored.
func BenchmarkSnapshots(b *testing.B) {
	binary := builtBinary(b)
	if err := os.MkdirAll(benchDir, 0o700); err != nil {
		b.Fatal(err)
	}
	for range b.N {
		fmt.Printf("\nMeasured on: %s\n", machine())
		streaming := newSheet("### Streaming to a directory", "what", "measured", "budget")
		streaming.whileStreaming(b, binary)
		streaming.atRates(b, binary)
		streaming.print()
		copies := newSheet("### A whole copy, and back", "data set", "events", "first copy", "peak above rest", "bytes an event", "objects", "restore", "MB/s", "peak")
		for _, set := range chosenSets() {
			copies.copyAndRestore(b, binary, set)
		}
		copies.print()
	}
}

// snapshotStatus is what `snapshot status --json` says.
type snapshotStatus struct {
	State    string `json:"state"`
	Settled  bool   `json:"settled"`
	Uploaded int64  `json:"uploaded_bytes"`
	Requests int64  `json:"requests"`
}

func statusOf(b *testing.B, binary, dir string) (s snapshotStatus) {
	out, err := exec.Command(binary, "snapshot", "status", "--json", "--data", dir).Output()
	if err == nil {
		err = json.Unmarshal(out, &s)
	}
	if err != nil {
		b.Fatalf("snapshot status: %v: %s", err, out)
	}
	return s
}

// anonymousOf returns the memory of a process without the pages of files that it has mapped, in MiB: those are the page cache's.
func anonymousOf(pid int) float64 {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	kib, _ := strconv.ParseFloat(strings.TrimSuffix(field(string(status), "RssAnon"), " kB"), 64)
	return kib / 1024
}

// settled waits until everything is in the bucket.
func settled(b *testing.B, binary, dir string) snapshotStatus {
	for deadline := time.Now().Add(10 * time.Minute); ; time.Sleep(100 * time.Millisecond) {
		if s := statusOf(b, binary, dir); s.Settled {
			return s
		} else if time.Now().After(deadline) {
			b.Fatalf("the stream does not get anywhere: %+v", s)
		}
	}
}

// whileStreaming compares a server that streams with one that does not, in turn: medians of five.
func (t *sheet) whileStreaming(b *testing.B, binary string) {
	var servers [2]*server
	var dirs [2]string
	for i := range servers {
		dirs[i] = newStore(b, binary)
		var args []string
		if i == 1 {
			args = []string{"--snapshot-to", "file://" + b.TempDir()}
		}
		servers[i] = startFootfall(b, binary, dirs[i], nil, args...)
		defer servers[i].stop()
	}
	idle, _ := memoryOf(servers[1].cmd.Process.Pid)
	for _, connections := range []int{32, 256} {
		var rates [2][]float64
		total := int64(0)
		before := settled(b, binary, dirs[1]).Uploaded
		for range 5 {
			for i, s := range servers {
				n, took := load(b, s.addr, "example.com", connections, 3*time.Second)
				rates[i] = append(rates[i], float64(n)/took.Seconds())
				if i == 1 {
					total += n
				}
			}
		}
		for i := range rates {
			slices.Sort(rates[i])
		}
		t.add(fmt.Sprintf("acknowledged events/s while streaming, %d connections", connections), fmt.Sprintf("%.2f of without (%.0f of %.0f)", rates[1][2]/rates[0][2], rates[1][2], rates[0][2]), "≥ 0.95")
		sent := settled(b, binary, dirs[1]).Uploaded - before
		t.add(fmt.Sprintf("uploaded bytes an event, %d connections", connections), fmt.Sprintf("%.0f", float64(sent)/float64(total)), "")
	}
	_, without := memoryOf(servers[0].cmd.Process.Pid)
	_, with := memoryOf(servers[1].cmd.Process.Pid)
	t.add("peak memory, streaming and not", fmt.Sprintf("%.0f and %.0f MiB, at rest %.0f MiB", with, without, idle), "≤ 64 MiB above")
}

// atRates counts requests that write, at a few rates of events, for half a minute each.
func (t *sheet) atRates(b *testing.B, binary string) {
	const during = 30 * time.Second
	dir := newStore(b, binary)
	s := startFootfall(b, binary, dir, nil, "--snapshot-to", "file://"+b.TempDir())
	defer s.stop()
	list := wireRequests(s.addr, "example.com")
	for _, rate := range []int{0, 1, 100} {
		before, n := settled(b, binary, dir), 0
		c, err := net.Dial("tcp", s.addr)
		if err != nil {
			b.Fatal(err)
		}
		r := bufio.NewReader(c)
		for end, next := time.Now().Add(during), time.Now(); time.Now().Before(end); time.Sleep(time.Until(next)) {
			if rate == 0 {
				next = end
				continue
			}
			next = next.Add(time.Second / time.Duration(rate))
			if _, err := c.Write(list[n%len(list)]); err != nil {
				b.Fatal(err)
			}
			if status, err := answer(r); err != nil || status != "202" {
				b.Fatalf("answer %q, %v", status, err)
			}
			n++
		}
		_ = c.Close()
		after := settled(b, binary, dir)
		hour := float64(after.Requests-before.Requests) * float64(time.Hour) / float64(during)
		bytes := ""
		if n > 0 {
			bytes = fmt.Sprintf(", %.0f bytes an event", float64(after.Uploaded-before.Uploaded)/float64(n))
		}
		t.add(fmt.Sprintf("requests an hour at %d events/s", rate), fmt.Sprintf("%.0f%s", hour, bytes), "")
	}
}

// copyAndRestore makes the first copy of a whole store with a server that streams, and restores it.
func (t *sheet) copyAndRestore(b *testing.B, binary string, set *dataSet) {
	dir, bucket, to := set.dir(b), b.TempDir(), filepath.Join(b.TempDir(), "restored")
	s := startFootfall(b, binary, dir, nil)
	rest := anonymousOf(s.cmd.Process.Pid)
	events := eventsIn(b, binary, dir)
	s.stop()
	s = startFootfall(b, binary, dir, nil, "--snapshot-to", "file://"+bucket)
	began, peak := time.Now(), 0.0
	for !statusOf(b, binary, dir).Settled {
		peak = max(peak, anonymousOf(s.cmd.Process.Pid))
	}
	copied := time.Since(began)
	s.stop()
	if err := os.Remove(filepath.Join(dir, "footfall.instance")); err != nil { // which says where the last run streamed to
		b.Fatal(err)
	}
	objects, size := 0, int64(0)
	err := filepath.WalkDir(bucket, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			info, _ := d.Info()
			objects, size = objects+1, size+info.Size()
		}
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	restored, err := run(exec.Command(binary, "snapshot", "restore", "--from", "file://"+bucket, "--to", to, "--key-file", filepath.Join(dir, "footfall.key")))
	if err != nil {
		b.Fatal(err)
	}
	t.add(set.name, fmt.Sprint(events), fmt.Sprintf("%.1f s", copied.Seconds()), fmt.Sprintf("%.0f MiB", peak-rest), fmt.Sprintf("%.2f", float64(size)/float64(events)), fmt.Sprint(objects),
		fmt.Sprintf("%.1f s", restored.took.Seconds()), fmt.Sprintf("%.0f", float64(size)/1e6/restored.took.Seconds()), fmt.Sprintf("%.0f MiB", restored.peak))
}

// newStore makes a store with the site that the loaders send to.
func newStore(b *testing.B, binary string) (dir string) {
	dir = b.TempDir()
	if out, err := exec.Command(binary, "site", "add", "example.com", "--timezone", "UTC", "--data", dir).CombinedOutput(); err != nil {
		b.Fatalf("site add: %v: %s", err, out)
	}
	return dir
}

// eventsIn asks a running server how many events it has.
func eventsIn(b *testing.B, binary, dir string) (n int64) {
	out, err := exec.Command(binary, "inspect", "--json", "--data", dir).Output()
	if err != nil {
		b.Fatal(err)
	}
	var got struct {
		Sites []struct {
			Events int64 `json:"events"`
		} `json:"sites"`
	}
	if err := json.NewDecoder(bytes.NewReader(out)).Decode(&got); err != nil {
		b.Fatal(err)
	}
	for _, s := range got.Sites {
		n += s.Events
	}
	return n
}
