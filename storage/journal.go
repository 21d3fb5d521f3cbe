package storage

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"footfall/storage/day"
	"footfall/storage/file"
	"footfall/storage/seal"
)

// The journal of a day is layers and behind them values, in the order of their sequence; a layer has that of the first value it replaced.

// isLayer tells a chunk of a layer from a value, by its key.
func isLayer(key []byte) bool { return len(key) == 20 }

func journalKey(k dayKey, sequence uint64) []byte {
	return binary.BigEndian.AppendUint64(dayPrefix(k.site, k.date), sequence)
}

func layerKey(k dayKey, sequence uint64, chunk int) []byte {
	return binary.BigEndian.AppendUint32(journalKey(k, sequence), uint32(chunk))
}

// pair is an entry of a journal on its way into the file, its value sealed.
type pair struct{ key, value []byte }

func (od *openDay) value(sequence uint64, plain []byte) pair {
	key := journalKey(od.key(), sequence)
	return pair{key, od.sealer.Seal(nil, plain, place(file.Journal, key, typeJournal))}
}

func putAll(tx *file.Tx, journal []pair) error {
	for _, p := range journal {
		if err := tx.Put(file.Journal, p.key, p.value); err != nil {
			return err
		}
	}
	return nil
}

// replaying reads the entries of a day's journal, in their order, into an open day.
type replaying struct {
	into   *day.Open
	sealer *seal.Sealer
	fetch  func(sequence uint64) day.Fetch // of a layer
	next   uint64                          // sequence of the value that comes next

	layered uint64 // sequence of the first value behind the last layer
	layer   []byte // under way
	chunks  int
}

// entry adds an entry.
func (r *replaying) entry(key, value []byte) error {
	if len(key) != 16 && !isLayer(key) {
		return fmt.Errorf("%w: journal key of %d bytes", ErrDamaged, len(key))
	}
	kind := byte(typeJournal)
	if isLayer(key) {
		kind = typeLayer
	}
	if !isLayer(key) || binary.BigEndian.Uint32(key[16:]) == 0 {
		if err := r.end(); err != nil {
			return err
		}
	}
	sequence := binary.BigEndian.Uint64(key[8:])
	if sequence != r.next {
		return fmt.Errorf("%w: the journal continues with value %d, expected %d", ErrDamaged, sequence, r.next)
	}
	if isLayer(key) && binary.BigEndian.Uint32(key[16:]) != uint32(r.chunks) {
		return fmt.Errorf("%w: journal: a chunk of a layer is missing", ErrDamaged)
	}
	plain, err := r.sealer.Open(r.layer, value, place(file.Journal, key, kind))
	if err != nil {
		return damagedJournal(err)
	}
	if isLayer(key) {
		r.layer, r.chunks = plain, r.chunks+1
		return nil
	}
	if err := r.into.Replay(plain); err != nil {
		return damagedJournal(err)
	}
	r.next++
	return nil
}

// end is called behind the last entry, and adds the layer that may be under way.
func (r *replaying) end() error {
	if r.chunks == 0 {
		return nil
	}
	next, err := r.into.Load(r.layer, r.fetch(r.next))
	if err == nil && next <= r.next {
		err = fmt.Errorf("a layer of value %d leads back to %d", r.next, next)
	}
	if err != nil {
		return damagedJournal(err)
	}
	r.next, r.layered, r.layer, r.chunks = next, next, r.layer[:0], 0
	return nil
}

func damagedJournal(err error) error {
	return fmt.Errorf("%w: journal: %w", ErrDamaged, err)
}

// replaying returns what reads the journal into the day. Nobody else may have the day yet.
func (od *openDay) replaying() *replaying {
	return &replaying{into: od.open, sealer: od.sealer, fetch: od.fetch}
}

// replayed takes over what was read.
func (od *openDay) replayed(r *replaying) error {
	if err := r.end(); err != nil {
		return err
	}
	od.sequence, od.layered = r.next, r.layered
	return nil
}

// replay brings back the open days from the journal. One that is damaged is set aside.
func (s *Store) replay(ctx context.Context) error {
	var od *openDay
	var r *replaying // nil: what follows of the day is passed over
	judge := func(err error) error {
		if err = dated(od, dataError(err)); errors.Is(err, ErrDamaged) {
			s.setAside(od, err)
			r, err = nil, nil
		}
		return err
	}
	end := func() error {
		if r == nil {
			return nil
		}
		return judge(od.replayed(r))
	}
	err := s.db.Scan(ctx, file.Journal, nil, func(key, value []byte) error {
		if len(key) < 8 {
			return fmt.Errorf("%w: journal key of %d bytes", ErrDamaged, len(key))
		}
		if od == nil || od.key() != dayKeyOf(key) {
			if err := end(); err != nil {
				return err
			}
			var err error
			if od, err = s.openDay(dayKeyOf(key)); errors.Is(err, ErrNoSite) {
				// Rows of a site that is gone: nobody can read them, and they must not keep the others from starting.
				od, r = nil, nil
				s.cfg.Logger.Warn("removing journal rows of a site that is gone", "site", dayKeyOf(key).site)
				return s.db.Commit(ctx, func(tx *file.Tx) error { return tx.Delete(file.Journal, key) })
			} else if err != nil {
				return fmt.Errorf("replay journal: %w", err)
			}
			r = od.replaying()
		}
		if r == nil {
			return nil
		}
		if err := r.entry(key, value); err != nil {
			return judge(err)
		}
		return dated(od, s.lighten(ctx, od, r))
	})
	if err != nil {
		return err
	}
	return end()
}

// setAside takes note of an open day that cannot be read. It must not keep other days and other sites from starting; but an answer without what it
// held would be wrong, and events could not go on with its visits. What is left of it in the file stays: the vault may be the one that is wrong.
func (s *Store) setAside(od *openDay, err error) {
	s.cfg.Logger.Error("an open day is damaged: it cannot be read, and takes no more events", "site", od.open.Site, "date", od.open.Date, "error", err)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.days, od.key())
	s.damaged[od.key()] = err
}

func dated(od *openDay, err error) error {
	if err != nil {
		err = fmt.Errorf("open day %s of site %d: %w", od.open.Date, od.open.Site, err)
	}
	return err
}
