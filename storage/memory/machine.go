package memory

import (
	"bufio"
	"bytes"
	"fmt"
	"io/fs"
	"math"
	"path"
	"runtime/debug"
	"strconv"
	"strings"
)

// Default returns how much to use where nobody says: half of the machine's memory, or three quarters of what the control group of the
// process allows, whichever is less; from says which it is. root is the root of the file system, os.DirFS("/").
func Default(root fs.FS) (bytes int64, from string) {
	total := machine(root)
	limit := cgroup(root)
	byMachine, byGroup := share(total, machineShare), share(limit, cgroupShare)
	switch {
	case total == 0 && limit == 0:
		return fallback, "this system does not say how much memory it has"
	case limit == 0 || total > 0 && byMachine <= byGroup:
		bytes, from = byMachine, fmt.Sprintf("half of the machine's %s", Size(total))
	default:
		bytes, from = byGroup, fmt.Sprintf("three quarters of the control group's %s", Size(limit))
	}
	switch {
	case bytes > maxDefault:
		return maxDefault, "more has to be asked for"
	case bytes < Least:
		return Least, fmt.Sprintf("the least that works, more than %s", from)
	}
	return bytes, from
}

// Limit returns how much memory may be used, in bytes, and who says so: asked, which is the flag --memory, unless it is 0; else Go's own
// GOMEMLIMIT; else Default. The collector is told, unless it was told already. The error says that asked is too little.
func Limit(asked Size, root fs.FS) (total int64, from string, err error) {
	told := debug.SetMemoryLimit(-1)
	switch {
	case asked > 0 && asked < Least:
		return 0, "", fmt.Errorf("--memory %s is too little: %s is the least that works", asked, Size(Least))
	case asked > 0:
		total, from = int64(asked), "--memory"
	case told < math.MaxInt64:
		total, from = told, "GOMEMLIMIT"
	default:
		total, from = Default(root)
	}
	if told == math.MaxInt64 {
		debug.SetMemoryLimit(total)
	}
	return total, from, nil
}

func share(of int64, part float64) int64 { return int64(float64(of) * part) }

// machine returns the memory of the machine in bytes, 0 where it is not known.
func machine(root fs.FS) int64 {
	text, err := fs.ReadFile(root, "proc/meminfo")
	if err != nil {
		return 0
	}
	_, rest, ok := bytes.Cut(text, []byte("MemTotal:"))
	if !ok {
		return 0
	}
	fields := strings.Fields(string(rest))
	if len(fields) == 0 {
		return 0
	}
	kib, err := strconv.ParseInt(fields[0], 10, 64)
	if err != nil || kib < 0 || kib > math.MaxInt64>>10 {
		return 0
	}
	return kib << 10
}

// cgroup returns the least limit of the process's control group and those above it, 0 where there is none. In a container the groups
// above are not visible, and the group's own files may be at the root of the mount.
func cgroup(root fs.FS) int64 {
	text, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return 0
	}
	least := int64(0)
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		// hierarchy:controllers:path; version 2 has hierarchy 0 and no controllers
		parts := strings.SplitN(lines.Text(), ":", 3)
		if len(parts) != 3 {
			continue
		}
		mount, file := "sys/fs/cgroup", "memory.max"
		if parts[1] != "" {
			if !strings.Contains(","+parts[1]+",", ",memory,") {
				continue
			}
			mount, file = "sys/fs/cgroup/memory", "memory.limit_in_bytes"
		}
		for group := path.Clean("/" + parts[2]); ; group = path.Dir(group) {
			if n := limitIn(root, path.Join(mount, group, file)); n > 0 && (least == 0 || n < least) {
				least = n
			}
			if group == "/" {
				break
			}
		}
	}
	return least
}

// limitIn reads a limit; "max", and version 1's largest number of pages, are none.
func limitIn(root fs.FS, name string) int64 {
	text, err := fs.ReadFile(root, name)
	if err != nil {
		return 0
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil || n <= 0 || n >= math.MaxInt64>>12<<12 {
		return 0
	}
	return n
}
