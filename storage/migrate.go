package storage

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"footfall/storage/file"
)

// step brings a data file from one format to the next. It works on what lies in the file, since the code that reads it will change:
// a step that was released is kept as it was.
type step struct {
	what string // it does, for the log
	// run changes entries by migration.each. nil: nothing has to change, but what is written from now on is not for older programs.
	run func(context.Context, *migration) error
}

// steps lead from format 1 to file.Format; the first one leads to format 2.
var steps = []step{
	{what: "sealed days are written in parts, busy open ones in layers"},
}

// migration is a step under way. It may be cut off at any moment and goes on at the next start.
type migration struct {
	s     *Store
	done  []byte // bucket and key of the last entry that was changed; empty at the beginning
	log   time.Time
	total int64
	count int64
	after func() error // for tests: called after every commit
}

// keyMigration is where the bucket Meta keeps how far a migration has come: a value sealed with the rest key, a version, bucket and
// key of the last entry that was changed.
var keyMigration = []byte{1}

// migrate brings the file to the format of this program.
func (s *Store) migrate(ctx context.Context) error {
	known := s.cfg.steps
	if known == nil {
		known = steps
	}
	for from := s.db.Format(); from <= len(known); from = s.db.Format() {
		what := known[from-1]
		log := s.cfg.Logger.With("from", from, "to", from+1)
		log.Warn("bringing the data file to a newer format, which older versions of footfall cannot open", "what", what.what)
		m := &migration{s: s, after: s.cfg.migrated, log: s.cfg.Now()}
		if err := m.run(ctx, what, from+1); err != nil {
			return fmt.Errorf("bring the data file from format %d to %d: %w; the next start goes on with it", from, from+1, err)
		}
		log.Info("the data file has the newer format")
	}
	return nil
}

func (m *migration) run(ctx context.Context, what step, to int) (err error) {
	if m.done, err = m.position(); err != nil {
		return err
	}
	if what.run != nil {
		if err := what.run(ctx, m); err != nil {
			return err
		}
	}
	if err := m.s.db.Raise(ctx, to, func(tx *file.Tx) error { return tx.Delete(file.Meta, keyMigration) }); err != nil {
		return err
	}
	return m.committed()
}

func (m *migration) position() ([]byte, error) {
	value, err := m.s.db.Get(file.Meta, keyMigration)
	if err != nil || value == nil {
		return nil, err
	}
	plain, err := m.s.vault.Rest().Open(nil, value, place(file.Meta, keyMigration, typeMigration))
	if err != nil {
		return nil, err
	}
	if len(plain) < 2 || plain[0] != valueVersion {
		return nil, fmt.Errorf("%w: how far a migration has come", ErrDamaged)
	}
	return plain[1:], nil
}

// committed is called after each commit.
func (m *migration) committed() error {
	if now := m.s.cfg.Now(); now.Sub(m.log) >= logEvery {
		m.log = now
		m.s.cfg.Logger.Info("bringing the data file to a newer format", "done", m.count, "total", m.total)
	}
	if m.s.cfg.Progress != nil && m.total > 0 {
		m.s.cfg.Progress("Bringing the data to a newer format", m.count, m.total)
	}
	if m.after != nil {
		return m.after()
	}
	return nil
}

// each calls change for the entries of a bucket, in the order of their keys, and commits a few changes at a time together with how far it
// has come: an entry is changed once, however often the process dies. Buckets must be taken in ascending order. change may put and delete
// any entry; those it puts ahead of its own key it may meet later, so it must know them.
func (m *migration) each(ctx context.Context, b file.Bucket, change func(tx *file.Tx, key, value []byte) error) error {
	m.count, m.total = 0, 0
	err := m.s.db.Sizes(ctx, b, nil, func([]byte, int) error { m.total++; return nil })
	if err != nil {
		return err
	}
	type pair struct{ key, value []byte }
	var batch []pair
	size := 0
	flush := func() error {
		if len(batch) == 0 {
			return nil
		}
		last := slices.Concat([]byte{byte(b)}, batch[len(batch)-1].key)
		sealed := m.s.vault.Rest().Seal(nil, slices.Concat([]byte{valueVersion}, last), place(file.Meta, keyMigration, typeMigration))
		err := m.s.db.Commit(ctx, func(tx *file.Tx) error {
			for _, p := range batch {
				if err := change(tx, p.key, p.value); err != nil {
					return err
				}
			}
			return tx.Put(file.Meta, keyMigration, sealed)
		})
		if err != nil {
			return err
		}
		m.done = last
		batch, size = batch[:0], 0
		return m.committed()
	}
	err = m.s.db.Scan(ctx, b, nil, func(key, value []byte) error {
		m.count++
		if bytes.Compare(slices.Concat([]byte{byte(b)}, key), m.done) <= 0 {
			return nil // changed before the process died
		}
		batch = append(batch, pair{key, value})
		if size += len(key) + len(value); len(batch) < migratePairs && size < migrateBytes {
			return nil
		}
		return flush()
	})
	if err != nil {
		return err
	}
	return flush()
}
