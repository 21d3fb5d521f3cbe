package storage

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"footfall/storage/day"
	"footfall/storage/file"
	"footfall/storage/schema"
	"footfall/storage/seal"
)

// openDay is a day that takes events, with the rows that wait for its next commit.
type openDay struct {
	open   *day.Open
	sealer *seal.Sealer
	store  *Store

	values [][]byte // of the op under way, to replay once it is durable; the committing goroutine's own

	mu       sync.Mutex // guards all below
	pending  []day.Row
	bytes    int           // about what pending will take in the journal
	next     *file.Pending // the op that will take pending, nil if none is queued
	sequence uint64        // of the next journal value
	layered  uint64        // of the first that is not in a layer
	laying   bool          // a layer is being put down
	retry    int           // rows in memory before the next try, after one that failed
	closed   bool
	refused  error // why rows were refused whose visits those that follow may belong to, until the day is opened again
}

func (od *openDay) key() dayKey { return dayKey{od.open.Site, od.open.Date} }

func dateBytes(b []byte, d schema.Date) []byte {
	return binary.BigEndian.AppendUint32(b, uint32(d)^1<<31)
}

func dayPrefix(site schema.Site, d schema.Date) []byte {
	return dateBytes(binary.BigEndian.AppendUint32(nil, uint32(site)), d)
}

func dayKeyOf(key []byte) dayKey {
	return dayKey{schema.Site(binary.BigEndian.Uint32(key)), schema.Date(binary.BigEndian.Uint32(key[4:]) ^ 1<<31)}
}

// Types of sealed values; with bucket and key they bind a value to its place.
const (
	typeJournal = 1 + iota
	typeHeader
	typeChunk
	typeDrops
	typeImport
	typeMigration
	typeWatch
	typeScratch
	typeLayer
	typeBookmark
)

const valueVersion = 1

func place(b file.Bucket, key []byte, kind byte) seal.Place {
	return seal.Place{Bucket: byte(b), Key: key, Type: kind, Version: valueVersion}
}

// OpenDay returns the open day of a site, making it if there is none. While a deletion replaces it the caller waits. Who appends goes on
// from its Resume, when the rows appended before have ended. Errors: ErrNoSite, ErrBusy; ErrDamaged where its journal cannot be read, since
// nobody knows then which visits go on.
func (s *Store) OpenDay(site schema.Site, date schema.Date) (*day.Open, error) {
	od, err := s.openDay(dayKey{site, date})
	if err != nil {
		return nil, err
	}
	od.mu.Lock()
	defer od.mu.Unlock()
	if od.next == nil {
		od.refused = nil
	}
	return od.open, nil
}

func (s *Store) openDay(key dayKey) (*openDay, error) {
	od, err := s.findDay(key)
	if od != nil || err != nil {
		return od, err
	}
	s.calendars.RLock()
	defer s.calendars.RUnlock()
	made, err := s.newOpenDay(key)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.removed[key.site] {
		return nil, ErrNoSite
	}
	if s.paused[key.site] != nil || made.sealer.Dead() { // the site is being reset, or was while the day was made
		return nil, ErrBusy
	}
	if od = s.days[key]; od == nil {
		od = made
		s.days[key] = od
	}
	return od, nil
}

// findDay returns the open day, or nil if there is none. It waits while the site is paused, but not for ever.
func (s *Store) findDay(key dayKey) (*openDay, error) {
	var late <-chan time.Time
	for {
		s.mu.RLock()
		od, paused, damaged := s.days[key], s.paused[key.site], s.damaged[key]
		s.mu.RUnlock()
		if paused == nil {
			return od, damaged
		}
		if late == nil {
			late = time.After(maxPauseWait)
		}
		select {
		case <-paused:
		case <-late:
			return nil, ErrBusy
		}
	}
}

// pause makes those who want an open day of the site wait until resume is called. The caller holds the site busy.
func (s *Store) pause(site schema.Site) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.paused[site] = make(chan struct{})
}

func (s *Store) resume(site schema.Site) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if done := s.paused[site]; done != nil {
		close(done)
		delete(s.paused, site)
	}
}

// close makes the day refuse rows; those that wait are still written. It returns what they wait for, nil if there are none.
func (od *openDay) close() *file.Pending {
	od.mu.Lock()
	defer od.mu.Unlock()
	od.closed = true
	return od.next
}

// reopen makes a closed day take rows again.
func (od *openDay) reopen() {
	od.mu.Lock()
	defer od.mu.Unlock()
	od.closed = false
}

// quiet closes a day and returns when nothing of it is under way any more.
func (s *Store) quiet(ctx context.Context, od *openDay) error {
	if last := od.close(); last != nil {
		if err := last.Wait(ctx); err != nil {
			return err
		}
	}
	// Ops end in order, so after one more commit nothing of this day is under way.
	return s.db.Commit(ctx, func(*file.Tx) error { return nil })
}

