package auth

import (
	"strconv"
	"time"
)

const MaxWatched = maxWatched

// ThrottleEntries returns how many names a throttle remembers after n different ones.
func ThrottleEntries(n int) int {
	t, at := newThrottle(), time.Unix(0, 0)
	for i := range n {
		t.begin(at.Add(time.Duration(i)*time.Millisecond), strconv.Itoa(i))
	}
	return len(t.entries)
}
