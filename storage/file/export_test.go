package file

import (
	"crypto/sha256"
	"testing"

	bolt "go.etcd.io/bbolt"
)

// SetFormat makes a closed file claim a format version, with a valid checksum.
func SetFormat(t *testing.T, path string, version byte) {
	t.Helper()
	b, err := bolt.Open(path, 0o600, &bolt.Options{NoFreelistSync: true, PageSize: pageSize})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	err = b.Update(func(tx *bolt.Tx) error {
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

// Wedge leaves a write transaction of bbolt open, as a panic inside a commit would.
func (db *DB) Bolt() *bolt.DB { return db.bolt }
