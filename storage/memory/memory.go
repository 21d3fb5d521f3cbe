// Package memory says how much memory the process may use and divides it. The whole is a promise to whoever runs the program; the
// shares are what keeps it, each held to by the code that fills it. The collector's limit, set by main, is the second fence: it makes
// garbage collection work harder before the promise breaks.
package memory

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Shares are the parts of the memory that the store fills, in bytes. Together they are less than the whole: the rest is for what cannot
// be divided, and for garbage that waits to be collected.
type Shares struct {
	Total    int64 // what was promised
	OpenDays int64 // rows and visits of the days that still grow; beyond, rows are written out
	Queries  int64 // columns and groups of the queries that run
	Work     int64 // days on their way into the file: what is sealed, imported, merged
	Cache    int64 // decoded columns of sealed days; what open days and work leave of their shares comes on top
}

// Divide divides what may be used. Less than Least counts as Least.
func Divide(total int64) Shares {
	total = max(total, Least)
	eighth := (total - fixed) / 4 * 3 / 8
	return Shares{Total: total, OpenDays: 2 * eighth, Queries: 3 * eighth, Work: 2 * eighth, Cache: eighth}
}

// DivideForWork divides what a process may use that only writes days, an import: nobody asks it anything.
func DivideForWork(total int64) Shares {
	s := Divide(total)
	s.Work += s.Queries + s.Cache
	s.Queries, s.Cache = 0, 0
	return s
}

// Size is a number of bytes as people write it: 256M, 1.5G, 268435456. K, M, G and T count in powers of 1024, with or without iB or B behind.
type Size int64

// UnmarshalText reads a size.
func (s *Size) UnmarshalText(text []byte) error {
	t := strings.ToUpper(strings.TrimSpace(string(text)))
	t = strings.TrimSuffix(strings.TrimSuffix(t, "B"), "I")
	unit := float64(1)
	if i := strings.IndexAny(t, "KMGT"); i >= 0 && i == len(t)-1 {
		unit = float64(int64(1) << (10 * (1 + strings.IndexByte("KMGT", t[i]))))
		t = t[:i]
	}
	n, err := strconv.ParseFloat(strings.TrimSpace(t), 64)
	if err != nil || math.IsNaN(n) || n < 0 || n*unit > 1<<60 {
		return fmt.Errorf("%q is no size: write it as 256M or 2G", text)
	}
	*s = Size(n * unit)
	return nil
}

// String writes the size in MiB, or in GiB where that is a whole number.
func (s Size) String() string {
	if s >= 1<<30 && s%(1<<30) == 0 {
		return fmt.Sprintf("%d GiB", s>>30)
	}
	return fmt.Sprintf("%d MiB", s>>20)
}
