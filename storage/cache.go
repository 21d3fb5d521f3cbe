package storage

import (
	"sync"

	"footfall/storage/day"
)

// cache keeps views of sealed days with what they have decoded. A view that does not fit first loses its columns, which cost most
// and answer only filtered queries. Then any other makes room, at random: queries go through days in order again and again, and
// dropping the least recently used would drop each day just before it comes.
type cache struct {
	limit func() int // bytes, may change at any time

	mu    sync.Mutex // guards all below
	used  int
	views map[dayKey]cached
}

type cached struct {
	generation uint32
	view       *day.View
	bytes      int
}

func newCache(limit func() int) *cache { return &cache{limit: limit, views: map[dayKey]cached{}} }

// take returns the view of a day's generation, or nil. It stays in the cache; views are safe to share.
func (c *cache) take(key dayKey, generation uint32) *day.View {
	c.mu.Lock()
	defer c.mu.Unlock()
	if have := c.views[key]; have.generation == generation {
		return have.view
	}
	return nil
}

// put accounts for what a view holds after it was read.
func (c *cache) put(key dayKey, generation uint32, v *day.View) {
	v.Rest()
	bytes, limit := v.Bytes(), c.limit()
	c.mu.Lock()
	defer c.mu.Unlock()
	if have := c.views[key]; have.generation > generation {
		return
	}
	c.dropLocked(key)
	if c.used+bytes > limit {
		v.Shrink()
		bytes = v.Bytes()
	}
	c.fitLocked(limit - bytes)
	if c.used+bytes <= limit {
		c.used += bytes
		c.views[key] = cached{generation, v, bytes}
	}
}

// fit makes the cache as small as its limit is now.
func (c *cache) fit() {
	limit := c.limit()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fitLocked(limit)
}

func (c *cache) fitLocked(limit int) {
	for other := range c.views {
		if c.used <= limit {
			break
		}
		c.dropLocked(other)
	}
}

// clear forgets everything and tells whether there was anything.
func (c *cache) clear() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	had := len(c.views) > 0
	clear(c.views)
	c.used = 0
	return had
}

// bytes returns how much the cache holds.
func (c *cache) bytes() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.used
}

// drop forgets a day.
func (c *cache) drop(key dayKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dropLocked(key)
}

func (c *cache) dropLocked(key dayKey) {
	c.used -= c.views[key].bytes
	delete(c.views, key)
}
