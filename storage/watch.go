package storage

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync"
	"time"

	"footfall/storage/file"
	"footfall/storage/schema"
)

// watch is how far the clock is trusted when it says that data are too old to be kept. A clock that is wrong by a year, for an hour,
// must not cost a year of data. So the trusted day follows the clock from day to day, and over a pause of a few; a clock that jumps
// further is believed only when it has stood there for a day, in which people may notice that it is wrong.
type watch struct {
	mu    sync.Mutex // guards all below
	known bool
	day   schema.Date // of UTC
	since int64       // Unix seconds at which the clock was first seen far from it; 0: it is not
}

// trusted returns the newest day that may be taken for today.
func (w *watch) trusted() schema.Date {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.known {
		return 1<<31 - 2 // a store that was never at work yet
	}
	return w.day
}

// look takes notice of the clock. It tells whether there is something new to write down, and whether the clock has just been found too
// far ahead.
func (w *watch) look(now time.Time) (changed, jumped bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	before := [2]int64{int64(w.day), w.since}
	today := schema.DateOf(now.UTC())
	stood := time.Duration(now.Unix()-w.since) * time.Second
	switch {
	case !w.known || today >= w.day-trustedPause && today <= w.day+trustedPause:
		w.known, w.day, w.since = true, today, 0
	case w.since == 0 || stood < 0 || stood > 3*distrust: // a jump, or another one
		w.since, jumped = now.Unix(), today > w.day
	case stood >= distrust:
		w.day, w.since = today, 0
	}
	return before != [2]int64{int64(w.day), w.since}, jumped
}

// ClockJumped reports whether the clock stands days away from the last day of work and is not believed yet.
func (s *Store) ClockJumped() bool {
	s.watch.mu.Lock()
	defer s.watch.mu.Unlock()
	return s.watch.since != 0
}

// watchKey is the key of the record in Meta.
var watchKey = []byte{2}

// lookAtClock keeps the watch, in memory and in the file.
func (s *Store) lookAtClock(ctx context.Context, now time.Time) error {
	changed, jumped := s.watch.look(now)
	if jumped {
		s.cfg.Logger.Warn("the clock stands days ahead of the last day of work: days beyond a retention are kept until it has stood there for a day")
	}
	if !changed {
		return nil
	}
	s.watch.mu.Lock()
	plain := binary.BigEndian.AppendUint32([]byte{valueVersion}, uint32(s.watch.day))
	plain = binary.BigEndian.AppendUint64(plain, uint64(s.watch.since))
	s.watch.mu.Unlock()
	err := s.db.Commit(ctx, func(tx *file.Tx) error {
		return tx.Put(file.Meta, watchKey, s.vault.Rest().Seal(nil, plain, place(file.Meta, watchKey, typeWatch)))
	})
	if err != nil {
		return fmt.Errorf("write down the day of work: %w", err)
	}
	return nil
}

func (s *Store) loadWatch() error {
	value, err := s.db.Get(file.Meta, watchKey)
	if err != nil || value == nil {
		return err
	}
	plain, err := s.vault.Rest().Open(nil, value, place(file.Meta, watchKey, typeWatch))
	if err != nil {
		return fmt.Errorf("day of work: %w", err)
	}
	if len(plain) != 13 || plain[0] != valueVersion {
		return fmt.Errorf("%w: day of work", ErrDamaged)
	}
	s.watch.known, s.watch.day, s.watch.since = true, schema.Date(binary.BigEndian.Uint32(plain[1:])), int64(binary.BigEndian.Uint64(plain[5:]))
	return nil
}
