package storage

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"footfall/storage/file"
	"footfall/storage/schema"
)

// A bookmark says how far imports of a site have read a source. Its bytes are the reader's own business; here it only has a number. It
// is written in the transaction that makes an import's days visible, so no event is counted twice or lost, and it dies with the site's key. Its key
// lies among the site's days, where no day can be:
//
//	| bytes | what                                      |
//	|     4 | site, big-endian                          |
//	|     4 | ff ff ff ff, beyond all days              |
//	|     4 | number, big-endian                        |
//
//	value: version 1, then the reader's bytes; sealed with the key of the site
const bookmarkDate = math.MaxUint32

func bookmarkKey(site schema.Site, number uint32) []byte {
	return binary.BigEndian.AppendUint32(bookmarkPrefix(site), number)
}

func bookmarkPrefix(site schema.Site) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, uint32(site)), bookmarkDate)
}

// isBookmark tells bookmarks from the rest of the catalog.
func isBookmark(key []byte) bool {
	return len(key) == 12 && binary.BigEndian.Uint32(key) != importMark && binary.BigEndian.Uint32(key[4:]) == bookmarkDate
}

// Bookmarks returns what imports of a site have kept, by number.
func (s *Store) Bookmarks(ctx context.Context, site schema.Site) (map[uint32][]byte, error) {
	kept := map[uint32][]byte{}
	err := s.db.Scan(ctx, file.Catalog, bookmarkPrefix(site), func(key, value []byte) error {
		plain, err := s.openBookmark(key, value)
		if err == nil {
			kept[binary.BigEndian.Uint32(key[8:])] = plain
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read bookmarks: %w", dataError(err))
	}
	return kept, nil
}

func (s *Store) openBookmark(key, value []byte) ([]byte, error) {
	site := schema.Site(binary.BigEndian.Uint32(key))
	sealer, err := s.vault.Site(site)
	if err != nil {
		return nil, err
	}
	plain, err := sealer.Open(nil, value, place(file.Catalog, key, typeBookmark))
	if err != nil {
		return nil, fmt.Errorf("bookmark: %w", err)
	}
	if len(plain) == 0 || plain[0] != valueVersion {
		return nil, fmt.Errorf("%w: bookmark of version %d", ErrDamaged, plain[:min(1, len(plain))])
	}
	return plain[1:], nil
}

// Keep sets a bookmark of the import's site. It is there when Commit has returned, and not before. It is not for concurrent use.
func (im *Import) Keep(number uint32, value []byte) error {
	if im.ended {
		return errors.New("import: internal error: bookmark after the end")
	}
	sealer, err := im.s.vault.Site(im.site)
	if err != nil {
		return fmt.Errorf("keep bookmark: %w", err)
	}
	key := bookmarkKey(im.site, number)
	if im.kept == nil {
		im.kept = map[uint32][]byte{}
	}
	im.kept[number] = sealer.Seal(nil, append([]byte{valueVersion}, value...), place(file.Catalog, key, typeBookmark))
	return nil
}
