package storage

import (
	"context"
	"encoding/json"

	"footfall/storage/file"
)

// Step is a step of a migration that a test makes up.
type Step = step

// Migration is a migration under way.
type Migration = migration

// NumSteps is how many steps this program knows.
func NumSteps() int { return len(steps) }

// NewStep makes a step; run may be nil.
func NewStep(what string, run func(context.Context, *Migration) error) Step { return Step{what, run} }

// OpenMigrating opens with steps that a test made up, and calls after when a commit of theirs is durable.
func OpenMigrating(ctx context.Context, cfg Config, steps []Step, after func() error) (*Store, error) {
	cfg.steps, cfg.migrated = steps, after
	return Open(ctx, cfg)
}

// Format returns the format of the data file.
func (s *Store) Format() int { return s.db.Format() }

// AddToDrops adds n to every count of dropped events in the file.
func (m *migration) AddToDrops(ctx context.Context, n int64) error {
	return m.each(ctx, file.Catalog, func(tx *file.Tx, key, value []byte) error {
		if len(key) != 9 {
			return nil
		}
		rest := m.s.vault.Rest()
		plain, err := rest.Open(nil, value, place(file.Catalog, key, typeDrops))
		if err != nil {
			return err
		}
		counts := map[string]int64{}
		if err := json.Unmarshal(plain[1:], &counts); err != nil {
			return err
		}
		for reason := range counts {
			counts[reason] += n
		}
		text, err := json.Marshal(counts)
		if err != nil {
			return err
		}
		return tx.Put(file.Catalog, key, rest.Seal(nil, append([]byte{valueVersion}, text...), place(file.Catalog, key, typeDrops)))
	})
}

// CountDays calls count for every entry of the bucket of days.
func (m *migration) CountDays(ctx context.Context, count func()) error {
	return m.each(ctx, file.Days, func(*file.Tx, []byte, []byte) error {
		count()
		return nil
	})
}
