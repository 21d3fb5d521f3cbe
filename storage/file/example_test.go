package file_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"

	bolt "go.etcd.io/bbolt"

	"footfall/storage/file"
)

// The records of a file with one entry in its bucket 3, as bbolt's own tools show them.
func Example_records() {
	dir, err := os.MkdirTemp("", "footfall-example-")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "footfall.db")
	db, err := file.Create(file.Config{Path: path})
	if err != nil {
		fmt.Println(err)
		return
	}
	err = db.Commit(context.Background(), func(tx *file.Tx) error { return tx.Put(file.Catalog, []byte("key"), []byte("value")) })
	if err != nil {
		fmt.Println(err)
	}
	id, format := db.ID(), db.Format()
	if err := db.Close(); err != nil {
		fmt.Println(err)
	}
	b, err := bolt.Open(path, 0o600, &bolt.Options{ReadOnly: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer b.Close()
	err = b.View(func(tx *bolt.Tx) error {
		meta := tx.Bucket([]byte{byte(file.Meta)})
		r := meta.Get([]byte{0, 1})
		fmt.Printf("%3d  magic     %q\n", 0, r[:8])
		fmt.Printf("%3d  format    that of DB.Format: %t\n", 8, int(binary.BigEndian.Uint16(r[8:])) == format)
		fmt.Printf("%3d  store id  that of DB.ID: %t\n", 10, string(r[10:26]) == string(id[:]))
		fmt.Printf("%3d  checksum  %d bytes\n", 26, len(r)-26)
		s := meta.Get([]byte{0, 2})
		fmt.Printf("%3d  version   %x\n", 0, s[:1])
		for i := range (len(s) - 1) / 24 {
			at := 1 + i*24
			fmt.Printf("%3d  bucket %d  %x entries  XOR %x\n", at, i+1, s[at:at+8], s[at+8:at+24])
		}
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	//   0  magic     "footfall"
	//   8  format    that of DB.Format: true
	//  10  store id  that of DB.ID: true
	//  26  checksum  4 bytes
	//   0  version   01
	//   1  bucket 1  0000000000000000 entries  XOR 00000000000000000000000000000000
	//  25  bucket 2  0000000000000000 entries  XOR 00000000000000000000000000000000
	//  49  bucket 3  0000000000000001 entries  XOR 658cc89de2b0b16a211692151380f4ed
	//  73  bucket 4  0000000000000000 entries  XOR 00000000000000000000000000000000
	//  97  bucket 5  0000000000000000 entries  XOR 00000000000000000000000000000000
	// 121  bucket 6  0000000000000000 entries  XOR 00000000000000000000000000000000
}