func (s *Store) newOpenDay(key dayKey) (*openDay, error) {
	site, ok := s.book.Site(key.site)
	if !ok {
		return nil, ErrNoSite
	}
	calendar, err := site.Calendar()
	if err != nil {
		return nil, fmt.Errorf("open day: %w", err)
	}
	sealer, err := s.vault.Site(key.site)
	if errors.Is(err, seal.ErrNoKey) { // it is being removed
		return nil, ErrNoSite
	}
	if err == nil {
		err = s.sweepRenamed(calendar, key.date)
	}
	if err != nil {
		return nil, fmt.Errorf("open day: %w", err)
	}
	return s.emptyDay(key, calendar.Start(key.date), sealer), nil
}

// emptyDay returns an open day that nobody knows yet.
func (s *Store) emptyDay(key dayKey, begin time.Time, sealer *seal.Sealer) *openDay {
	od := &openDay{open: day.NewOpen(key.site, key.date, begin), sealer: sealer, store: s}
	od.open.Tight = &s.tight
	return od
}

// Commit is what an append waits for.
type Commit interface {
	// Wait returns when the rows are durable, or with the reason why they are not.
	Wait(ctx context.Context) error
}

// Append queues rows of an open day. They must come in the order in which their visits were numbered. Errors, with nothing queued:
// ErrDayClosed, also where rows before these were refused and the day must be opened again; ErrBusy, ErrFull, ErrPoisoned.
func (s *Store) Append(o *day.Open, rows ...day.Row) (Commit, error) {
	s.mu.RLock()
	od := s.days[dayKey{o.Site, o.Date}]
	s.mu.RUnlock()
	if od == nil || od.open != o {
		return nil, ErrDayClosed
	}
	size := 0
	for i := range rows {
		size += rowSize(&rows[i])
	}
	od.mu.Lock()
	defer od.mu.Unlock()
	if od.closed || od.refused != nil {
		return nil, ErrDayClosed
	}
	if len(od.pending)+len(rows) > maxPendingRows || od.bytes+size > maxPendingBytes {
		return nil, ErrBusy
	}
	if od.next == nil {
		p := s.db.Submit(file.Op{Write: od.write, Done: od.done, Bulk: true})
		if err := p.Refused(); err != nil {
			return nil, err
		}
		od.next = p
	}
	od.pending = append(od.pending, rows...)
	od.bytes += size
	return od.next, nil
}

// rowSize is about what a row takes in the journal when all its words are new.
func rowSize(r *day.Row) int {
	e := &r.Event
	n := 32 + len(e.Name) + len(e.Hostname) + len(e.Pathname)
	if r.New != nil {
		for _, a := range &r.New.Attributes {
			n += 2 + len(a)
		}
	}
	for _, p := range e.Props {
		n += 8 + len(p.Key) + len(p.Value)
	}
	return n
}

// write puts all that waits into the journal. It runs on the committing goroutine, once for each queued op.
func (od *openDay) write(tx *file.Tx) error {
	od.mu.Lock()
	rows := od.pending
	od.pending, od.bytes, od.next = nil, 0, nil
	first, refused := od.sequence, od.refused
	od.mu.Unlock()
	od.values = nil
	if refused != nil {
		return refused
	}
	// What is in the journal must replay, now and at every start: a row that would not is refused before it is durable.
	if err := od.open.Fits(rows); err != nil {
		return fmt.Errorf("append: internal error: %w", err)
	}
	for len(rows) > 0 {
		n, size := 0, 0
		for n < len(rows) && n < maxJournalRows && size < maxJournalBytes {
			size += rowSize(&rows[n])
			n++
		}
		value := od.open.Encode(rows[:n])
		rows = rows[n:]
		if err := putAll(tx, []pair{od.value(first+uint64(len(od.values)), value)}); err != nil {
			return err
		}
		od.values = append(od.values, value)
	}
	return nil
}

// done makes rows visible once they are durable. Where they were refused, so are those numbered behind them, until the
// day is opened again.
func (od *openDay) done(err error) {
	values := od.values
	od.values = nil
	if err != nil { // the disk is full
		od.open.Retract()
		od.open.TakeFolded()
		od.mu.Lock()
		od.refused = err
		od.mu.Unlock()
		return
	}
	for _, v := range values {
		if err := od.open.Replay(v); err != nil {
			panic("storage: internal error: replay of a value just encoded: " + err.Error())
		}
	}
	od.mu.Lock()
	od.sequence += uint64(len(values))
	od.mu.Unlock()
	od.store.fold(od.key(), od.open.TakeFolded())
	if od.open.TailRows() >= od.store.cfg.LayerRows {
		od.store.putDown(od)
	}
	od.store.measure()
}
