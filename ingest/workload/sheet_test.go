//go:build linux

package workload_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"unicode/utf8"
)

// sheet is a table that is printed as Markdown, ready for the README.
type sheet struct {
	title string
	rows  [][]string // the first is the head
}

func newSheet(title string, head ...string) *sheet { return &sheet{title, [][]string{head}} }

func (t *sheet) add(cells ...string) { t.rows = append(t.rows, cells) }

func (t *sheet) print() {
	width := make([]int, len(t.rows[0]))
	for _, r := range t.rows {
		for i, c := range r {
			width[i] = max(width[i], utf8.RuneCountInString(c))
		}
	}
	fmt.Printf("\n%s\n\n", t.title)
	for i, r := range t.rows {
		for k, c := range r {
			fmt.Printf("| %-*s ", width[k], c)
		}
		fmt.Println("|")
		if i == 0 {
			for _, w := range width {
				fmt.Print("|", strings.Repeat("-", w+2))
			}
			fmt.Println("|")
		}
	}
}

// machine describes where the measures are taken.
func machine() string {
	cpu, memory := runtime.GOARCH, ""
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		cpu = field(string(text), "model name")
	}
	if text, err := os.ReadFile("/proc/meminfo"); err == nil {
		var kib int
		fmt.Sscan(field(string(text), "MemTotal"), &kib)
		memory = fmt.Sprintf(", %.0f GiB", float64(kib)/(1<<20))
	}
	kernel := runtime.GOOS
	if text, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		kernel = "Linux " + strings.TrimSpace(string(text))
	}
	return fmt.Sprintf("%s, %d cores%s, %s, %s, %s", cpu, runtime.NumCPU(), memory, disk(), kernel, runtime.Version())
}

// field returns what stands behind a name and a colon.
func field(text, name string) string {
	for line := range strings.Lines(text) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// disk names the file system and the device that the data sets are on.
func disk() string {
	var here syscall.Stat_t
	mounts, err := os.ReadFile("/proc/mounts")
	if err != nil || syscall.Stat(benchDir, &here) != nil {
		return "disk not known"
	}
	for line := range strings.Lines(string(mounts)) {
		f := strings.Fields(line)
		var mount syscall.Stat_t
		if len(f) < 3 || !strings.HasPrefix(f[0], "/dev/") || syscall.Stat(f[1], &mount) != nil || mount.Dev != here.Dev {
			continue
		}
		kind := "disk"
		device := filepath.Base(f[0])
		if spins, err := os.ReadFile(filepath.Join("/sys/class/block", device, "queue/rotational")); err == nil && strings.TrimSpace(string(spins)) == "0" {
			kind = "SSD"
		}
		return fmt.Sprintf("%s on the %s %s", f[2], kind, device)
	}
	return "disk not known"
}
