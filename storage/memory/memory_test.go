package memory_test

import (
	"testing"
	"testing/fstest"

	"footfall/storage/memory"
)

const mib = 1 << 20

// system is a machine of so many MiB with the given files beside.
func system(kib string, files ...string) fstest.MapFS {
	root := fstest.MapFS{}
	if kib != "" {
		root["proc/meminfo"] = &fstest.MapFile{Data: []byte("MemTotal:       " + kib + " kB\nMemFree:          12 kB\n")}
	}
	for i := 0; i < len(files); i += 2 {
		root[files[i]] = &fstest.MapFile{Data: []byte(files[i+1] + "\n")}
	}
	return root
}

func TestDefault(t *testing.T) {
	for name, c := range map[string]struct {
		root fstest.MapFS
		want int64
		from string
	}{
		"a small server": {system("524288"), 256 * mib, "half of the machine's 512 MiB"},
		"a tiny one":     {system("131072"), memory.Least, "the least that works, more than half of the machine's 128 MiB"},
		"a large one":    {system("33554432"), 2 << 30, "more has to be asked for"},
		"no /proc":       {system(""), 256 * mib, "this system does not say how much memory it has"},
		"nonsense in it": {system("many"), 256 * mib, "this system does not say how much memory it has"},
		"version 2":      {system("8388608", "proc/self/cgroup", "0::/a/b", "sys/fs/cgroup/a/b/memory.max", "536870912"), 384 * mib, "three quarters of the control group's 512 MiB"},
		"of a group above": {system("8388608", "proc/self/cgroup", "0::/a/b", "sys/fs/cgroup/a/b/memory.max", "max",
			"sys/fs/cgroup/a/memory.max", "1073741824"), 768 * mib, "three quarters of the control group's 1 GiB"},
		"in a container": {system("8388608", "proc/self/cgroup", "0::/../..", "sys/fs/cgroup/memory.max", "536870912"), 384 * mib,
			"three quarters of the control group's 512 MiB"},
		"version 1": {system("8388608", "proc/self/cgroup", "3:cpu:/x\n2:hugetlb,memory:/x\n0::/", "sys/fs/cgroup/memory/x/memory.limit_in_bytes", "536870912"),
			384 * mib, "three quarters of the control group's 512 MiB"},
		"version 1 without a limit": {system("1048576", "proc/self/cgroup", "2:memory:/", "sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712"),
			512 * mib, "half of the machine's 1 GiB"},
		"a group larger than the machine": {system("1048576", "proc/self/cgroup", "0::/", "sys/fs/cgroup/memory.max", "8589934592"),
			512 * mib, "half of the machine's 1 GiB"},
	} {
		if got, from := memory.Default(c.root); got != c.want || from != c.from {
			t.Errorf("%s: %d MiB, %q, want %d MiB, %q", name, got/mib, from, c.want/mib, c.from)
		}
	}
}

func TestSize(t *testing.T) {
	for text, want := range map[string]memory.Size{"256M": 256 * mib, "256MiB": 256 * mib, "256 mb": 256 * mib, "1.5G": 1536 * mib, "1048576": mib, "2048k": 2 * mib, "0": 0} {
		var got memory.Size
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want {
			t.Errorf("%q is %d, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "M", "-1", "1X", "NaN", "Inf", "1e30", "1M2"} {
		var got memory.Size
		if err := got.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is %d, want an error", text, got)
		}
	}
	for size, want := range map[memory.Size]string{256 * mib: "256 MiB", 1 << 30: "1 GiB", 1536 * mib: "1536 MiB"} {
		if got := size.String(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// TestSharesFit holds that all shares, filled at once, leave room for what is fixed and for garbage.
func TestSharesFit(t *testing.T) {
	for _, total := range []int64{0, 96 * mib, 256 * mib, 384 * mib, 8 << 30} {
		s := memory.Divide(total)
		if s.Total < total || s.OpenDays <= 0 || s.Queries <= 0 || s.Work <= 0 || s.Cache <= 0 {
			t.Errorf("%d MiB: %+v", total/mib, s)
		}
		used := s.OpenDays + s.Queries + s.Work + s.Cache
		if used > (s.Total-32*mib)*3/4 {
			t.Errorf("%d MiB: the shares take %d MiB", total/mib, used/mib)
		}
		if w := memory.DivideForWork(total); w.Total != s.Total || w.OpenDays+w.Queries+w.Work+w.Cache != used || w.Work <= 2*s.Work {
			t.Errorf("%d MiB: for work %+v", total/mib, w)
		}
	}
}
