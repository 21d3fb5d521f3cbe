package ingest

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// rejects are lines that are left out: the first ones one by one, the rest as counts.
type rejects struct {
	name  string    // of the file, where there are several
	out   io.Writer // gets the first ones as they come; nil keeps them in shown
	n     int64
	shown []reject
	more  map[string]int64 // by reason
}

type reject struct {
	line    uint64
	column  int // 0 is unknown
	reason  string
	example string // what the line looks like, may be empty
}

func (l *reject) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "line %d", l.line)
	if l.column > 0 {
		fmt.Fprintf(&b, ", column %d", l.column)
	}
	fmt.Fprintf(&b, ": %s", l.reason)
	if l.example != "" {
		fmt.Fprintf(&b, "; the line is like %s", l.example)
	}
	return b.String()
}

func (r *rejects) add(line uint64, reason string) { r.put(reject{line: line, reason: reason}) }

// full reports whether rejects are only counted from here on.
func (r *rejects) full() bool { return r.n >= maxShownLines }

func (r *rejects) put(l reject) {
	switch {
	case r.full():
		r.count(l.reason, 1)
		return
	case r.out != nil && r.name != "":
		fmt.Fprintf(r.out, "%s: %s\n", r.name, &l)
	case r.out != nil:
		fmt.Fprintln(r.out, &l)
	default:
		r.shown = append(r.shown, l)
	}
	r.n++
}

func (r *rejects) count(reason string, n int64) {
	if r.more == nil {
		r.more = map[string]int64{}
	}
	if _, known := r.more[reason]; !known && len(r.more) >= maxShownReasons {
		reason = "other reasons"
	}
	r.more[reason] += n
	r.n += n
}

// merge adds rejects of later lines.
func (r *rejects) merge(later *rejects) {
	for _, l := range later.shown {
		r.put(l)
	}
	for _, reason := range slices.Sorted(maps.Keys(later.more)) {
		r.count(reason, later.more[reason])
	}
}

// close prints the counts, the commonest reason first.
func (r *rejects) close() {
	reasons := slices.SortedFunc(maps.Keys(r.more), func(a, b string) int {
		return cmp.Or(cmp.Compare(r.more[b], r.more[a]), cmp.Compare(a, b))
	})
	for _, reason := range reasons {
		fmt.Fprintf(r.out, "%d more lines: %s\n", r.more[reason], reason)
	}
}
