//go:build unix

package file_test

import (
	"encoding/binary"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"footfall/storage/file"
)

// year is a store's file as a year goes over it: journals that are written all day and sealed at night, imports into days that
// exist, a retention that drops what is old from some day on, and the removal of a site.
type year struct {
	t    testing.TB
	db   *file.DB
	r    *rand.Rand
	live map[string]int // bytes of each key
}

func dayKey(bucket byte, site, day, n uint64) []byte {
	key := binary.BigEndian.AppendUint64([]byte{bucket}, site<<32|day)
	return binary.BigEndian.AppendUint64(key, n)
}

func (y *year) commit(write func(put func(b file.Bucket, key []byte, size int), remove func(b file.Bucket, prefix []byte))) {
	y.t.Helper()
	mustCommit(y.t, y.db, func(tx *file.Tx) error {
		write(func(b file.Bucket, key []byte, size int) {
			value := make([]byte, size)
			if err := tx.Put(b, key, value); err != nil {
				y.t.Fatal(err)
			}
			y.live[string(key)] = len(key) + size
		}, func(b file.Bucket, prefix []byte) {
			if err := tx.DeletePrefix(b, prefix); err != nil {
				y.t.Fatal(err)
			}
			for n := range uint64(1000) {
				key := string(binary.BigEndian.AppendUint64(append([]byte(nil), prefix...), n))
				if _, ok := y.live[key]; !ok {
					break
				}
				delete(y.live, key)
			}
		})
		return nil
	})
}

// seal writes a day of so many bytes in the place of what there was of it, its journal included.
func (y *year) seal(site, day uint64, size int) {
	y.commit(func(put func(file.Bucket, []byte, int), remove func(file.Bucket, []byte)) {
		remove(file.Journal, dayKey('j', site, day, 0)[:9])
		remove(file.Days, dayKey('d', site, day, 0)[:9])
		for n := uint64(0); size > 0; n++ {
			piece := min(size, 1000+y.r.IntN(64_000))
			put(file.Days, dayKey('d', site, day, n), piece)
			size -= piece
		}
		put(file.Catalog, dayKey('c', site, day, 0), 200)
	})
}

// TestYearOfChurn holds the size of the file against what it contains, each night of a year.
func TestYearOfChurn(t *testing.T) {
	const (
		sites   = 3
		commits = 40 // a day and site
		sealed  = 250_000
		keep    = 150 // days, when retention begins
	)
	days := uint64(365)
	if testing.Short() {
		days = 120
	}
	dir := t.TempDir()
	if shm, err := os.MkdirTemp("/dev/shm", "footfall"); err == nil { // what is measured does not hang on the disk
		dir = shm
		t.Cleanup(func() { os.RemoveAll(shm) })
	}
	y := &year{t: t, db: mustCreate(t, file.Config{Path: filepath.Join(dir, "footfall.db")}), r: rand.New(rand.NewPCG(7, 7)), live: map[string]int{}}
	compactions, worst, written := 0, 0.0, int64(0)
	for day := range days {
		first := uint64(0)
		if day >= days*9/10 { // the largest site is removed
			first = 1
		}
		for n := range uint64(commits) {
			for site := first; site < sites; site++ {
				y.commit(func(put func(file.Bucket, []byte, int), _ func(file.Bucket, []byte)) {
					put(file.Journal, dayKey('j', site, day, n), 5_000+y.r.IntN(20_000))
				})
			}
		}
		for site := first; site < sites; site++ {
			y.seal(site, day, sealed/2+y.r.IntN(sealed))
		}
		switch {
		case day == days*9/10:
			y.commit(func(_ func(file.Bucket, []byte, int), remove func(file.Bucket, []byte)) {
				for d := range day {
					remove(file.Days, dayKey('d', 0, d, 0)[:9])
					remove(file.Catalog, dayKey('c', 0, d, 0)[:9])
				}
			})
		case day%30 == 29 && first == 0: // an import into the month
			for d := day - 29; d <= day; d++ {
				y.seal(0, d, 2*sealed)
			}
		case day > days/2: // retention begins
			for d := range day - min(day, keep) {
				for site := range uint64(sites) {
					if _, ok := y.live[string(dayKey('d', site, d, 0))]; ok {
						y.commit(func(_ func(file.Bucket, []byte, int), remove func(file.Bucket, []byte)) {
							remove(file.Days, dayKey('d', site, d, 0)[:9])
							remove(file.Catalog, dayKey('c', site, d, 0)[:9])
						})
					}
				}
			}
		}
		if y.db.Stats().Wasteful() { // as maintenance does
			mustCompact(t, y.db)
			compactions++
			if s := y.db.Stats(); s.Wasteful() {
				t.Fatalf("day %d: still wasteful: %+v", day, s)
			}
		}
		live := int64(0)
		for _, size := range y.live {
			live += int64(size)
		}
		size := y.db.Stats().Size
		worst = max(worst, float64(size-file.CompactFloor)/float64(live))
		if size > 2*live+file.CompactFloor {
			t.Fatalf("day %d: %d MB for %d MB", day, size>>20, live>>20)
		}
		written = max(written, size)
		if day%60 == 59 || day == days-1 {
			t.Logf("day %d: %d MB for %d MB, %d compactions", day+1, size>>20, live>>20, compactions)
		}
	}
	if compactions == 0 && !testing.Short() {
		t.Error("there was nothing to compact")
	}
	t.Logf("at most %d MB, and never more than the floor and %.2f times the content", written>>20, worst)
}
