package storage

import (
	"sync"

	"footfall/storage/day"
	"footfall/storage/schema"
)

// cache keeps views of sealed days with what unfiltered queries ask of them, and the lexicons that number their words. A view that
// does not fit puts out another, at random: queries go through days in order again and again, and dropping the least recently used
// would drop each day just before it comes.
type cache struct {
	limit func() int // bytes, may change at any time

	mu       sync.Mutex // guards all below
	used     int
	views    map[dayKey]cached
	lexicons map[schema.Site]*day.Lexicon
}

type cached struct {
	generation uint32
	view       *day.View
	bytes      int
}

func newCache(limit func() int) *cache {
	return &cache{limit: limit, views: map[dayKey]cached{}, lexicons: map[schema.Site]*day.Lexicon{}}
}

// lexicon returns the lexicon of a site. Words of days that are gone stay in it, so a lexicon that takes much of the memory gives way to
// a new one; queries under way go on with the old one.
func (c *cache) lexicon(site schema.Site) *day.Lexicon {
	limit := c.limit()
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.lexicons[site]
	if l == nil || l.Bytes() > limit/lexiconShare {
		l = day.NewLexicon()
		c.lexicons[site] = l
	}
	return l
}

// lexiconShare is which part of the cache one lexicon may take: with 96 MiB some 500,000 words of a site.
const lexiconShare = 2

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
	c.fitLocked(limit - bytes)
	if c.heldLocked()+bytes <= limit {
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
		if c.heldLocked() <= limit {
			break
		}
		c.dropLocked(other)
	}
	if c.heldLocked() > limit {
		clear(c.lexicons)
	}
}

// clear forgets everything and tells whether there was anything.
func (c *cache) clear() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	had := len(c.views) > 0
	clear(c.views)
	clear(c.lexicons)
	c.used = 0
	return had
}

// bytes returns how much the cache holds.
func (c *cache) bytes() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.heldLocked()
}

func (c *cache) heldLocked() int {
	held := c.used
	for _, l := range c.lexicons {
		held += l.Bytes()
	}
	return held
}

// forget forgets the words of a site that is gone. Its days are dropped one by one.
func (c *cache) forget(site schema.Site) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.lexicons, site)
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
