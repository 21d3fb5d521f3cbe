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

// EachPlain calls fn for every entry that this package keeps, unsealed, in the order of buckets and keys.
func (s *Store) EachPlain(ctx context.Context, fn func(b file.Bucket, key, plain []byte)) error {
	for _, b := range []file.Bucket{file.Meta, file.Journal, file.Catalog, file.Days} {
		err := s.db.Scan(ctx, b, nil, func(key, value []byte) error {
			sealer, kind := s.vault.Rest(), byte(0)
			switch {
			case b == file.Meta:
				kind = map[byte]byte{keyMigration[0]: typeMigration, watchKey[0]: typeWatch}[key[0]]
			case b == file.Journal:
				kind = typeJournal
			case b == file.Days:
				kind = typeChunk
			case len(key) == 8:
				kind = typeHeader
			case len(key) == 9:
				kind = typeDrops
			case isBookmark(key):
				kind = typeBookmark
			default:
				kind = typeImport
			}
			if kind == typeJournal || kind == typeHeader || kind == typeChunk || kind == typeBookmark {
				var err error
				if sealer, err = s.vault.Site(dayKeyOf(key).site); err != nil {
					return err
				}
			}
			plain, err := sealer.Open(nil, value, place(b, key, kind))
			if err != nil {
				return err
			}
			fn(b, key, plain)
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
