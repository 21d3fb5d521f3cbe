package file_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"footfall/storage/file"
)

// TestTheLastCommitIsNotForgotten damages the meta pages of a file whose process was killed. The older page is valid then and leads to a
// tree without the last commit: the file must be refused, unless it is the older page that was hit.
func TestTheLastCommitIsNotForgotten(t *testing.T) {
	dir := t.TempDir()
	db := mustCreate(t, file.Config{Path: filepath.Join(dir, "running.db")})
	const commits = 5
	for i := range uint64(commits) {
		mustCommit(t, db, put(file.Days, string(number(i)), "v"))
	}
	whole, err := os.ReadFile(filepath.Join(dir, "running.db")) // what a kill leaves
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "footfall.db")
	var refused, right int
	try := func(what string, b []byte) {
		t.Helper()
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		db, err := file.Open(file.Config{Path: path})
		if errors.Is(err, file.ErrDamaged) {
			refused++
			return
		} else if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if n := len(keys(t, db, file.Days, "")); n != commits {
			t.Errorf("%s: %d entries without a word, want %d", what, n, commits)
		}
		right++
	}
	rng := rand.New(rand.NewPCG(1, 1))
	for page := range 2 {
		refused, right = 0, 0
		for bit := range 64 * 8 {
			b := append([]byte(nil), whole...)
			b[page*4096+16+bit/8] ^= 1 << (bit % 8)
			try(fmt.Sprintf("bit %d of meta page %d", bit, page), b)
		}
		// One of the pages is the older one: any flipped bit of that does not matter. All bits of the other one do.
		if refused+right != 512 || refused != 0 && right != 0 {
			t.Errorf("meta page %d: %d bits refused, %d did not matter", page, refused, right)
		}
		for range 200 {
			b := append([]byte(nil), whole...)
			for range 2 + rng.IntN(30) {
				b[page*4096+16+rng.IntN(64)] = byte(rng.Uint32())
			}
			try(fmt.Sprintf("random bytes in meta page %d", page), b)
		}
		b := append([]byte(nil), whole...)
		clear(b[page*4096 : (page+1)*4096])
		try(fmt.Sprintf("meta page %d zeroed", page), b)
	}
}
