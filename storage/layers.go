package storage

import (
	"context"
	"errors"
	"fmt"

	"footfall/storage/day"
	"footfall/storage/file"
)

// putDown puts the rows that an open day has in memory into a layer. It is called on the committing goroutine, where the rows in memory and
// those in the journal are the same, and goes on beside it: events come in meanwhile.
func (s *Store) putDown(od *openDay) {
	od.mu.Lock()
	defer od.mu.Unlock()
	if od.laying || od.closed || od.open.TailRows() < od.retry {
		return
	}
	od.laying = true
	y, first := od.open.Layer(od.sequence), od.layered
	s.laying.Go(func() {
		err := s.lay(context.Background(), od, y, first)
		od.mu.Lock()
		defer od.mu.Unlock()
		od.laying, od.retry = false, 0
		if err != nil {
			od.retry = 2 * y.Rows()
			if !errors.Is(err, ErrDayClosed) && !errors.Is(err, ErrClosed) && s.db.Poisoned() == nil {
				s.cfg.Logger.Warn("rows of an open day stay in memory", "error", err)
			}
		}
	})
}

// lay writes a layer in the place of the journal values from first on that it holds, in one commit.
func (s *Store) lay(ctx context.Context, od *openDay, y *day.Layer, first uint64) error {
	defer s.Work(int64(y.Rows()) * layingRow)()
	chunks := od.layer(y, first)
	return s.db.Submit(file.Op{
		Bulk: true,
		Write: func(tx *file.Tx) error {
			od.mu.Lock()
			closed := od.closed // it is being sealed, or replaced
			od.mu.Unlock()
			if closed {
				return ErrDayClosed
			}
			if err := putAll(tx, chunks); err != nil {
				return err
			}
			for sequence := first; sequence < y.Next(); sequence++ {
				if err := tx.Delete(file.Journal, journalKey(od.key(), sequence)); err != nil {
					return err
				}
			}
			return nil
		},
		Done: func(err error) {
			if err == nil {
				od.open.Adopt(y, od.fetch(first))
				od.mu.Lock()
				od.layered = y.Next()
				od.mu.Unlock()
			}
		},
	}).Wait(ctx)
}

// layer returns the chunks of a layer in the place of the journal values from first on.
func (od *openDay) layer(y *day.Layer, first uint64) (chunks []pair) {
	for rest := y.Encode(); len(rest) > 0; rest = rest[min(len(rest), day.MaxChunk):] {
		key := layerKey(od.key(), first, len(chunks))
		chunks = append(chunks, pair{key, od.sealer.Seal(nil, rest[:min(len(rest), day.MaxChunk)], place(file.Journal, key, typeLayer))})
	}
	return chunks
}

// lighten puts rows down while a day is read from its journal, where an older version, or a disk that was full, left many there. Where that
// does not work they stay in memory.
func (s *Store) lighten(ctx context.Context, od *openDay, r *replaying) error {
	if od.open.TailRows() < manyLayers*s.cfg.LayerRows {
		return nil
	}
	err := s.lay(ctx, od, od.open.Layer(r.next), r.layered)
	if err == nil {
		r.layered = r.next
	} else if ctx.Err() == nil && !errors.Is(err, ErrFull) {
		return fmt.Errorf("put down rows: %w", err)
	}
	return ctx.Err()
}

// fetch returns what reads the chunks of a layer.
func (od *openDay) fetch(sequence uint64) day.Fetch {
	k, db, sealer := od.key(), od.store.db, od.sealer
	return func(dst []byte, i int) ([]byte, error) {
		key := layerKey(k, sequence, i)
		missing := false
		err := db.Read(file.Journal, key, func(value []byte) (err error) {
			if missing = value == nil; !missing {
				dst, err = sealer.Open(dst, value, place(file.Journal, key, typeLayer))
			}
			return err
		})
		if missing {
			return nil, fmt.Errorf("%w: chunk %d of a layer is not there", errStale, i) // it was sealed, or replaced
		}
		// Where the day was replaced meanwhile, its successor may have put down a layer of its own at this place.
		if od.gone() {
			return dst, errStale
		}
		return dst, err
	}
}

// gone reports whether the day is no longer the open one: its site may have lost its key.
func (od *openDay) gone() bool {
	s := od.store
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.days[od.key()] != od
}
