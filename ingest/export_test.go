package ingest

// TestStore is what a test may put in the place of a storage.Store.
type TestStore = store

// NewWith returns a handler over any store.
func NewWith(cfg Config, s TestStore) (*Handler, error) { return newHandler(cfg, s) }
