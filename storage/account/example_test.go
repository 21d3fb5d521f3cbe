package account_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"footfall/storage/account"
	"footfall/storage/file"
	"footfall/storage/seal"
)

// What a book with a site, a person, a login and a token writes down. Hashes and what is random are cut short here.
func Example_records() {
	ctx := context.Background()
	fail := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	dir, err := os.MkdirTemp("", "footfall-example-")
	fail(err)
	defer os.RemoveAll(dir)
	db, err := file.Create(file.Config{Path: filepath.Join(dir, "data")})
	fail(err)
	defer db.Close()
	vault, err := seal.CreateVault(filepath.Join(dir, "vault"), db.ID(), seal.KeySource{Raw: bytes.Repeat([]byte{7}, 32)}, time.Now())
	fail(err)
	defer vault.Close()
	book, err := account.Open(db, vault.Rest())
	fail(err)
	_, err = book.AddSite(ctx, "example.org", "Europe/Berlin", created, nil)
	fail(err)
	user, err := book.AddUser(ctx, "ana@example.org", "$argon2id$…", created)
	fail(err)
	_, err = book.AddToken(ctx, account.Token{Name: "reports", Scope: "stats:read", Prefix: "ff_Ab", Hash: [32]byte{1, 2, 3}, Created: created})
	fail(err)
	fail(book.AddSession(ctx, account.Session{Hash: [32]byte{4, 5, 6}, User: user.ID, Created: created, Seen: created}, [32]byte{}, time.Time{}))

	fail(db.Scan(ctx, file.Accounts, nil, func(key, value []byte) error {
		place := seal.Place{Bucket: byte(file.Accounts), Key: key, Type: key[0], Version: uint16(value[0])}
		plain, err := vault.Rest().Open(nil, value[1:], place)
		hash := bytes.Repeat([]byte(",0"), 29)
		plain = regexp.MustCompile(`pa-[A-Z2-7]{16}`).ReplaceAll(bytes.Replace(plain, hash, []byte(",…"), 1), []byte("pa-…"))
		fmt.Printf("key      % x\nversion  %x\n%s\n", key, value[0], plain)
		return err
	}))
	// Output:
	// key      01 00 00 00 00 00 00 00 00
	// version  1
	// {"site":1,"user":1,"token":1}
	// key      02 00 00 00 00 00 00 00 01
	// version  1
	// {"id":1,"domain":"example.org","timezone":"Europe/Berlin","created":"2026-05-20T10:30:15Z","script":{"id":"pa-…"}}
	// key      03 00 00 00 00 00 00 00 01
	// version  1
	// {"id":1,"email":"ana@example.org","password_hash":"$argon2id$…","created":"2026-05-20T10:30:15Z"}
	// key      04 01 02 03 00 00 00 00 00 00 00 00 00 00 00 00 00
	// version  1
	// {"id":1,"name":"reports","scope":"stats:read","prefix":"ff_Ab","hash":[1,2,3,…],"created":"2026-05-20T10:30:15Z","last_used":"0001-01-01T00:00:00Z"}
	// key      05 04 05 06 00 00 00 00 00 00 00 00 00 00 00 00 00
	// version  1
	// {"hash":[4,5,6,…],"user":1,"created":"2026-05-20T10:30:15Z","seen":"2026-05-20T10:30:15Z"}
}
