package ingest

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
)

// rejects are lines that are left out: the first ones one by one, the rest as counts.
type rejects struct {
	out   io.Writer // gets the first ones as they come; nil keeps them in shown
	n     int64
	shown []reject
	more  map[string]int64 // by reason
}

type reject struct {
	line   uint64
	reason string
}

func (r *rejects) add(line uint64, reason string) {
	switch {
	case r.n >= maxShownLines:
		r.count(reason, 1)
		return
	case r.out != nil:
		fmt.Fprintf(r.out, "line %d: %s\n", line, reason)
	default:
		r.shown = append(r.shown, reject{line, reason})
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
		r.add(l.line, l.reason)
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
