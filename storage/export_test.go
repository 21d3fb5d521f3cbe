package storage

// CachedDays returns how many sealed days the cache holds.
func (s *Store) CachedDays() int {
	s.cache.mu.Lock()
	defer s.cache.mu.Unlock()
	return len(s.cache.views)
}
