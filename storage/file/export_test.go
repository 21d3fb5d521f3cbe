package file

import (
	"crypto/sha256"
	"os"
	"testing"

	bolt "go.etcd.io/bbolt"
)

// SetFormat makes a closed file claim a format version, with a valid checksum. A newer one has a bucket more.
func SetFormat(t *testing.T, path string, version byte) {
	t.Helper()
	b, err := bolt.Open(path, 0o600, &bolt.Options{NoFreelistSync: true, PageSize: pageSize})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	err = b.Update(func(tx *bolt.Tx) error {
		if version > Format {
			if _, err := tx.CreateBucket([]byte{numBuckets + 1}); err != nil {
				return err
			}
		} else if err := tx.DeleteBucket([]byte{numBuckets + 1}); err != nil {
			return err
		}
		m := tx.Bucket([]byte{byte(Meta)})
		r := append([]byte(nil), m.Get(keyFormat)...)
		r[9] = version
		sum := sha256.Sum256(r[:26])
		return m.Put(keyFormat, append(r[:26], sum[:4]...))
	})
	if err != nil {
		t.Fatal(err)
	}
}

// UsedBytes returns how many bytes of a closed file are pages in use or free, without the room it has grown into.
func UsedBytes(t *testing.T, path string) int64 {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	m, err := newestMeta(f)
	if err != nil {
		t.Fatal(err)
	}
	return int64(m.high) * pageSize
}

// SwapRootKeys swaps the first two keys of the root page.
func SwapRootKeys(t *testing.T, f *os.File) {
	m, err := newestMeta(f)
	if err != nil {
		t.Error(err)
		return
	}
	var p [pageSize]byte
	at := int64(m.root) * pageSize
	if _, err := f.ReadAt(p[:], at); err != nil {
		t.Error(err)
		return
	}
	first := pageHeader + native.Uint32(p[pageHeader+4:])
	second := pageHeader + elementSize + native.Uint32(p[pageHeader+elementSize+4:])
	p[first], p[second] = p[second], p[first]
	if _, err := f.WriteAt(p[:], at); err != nil {
		t.Error(err)
	}
}

// Harmless tells whether an error of a commit leaves the file fit for use.
func Harmless(err error) bool { return harmless(err) }

// SetLimit changes how large the file may get. It is to be called inside a Write.
func SetLimit(db *DB, limit int64) { db.room.limit = limit }

// Doubt makes the disk one that promises nothing. It is to be called inside a Write.
func Doubt(db *DB) { db.room.known, db.room.doubtful = true, true }

// View holds a read open while fn runs.
func View(db *DB, fn func()) error { return db.view(func(*bolt.Tx) error { fn(); return nil }) }

// CompactFloor bytes may be free before a compaction is worth it.
const CompactFloor = compactFloor

// LimitFeed sets how many keys may wait.
func LimitFeed(f *Feed, limit int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.limit = limit
}

// Readers is what a report of slow reads says.
func Readers() []string { return readers() }
