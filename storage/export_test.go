package storage

import "footfall/storage/file"

// CachedDays returns how many sealed days the cache holds.
func (s *Store) CachedDays() int {
	s.cache.mu.Lock()
	defer s.cache.mu.Unlock()
	return len(s.cache.views)
}

// Gate is the gate of the queries, for its test.
type Gate = gate

// Enter and Leave are what a query does.
var (
	Enter = (*gate).enter
	Leave = (*gate).leave
)

// Limits of the gate.
const (
	MaxQueries        = maxQueries
	MaxWaitingQueries = maxWaitingQueries
	MaxWaitingOfSite  = maxWaitingOfSite
)

// DB is the data file itself.
func (s *Store) DB() *file.DB { return s.db }

// SetRoom lets a Scratch ask somebody else for room.
func (x *Scratch) SetRoom(room func(more int64) error) { x.room = room }

// ErrStale is what a reader is told whose day was replaced.
var ErrStale = errStale
