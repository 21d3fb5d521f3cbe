package storage

import (
	"context"

	"footfall/storage/file"
	"footfall/storage/schema"
)

// Tamper changes the data file behind the store's back.
func (s *Store) Tamper(ctx context.Context, write func(*file.Tx) error) error {
	return s.db.Commit(ctx, write)
}

// TamperWithHeader changes the plain header of a sealed day, and seals it again.
func (s *Store) TamperWithHeader(ctx context.Context, site schema.Site, date schema.Date, change func([]byte)) error {
	key := dayPrefix(site, date)
	value, err := s.db.Get(file.Catalog, key)
	if err != nil {
		return err
	}
	sealer, err := s.vault.Site(site)
	if err != nil {
		return err
	}
	plain, err := sealer.Open(nil, value, place(file.Catalog, key, typeHeader))
	if err != nil {
		return err
	}
	change(plain[5:])
	return s.Tamper(ctx, func(tx *file.Tx) error {
		return tx.Put(file.Catalog, key, sealer.Seal(nil, plain, place(file.Catalog, key, typeHeader)))
	})
}
