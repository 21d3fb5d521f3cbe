package ingest

// TestStore is what a test may put in the place of a storage.Store.
type TestStore = store

// NewWith returns a handler over any store.
func NewWith(cfg Config, s TestStore) (*Handler, error) { return newHandler(cfg, s) }

// Lanes returns how many sites h remembers.
func (h *Handler) Lanes() int {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return len(h.lanes)
}
